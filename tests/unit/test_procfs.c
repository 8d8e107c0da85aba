// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/procfs.h"

/* A process that waits in a user namespace of its own, made as `maker` (0: as whom this is). Ends
 * with *life. -1: the kernel allows none. */
static pid_t in_a_namespace(uid_t maker, int *life)
{
	int ready[2], ends[2];
	char c = 0;
	pid_t pid;

	assert_int_equal(pipe(ready) | pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(ends[1]);
		if (maker && setuid(maker))
			_exit(1);
		c = !unshare(CLONE_NEWUSER);
		prctl(PR_SET_DUMPABLE, 1); /* /proc is its own again */
		if (write(ready[1], &c, 1) == 1)
			read(ends[0], &c, 1) < 0 ? _exit(1) : _exit(0);
		_exit(1);
	}
	close(ready[1]);
	close(ends[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*life = ends[1];
	return c ? pid : -1;
}

static void map_root(pid_t pid, uid_t to)
{
	char path[64], line[64];
	_close_ int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
	snprintf(line, sizeof(line), "0 %u 1\n", to);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, line, strlen(line)), (ssize_t)strlen(line));
}

static void roots_own(void **state)
{
	uint32_t self = (uint32_t)getpid();

	(void)state;
	assert_true(procfs_is_root(self, 0));
	assert_true(procfs_is_root(0, 0));
	assert_false(procfs_is_root(self, 10003));
	assert_false(procfs_is_root(0, 10003));
}

/* Docker's userns-remap, LXC: root made it. */
static void root_of_a_container(void **state)
{
	int life = -1;
	pid_t pid;

	(void)state;
	if (geteuid()) {
		print_message("only root can make root's namespace\n");
		skip();
	}
	pid = in_a_namespace(0, &life);
	assert_true(pid > 0);
	assert_false(procfs_is_root((uint32_t)pid, 200000)); /* not mapped yet */
	map_root(pid, 200000);
	assert_true(procfs_is_root((uint32_t)pid, 200000));
	assert_false(procfs_is_root((uint32_t)pid, 200001));
	close(life);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Whoever makes a namespace is root in it. */
static void root_by_his_own_word(void **state)
{
	uid_t uid = geteuid() ? geteuid() : 10003;
	int life = -1;
	pid_t pid = in_a_namespace(geteuid() ? 0 : uid, &life);

	(void)state;
	if (pid < 0) {
		close(life);
		print_message("this kernel gives users no namespaces\n");
		skip();
	}
	map_root(pid, uid);
	assert_false(procfs_is_root((uint32_t)pid, uid));
	close(life);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roots_own),
		cmocka_unit_test(root_of_a_container),
		cmocka_unit_test(root_by_his_own_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
