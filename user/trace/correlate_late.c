// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queue operations that come by another way than the ring, as fanotify's: the task that one is of
 * is found by its tgid, among those that are alive and those whose end was read only just now. A
 * tgid can be used again within that time; then who did it is not certain.
 */
#include <string.h>
#include <utlist.h>

#include "trace/correlate_internal.h"

void correlate_set_late(struct correlate *c)
{
	c->late = true;
	c->round = 1;
}

/* Those that ended with a tgid; the oldest, which leads to the others. */
static struct task *ended_with(const struct correlate *c, uint32_t tgid)
{
	struct task *oldest = NULL;

	HASH_FIND(by_tgid, c->ended_by_tgid, &tgid, sizeof(tgid), oldest);
	return oldest;
}

static void list_ended(struct correlate *c, struct task *t)
{
	struct task *oldest = ended_with(c, t->key.tgid);

	DL_APPEND(c->ended, t);
	if (!oldest)
		HASH_ADD(by_tgid, c->ended_by_tgid, key.tgid, sizeof(t->key.tgid), t);
	DL_APPEND2(oldest, t, older, newer);
}

static void unlist_ended(struct correlate *c, struct task *t)
{
	struct task *first = ended_with(c, t->key.tgid), *oldest = first;

	DL_DELETE(c->ended, t);
	DL_DELETE2(oldest, t, older, newer);
	if (oldest == first)
		return;
	HASH_DELETE(by_tgid, c->ended_by_tgid, first);
	if (oldest)
		HASH_ADD(by_tgid, c->ended_by_tgid, key.tgid, sizeof(oldest->key.tgid), oldest);
}

static void unlist(struct correlate *c, struct task *t)
{
	if (t->ended)
		unlist_ended(c, t);
	else
		HASH_DELETE(by_tgid, c->by_tgid, t);
}

static void end(struct correlate *c, struct task *t)
{
	if (t->ended)
		return;
	HASH_DELETE(by_tgid, c->by_tgid, t);
	t->ended = c->round;
	list_ended(c, t);
}

void late_added(struct correlate *c, struct task *t, const struct task *parent, uint64_t time)
{
	struct task *before = NULL;

	if (!c->late)
		return;
	HASH_FIND(by_tgid, c->by_tgid, &t->key.tgid, sizeof(t->key.tgid), before);
	if (before)
		end(c, before); /* its exit was lost */
	HASH_ADD(by_tgid, c->by_tgid, key.tgid, sizeof(t->key.tgid), t);
	t->since = time;
	if (parent)
		t->self = parent->self;
	t->self.task = t->key;
	/* a pid of another namespace is known of what execed only */
	t->self.nspid = parent && parent->self.nspid == parent->key.tgid ? t->key.tgid : 0;
}

void late_execed(struct correlate *c, struct task *t, const struct st_exec *e, const char *base)
{
	if (!c->late)
		return;
	t->self.uid = e->uid;
	t->self.euid = e->euid;
	t->self.nspid = e->nspid;
	t->self.netns = e->netns;
	t->self.exe = e->exe;
	memset(t->self.comm, 0, sizeof(t->self.comm));
	if (base) /* TASK_COMM_LEN is 16 */
		memcpy(t->self.comm, base, strnlen(base, 15));
}

bool late_ended(struct correlate *c, struct task *t)
{
	if (c->late)
		end(c, t);
	return c->late;
}

void late_dropped(struct correlate *c, struct task *t)
{
	if (c->late)
		unlist(c, t);
}

void correlate_settle(struct correlate *c)
{
	/* in the order of their ends */
	while (c->ended && c->ended->ended < c->round)
		task_drop(c, c->ended);
	c->round++;
	ahead_clear(c);
}

/* Neither a program of an MTA nor part of an injection: it leaves queues alone. */
static bool is_bystander(const struct task *t)
{
	return t->run == RUN_OTHER && !t->injection;
}

/* Part of an injection that has come to its message, or that said that it failed. */
static bool is_done(const struct task *t)
{
	return t->injection && (t->injection->commits || (t->ended && t->code >> 8 & 0xff));
}

static bool brings_message(const struct queue_change *what)
{
	switch (what->verb) {
	case QUEUE_COMMIT:
	case QUEUE_PICKUP:
	case QUEUE_STARTED:
		return !what->needs_run;
	default:
		return false;
	}
}

static bool is_out_of_question(const struct task *t, const struct queue_change *what)
{
	if (is_bystander(t) || is_done(t))
		return true;
	if (!brings_message(what))
		return false;
	/* a program by a name that is not known may be any */
	if (what->by && t->run != RUN_OTHER)
		return !(what->by & 1U << t->run);
	return t->run == RUN_DELIVERY || t->run == RUN_QUERY;
}

/* It has ended well, and did not do so without having done this. */
static bool has_to_have(const struct task *t, const struct queue_change *what)
{
	/* who was killed may have come to its commit, or not */
	if (!t->ended || t->code & 0x7f)
		return false;
	return !brings_message(what) || t->run == RUN_SUBMIT || t->run == RUN_QUEUER ||
	       t->run == RUN_BOUNCE;
}

/* Which of several with the same process id, in the order of their lives, did it? NULL: not known.
 */
static struct task *likeliest(struct task *ended, struct task *alive,
			      const struct queue_change *what)
{
	struct task *found = NULL, *next;

	for (struct task *t = ended ? ended : alive; t; t = next) {
		next = t == alive ? NULL : t->newer ? t->newer : alive;
		if (is_out_of_question(t, what))
			continue;
		if (found)
			return NULL;
		if (has_to_have(t, what))
			return t;
		found = t;
	}
	return found;
}

struct task *late_find(struct correlate *c, uint32_t tgid, const struct queue_change *what,
		       const char **doubt)
{
	struct task *ended = ended_with(c, tgid), *alive = NULL;

	HASH_FIND(by_tgid, c->by_tgid, &tgid, sizeof(tgid), alive);
	if (ended && (ended->newer || alive)) {
		*doubt = "its process id was used twice within a moment";
		return likeliest(ended, alive, what);
	}
	if (ended || !alive)
		return ended;
	/* its exit may be among what was lost, and the pid another's by now */
	if (correlate_lost_since(c, alive->since) && !c->ops.alive(c->ops.arg, &alive->key))
		*doubt = "records were lost, and its process id may have been used again";
	return alive;
}

void late_actor(struct correlate *c, const struct task *t, struct actor *out)
{
	if (t && t->self.exe.ino) {
		*out = t->self;
	} else {
		out->uid = out->euid = UID_UNKNOWN;
		if (c->ops.actor)
			c->ops.actor(c->ops.arg, out);
	}
	if (t) {
		out->task = t->key;
		out->run = t->run;
		out->before = t->before;
	}
}
