// SPDX-License-Identifier: GPL-2.0-only
/* Bytes from the ring: every length, hostile offsets, paths turned round, names below a queue's
 * root. */
#include "trace_builders.h"

static const struct {
	enum st_type type;
	size_t size;
} kinds[] = {
	{ST_ORIGIN, sizeof(struct st_origin)}, {ST_FORK, sizeof(struct st_fork)},
	{ST_EXEC, sizeof(struct st_exec)},     {ST_EXIT, sizeof(struct st_exit)},
	{ST_QUEUE, sizeof(struct st_queue)},   {ST_CONNECT, sizeof(struct st_connect)},
	{ST_OPEN, sizeof(struct st_open)},     {ST_ENV, sizeof(struct st_env)},
	{ST_IMAGE, sizeof(struct st_image)},
};

static const struct st_task self = {.start = 77, .tgid = 5};

static void every_truncation(void **state)
{
	struct rec r;

	(void)state;
	assert_int_equal(array_size(kinds), ST_TYPE_COUNT - 1);
	for (size_t k = 0; k < array_size(kinds); k++) {
		rec_begin(&r, kinds[k].type, kinds[k].size, self, 1);
		rec_text(&r, "some text behind it");
		for (size_t n = 0; n <= r.len; n++) {
			/* exactly n bytes, so that a look behind them is seen by ASan and valgrind
			 */
			_free_ char *bytes = malloc(n ? n : 1);
			struct record out = {.data_len = 4711};
			int err;

			memcpy(bytes, r.bytes, n);
			err = record_decode(bytes, n, &out);
			if (n < r.len) {
				assert_int_equal(err, -EMSGSIZE);
				assert_int_equal(out.data_len, 4711);
			} else {
				assert_int_equal(err, 0);
				assert_int_equal(out.data_len, 19);
			}
		}
	}
}

static void bad_headers(void **state)
{
	static const struct {
		const char *name;
		uint16_t type, abi;
		int32_t size; /* added to the right one */
		int expect;
	} cases[] = {
		{"right", ST_EXIT, ST_ABI, 0, 0},
		{"ring gave more than the record says", ST_EXIT, ST_ABI, 0, 0},
		{"no type", 0, ST_ABI, 0, -EPROTO},
		{"unknown type", ST_TYPE_COUNT, ST_ABI, 0, -EPROTO},
		{"type far off", 0xffff, ST_ABI, 0, -EPROTO},
		{"another ABI", ST_EXIT, ST_ABI + 1, 0, -EPROTO},
		{"says less than its struct", ST_EXIT, ST_ABI, -1, -EMSGSIZE},
		{"says more than there is", ST_EXIT, ST_ABI, 65, -EMSGSIZE},
		{"says 4 GiB", ST_EXIT, ST_ABI, -(int32_t)sizeof(struct st_exit) - 1, -EMSGSIZE},
		{"a bigger struct's type", ST_ORIGIN, ST_ABI, 0, -EMSGSIZE},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct rec r;
		struct st_header *h = rec_begin(&r, ST_EXIT, sizeof(struct st_exit), self, 1);
		struct record out;

		h->type = cases[i].type;
		h->abi = cases[i].abi;
		h->size += (uint32_t)cases[i].size;
		if (record_decode(r.bytes, r.fixed + 64, &out) != cases[i].expect)
			fail_msg("%s", cases[i].name);
	}
}

