// SPDX-License-Identifier: GPL-2.0-only
/* The books: what the hooks saw against what counting says, with counts that take time. */
#include "trace_builders.h"

#include "trace/balance.h"

#define SECOND 1000000000ULL

static void count(struct balance *b, const struct balance_totals *before, int64_t messages,
		  uint64_t wall, struct queue_event *e)
{
	struct queue_counts n = {.messages = messages};

	balance_sample(b, before, &n, NULL, wall, e);
}

/* A count during which nothing happens. */
static struct queue_event still(struct balance *b, int64_t messages, uint64_t wall)
{
	struct balance_totals before = b->totals;
	struct queue_event e;

	count(b, &before, messages, wall, &e);
	return e;
}

static void change(struct balance *b, int in, int out)
{
	while (in--)
		balance_change(b, 1, false);
	while (out--)
		balance_change(b, -1, false);
}

static void books_agree(void **state)
{
	struct balance b;
	struct queue_event e;

	(void)state;
	balance_init(&b, "qmail", "/q");
	e = still(&b, 100, 1);
	assert_int_equal(e.growth, 0);
	assert_null(e.note);
	change(&b, 7, 3);
	for (int i = 0; i < 7; i++)
		balance_queued(&b, i < 5 ? SOURCE_SCRIPT : SOURCE_SMTP);
	for (int i = 0; i < 3; i++)
		balance_removed(&b);
	e = still(&b, 104, 2);
	assert_int_equal(e.growth, 4);
	assert_int_equal(e.unexplained, 0);
	assert_int_equal(e.queued, 7);
	assert_int_equal(e.removed, 3);
	assert_int_equal(e.by_source[SOURCE_SCRIPT], 5);
	assert_int_equal(e.by_source[SOURCE_SMTP], 2);
	assert_int_equal(e.messages, 104);
	assert_string_equal(e.mta, "qmail");
	assert_string_equal(e.directory, "/q");
	assert_null(e.note);
}

/*
 * start: what lies there; first, then: events before the first count, during it, between, during
 * the second; the second count and by how much it cannot be explained.
 */
/* The MTA is down: what lies unprocessed is named when none of it has gone on for some seconds. */
static void nothing_is_taken_over(void **state)
{
	struct queue_counts counts = {.messages = 3, .unprocessed = 3};
	struct balance b;
	struct queue_event e;

	(void)state;
	balance_init(&b, "postfix", "/q");
	for (uint64_t s = 10; s < 15; s++) {
		balance_sample(&b, &b.totals, &counts, NULL, s * 1000000000, &e);
		assert_null(e.note);
	}
	balance_sample(&b, &b.totals, &counts, NULL, 15000000000, &e);
	assert_non_null(e.note);
	assert_non_null(strstr(e.note, "3 messages lie in the queue"));
	/* one went on: the MTA works */
	counts.unprocessed = 2;
	balance_sample(&b, &b.totals, &counts, NULL, 16000000000, &e);
	assert_null(e.note);
	counts.unprocessed = 0;
	balance_sample(&b, &b.totals, &counts, NULL, 30000000000, &e);
	assert_null(e.note);
}

