// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>

#include "base/text.h"
#include "samples.h"

static void terminal_cases(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} cases[] = {
		{"plain /path.php", 15, "plain /path.php"},
		{"\x1b]0;x\x07", 6, "\\x1b]0;x\\x07"},
		{"a\0b", 3, "a\\x00b"},
		{"\n\r\t\x7f", 4, "\\x0a\\x0d\\x09\\x7f"},
		{"\x9b"
		 "31m",
		 4, "\\x9b31m"},
		{"\xc2\x9b"
		 "31m",
		 5, "\\u{009b}31m"},
		{"\xe2\x80\xae"
		 "x",
		 4, "\\u{202e}x"},
		{"\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad", 12,
		 "\\u{202a}\\u{202b}\\u{202c}\\u{202d}"},
		{"\xe2\x81\xa6\xe2\x81\xa9", 6, "\\u{2066}\\u{2069}"},
		{"\xe2\x80\x8b\xe2\x80\x8f", 6, "\\u{200b}\\u{200f}"},
		{"\xe2\x80\xa8\xe2\x80\xa9\xef\xbb\xbf", 9, "\\u{2028}\\u{2029}\\u{feff}"},
		{"\xc0\xaf", 2, "\\xc0\\xaf"},
		{"\xe0\x80\xaf", 3, "\\xe0\\x80\\xaf"},
		{"\xed\xa0\x80", 3, "\\xed\\xa0\\x80"},
		{"\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"},
		{"\xf8\x88\x80\x80\x80", 5, "\\xf8\\x88\\x80\\x80\\x80"},
		{"\x80\xbf", 2, "\\x80\\xbf"},
		{"\xe2\x82", 2, "\\xe2\\x82"},
		{"caf\xc3\xa9", 5, "caf\xc3\xa9"},
		{"\xf3\xa0\x80\x81", 4, "\\u{e0001}"},
		{"e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81", 11,
		 "e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\\u{0301}"},
		{"", 0, ""},
	};
	char out[256];

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		size_t n = text_for_terminal(out, sizeof(out), cases[i].in, cases[i].len);

		assert_string_equal(out, cases[i].out);
		assert_int_equal(n, strlen(cases[i].out));
	}
}

/* No size cuts an escape or a character in two, or writes past the end. */
static void terminal_sizes(void **state)
{
	static const char in[] = "ab\x1b\xe2\x80\xae\xe6\x97\xa5z";
	static const char whole[] = "ab\\x1b\\u{202e}\xe6\x97\xa5z";
	static const size_t ends[] = {0, 1, 2, 6, 14, 17, 18};

	(void)state;
	for (size_t size = 0; size <= sizeof(whole) + 1; size++) {
		char *out = malloc(size ? size : 1);
		size_t n = text_for_terminal(out, size, in, sizeof(in) - 1), best = 0;

		for (size_t i = 0; i < array_size(ends); i++)
			if (size && ends[i] < size)
				best = ends[i];
		assert_int_equal(n, best);
		if (size) {
			assert_memory_equal(out, whole, n);
			assert_int_equal(out[n], 0);
		}
		free(out);
	}
}

static void utf8_cases(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} cases[] = {
		{"a\nb\x1b", 4, "a\nb\x1b"},
		{"a\0b", 3,
		 "a\xef\xbf\xbd"
		 "b"},
		{"\xff", 1, "\xef\xbf\xbd"},
		{"\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xe6\x97\xa5\xe6\x97", 5, "\xe6\x97\xa5\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		assert_int_equal(text_utf8(out, sizeof(out), cases[i].in, cases[i].len),
				 strlen(cases[i].out));
		assert_string_equal(out, cases[i].out);
	}
	assert_int_equal(text_utf8(out, 3, "\xff", 1), 0); /* no half of a replacement */
	assert_int_equal(text_utf8(out, 4, "\xff", 1), 3);
}

static void width_cases(void **state)
{
	static const struct {
		const char *s;
		size_t width;
	} cases[] = {
		{"", 0},
		{"abc", 3},
		{"caf\xc3\xa9", 4},
		{"e\xcc\x81", 1},
		{"\xe6\x97\xa5\xe6\x9c\xac", 4},
		{"\xf0\x9f\x98\x80", 2},
		{"\xef\xbc\xa1", 2},     /* fullwidth A */
		{"\xea\xb0\x80", 2},     /* Hangul */
		{"\xe2\x80\xa6", 1},     /* the ellipsis */
		{"\xf0\xa0\x80\x80", 2}, /* CJK extension B */
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++)
		assert_int_equal(text_width(cases[i].s), cases[i].width);
}

