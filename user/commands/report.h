/* SPDX-License-Identifier: GPL-2.0-only */
/* A recording counted again. Memory is bounded by the tally's keys, not by the recording's length.
 */
#ifndef ST_REPORT_H
#define ST_REPORT_H

#include "trace/event.h"

/* Rows of each kind at most. */
#define REPORT_ROWS 1000

/* Which messages count; NULL: all. */
struct report_filter {
	const char *user;   /* a uid or a name */
	const char *vhost;  /* fnmatch() patterns */
	const char *script; /* the primary script or the file to blame */
};

struct report;

/* 0, -ENODATA (not one event in it), or -errno of the file. */
int report_read(const char *path, const struct report_filter *filter, struct report **ret);

/* A trace-ended event; everything it points to is the report's. */
void report_summary(struct report *r, struct summary_event *out);
void report_free(struct report *r);

#endif