static void counts_take_time(void **state)
{
	static const struct {
		const char *name;
		int in0, out0, in1, out1, in2, out2, in3, out3;
		int64_t first, second, unexplained;
	} cases[] = {
		{"still", 0, 0, 0, 0, 0, 0, 0, 0, 100, 100, 0},
		{"hooks were on before the first count", 3, 1, 0, 0, 0, 0, 0, 0, 102, 102, 0},
		{"one more than was seen", 0, 0, 0, 0, 0, 0, 0, 0, 100, 101, 1},
		{"one fewer than was seen", 0, 0, 0, 0, 1, 0, 0, 0, 100, 100, -1},
		{"in during the second count, counted", 0, 0, 0, 0, 0, 0, 1, 0, 100, 101, 0},
		{"in during the second count, missed by it", 0, 0, 0, 0, 0, 0, 1, 0, 100, 100, 0},
		{"out during the second count, counted", 0, 0, 0, 0, 0, 0, 0, 1, 100, 100, 0},
		{"out during the second count, missed by it", 0, 0, 0, 0, 0, 0, 0, 1, 100, 99, 0},
		{"in and out at once", 0, 0, 0, 0, 0, 0, 2, 2, 100, 102, 0},
		{"in and out at once, and one too many", 0, 0, 0, 0, 0, 0, 2, 2, 100, 103, 1},
		{"in and out at once, and one too few", 0, 0, 0, 0, 0, 0, 2, 2, 100, 97, -1},
		{"in during the first count, counted", 0, 0, 1, 0, 0, 0, 0, 0, 101, 101, 0},
		{"in during the first count, missed by it", 0, 0, 1, 0, 0, 0, 0, 0, 100, 101, 0},
		{"out during the first count, counted", 0, 0, 0, 1, 0, 0, 0, 0, 100, 99, 0},
		{"out during the first count, missed by it", 0, 0, 0, 1, 0, 0, 0, 0, 99, 99, 0},
		{"in during the first count, but two more", 0, 0, 1, 0, 0, 0, 0, 0, 100, 102, 1},
		{"out during the first count, but two fewer", 0, 0, 0, 1, 0, 0, 0, 0, 99, 97, -1},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct balance b;
		struct balance_totals before;
		struct queue_event e;

		balance_init(&b, "qmail", "/q");
		change(&b, cases[i].in0, cases[i].out0);
		before = b.totals;
		change(&b, cases[i].in1, cases[i].out1);
		count(&b, &before, cases[i].first, 1, &e);
		assert_int_equal(e.unexplained, 0);
		change(&b, cases[i].in2, cases[i].out2);
		before = b.totals;
		change(&b, cases[i].in3, cases[i].out3);
		count(&b, &before, cases[i].second, 2, &e);
		if (e.unexplained != cases[i].unexplained)
			fail_msg("%s: %d", cases[i].name, (int)e.unexplained);
		assert_int_equal(!e.note, !cases[i].unexplained);
	}
}

/* A doubt of the first count does not hide what is missing later. */
static void later_counts_narrow_the_start(void **state)
{
	struct balance b;
	struct balance_totals before;
	struct queue_event e;

	(void)state;
	balance_init(&b, "qmail", "/q");
	before = b.totals;
	change(&b, 5, 0);
	count(&b, &before, 100, 1, &e); /* 95 to 100 lay there */
	e = still(&b, 103, 2);          /* 98, to be exact */
	assert_int_equal(e.unexplained, 0);
	e = still(&b, 104, 3);
	assert_int_equal(e.unexplained, 1);
	e = still(&b, 102, 4);
	assert_int_equal(e.unexplained, -1);
	e = still(&b, 103, 5);
	assert_int_equal(e.unexplained, 0);
}

/* What moves between two directories while they are counted is met once, twice or not at all. */
static void messages_that_move(void **state)
{
	static const struct {
		int moves;
		int64_t counted, unexplained;
		bool blurred;
	} cases[] = {
		{0, 101, 1, false}, {1, 100, 0, false}, {1, 101, 0, true}, {1, 99, 0, true},
		{1, 102, 1, true},  {2, 102, 0, true},  {2, 97, -1, true},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct queue_counts n = {.messages = cases[i].counted};
		struct balance_totals before;
		struct queue_event e;
		struct balance b;

		balance_init(&b, "postfix", "/q");
		still(&b, 100, 1);
		before = b.totals;
		for (int k = 0; k < cases[i].moves; k++)
			balance_change(&b, 0, false);
		assert_int_equal(balance_blurred(&b, &before, &n), cases[i].blurred);
		balance_sample(&b, &before, &n, NULL, 2, &e);
		assert_int_equal(e.unexplained, cases[i].unexplained);
	}
}

/* The first count cannot be told from a blurred one. */
static void the_first_count_is_of_a_still_queue(void **state)
{
	struct queue_counts n = {.messages = 5};
	struct balance_totals before;
	struct balance b;

	(void)state;
	balance_init(&b, "postfix", "/q");
	before = b.totals;
	assert_false(balance_blurred(&b, &before, &n));
	balance_change(&b, 0, false);
	assert_true(balance_blurred(&b, &before, &n));
}

