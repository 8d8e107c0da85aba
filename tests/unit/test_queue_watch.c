// SPDX-License-Identifier: GPL-2.0-only
/* fanotify on queue directories, with real directories. Needs root and a kernel from 5.17 on: else
 * every test says that it was skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/privilege.h"
#include "kernel/decode.h"
#include "kernel/queue_watch.h"
#include "mail/mta.h"

struct place {
	char dir[64];
	int root;
	struct queue_watch *w;
	char log[1 << 16];
	size_t len;
	pid_t pid; /* that is expected in every record */
	uint64_t now, last;
};

static int one_removed(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

static void place_free(struct place *p)
{
	queue_watch_free(p->w);
	close(p->root);
	nftw(p->dir, one_removed, 16, FTW_DEPTH | FTW_PHYS);
	free(p);
}

static void dirs(const struct place *p, const char *list)
{
	_free_ char *copy = strdup(list);
	char *save = NULL;

	for (char *d = strtok_r(copy, " ", &save); d; d = strtok_r(NULL, " ", &save))
		assert_int_equal(mkdirat(p->root, d, 0755), 0);
}

static void rules_of(const struct mta *mta, struct st_queue_root *out)
{
	struct mta_queue q = {.mta = mta, .fd = -1};

	memset(out, 0, sizeof(*out));
	out->queue = 3;
	out->rules = (uint32_t)mta->rules(&q, out->rule);
}

static struct place *place_new(const struct mta *mta, const char *list)
{
	struct place *p = calloc(1, sizeof(*p));
	struct st_queue_root rules;
	int err;

	assert_non_null(p);
	snprintf(p->dir, sizeof(p->dir), "/tmp/spamtrace-watch-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->root = open(p->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->root >= 0);
	dirs(p, list);
	p->pid = getpid();
	err = queue_watch_new(&p->w);
	if (!err) {
		rules_of(mta, &rules);
		err = queue_watch_add(p->w, p->root, &rules);
	}
	if (err) {
		place_free(p);
		print_message("skipped: fanotify does not do here: %s\n", strerror(-err));
		assert_true(geteuid() != 0 || err == -EINVAL || err == -EOPNOTSUPP ||
			    err == -EXDEV || err == -ENODEV || err == -EPERM);
		skip();
	}
	return p;
}

static void write_down(struct place *p, const void *bytes, size_t len)
{
	char name[1024] = "", old[1024] = "";
	const struct st_queue *q;
	struct record r;

	assert_int_equal(record_decode(bytes, len, &r), 0);
	q = (const struct st_queue *)r.h;
	assert_int_equal(r.h->type, ST_QUEUE);
	assert_int_equal(r.h->task.start, 0);
	assert_int_equal(r.h->task.tgid, p->pid);
	assert_int_equal(q->queue, 3);
	p->now = r.h->time;
	assert_int_equal(record_queue_name(&r, q->name, name, sizeof(name)), 0);
	record_queue_name(&r, q->old, old, sizeof(old));
	p->len += (size_t)snprintf(p->log + p->len, sizeof(p->log) - p->len, "%s%s %s%s%s\n",
				   q->flags & ST_Q_FOUND_NEW ? "found " : "",
				   q->op == ST_OP_LINK     ? "link"
				   : q->op == ST_OP_UNLINK ? "unlink"
							   : "rename",
				   name, *old ? " from " : "", old);
}

static void on_record(void *arg, const void *bytes, size_t len)
{
	struct place *p = arg;

	write_down(p, bytes, len);
	assert_true(p->now > p->last);
	p->last = p->now;
}

static void on_removal(void *arg, const void *bytes, size_t len)
{
	write_down(arg, bytes, len);
}

static void expect(struct place *p, const char *want)
{
	p->len = 0;
	p->log[0] = '\0';
	assert_int_equal(queue_watch_read(p->w), 1);
	queue_watch_take(p->w, 1000, on_record, p);
	assert_string_equal(p->log, want);
	assert_int_equal(queue_watch_lost(p->w), 0);
}

/* The removals that follow something else; they are taken all the same. */
static void expect_removals(struct place *p, const char *want)
{
	p->len = 0;
	p->log[0] = '\0';
	assert_int_equal(queue_watch_read(p->w), 1);
	queue_watch_removals(p->w, on_removal, p);
	assert_string_equal(p->log, want);
}

static void make(const struct place *p, const char *name)
{
	int fd = openat(p->root, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void link_to(const struct place *p, const char *old, const char *name)
{
	assert_int_equal(linkat(p->root, old, p->root, name, 0), 0);
}

static void drop(const struct place *p, const char *name)
{
	assert_int_equal(unlinkat(p->root, name, 0), 0);
}

static void move(const struct place *p, const char *old, const char *name)
{
	assert_int_equal(renameat(p->root, old, p->root, name), 0);
}

#define QMAIL   "mess mess/0 mess/1 todo intd pid info"
#define POSTFIX "maildrop incoming active deferred hold corrupt bounce"

static void links_and_unlinks(void **state)
{
	struct place *p = place_new(&mta_qmail, QMAIL);

	(void)state;
	make(p, "pid/1");
	link_to(p, "pid/1", "mess/1/55");
	make(p, "intd/55");
	link_to(p, "intd/55", "todo/55");
	drop(p, "pid/1");
	drop(p, "todo/55"); /* no rule asks for it */
	drop(p, "mess/1/55");
	expect_removals(p, "unlink mess/1/55\n");
	/* the link and the unlink of mess/1/55 are one event: told where the first was */
	expect(p, "link mess/1/55\nunlink mess/1/55\nlink todo/55\n");
	/* one that nothing came before */
	make(p, "intd/56");
	link_to(p, "intd/56", "mess/0/56");
	expect(p, "link mess/0/56\n");
	drop(p, "mess/0/56");
	expect_removals(p, "");
	expect(p, "unlink mess/0/56\n");
	place_free(p);
}

static void one_queue_id_twice(void **state)
{
	struct place *p = place_new(&mta_qmail, QMAIL);

	(void)state;
	for (int i = 0; i < 3; i++) {
		make(p, "pid/1");
		link_to(p, "pid/1", "mess/1/55");
		drop(p, "pid/1");
		drop(p, "mess/1/55");
	}
	expect(p, "link mess/1/55\nunlink mess/1/55\nlink mess/1/55\nunlink mess/1/55\n"
		  "link mess/1/55\nunlink mess/1/55\n");
	place_free(p);
}

static void renames_have_both_names(void **state)
{
	struct place *p = place_new(&mta_postfix, POSTFIX " deferred/A");

	(void)state;
	make(p, "maildrop/1234.5");
	move(p, "maildrop/1234.5", "maildrop/6F3D2A0C1");
	move(p, "maildrop/6F3D2A0C1", "incoming/6F3D2A0C1");
	move(p, "incoming/6F3D2A0C1", "deferred/A/6F3D2A0C1");
	make(p, "bounce/x");
	move(p, "bounce/x", "active/x"); /* from where no rule looks */
	move(p, "active/x", "bounce/x"); /* and to there */
	drop(p, "deferred/A/6F3D2A0C1");
	expect(p, "rename maildrop/6F3D2A0C1 from maildrop/1234.5\n"
		  "rename incoming/6F3D2A0C1 from maildrop/6F3D2A0C1\n"
		  "rename deferred/A/6F3D2A0C1 from incoming/6F3D2A0C1\n"
		  "rename active/x\n"
		  "unlink deferred/A/6F3D2A0C1\n");
	place_free(p);
}

static bool told(const struct place *p)
{
	struct pollfd fd = {.fd = queue_watch_fd(p->w), .events = POLLIN};

	return poll(&fd, 1, 0) == 1;
}

/* A wake-up for each file that is written would cost more than all else. Since 6.0 the kernel tells
 * them from directories. */
static void what_is_only_made_wakes_nobody(void **state)
{
	struct place *p = place_new(&mta_postfix, POSTFIX);
	struct utsname u;

	(void)state;
	assert_int_equal(uname(&u), 0);
	if (atoi(u.release) < 6) {
		place_free(p);
		print_message("skipped: kernel %s tells of files, too\n", u.release);
		skip();
	}
	make(p, "maildrop/1234.5");
	assert_false(told(p));
	move(p, "maildrop/1234.5", "maildrop/6F3D2A0C1");
	assert_true(told(p));
	expect(p, "rename maildrop/6F3D2A0C1 from maildrop/1234.5\n");
	dirs(p, "incoming/A");
	assert_true(told(p));
	expect(p, "");
	make(p, "incoming/A/1234.5");
	assert_false(told(p));
	place_free(p);
}

/* Postfix makes a hashed directory and moves the file there at once. */
static void moved_into_a_new_directory(void **state)
{
	struct place *p = place_new(&mta_postfix, POSTFIX);

	(void)state;
	make(p, "active/B01");
	make(p, "active/B02");
	dirs(p, "deferred/B deferred/B/0");
	move(p, "active/B01", "deferred/B/0/B01");
	expect(p, "rename deferred/B/0/B01 from active/B01\n");
	move(p, "active/B02", "deferred/B/0/B02");
	drop(p, "deferred/B/0/B01");
	expect(p, "rename deferred/B/0/B02 from active/B02\nunlink deferred/B/0/B01\n");
	place_free(p);
}

/* Exim with split_spool_directory makes everything in the new directory. */
static void made_in_a_new_directory(void **state)
{
	struct place *p = place_new(&mta_exim, "");

	(void)state;
	dirs(p, "a");
	make(p, "a/hdr.1");
	move(p, "a/hdr.1", "a/1abcde-000001-00-H");
	expect(p, "found rename a/1abcde-000001-00-H\n");
	make(p, "a/hdr.2");
	move(p, "a/hdr.2", "a/1abcde-000002-00-H");
	expect(p, "rename a/1abcde-000002-00-H from a/hdr.2\n");
	drop(p, "a/1abcde-000001-00-H");
	drop(p, "a/1abcde-000002-00-H");
	assert_int_equal(unlinkat(p->root, "a", AT_REMOVEDIR), 0);
	assert_int_equal(queue_watch_marks(p->w), 2);
	expect(p, "unlink a/1abcde-000001-00-H\nunlink a/1abcde-000002-00-H\n");
	assert_int_equal(queue_watch_marks(p->w), 1);
	place_free(p);
}

/* hash_queue_depth of Postfix is 3 at most in practice; what lies deeper is not looked at. */
static void hashed_deep(void **state)
{
	struct place *p = place_new(&mta_postfix, POSTFIX " deferred/1 deferred/1/2 deferred/1/2/3 "
							  "deferred/1/2/4 deferred/1/2/4/5");

	(void)state;
	assert_int_equal(queue_watch_marks(p->w), 1 + 6 + 4);
	make(p, "active/1234");
	make(p, "active/1235");
	move(p, "active/1234", "deferred/1/2/3/1234");
	move(p, "active/1235", "deferred/1/2/4/1235");
	expect(p, "rename deferred/1/2/3/1234 from active/1234\n"
		  "rename deferred/1/2/4/1235 from active/1235\n");
	place_free(p);
}

static void a_directory_replaced_unseen(void **state)
{
	struct place *p = place_new(&mta_qmail, QMAIL " new");

	(void)state;
	make(p, "intd/7");
	move(p, "todo", "old");
	move(p, "new", "todo");
	link_to(p, "intd/7", "todo/7");
	expect(p, "");
	queue_watch_refresh(p->w);
	link_to(p, "intd/7", "todo/8");
	expect(p, "link todo/8\n");
	place_free(p);
}

static void another_root(void **state)
{
	struct place *p = place_new(&mta_qmail, QMAIL " other other/todo");
	_close_ int other = openat(p->root, "other", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct st_queue_root rules;

	(void)state;
	rules_of(&mta_qmail, &rules);
	assert_int_equal(queue_watch_add(p->w, other, &rules), 0);
	make(p, "intd/7");
	link_to(p, "intd/7", "todo/7"); /* of the root that was */
	link_to(p, "intd/7", "other/todo/8");
	expect(p, "link todo/8\n");
	rules_of(&mta_sendmail, &rules);
	assert_int_equal(queue_watch_add(p->w, other, &rules), -ENOTSUP);
	place_free(p);
}

static void hostile_names(void **state)
{
	struct place *p = place_new(&mta_qmail, QMAIL);
	char name[300] = "todo/", want[600];

	(void)state;
	make(p, "intd/7");
	assert_int_equal(symlinkat("/etc", p->root, "mess/2"), 0);
	link_to(p, "intd/7", "todo/a\nb\x1b[31m");
	memset(name + 5, 'x', 255);
	link_to(p, "intd/7", name);
	snprintf(want, sizeof(want), "link mess/2\nlink todo/a\nb\x1b[31m\nlink %s\n", name);
	expect(p, want);
	queue_watch_refresh(p->w);
	assert_int_equal(queue_watch_marks(p->w), 5); /* root, mess, mess/0, mess/1, todo */
	place_free(p);
}

/* In a child, which has given up everything: marks of what appears later. 0, or the line that
 * failed. */
static int unprivileged(struct place *p, int ready, int go)
{
	struct pollfd fd = {.fd = queue_watch_fd(p->w), .events = POLLIN};
	char c = 0;

	if (privilege_drop() || write(ready, &c, 1) != 1 || poll(&fd, 1, 10000) != 1 ||
	    queue_watch_read(p->w) != 1 || queue_watch_marks(p->w) != 6)
		return __LINE__;
	queue_watch_refresh(p->w);
	if (queue_watch_marks(p->w) != 6)
		return __LINE__;
	queue_watch_take(p->w, 1000, on_record, p);
	if (write(ready, &c, 1) != 1 || read(go, &c, 1) != 1 || queue_watch_read(p->w) != 1)
		return __LINE__;
	queue_watch_take(p->w, 1000, on_record, p);
	return strcmp(p->log, "link mess/2/9\n") ? __LINE__ : 0;
}

static void without_privileges(void **state)
{
	struct place *p = place_new(&mta_qmail, QMAIL);
	int ready[2], go[2], status;
	char c = 0;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	make(p, "pid/9");
	assert_int_equal(fchmodat(p->root, "mess", 0700, 0), 0);
	child = fork();
	if (child == 0) {
		int line = unprivileged(p, ready[1], go[0]);

		if (line)
			dprintf(2, "line %d: %zu marks, %s\n", line, queue_watch_marks(p->w),
				p->log);
		_exit(line != 0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	dirs(p, "mess/2");
	close(ready[1]);
	if (read(ready[0], &c, 1) == 1)
		link_to(p, "pid/9", "mess/2/9");
	assert_int_equal(write(go[1], &c, 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	for (int i = 0; i < 2; i++)
		close(go[i]);
	close(ready[0]);
	place_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_and_unlinks),
		cmocka_unit_test(one_queue_id_twice),
		cmocka_unit_test(renames_have_both_names),
		cmocka_unit_test(what_is_only_made_wakes_nobody),
		cmocka_unit_test(moved_into_a_new_directory),
		cmocka_unit_test(made_in_a_new_directory),
		cmocka_unit_test(hashed_deep),
		cmocka_unit_test(a_directory_replaced_unseen),
		cmocka_unit_test(another_root),
		cmocka_unit_test(hostile_names),
		cmocka_unit_test(without_privileges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
