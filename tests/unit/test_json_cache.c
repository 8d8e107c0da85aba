// SPDX-License-Identifier: GPL-2.0-only
/* Lines from the cache against lines made anew: equal, whatever differs between two events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>

#include "output/json_cache.h"
#include "samples.h"

static const struct json_context context = {.host = "web1"};

static void free_cache(struct json_cache **k)
{
	json_cache_free(*k);
}

#define _cache_ __attribute__((cleanup(free_cache))) struct json_cache *

static struct json_cache *new_cache(void)
{
	struct json_cache *k = NULL;

	assert_int_equal(json_cache_new(&k), 0);
	return k;
}

/* The cache's line for `e` is the one that is made without it. Was it a kept one? */
static bool same(struct json_cache *k, const struct json_context *c, const struct mail_event *e)
{
	size_t hits = json_cache_hits(k), len = 0, made_len = 0;
	const char *line = NULL;
	char *made = NULL;

	assert_int_equal(json_cache_mail_line(k, c, e, &line, &len), 0);
	assert_int_equal(json_mail_line(c, e, &made, &made_len), 0);
	assert_int_equal(len, made_len);
	assert_memory_equal(line, made, len);
	free(made);
	return json_cache_hits(k) != hits;
}

/* Another message of the same script. */
static struct mail_event next(const struct mail_event *e)
{
	struct mail_event n = *e;

	n.sequence = e->sequence * 7 + 1;
	n.wall_ns = e->wall_ns + 1234567890;
	n.pid = e->pid + 1;
	n.parent_pid = 0;
	n.recipients = 100000;
	n.bytes = INT64_MAX;
	n.queue_id = "1";
	n.subject = "another";
	n.client_ip = "2001:db8::1";
	n.url_path = "/other";
	n.sender = "a@b";
	n.from = "c@d";
	n.message_id = "2@shop.example";
	return n;
}

static void kept_at_the_second(void **state)
{
	struct mail_event e = sample_mail(NULL), n = next(&e);
	_cache_ k = new_cache();

	(void)state;
	assert_false(same(k, &context, &e));
	assert_true(same(k, &context, &n));
	assert_true(same(k, &context, &e));
}

/* Each member by itself: the kept line of the first event is none of the second's. */
static void whatever_differs(void **state)
{
#define MEMBER(m) offsetof(struct mail_event, m)
	static const size_t texts[] = {
		MEMBER(reason),
		MEMBER(script),
		MEMBER(culprit_file),
		MEMBER(culprit_function),
		MEMBER(culprit.sha256),
		MEMBER(culprit.real_path),
		MEMBER(culprit.note),
		MEMBER(php_version),
		MEMBER(php_sapi),
		MEMBER(vhost),
		MEMBER(url_path),
		MEMBER(method),
		MEMBER(client_ip),
		MEMBER(host_header),
		MEMBER(docroot),
		MEMBER(user_name),
		MEMBER(executable),
		MEMBER(working_directory),
		MEMBER(parent_executable),
		MEMBER(container),
		MEMBER(terminal),
		MEMBER(mta),
		MEMBER(queue_id),
		MEMBER(parent_queue_id),
		MEMBER(sender),
		MEMBER(from),
		MEMBER(subject),
		MEMBER(message_id),
		MEMBER(auth_user),
		MEMBER(destination_ip),
		MEMBER(remover),
	};
	static const size_t numbers[] = {
		MEMBER(sequence),     MEMBER(wall_ns),       MEMBER(culprit.owner),
		MEMBER(culprit.size), MEMBER(culprit.inode), MEMBER(culprit.mtime_ns),
		MEMBER(uid),          MEMBER(euid),          MEMBER(pid),
		MEMBER(parent_pid),   MEMBER(recipients),    MEMBER(bytes),
	};
	static const char *const values[] = {NULL, "", "x", "\xd0\x96\"\\\x01\xff\x7f"};
	struct mail_event base = sample_mail(NULL), e;
	_cache_ k = new_cache();

	(void)state;
	for (size_t i = 0; i < array_size(texts); i++)
		for (size_t v = 0; v < array_size(values); v++) {
			e = base;
			memcpy((char *)&e + texts[i], &values[v], sizeof(values[v]));
			same(k, &context, &base);
			for (int again = 0; again < 3; again++) {
				struct mail_event n = next(&e);

				same(k, &context, &e);
				same(k, &context, &n);
			}
			assert_true(same(k, &context, &e));
		}
	for (size_t i = 0; i < array_size(numbers); i++)
		for (int64_t v = -1; v < 3; v++) {
			e = base;
			memcpy((char *)&e + numbers[i], &v, sizeof(v));
			for (int again = 0; again < 3; again++) {
				same(k, &context, &base);
				same(k, &context, &e);
			}
		}
}

#define DIFFERS(change)                                                                            \
	do {                                                                                       \
		struct mail_event e = base;                                                        \
		change;                                                                            \
		for (int again = 0; again < 3; again++) {                                          \
			same(k, &context, &base);                                                  \
			same(k, &context, &e);                                                     \
		}                                                                                  \
	} while (0)

