// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "trace/pace.h"

#define START (7 * PACE_WINDOW_NS)

/* Woken without a pause: whether it rests. */
static bool rests(struct pace *p, uint64_t now)
{
	for (int i = 0; i < PACE_PROMPT; i++)
		assert_false(pace_woken(p, now));
	return pace_woken(p, now);
}

static void prompt_up_to_a_bound(void **state)
{
	struct pace p = {.stayed = PACE_STAYED};
	uint64_t now = START;

	(void)state;
	for (int i = 0; i < PACE_PROMPT; i++)
		assert_false(pace_woken(&p, now++));
	assert_int_equal(pace_timeout(&p, now), -1);
	assert_false(pace_rested(&p, now));
	assert_true(pace_woken(&p, now));
	assert_int_equal(p.wakes, PACE_PROMPT + 1);
	assert_int_equal(p.rests, 1);
}

static void rests_to_the_end_and_once(void **state)
{
	struct pace p = {.stayed = PACE_STAYED};
	uint64_t end;

	(void)state;
	assert_true(rests(&p, START));
	end = START + PACE_REST_NS;
	assert_int_equal(pace_timeout(&p, START), PACE_REST_NS / 1000000);
	/* never woken before the end for a fraction of a millisecond */
	assert_int_equal(pace_timeout(&p, end - 1), 1);
	assert_int_equal(pace_timeout(&p, end), 0);
	assert_int_equal(pace_timeout(&p, end + PACE_WINDOW_NS), 0);
	assert_false(pace_rested(&p, end - 1));
	assert_true(pace_rested(&p, end));
	assert_false(pace_rested(&p, end));
	assert_int_equal(pace_timeout(&p, end), -1);
}

/* Wakes it in the given window so often, and ends its rests. How often it rested. */
static unsigned wake(struct pace *p, unsigned window, unsigned times)
{
	unsigned rested = 0;

	for (unsigned i = 0; i < times; i++)
		if (pace_woken(p, START + window * PACE_WINDOW_NS + i)) {
			rested++;
			assert_true(pace_rested(p, p->until));
		}
	return rested;
}

static void busy_as_long_as_more_comes(void **state)
{
	struct pace p = {.stayed = PACE_STAYED};

	(void)state;
	assert_int_equal(wake(&p, 0, PACE_PROMPT), 0);
	assert_int_equal(wake(&p, 1, PACE_PROMPT + 3), 3);
	assert_int_equal(wake(&p, 2, PACE_BUSY), PACE_BUSY);
	assert_int_equal(wake(&p, 3, PACE_BUSY - 1), PACE_BUSY - 1);
	assert_int_equal(wake(&p, 4, PACE_PROMPT), 0);
	assert_int_equal(wake(&p, 5, PACE_PROMPT + 1), 1);
	/* nothing in the sixth */
	assert_int_equal(wake(&p, 7, PACE_PROMPT), 0);
}

/* Ten thousand events a second, each a wake-up unless it rests. */
static void the_bound_holds(void **state)
{
	struct pace p = {.stayed = PACE_STAYED};

	(void)state;
	for (uint64_t now = START; now < START + 10 * PACE_WINDOW_NS; now += 100000)
		if (pace_timeout(&p, now) < 0 || pace_rested(&p, now))
			pace_woken(&p, now);
	assert_in_range(p.wakes, PACE_PROMPT, PACE_PROMPT + 10 * PACE_WINDOW_NS / PACE_REST_NS + 1);
}

/* A server that leaves the tracer few wake-ups: each finds many messages. */
static void busy_by_messages_too(void **state)
{
	struct pace p = {.stayed = PACE_STAYED};

	(void)state;
	pace_judge(&p, PACE_PROMPT - 1, 0, START);
	assert_false(pace_woken(&p, START));
	pace_judge(&p, PACE_PROMPT, 0, START);
	assert_true(pace_woken(&p, START));
	/* what was told before is no news */
	pace_judge(&p, PACE_PROMPT + 1, 0, START + 3 * PACE_WINDOW_NS);
	assert_false(pace_woken(&p, START + 3 * PACE_WINDOW_NS));
}

/* One rest after the other, without a wake-up between them, while messages come and stay. */
static void rests_on_while_messages_come(void **state)
{
	struct pace p = {.stayed = PACE_STAYED};
	uint64_t now = START;

	(void)state;
	assert_true(rests(&p, now));
	for (uint64_t commits = 0; commits < 100; commits++) {
		now = p.until;
		assert_true(pace_rested(&p, now));
		pace_judge(&p, commits + 1, 0, now);
		assert_true(pace_rests_on(&p, commits, now));
		assert_int_equal(p.until, now + PACE_REST_NS);
	}
	now = p.until;
	assert_true(pace_rested(&p, now));
	assert_false(pace_rests_on(&p, 100, now));
	assert_int_equal(pace_timeout(&p, now), -1);
	/* one left at once */
	assert_true(pace_woken(&p, now));
	now = p.until;
	assert_true(pace_rested(&p, now));
	pace_judge(&p, 101, 1, now);
	assert_false(pace_rests_on(&p, 100, now));
}

/* Neither before it is known that messages stay, nor for a while after one that did not. */
static void rests_where_messages_stay(void **state)
{
	struct pace p = {0};
	uint64_t now = START;

	(void)state;
	pace_judge(&p, PACE_STAYED - 1, 0, now);
	for (int i = 0; i < 1000; i++)
		assert_false(pace_woken(&p, now));
	pace_judge(&p, PACE_STAYED, 0, now);
	assert_false(pace_woken(&p, now + PACE_BRIEF_NS - 1)); /* the last may leave yet */
	assert_true(pace_woken(&p, now + PACE_BRIEF_NS));
	assert_true(pace_rested(&p, p.until));
	/* many more stay than go */
	pace_judge(&p, 2 * PACE_STAYED, 1, now);
	pace_judge(&p, 4 * PACE_STAYED, 1, now);
	for (int i = 0; i < 1000; i++)
		assert_false(pace_woken(&p, now + PACE_AWAKE_NS - 1));
	assert_int_equal(pace_timeout(&p, now), -1);
	now += PACE_AWAKE_NS + 2 * PACE_WINDOW_NS;
	assert_true(rests(&p, now));
	assert_true(pace_rested(&p, p.until));
	/* the time alone is not enough */
	pace_judge(&p, 4 * PACE_STAYED, 2, now);
	now += PACE_AWAKE_NS + 2 * PACE_WINDOW_NS;
	assert_false(rests(&p, now));
	pace_judge(&p, 5 * PACE_STAYED - 1, 2, now);
	assert_false(pace_woken(&p, now));
	pace_judge(&p, 5 * PACE_STAYED, 2, now);
	assert_true(pace_woken(&p, now + PACE_BRIEF_NS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prompt_up_to_a_bound),
		cmocka_unit_test(rests_to_the_end_and_once),
		cmocka_unit_test(busy_as_long_as_more_comes),
		cmocka_unit_test(the_bound_holds),
		cmocka_unit_test(busy_by_messages_too),
		cmocka_unit_test(rests_on_while_messages_come),
		cmocka_unit_test(rests_where_messages_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
