// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "trace/event.h"

static void names_are_the_contract(void **state)
{
	(void)state;
	assert_string_equal(action_name(ACTION_TRACE_STARTED), "trace-started");
	assert_string_equal(action_name(ACTION_MAIL_QUEUED), "mail-queued");
	assert_string_equal(action_name(ACTION_MAIL_ATTEMPTED), "mail-attempted");
	assert_string_equal(action_name(ACTION_SMTP_CONNECTED), "smtp-connected");
	assert_string_equal(action_name(ACTION_MAIL_REMOVED), "mail-removed");
	assert_string_equal(action_name(ACTION_QUEUE_SAMPLED), "queue-sampled");
	assert_string_equal(action_name(ACTION_TRACE_ENDED), "trace-ended");
	assert_string_equal(source_name(SOURCE_SMTP_AUTH), "smtp-auth");
	assert_string_equal(attribution_name(ATTRIBUTION_EXACT), "exact");
	assert_string_equal(evidence_name(EVIDENCE_PHP_MEMORY), "php-memory");
	assert_string_equal(tally_by_name(BY_SCRIPT), "script");
}

/* Each name leads back to its value, and no two are alike. */
static void names_round_trip(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SOURCE_COUNT; i++) {
		enum source s = SOURCE_COUNT;

		assert_int_equal(source_parse(source_name(i), &s), 0);
		assert_int_equal(s, i);
	}
	for (unsigned i = 0; i < ATTRIBUTION_COUNT; i++) {
		enum attribution a = ATTRIBUTION_COUNT;

		assert_int_equal(attribution_parse(attribution_name(i), &a), 0);
		assert_int_equal(a, i);
	}
	for (unsigned i = 0; i < BY_COUNT; i++) {
		enum tally_by by = BY_COUNT;

		assert_int_equal(tally_by_parse(tally_by_name(i), &by), 0);
		assert_int_equal(by, i);
	}
	for (unsigned i = 0; i < EVIDENCE_COUNT; i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(evidence_name(i), evidence_name(j));
	for (unsigned i = 0; i < ACTION_COUNT; i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(action_name(i), action_name(j));
}

static void unknown_names(void **state)
{
	enum source s = SOURCE_CLI;
	enum attribution a = ATTRIBUTION_EXACT;
	enum tally_by by = BY_UID;

	(void)state;
	assert_int_equal(source_parse("", &s), -EINVAL);
	assert_int_equal(source_parse("Script", &s), -EINVAL);
	assert_int_equal(attribution_parse("sure", &a), -EINVAL);
	assert_int_equal(tally_by_parse("scripts", &by), -EINVAL);
	assert_int_equal(s, SOURCE_CLI);
	assert_int_equal(a, ATTRIBUTION_EXACT);
	assert_int_equal(by, BY_UID);
	assert_string_equal(source_name(SOURCE_COUNT), "unknown");
	assert_string_equal(action_name(ACTION_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_the_contract),
		cmocka_unit_test(names_round_trip),
		cmocka_unit_test(unknown_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
