// SPDX-License-Identifier: GPL-2.0-only
/* What a program's role, and there being too many of them, does. */
#include <fcntl.h>
#include <linux/btrfs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "harness.h"
#include "kernel/inode.h"

/* Another program that does as `child` does. */
static void copy_of_child(char *path, size_t size, const char *name)
{
	_close_ int in = open(h.sendmail, O_RDONLY | O_CLOEXEC);
	_close_ int out = -1;
	struct stat st;

	snprintf(path, size, "%s/%s", h.dir, name);
	out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	assert_true(in >= 0 && out >= 0);
	assert_int_equal(fstat(in, &st), 0);
	assert_int_equal(sendfile(out, in, NULL, (size_t)st.st_size), st.st_size);
}

struct start {
	const char *program, *how;
};

static void exec_engine_with(const void *arg)
{
	const struct start *s = arg;

	execl(h.engine, "engine", "plain", s->how, s->program, (char *)NULL);
}

static char httpd[256];

static void make_server(void)
{
	struct st_program role = {.role = ST_ROLE_HTTPD};
	struct st_inode exe;

	if (httpd[0])
		return;
	copy_of_child(httpd, sizeof(httpd), "httpd");
	assert_int_equal(inode_of_path(httpd, 0, &exe), 0);
	assert_int_equal(probe_set_program(h.probe, &exe, &role), 0);
}

static const struct st_origin *origin_by_id(uint64_t id)
{
	return as(st_origin, origin_of(id));
}

/* A script starts a web server; what that serves later is not the script's. */
static void a_server_that_a_script_started(void **state)
{
	const struct record *mail;
	const struct st_origin *cgi, *server;
	char how[512];

	(void)state;
	make_server();
	snprintf(how, sizeof(how), "fork=%s;%s", h.perl, h.sendmail);
	drop();
	run(exec_engine_with, &(struct start){httpd, how});
	mail = first(ST_EXEC, 0);
	cgi = origin_by_id(as(st_exec, mail)->origin);
	assert_int_equal(cgi->why, ST_BY_CGI);
	server = origin_by_id(cgi->parent);
	assert_int_equal(server->why, ST_BY_SERVER);
	assert_int_equal(server->uid, getuid());
	assert_int_equal(origin_by_id(server->parent)->why, ST_BY_FORK);
	/* a CGI program's arguments are asked for, an engine's helper's are not */
	assert_memory_equal(record_text(mail, as(st_exec, mail)->script).s, "perl\0/inner.pl", 15);
	assert_true(as(st_exec, mail)->ancestors > 1);
}

/* What it does for no request is not the script's either: its children carry the server. */
static void a_server_in_no_request(void **state)
{
	const struct record *mail;
	const struct st_origin *server;
	char how[512];

	(void)state;
	make_server();
	snprintf(how, sizeof(how), "exec=%s", h.sendmail);
	drop();
	run(exec_engine_with, &(struct start){httpd, how});
	mail = first(ST_EXEC, 0);
	server = origin_by_id(as(st_exec, mail)->origin);
	assert_int_equal(server->why, ST_BY_SERVER);
	assert_memory_equal(&server->h.task, &as(st_exec, mail)->h.task, sizeof(server->h.task));
	/* it is no engine's request, which would say it all */
	assert_true(as(st_exec, mail)->ancestors > 1);
}

static void exec_perl(const void *arg)
{
	execl(h.perl, "perl", "/restart.pl", arg, (char *)NULL);
}

static void a_server_that_perl_started(void **state)
{
	const struct record *mail;
	char how[512];

	(void)state;
	make_server();
	snprintf(how, sizeof(how), "fork=%s;%s", httpd, h.sendmail);
	drop();
	run(exec_perl, how);
	mail = first(ST_EXEC, 0);
	assert_int_equal(as(st_exec, mail)->script.len, 0);
	snprintf(how, sizeof(how), "fork=%s", h.sendmail);
	drop();
	run(exec_perl, how);
	mail = first(ST_EXEC, 0);
	assert_memory_equal(record_text(mail, as(st_exec, mail)->script).s, "perl\0/restart.pl",
			    17);
}

/* Of a script's program the origin says it all. */
static void an_origin_says_it_all(void **state)
{
	const struct record *mail;
	char how[512];

	(void)state;
	snprintf(how, sizeof(how), "fork=%s", h.sendmail);
	drop();
	run(exec_engine_with, &(struct start){h.perl, how});
	mail = first(ST_EXEC, 0);
	assert_int_equal(as(st_origin, origin_of(as(st_exec, mail)->origin))->why, ST_BY_FORK);
	assert_int_equal(as(st_exec, mail)->script.len, 0);
	assert_int_equal(as(st_exec, mail)->ancestors, 1);
}

static size_t images;
static struct st_inode wanted;

static void count_images(void *arg, const void *bytes, size_t len)
{
	const struct st_image *i = bytes;

	(void)arg;
	images += len >= sizeof(*i) && i->h.type == ST_IMAGE && inode_equal(&i->exe, &wanted);
}

