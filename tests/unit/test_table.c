// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "base/text.h"
#include "output/html.h"
#include "output/live.h"
#include "output/sink.h"
#include "output/summary.h"
#include "output/words.h"
#include "samples.h"

static int set_up(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	return 0;
}

/* Every line of `text` is printable, valid UTF-8 and at most `columns` wide, but those with
 * `exempt` in them. */
static void assert_lines_fit(char *text, unsigned columns, const char *exempt)
{
	for (char *line = text, *end; *line; line = end + 1) {
		json_t *valid;

		end = strchr(line, '\n');
		assert_non_null(end);
		*end = '\0';
		valid = json_string(line);
		assert_non_null(valid);
		json_decref(valid);
		for (char *c = line; *c; c++)
			assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
		if (!exempt || !strstr(line, exempt))
			assert_true(text_width(line) <= columns);
	}
}

static char *play(const struct table_options *options, const struct mail_event *events, size_t n)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct sink *s;

	assert_int_equal(table_sink_new(out, options, &s), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(s->mail(s, &events[i]), 0);
	s->tick(s, SAMPLE_WALL);
	s->free(s);
	fclose(out);
	return text;
}

/* The row at 120 and at 80 columns as it should be. */
static void golden_rows(void **state)
{
	struct table_options options = {.columns = 120};
	struct mail_event e = sample_mail(NULL);
	char *text = play(&options, &e, 1);

	(void)state;
	assert_string_equal(
		text,
		"= exact   ~ inferred   ? no proof of the origin\n"
		"TIME     QUEUE-ID   USER        VHOST             SCRIPT:LINE                  "
		"   CLIENT          RCPT SUBJECT\n"
		"20:55:13 4F3A21C0B1 web12       shop.example    = …ins/contact-form/mailer.php"
		":42 203.0.113.7        3 Cheap pills\n");
	free(text);
	options.columns = 80;
	e.attribution = ATTRIBUTION_INFERRED;
	text = play(&options, &e, 1);
	assert_string_equal(
		text, "= exact   ~ inferred   ? no proof of the origin\n"
		      "TIME     QUEUE-ID   USER       VHOST            SCRIPT:LINE             "
		      "    RCPT\n"
		      "20:55:13 4F3A21C0B1 web12      shop.example   ~ …contact-form/mailer.php"
		      ":42    3\n");
	free(text);
}

static void kinds_of_rows(void **state)
{
	struct table_options options = {.columns = 120};
	struct mail_event e[6];
	char *text;

	(void)state;
	for (size_t i = 0; i < array_size(e); i++)
		e[i] = sample_mail(NULL);
	e[0].action = ACTION_MAIL_ATTEMPTED;
	e[0].exit_code = 75;
	e[1].action = ACTION_MAIL_ATTEMPTED;
	e[1].exit_signal = 9;
	e[2].action = ACTION_SMTP_CONNECTED;
	e[2].destination_ip = "192.0.2.1";
	e[2].destination_port = 25;
	e[3].script = e[3].culprit_file = NULL;
	e[3].source = SOURCE_SMTP_AUTH;
	e[3].auth_user = "joe";
	e[3].attribution = ATTRIBUTION_NONE;
	e[4].action = ACTION_MAIL_REMOVED;
	e[4].queue_id = "GONE";
	e[5].queue_id = "1tBcDe-00000000abc-1dEf"; /* Exim's */
	text = play(&options, e, array_size(e));
	assert_non_null(strstr(text, " attempt    "));
	assert_non_null(strstr(text, "exit 75\n"));
	assert_non_null(strstr(text, "signal 9"));
	assert_non_null(strstr(text, " connect    "));
	assert_non_null(strstr(text, " 192.0.2.1:25\n"));
	assert_non_null(strstr(text, "? smtp-auth joe"));
	assert_null(strstr(text, "GONE"));
	assert_non_null(strstr(text, "1tBcDe-00000000abc-1dEf"));
	assert_null(strchr(text, '\x1b'));
	assert_lines_fit(text, 120, NULL);
	free(text);
}

static void random_text(char *out, size_t size, unsigned *seed)
{
	size_t len = (size_t)rand_r(seed) % (size - 8);

	out[0] = '\0';
	while (strlen(out) < len) {
		const char *piece =
			sample_hostile[(size_t)rand_r(seed) % array_size(sample_hostile)];

		snprintf(out + strlen(out), size - strlen(out), "%s%c", piece,
			 rand_r(seed) % 255 + 1);
	}
}

