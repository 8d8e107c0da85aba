// SPDX-License-Identifier: GPL-2.0-only
/* Engines as they are found, in files and in processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "engine_file.h"
#include "kernel/php_find_internal.h"

/* The file descriptor of a new engine, and a path to it. */
static int new_engine(struct elf *e, struct recipe *r, char path[64])
{
	int fd;

	make(e, r);
	fd = file_of(e->bytes, e->size);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

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
	fd = new_engine(&e, &r, path);
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
	fd = new_engine(&elf, &r, path);
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

static unsigned told;

static void count_told(void)
{
	told++;
}

/* A new file of an owner. */
static int find_owned(struct php_finder *f, const struct elf *e, uid_t owner)
{
	_close_ int fd = file_of(e->bytes, e->size);
	const struct php_engine *found;
	char path[64];

	assert_int_equal(fchown(fd, owner, (gid_t)-1), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return php_finder_path(f, path, &found);
}

/* Whoever makes one PHP program after another has so many of them known; root's always are. */
static void test_many_untrusted(void **state)
{
	__attribute__((cleanup(php_finder_freep))) struct php_finder *f =
		php_finder_new(NULL, NULL);
	struct recipe r = {.version = "8.2.36", .symbols = BASE_SYMBOLS, .interp = true};
	uid_t customer = geteuid() ? geteuid() : 12345;
	struct elf e;

	(void)state;
	assert_non_null(f);
	make(&e, &r);
	told = 0;
	log_before = count_told;
	if (!geteuid())
		for (size_t i = 0; i < MAX_UNTRUSTED; i++)
			assert_int_equal(find_owned(f, &e, 0), 0);
	for (size_t i = 0; i < MAX_UNTRUSTED; i++)
		assert_int_equal(find_owned(f, &e, customer), 0);
	assert_int_equal(told, 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(find_owned(f, &e, customer), -ENOENT);
	assert_int_equal(told, 1);
	assert_int_equal(f->plain_count, 3);
	if (!geteuid())
		assert_int_equal(find_owned(f, &e, 0), 0);
	log_before = NULL;
}

/* Another file in the place of one of them needs no number. */
static void test_untrusted_replaced(void **state)
{
	__attribute__((cleanup(php_finder_freep))) struct php_finder *f =
		php_finder_new(NULL, NULL);
	struct recipe r = {.version = "8.2.36", .symbols = BASE_SYMBOLS, .interp = true};
	uid_t customer = geteuid() ? geteuid() : 12345;
	const struct php_engine *one, *same;
	_close_ int fd = -1;
	char path[64];
	struct elf e;

	(void)state;
	assert_non_null(f);
	fd = new_engine(&e, &r, path);
	assert_int_equal(fchown(fd, customer, (gid_t)-1), 0);
	assert_int_equal(php_finder_path(f, path, &one), 0);
	while (!find_owned(f, &e, customer))
		;
	assert_int_equal(php_finder_count(f), MAX_UNTRUSTED);
	r.version = "7.4.33";
	make(&e, &r);
	rewrite(fd, e.bytes, e.size);
	assert_int_equal(php_finder_path(f, path, &same), 0);
	assert_ptr_equal(one, same);
	assert_string_equal(one->image.version, "7.4.33");
	/* and one whose file has gone leaves none */
	rewrite(fd, "#!/bin/sh\n", 10);
	assert_int_equal(php_finder_path(f, path, &same), -ENOENT);
	assert_true(one->gone);
	assert_int_equal(find_owned(f, &e, customer), -ENOENT);
	assert_int_equal(php_finder_count(f), MAX_UNTRUSTED);
}

static char dir[] = "/tmp/st-php-find-XXXXXX";

/* Where files are mapped, the first one lowest: as /proc/PID/maps has them. */
#define PLACE ((size_t)0x10000)
static char *places;
static unsigned placed;

static int setup_maps(void **state)
{
	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	placed = 0;
	places = mmap(NULL, 16 * PLACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return places != MAP_FAILED && mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown_maps(void **state)
{
	(void)state;
	return munmap(places, 16 * PLACE) || nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Maps a new file of that name `times` times; returns where. */
static const char *map_file(const char *name, const void *bytes, size_t size, unsigned times)
{
	const char *at = places + placed * PLACE;
	char path[128];
	_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	for (unsigned i = 0; i < times; i++)
		assert_ptr_not_equal(mmap(places + placed++ * PLACE, size, PROT_READ,
					  MAP_PRIVATE | MAP_FIXED, fd, 0),
				     MAP_FAILED);
	return at;
}

static void map_plain(unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++) {
		char name[32];

		snprintf(name, sizeof(name), "libphp%u.so", i);
		map_file(name, name, sizeof(name), 1);
	}
}

/* A server may map files that are called as a module and are none. */
static void test_module(void **state)
{
	__attribute__((cleanup(php_finder_freep))) struct php_finder *f =
		php_finder_new(NULL, NULL);
	struct recipe r = {.version = "8.2.36", .symbols = BASE_SYMBOLS};
	struct php_process process;
	const char *at;
	struct elf e;

	(void)state;
	assert_non_null(f);
	make(&e, &r);
	map_file("other.so", "other", 5, 1);
	map_plain(0, 2);
	map_file("libphp7.so.old", "old", 3, 5);
	at = map_file("libphp.so", e.bytes, e.size, 2);
	assert_int_equal(php_finder_process(f, getpid(), true, &process), 0);
	assert_true(process.engine->image.module);
	assert_int_equal(process.base, (uintptr_t)at);
}

/* Whoever maps more of them is not looked at for ever. */
static void test_many_modules(void **state)
{
	__attribute__((cleanup(php_finder_freep))) struct php_finder *f =
		php_finder_new(NULL, NULL);
	struct recipe r = {.version = "8.2.36", .symbols = BASE_SYMBOLS};
	struct php_process process;
	struct elf e;

	(void)state;
	assert_non_null(f);
	make(&e, &r);
	map_plain(0, 4);
	map_file("libphp.so", e.bytes, e.size, 1);
	map_plain(4, 4);
	assert_int_equal(php_finder_process(f, getpid(), true, &process), -ENOENT);
	assert_int_equal(php_finder_count(f), 0);
	assert_true(f->plain_count <= 5); /* with this program */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finder),
		cmocka_unit_test(test_finder_replaced),
		cmocka_unit_test(test_many_untrusted),
		cmocka_unit_test(test_untrusted_replaced),
		cmocka_unit_test_setup_teardown(test_module, setup_maps, teardown_maps),
		cmocka_unit_test_setup_teardown(test_many_modules, setup_maps, teardown_maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
