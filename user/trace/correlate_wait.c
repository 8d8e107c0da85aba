// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages that are in the queue, and that something is still missing for: their file's end, the
 * end of their first id (correlate_pickup.c), the removal that tells what a bounce bounces, or the
 * line of the log that tells who logged in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "trace/correlate_internal.h"

/* How long a complete local message waits for the end of its first id before its injection is given
 * up. */
#define WAIT_PICKED_NS (5 * NS_PER_S)
/* How long a message that only the log knows waits for its own removal. */
#define WAIT_LOG_NS (NS_PER_S / 5)
/* How long a file may stay incomplete; cleanup writes it within the SMTP client's timeouts. */
#define WAIT_FACTS_NS (600 * NS_PER_S)
/* How long a bounce waits for the removal that tells whose it is: the MTA does that next. */
#define WAIT_PARENT_NS (2 * NS_PER_S)
/* How long a message waits for the log to name its mailbox: the MTA wrote that line before the
 * file, and syslog brings it a moment later. */
#define WAIT_LOGIN_NS (2 * NS_PER_S)
/* A message that is removed so soon after its bounce was queued was given up; a warning of a delay
 * is no bounce of it. */
#define BOUNCED_NS (10 * NS_PER_S)

/* ---- bounces and what they bounce ---- */

static bool is_bounce(const struct waiting *w)
{
	return w->q.actor.run == RUN_BOUNCE || (w->q.has_facts && w->q.facts.bounce);
}

/* Nothing but its file tells what it is, where who cleanup had it from is not known. */
static bool may_be_bounce(const struct waiting *w)
{
	return is_bounce(w) || (!w->q.actor.peer[0] && !w->q.injection);
}

static void note_bounced(struct correlate *c, const struct waiting *w)
{
	if (is_bounce(w) && w->q.facts.parent_id[0])
		recent_note(&c->bounced, w->q.queue, w->q.facts.parent_id, w->q.time);
}

/* Will a removal tell what it bounces? */
static bool parent_follows(const struct waiting *w)
{
	const char *by = w->q.queue->mta->bounced_by;

	if (!by || !is_bounce(w) || w->q.facts.parent_id[0])
		return false;
	/* what came through a submission queue was written by its program */
	return by[0] || (w->q.has_facts && !w->q.facts.first_id[0]);
}

/* Has the log said anything since this message asked it last? It asks now. */
static bool log_has_more(struct correlate *c, struct waiting *w)
{
	uint64_t said;

	if (!c->ops.log_said)
		return true;
	said = c->ops.log_said(c->ops.arg) + 1;
	if (said == w->log_said)
		return false;
	w->log_said = said;
	return true;
}

/* Will the log tell who logged in? Takes what it says by now. */
static bool login_follows(struct correlate *c, struct waiting *w)
{
	struct message_facts *f = &w->q.facts;
	const char *name;

	if (!w->q.has_facts || !f->from_network || !f->authenticated || f->auth_user[0] ||
	    w->q.session || !c->ops.mailbox)
		return false;
	name = log_has_more(c, w) ? c->ops.mailbox(c->ops.arg, &w->q) : NULL;
	if (!name)
		return true;
	text_copy(f->auth_user, sizeof(f->auth_user), name);
	w->q.logged = true;
	return false;
}

/* ---- messages that wait ---- */

static void emit(struct correlate *c, struct waiting *w)
{
	if (!w->told)
		c->ops.queued(c->ops.arg, &w->q);
}

struct waiting *wait_find(const struct correlate *c, uint32_t queue, const char *id)
{
	struct message_key key = message_key(queue, id);
	struct waiting *oldest = NULL;

	HASH_FIND(hh, c->by_id, &key, sizeof(key), oldest);
	return oldest;
}

static void list(struct correlate *c, struct waiting *w)
{
	struct waiting *oldest = wait_find(c, w->key.queue, w->key.id);

	DL_APPEND(c->waiting, w);
	c->waiting_count++;
	if (!oldest)
		HASH_ADD(hh, c->by_id, key, sizeof(w->key), w);
	DL_APPEND2(oldest, w, older, newer);
}

static void unlist(struct correlate *c, struct waiting *w)
{
	struct waiting *first = wait_find(c, w->key.queue, w->key.id), *oldest = first;

	DL_DELETE(c->waiting, w);
	c->waiting_count--;
	DL_DELETE2(oldest, w, older, newer);
	if (oldest == first)
		return;
	HASH_DEL(c->by_id, first);
	if (oldest)
		HASH_ADD(hh, c->by_id, key, sizeof(oldest->key), oldest);
}

