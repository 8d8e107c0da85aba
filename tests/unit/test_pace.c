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

static void a_new_window_is_prompt_again(void **state)
{
	struct pace p = {0};
	uint64_t now = START, prompt = 0;

	(void)state;
	while (!pace_woken(&p, now))
		;
	now = START + PACE_WINDOW_NS - 1;
	assert_true(pace_rested(&p, now));
	assert_true(pace_woken(&p, now));
	now++;
	while (!pace_woken(&p, now))
		prompt++;
	assert_int_equal(prompt, PACE_PROMPT);
}

/* Ten thousand events a second, each a wake-up unless it rests. */
static void the_bound_holds(void **state)
{
	struct pace p = {0};
	uint64_t most = PACE_PROMPT + PACE_WINDOW_NS / PACE_REST_NS + 1;

	(void)state;
	for (uint64_t now = START; now < START + 10 * PACE_WINDOW_NS; now += 100000)
		if (pace_timeout(&p, now) < 0 || pace_rested(&p, now))
			pace_woken(&p, now);
	assert_in_range(p.wakes, 10 * PACE_PROMPT, 10 * most);
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
	assert_true(rests(&p, now + PACE_AWAKE_NS + PACE_WINDOW_NS));
}

static void rests_where_they_stay(void **state)
{
	struct pace p = {0};

	(void)state;
	for (uint64_t now = START, n = 0; n < 100; n++, now += PACE_WINDOW_NS) {
		assert_true(rests(&p, now));
		assert_true(pace_rested(&p, p.until));
		/* now and then one goes */
		pace_judge(&p, PACE_SAMPLE, PACE_GONE, now);
	}
	/* rests without a message say nothing */
	pace_judge(&p, PACE_SAMPLE - 1, PACE_GONE, START);
	pace_judge(&p, 0, 0, START);
	assert_int_equal(p.files, PACE_SAMPLE - 1);
	pace_judge(&p, 1, 1, START + 200 * PACE_WINDOW_NS);
	assert_false(rests(&p, START + 200 * PACE_WINDOW_NS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prompt_up_to_a_bound),
		cmocka_unit_test(rests_to_the_end_and_once),
		cmocka_unit_test(a_new_window_is_prompt_again),
		cmocka_unit_test(the_bound_holds),
		cmocka_unit_test(stays_awake_where_messages_go_at_once),
		cmocka_unit_test(rests_where_they_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