static void strings(void **state)
{
	static const struct {
		struct st_str s;
		const char *expect; /* NULL: refused */
	} cases[] = {
		{{0, 5, 0}, "hello"},      {{0, 5, 1}, "hello"},  {{2, 3, 0}, "llo"},
		{{0, 0, 0}, ""},           {{5, 0, 0}, ""},       {{5, 1, 0}, NULL},
		{{6, 0, 0}, NULL},         {{0, 6, 0}, NULL},     {{65535, 0, 0}, NULL},
		{{65535, 32767, 1}, NULL}, {{1, 32767, 0}, NULL}, {{0, 32767, 0}, NULL},
	};
	struct rec r;
	struct record out;

	(void)state;
	rec_begin(&r, ST_QUEUE, sizeof(struct st_queue), self, 1);
	rec_text(&r, "hello");
	out = rec_record(&r);
	for (size_t i = 0; i < array_size(cases); i++) {
		struct text t = record_text(&out, cases[i].s);

		assert_non_null(t.s);
		if (!cases[i].expect) {
			assert_int_equal(t.len, 0);
			assert_true(t.cut);
			continue;
		}
		assert_int_equal(t.len, strlen(cases[i].expect));
		assert_memory_equal(t.s, cases[i].expect, t.len);
		assert_int_equal(t.cut, cases[i].s.cut);
	}
}

struct bytes {
	const char *s;
	size_t n;
};
#define B(s)                                                                                       \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}

