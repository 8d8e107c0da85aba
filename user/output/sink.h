/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where events go: the terminal's table, JSON lines, a recording. A sink keeps nothing of an event
 * after the call. Functions return 0 or -errno (-EPIPE: the reader went away, -ENOSPC: the disk is
 * full); after an error the sink goes on accepting events and counts those it could not write.
 */
#ifndef ST_SINK_H
#define ST_SINK_H

#include <stdbool.h>
#include <stdio.h>

#include "trace/event.h"

struct sink {
	int (*started)(struct sink *s, const struct summary_event *e);
	int (*mail)(struct sink *s, const struct mail_event *e);
	int (*queue)(struct sink *s, const struct queue_event *e);
	int (*ended)(struct sink *s, const struct summary_event *e);
	/* Called about four times a second, and when input is idle; flushes, redraws. */
	int (*tick)(struct sink *s, uint64_t wall_ns);
	void (*free)(struct sink *s);
	uint64_t unwritten; /* events that could not be written */
};

struct table_options {
	bool terminal;    /* colours and live status line; else plain text */
	unsigned columns; /* 0: ask the terminal, follow SIGWINCH through table_resized() */
	bool verbose;     /* the whole stack below each message */
	enum tally_by by; /* which summary comes first */
};

/* Human table on `out`. Fits 120 columns, degrades to 80. */
int table_sink_new(FILE *out, const struct table_options *options, struct sink **ret);
void table_resized(struct sink *s, unsigned columns); /* 0: asks the terminal */
void table_lost(struct sink *s, uint64_t lost);       /* what the status line says of losses */

/* JSON lines (design: ECS-shaped, schema 1) on a descriptor it takes ownership of; one write per
 * line. */
int json_sink_new(int fd, const char *host_name, struct sink **ret);

/*
 * A recording: JSON lines of everything into `path`, created 0600, O_NOFOLLOW; an existing regular
 * file is appended to only when it is empty, else -EEXIST. `redact`: addresses and subjects are
 * replaced by a keyed hash (key made for this recording).
 */
int record_sink_new(const char *path, const char *host_name, bool redact, struct sink **ret);

#endif
