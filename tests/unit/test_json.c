// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/socket.h>
#include <unistd.h>

#include "output/json_event.h"
#include "output/sink.h"
#include "samples.h"

/* "a.b.c" under an object. */
static json_t *at(json_t *object, const char *path)
{
	char name[64];

	for (const char *dot; (dot = strchr(path, '.')); path = dot + 1) {
		snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
		object = json_object_get(object, name);
	}
	return json_object_get(object, path);
}

static json_t *parse(const char *line, size_t len)
{
	json_error_t error;
	json_t *object;

	assert_int_equal(strlen(line), len);
	assert_true(len <= JSON_LINE_MAX);
	assert_int_equal(line[len - 1], '\n');
	assert_ptr_equal(strchr(line, '\n'), line + len - 1);
	for (size_t i = 0; i + 1 < len; i++)
		assert_true((unsigned char)line[i] >= 0x20 && line[i] != 0x7f);
	object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	assert_non_null(object);
	return object;
}

static json_t *mail_object(const struct mail_event *e, const struct redactor *r)
{
	struct json_context c = {.host = "web1", .redactor = r};
	char *line = NULL;
	size_t len = 0;
	json_t *object;

	assert_int_equal(json_mail_line(&c, e, &line, &len), 0);
	object = parse(line, len);
	free(line);
	return object;
}

#define assert_text(object, path, text)                                                            \
	assert_string_equal(json_string_value(at(object, path)), text)
#define assert_number(object, path, n)                                                             \
	do {                                                                                       \
		assert_true(json_is_integer(at(object, path)));                                    \
		assert_int_equal(json_integer_value(at(object, path)), n);                         \
	} while (0)

static void queued_shape(void **state)
{
	struct mail_event e = sample_mail(NULL);
	json_t *o = mail_object(&e, NULL), *stack = at(o, "spamtrace.php.stack");
	char id[64];

	(void)state;
	snprintf(id, sizeof(id), "%s-7", json_trace_id());
	assert_text(o, "@timestamp", "2026-11-21T20:55:13.123456789Z");
	assert_text(o, "event.id", id);
	assert_number(o, "event.sequence", 7);
	assert_text(o, "event.action", "mail-queued");
	assert_text(o, "event.kind", "event");
	assert_text(o, "event.outcome", "success");
	assert_text(o, "host.name", "web1");
	assert_number(o, "spamtrace.schema", 1);
	assert_text(o, "spamtrace.source", "script");
	assert_text(o, "spamtrace.attribution", "exact");
	assert_int_equal(json_array_size(at(o, "spamtrace.evidence")), 2);
	assert_text(o, "file.path", e.script);
	assert_text(o, "spamtrace.culprit.file", SAMPLE_MAILER);
	assert_number(o, "spamtrace.culprit.line", 42);
	assert_text(o, "spamtrace.culprit.function", "Mailer::send");
	assert_text(o, "spamtrace.php.version", "8.2.29");
	assert_text(o, "spamtrace.php.sapi", "fpm-fcgi");
	assert_int_equal(json_array_size(stack), 3);
	assert_null(at(json_array_get(stack, 0), "file"));
	assert_text(json_array_get(stack, 0), "function", "mail");
	assert_number(json_array_get(stack, 1), "line", 42);
	assert_true(json_is_true(at(json_array_get(stack, 2), "eval")));
	assert_text(o, "url.domain", "shop.example");
	assert_text(o, "url.path", "/index.php");
	assert_text(o, "http.request.method", "POST");
	assert_text(o, "client.ip", "203.0.113.7");
	assert_text(o, "spamtrace.host_header", "evil.example");
	assert_text(o, "user.id", "10012");
	assert_text(o, "user.name", "web12");
	assert_text(o, "user.effective.id", "0");
	assert_number(o, "process.pid", 4242);
	assert_text(o, "process.executable", "/usr/sbin/sendmail");
	assert_int_equal(json_array_size(at(o, "process.args")), 5);
	assert_string_equal(json_string_value(json_array_get(at(o, "process.args"), 3)),
			    "-fbounce@shop.example");
	assert_text(o, "process.working_directory", e.working_directory);
	assert_number(o, "process.parent.pid", 4000);
	assert_text(o, "process.parent.executable", "/usr/sbin/php-fpm8.2");
	assert_text(o, "email.local_id", "4F3A21C0B1");
	assert_text(o, "spamtrace.mta", "postfix");
	assert_text(o, "email.sender.address", "bounce@shop.example");
	assert_text(o, "email.from.address", "Sales@shop.example");
	assert_text(o, "email.subject", "Cheap pills");
	assert_number(o, "spamtrace.recipients", 3);
	assert_number(o, "spamtrace.bytes", 812);
	assert_null(at(o, "spamtrace.cut"));
	assert_null(at(o, "spamtrace.unwritten"));
	json_decref(o);
}

