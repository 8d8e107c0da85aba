// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names that land in a queue or leave it, in every way to say them; what fails is not reported. Run
 * once with the syscall tracepoints and once with fexit, which tells more: inode and size, no name
 * as an absolute path, whether the old name is the queue's.
 */
#include "harness.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

static int root_fd = -1;

static char *in_queue(const char *name)
{
	static char path[4][512];
	static unsigned turn;
	char *p = path[turn++ % 4];

	snprintf(p, 512, "%s/%s", h.queue, name);
	return p;
}

static int setup(void **state)
{
	static const char *const dirs[] = {
		"todo",         "mess",           "mess/1", "intd",  "incoming", "incoming/a",
		"incoming/a/b", "incoming/a/b/c", "pid",    "other", "qf"};

	(void)state;
	for (size_t i = 0; i < array_size(dirs); i++)
		mkdir(in_queue(dirs[i]), 0755);
	root_fd = open(h.queue, O_PATH | O_DIRECTORY | O_CLOEXEC);
	drop();
	return root_fd < 0 || chdir(h.queue) ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	close(root_fd);
	return chdir("/");
}

static void make(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "mail", 4), 4);
	close(fd);
}

/* fexit knows which file it was; not of an unlink, which leaves the name without one. */
static void expect_file(const struct st_queue *q, const char *path)
{
	bool knows = h.fexit && (q->op == ST_OP_LINK || q->op == ST_OP_RENAME);
	struct stat st = {0};

	if (knows)
		assert_int_equal(fstatat(root_fd, path, &st, 0), 0);
	assert_int_equal(q->ino, st.st_ino);
	assert_int_equal(q->size, st.st_size);
	if (knows)
		assert_int_equal(q->size, 4);
}

/* Exactly one record, of this operation and these names. want_old NULL: foreign or none, or by
 * syscall an absolute name's. */
static void expect_op(enum st_op op, const char *want, const char *want_old)
{
	const struct record *r;
	const struct st_queue *q;
	char name[1024], old[1024];
	size_t prefix = strlen(h.queue);

	drain();
	if (how_many(ST_QUEUE, getpid()) != 1)
		fail_msg("%s: %zu records", want, how_many(ST_QUEUE, getpid()));
	r = first(ST_QUEUE, getpid());
	q = as(st_queue, r);
	assert_int_equal(q->op, op);
	assert_int_equal(q->queue, 5);
	assert_int_equal(q->uid, getuid());
	assert_int_equal(q->nspid, getpid());
	assert_string_equal(q->comm, "test_kernel");
	assert_int_equal(q->origin | q->injection, 0);
	assert_int_equal(record_queue_name(r, q->name, name, sizeof(name)), 0);
	if (h.fexit && op != ST_OP_CREATE)
		assert_false(q->flags & ST_Q_ABSOLUTE);
	if (q->flags & ST_Q_ABSOLUTE) {
		assert_memory_equal(name, h.queue + 1, prefix - 1);
		memmove(name, name + prefix, strlen(name + prefix) + 1);
	}
	assert_string_equal(name, want);
	expect_file(q, want);
	if (!want_old) {
		if (q->old.len && !(q->flags & ST_Q_OLD_FOREIGN) && !(q->flags & ST_Q_ABSOLUTE))
			fail_msg("%s: came from %s", want, str(r, q->old));
		drop();
		return;
	}
	assert_false(q->flags & ST_Q_OLD_FOREIGN);
	assert_int_equal(record_queue_name(r, q->old, old, sizeof(old)), 0);
	assert_string_equal(q->flags & ST_Q_ABSOLUTE ? old + prefix : old, want_old);
	drop();
}

static void expect_nothing(const char *what)
{
	drain();
	if (how_many(ST_QUEUE, getpid()))
		fail_msg("%s was reported", what);
	drop();
}