static void files_in_flight(void **state)
{
	struct balance b;
	struct queue_event e;
	struct queue_counts n = {.messages = 103, .partial = 3};
	struct balance_totals before;

	(void)state;
	balance_init(&b, "qmail", "/q");
	still(&b, 100, 1);
	/* three writes begin: they are counted as messages by the MTA's own tool */
	for (int i = 0; i < 3; i++)
		balance_change(&b, 1, true);
	before = b.totals;
	balance_sample(&b, &before, &n, NULL, 2, &e);
	assert_int_equal(e.unexplained, 0);
	assert_int_equal(e.in_flight, 3);
	assert_int_equal(e.orphans, 3);
	/* one becomes a message, one is given up, one stays */
	balance_change(&b, -1, true);
	change(&b, 1, 0);
	balance_change(&b, -1, true);
	e = still(&b, 102, 3);
	assert_int_equal(e.unexplained, 0);
	assert_int_equal(e.in_flight, 1);
	/* a file that no hook saw, and that is no message: said so */
	n = (struct queue_counts){.messages = 103, .partial = 2};
	before = b.totals;
	balance_sample(&b, &before, &n, NULL, 4, &e);
	assert_int_equal(e.unexplained, 1);
	assert_string_equal(
		e.note,
		"1 more than the hooks saw come in: files in flight or left by a killed process");
	n.partial = COUNT_UNKNOWN;
	balance_sample(&b, &before, &n, NULL, 5, &e);
	assert_int_equal(e.orphans, 0);
	assert_string_equal(e.note,
			    "1 more than the hooks saw come in: not put there by the MTA, or lost");
	n.messages = 100;
	balance_sample(&b, &before, &n, NULL, 6, &e);
	assert_string_equal(
		e.note, "2 fewer than the hooks can explain: removed in a way that was not seen");
}

static void missing_directory(void **state)
{
	struct balance b;
	struct queue_event e;
	char verdict[512];

	(void)state;
	balance_init(&b, "qmail", "/q");
	balance_sample(&b, &b.totals, NULL, "No such file or directory", 1, &e);
	assert_true(e.missing);
	assert_string_equal(e.note, "No such file or directory");
	e = still(&b, 50, 2); /* it comes back: this is the first count */
	assert_false(e.missing);
	assert_null(e.note);
	assert_int_equal(e.growth, 0);
	balance_sample(&b, &b.totals, NULL, NULL, 3, &e);
	assert_true(e.missing);
	assert_int_equal(e.messages, 50); /* as it was last seen */
	assert_string_equal(e.note, "the directory could not be read");
	assert_int_equal(b.missed, 2);
	balance_verdict(&b, 1, 0, 0, verdict, sizeof(verdict));
	assert_non_null(strstr(verdict, "1 queue could not be counted"));
}

static void growth_per_minute(void **state)
{
	struct balance b;
	struct queue_event e;

	(void)state;
	balance_init(&b, "qmail", "/q");
	e = still(&b, 1000, SECOND * 1000);
	assert_true(e.growth_per_minute == 0);
	e = still(&b, 1010, SECOND * 1001);
	assert_true(e.growth_per_minute > 599 && e.growth_per_minute < 601);
	/* a second call within the second neither counts twice nor divides by nothing */
	e = still(&b, 1010, SECOND * 1001);
	assert_true(e.growth_per_minute > 599 && e.growth_per_minute < 601);
	/* two minutes of one a second, then three of standing still */
	for (uint64_t s = 2; s < 122; s++)
		e = still(&b, 1010 + (int64_t)s - 1, SECOND * (1000 + s));
	assert_true(e.growth_per_minute > 59 && e.growth_per_minute < 61);
	for (uint64_t s = 122; s < 302; s++)
		e = still(&b, 1130, SECOND * (1000 + s));
	assert_true(e.growth_per_minute == 0);
	/* it shrinks */
	for (uint64_t s = 302; s < 400; s++)
		e = still(&b, 1130 - (int64_t)s + 302, SECOND * (1000 + s));
	assert_true(e.growth_per_minute < -59 && e.growth_per_minute > -61);
	/* counted rarely: -i 30 */
	for (uint64_t s = 400; s < 700; s += 30)
		e = still(&b, 1030 + 30, SECOND * (1000 + s));
	assert_true(e.growth_per_minute == 0);
	/* the clock is set back */
	e = still(&b, 2000, SECOND * 10);
	assert_true(e.growth_per_minute >= 0 && e.growth_per_minute < 1e9);
}

/* A file in flight whose writer is killed is an orphan until somebody removes it; the books balance
 * all the time. */
