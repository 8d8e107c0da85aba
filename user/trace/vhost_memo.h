/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vhost_resolve() with a memory: in a spam run the same few questions are asked thousands of times.
 * It knows one table; with another one, or after a change of it, it is cleared first.
 */
#ifndef ST_VHOST_MEMO_H
#define ST_VHOST_MEMO_H

#include <stddef.h>

#include "trace/vhost.h"

#define VHOST_MEMOS 64 /* a power of two */

struct vhost_memo {
	struct {
		char *key; /* NULL: empty */
		size_t len;
		int err; /* 0 or -ENOENT */
		struct vhost_answer answer;
	} slot[VHOST_MEMOS];
};

/* As vhost_resolve(). */
int vhost_memo_resolve(struct vhost_memo *m, const struct vhost_table *t,
		       const struct vhost_query *q, struct vhost_answer *out);

void vhost_memo_clear(struct vhost_memo *m);

#endif
