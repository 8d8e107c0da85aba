/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events as JSON objects: ECS-shaped where ECS has the field, "spamtrace." otherwise, schema 1.
 * What is unknown is absent. A string over the limit is cut and its key listed in spamtrace.cut.
 * Knows no descriptor.
 */
#ifndef ST_JSON_EVENT_H
#define ST_JSON_EVENT_H

#include <jansson.h>

#include "output/redact.h"
#include "trace/event.h"

/* A line, its line feed included, never exceeds this. */
#define JSON_LINE_MAX 65535

struct json_context {
	const char *host;                /* host.name; NULL: absent */
	const struct redactor *redactor; /* NULL: nothing is hidden */
	uint64_t unwritten;              /* lines lost just before this one: spamtrace.unwritten */
};

/* Identifies this run of the program in event.id: 16 hex digits, made at the first call. */
const char *json_trace_id(void);

/*
 * A new object with the strings cut to `limit` bytes and lists to `items` entries. NULL: no memory.
 * The caller releases it with json_decref().
 */
json_t *json_mail_event(const struct json_context *c, const struct mail_event *e, size_t limit);
json_t *json_queue_event(const struct json_context *c, const struct queue_event *e, size_t limit);
json_t *json_summary_event(const struct json_context *c, const struct summary_event *e,
			   size_t limit, size_t items);

/* One line, malloc'd, at most JSON_LINE_MAX bytes: limits shrink until it fits. 0, -ENOMEM or
 * -EMSGSIZE. */
int json_mail_line(const struct json_context *c, const struct mail_event *e, char **line,
		   size_t *len);
int json_queue_line(const struct json_context *c, const struct queue_event *e, char **line,
		    size_t *len);
int json_summary_line(const struct json_context *c, const struct summary_event *e, char **line,
		      size_t *len);

#endif