struct waiting *wait_new(struct correlate *c, const struct operation *op)
{
	bool lost;
	struct injection *i = injection_commits(c, op, &lost);
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w) {
		injection_put(c, i);
		return NULL;
	}
	w->state = WAIT_FACTS;
	w->since = op->raw->h.time;
	w->fd = -1;
	w->q.queue = op->queue;
	memcpy(w->q.id, op->change.id, sizeof(w->q.id));
	w->q.time = op->raw->h.time;
	w->q.actor = op->actor;
	w->q.doubt = op->doubt;
	w->q.injection = i;
	w->q.origin_lost = lost;
	message_facts_init(&w->q.facts);
	w->key = message_key(op->queue_index, op->change.id);
	list(c, w);
	return w;
}

void wait_remove(struct correlate *c, struct waiting *w)
{
	unlist(c, w);
	if (w->fd >= 0)
		c->ops.close(c->ops.arg, w->fd);
	injection_put(c, w->q.injection);
	origin_put(c, w->q.session);
	free(w);
}

/* Reads what the file says. false: it is not written to its end yet. */
static bool read_facts(struct correlate *c, struct waiting *w)
{
	uint32_t pid = 0;
	int err;

	if (w->q.has_facts || w->q.no_facts)
		return true;
	if (w->fd < 0) {
		w->q.no_facts = "the queue file was gone before it could be read";
		return true;
	}
	/* only where the committing process itself signs the file */
	if (w->q.injection && w->q.actor.run == RUN_QUEUER && !w->q.first_id[0])
		pid = w->q.actor.nspid;
	err = c->ops.facts(c->ops.arg, w->q.queue, w->fd, w->q.id, pid, &w->q.facts);
	if (err == -EAGAIN)
		return false;
	if (err == -ESTALE)
		w->q.no_facts = "the queue file had been replaced by another message";
	else if (err)
		w->q.no_facts = "the queue file could not be read";
	else
		w->q.has_facts = true;
	return true;
}

/* A message whose file is gone, and nothing else tells whom cleanup had it from: the log does, a
 * moment later. */
static void ask_log(struct correlate *c, struct waiting *w)
{
	const char *daemon;

	if (w->q.has_facts || !w->q.no_facts || w->q.actor.peer[0] || !c->ops.daemon ||
	    !correlate_two_ids(w) || !log_has_more(c, w))
		return;
	daemon = c->ops.daemon(c->ops.arg, &w->q, &w->q.facts);
	if (!daemon)
		return;
	memcpy(w->q.actor.peer, daemon, strnlen(daemon, sizeof(w->q.actor.peer) - 1));
	w->q.actor.run = w->q.queue->mta->classify(w->q.actor.peer, NULL, 0);
	w->q.logged = true;
}

/* Returns true when it is done with and was freed by the caller's removal. */
static bool advance(struct correlate *c, struct waiting *w, uint64_t now)
{
	if (w->state == WAIT_FACTS && read_facts(c, w)) {
		if (w->parent[0] && !w->q.facts.parent_id[0])
			memcpy(w->q.facts.parent_id, w->parent, sizeof(w->parent));
		if (w->family || (w->q.has_facts && (w->q.facts.from_network || w->port)))
			correlate_join_session(c, w);
		if (correlate_two_ids(w) && !w->q.injection) {
			w->state = WAIT_PICKED;
			w->since = now;
			return false;
		} else if (parent_follows(w)) {
			w->state = WAIT_PARENT;
			w->since = now;
		} else if (login_follows(c, w)) {
			w->state = WAIT_LOGIN;
			w->since = now;
		} else {
			note_bounced(c, w);
			emit(c, w);
			return true;
		}
	}
	return false;
}

/* What the log says of a message without a file is believed a moment later: its removal, unread
 * yet, may show that it never was one. */
static bool known_by_log(struct correlate *c, struct waiting *w, uint64_t now)
{
	if (w->state == WAIT_LOGIN && !login_follows(c, w)) {
		emit(c, w);
		return true;
	}
	if (w->state != WAIT_PICKED)
		return false;
	ask_log(c, w);
	if (correlate_two_ids(w) || (w->q.actor.run != RUN_BOUNCE && now < w->since + WAIT_LOG_NS))
		return false;
	note_bounced(c, w);
	emit(c, w);
	return true;
}

