// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must fail after privilege_drop(), tried in a child for each; and what must still work. With
 * root's privileges to lose when run as root; as a plain user the rest is tried.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/privilege.h"

static char dir[64], secret[96], mine[96];
static pid_t victim; /* of root, as the tester is */

static int set_up(void **state)
{
	int fd;

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/spamtrace-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(secret, sizeof(secret), "%s/secret", dir);
	snprintf(mine, sizeof(mine), "%s/new", dir);
	fd = open(secret, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1)
		return -1;
	close(fd);
	victim = fork();
	if (victim == 0)
		for (;;)
			pause();
	return victim > 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	unlink(secret);
	unlink(mine);
	return rmdir(dir);
}

/* ---- what must fail: each returns whether it succeeded, or -1 with errno ---- */

static long try_chown(void)
{
	return chown(secret, 12345, 12345);
}

static long try_chmod(void)
{
	return chmod(secret, 0666);
}

static long try_write_own(void)
{
	return open(secret, O_WRONLY | O_CLOEXEC);
}

static long try_create(void)
{
	return open(mine, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static long try_unlink(void)
{
	return unlinkat(AT_FDCWD, secret, 0);
}

static long try_write_memory(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)victim);
	return open(path, O_RDWR | O_CLOEXEC);
}

static long try_vm_write(void)
{
	char byte = 0;
	struct iovec v = {&byte, 1};

	return process_vm_writev(victim, &v, 1, &v, 1, 0);
}

static long try_kill(void)
{
	return kill(victim, SIGCONT);
}

static long try_tgkill(void)
{
	return syscall(SYS_tgkill, victim, victim, SIGCONT);
}

static long try_ptrace(void)
{
	return ptrace(PTRACE_SEIZE, victim, NULL, NULL);
}

static long try_mount(void)
{
	return mount("none", dir, "tmpfs", 0, NULL);
}

static long try_exec(void)
{
	char *argv[] = {(char *)"true", NULL}, *env[] = {NULL};

	return execve("/bin/true", argv, env);
}

static long try_fork(void)
{
	return syscall(SYS_fork);
}

static long try_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long try_module(void)
{
	return syscall(SYS_init_module, "", 0UL, "");
}

static long try_setuid(void)
{
	return syscall(SYS_setresuid, 0, 0, 0);
}

static long try_fsuid(void)
{
	syscall(SYS_setfsuid, 0);
	errno = EPERM;
	return faccessat(AT_FDCWD, secret, W_OK, AT_EACCESS) == 0 ? 0 : -1;
}

static long try_securebits(void)
{
	return prctl(PR_SET_SECUREBITS, 0, 0, 0, 0);
}

static long try_limit(void)
{
	struct rlimit r = {1, 1};

	return prlimit(victim, RLIMIT_NOFILE, &r, NULL);
}

static long try_map(void)
{
	union bpf_attr a = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a));
}

static long try_terminal(void)
{
	int fd = open("/dev/ptmx", O_RDWR | O_CLOEXEC | O_NOCTTY);
	char c = '\n';

	return fd < 0 ? -1 : ioctl(fd, TIOCSTI, &c);
}

static long try_unshare(void)
{
	return syscall(SYS_unshare, 0x00020000 /* CLONE_NEWNS */);
}

static const struct {
	const char *what;
	long (*fn)(void);
} forbidden[] = {
	{"chown", try_chown},
	{"chmod", try_chmod},
	{"write to root's file", try_write_own},
	{"create in root's directory", try_create},
	{"unlink root's file", try_unlink},
	{"write to a process's memory", try_write_memory},
	{"process_vm_writev", try_vm_write},
	{"kill", try_kill},
	{"tgkill", try_tgkill},
	{"ptrace", try_ptrace},
	{"mount", try_mount},
	{"exec", try_exec},
	{"fork", try_fork},
	{"socket", try_socket},
	{"init_module", try_module},
	{"setresuid", try_setuid},
	{"setfsuid", try_fsuid},
	{"securebits", try_securebits},
	{"prlimit of another", try_limit},
	{"a new BPF map", try_map},
	{"TIOCSTI", try_terminal},
	{"unshare", try_unshare},
};

