// SPDX-License-Identifier: GPL-2.0-only
/* Counts a queue of qmail by its directories alone, as qmail-qstat does: no file is opened. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/qmail_internal.h"
#include "mail/spool.h"

/* Ids in todo/, sorted, to tell which of them have been preprocessed already. */
struct todo_ids {
	uint64_t *id;
	bool *seen;
	size_t n, room;
};

struct tally {
	struct queue_counts *counts;
	struct todo_ids *todo;
	unsigned split, bucket;
	int64_t files;
};

static int todo_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	struct tally *t = arg;
	struct todo_ids *todo = t->todo;

	if (!qmail_is_id(name, strlen(name)) || spool_is_dir(dirfd, name, type)) {
		t->counts->garbage++;
		return 0;
	}
	t->counts->unprocessed++;
	if (!todo)
		return 0;
	if (todo->n == todo->room) {
		size_t room = todo->room ? todo->room * 2 : 256;
		uint64_t *grown = reallocarray(todo->id, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		todo->id = grown;
		todo->room = room;
	}
	todo->id[todo->n++] = strtoull(name, NULL, 10);
	return 0;
}

static int todo_split_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	int r;

	if (!spool_is_dir(dirfd, name, type))
		return 0;
	r = spool_scan(dirfd, name, todo_entry, arg);
	return r == -ENOENT ? 0 : r;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int mess_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	struct tally *t = arg;

	/* qmail-qstat counts every name; a name that no qmail-queue makes is no message */
	if (!qmail_is_id(name, strlen(name)) || (type != DT_REG && type != DT_UNKNOWN) ||
	    strtoull(name, NULL, 10) % t->split != t->bucket) {
		t->counts->garbage++;
		return 0;
	}
	(void)dirfd;
	t->files++;
	return 0;
}

static int info_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	struct tally *t = arg;
	struct todo_ids *todo = t->todo;
	uint64_t id = strtoull(name, NULL, 10);
	const uint64_t *hit;

	(void)dirfd;
	(void)type;
	if (!qmail_is_id(name, strlen(name)))
		return 0;
	t->files++;
	hit = todo->n ? bsearch(&id, todo->id, todo->n, sizeof(id), by_id) : NULL;
	if (hit)
		todo->seen[hit - todo->id] = true;
	return 0;
}

/* Files of mess/ in this split directory that have neither info nor todo: in flight, or orphans. */
static int partial_in(struct mta_queue *q, struct tally *t, int64_t mess)
{
	char path[32];
	int64_t whole;
	int r;

	snprintf(path, sizeof(path), "info/%u", t->bucket);
	t->files = 0;
	r = spool_scan(q->fd, path, info_entry, t);
	if (r < 0 && r != -ENOENT)
		return r;
	whole = t->files;
	for (size_t i = 0; i < t->todo->n; i++)
		if (t->todo->id[i] % t->split == t->bucket && !t->todo->seen[i])
			whole++;
	if (mess > whole)
		t->counts->partial += mess - whole;
	return 0;
}

static int count_todo(struct mta_queue *q, struct tally *t, struct todo_ids *todo)
{
	int r = spool_scan(q->fd, "todo", q->split_todo ? todo_split_entry : todo_entry, t);

	if (r < 0)
		return r;
	todo->seen = calloc(todo->n + 1, sizeof(*todo->seen));
	if (!todo->seen)
		return -ENOMEM;
	if (todo->n)
		qsort(todo->id, todo->n, sizeof(*todo->id), by_id);
	return 0;
}

static int count_mess(struct mta_queue *q, struct tally *t)
{
	for (t->bucket = 0; t->bucket < t->split; t->bucket++) {
		char path[32];
		int r;

		snprintf(path, sizeof(path), "mess/%u", t->bucket);
		t->files = 0;
		r = spool_scan(q->fd, path, mess_entry, t);
		if (r < 0)
			return r;
		t->counts->messages += t->files;
		if (!q->quick)
			r = partial_in(q, t, t->files);
		if (r < 0)
			return r;
	}
	return 0;
}

int qmail_count(struct mta_queue *q, struct queue_counts *out)
{
	struct queue_counts c = {.partial = q->quick ? COUNT_UNKNOWN : 0};
	struct todo_ids todo = {0};
	struct tally t = {.counts = &c, .todo = q->quick ? NULL : &todo};
	int r;

	if (!q->split)
		return -ENOENT;
	t.split = q->split;
	r = count_todo(q, &t, &todo);
	if (r == 0)
		r = count_mess(q, &t);
	free(todo.id);
	free(todo.seen);
	if (r == 0)
		*out = c;
	return r;
}
