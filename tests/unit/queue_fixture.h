/* SPDX-License-Identifier: GPL-2.0-only */
/* Queue directories for the tests of user/mail: made in a temporary directory, filled with strings,
 * removed. */
#ifndef QUEUE_FIXTURE_H
#define QUEUE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mail/mta.h"

#pragma GCC diagnostic ignored "-Wunused-function"

static char fixture_root[64];

static int fixture_setup(void **state)
{
	(void)state;
	strcpy(fixture_root, "/tmp/spamtrace-queue.XXXXXX");
	return mkdtemp(fixture_root) ? 0 : -1;
}

static int fixture_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int fixture_teardown(void **state)
{
	(void)state;
	return nftw(fixture_root, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* Good until the third call after this one. */
static const char *fixture_path(const char *name)
{
	static char paths[4][512];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", fixture_root, name);
	return path;
}

/* Makes a directory and those above it. */
static void fixture_dir(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s", fixture_path(name));
	for (char *p = path + strlen(fixture_root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
	if (mkdir(path, 0700) < 0)
		assert_int_equal(errno, EEXIST);
}

static void fixture_file(const char *name, const char *data, size_t len, mode_t mode)
{
	int fd = open(fixture_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void fixture_text(const char *name, const char *text)
{
	fixture_file(name, text, strlen(text), 0700);
}

/* One queue of `mta` at the fixture's directory `name` ("": its root). */
static struct mta_queue fixture_queue(const struct mta *mta, const char *name)
{
	struct mta_queue q;

	assert_int_equal(mta->discover(fixture_path(name), &q, 1), 1);
	assert_ptr_equal(q.mta, mta);
	return q;
}

/* facts() of one message, by open(). */
static int fixture_facts(struct mta_queue *q, const char *id, uint32_t pid, struct message_facts *f)
{
	int fd = q->mta->open(q, id), r;

	if (fd < 0)
		return fd;
	r = q->mta->facts(q, fd, id, pid, f);
	close(fd);
	return r;
}

struct fixture_recipients {
	int n;
	char last[128];
};

static int fixture_recipient(void *arg, const char *address)
{
	struct fixture_recipients *r = arg;

	r->n++;
	snprintf(r->last, sizeof(r->last), "%s", address);
	return 0;
}

/* Those of a message, by describe(); 0 or -errno. */
static int fixture_recipients(struct mta_queue *q, const char *id, struct fixture_recipients *r)
{
	struct message_facts f;
	int fd = q->mta->open(q, id), err;

	if (fd < 0)
		return fd;
	err = q->mta->describe(q, fd, id, &f, fixture_recipient, r);
	close(fd);
	return err;
}

static int fixture_count_entry(void *arg, const struct queue_entry *e)
{
	(void)e;
	++*(int *)arg;
	return 0;
}

/* What an operation should mean. */
struct interpret_case {
	uint32_t op;
	const char *name, *old;
	uint32_t pid;
	enum queue_verb verb;
	const char *id;
};

static void check_interpret(const struct mta_queue *q, const struct interpret_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct interpret_case *c = &cases[i];
		struct queue_change change;

		memset(&change, 0xa5, sizeof(change));
		q->mta->interpret(q, c->op, c->name, c->old, c->pid, &change);
		if (change.verb != c->verb)
			fail_msg("%s (old %s): verb %d, not %d", c->name, c->old ? c->old : "-",
				 (int)change.verb, (int)c->verb);
		if (c->id)
			assert_string_equal(change.id, c->id);
	}
}

/* Arguments separated by '|' here, by NUL for classify(). */
struct classify_case {
	const char *base, *args;
	enum run run;
};

static void check_classify(const struct mta *mta, const struct classify_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char args[256];
		size_t len = strlen(cases[i].args) + 1;
		enum run run;

		memcpy(args, cases[i].args, len);
		for (char *p = args; (p = strchr(p, '|'));)
			*p++ = '\0';
		run = mta->classify(cases[i].base, args, len);
		if (run != cases[i].run)
			fail_msg("%s %s: %d, not %d", cases[i].base, cases[i].args, (int)run,
				 (int)cases[i].run);
	}
}

#endif