static void every_syscall(void **state)
{
	(void)state;
	make("intd/1");
	drop();
	assert_int_equal(link("intd/1", "todo/1"), 0);
	expect_op(ST_OP_LINK, "todo/1", "intd/1");
	assert_int_equal(linkat(root_fd, "intd/1", root_fd, "mess/1/1", 0), 0);
	expect_op(ST_OP_LINK, "mess/1/1", "intd/1");
	assert_int_equal(unlink("mess/1/1"), 0);
	expect_op(ST_OP_UNLINK, "mess/1/1", NULL);
	assert_int_equal(link("intd/1", "mess/1/1"), 0);
	drop();
	assert_int_equal(unlinkat(root_fd, "mess/1/1", 0), 0);
	expect_op(ST_OP_UNLINK, "mess/1/1", NULL);
	assert_int_equal(syscall(SYS_rename, "intd/1", "incoming/X1"), 0);
	expect_op(ST_OP_RENAME, "incoming/X1", "intd/1");
	assert_int_equal(syscall(SYS_renameat, root_fd, "incoming/X1", AT_FDCWD, "incoming/X2"), 0);
	expect_op(ST_OP_RENAME, "incoming/X2", "incoming/X1");
	assert_int_equal(syscall(SYS_renameat2, AT_FDCWD, "incoming/X2", root_fd, "incoming/X3", 0),
			 0);
	expect_op(ST_OP_RENAME, "incoming/X3", "incoming/X2");
	close(open("create", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	expect_op(ST_OP_CREATE, "create", NULL);
	unlink("todo/1");
	unlink("incoming/X3");
	drop();
}

static void ways_to_say_a_name(void **state)
{
	int incoming = open("incoming", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[512];

	(void)state;
	make("pid/1");
	drop();
	assert_int_equal(link("pid/1", "./todo/1"), 0);
	expect_op(ST_OP_LINK, "todo/1", "pid/1");
	assert_int_equal(link("pid/1", "todo//2"), 0);
	expect_op(ST_OP_LINK, "todo/2", "pid/1");
	assert_int_equal(link("./pid/1", "todo/./3"), 0);
	expect_op(ST_OP_LINK, "todo/3", "pid/1");
	assert_int_equal(link(in_queue("pid/1"), in_queue("todo/4")), 0);
	expect_op(ST_OP_LINK, "todo/4", "pid/1");
	snprintf(name, sizeof(name), "%s//todo///5", h.queue);
	assert_int_equal(link("pid/1", name), 0);
	expect_op(ST_OP_LINK, "todo/5", h.fexit ? "pid/1" : NULL);
	/* below a directory, by descriptor and by working directory */
	assert_int_equal(renameat(AT_FDCWD, "todo/5", incoming, "Y1"), 0);
	expect_op(ST_OP_RENAME, "incoming/Y1", "todo/5");
	assert_int_equal(fchdir(incoming), 0);
	assert_int_equal(rename("Y1", "Y2"), 0);
	expect_op(ST_OP_RENAME, "incoming/Y2", "incoming/Y1");
	assert_int_equal(rename("./Y2", "a//Y3"), 0);
	expect_op(ST_OP_RENAME, "incoming/a/Y3", "incoming/Y2");
	assert_int_equal(chdir(h.queue), 0);
	close(incoming);
}

static void hash_directories(void **state)
{
	static const char *const dirs[] = {"incoming", "incoming/a", "incoming/a/b",
					   "incoming/a/b/c"};

	(void)state;
	make("incoming/Z");
	drop();
	for (size_t from = 0; from < array_size(dirs); from++) {
		const char *to = dirs[(from + 1) % array_size(dirs)];
		char name[64], old[64];
		int fd;

		snprintf(old, sizeof(old), "%s/Z", dirs[from]);
		snprintf(name, sizeof(name), "%s/Z", to);
		assert_int_equal(rename(old, name), 0);
		expect_op(ST_OP_RENAME, name, old);
		/* up to three levels of directories, by descriptor of the innermost */
		fd = open(to, O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_int_equal(renameat(fd, "Z", fd, "W"), 0);
		snprintf(old, sizeof(old), "%s/W", to);
		expect_op(ST_OP_RENAME, old, name);
		assert_int_equal(renameat(fd, "W", fd, "Z"), 0);
		drop();
		close(fd);
	}
}

static void what_fails_or_is_elsewhere(void **state)
{
	char outside[256];

	(void)state;
	make("pid/7");
	make("pid/8");
	make("other/9");
	assert_int_equal(link("pid/7", "todo/7"), 0);
	drop();
	assert_int_equal(link("pid/8", "todo/7"), -1);
	expect_nothing("a link to a name that exists");
	assert_int_equal(link("pid/none", "todo/none"), -1);
	expect_nothing("a link from nowhere");
	assert_int_equal(unlink("mess/1/none"), -1);
	expect_nothing("an unlink of nothing");
	assert_int_equal(unlink("mess/1"), -1);
	expect_nothing("an unlink of a directory");
	assert_int_equal(rename("pid/none", "incoming/none"), -1);
	expect_nothing("a rename of nothing");
	assert_int_equal(rename("pid/8", "incoming"), -1);
	expect_nothing("a rename over a directory");
	assert_int_equal(link("pid/8", (char *)8), -1);
	expect_nothing("a name that is no memory");
	assert_int_equal(link("pid/8", "other/8"), 0);
	expect_nothing("a directory that is not asked for");
	assert_int_equal(unlink("todo/7"), 0);
	expect_nothing("an operation that is not asked for there");
	mkdir("mess/1/d", 0700);
	assert_int_equal(unlinkat(AT_FDCWD, "mess/1/d", AT_REMOVEDIR), 0);
	expect_nothing("a directory's removal");
	snprintf(outside, sizeof(outside), "%s/outside", h.dir);
	make(outside);
	assert_int_equal(unlink(outside), 0);
	expect_nothing("a file outside");
	snprintf(outside, sizeof(outside), "%s2", h.queue); /* the same beginning */
	make(outside);
	drain();
	if (how_many(ST_QUEUE, getpid()) &&
	    as(st_queue, first(ST_QUEUE, getpid()))->op != ST_OP_CREATE)
		fail_msg("a name that only begins like the queue's");
	unlink(outside);
	assert_int_equal(close(open("todo", O_RDONLY | O_CLOEXEC)), 0);
	drop();
}

static void from_outside(void **state)
{
	char outside[256];

	(void)state;
	snprintf(outside, sizeof(outside), "%s/outside", h.dir);
	make(outside);
	drop();
	assert_int_equal(rename(outside, "incoming/O1"), 0);
	drain();
	assert_int_equal(how_many(ST_QUEUE, getpid()), 1);
	assert_true(as(st_queue, first(ST_QUEUE, getpid()))->flags & ST_Q_OLD_FOREIGN);
	expect_op(ST_OP_RENAME, "incoming/O1", NULL);
	make("../outside2");
	drop();
	assert_int_equal(rename("../outside2", "incoming/O2"), 0);
	drain();
	if (h.fexit) {
		assert_true(as(st_queue, first(ST_QUEUE, getpid()))->flags & ST_Q_OLD_FOREIGN);
		expect_op(ST_OP_RENAME, "incoming/O2", NULL);
		make(outside);
		drop();
		assert_int_equal(link(outside, "todo/O3"), 0);
		drain();
		assert_true(as(st_queue, first(ST_QUEUE, getpid()))->flags & ST_Q_OLD_FOREIGN);
		expect_op(ST_OP_LINK, "todo/O3", NULL);
		unlink("todo/O3");
		unlink(outside);
	} else {
		/* relative to the queue, but not below it: refused when it is read */
		const struct record *r = first(ST_QUEUE, getpid());
		char old[64];

		assert_int_equal(record_queue_name(r, as(st_queue, r)->old, old, sizeof(old)),
				 -EINVAL);
	}
	drop();
}

static void long_names(void **state)
{
	char name[512], long_name[300], got[512];

	(void)state;
	make("pid/l");
	for (size_t n = 250; n <= 255; n++) {
		const struct record *r;
		int err;

		memset(long_name, 'n', n);
		long_name[n] = '\0';
		snprintf(name, sizeof(name), "todo/%s", long_name);
		drop();
		assert_int_equal(link("pid/l", name), 0);
		drain();
		assert_int_equal(how_many(ST_QUEUE, getpid()), 1);
		r = first(ST_QUEUE, getpid());
		err = record_queue_name(r, as(st_queue, r)->name, got, sizeof(got));
		/* all of it, or refused: never a shorter one; fexit reads each component by itself
		 */
		if (!err)
			assert_string_equal(got, name);
		else
			assert_int_equal(err, -ENAMETOOLONG);
		assert_int_equal(!err, h.fexit || n + 5 < 255);
		unlink(name);
	}
}

static void long_old_names(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 255; n++) {
		char old[512], long_name[300], got[512];
		const struct record *r;
		const struct st_queue *q;
		int err;

		memset(long_name, 'o', n);
		long_name[n] = '\0';
		snprintf(old, sizeof(old), "incoming/a/b/%s", long_name);
		make(old);
		drop();
		assert_int_equal(rename(old, "incoming/N"), 0);
		drain();
		assert_int_equal(how_many(ST_QUEUE, getpid()), 1);
		r = first(ST_QUEUE, getpid());
		q = as(st_queue, r);
		assert_false(q->flags & ST_Q_OLD_FOREIGN);
		err = record_queue_name(r, q->old, got, sizeof(got));
		/* all of it, or refused: never a shorter one */
		if (!err)
			assert_string_equal(got, old);
		else
			assert_int_equal(err, -ENAMETOOLONG);
		if (n < 31) /* no queue has longer ones */
			assert_int_equal(err, 0);
		unlink("incoming/N");
	}
	drop();
}

/* A child of that name at the other end of a new connection; ends when that is closed. */
static pid_t peer_of(const char *name, int listener, const struct sockaddr_un *at)
{
	pid_t pid = fork();
	char byte;
	int fd;

	if (pid)
		return pid;
	prctl(PR_SET_NAME, name);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(fd, (const struct sockaddr *)at, sizeof(*at)))
		_exit(1);
	close(listener);
	_exit(read(fd, &byte, 1) ? 1 : 0);
}

/*
 * What is told of the other end when a program of that name renames a file and holds the
 * connections `fd` as its first descriptors: only those are looked at, and this process has many.
 */
static const char *peer_told(const char *program, const char *from, const char *to, const int *fd,
			     size_t fds)
{
	const struct record *r;
	int status;
	pid_t pid;

	drop();
	pid = fork();
	if (!pid) {
		for (size_t i = 0; i < fds; i++)
			dup2(fd[i], 3 + (int)i);
		prctl(PR_SET_NAME, program);
		_exit(rename(from, to) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	drain();
	assert_int_equal(how_many(ST_QUEUE, pid), 1);
	r = first(ST_QUEUE, pid);
	assert_string_equal(as(st_queue, r)->comm, program);
	return as(st_queue, r)->peer;
}

/* Postfix's cleanup takes a message from the process whose connection it has accepted; the master
 * that it is connected to listens for all and tells nothing. */
static void the_peer_of_cleanup(void **state)
{
	static const char *const peers[] = {"master", "pickup"};
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd[array_size(peers)], status;
	pid_t pid[array_size(peers)];

	(void)state;
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/socket", h.dir);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 5), 0);
	for (size_t i = 0; i < array_size(peers); i++) {
		pid[i] = peer_of(peers[i], listener, &at);
		fd[i] = accept(listener, NULL, NULL);
		assert_true(fd[i] > 2);
	}
	make("pid/p");
	assert_string_equal(peer_told("cleanup", "pid/p", "incoming/P", fd, 2), "pickup");
	assert_string_equal(peer_told("qmgr", "incoming/P", "incoming/Q", fd, 2), "");
	assert_string_equal(peer_told("cleanup", "incoming/Q", "incoming/P", fd, 1), "");
	for (size_t i = 0; i < array_size(peers); i++)
		close(fd[i]);
	for (size_t i = 0; i < array_size(peers); i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	close(listener);
	unlink(at.sun_path);
	unlink("incoming/P");
	drop();
}

static void exec_none(const void *arg)
{
	execl(arg, "none", (char *)NULL);
}

static void programs_without_a_role(void **state)
{
	pid_t pid;

	(void)state;
	drop();
	pid = run(exec_none, h.none);
	assert_int_equal(how_many(ST_EXEC, pid) + how_many(ST_EXIT, pid) + how_many(ST_FORK, pid),
			 0);
}

static void add_total(void *arg, uint32_t uid, const struct st_uid_total *t)
{
	if (uid == getuid())
		*(struct st_uid_total *)arg = *t;
}

static void commits_are_counted_by_uid(void **state)
{
	struct st_uid_total before = {0}, after = {0};

	(void)state;
	make("pid/c");
	probe_uid_totals(h.probe, add_total, &before);
	assert_int_equal(link("pid/c", "todo/c"), 0);
	assert_int_equal(link("pid/c", "mess/1/c"), 0); /* no commit */
	probe_uid_totals(h.probe, add_total, &after);
	assert_int_equal(after.commits, before.commits + 1);
	drop();
}

static void refused(void **state)
{
	(void)state;
	skip();
}

int queue_tests(bool fexit)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(every_syscall),
		cmocka_unit_test(ways_to_say_a_name),
		cmocka_unit_test(hash_directories),
		cmocka_unit_test(what_fails_or_is_elsewhere),
		cmocka_unit_test(from_outside),
		cmocka_unit_test(long_names),
		cmocka_unit_test(long_old_names),
		cmocka_unit_test(the_peer_of_cleanup),
		cmocka_unit_test(programs_without_a_role),
		cmocka_unit_test(commits_are_counted_by_uid),
	};

	if (fexit && !h.fexit) {
		for (size_t i = 0; i < array_size(tests); i++)
			tests[i].test_func = refused;
		print_message("  %zu skipped: queue tests with fexit, which this kernel refuses\n",
			      array_size(tests));
	}
	return cmocka_run_group_tests_name(fexit ? "queue by fexit" : "queue by syscalls", tests,
					   setup, teardown);
}