/* No string that a script can choose makes a row wider than the terminal, or drives it. */
static void never_too_wide(void **state)
{
	unsigned seed = 7;
	char text[700];

	(void)state;
	for (unsigned columns = 80; columns <= 200; columns++) {
		struct table_options options = {.columns = columns, .verbose = true};
		struct mail_event e[8];
		struct frame frame = {text, text, 7, true};
		char *out;

		random_text(text, sizeof(text), &seed);
		for (size_t i = 0; i < array_size(e); i++) {
			e[i] = sample_mail(text);
			e[i].action = (enum action)(ACTION_MAIL_QUEUED + i % 4);
			e[i].source = (enum source)i;
			e[i].frames = &frame;
			e[i].frame_count = 1;
			e[i].recipients = (int64_t)i * 100000;
			if (i > 3)
				e[i].script = e[i].culprit_file = NULL;
		}
		out = play(&options, e, array_size(e));
		assert_lines_fit(out, columns, NULL);
		free(out);
	}
}

static void narrow_terminals(void **state)
{
	struct mail_event e = sample_mail(NULL);

	(void)state;
	for (unsigned columns = 48; columns < 80; columns++) {
		struct table_options options = {.columns = columns};
		char *text = play(&options, &e, 1);

		assert_non_null(strstr(text, "mailer.php:42"));
		assert_lines_fit(text, columns, NULL);
		free(text);
	}
}

static char *summary_text(const struct summary_event *e, unsigned columns)
{
	struct summary_style style = {.columns = columns, .by = BY_SCRIPT};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	summary_print(out, e, &style);
	fclose(out);
	return text;
}

static void summary_says_it_all(void **state)
{
	static const char headline[] =
		"93 % of all messages came from one script:\n\n    " SAMPLE_MAILER ":42\n";
	static const char *const needles[] = {
		headline,
		"run by /var/www/vhosts/shop.example/httpdocs/index.php",
		"412 messages queued",
		"380 left the queue",
		"BY SCRIPT",
		"BY VHOST",
		"BY UID",
		"BY CLIENT",
		"web12 (10012)",
		"4F3A21C0B1  Cheap pills",
		"20:53:03",
		"20:55:08",
		"2 attempts that queued nothing",
		"… and 120 more scripts",
		"script 383, cli 20, unknown 9",
		"= exact 383, ~ inferred 20, ? none 9",
		"VERDICT     412 messages came in",
		"12 × ring-origin: ",
		"COUNTED     by the kernel all the same: 431 injections, 410 messages",
		"HOOKS       fork, queue (fexit)",
		"NOTES       SMTP from scripts",
	};
	struct summary_event e = sample_summary(NULL);

	(void)state;
	for (unsigned columns = 80; columns <= 200; columns += 40) {
		char *text = summary_text(&e, columns);

		for (size_t i = 0; i < array_size(needles); i++)
			if (!strstr(text, needles[i]))
				fail_msg("not in the summary: %s", needles[i]);
		assert_lines_fit(text, columns, SAMPLE_MAILER);
		free(text);
	}
}

static void summary_of_nothing(void **state)
{
	struct summary_event e = {.action = ACTION_TRACE_ENDED};
	char *text = summary_text(&e, 80);

	(void)state;
	assert_non_null(strstr(text, "0 messages queued"));
	assert_non_null(strstr(text, "LOST        nothing"));
	assert_lines_fit(text, 80, NULL);
	free(text);
}

static void summary_hostile(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(sample_hostile); i++) {
		struct summary_event e = sample_summary(sample_hostile[i]);

		for (unsigned columns = 80; columns <= 200; columns += 20) {
			char *text = summary_text(&e, columns);

			assert_lines_fit(text, columns, NULL);
			free(text);
		}
	}
}

/* A trace over midnight shows dates. */
static void summary_dates(void **state)
{
	struct summary_event e = sample_summary(NULL);
	char *text;

	(void)state;
	e.seconds = 30 * 3600;
	text = summary_text(&e, 80);
	assert_non_null(strstr(text, "11-21 20:53"));
	free(text);
}

/* No string gets out of the text it belongs to: the page has the same tags whatever they are. */
static void html_hostile(void **state)
{
	static const char *const texts[] = {"plain", "<script>alert(1)</script>", "\"'><img src=x>",
					    "&lt;", "\x1b]0;x\x07\xe2\x80\xae"};
	size_t tags = 0;

	(void)state;
	for (size_t i = 0; i < array_size(texts); i++) {
		struct summary_event e = sample_summary(texts[i]);
		char *text = NULL;
		size_t size = 0, n = 0;
		FILE *out = open_memstream(&text, &size);

		html_print(out, &e, 10);
		fclose(out);
		for (const char *c = text; *c; c++)
			n += *c == '<';
		if (!i)
			tags = n;
		assert_int_equal(n, tags);
		assert_null(strchr(text, '\x1b'));
		assert_null(strstr(text, "\xe2\x80\xae"));
		assert_null(strstr(text, "<script"));
		free(text);
	}
}