static void fit_cases(void **state)
{
	static const struct {
		const char *s;
		size_t columns;
		int keep_end, pad;
		const char *out;
	} cases[] = {
		{"abc", 3, 0, 0, "abc"},
		{"abc", 5, 0, 1, "abc  "},
		{"abcdef", 4, 0, 0, "abc\xe2\x80\xa6"},
		{"abcdef", 4, 1, 0,
		 "\xe2\x80\xa6"
		 "def"},
		{"abcdef", 1, 0, 1, "\xe2\x80\xa6"},
		{"abcdef", 0, 0, 1, ""},
		{"", 2, 0, 1, "  "},
		{"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4, 0, 1, "\xe6\x97\xa5\xe2\x80\xa6 "},
		{"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4, 1, 1, "\xe2\x80\xa6\xe8\xaa\x9e "},
		{"abe\xcc\x81", 2, 1, 0,
		 "\xe2\x80\xa6"
		 "e\xcc\x81"},
		{"e\xcc\x81"
		 "ab",
		 2, 0, 0, "e\xcc\x81\xe2\x80\xa6"},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		size_t n = text_fit(out, sizeof(out), cases[i].s, cases[i].columns,
				    cases[i].keep_end, cases[i].pad);

		assert_string_equal(out, cases[i].out);
		assert_int_equal(n, strlen(out));
	}
	assert_int_equal(text_fit(out, 6, "abcdef", 6, 0, 0), 5); /* "ab…": the size cuts too */
	assert_string_equal(out, "ab\xe2\x80\xa6");
}

/* Random bytes through every function: valid, within size, never wider than asked. */
static void random_bytes(void **state)
{
	unsigned seed = 20261121;
	char in[200], safe[801], fit[801], utf8[601];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)rand_r(&seed) % sizeof(in), columns = (size_t)round % 50, n;
		json_t *string;

		for (size_t i = 0; i < len; i++)
			in[i] = (char)(rand_r(&seed) % 3 ? rand_r(&seed) : 0xe2);
		n = text_for_terminal(safe, sizeof(safe), in, len);
		for (size_t i = 0; i < n; i++)
			assert_true((unsigned char)safe[i] >= 0x20 && safe[i] != 0x7f);
		string = json_stringn(safe, n);
		assert_non_null(string);
		json_decref(string);
		n = text_fit(fit, sizeof(fit), safe, columns, round & 1, 1);
		assert_int_equal(text_width(fit), columns);
		string = json_stringn(fit, n);
		assert_non_null(string);
		json_decref(string);
		string = json_stringn(utf8, text_utf8(utf8, sizeof(utf8), in, len));
		assert_non_null(string);
		json_decref(string);
	}
}

static void json_line(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"[\"plain\"]", "[\"plain\"]\n"},
		{"", "\n"},
		{"[\"\x7f\xc2\x9b\xe2\x80\xae\xf3\xa0\x80\x81 caf\xc3\xa9\"]",
		 "[\"\\u007f\\u009b\\u202e\\udb40\\udc01 caf\xc3\xa9\"]\n"},
		{"\x7f\x7f\x7f", "\\u007f\\u007f\\u007f\n"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		size_t len = 0;
		char *line = text_json_line(cases[i].in, strlen(cases[i].in), &len);

		assert_string_equal(line, cases[i].out);
		assert_int_equal(len, strlen(line));
		free(line);
	}
}

static void copy(void **state)
{
	char out[4];

	(void)state;
	assert_int_equal(text_copy(out, sizeof(out), "abc"), 0);
	assert_int_equal(text_copy(out, sizeof(out), "abcd"), -ENAMETOOLONG);
	assert_string_equal(out, "abc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terminal_cases), cmocka_unit_test(terminal_sizes),
		cmocka_unit_test(utf8_cases),     cmocka_unit_test(width_cases),
		cmocka_unit_test(fit_cases),      cmocka_unit_test(random_bytes),
		cmocka_unit_test(json_line),      cmocka_unit_test(copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
