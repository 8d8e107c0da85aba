// SPDX-License-Identifier: GPL-2.0-only
/* Engines as they are found, in files and in processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine_file.h"
#include "kernel/php_find.h"

/* A file is read once; what is no engine, or gone, is said to be that. */
static void test_finder(void **state)
{
	__attribute__((cleanup(php_finder_freep))) struct php_finder *f =
		php_finder_new(NULL, NULL);
	struct recipe r = {.version = "8.2.36", .symbols = BASE_SYMBOLS};
	const struct php_engine *one, *two;
	struct php_process process;
	struct elf e;
	char path[64];
	_close_ int fd = -1;
	pid_t child;

	(void)state;
	assert_non_null(f);
	make(&e, &r);
	fd = file_of(e.bytes, e.size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(php_finder_path(f, path, &one), 0);
	assert_int_equal(php_finder_path(f, path, &two), 0);
	assert_ptr_equal(one, two);
	assert_int_equal(php_finder_count(f), 1);
	assert_ptr_equal(php_finder_engine(f, 0), one);
	assert_null(php_finder_engine(f, 1));
	assert_int_equal(php_finder_path(f, "/bin/sh", &two), -ENOENT);
	assert_int_equal(php_finder_path(f, "/nonexistent", &two), -ENOENT);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(php_finder_process(f, child, false, &process), -ENOENT);
}

static void rewrite(int fd, const void *bytes, size_t size)
{
	static time_t time;
	struct timespec times[2] = {{.tv_sec = time + 1}, {.tv_sec = time + 1}};

	time++;
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, bytes, size, 0), (ssize_t)size);
	/* a clock tick is longer than this test */
	assert_int_equal(futimens(fd, times), 0);
}

/* One inode after another: an engine, another one, none, a third, which was plain before. */
static void test_finder_replaced(void **state)
{
	__attribute__((cleanup(php_finder_freep))) struct php_finder *f =
		php_finder_new(NULL, NULL);
	struct recipe r = {.version = "8.2.36", .symbols = BASE_SYMBOLS};
	const struct php_engine *e, *same;
	struct elf elf;
	char path[64];
	_close_ int fd = -1;
	unsigned revision;

	(void)state;
	assert_non_null(f);
	make(&elf, &r);
	fd = file_of(elf.bytes, elf.size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(php_finder_path(f, path, &e), 0);
	revision = e->revision;

	rewrite(fd, elf.bytes, elf.size);
	assert_int_equal(php_finder_path(f, path, &same), 0);
	assert_int_equal(e->revision, revision);

	r.version = "7.4.33";
	make(&elf, &r);
	rewrite(fd, elf.bytes, elf.size);
	assert_int_equal(php_finder_path(f, path, &same), 0);
	assert_ptr_equal(e, same);
	assert_string_equal(e->image.version, "7.4.33");
	assert_int_not_equal(e->revision, revision);
	assert_false(e->gone);

	rewrite(fd, "#!/bin/sh\n", 10);
	assert_int_equal(php_finder_path(f, path, &same), -ENOENT);
	assert_true(e->gone);
	assert_int_equal(e->image.st.usable, 0);
	assert_int_equal(php_finder_path(f, path, &same), -ENOENT);

	rewrite(fd, elf.bytes, elf.size);
	assert_int_equal(php_finder_path(f, path, &same), 0);
	assert_ptr_equal(e, same);
	assert_false(e->gone);
	assert_int_equal(php_finder_count(f), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finder),
		cmocka_unit_test(test_finder_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
