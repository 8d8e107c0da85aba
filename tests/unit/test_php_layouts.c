// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "kernel/php_layouts.h"

static void test_find(void **state)
{
	static const struct {
		uint32_t version, series; /* series 0: none */
	} cases[] = {
		{70000, 70000}, {70033, 70000}, {70433, 70400}, {80000, 80000},
		{80099, 80000}, {80236, 80200}, {80428, 80400}, {80507, 80500},
		{80600, 80600}, {0, 0},         {50640, 0},     {69999, 0},
		{70500, 0},     {80700, 0},     {90000, 0},     {UINT32_MAX, 0},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		const struct php_layout_row *row = php_layout_find(cases[i].version);

		if (cases[i].series) {
			assert_non_null(row);
			assert_int_equal(row->version, cases[i].series);
		} else {
			assert_null(row);
		}
	}
}

/* What a slip of the finger in a row would break. */
static void test_rows_are_sane(void **state)
{
	size_t count;
	const struct php_layout_row *rows = php_layout_table(&count);
	uint32_t last = 0;

	(void)state;
	assert_true(count >= 12);
	for (size_t i = 0; i < count; i++) {
		const struct st_php_layout *l = &rows[i].layout;

		assert_true(rows[i].version > last);
		assert_int_equal(rows[i].version % 100, 0);
		assert_true(strlen(rows[i].source) > 10);
		last = rows[i].version;
		/* a row that was proved had a binary whose sizes are known */
		assert_true(!rows[i].tested || (rows[i].eg_size && rows[i].sg_size));
		if (rows[i].eg_size)
			assert_true(l->eg_current_execute_data + 8u <= rows[i].eg_size &&
				    l->eg_included_files + 56u <= rows[i].eg_size);
		if (rows[i].sg_size)
			assert_true(rows[i].sg_request_time + 8u <= rows[i].sg_size);
		assert_true(l->eg_included_files + 56 <= l->eg_current_execute_data);
		assert_int_equal(l->eg_current_execute_data % 8, 0);
		assert_int_equal(l->fn_filename % 8, 0);
		assert_int_equal(l->ex_prev % 8, 0);
		assert_true(l->ex_prev > l->ex_func && l->fn_filename > l->fn_scope);
		assert_int_equal(l->bucket_size, 32);
		assert_int_equal(l->str_val, l->str_len + 8);
	}
}

/* Worked out by hand from FCGI_HASH_FUNC of main/fastcgi.h. */
static void test_fcgi_hash(void **state)
{
	(void)state;
	assert_int_equal(php_fcgi_hash("SCRIPT_FILENAME", 15), 4 * 'I' + 16 * 'M' + 4 * 'E' + 15);
	assert_int_equal(php_fcgi_hash("SCRIPT_FILENAME", 15), 1815);
	assert_int_equal(php_fcgi_hash("HTTP_HOST", 9), 4 * 'P' + 16 * 'S' + 4 * 'T' + 9);
	assert_int_equal(php_fcgi_hash("AB", 2), 2);
	assert_int_equal(php_fcgi_hash("", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_rows_are_sane),
		cmocka_unit_test(test_fcgi_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
