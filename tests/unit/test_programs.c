// SPDX-License-Identifier: GPL-2.0-only
/* Programs with a kernel side that has no room for all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "kernel/programs_internal.h"

static struct st_inode held[64];
static uint32_t role[64];
static size_t used, room;
static int fails; /* what the kernel answers, 0: it works */
static unsigned asked, told;

static size_t place(const struct st_inode *exe)
{
	size_t i = 0;

	while (i < used && memcmp(&held[i], exe, sizeof(*exe)) != 0)
		i++;
	return i;
}

int probe_set_program(struct probe *p, const struct st_inode *exe, const struct st_program *program)
{
	size_t i = place(exe);

	(void)p;
	asked++;
	if (fails || i == room)
		return fails ? fails : -E2BIG;
	if (i == used)
		held[used++] = *exe;
	role[i] = program->role;
	return 0;
}

int probe_unset_program(struct probe *p, const struct st_inode *exe)
{
	size_t i = place(exe);

	(void)p;
	if (i == used)
		return -ENOENT;
	used--;
	held[i] = held[used];
	role[i] = role[used];
	return 0;
}

size_t probe_forget_programs(struct probe *p)
{
	size_t before = used;

	for (size_t i = used; i-- > 0;)
		if (role[i] == ST_ROLE_NONE)
			probe_unset_program(p, &held[i]);
	return before - used;
}

bool probe_had_no_room(struct probe *p)
{
	(void)p;
	return false;
}

int probe_set_image(struct probe *p, uint32_t index, const struct st_php_image *image)
{
	(void)p;
	(void)index;
	(void)image;
	return 0;
}

int probe_set_base(struct probe *p, const struct st_base_key *key, const struct st_base *base)
{
	(void)p;
	(void)key;
	(void)base;
	return 0;
}

int probe_unset_base(struct probe *p, const struct st_base_key *key)
{
	(void)p;
	(void)key;
	return 0;
}

int probe_attach_engine(struct probe *p, const char *path, uint64_t execute_script,
			uint64_t request_shutdown)
{
	(void)p;
	(void)path;
	(void)execute_script;
	(void)request_shutdown;
	return -ENOENT;
}

static void count_told(void)
{
	told++;
}

static struct st_inode inode(uint64_t ino)
{
	struct st_inode i;

	memset(&i, 0, sizeof(i));
	i.ino = ino;
	return i;
}

static bool watched(uint64_t ino, uint32_t as)
{
	struct st_inode i = inode(ino);
	size_t at = place(&i);

	return at < used && role[at] == as;
}

static int add(struct programs *p, uint64_t ino, uint32_t as)
{
	struct st_inode i = inode(ino);

	return programs_add(p, &i, "/opt/program", NULL, as, 0, 0);
}

static int setup(void **state)
{
	used = 0;
	room = 64;
	fails = 0;
	asked = told = 0;
	log_before = count_told;
	return programs_new(NULL, (struct programs **)state);
}

static int teardown(void **state)
{
	log_before = NULL;
	programs_free(*state);
	return 0;
}

static void test_refused_is_tried_again(void **state)
{
	struct programs *p = *state;
	struct st_inode i = inode(7);

	fails = -ENOMEM;
	assert_int_equal(add(p, 7, ST_ROLE_INJECTOR), -ENOMEM);
	assert_int_equal(told, 1);
	assert_non_null(programs_by_inode(p, &i));
	assert_int_equal(programs_retry(p), 0);
	assert_int_equal(programs_retry(p), 0);
	assert_int_equal(asked, 3);
	assert_int_equal(told, 1);
	fails = 0;
	assert_int_equal(programs_retry(p), 1);
	assert_true(watched(7, ST_ROLE_INJECTOR));
	asked = 0;
	assert_int_equal(programs_retry(p), 0);
	assert_int_equal(asked, 0);
	assert_int_equal(told, 1);
}

/* The look at the paths that comes every other second is what tries again. */
static void test_rescan_tries_again(void **state)
{
	struct programs *p = *state;

	fails = -ENOMEM;
	assert_int_equal(add(p, 7, ST_ROLE_PHP), -ENOMEM);
	fails = 0;
	assert_true(programs_rescan(p) >= 1);
	assert_true(watched(7, ST_ROLE_PHP));
}

/* It had been set, was forgotten, and could not be set again. */
static void test_forgotten(void **state)
{
	struct programs *p = *state;
	struct st_inode i = inode(7);

	assert_int_equal(add(p, 7, ST_ROLE_INJECTOR), 1);
	used = 0;
	fails = -ENOMEM;
	programs_seen(p, 0, &i, 0);
	assert_false(watched(7, ST_ROLE_INJECTOR));
	assert_int_equal(told, 1);
	fails = 0;
	assert_int_equal(programs_retry(p), 1);
	assert_true(watched(7, ST_ROLE_INJECTOR));
}

/* Programs without a role fill the kernel's table: whoever executes enough of them could. */
static void test_room_for_a_role(void **state)
{
	struct programs *p = *state;

	room = 3;
	assert_int_equal(add(p, 1, ST_ROLE_INJECTOR), 1);
	assert_int_equal(add(p, 2, ST_ROLE_NONE), 1);
	assert_int_equal(add(p, 3, ST_ROLE_NONE), 1);
	assert_int_equal(add(p, 4, ST_ROLE_INJECTOR), 1);
	assert_int_equal(add(p, 5, ST_ROLE_PHP), 1);
	assert_true(watched(1, ST_ROLE_INJECTOR));
	assert_true(watched(4, ST_ROLE_INJECTOR));
	assert_true(watched(5, ST_ROLE_PHP));
	assert_int_equal(told, 0);
	/* nothing is left that could go: nothing with a role is driven out */
	assert_int_equal(add(p, 6, ST_ROLE_INJECTOR), -E2BIG);
	assert_int_equal(add(p, 8, ST_ROLE_NONE), -E2BIG);
	assert_int_equal(used, room);
	assert_true(watched(1, ST_ROLE_INJECTOR));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refused_is_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rescan_tries_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(test_room_for_a_role, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