static void paths(void **state)
{
	static const struct {
		struct bytes in;
		bool cut;
		const char *expect;
	} cases[] = {
		{B(""), false, "/"},
		{B("a\0"), false, "/a"},
		{B("c\0b\0a\0"), false, "/a/b/c"},
		{B("c\0b\0"), true, ".../b/c"},
		{B("b\0a"), false, "/a/b"},
		{B("x y\0\xff\xfe\0"), false, "/\xff\xfe/x y"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct rec r;
		struct record out;
		struct st_str s;
		char path[64];

		rec_begin(&r, ST_EXEC, sizeof(struct st_exec), self, 1);
		s = rec_bytes(&r, cases[i].in.s, cases[i].in.n);
		s.cut = cases[i].cut;
		out = rec_record(&r);
		assert_int_equal(record_path(&out, s, path, sizeof(path)), 0);
		assert_string_equal(path, cases[i].expect);
		/* room for all of it and its NUL, or nothing */
		assert_int_equal(record_path(&out, s, path, strlen(cases[i].expect) + 1), 0);
		strcpy(path, "untouched");
		assert_int_equal(record_path(&out, s, path, strlen(cases[i].expect)),
				 -ENAMETOOLONG);
		assert_string_equal(path, "untouched");
	}
}

static void path_limits(void **state)
{
	struct rec r;
	struct record out;
	struct st_str s;
	char path[8192], deep[16384];

	(void)state;
	rec_begin(&r, ST_EXEC, sizeof(struct st_exec), self, 1);
	out = rec_record(&r);
	assert_int_equal(record_path(&out, (struct st_str){.off = 9, .len = 1}, path, sizeof(path)),
			 -ENODATA);
	assert_int_equal(record_path(&out, (struct st_str){.cut = 1}, path, sizeof(path)),
			 -ENODATA);
	/* 16 levels of 255 bytes are a legal directory; more than a path can be is refused */
	for (int levels = 15; levels <= 40; levels++) {
		size_t at = 0;

		for (int i = 0; i < levels; i++) {
			memset(deep + at, 'd', 255);
			deep[at + 255] = '\0';
			at += 256;
		}
		rec_begin(&r, ST_EXEC, sizeof(struct st_exec), self, 1);
		s = rec_bytes(&r, deep, at);
		out = rec_record(&r);
		assert_int_equal(record_path(&out, s, path, sizeof(path)),
				 levels <= 15 ? 0 : -ENAMETOOLONG);
	}
	/* nothing but separators */
	memset(deep, 0, sizeof(deep));
	rec_begin(&r, ST_EXEC, sizeof(struct st_exec), self, 1);
	s = rec_bytes(&r, deep, 8000);
	out = rec_record(&r);
	assert_int_equal(record_path(&out, s, path, sizeof(path)), -ENAMETOOLONG);
}

static void queue_names(void **state)
{
	static const struct {
		struct bytes in;
		bool cut;
		int err;
		const char *expect;
	} cases[] = {
		{B("todo/5"), false, 0, "todo/5"},
		{B("mess\0001\0005\0"), false, 0, "mess/1/5"},
		{B("input//x"), false, 0, "input/x"},
		{B("/var//spool/./x"), false, 0, "var/spool/x"},
		{B("./qf1"), false, 0, "qf1"},
		{B("././a/."), false, 0, "a"},
		{B("mess/../etc/passwd"), false, -EINVAL, NULL},
		{B(".."), false, -EINVAL, NULL},
		{B("a\0..\0b"), false, -EINVAL, NULL},
		{B("..."), false, 0, "..."},
		{B("..a/b.."), false, 0, "..a/b.."},
		{B(""), false, -ENODATA, NULL},
		{B("///"), false, -ENODATA, NULL},
		{B("\0\0"), false, -ENODATA, NULL},
		{B("todo/12"), true, -ENAMETOOLONG, NULL}, /* the id may be longer */
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct rec r;
		struct record out;
		struct st_str s;
		char name[64] = "untouched";
		int err;

		rec_begin(&r, ST_QUEUE, sizeof(struct st_queue), self, 1);
		s = rec_bytes(&r, cases[i].in.s, cases[i].in.n);
		s.cut = cases[i].cut;
		out = rec_record(&r);
		err = record_queue_name(&out, s, name, sizeof(name));
		if (err != cases[i].err)
			fail_msg("case %zu: %d, not %d", i, err, cases[i].err);
		assert_string_equal(name, cases[i].expect ? cases[i].expect : "untouched");
		if (err)
			continue;
		strcpy(name, "untouched");
		assert_int_equal(record_queue_name(&out, s, name, strlen(cases[i].expect)),
				 -ENAMETOOLONG);
		assert_string_equal(name, "untouched");
	}
}

static void queue_name_limits(void **state)
{
	struct rec r;
	struct record out;
	struct st_str s;
	char name[4096], long_name[4096];

	(void)state;
	for (size_t n = 1000; n < 1100; n++) {
		memset(long_name, 'n', n);
		rec_begin(&r, ST_QUEUE, sizeof(struct st_queue), self, 1);
		s = rec_bytes(&r, long_name, n);
		out = rec_record(&r);
		if (record_queue_name(&out, s, name, sizeof(name)) == 0)
			assert_int_equal(strlen(name), n);
	}
	out = rec_record(&r);
	assert_int_equal(record_queue_name(&out, (struct st_str){.off = 60000, .len = 9}, name,
					   sizeof(name)),
			 -ENODATA);
}

/* Any bytes at all: nothing is read outside them (ASan), no result is longer than its buffer. */
static void random_bytes(void **state)
{
	uint64_t seed = 42;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		size_t n = rnd(&seed) % 900;
		_free_ char *bytes = malloc(n ? n : 1);
		struct record out;
		struct st_str s;
		char path[128];

		for (size_t i = 0; i < n; i++)
			bytes[i] = (char)(rnd(&seed) % 4 ? rnd(&seed) % 3 * 23 : rnd(&seed));
		if (n >= sizeof(struct st_header)) {
			struct st_header *h = (struct st_header *)bytes;

			h->type = (uint16_t)(rnd(&seed) % (ST_TYPE_COUNT + 1));
			h->abi = ST_ABI;
			h->size = (uint32_t)n - rnd(&seed) % 3;
		}
		if (record_decode(bytes, n, &out))
			continue;
		s = (struct st_str){.off = rnd(&seed) % 300 & 0xffff,
				    .len = rnd(&seed) % 300 & 0x7fff};
		if (!record_path(&out, s, path, sizeof(path)))
			assert_true(strlen(path) < sizeof(path));
		if (!record_queue_name(&out, s, path, sizeof(path)))
			assert_null(strstr(path, "/../"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_truncation),  cmocka_unit_test(bad_headers),
		cmocka_unit_test(strings),           cmocka_unit_test(paths),
		cmocka_unit_test(path_limits),       cmocka_unit_test(queue_names),
		cmocka_unit_test(queue_name_limits), cmocka_unit_test(random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
