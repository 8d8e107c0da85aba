// SPDX-License-Identifier: GPL-2.0-only
#include "mail/mta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trace/event.h"

static void test_known(void **state)
{
	static const char *const names[] = {"msmtp", "ssmtp", "dma", "opensmtpd"};
	struct mta_queue out[1];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const struct mta *m = mta_by_name(names[i]);

		assert_non_null(m);
		assert_non_null(m->unfollowed);
		assert_int_equal(m->discover("/", out, 1), 0);
	}
	for (const struct mta *const *m = mta_all; *m; m++)
		assert_true((*m)->unfollowed || ((*m)->count && (*m)->list && (*m)->rules));
}

static void test_classify(void **state)
{
#define RUN(args) mta_opensmtpd.classify("smtpctl", args, sizeof(args) - 1)
	(void)state;
	assert_int_equal(RUN("/usr/sbin/sendmail\0-t\0-i"), RUN_SUBMIT);
	assert_int_equal(RUN("/usr/sbin/sendmail\0a@b.test"), RUN_SUBMIT);
	assert_int_equal(RUN("sendmail\0-bs"), RUN_SUBMIT);
	assert_int_equal(RUN("sendmail\0-bp"), RUN_QUERY);
	assert_int_equal(RUN("sendmail\0-q"), RUN_DAEMON);
	assert_int_equal(RUN("mailq"), RUN_QUERY);
	assert_int_equal(RUN("/usr/bin/newaliases"), RUN_QUERY);
	assert_int_equal(RUN("smtpctl\0show\0queue"), RUN_QUERY);
#undef RUN
}

/* Exit 0 of what is not followed is taken; everything else came to nothing. */
static void test_handed(void **state)
{
	struct mail_event e = {.action = ACTION_MAIL_ATTEMPTED, .unfollowed = "words"};

	(void)state;
	assert_true(event_handed(&e));
	e.exit_code = 75;
	assert_false(event_handed(&e));
	e.exit_code = 0;
	e.exit_signal = 9;
	assert_false(event_handed(&e));
	e.exit_signal = 0;
	e.unfollowed = NULL;
	assert_false(event_handed(&e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_classify),
		cmocka_unit_test(test_handed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