static void status_line(void **state)
{
	struct table_options options = {.terminal = true, .columns = 120};
	struct mail_event m = sample_mail(NULL);
	struct queue_event q = sample_queue(NULL);
	struct summary_event e = sample_summary(NULL);
	char *text = NULL, *row, *status;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct sink *s;

	(void)state;
	setenv("NO_COLOR", "1", 1);
	assert_int_equal(table_sink_new(out, &options, &s), 0);
	q.mta = NULL;
	q.note = "2 more than explained";
	s->mail(s, &m);
	s->queue(s, &q);
	table_lost(s, 1234);
	s->tick(s, SAMPLE_WALL + 1000000000ULL);
	fflush(out);
	assert_non_null(strstr(text, "! 2 more than explained\n"));
	status = strstr(text, "1 message, 60/min | queue 1,204, +97/min | 1,234 lost | 100 % ");
	assert_non_null(status);
	assert_non_null(strstr(status, "mailer.php:42\r"));
	/* Both rows are gone before the next message is there. */
	m.queue_id = "NEXTROW";
	s->mail(s, &m);
	s->tick(s, SAMPLE_WALL + 2000000000ULL);
	fflush(out);
	row = strstr(text, "NEXTROW");
	assert_non_null(row);
	status = strstr(text, "\x1b[1A\r\x1b[J");
	assert_true(status && status < row);
	/* And for good at the end. */
	s->ended(s, &e);
	fflush(out);
	row = strstr(text, "412 messages queued");
	assert_non_null(row);
	assert_null(strchr(row, '\x1b')); /* NO_COLOR */
	s->free(s);
	fclose(out);
	free(text);
	unsetenv("NO_COLOR");
}

static void colours_only_on_a_terminal(void **state)
{
	struct table_options options = {.terminal = true, .columns = 120};
	struct mail_event e = sample_mail(NULL);
	char *text = play(&options, &e, 1);

	(void)state;
	assert_non_null(strstr(text, "\x1b[32m=\x1b[0m "));
	free(text);
	options.terminal = false;
	text = play(&options, &e, 1);
	assert_null(strchr(text, '\x1b'));
	free(text);
}

/* The heaviest script stays on top however many others come by. */
static void top_script_survives(void **state)
{
	static struct live l;
	struct mail_event e = sample_mail(NULL);
	struct page page = {.columns = 200};
	char name[64], *text = NULL;
	size_t size = 0;

	(void)state;
	for (int i = 0; i < 30000; i++) {
		snprintf(name, sizeof(name), "/srv/other%d.php", i);
		e.culprit_file = i % 3 ? name : SAMPLE_MAILER;
		live_mail(&l, &e);
	}
	page.out = open_memstream(&text, &size);
	assert_int_equal(live_print(&l, &page, SAMPLE_WALL), 1);
	fclose(page.out);
	assert_non_null(strstr(text, "30,000 messages"));
	assert_non_null(strstr(text, "mailer.php:42"));
	free(text);
}

static void words(void **state)
{
	static const struct {
		int64_t n;
		bool sign;
		const char *text;
	} counts[] = {
		{0, false, "0"},        {999, false, "999"},
		{1000, true, "+1,000"}, {-1234567, true, "-1,234,567"},
		{12, true, "+12"},      {INT64_MIN, false, "-9,223,372,036,854,775,808"},
	};
	static const struct {
		double seconds;
		const char *text;
	} times[] = {{0, "0 s"}, {59.4, "59 s"}, {134, "2 min 14 s"}, {7500, "2 h 5 min"}};
	char out[64];

	(void)state;
	for (size_t i = 0; i < array_size(counts); i++) {
		words_count(out, counts[i].n, counts[i].sign);
		assert_string_equal(out, counts[i].text);
	}
	for (size_t i = 0; i < array_size(times); i++) {
		words_duration(out, times[i].seconds);
		assert_string_equal(out, times[i].text);
	}
}

static void write_errors(void **state)
{
	struct table_options options = {.columns = 120};
	struct mail_event e = sample_mail(NULL);
	FILE *out = fopen("/dev/full", "w");
	struct sink *s;
	int first;

	(void)state;
	assert_non_null(out);
	assert_int_equal(table_sink_new(out, &options, &s), 0);
	first = s->mail(s, &e);
	assert_int_equal(first, -ENOSPC);
	s->mail(s, &e);
	assert_int_equal(s->tick(s, SAMPLE_WALL), 0); /* said once */
	assert_int_equal(s->unwritten, 2);
	s->free(s);
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_rows),
		cmocka_unit_test(kinds_of_rows),
		cmocka_unit_test(never_too_wide),
		cmocka_unit_test(narrow_terminals),
		cmocka_unit_test(summary_says_it_all),
		cmocka_unit_test(summary_of_nothing),
		cmocka_unit_test(summary_hostile),
		cmocka_unit_test(summary_dates),
		cmocka_unit_test(html_hostile),
		cmocka_unit_test(status_line),
		cmocka_unit_test(colours_only_on_a_terminal),
		cmocka_unit_test(top_script_survives),
		cmocka_unit_test(words),
		cmocka_unit_test(write_errors),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
