// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "trace/pace.h"

#define START (7 * PACE_WINDOW_NS)

static void prompt_up_to_a_bound(void **state)
{
	struct pace p = {0};
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
	struct pace p = {0};
	uint64_t end;

	(void)state;
	while (!pace_woken(&p, START))
		;
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
	struct pace p = {0};

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
	struct pace p = {0};

	(void)state;
	for (uint64_t now = START; now < START + 10 * PACE_WINDOW_NS; now += 100000)
		if (pace_timeout(&p, now) < 0 || pace_rested(&p, now))
			pace_woken(&p, now);
	assert_in_range(p.wakes, PACE_PROMPT, PACE_PROMPT + 10 * PACE_WINDOW_NS / PACE_REST_NS + 1);
}

/* Woken without a pause: whether it rests. */
static bool rests(struct pace *p, uint64_t now)
{
	for (int i = 0; i < PACE_PROMPT; i++)
		assert_false(pace_woken(p, now));
	return pace_woken(p, now);
}

static void stays_awake_where_messages_go_at_once(void **state)
{
	struct pace p = {0};
	uint64_t now = START;

	(void)state;
	assert_true(rests(&p, now));
	now = p.until;
	assert_true(pace_rested(&p, now));
	pace_judge(&p, 2, 1, now);
	assert_true(pace_woken(&p, now)); /* one is nothing yet */
	now = p.until;
	assert_true(pace_rested(&p, now));
	pace_judge(&p, 3, 1, now);
	for (int i = 0; i < 10000; i++)
		assert_false(pace_woken(&p, now + PACE_AWAKE_NS - 1));
	assert_int_equal(pace_timeout(&p, now), -1);
	/* and tries again */
	assert_true(rests(&p, now + PACE_AWAKE_NS + 2 * PACE_WINDOW_NS));
}

static void rests_where_they_stay(void **state)
{
	struct pace p = {0};

	(void)state;
	for (uint64_t now = START, n = 0; n < 100; n++, now += 2 * PACE_WINDOW_NS) {
		assert_true(rests(&p, now));
		assert_true(pace_rested(&p, p.until));
		/* now and then one goes */
		pace_judge(&p, PACE_SAMPLE, PACE_GONE, now);
	}
	/* rests without a message say nothing */
	pace_judge(&p, PACE_SAMPLE - 1, PACE_GONE, START);
	pace_judge(&p, 0, 0, START);
	assert_int_equal(p.files, PACE_SAMPLE - 1);
	pace_judge(&p, 1, 1, START + 300 * PACE_WINDOW_NS);
	assert_false(rests(&p, START + 300 * PACE_WINDOW_NS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prompt_up_to_a_bound),
		cmocka_unit_test(rests_to_the_end_and_once),
		cmocka_unit_test(busy_as_long_as_more_comes),
		cmocka_unit_test(the_bound_holds),
		cmocka_unit_test(stays_awake_where_messages_go_at_once),
		cmocka_unit_test(rests_where_they_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