static void exec_path(const void *arg)
{
	execl(arg, "program", (char *)NULL);
}

/* Executes it; how often user space is told that it is new. */
static size_t told_of(const char *path)
{
	pid_t pid = fork();

	images = 0;
	if (!pid) {
		exec_path(path);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(probe_read(h.probe, count_images, NULL) >= 0);
	return images;
}

static void more_programs_than_room(void **state)
{
	struct st_program none = {0};
	char path[256];
	size_t n = 0;

	(void)state;
	copy_of_child(path, sizeof(path), "new-program");
	assert_int_equal(inode_of_path(path, 0, &wanted), 0);
	drop();
	while (!probe_set_program(h.probe, &(struct st_inode){.ino = ++n, .dev = 0xfff}, &none))
		assert_true(n < 1000000);
	assert_int_equal(told_of(path), 0);
	assert_true(lost_now(ST_LOST_PROGRAM_MAP) > 0);
	assert_true(probe_had_no_room(h.probe));
	assert_false(probe_had_no_room(h.probe));
	assert_true(probe_forget_programs(h.probe) >= n - 1);
	assert_int_equal(told_of(path), 1);
	assert_int_equal(told_of(path), 0);
	/* who has a role stays */
	drop();
	run(exec_path, h.sendmail);
	assert_int_equal(how_many(ST_EXEC, 0), 1);
}

/* A btrfs of this test's own: made here, or a fresh one that $SPAMTRACE_BTRFS names. NULL, or why
 * there is none. */
static const char *mount_btrfs(const char *at)
{
	const char *made = getenv("SPAMTRACE_BTRFS");
	char command[512];

	if (made)
		snprintf(command, sizeof(command), "cp '%s' '%s/btrfs'", made, h.dir);
	else
		snprintf(command, sizeof(command),
			 "cd '%s' && truncate -s 128M btrfs && mkfs.btrfs -q btrfs >/dev/null",
			 h.dir);
	if (shell(command))
		return "no btrfs could be made (package btrfs-progs)";
	snprintf(command, sizeof(command), "mount -t btrfs -o loop '%s/btrfs' '%s' 2>/dev/null",
		 h.dir, at);
	return shell(command) ? "btrfs cannot be mounted here" : NULL;
}

static void make_subvolume(const char *at, const char *name)
{
	struct btrfs_ioctl_vol_args args = {0};
	_close_ int fd = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	snprintf(args.name, sizeof(args.name), "%s", name);
	assert_int_equal(ioctl(fd, BTRFS_IOC_SUBVOL_CREATE, &args), 0);
}

/* The first files of two subvolumes of btrfs: one super block, one number. */
static void one_number_twice(void **state)
{
	struct st_program role = {.role = ST_ROLE_INJECTOR};
	char at[128], one[256], two[256];
	const char *missing;
	struct stat a = {0}, b = {0};
	struct file_id id;

	(void)state;
	snprintf(at, sizeof(at), "%s/mnt", h.dir);
	assert_int_equal(mkdir(at, 0755), 0);
	missing = mount_btrfs(at);
	if (missing) {
		print_message("  1 skipped: one number twice: %s\n", missing);
		skip();
	}
	make_subvolume(at, "one");
	make_subvolume(at, "two");
	copy_of_child(one, sizeof(one), "mnt/one/program");
	copy_of_child(two, sizeof(two), "mnt/two/program");
	assert_true(!stat(one, &a) && !stat(two, &b));
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(file_id_of_path(two, 0, &id), 0);
	wanted = id.inode;
	if (id.shared) { /* right for a module without type information, as before 5.11 */
		assert_int_equal(access("/sys/module/btrfs/initstate", F_OK), 0);
		assert_int_not_equal(access("/sys/kernel/btf/btrfs", F_OK), 0);
		return;
	}
	assert_int_equal(inode_of_path(one, 0, &id.inode), 0);
	assert_int_equal(id.inode.dev, wanted.dev);
	assert_int_equal(probe_set_program(h.probe, &id.inode, &role), 0);
	drop();
	run(exec_path, one);
	assert_int_equal(how_many(ST_EXEC, 0), 1);
	assert_true(inode_equal(&as(st_exec, first(ST_EXEC, 0))->exe, &id.inode));
	drop();
	assert_int_equal(told_of(two), 1);
	run(exec_path, two);
	assert_int_equal(how_many(ST_EXEC, 0), 0);
}

/* Nothing stays behind where an assertion failed. */
static int unmount(void **state)
{
	char at[128];

	(void)state;
	snprintf(at, sizeof(at), "%s/mnt", h.dir);
	umount2(at, MNT_DETACH);
	return 0;
}

int program_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_that_a_script_started),
		cmocka_unit_test(a_server_in_no_request),
		cmocka_unit_test(a_server_that_perl_started),
		cmocka_unit_test(an_origin_says_it_all),
		cmocka_unit_test_teardown(one_number_twice, unmount),
		cmocka_unit_test(more_programs_than_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
