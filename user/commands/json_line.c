// SPDX-License-Identifier: GPL-2.0-only
#include "commands/json_line.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"

json_t *json_line_new(const char *action)
{
	static uint64_t sequence, started;
	char now[CLOCK_RFC3339_SIZE], host[HOST_NAME_MAX + 1] = "", id[64];
	uint64_t wall = clock_wall_ns();
	json_t *line = json_object();

	if (!started)
		started = wall;
	clock_rfc3339(now, wall);
	snprintf(id, sizeof(id), "%" PRIx64 "-%d-%" PRIu64, started, (int)getpid(), ++sequence);
	json_line_put(line, "@timestamp", json_string(now));
	json_line_put(line, "event.id", json_string(id));
	json_line_put_count(line, "event.sequence", sequence);
	json_line_put(line, "event.action", json_string(action));
	if (gethostname(host, sizeof(host) - 1) == 0)
		json_line_put_text(line, "host.name", host);
	json_line_put(line, "spamtrace.schema", json_integer(1));
	return line;
}

void json_line_put(json_t *line, const char *key, json_t *value)
{
	for (;;) {
		const char *dot = strchr(key, '.');
		json_t *next;

		if (!dot) {
			json_object_set_new(line, key, value);
			return;
		}
		next = json_object_getn(line, key, (size_t)(dot - key));
		if (!next) {
			next = json_object();
			json_object_setn_new(line, key, (size_t)(dot - key), next);
		}
		line = next;
		key = dot + 1;
	}
}

void json_line_put_count(json_t *line, const char *key, uint64_t count)
{
	json_line_put(line, key, json_integer((json_int_t)count));
}

json_t *json_line_text(const char *text)
{
	size_t n = strlen(text), size = 3 * n + 1;
	_free_ char *safe = malloc(size);

	if (!safe)
		return NULL;
	text_utf8(safe, size, text, n);
	return json_string(safe);
}

void json_line_put_text(json_t *line, const char *key, const char *text)
{
	if (text && *text)
		json_line_put(line, key, json_line_text(text));
}

void json_line_put_time(json_t *line, const char *key, int64_t seconds)
{
	char out[CLOCK_RFC3339_SIZE];

	if (seconds <= 0)
		return;
	clock_rfc3339(out, (uint64_t)seconds * 1000000000ULL);
	json_line_put(line, key, json_string(out));
}

int json_line_write(FILE *out, json_t *line)
{
	_free_ char *plain = json_dumps(line, JSON_COMPACT), *text = NULL;
	size_t len = 0;

	json_decref(line);
	text = plain ? text_json_line(plain, strlen(plain), &len) : NULL;
	if (!text)
		return -ENOMEM;
	errno = 0;
	fwrite(text, 1, len, out);
	return ferror(out) ? (errno ? -errno : -EIO) : 0;
}