/* No value anywhere is an empty string or null. */
static void assert_no_blank(json_t *value)
{
	const char *key;
	json_t *child;
	size_t i;

	assert_false(json_is_null(value));
	assert_false(json_is_string(value) && !json_string_length(value));
	json_object_foreach (value, key, child) {
		assert_no_blank(child);
	}
	json_array_foreach (value, i, child) {
		assert_no_blank(child);
	}
}

static void unknown_is_absent(void **state)
{
	struct mail_event e = {.action = ACTION_MAIL_ATTEMPTED,
			       .sequence = 1,
			       .uid = COUNT_UNKNOWN,
			       .euid = COUNT_UNKNOWN,
			       .pid = COUNT_UNKNOWN,
			       .parent_pid = COUNT_UNKNOWN,
			       .recipients = COUNT_UNKNOWN,
			       .bytes = COUNT_UNKNOWN,
			       .exit_code = -1};
	struct mail_event blank = sample_mail("");
	json_t *o = mail_object(&e, NULL);

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		static const char *const keys[] = {"user", "process", "email", "url",
						   "file", "client",  "http"};

		assert_null(json_object_get(o, keys[i]));
	}
	assert_text(o, "event.outcome", "failure");
	assert_no_blank(o);
	json_decref(o);
	o = mail_object(&blank, NULL);
	assert_no_blank(o);
	json_decref(o);
	e.exit_code = 75;
	o = mail_object(&e, NULL);
	assert_number(o, "process.exit_code", 75);
	json_decref(o);
}

static void connect_shape(void **state)
{
	struct mail_event e = sample_mail(NULL);
	json_t *o;

	(void)state;
	e.action = ACTION_SMTP_CONNECTED;
	e.destination_ip = "2001:db8::25";
	e.destination_port = 587;
	e.client_port = 40000;
	o = mail_object(&e, NULL);
	assert_text(o, "event.action", "smtp-connected");
	assert_text(o, "destination.ip", "2001:db8::25");
	assert_number(o, "destination.port", 587);
	assert_number(o, "source.port", 40000);
	assert_null(at(o, "event.outcome"));
	json_decref(o);
}

static void queue_and_summary_shape(void **state)
{
	struct json_context c = {.host = "web1", .unwritten = 5};
	struct queue_event q = sample_queue(NULL);
	struct summary_event s = sample_summary(NULL);
	char *line = NULL;
	size_t len = 0;
	json_t *o;

	(void)state;
	assert_int_equal(json_queue_line(&c, &q, &line, &len), 0);
	o = parse(line, len);
	free(line);
	assert_text(o, "event.action", "queue-sampled");
	assert_text(o, "spamtrace.mta", "postfix");
	assert_number(o, "spamtrace.unwritten", 5);
	assert_number(o, "spamtrace.queue.messages", 1204);
	assert_number(o, "spamtrace.queue.unprocessed", 3);
	assert_number(o, "spamtrace.queue.growth", -5);
	assert_number(o, "spamtrace.queue.queued", 10);
	assert_number(o, "spamtrace.queue.removed", 15);
	assert_number(o, "spamtrace.queue.unexplained", 2);
	assert_number(o, "spamtrace.queue.by_source.script", 9);
	assert_text(o, "spamtrace.queue.directory", "/var/spool/postfix");
	assert_non_null(at(o, "spamtrace.queue.note"));
	json_decref(o);

	assert_int_equal(json_summary_line(&c, &s, &line, &len), 0);
	o = parse(line, len);
	free(line);
	assert_text(o, "event.action", "trace-ended");
	assert_number(o, "spamtrace.totals.messages", 412);
	assert_number(o, "spamtrace.totals.attempts", 3);
	assert_number(o, "spamtrace.totals.connects", 1);
	assert_number(o, "spamtrace.totals.removals", 380);
	assert_number(o, "spamtrace.totals.by_source.script", 383);
	assert_number(o, "spamtrace.totals.by_source.bounce", 0);
	assert_number(o, "spamtrace.totals.by_attribution.exact", 383);
	assert_int_equal(json_object_size(at(o, "spamtrace.lost")), 1);
	assert_number(o, "spamtrace.lost.ring-origin", 12);
	assert_number(o, "spamtrace.kernel_totals.injections", 431);
	assert_number(o, "spamtrace.kernel_totals.commits", 410);
	assert_text(json_array_get(at(o, "spamtrace.kernel_totals.by_uid"), 0), "user.id", "10012");
	assert_number(json_array_get(at(o, "spamtrace.kernel_totals.by_uid"), 1), "commits", 20);
	assert_number(o, "spamtrace.kernel_totals.by_uid_more", 3);
	assert_non_null(at(o, "spamtrace.verdict"));
	assert_int_equal(json_array_size(at(o, "spamtrace.by_script")), 2);
	assert_number(o, "spamtrace.by_script_more", 120);
	assert_text(json_array_get(at(o, "spamtrace.by_vhost"), 0), "key", "shop.example");
	assert_text(json_array_get(at(o, "spamtrace.by_uid"), 0), "user.id", "10012");
	assert_int_equal(json_array_size(at(o, "spamtrace.by_client")), 2);
	json_decref(o);
}