static void expire(struct correlate *c, struct waiting *w, uint64_t now)
{
	uint64_t age = now > w->since ? now - w->since : 0;

	if (w->state == WAIT_PICKED && age > WAIT_PICKED_NS) {
		w->q.doubt = "its passage through maildrop was not seen";
		emit(c, w);
		wait_remove(c, w);
	} else if ((w->state == WAIT_PARENT && age > WAIT_PARENT_NS) ||
		   (w->state == WAIT_LOGIN && age > WAIT_LOGIN_NS)) {
		emit(c, w);
		wait_remove(c, w);
	} else if (w->state == WAIT_FACTS && age > WAIT_FACTS_NS) {
		w->q.no_facts = "the queue file was never completed";
		emit(c, w);
		wait_remove(c, w);
	}
}

void wait_advance_one(struct correlate *c, struct waiting *w, uint64_t now)
{
	if (advance(c, w, now))
		wait_remove(c, w);
}

void wait_advance(struct correlate *c, uint64_t now)
{
	struct waiting *w, *next;

	DL_FOREACH_SAFE(c->waiting, w, next)
	if (advance(c, w, now) || known_by_log(c, w, now))
		wait_remove(c, w);
}

void wait_advance_picked(struct correlate *c, const struct mta_queue *queue, uint64_t now)
{
	struct waiting *w, *next;

	DL_FOREACH_SAFE(c->waiting, w, next)
	if (w->q.queue->mta == queue->mta && (!queue->mta->pickup || correlate_two_ids(w)) &&
	    (advance(c, w, now) || known_by_log(c, w, now)))
		wait_remove(c, w);
}

void correlate_ask_log(struct correlate *c)
{
	struct waiting *w;

	DL_FOREACH(c->waiting, w)
	if (w->state == WAIT_PICKED)
		ask_log(c, w);
}

void correlate_wait(struct correlate *c, uint64_t now)
{
	struct waiting *w, *next;

	wait_advance(c, now);
	DL_FOREACH_SAFE(c->waiting, w, next)
	expire(c, w, now);
	correlate_pickups_expire(c, now);
	in_flight_find_orphans(c);
}

void correlate_flush(struct correlate *c)
{
	wait_advance(c, 0);
	while (c->waiting) {
		struct waiting *w = c->waiting;

		if (w->state == WAIT_PICKED)
			w->q.doubt = "its passage through maildrop was not seen";
		else if (w->state == WAIT_FACTS && !w->q.no_facts)
			w->q.no_facts = "tracing ended before the message was complete";
		emit(c, w);
		wait_remove(c, w);
	}
	correlate_pickups_flush(c);
}

static bool same_task(const struct waiting *w, const struct operation *op)
{
	return !memcmp(&w->q.actor.task, &op->actor.task, sizeof(op->actor.task));
}

/* What a removal tells of bounces: looks at those whose file is complete by now, and names the one
 * that this is the parent of. */
bool wait_ends_bounced(struct correlate *c, const struct operation *op)
{
	const char *by = op->queue->mta->bounced_by;
	struct waiting *w, *next, *of = NULL;

	DL_FOREACH_SAFE(c->waiting, w, next)
	{
		if (w->q.queue != op->queue || !strcmp(w->q.id, op->change.id))
			continue;
		if ((w->state == WAIT_FACTS && may_be_bounce(w) &&
		     advance(c, w, op->raw->h.time)) ||
		    known_by_log(c, w, op->raw->h.time))
			wait_remove(c, w);
		else if (w->state == WAIT_PARENT &&
			 (by && by[0] ? !strcmp(op->actor.comm, by) : same_task(w, op)))
			of = w;
	}
	if (!of)
		return recent_has(&c->bounced, op->queue, op->change.id, op->raw->h.time,
				  BOUNCED_NS);
	memcpy(of->q.facts.parent_id, op->change.id, sizeof(of->q.facts.parent_id));
	emit(c, of);
	wait_remove(c, of);
	return true;
}

bool wait_removed(struct correlate *c, struct waiting *w, bool incomplete, uint64_t now)
{
	/* the client gave up, or the message was refused */
	if (incomplete || (w->state == WAIT_FACTS && !read_facts(c, w))) {
		if (w->q.injection)
			w->q.injection->commits--;
		wait_remove(c, w);
		return true;
	}
	if (w->state == WAIT_PARENT || (w->state == WAIT_FACTS && advance(c, w, now))) {
		if (w->state == WAIT_PARENT)
			emit(c, w);
		wait_remove(c, w);
	}
	return false;
}