/* In a child without privileges: 0 when `fn` failed, 1 when it succeeded, 2 when dropping failed.
 */
static int in_child(long (*fn)(void), bool drop)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(drop && privilege_drop() ? 2 : fn() >= 0 ? 1 : 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

static void cannot_do(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("skip: %zu trials of what root must lose need root\n",
			      array_size(forbidden));
		skip();
	}
	for (size_t i = 0; i < array_size(forbidden); i++) {
		int got = in_child(forbidden[i].fn, true);

		if (got)
			fail_msg("%s: %s", forbidden[i].what,
				 got == 1 ? "still possible" : "privilege_drop() failed");
	}
}

/* The trials can fail: root without privilege_drop() may do these. */
static void could_do_before(void **state)
{
	static long (*const some[])(void) = {try_chown,  try_write_own,    try_kill,
					     try_socket, try_write_memory, try_chmod};

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < array_size(some); i++)
		assert_int_equal(in_child(some[i], false), 1);
	assert_int_equal(chown(secret, 0, 0), 0);
	assert_int_equal(chmod(secret, 0600), 0);
}

/* ---- what must still work ---- */

static long read_others_file(void)
{
	char c;
	int fd = open(secret, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, &c, 1) == 1 && c == 'x' ? 0 : -1;
}

static long look_at_process(void)
{
	static const char *const names[] = {"environ", "maps", "stat", "status", "exe", "root/"};
	char path[64];

	for (size_t i = 0; i < array_size(names); i++) {
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/%s", (int)victim, names[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return -1;
		close(fd);
	}
	return 0;
}

static long look_at_map_files(void)
{
	char path[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/map_files", (int)victim);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			return openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC) >= 0 ? 0 : -1;
	return -1;
}

static long read_memory(void)
{
	char byte;
	struct iovec local = {&byte, 1}, remote = {secret, 1}; /* a child: the same address */

	return process_vm_readv(victim, &local, 1, &remote, 1, 0);
}

static long name_a_user(void)
{
	const struct passwd *pw = getpwuid(0);

	return pw && !strcmp(pw->pw_name, "root") ? 0 : -1;
}

static void can_do(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	/* of another user: the owner is neither the uid nor the fsuid */
	assert_int_equal(chown(secret, 12345, 12345), 0);
	assert_int_equal(in_child(read_others_file, true), 1);
	assert_int_equal(chown(secret, 0, 0), 0);
	assert_int_equal(in_child(read_others_file, true), 1);
	assert_int_equal(in_child(look_at_process, true), 1);
	assert_int_equal(in_child(look_at_map_files, true), 1);
	assert_int_equal(in_child(name_a_user, true), 1);
	assert_int_equal(in_child(read_memory, true), 1);
}

static long status_is_low(void)
{
	char text[8192], *p;
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	unsigned long long kept = 1ULL << 2 | 1ULL << 19 | 1ULL << 39 | 1ULL << 40;

	if (n <= 0)
		return -1;
	text[n] = '\0';
	p = strstr(text, "\nCapEff:");
	if (!p || strtoull(p + 8, NULL, 16) & ~kept)
		return -1;
	if (!strstr(text, "\nCapInh:\t0000000000000000\n") ||
	    !strstr(text, "\nCapAmb:\t0000000000000000\n") || !strstr(text, "\nNoNewPrivs:\t1\n") ||
	    !strstr(text, "\nSeccomp:\t2\n"))
		return -1;
	return geteuid() != 0 || strstr(text, "\nCapBnd:\t0000000000000000\n") ? 0 : -1;
}

static void the_kernel_says_so(void **state)
{
	(void)state;
	assert_int_equal(in_child(status_is_low, true), 1);
	assert_int_equal(in_child(status_is_low, false), 0);
	assert_int_equal(in_child(try_exec, true), 0);
	assert_int_equal(in_child(try_socket, true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(could_do_before),
		cmocka_unit_test(cannot_do),
		cmocka_unit_test(can_do),
		cmocka_unit_test(the_kernel_says_so),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
