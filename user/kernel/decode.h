/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes from the ring to records whose strings are known to lie inside them. Pure; believes nothing
 * that the header says before it is checked against the sample's length.
 */
#ifndef ST_DECODE_H
#define ST_DECODE_H

#include <stdbool.h>
#include <stddef.h>

#include "spamtrace.h"

/* A slice of a record; not NUL-terminated, s is never NULL. cut: the kernel side had no room for
 * more. */
struct text {
	const char *s;
	size_t len;
	bool cut;
};

struct record {
	const struct st_header *h; /* type tells which struct st_* this starts */
	const char *data;          /* what follows that struct */
	size_t data_len;
};

/* Checks type, ABI and sizes. Points into `bytes`. 0, -EPROTO (unknown type or ABI) or -EMSGSIZE.
 */
int record_decode(const void *bytes, size_t len, struct record *out);

/* The string, or an empty one if it does not lie inside the record. */
struct text record_text(const struct record *r, struct st_str s);

/*
 * Directory components as the kernel side sends them (innermost first, NUL between) to "/a/b". Cut
 * paths start with ".../". Empty with cut set is unknown: -ENODATA. 0, or -ENAMETOOLONG.
 */
int record_path(const struct record *r, struct st_str s, char *out, size_t size);

/*
 * A name below a queue's root: components may be separated by NUL (dentries) or '/'; "//" and "./"
 * are taken out. 0, -ENODATA when empty, -ENAMETOOLONG (also when it was cut), -EINVAL for a ".."
 * in it.
 */
int record_queue_name(const struct record *r, struct st_str s, char *out, size_t size);

#endif
