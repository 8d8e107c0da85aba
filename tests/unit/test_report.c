// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "commands/recording.h"
#include "commands/report.h"
#include "output/sink.h"
#include "output/summary.h"
#include "samples.h"

static char path[64];
static const struct report_filter everything;

static int set_up(void **state)
{
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/spamtrace-test-XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(path);
}

static void append(const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

/* 1 started, 10 messages of 3 scripts, 1 attempt, 2 samples, `end`: 1 ended. */
static void write_recording(bool end)
{
	struct summary_event s = sample_summary(NULL);
	struct queue_event q = sample_queue(NULL);
	struct sink *sink;

	assert_int_equal(record_sink_new(path, "web1", false, &sink), 0);
	s.action = ACTION_TRACE_STARTED;
	s.wall_ns = SAMPLE_WALL - 60000000000ULL;
	sink->started(sink, &s);
	for (int i = 0; i < 10; i++) {
		struct mail_event m = sample_mail(NULL);

		if (i > 5) {
			m.script = m.culprit_file = i > 7 ? "/srv/b.php" : "/srv/a.php";
			m.vhost = "other.example";
			m.user_name = "web99";
			m.uid = 10099;
		}
		sink->mail(sink, &m);
		if (i == 9) {
			m.action = ACTION_MAIL_ATTEMPTED;
			sink->mail(sink, &m);
		}
	}
	q.messages = 5;
	sink->queue(sink, &q);
	q.messages = 6;
	sink->queue(sink, &q);
	s.action = ACTION_TRACE_ENDED;
	s.wall_ns = SAMPLE_WALL;
	if (end)
		sink->ended(sink, &s);
	sink->free(sink);
}

/* A line, read back and written again, is the same line. */
static void round_trip(const struct mail_event *e)
{
	struct json_context c = {.host = "web1"};
	struct recording_event r;
	char *first = NULL, *second = NULL;
	size_t len = 0;

	assert_int_equal(json_mail_line(&c, e, &first, &len), 0);
	assert_int_equal(recording_parse(first, len, &r), 0);
	assert_int_equal(r.action, e->action);
	assert_int_equal(json_mail_line(&c, &r.mail, &second, &len), 0);
	assert_string_equal(first, second);
	recording_event_clear(&r);
	free(first);
	free(second);
}

static void mail_round_trip(void **state)
{
	struct mail_event e = sample_mail(NULL);

	(void)state;
	round_trip(&e);
	e.culprit.deleted = e.stack_cut = true;
	e.action = ACTION_MAIL_ATTEMPTED;
	e.exit_code = 75;
	e.exit_signal = 9;
	round_trip(&e);
	e.action = ACTION_SMTP_CONNECTED;
	e.destination_port = 25;
	e.client_port = 65535;
	round_trip(&e);
	for (size_t i = 0; i < array_size(sample_hostile); i++) {
		e = sample_mail(sample_hostile[i]);
		round_trip(&e);
	}
}

static void queue_round_trip(void **state)
{
	struct json_context c = {.host = "web1", .unwritten = 3};
	struct queue_event q = sample_queue(NULL);
	struct recording_event r;
	char *first = NULL, *second = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(json_queue_line(&c, &q, &first, &len), 0);
	assert_int_equal(recording_parse(first, len, &r), 0);
	assert_int_equal(r.unwritten, 3);
	assert_int_equal(json_queue_line(&c, &r.queue, &second, &len), 0);
	assert_string_equal(first, second);
	recording_event_clear(&r);
	free(first);
	free(second);
}

static void foreign_lines(void **state)
{
	static const char *const lines[] = {
		"",
		"{}",
		"[]",
		"null",
		"not json",
		"{\"event\":{\"action\":\"mail-queued\"}}",
		"{\"event\":{\"action\":\"mail-queued\"},\"spamtrace\":{\"schema\":2}}",
		"{\"event\":{\"action\":\"nonsense\"},\"spamtrace\":{\"schema\":1}}",
		"{\"event\":1,\"spamtrace\":{\"schema\":1}}",
		"{\"a\":1,\"a\":2}",
	};
	/* Ours, but every value of the wrong kind or out of range. */
	static const char odd[] =
		"{\"event\":{\"action\":\"mail-queued\",\"sequence\":-1},\"@timestamp\":7,"
		"\"user\":{\"id\":12,\"name\":[]},\"process\":{\"args\":[1,null,{}],\"pid\":\"x\","
		"\"exit_code\":99999999999},\"destination\":{\"port\":70000},"
		"\"spamtrace\":{\"schema\":1,\"source\":\"xyz\",\"attribution\":7,"
		"\"evidence\":{\"a\":1},\"php\":{\"stack\":[1,[],{\"line\":-3}]},\"cut\":[7]}}";
	struct recording_event r;

	(void)state;
	for (size_t i = 0; i < array_size(lines); i++)
		assert_int_equal(recording_parse(lines[i], strlen(lines[i]), &r), -EINVAL);
	assert_int_equal(recording_parse(odd, strlen(odd), &r), 0);
	assert_int_equal(r.mail.source, SOURCE_UNKNOWN);
	assert_int_equal(r.mail.attribution, ATTRIBUTION_NONE);
	assert_int_equal(r.mail.uid, COUNT_UNKNOWN);
	assert_int_equal(r.mail.pid, COUNT_UNKNOWN);
	assert_int_equal(r.mail.exit_code, -1);
	assert_int_equal(r.mail.destination_port, 0);
	assert_int_equal(r.mail.frames[2].line, 0);
	assert_int_equal(r.wall_ns, 0);
	recording_event_clear(&r);
}

static void counted_again(void **state)
{
	struct summary_event e;
	struct report *r;

	(void)state;
	write_recording(true);
	assert_int_equal(report_read(path, &everything, &r), 0);
	report_summary(r, &e);
	assert_int_equal(e.messages, 10);
	assert_int_equal(e.attempts, 1);
	assert_int_equal(e.by_source[SOURCE_SCRIPT], 10);
	assert_int_equal(e.by_attribution[ATTRIBUTION_EXACT], 10);
	assert_int_equal((int)e.seconds, 60);
	assert_string_equal(e.host, "web1");
	assert_string_equal(e.kernel, "6.1.0-37-amd64");
	assert_int_equal(e.row_count[BY_SCRIPT], 3);
	assert_int_equal(e.rows[BY_SCRIPT][0].messages, 6);
	assert_int_equal(e.row_count[BY_VHOST], 2);
	assert_int_equal(e.queue_count, 1);
	assert_int_equal(e.queues[0].messages, 6); /* the last sample */
	assert_non_null(strstr(e.verdict, "412 messages came in"));
	assert_int_equal(e.loss_count, 1);
	assert_true(summary_losses_known(&e));
	assert_string_equal(e.losses[0].reason, "ring-origin");
	assert_int_equal(e.kernel_injections, 431);
	assert_int_equal(e.kernel_commits, 410);
	assert_int_equal(e.kernel_uid_count, 2);
	assert_int_equal(e.kernel_uids[0].uid, 10012);
	assert_int_equal(e.kernel_uids[0].commits, 385);
	assert_int_equal(e.kernel_uids_more, 3);
	assert_int_equal(e.hook_count, 2);
	assert_int_equal(e.note_count, 1);
	report_free(r);
}

static void filters(void **state)
{
	static const struct {
		struct report_filter filter;
		uint64_t messages;
	} cases[] = {
		{{.user = "web99"}, 4},
		{{.user = "10099"}, 4},
		{{.user = "nobody"}, 0},
		{{.vhost = "shop.example"}, 6},
		{{.vhost = "*.example"}, 10},
		{{.script = "/srv/b.php"}, 2},
		{{.script = "/srv/*"}, 4},
		{{.script = "*mailer.php"}, 6},
		{{.user = "web99", .script = "/srv/a.php"}, 2},
	};

	(void)state;
	write_recording(true);
	for (size_t i = 0; i < array_size(cases); i++) {
		struct summary_event e;
		struct report *r;

		assert_int_equal(report_read(path, &cases[i].filter, &r), 0);
		report_summary(r, &e);
		assert_int_equal(e.messages, cases[i].messages);
		assert_int_equal(e.queue_count, 0);
		assert_null(e.verdict);
		report_free(r);
	}
}

static bool has_note(const struct summary_event *e, const char *text)
{
	for (size_t i = 0; i < e->note_count; i++)
		if (strstr(e->notes[i], text))
			return true;
	return false;
}

/* Killed in the middle of a line; foreign and endless lines in between. */
static void damaged(void **state)
{
	struct summary_event e;
	struct report *r;
	char *junk = malloc(300000);

	(void)state;
	write_recording(false);
	memset(junk, 'x', 300000);
	append(junk, 300000);
	append("\nhello\n\0\n", 9);
	append("{\"@timestamp\":\"2026-11", 22);
	free(junk);
	assert_int_equal(report_read(path, &everything, &r), 0);
	report_summary(r, &e);
	assert_int_equal(e.messages, 10);
	assert_false(summary_losses_known(&e));
	assert_true(has_note(&e, "no end"));
	assert_true(has_note(&e, "cut short"));
	assert_true(has_note(&e, "3 of 17 lines"));
	report_free(r);
}

/* A line that no sink writes is skipped, even if it is an event; the next ones count. */
static void too_long_line(void **state)
{
	struct json_context c = {.host = "web1"};
	struct mail_event m = sample_mail(NULL);
	struct summary_event e;
	struct report *r;
	char *line = NULL, *blanks = malloc(JSON_LINE_MAX);
	size_t len = 0;

	(void)state;
	memset(blanks, ' ', JSON_LINE_MAX);
	assert_int_equal(json_mail_line(&c, &m, &line, &len), 0);
	append(blanks, JSON_LINE_MAX - len); /* just fits */
	append(line, len);
	append(blanks, JSON_LINE_MAX - len + 1);
	append(line, len);
	append(line, len);
	free(line);
	free(blanks);
	assert_int_equal(report_read(path, &everything, &r), 0);
	report_summary(r, &e);
	assert_int_equal(e.messages, 2);
	assert_true(has_note(&e, "1 of 3 lines"));
	report_free(r);
}

/* A whole last line counts, line feed or not. */
static void last_line_whole(void **state)
{
	struct json_context c = {.host = "web1"};
	struct mail_event m = sample_mail(NULL);
	struct summary_event e;
	struct report *r;
	char *line = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(json_mail_line(&c, &m, &line, &len), 0);
	append(line, len - 1);
	free(line);
	assert_int_equal(report_read(path, &everything, &r), 0);
	report_summary(r, &e);
	assert_int_equal(e.messages, 1);
	assert_false(has_note(&e, "cut short"));
	report_free(r);
}

static void gaps_are_losses(void **state)
{
	struct json_context c = {.host = "web1", .unwritten = 40};
	struct mail_event m = sample_mail(NULL);
	struct summary_event e;
	struct report *r;
	char *line = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(json_mail_line(&c, &m, &line, &len), 0);
	append(line, len);
	append(line, len);
	free(line);
	assert_int_equal(report_read(path, &everything, &r), 0);
	report_summary(r, &e);
	assert_int_equal(e.loss_count, 1);
	assert_string_equal(e.losses[0].reason, "recording-unwritten");
	assert_int_equal(e.losses[0].count, 80);
	report_free(r);
}

static void no_recording(void **state)
{
	struct report *r = NULL;

	(void)state;
	assert_int_equal(report_read(path, &everything, &r), -ENODATA);
	append("root:x:0:0\n", 11);
	assert_int_equal(report_read(path, &everything, &r), -ENODATA);
	assert_int_equal(report_read("/nonexistent", &everything, &r), -ENOENT);
	assert_int_equal(report_read("/tmp", &everything, &r), -EISDIR);
	assert_null(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_round_trip),
		cmocka_unit_test(queue_round_trip),
		cmocka_unit_test(foreign_lines),
		cmocka_unit_test_setup_teardown(counted_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(filters, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_long_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(last_line_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(gaps_are_losses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_recording, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
