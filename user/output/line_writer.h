/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whole lines onto a descriptor, one write() each. Knows nothing of what a line says. A line that
 * was begun is finished before another one starts, whatever happens in between, so a reader never
 * meets two lines run together.
 */
#ifndef ST_LINE_WRITER_H
#define ST_LINE_WRITER_H

#include <stddef.h>
#include <stdint.h>

struct line_writer {
	int fd;     /* owned */
	char *rest; /* what a failing write left of the line before; NULL: none */
	size_t rest_len;
	int error;          /* the -errno that is reported already; 0: lines go through */
	uint64_t unwritten; /* lines lost in all */
	uint64_t gap;       /* lines lost since the last one that went through */
};

/* Takes ownership of `fd`; ignores SIGPIPE where it has its default action, so that a reader that
 * went away is an error only. */
void line_writer_init(struct line_writer *w, int fd);

/*
 * Writes `len` bytes that end with a line feed. 0, or -errno at the first failure of its kind;
 * further failures of the same kind return 0 and only count. A lost line is counted in `unwritten`
 * and `gap`; a line that was begun is kept and finished later.
 */
int line_write(struct line_writer *w, const char *line, size_t len);

/* Counts a line that could not even be made; same return values. */
int line_lost(struct line_writer *w, int err);

/* Goes on with what is left of a line. */
int line_flush(struct line_writer *w);

/* Closes; the error of close() if the file system reports one only then. */
int line_writer_close(struct line_writer *w);

#endif
