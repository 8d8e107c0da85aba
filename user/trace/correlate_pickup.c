// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages with two ids. Postfix's postdrop renames an empty file to maildrop/X (first id), pickup
 * hands it to a cleanup process that renames an empty file to incoming/Y (the id), writes it, and
 * pickup unlinks maildrop/X once cleanup has said that Y is safe. pickup is one process and does
 * one message at a time (master.cf, maxproc 1), so when X goes, exactly one complete message "from
 * userid" has come since the last one went, and that is X's. Where there are more, or records were
 * lost meanwhile, the link would be a guess: the message then has no name.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "trace/correlate_internal.h"

/* How long a first id may lie before it is reported under it (the MTA is down); and until one that
 * was not complete is looked at again. */
#define WAIT_PICKUP_NS (10 * NS_PER_S)

static unsigned key_length(const char *id)
{
	return (unsigned)(offsetof(struct message_key, id) + strlen(id));
}

static struct pickup *pickup_find(const struct correlate *c, uint32_t queue, const char *id)
{
	struct message_key key = message_key(queue, id);
	struct pickup *p = NULL;

	HASH_FIND(hh, c->pickups, &key, key_length(key.id), p);
	return p;
}

/* It needs no more to be told. */
static void let_go(struct correlate *c, struct pickup *p)
{
	struct untold *u = p->untold;

	if (!u)
		return;
	p->untold = NULL;
	DL_DELETE(c->untold, u);
	c->untold_count--;
	free(u);
	injection_put(c, p->injection);
}

static void leave_injection(struct pickup *p)
{
	if (p->injection)
		DL_DELETE(p->injection->pickups, p);
	p->injection = NULL;
}

void correlate_pickups_leave(struct injection *i)
{
	while (i->pickups)
		leave_injection(i->pickups);
}

static void pickup_drop(struct correlate *c, struct pickup *p)
{
	HASH_DEL(c->pickups, p);
	let_go(c, p);
	leave_injection(p);
	free(p);
}

static struct pickup *pickup_new(const struct operation *op)
{
	_free_ struct untold *u = calloc(1, sizeof(*u));
	size_t id_size = strlen(op->change.id) + 1;
	struct pickup *p = calloc(1, offsetof(struct pickup, id) + id_size);

	if (!u || !p) {
		free(p);
		return NULL;
	}
	p->time = op->raw->h.time;
	p->uid = op->actor.uid;
	p->queue = op->queue_index;
	memcpy(p->id, op->change.id, id_size);
	u->pickup = p;
	u->due = p->time + WAIT_PICKUP_NS;
	u->actor = op->actor;
	u->doubt = op->doubt;
	p->untold = take_ptr(u);
	return p;
}

/* Gives it out as a message under its first id. */
static void tell(struct correlate *c, const struct pickup *p, const char *no_facts)
{
	struct queued q = {
		.queue = &c->queues[p->queue],
		.time = p->time,
		.actor = p->untold->actor,
		.doubt = p->untold->doubt,
		.injection = p->injection,
		.origin_lost = p->untold->origin_lost,
		.no_facts = no_facts,
	};

	message_facts_init(&q.facts);
	memcpy(q.id, p->id, strlen(p->id));
	memcpy(q.first_id, p->id, strlen(p->id));
	c->ops.queued(c->ops.arg, &q);
}

/*
 * Is a first id gone although nobody was seen to take it, because records were lost? Its message is
 * then in the queue under its own id, told without its injection or lost with the rest; under the
 * first id it would be told twice, and that id is nowhere.
 */
static bool gone_unseen(struct correlate *c, const struct pickup *p)
{
	struct mta_queue *queue = &c->queues[p->queue];
	int fd;

	if (!correlate_lost_since(c, p->time))
		return false;
	fd = c->ops.open(c->ops.arg, queue, p->id);
	if (fd >= 0)
		c->ops.close(c->ops.arg, fd);
	if (fd == -ENOENT)
		c->ops.counted(c->ops.arg, queue, -1, false);
	return fd == -ENOENT;
}

/* Is it being written yet? Who writes it may take his time, and need not come to an end. */
static bool unfinished(struct correlate *c, const struct pickup *p)
{
	struct mta_queue *queue = &c->queues[p->queue];
	struct message_facts facts;
	int fd = c->ops.open(c->ops.arg, queue, p->id), err;

	if (fd < 0)
		return false;
	err = c->ops.facts(c->ops.arg, queue, fd, p->id, 0, &facts);
	c->ops.close(c->ops.arg, fd);
	return err == -EAGAIN;
}

