// SPDX-License-Identifier: GPL-2.0-only
#include "output/json_build.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"

const char *json_trace_id(void)
{
	static char id[17];

	if (!id[0]) {
		uint64_t n = 0;

		if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != (ssize_t)sizeof(n))
			n = clock_wall_ns() ^ (uint64_t)getpid() << 48;
		snprintf(id, sizeof(id), "%016" PRIx64, n);
	}
	return id;
}

json_t *json_count(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

void json_put_in(struct json_builder *b, json_t *object, const char *key, json_t *value)
{
	const char *dot;
	char name[64];

	for (; object && value && (dot = strchr(key, '.')); key = dot + 1) {
		json_t *child;

		size_t len = (size_t)(dot - key);

		memcpy(name, key, len < sizeof(name) ? len : 0);
		name[len < sizeof(name) ? len : 0] = '\0';
		child = json_object_get(object, name);
		if (!child) {
			child = json_object();
			if (json_object_set_new_nocheck(object, name, child))
				child = NULL;
		}
		object = child;
	}
	if (value && object) {
		if (json_object_set_new_nocheck(object, key, value))
			b->failed = true;
	} else {
		json_decref(value);
		b->failed = true;
	}
}

void json_put(struct json_builder *b, const char *key, json_t *value)
{
	json_put_in(b, b->root, key, value);
}

void json_mark_cut(struct json_builder *b, const char *key)
{
	json_t *list = json_object_get(json_object_get(b->root, "spamtrace"), "cut");
	json_t *known;
	size_t i;

	if (!list) {
		json_put(b, "spamtrace.cut", json_array());
		list = json_object_get(json_object_get(b->root, "spamtrace"), "cut");
	}
	json_array_foreach (list, i, known) {
		if (!strcmp(json_string_value(known), key))
			return;
	}
	if (json_array_append_new(list, json_string(key)))
		b->failed = true;
}

/* Neither NUL nor anything that UTF-8 has more than one byte for. */
static bool is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((signed char)text[i] <= 0)
			return false;
	return true;
}

json_t *json_text(struct json_builder *b, const char *key, const char *text, size_t len)
{
	size_t kept = len < b->limit ? len : b->limit;
	_free_ char *safe = NULL;
	json_t *value;

	if (kept == len && is_ascii(text, len)) {
		value = json_stringn_nocheck(text, len);
		b->failed |= !value;
		return value;
	}
	safe = malloc(3 * kept + 1);
	if (!safe) {
		b->failed = true;
		return NULL;
	}
	if (kept < len) { /* not inside a character */
		for (int back = 0; back < 3 && kept && (text[kept] & 0xc0) == 0x80; back++)
			kept--;
		json_mark_cut(b, key);
	}
	value = json_stringn(safe, text_utf8(safe, 3 * kept + 1, text, kept));
	if (!value)
		b->failed = true;
	return value;
}

void json_put_text(struct json_builder *b, const char *key, const char *text)
{
	if (text && *text)
		json_put(b, key, json_text(b, key, text, strlen(text)));
}

void json_put_address(struct json_builder *b, const char *key, const char *address)
{
	char hashed[REDACTED_SIZE];

	if (address && *address && b->context->redactor) {
		redact_address(b->context->redactor, hashed, address, strlen(address));
		address = hashed;
	}
	json_put_text(b, key, address);
}

void json_put_subject(struct json_builder *b, const char *key, const char *subject)
{
	char hashed[REDACTED_SIZE];

	if (subject && *subject && b->context->redactor) {
		redact_text(b->context->redactor, hashed, subject, strlen(subject));
		subject = hashed;
	}
	json_put_text(b, key, subject);
}

void json_put_count(struct json_builder *b, const char *key, int64_t count)
{
	if (count >= 0)
		json_put(b, key, json_integer(count));
}

void json_put_id(struct json_builder *b, const char *key, int64_t id)
{
	if (id >= 0)
		json_put(b, key, json_sprintf("%" PRId64, id));
}

json_t *json_sources(const uint64_t by_source[SOURCE_COUNT], bool zeros)
{
	json_t *object = json_object();

	for (unsigned s = 0; object && s < SOURCE_COUNT; s++)
		if (by_source[s] || zeros)
			json_object_set_new(object, source_name(s), json_count(by_source[s]));
	return object;
}

void json_begin(struct json_builder *b, const struct json_context *c, enum action action,
		uint64_t sequence, uint64_t wall_ns, size_t limit)
{
	char time[CLOCK_RFC3339_SIZE];

	*b = (struct json_builder){.root = json_object(), .context = c, .limit = limit};
	clock_rfc3339(time, wall_ns);
	json_put(b, "@timestamp", json_string(time));
	json_put(b, "event.id", json_sprintf("%s-%" PRIu64, json_trace_id(), sequence));
	json_put(b, "event.sequence", json_count(sequence));
	json_put(b, "event.action", json_string(action_name(action)));
	json_put(b, "event.kind", json_string(action == ACTION_QUEUE_SAMPLED ? "metric" : "event"));
	json_put(b, "event.category",
		 action == ACTION_SMTP_CONNECTED ? json_pack("[ss]", "email", "network")
						 : json_pack("[s]", "email"));
	json_put(b, "event.type",
		 json_pack("[s]", action == ACTION_SMTP_CONNECTED ? "connection" : "info"));
	json_put_text(b, "host.name", c->host);
	json_put(b, "spamtrace.schema", json_integer(1));
	if (c->unwritten)
		json_put(b, "spamtrace.unwritten", json_count(c->unwritten));
}

json_t *json_finish(struct json_builder *b)
{
	json_t *root = b->root;

	b->root = NULL;
	if (b->failed) {
		json_decref(root);
		return NULL;
	}
	return root;
}
