// SPDX-License-Identifier: GPL-2.0-only
#include "base/users.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Whatever the cache holds, it says what the system says: uids share its slots 512 apart. */
static void test_name(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++)
		for (uid_t uid = 0; uid<2048; uid += uid> 64 ? 512U : 1U) {
			const struct passwd *pw = user_by_uid(uid);
			const char *name = user_name_of(uid);

			if (pw)
				assert_string_equal(name, pw->pw_name);
			else
				assert_null(name);
		}
	assert_string_equal(user_name_of(0), "root");
	assert_null(user_name_of(512 * 1000003U));
	assert_string_equal(user_name_of(0), "root");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_name)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
