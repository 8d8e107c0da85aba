/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines of a log, plain or gzip, from a descriptor; memory is bounded whatever the file holds. */
#ifndef ST_LOGLINES_H
#define ST_LOGLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line longer than this is given up to here; what mail programs write about a login stands in the
 * first few hundred bytes. */
#define LOGLINE_MAX 16384

struct loglines;

/* Reads from descriptor fd, which it owns from now on, also when it fails. */
int loglines_open(int fd, struct loglines **ret);

/*
 * The next line, without its newline, valid until the next call; it may hold NUL bytes. Returns 1,
 * 0 at the end, or -errno
 * (-EBADMSG: damaged or cut gzip data).
 */
int loglines_next(struct loglines *l, const char **line, size_t *len);

/* Bytes of the file (compressed ones, if it is) and of text so far; lines that were longer than
 * LOGLINE_MAX. */
uint64_t loglines_file_bytes(const struct loglines *l);
uint64_t loglines_text_bytes(const struct loglines *l);
uint64_t loglines_cut(const struct loglines *l);

void loglines_free(struct loglines *l);

static inline void loglines_freep(struct loglines **l)
{
	loglines_free(*l);
}

#endif
