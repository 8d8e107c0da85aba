// SPDX-License-Identifier: GPL-2.0-only
/* The file itself is included, for what it keeps. */
#include "kernel/mounts.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define TABLE "/proc/self/mountinfo"

/* What is kept says the same as the table, of each mount; how many differ. */
static int differing_mounts(void)
{
	_fclose_ FILE *f = fopen(TABLE, "re");
	_free_ char *line = NULL;
	size_t size = 0;
	int count = 0, wrong = 0;

	assert_non_null(f);
	for (; getline(&line, &size, f) > 0; count++) {
		unsigned long id = strtoul(line, NULL, 10);
		__u32 kept, read;

		wrong += !mounts_device(id, &kept) || !mounts_device_in(TABLE, id, &read) ||
			 kept != read;
	}
	assert_true(count > 0);
	return wrong;
}

/* Others may mount something meanwhile. */
static void each_mount(void **state)
{
	int tries = 20;

	(void)state;
	while (differing_mounts() && --tries)
		;
	assert_true(tries > 0);
}

/* While nothing is mounted the table is not read. */
static void it_is_read_once(void **state)
{
	unsigned long id;
	int tries = 20;
	__u32 dev;

	(void)state;
	do {
		assert_true(mounts_device(own.mount[0].id, &dev));
		id = own.mount[0].id;
		own.mount[0].dev = 0x12345678;
		assert_true(mounts_device(id, &dev));
	} while (dev != 0x12345678 && --tries);
	assert_int_equal(dev, 0x12345678);
	mounts_forget();
	assert_true(mounts_device(id, &dev));
	assert_int_not_equal(dev, 0x12345678);
}

static void no_such_mount(void **state)
{
	__u32 dev = 7;

	(void)state;
	assert_false(mounts_device(0x7fffffff, &dev));
	assert_false(mounts_device_in("/nowhere", 1, &dev));
	assert_int_equal(dev, 7);
}

static unsigned long mount_of(const char *path)
{
	struct statx x;

	if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &x) || !(x.stx_mask & STATX_MNT_ID))
		return 0;
	return (unsigned long)x.stx_mnt_id;
}

enum outcome { RIGHT, NOT_FOUND, STILL_THERE, NO_NAMESPACE, NO_MOUNT_IDS };

/* A mount that comes, another in its place, and none: in a namespace of its own. */
static enum outcome mount_and_ask(const char *at)
{
	const char *const types[] = {"tmpfs", "ramfs"};
	unsigned long id;
	__u32 dev;

	if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return NO_NAMESPACE;
	mounts_forget();
	if (!mount_of("/"))
		return NO_MOUNT_IDS;
	if (!mounts_device(mount_of("/"), &dev))
		return NOT_FOUND;
	for (size_t i = 0; i < array_size(types); i++) {
		struct stat st;

		if (mount("none", at, types[i], 0, NULL) || stat(at, &st))
			return NO_NAMESPACE;
		id = mount_of(at);
		if (!mounts_device(id, &dev) ||
		    dev != inode_kernel_dev(major(st.st_dev), minor(st.st_dev)))
			return NOT_FOUND;
		if (umount(at))
			return NO_NAMESPACE;
		if (mounts_device(id, &dev))
			return STILL_THERE;
	}
	return RIGHT;
}

static void mounts_that_change(void **state)
{
	char at[] = "/tmp/test-mounts.XXXXXX";
	int status = -1;
	__u32 dev;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(at));
	mounts_device(0, &dev); /* the child has what its parent read */
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit((int)mount_and_ask(at));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rmdir(at);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_NAMESPACE || WEXITSTATUS(status) == NO_MOUNT_IDS) {
		print_message(WEXITSTATUS(status) == NO_NAMESPACE
				      ? "nothing can be mounted here, not even in a namespace\n"
				      : "this kernel does not tell the ids of mounts\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), RIGHT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mount),
		cmocka_unit_test(it_is_read_once),
		cmocka_unit_test(no_such_mount),
		cmocka_unit_test(mounts_that_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
