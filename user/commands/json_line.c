// SPDX-License-Identifier: GPL-2.0-only
#include "commands/json_line.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"

/* What is the same in every line of a run. */
static struct {
	char host[HOST_NAME_MAX + 1], run[48];
} fixed;

static void fill_fixed(void)
{
	if (gethostname(fixed.host, sizeof(fixed.host) - 1) != 0)
		fixed.host[0] = '\0';
	snprintf(fixed.run, sizeof(fixed.run), "%" PRIx64 "-%d", clock_wall_ns(), (int)getpid());
}

json_t *json_line_new(const char *action)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static _Atomic uint64_t last;
	char now[CLOCK_RFC3339_SIZE], id[80];
	uint64_t sequence = ++last;
	json_t *line = json_object();

	pthread_once(&once, fill_fixed);
	clock_rfc3339(now, clock_wall_ns());
	snprintf(id, sizeof(id), "%s-%" PRIu64, fixed.run, sequence);
	json_line_put(line, "@timestamp", json_string_nocheck(now));
	json_line_put(line, "event.id", json_string_nocheck(id));
	json_line_put_count(line, "event.sequence", sequence);
	json_line_put(line, "event.action", json_string_nocheck(action));
	json_line_put_text(line, "host.name", fixed.host);
	json_line_put(line, "spamtrace.schema", json_integer(1));
	return line;
}

void json_line_put(json_t *line, const char *key, json_t *value)
{
	for (;;) {
		const char *dot = strchr(key, '.');
		json_t *next;

		if (!dot) {
			json_object_set_new_nocheck(line, key, value);
			return;
		}
		next = json_object_getn(line, key, (size_t)(dot - key));
		if (!next) {
			next = json_object();
			json_object_setn_new_nocheck(line, key, (size_t)(dot - key), next);
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
	char small[512];
	size_t n = strlen(text), size = 3 * n + 1;
	_free_ char *large = size > sizeof(small) ? malloc(size) : NULL;
	char *safe = size > sizeof(small) ? large : small;

	if (!safe)
		return NULL;
	n = text_utf8(safe, size, text, n);
	/* a NUL has become U+FFFD, and the rest is valid by now */
	return json_stringn_nocheck(safe, n);
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
	json_line_put(line, key, json_string_nocheck(out));
}

void json_line_put_known(json_t *line, const char *key, int64_t count)
{
	if (count >= 0)
		json_line_put_count(line, key, (uint64_t)count);
}

void json_line_put_facts(json_t *line, const struct message_facts *f)
{
	json_line_put_text(line, "email.sender.address",
			   f->has_sender && !*f->sender ? "<>" : f->sender);
	json_line_put_text(line, "email.from.address", f->from);
	json_line_put_text(line, "email.subject", f->subject);
	json_line_put_text(line, "email.message_id", f->message_id);
	json_line_put_text(line, "client.ip", f->client_ip);
	json_line_put_text(line, "spamtrace.auth_user", f->auth_user);
	json_line_put_time(line, "spamtrace.queue.arrived", (int64_t)(f->time_ns / 1000000000U));
	json_line_put_known(line, "spamtrace.recipients", f->recipients);
	json_line_put_known(line, "spamtrace.bytes", f->bytes);
}

void json_line_put_uid(json_t *line, int64_t uid)
{
	char text[24];

	if (uid < 0)
		return;
	snprintf(text, sizeof(text), "%" PRId64, uid);
	json_line_put_text(line, "user.id", text);
}

int json_line_write(FILE *out, json_t *line)
{
	char small[8192];
	size_t n = json_dumpb(line, small, sizeof(small), JSON_COMPACT), len = 0;
	_free_ char *large = n > sizeof(small) ? json_dumps(line, JSON_COMPACT) : NULL,
		    *text = NULL;

	json_decref(line);
	if (!n || (n > sizeof(small) && !large))
		return -ENOMEM;
	text = text_json_line(large ? large : small, n, &len);
	if (!text)
		return -ENOMEM;
	errno = 0;
	fwrite(text, 1, len, out);
	return ferror(out) ? (errno ? -errno : -EIO) : 0;
}
