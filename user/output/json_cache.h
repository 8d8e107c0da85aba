/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mail events as JSON lines, for less: of a script's messages only the time, numbers, ids,
 * addresses and the like differ. The line of such a run of events is made once by json_mail_event()
 * and jansson, with marks in the places of those, and kept; each event then fills the places. Lines
 * are the same, byte for byte, as json_mail_line() makes them.
 */
#ifndef ST_JSON_CACHE_H
#define ST_JSON_CACHE_H

#include "output/json_event.h"

struct json_cache;

int json_cache_new(struct json_cache **out);
void json_cache_free(struct json_cache *k);

/* As json_mail_line(), but the line is the cache's and valid until the next call. `c` names the
 * same host in every call. */
int json_cache_mail_line(struct json_cache *k, const struct json_context *c,
			 const struct mail_event *e, const char **line, size_t *len);

/* How many lines were made from a kept one: for tests. */
size_t json_cache_hits(const struct json_cache *k);

#endif
