/* SPDX-License-Identifier: GPL-2.0-only */
/* Nested objects from dotted keys; strings made valid UTF-8, cut and marked. For json_event.c and
 * json_summary.c. */
#ifndef ST_JSON_BUILD_H
#define ST_JSON_BUILD_H

#include "output/json_event.h"

struct json_builder {
	json_t *root; /* owned */
	const struct json_context *context;
	size_t limit; /* bytes of one string */
	bool failed;  /* no memory: the object is incomplete */
};

/* With what every line has: @timestamp, event.id, .sequence, .action, .kind, host.name,
 * spamtrace.schema. */
void json_begin(struct json_builder *b, const struct json_context *c, enum action action,
		uint64_t sequence, uint64_t wall_ns, size_t limit);

/* The object, or NULL when memory ran out on the way. */
json_t *json_finish(struct json_builder *b);

/* Puts `value` (stolen, NULL: no memory) at "a.b.c" under the root; json_put_in: under any object.
 */
void json_put(struct json_builder *b, const char *key, json_t *value);
void json_put_in(struct json_builder *b, json_t *object, const char *key, json_t *value);

/* A string; what is cut is marked under `key`. */
json_t *json_text(struct json_builder *b, const char *key, const char *text, size_t len);
void json_mark_cut(struct json_builder *b, const char *key);

/* Absent when NULL or empty; count: absent when negative. */
void json_put_text(struct json_builder *b, const char *key, const char *text);
void json_put_count(struct json_builder *b, const char *key, int64_t count);
void json_put_id(struct json_builder *b, const char *key, int64_t id); /* as a string */

/* Like json_put_text(), hashed when the recording is redacted. */
void json_put_address(struct json_builder *b, const char *key, const char *address);
void json_put_subject(struct json_builder *b, const char *key, const char *subject);

/* {"script": 12, ...}; `zeros`: with those that are 0. */
json_t *json_sources(const uint64_t by_source[SOURCE_COUNT], bool zeros);

/* A queue's numbers, under "<prefix>messages" and so on of `object`. */
void json_put_queue(struct json_builder *b, json_t *object, const struct queue_event *e);

/* A number that JSON can hold: jansson's integers are signed. */
json_t *json_count(uint64_t n);

#endif
