// SPDX-License-Identifier: GPL-2.0-only
#include "queue_fixture.h"

#include "trace/key_table.h"

#define MINUTE 60000000000ULL
#define NOW    (1000000 * MINUTE)

static void add(struct key_table *t, const char *key, uint64_t recipients, uint64_t age_minutes)
{
	const struct key_weight w = {
		.recipients = recipients,
		.bytes = 10,
		.time_ns = NOW - age_minutes * MINUTE,
		.now_ns = NOW,
		.id = key,
		.subject = "s",
	};

	key_row_add(key_table_row(t, key, strlen(key)), &w);
}

static void test_counts(void **state)
{
	struct key_table *t = key_table_new(1000);
	const struct key_row *const *rows;

	(void)state;
	assert_null(key_table_sorted(t, false));
	add(t, "a", 1, 0);
	add(t, "b", 300, 7);
	add(t, "a", 2, 2000);
	rows = key_table_sorted(t, false);
	assert_int_equal(key_table_count(t), 2);
	assert_string_equal(rows[0]->key, "a");
	assert_int_equal(rows[0]->messages, 2);
	assert_int_equal(rows[0]->recipients, 3);
	assert_int_equal(rows[0]->most, 2);
	assert_int_equal(rows[0]->bytes, 20);
	assert_int_equal(rows[0]->oldest_ns, NOW - 2000 * MINUTE);
	assert_int_equal(rows[0]->ages[0], 1);
	assert_int_equal(rows[0]->ages[KEY_AGES - 1], 1);
	rows = key_table_sorted(t, true);
	assert_string_equal(rows[0]->key, "b");
	assert_int_equal(rows[0]->ages[1], 1);
	assert_null(key_table_others(t));
	/* what follows a NUL is not part of the key */
	assert_ptr_equal(key_table_row(t, "a\0x", 3), key_table_row(t, "a", 1));
	/* a key that begins like another one is another one */
	assert_ptr_not_equal(key_table_row(t, "ab", 2), key_table_row(t, "a", 1));
	key_table_free(t);
}

static void test_bound(void **state)
{
	struct key_table *t = key_table_new(500);
	char key[16];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 2000; i++) {
			snprintf(key, sizeof(key), "k%d", i);
			add(t, key, 1, 0);
		}
	}
	assert_int_equal(key_table_count(t), 500);
	assert_int_equal(key_table_others(t)->messages, 3000);
	for (int i = 0; i < 500; i++)
		assert_int_equal(key_table_sorted(t, false)[i]->messages, 2);
	key_table_free(t);
}

static void test_ages(void **state)
{
	(void)state;
	assert_int_equal(key_age(NOW, NOW), 0);
	assert_int_equal(key_age(NOW + MINUTE, NOW), 0);
	assert_int_equal(key_age(NOW - 5 * MINUTE + 1, NOW), 0);
	for (unsigned i = 0; i < KEY_AGES - 1; i++)
		assert_int_equal(key_age(NOW - key_age_minutes[i] * MINUTE, NOW), i + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_ages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
