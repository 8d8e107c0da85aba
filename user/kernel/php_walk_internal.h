/* SPDX-License-Identifier: GPL-2.0-only */
/* What php_walk's files share: one worker's memory, and the request that it is in. */
#ifndef ST_PHP_WALK_INTERNAL_H
#define ST_PHP_WALK_INTERNAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "kernel/php_walk.h"

/* One worker's memory; `error` keeps the first failure that ends everything: -ESRCH or -EPERM. */
struct php_memory {
	pid_t pid;
	const struct st_php_image *st;
	const struct st_php_layout *l;
	uint64_t base;
	int error;
};

/* php_peek.c. Whatever lies in that memory may be the wish of a script: lengths are bounded, and
 * nothing is followed further than one pointer at a time. */

/* 0, or -EFAULT when any of it cannot be read. */
int php_peek(struct php_memory *m, uint64_t address, void *buffer, size_t size);
/* 0 for what cannot be read. */
uint64_t php_peek_pointer(struct php_memory *m, uint64_t address);
/* Up to size - 1 bytes and a NUL; *cut when there was more. Returns the length, or -EFAULT and "".
 */
ssize_t php_peek_string(struct php_memory *m, uint64_t address, char *out, size_t size, bool *cut);
/* The same of a zend_string that is a name. */
ssize_t php_peek_name(struct php_memory *m, uint64_t address, char *out, size_t size, bool *cut);

/* php_walk_request.c. 0, -EFAULT, or the error that ends everything. */
int php_read_sapi(struct php_memory *m, struct php_walk_request *r);
/* Everything but the stack. The caller knows that a request is running. */
void php_read_request(struct php_memory *m, const struct php_layout_row *row,
		      struct php_walk_request *r);

#endif