/* Every string of every event hostile: still one valid line, and nothing in it drives a terminal.
 */
static void hostile_everywhere(void **state)
{
	struct json_context c = {.host = "web1"};

	(void)state;
	for (size_t i = 0; i < array_size(sample_hostile); i++) {
		const char *text = sample_hostile[i];
		struct mail_event m = sample_mail(text);
		struct queue_event q = sample_queue(text);
		struct summary_event s = sample_summary(text);
		struct frame frames[] = {{text, text, 1, true}};
		char *line = NULL;
		size_t len = 0;

		c.host = text;
		m.frames = frames;
		m.frame_count = 1;
		for (unsigned a = ACTION_MAIL_QUEUED; a <= ACTION_MAIL_REMOVED; a++) {
			m.action = a;
			assert_int_equal(json_mail_line(&c, &m, &line, &len), 0);
			assert_null(strstr(line, "\xe2\x80\xae"));
			assert_null(strstr(line, "\xc2\x9b"));
			json_decref(parse(line, len));
			free(line);
		}
		assert_int_equal(json_queue_line(&c, &q, &line, &len), 0);
		json_decref(parse(line, len));
		free(line);
		assert_int_equal(json_summary_line(&c, &s, &line, &len), 0);
		json_decref(parse(line, len));
		free(line);
	}
}

/* However much a script writes, a line stays under 64 KiB, valid, and says what it cut. */
static void long_strings(void **state)
{
	static const char fills[] = {'a', '\x01', '\xff'};
	char *text = malloc(100001);

	(void)state;
	for (size_t i = 0; i < sizeof(fills); i++) {
		struct frame frames[40];
		struct mail_event e;
		json_t *o, *cut, *key;
		bool subject = false, stack = false;
		size_t k;

		memset(text, fills[i], 100000);
		text[100000] = '\0';
		e = sample_mail(text);
		for (size_t f = 0; f < array_size(frames); f++)
			frames[f] = (struct frame){text, text, 1, false};
		e.frames = frames;
		e.frame_count = array_size(frames);
		o = mail_object(&e, NULL);
		cut = at(o, "spamtrace.cut");
		json_array_foreach (cut, k, key) {
			subject |= !strcmp(json_string_value(key), "email.subject");
			stack |= !strcmp(json_string_value(key), "spamtrace.php.stack");
		}
		assert_true(subject && stack);
		assert_true(json_array_size(at(o, "spamtrace.php.stack")) <= EVENT_MAX_FRAMES);
		json_decref(o);
	}
	/* A cut does not split a character. */
	for (size_t i = 0; i < 100000; i++)
		text[i] = "\xe6\x97\xa5"[i % 3];
	{
		struct mail_event e = sample_mail(NULL);
		json_t *o;

		e.subject = text;
		o = mail_object(&e, NULL);
		assert_null(strstr(json_string_value(at(o, "email.subject")), "\xef\xbf\xbd"));
		assert_text(o, "file.path", e.script);
		json_decref(o);
	}
	free(text);
}

static void ten_thousand_rows(void **state)
{
	struct json_context c = {.host = "web1"};
	struct summary_event s = sample_summary(NULL);
	struct tally_row *rows = calloc(10000, sizeof(*rows));
	char *line = NULL;
	size_t len = 0;
	json_t *o;

	(void)state;
	for (size_t i = 0; i < 10000; i++)
		rows[i] = s.rows[BY_SCRIPT][0];
	for (unsigned by = 0; by < BY_COUNT; by++) {
		s.rows[by] = rows;
		s.row_count[by] = 10000;
	}
	assert_int_equal(json_summary_line(&c, &s, &line, &len), 0);
	o = parse(line, len);
	free(line);
	assert_int_equal((json_int_t)json_array_size(at(o, "spamtrace.by_script")) +
				 json_integer_value(at(o, "spamtrace.by_script_more")),
			 10120);
	json_decref(o);
	free(rows);
}

