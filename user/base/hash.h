/* SPDX-License-Identifier: GPL-2.0-only */
/* uthash, whose tables cannot do without memory for themselves: where there is none, the program
 * ends and says so. Include this, not <uthash.h>. */
#ifndef ST_HASH_H
#define ST_HASH_H

#include <stddef.h>

/* malloc() that returns or ends the program. */
void *hash_memory(size_t size);

#define uthash_malloc(size) hash_memory(size)

#include <uthash.h>

#endif