static void put_off(struct correlate *c, struct untold *u, uint64_t now)
{
	u->due = now + WAIT_PICKUP_NS;
	DL_DELETE(c->untold, u);
	DL_APPEND(c->untold, u);
}

/* One that nothing was told of is told under its first id, if it is still there. */
static void tell_now(struct correlate *c, struct pickup *p, const char *no_facts)
{
	if (gone_unseen(c, p)) {
		pickup_drop(c, p);
		return;
	}
	tell(c, p, no_facts);
	let_go(c, p);
}

/* The oldest are told before their time, and the oldest of those told are forgotten. Should the
 * message of such a one come, it is told once more, as nobody's. */
static void make_room(struct correlate *c)
{
	while (c->untold_count > c->limits.untold)
		tell_now(c, c->untold->pickup,
			 "too many lie in the submission queue: is the MTA running?");
	while (HASH_COUNT(c->pickups) > c->limits.first_ids) {
		struct pickup *p = c->pickups;

		if (p->untold) {
			tell_now(c, p, "too many lie in the submission queue: is the MTA running?");
			continue;
		}
		if (!p->joined)
			c->stats.first_ids_forgotten++;
		pickup_drop(c, p);
	}
}

int correlate_pickup_started(struct correlate *c, const struct operation *op)
{
	struct pickup *p = pickup_find(c, op->queue_index, op->change.id);
	bool lost;
	struct injection *i = injection_commits(c, op, &lost);

	c->ops.counted(c->ops.arg, op->queue, 1, false);
	if (p)
		pickup_drop(c, p); /* its end was lost */
	p = pickup_new(op);
	if (!p) {
		injection_put(c, i);
		return -ENOMEM;
	}
	p->untold->origin_lost = lost;
	p->injection = i;
	if (i)
		DL_APPEND(i->pickups, p);
	DL_APPEND(c->untold, p->untold);
	c->untold_count++;
	HASH_ADD_KEYPTR(hh, c->pickups, &p->queue, key_length(p->id), p);
	make_room(c);
	return 0;
}

bool correlate_two_ids(const struct waiting *w)
{
	const char *pickup = w->q.queue->mta->pickup;

	if (!pickup)
		return false;
	if (w->q.actor.peer[0])
		return !strcmp(w->q.actor.peer, pickup);
	return !w->q.has_facts || w->q.facts.local;
}

/*
 * The message that pickup made of a first id: the one that was completed since it unlinked the one
 * before. NULL: none. *doubt says why it may be another one's. `pickup` may be NULL, for a file
 * that was there before tracing began.
 */
static struct waiting *picked_message(const struct correlate *c, const struct operation *op,
				      const struct pickup *pickup, const char **doubt)
{
	struct waiting *best = NULL, *w;
	unsigned read = 0, unread = 0;

	DL_FOREACH(c->waiting, w)
	{
		bool better, known, best_known;

		if (w->state != WAIT_PICKED || w->q.queue != op->queue || !correlate_two_ids(w))
			continue;
		if (w->q.time < c->picked[op->queue_index] || (pickup && w->q.time < pickup->time))
			continue;
		if (pickup && w->q.has_facts && w->q.facts.uid != COUNT_UNKNOWN &&
		    pickup->uid != UID_UNKNOWN && w->q.facts.uid != (int64_t)pickup->uid)
			continue;
		/* one that could be read, or that cleanup had from pickup, is known to be local */
		known = w->q.has_facts || w->q.actor.peer[0];
		best_known = best && (best->q.has_facts || best->q.actor.peer[0]);
		better = !best || (known && !best_known) ||
			 (known == best_known && w->q.time > best->q.time);
		if (better)
			best = w;
		if (known)
			read++;
		else
			unread++;
	}
	if (read > 1 || (!read && unread > 1))
		*doubt = "several messages passed through maildrop at once";
	else if (best && correlate_lost_since(c, best->q.time))
		*doubt = "records of the queue were lost while it passed through maildrop";
	return best;
}