/* A sequenced-packet socket keeps the bounds of each write(). */
static void one_write_per_line(void **state)
{
	struct summary_event s = sample_summary(NULL);
	struct mail_event m = sample_mail(NULL);
	struct queue_event q = sample_queue(NULL);
	static char packet[JSON_LINE_MAX + 2];
	struct sink *sink;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(json_sink_new(pair[1], "web1", &sink), 0);
	for (int i = 0; i < 4; i++) {
		ssize_t n;

		switch (i) {
		case 0:
			s.action = ACTION_TRACE_STARTED;
			assert_int_equal(sink->started(sink, &s), 0);
			break;
		case 1:
			assert_int_equal(sink->mail(sink, &m), 0);
			break;
		case 2:
			assert_int_equal(sink->queue(sink, &q), 0);
			break;
		default:
			s.action = ACTION_TRACE_ENDED;
			assert_int_equal(sink->ended(sink, &s), 0);
		}
		n = recv(pair[0], packet, sizeof(packet) - 1, MSG_DONTWAIT);
		assert_true(n > 0);
		packet[n] = '\0';
		json_decref(parse(packet, (size_t)n));
		assert_int_equal(recv(pair[0], packet, sizeof(packet), MSG_DONTWAIT), -1);
	}
	sink->free(sink);
	close(pair[0]);
}

static void reader_went_away(void **state)
{
	struct mail_event m = sample_mail(NULL);
	struct sink *sink;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(json_sink_new(p[1], "web1", &sink), 0);
	close(p[0]);
	assert_int_equal(sink->mail(sink, &m), -EPIPE);
	assert_int_equal(sink->mail(sink, &m), 0); /* said once */
	assert_int_equal(sink->unwritten, 2);
	sink->free(sink);
}

static void disk_full(void **state)
{
	struct mail_event m = sample_mail(NULL);
	struct sink *sink;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(json_sink_new(fd, "web1", &sink), 0);
	assert_int_equal(sink->mail(sink, &m), -ENOSPC);
	assert_int_equal(sink->mail(sink, &m), 0);
	assert_int_equal(sink->mail(sink, &m), 0);
	assert_int_equal(sink->unwritten, 3);
	sink->free(sink);
}

/* A full non-blocking pipe: the begun line is finished, lost ones are told in the next line. */
static void full_pipe_recovers(void **state)
{
	struct mail_event m = sample_mail(NULL);
	static char data[1 << 20];
	size_t len = 0, lines = 0, told = 0, sent = 0;
	struct sink *sink;
	char *line;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	assert_true(fcntl(p[1], F_SETPIPE_SZ, 4096) >= 4096);
	assert_int_equal(json_sink_new(p[1], "web1", &sink), 0);
	for (; sink->unwritten < 2; sent++)
		sink->mail(sink, &m);
	for (int i = 0; i < 20; i++, sent++) {
		ssize_t n;

		while ((n = read(p[0], data + len, sizeof(data) - 1 - len)) > 0)
			len += (size_t)n;
		sink->mail(sink, &m);
	}
	sink->free(sink);
	for (ssize_t n; (n = read(p[0], data + len, sizeof(data) - 1 - len)) > 0;)
		len += (size_t)n;
	data[len] = '\0';
	for (char *s = data; *s; s = line + 1, lines++) {
		json_t *o;

		line = strchr(s, '\n');
		assert_non_null(line);
		o = json_loadb(s, (size_t)(line - s), 0, NULL);
		assert_non_null(o);
		told += (size_t)json_integer_value(at(o, "spamtrace.unwritten"));
		json_decref(o);
	}
	assert_true(told >= 2);
	assert_int_equal(lines + told, sent);
	close(p[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queued_shape),       cmocka_unit_test(unknown_is_absent),
		cmocka_unit_test(connect_shape),      cmocka_unit_test(queue_and_summary_shape),
		cmocka_unit_test(hostile_everywhere), cmocka_unit_test(long_strings),
		cmocka_unit_test(ten_thousand_rows),  cmocka_unit_test(one_write_per_line),
		cmocka_unit_test(reader_went_away),   cmocka_unit_test(disk_full),
		cmocka_unit_test(full_pipe_recovers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