static void small_members(void **state)
{
	static const struct frame other_line[] = {
		{NULL, "mail", 0, false},
		{SAMPLE_MAILER, "Mailer::send", 43, false},
		{"/var/www/vhosts/shop.example/httpdocs/index.php", NULL, 17, true}};
	static const struct frame no_eval[] = {{NULL, "mail", 0, false},
					       {SAMPLE_MAILER, "Mailer::send", 42, false},
					       {"/var/www/vhosts/shop.example/httpdocs/index.php",
						NULL, 17, false}};
	struct mail_event base = sample_mail(NULL);
	_cache_ k = new_cache();

	(void)state;
	DIFFERS(e.action = ACTION_MAIL_ATTEMPTED);
	DIFFERS(e.action = ACTION_MAIL_REMOVED);
	DIFFERS((e.action = ACTION_MAIL_ATTEMPTED, e.exit_code = 1));
	DIFFERS((e.action = ACTION_MAIL_ATTEMPTED, e.exit_signal = 9));
	DIFFERS(e.source = SOURCE_CLI);
	DIFFERS(e.attribution = ATTRIBUTION_NONE);
	DIFFERS(e.evidence = 0);
	DIFFERS(e.culprit_line = 43);
	DIFFERS(e.culprit.known = false);
	DIFFERS(e.culprit.deleted = true);
	DIFFERS(e.culprit.sha256_cut = true);
	DIFFERS(e.culprit.kept = true);
	DIFFERS(e.stack_cut = true);
	DIFFERS(e.frame_count = 2);
	DIFFERS(e.frames = other_line);
	DIFFERS(e.frames = no_eval);
	DIFFERS(e.args_len = 10);
	DIFFERS(e.args = "/usr/sbin/sendmail\0-t\0-i\0-fbounce@shop.example\0jim@victim.example");
	DIFFERS((e.destination_port = 25, e.client_port = 0));
	DIFFERS((e.destination_port = 0, e.client_port = 25));
	DIFFERS(e.sequence = UINT64_MAX);
}

/* The same address, another text: what callers' buffers do. */
static void reused_buffers(void **state)
{
	struct mail_event e = sample_mail(NULL);
	char script[32] = "/a.php";
	_cache_ k = new_cache();

	(void)state;
	e.script = script;
	for (int i = 0; i < 6; i++) {
		script[1] = (char)('a' + i % 2);
		same(k, &context, &e);
	}
}

static void marks_in_the_text(void **state)
{
	static const char *const hostile[] = {"@@9@@",
					      "\"@@9@@\"",
					      ":9007199254740010",
					      ":9007199254740000",
					      "-9007199254740000\"",
					      "1970-01-01T00:00:00.000000001Z"};
	_cache_ k = new_cache();

	(void)state;
	for (int n = 3; n < 14; n++)
		for (size_t i = 0; i < array_size(hostile); i++) {
			struct mail_event e = sample_mail(NULL), m = sample_mail(hostile[i]);
			char mark[64];

			snprintf(mark, sizeof(mark), "@@%d@@", n);
			e.script = e.subject = mark;
			for (int again = 0; again < 3; again++) {
				same(k, &context, &e);
				same(k, &context, &m);
			}
			e.script = e.host_header = hostile[i];
			for (int again = 0; again < 3; again++)
				same(k, &context, &e);
		}
}

static void long_texts(void **state)
{
	static const size_t sizes[] = {1023, 1024, 1025, 4095, 4096, 4097, 70000};
	_cache_ k = new_cache();

	(void)state;
	for (size_t i = 0; i < array_size(sizes); i++)
		for (int what = 0; what < 4; what++) {
			struct mail_event e = sample_mail(NULL), n;
			_free_ char *text = malloc(sizes[i] + 1);

			assert_non_null(text);
			memset(text, what == 3 ? 0x80 : 'x', sizes[i]);
			text[sizes[i]] = '\0';
			if (what == 0)
				e.script = text;
			else if (what == 1)
				e = sample_mail(text);
			n = next(&e);
			if (what >= 2)
				n.subject = text;
			for (int again = 0; again < 3; again++) {
				same(k, &context, &e);
				same(k, &context, &n);
			}
		}
}

static void what_is_never_kept(void **state)
{
	struct json_context gap = {.host = "web1", .unwritten = 3};
	struct redactor r;
	struct json_context redacted = {.host = "web1", .redactor = &r};
	struct mail_event e = sample_mail(NULL);
	_cache_ k = new_cache();

	(void)state;
	assert_int_equal(redactor_init(&r), 0);
	for (int again = 0; again < 3; again++) {
		assert_false(same(k, &gap, &e));
		assert_false(same(k, &redacted, &e));
	}
}

static void more_scripts_than_lines(void **state)
{
	struct mail_event e = sample_mail(NULL);
	_cache_ k = new_cache();

	(void)state;
	for (int i = 0; i < 3000; i++) {
		char script[32];

		snprintf(script, sizeof(script), "/%d.php", i % 1000);
		e.script = script;
		same(k, &context, &e);
		same(k, &context, &e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_at_the_second), cmocka_unit_test(whatever_differs),
		cmocka_unit_test(small_members),      cmocka_unit_test(reused_buffers),
		cmocka_unit_test(marks_in_the_text),  cmocka_unit_test(long_texts),
		cmocka_unit_test(what_is_never_kept), cmocka_unit_test(more_scripts_than_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
