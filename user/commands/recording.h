/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recordings read back: bounded lines out of a file, and a line back into the event that it was.
 * Files and lines are anybody's: nothing in them is trusted, and strings are as hostile as they
 * were when they were recorded.
 */
#ifndef ST_RECORDING_H
#define ST_RECORDING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "output/json_event.h"
#include "trace/event.h"

struct recording_event {
	json_t *object; /* owned; the strings below live in it */
	enum action action;
	uint64_t sequence, wall_ns;
	uint64_t unwritten; /* lines that were lost just before this one */
	const char *host;
	struct mail_event mail;   /* mail-queued to mail-removed */
	struct queue_event queue; /* queue-sampled */
	char *args;               /* owned; mail.args */
	struct frame frames[EVENT_MAX_FRAMES];
};

/* 0; -EINVAL: not a line of a recording (or of a later schema); -ENOMEM. Release with
 * recording_event_clear(). */
int recording_parse(const char *line, size_t len, struct recording_event *out);
void recording_event_clear(struct recording_event *e);

struct recording_file {
	int fd; /* owned */
	char *buffer;
	size_t start, end;
	bool ended;
	uint64_t too_long; /* lines skipped, as no recording has such */
	bool truncated;    /* the last line has no line feed */
};

/* "-": standard input. Refuses directories. */
int recording_open(const char *path, struct recording_file *out);

/* The next line without its line feed, valid until the next call. 1, 0 at the end, or -errno. */
int recording_next(struct recording_file *f, const char **line, size_t *len);
void recording_close(struct recording_file *f);

#endif
