/* SPDX-License-Identifier: GPL-2.0-only */
/* JSON lines of commands that report once (auth, doctor): the same envelope and nesting as the
 * trace's. */
#ifndef ST_JSON_LINE_H
#define ST_JSON_LINE_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "mail/message.h"

/* An object with @timestamp, event.action, event.id, event.sequence, host.name and
 * spamtrace.schema. */
json_t *json_line_new(const char *action);

/* Puts `value` (stolen) at "a.b.c". */
void json_line_put(json_t *line, const char *key, json_t *value);
void json_line_put_count(json_t *line, const char *key, uint64_t count);
/* Absent when it is not known, which is negative. */
void json_line_put_known(json_t *line, const char *key, int64_t count);

/* Any bytes as valid UTF-8; absent when NULL or empty. */
void json_line_put_text(json_t *line, const char *key, const char *text);
json_t *json_line_text(const char *text);

/* Seconds since 1970 as RFC 3339; absent when 0. */
void json_line_put_time(json_t *line, const char *key, int64_t seconds);

/* What a queued message's files say: sender, headers, client, size; what is unknown is absent. */
void json_line_put_facts(json_t *line, const struct message_facts *f);
/* user.id, as a string; absent when negative. */
void json_line_put_uid(json_t *line, int64_t uid);

/* Writes the line and frees it. Returns 0 or -errno. */
int json_line_write(FILE *out, json_t *line);

#endif