static void orphans(void **state)
{
	struct balance b;
	struct queue_event e;

	(void)state;
	balance_init(&b, "qmail", "/q");
	still(&b, 100, 1);
	balance_change(&b, 1, true);
	balance_change(&b, 1, true);
	e = still(&b, 102, 2);
	assert_int_equal(e.unexplained, 0);
	assert_int_equal(e.in_flight, 2);
	assert_string_equal(e.note, "2 files are being written and no message yet");
	balance_orphan(&b, 1);
	e = still(&b, 102, 3);
	assert_int_equal(e.unexplained, 0);
	assert_int_equal(e.in_flight, 1);
	assert_int_equal(e.orphans, 1);
	assert_string_equal(e.note,
			    "1 file is being written and no message yet; 1 file is left by a "
			    "killed process and will be no message");
	balance_change(&b, -1, true);
	e = still(&b, 101, 4);
	assert_string_equal(e.note, "1 file is left by a killed process and will be no message");
	/* qmail-send's clean-up, 36 hours later */
	balance_orphan(&b, -1);
	balance_change(&b, -1, true);
	e = still(&b, 100, 5);
	assert_int_equal(e.unexplained, 0);
	assert_int_equal(e.orphans, 0);
	assert_null(e.note);
}

/* Another directory stands in the queue's place: what lies there is no growth. */
static void another_directory(void **state)
{
	struct balance b;
	struct queue_event e;

	(void)state;
	balance_init(&b, "qmail", "/q");
	still(&b, 100, 1);
	change(&b, 5, 2);
	e = still(&b, 103, 2);
	assert_int_equal(e.growth, 3);
	balance_restart(&b);
	e = still(&b, 7, 3);
	assert_int_equal(e.unexplained, 0);
	assert_int_equal(e.growth, 3);
	assert_null(e.note);
	change(&b, 1, 0);
	e = still(&b, 8, 4);
	assert_int_equal(e.growth, 4);
	assert_int_equal(e.unexplained, 0);
	e = still(&b, 7, 5);
	assert_int_equal(e.unexplained, -1);
}

static void verdicts(void **state)
{
	struct balance b[2] = {0};
	char out[512];

	(void)state;
	balance_verdict(b, 0, 5, 5, out, sizeof(out));
	assert_string_equal(
		out, "No queue was found, so what was traced could not be checked against one.");
	balance_init(&b[0], "qmail", "/q");
	balance_init(&b[1], "postfix", "/p");
	still(&b[0], 10, 1);
	still(&b[1], 10, 1);
	change(&b[0], 5, 1);
	for (int i = 0; i < 5; i++)
		balance_queued(&b[0], SOURCE_SCRIPT);
	balance_removed(&b[0]);
	still(&b[0], 14, 2);
	balance_verdict(b, 2, 5, 4, out, sizeof(out));
	assert_string_equal(
		out, "The queue grew by 4: 5 messages came in (4 of the 5 traced have an exact "
		     "origin) and 1 left; every message of that is accounted for.");
	/* one queue has too many, the other too few: they do not cancel out */
	still(&b[0], 16, 3);
	still(&b[1], 7, 3);
	balance_verdict(b, 2, 5, 4, out, sizeof(out));
	assert_non_null(strstr(out, "The queue grew by 3:"));
	assert_non_null(strstr(out, "5 of it is unexplained."));
	still(&b[0], 0, 4);
	balance_verdict(b, 2, 5, 4, out, sizeof(out));
	assert_non_null(strstr(out, "The queue shrank by 13:"));
	/* a short buffer is not written past its end */
	memset(out, '#', sizeof(out));
	balance_verdict(b, 2, 5, 4, out, 10);
	assert_string_equal(out, "The queue");
	assert_int_equal(out[10], '#');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(books_agree),
		cmocka_unit_test(nothing_is_taken_over),
		cmocka_unit_test(counts_take_time),
		cmocka_unit_test(later_counts_narrow_the_start),
		cmocka_unit_test(messages_that_move),
		cmocka_unit_test(the_first_count_is_of_a_still_queue),
		cmocka_unit_test(files_in_flight),
		cmocka_unit_test(missing_directory),
		cmocka_unit_test(growth_per_minute),
		cmocka_unit_test(orphans),
		cmocka_unit_test(another_directory),
		cmocka_unit_test(verdicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