/* Whose the message is. Where that has been told, its name is not asked for any more. */
static void take_pickup(struct waiting *w, const struct pickup *pickup)
{
	w->told = !pickup->untold;
	memcpy(w->q.first_id, pickup->id, strlen(pickup->id) + 1);
	if (w->told)
		return;
	w->q.injection = pickup->injection;
	if (w->q.injection)
		w->q.injection->refs++;
	w->q.origin_lost = pickup->untold->origin_lost;
	w->q.actor = pickup->untold->actor;
	w->q.doubt = pickup->untold->doubt;
}

/* A first id went without becoming a message. */
static void pickup_failed(struct correlate *c, struct pickup *p, const char *why)
{
	if (p->injection && p->untold)
		c->ops.attempted(c->ops.arg, p->injection, why);
	pickup_drop(c, p);
}

/* pickup took it. `unknown`: or somebody else did. */
static void become_message(struct correlate *c, const struct operation *op, struct pickup *p,
			   bool unknown)
{
	const char *doubt = NULL;
	struct waiting *w;

	correlate_ask_log(c);
	w = picked_message(c, op, p, &doubt);
	if (unknown && !doubt)
		doubt = "who took it from maildrop was gone before it could be asked";
	else if (!p && !doubt && c->stats.first_ids_forgotten)
		doubt = "more waited in maildrop than are remembered: it may have been told "
			"already";
	c->picked[op->queue_index] = op->raw->h.time;
	if (!w) {
		if (p && correlate_lost_since(c, p->time)) /* its commit may be among that */
			pickup_drop(c, p);
		else if (p)
			pickup_failed(c, p, "it reached maildrop, but no message came of it");
		return;
	}
	w->q.doubt = doubt;
	if (p && !doubt)
		take_pickup(w, p);
	if (!p || p->untold)
		c->ops.queued(c->ops.arg, &w->q);
	wait_remove(c, w);
	if (p)
		pickup_drop(c, p);
}

void correlate_picked(struct correlate *c, const struct operation *op)
{
	struct pickup *p = pickup_find(c, op->queue_index, op->change.id);
	bool unknown = c->late && !op->actor.comm[0];

	c->ops.counted(c->ops.arg, op->queue, -1, false);
	/* the MTA has the message whole by now: what waits for its file can be told */
	wait_advance_picked(c, op->queue, op->raw->h.time);
	if (p && p->joined) {
		pickup_drop(c, p);
	} else if (p && p->injection && injection_of(c, op) == p->injection) {
		/* postdrop itself took it away: the injector died or was refused */
		p->injection->commits--;
		pickup_drop(c, p);
	} else if (unknown ||
		   (op->queue->mta->pickup && !strcmp(op->actor.comm, op->queue->mta->pickup))) {
		become_message(c, op, p, unknown);
	} else if (p) {
		pickup_failed(c, p, "it was removed from maildrop before it became a message");
	}
}

static void join(struct correlate *c, struct pickup *p)
{
	p->joined = true;
	let_go(c, p);
	leave_injection(p);
}

void correlate_pickup_joined(struct correlate *c, struct waiting *w)
{
	struct pickup *oldest = w->q.injection->pickups;

	if (!oldest)
		return;
	w->told = !oldest->untold;
	memcpy(w->q.first_id, oldest->id, strlen(oldest->id) + 1);
	join(c, oldest);
}

bool correlate_pickup_run(struct correlate *c, struct waiting *w, const struct injection *runner)
{
	if (runner->run != RUN_DAEMON)
		return false;
	for (uint32_t i = 0; i < c->queue_count; i++) {
		struct pickup *p = pickup_find(c, i, w->q.facts.first_id);

		if (!p || p->joined || c->queues[i].mta != w->q.queue->mta)
			continue;
		take_pickup(w, p);
		join(c, p);
		break;
	}
	return true;
}

void correlate_pickups_expire(struct correlate *c, uint64_t now)
{
	while (c->untold && now >= c->untold->due) {
		if (unfinished(c, c->untold->pickup))
			put_off(c, c->untold, now);
		else
			tell_now(c, c->untold->pickup,
				 "it lies in the submission queue: is the MTA running?");
	}
}

void correlate_pickups_free(struct correlate *c)
{
	while (c->pickups)
		pickup_drop(c, c->pickups);
}

void correlate_pickups_flush(struct correlate *c)
{
	while (c->pickups) {
		struct pickup *p = c->pickups;

		if (p->untold && !gone_unseen(c, p))
			tell(c, p, "tracing ended before the message was complete");
		pickup_drop(c, p);
	}
}
