// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/dir_glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

static char root[64];
static struct dir_glob g;

static int setup(void **state)
{
	(void)state;
	g = (struct dir_glob){0};
	snprintf(root, sizeof(root), "/tmp/test-dir-glob.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	dir_glob_free(&g);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	/* NOLINTNEXTLINE(cert-env33-c,concurrency-mt-unsafe): a name of this test's own */
	return system(command);
}

static const char *below(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void make(const char *name)
{
	_close_ int fd = open(below(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
}

static void make_dir(const char *name)
{
	assert_int_equal(mkdir(below(name), 0755), 0);
}

static int count(const char *pattern)
{
	char *const *paths = NULL;
	int n;

	n = dir_glob(&g, below(pattern), &paths);
	for (int i = 0; i < n; i++)
		assert_memory_equal(paths[i], root, strlen(root));
	return n;
}

/* Until the directory has another time: the kernel's clock for that goes in steps. */
static void change(const char *dir, const char *name)
{
	struct file_stamp before, now;

	assert_int_equal(file_stamp_at(AT_FDCWD, below(dir), 0, &before), 0);
	do {
		make(name);
		assert_int_equal(file_stamp_at(AT_FDCWD, below(dir), 0, &now), 0);
		if (file_stamp_equal(&before, &now))
			unlink(below(name));
	} while (file_stamp_equal(&before, &now));
}

static void names_come_and_go(void **state)
{
	(void)state;
	assert_int_equal(count("php*"), 0);
	make("php8.2");
	make("other");
	assert_int_equal(count("php*"), 1);
	make("php8.4");
	assert_int_equal(count("php*"), 2);
	assert_int_equal(unlink(below("php8.2")), 0);
	assert_int_equal(count("php*"), 1);
}

/* What has not changed for long is not listed again; what has changed is. */
static void a_settled_directory(void **state)
{
	char *const *first = NULL, *const *again = NULL;

	(void)state;
	make("php8.2");
	assert_int_equal(dir_glob(&g, below("php*"), &first), 1);
	g.settled = true; /* as if it had been listed some seconds later */
	assert_int_equal(dir_glob(&g, below("php*"), &again), 1);
	assert_ptr_equal(first, again);
	change("", "php8.4");
	assert_int_equal(count("php*"), 2);
}

/* A name that came within the same tick of the clock as the listing. */
static void the_same_time(void **state)
{
	uint64_t begun = clock_boot_ns();
	struct file_stamp now;

	(void)state;
	make("php8.2");
	assert_int_equal(count("php*"), 1);
	if (clock_boot_ns() - begun < 1000000000ULL) /* it was not held up */
		assert_false(g.settled);
	g.settled = false;
	make("php8.4");
	assert_int_equal(file_stamp_at(AT_FDCWD, root, 0, &now), 0);
	g.stamp = now;
	assert_int_equal(count("php*"), 2);
}

/* An old directory: no time passes in this test. */
static void an_old_directory_settles(void **state)
{
	char *const *first = NULL, *const *again = NULL;
	struct stat st;

	(void)state;
	if (stat("/usr", &st) || time(NULL) - st.st_ctime < 10) {
		print_message("/usr has just changed\n");
		skip();
	}
	assert_true(dir_glob(&g, "/usr/*", &first) > 0);
	assert_true(g.settled);
	assert_true(dir_glob(&g, "/usr/*", &again) > 0);
	assert_ptr_equal(first, again);
	if (clock_boot_ns() < 100 * 1000000000ULL) {
		print_message("this machine has just been started\n");
		skip();
	}
	g.listed = 1; /* long ago */
	assert_true(dir_glob(&g, "/usr/*", &again) > 0);
	assert_true(g.listed > 1);
}

/* Without a descriptor left nothing is listed, which says nothing of what is there. */
static void a_directory_that_cannot_be_read(void **state)
{
	struct rlimit most, none;
	char *const *paths = NULL;
	int found;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &most), 0);
	none = most;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	found = dir_glob(&g, "/usr/*", &paths);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &most), 0);
	assert_int_equal(found, 0);
	assert_true(dir_glob(&g, "/usr/*", &paths) > 0);
}

static void a_directory_that_comes(void **state)
{
	(void)state;
	assert_int_equal(count("bin/php*"), 0);
	make_dir("bin");
	assert_int_equal(count("bin/php*"), 0);
	make("bin/php");
	assert_int_equal(count("bin/php*"), 1);
	unlink(below("bin/php"));
	assert_int_equal(rmdir(below("bin")), 0);
	assert_int_equal(count("bin/php*"), 0);
}

/* Nothing of what is between tells: such a pattern is looked up each time. */
static void a_pattern_in_between(void **state)
{
	(void)state;
	make_dir("php81");
	assert_int_equal(count("php*/bin/php*"), 0);
	g.settled = true;
	make_dir("php81/bin");
	make("php81/bin/php");
	assert_int_equal(count("php*/bin/php*"), 1);
	g.settled = true;
	make_dir("php84");
	make_dir("php84/bin");
	make("php84/bin/php");
	assert_int_equal(count("php*/bin/php*"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(a_settled_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(the_same_time, setup, teardown),
		cmocka_unit_test_setup_teardown(an_old_directory_settles, setup, teardown),
		cmocka_unit_test_setup_teardown(a_directory_that_cannot_be_read, setup, teardown),
		cmocka_unit_test_setup_teardown(a_directory_that_comes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pattern_in_between, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
