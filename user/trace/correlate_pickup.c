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
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "trace/correlate_internal.h"

/* How long a first id may lie before it is reported under it (the MTA is down). */
#define WAIT_PICKUP_NS (10 * NS_PER_S)

static struct pickup *pickup_find(const struct correlate *c, uint32_t queue, const char *id)
{
	struct message_key key = message_key(queue, id);
	struct pickup *p = NULL;

	HASH_FIND(hh, c->pickups, &key, sizeof(key), p);
	return p;
}

static void pickup_drop(struct correlate *c, struct pickup *p)
{
	HASH_DEL(c->pickups, p);
	injection_put(c, p->injection);
	free(p);
}

int correlate_pickup_started(struct correlate *c, const struct operation *op)
{
	struct pickup *p = pickup_find(c, op->queue_index, op->change.id);
	bool lost;
	struct injection *i = injection_commits(c, op, &lost);

	c->ops.counted(c->ops.arg, op->queue, 1, false);
	if (p)
		pickup_drop(c, p); /* its end was lost */
	p = calloc(1, sizeof(*p));
	if (!p) {
		injection_put(c, i);
		return -ENOMEM;
	}
	p->time = op->raw->h.time;
	p->actor = op->actor;
	p->doubt = op->doubt;
	p->injection = i;
	p->origin_lost = lost;
	p->key = message_key(op->queue_index, op->change.id);
	HASH_ADD(hh, c->pickups, key, sizeof(p->key), p);
	return 0;
}

/* Gives it out as a message under its first id. */
static void tell(struct correlate *c, const struct pickup *p, const char *no_facts)
{
	struct queued q = {
		.queue = &c->queues[p->key.queue],
		.time = p->time,
		.actor = p->actor,
		.doubt = p->doubt,
		.injection = p->injection,
		.origin_lost = p->origin_lost,
		.no_facts = no_facts,
	};

	message_facts_init(&q.facts);
	memcpy(q.id, p->key.id, sizeof(q.id));
	memcpy(q.first_id, p->key.id, sizeof(q.first_id));
	c->ops.queued(c->ops.arg, &q);
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
		    pickup->actor.uid != UID_UNKNOWN &&
		    w->q.facts.uid != (int64_t)pickup->actor.uid)
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

static void take_pickup(struct waiting *w, const struct pickup *pickup)
{
	w->q.injection = pickup->injection;
	if (w->q.injection)
		w->q.injection->refs++;
	w->q.origin_lost = pickup->origin_lost;
	memcpy(w->q.first_id, pickup->key.id, sizeof(w->q.first_id));
	w->q.actor = pickup->actor;
	w->q.doubt = pickup->doubt;
}

/* A first id went without becoming a message. */
static void pickup_failed(struct correlate *c, struct pickup *p, const char *why)
{
	if (p->injection && !p->emitted)
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
	if (!p || !p->emitted)
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
	wait_advance(c, op->raw->h.time);
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

void correlate_pickup_joined(struct correlate *c, struct waiting *w)
{
	struct pickup *oldest = NULL;

	for (struct pickup *p = c->pickups; p; p = p->hh.next)
		if (!p->joined && p->injection == w->q.injection &&
		    (!oldest || p->time < oldest->time))
			oldest = p;
	if (!oldest)
		return;
	oldest->joined = true;
	memcpy(w->q.first_id, oldest->key.id, sizeof(w->q.first_id));
}

bool correlate_pickup_run(struct correlate *c, struct waiting *w, const struct injection *runner)
{
	if (runner->run != RUN_DAEMON)
		return false;
	for (struct pickup *p = c->pickups; p; p = p->hh.next) {
		if (p->joined || c->queues[p->key.queue].mta != w->q.queue->mta ||
		    strcmp(p->key.id, w->q.facts.first_id))
			continue;
		take_pickup(w, p);
		p->joined = true;
		w->told = p->emitted;
		break;
	}
	return true;
}

/*
 * Is a first id gone although nobody was seen to take it, because records were lost? Its message is
 * then in the queue under its own id, told without its injection or lost with the rest; under the
 * first id it would be told twice, and that id is nowhere.
 */
static bool gone_unseen(struct correlate *c, const struct pickup *p)
{
	struct mta_queue *queue = &c->queues[p->key.queue];
	int fd;

	if (!correlate_lost_since(c, p->time))
		return false;
	fd = c->ops.open(c->ops.arg, queue, p->key.id);
	if (fd >= 0)
		c->ops.close(c->ops.arg, fd);
	if (fd == -ENOENT)
		c->ops.counted(c->ops.arg, queue, -1, false);
	return fd == -ENOENT;
}

void correlate_pickups_expire(struct correlate *c, uint64_t now)
{
	struct pickup *p, *next;

	HASH_ITER(hh, c->pickups, p, next)
	{
		if (p->emitted || p->joined || now < p->time + WAIT_PICKUP_NS)
			continue;
		if (gone_unseen(c, p)) {
			pickup_drop(c, p);
			continue;
		}
		tell(c, p, "it lies in the submission queue: is the MTA running?");
		p->emitted = true;
	}
}

void correlate_pickups_free(struct correlate *c)
{
	struct pickup *p, *next;

	HASH_ITER(hh, c->pickups, p, next)
	{
		HASH_DEL(c->pickups, p);
		free(p);
	}
}

void correlate_pickups_flush(struct correlate *c)
{
	while (c->pickups) {
		struct pickup *p = c->pickups;

		if (!p->emitted && !p->joined && !gone_unseen(c, p))
			tell(c, p, "tracing ended before the message was complete");
		pickup_drop(c, p);
	}
}
