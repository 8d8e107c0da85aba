// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a message in correlate: from the operation in a queue directory to the event.
 *
 * Most MTAs commit with one operation, done by a process of the injection itself. Postfix needs
 * more: postdrop renames an empty file to maildrop/X (first id), pickup hands it to a cleanup
 * process that renames an empty file to incoming/Y (the id), writes it, and pickup unlinks
 * maildrop/X once cleanup has said that Y is safe. pickup is one process and does one message at a
 * time (master.cf, maxproc 1), so when X goes, exactly one complete message "from userid" has come
 * since the last one went, and that is X's. Where there are more, or records were lost meanwhile,
 * the link would be a guess: the message then has no name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "trace/correlate_internal.h"

#define NS 1000000000ULL
/* How long a complete local message waits for pickup's unlink before its injection is given up. */
#define WAIT_PICKED_NS (5 * NS)
/* How long a message that only the log knows waits for its own removal. */
#define WAIT_LOG_NS (NS / 5)
/* How long a maildrop file may lie before it is reported under its first id (Postfix is down). */
#define WAIT_PICKUP_NS (10 * NS)
/* How long a file may stay incomplete; cleanup writes it within the SMTP client's timeouts. */
#define WAIT_FACTS_NS (600 * NS)
/* How long a bounce waits for the removal that tells whose it is: the MTA does that next. */
#define WAIT_PARENT_NS (2 * NS)
/* A message that is removed so soon after its bounce was queued was given up; a warning of a delay
 * is no bounce of it. */
#define BOUNCED_NS (10 * NS)
/* More waiting messages than this are reported without facts. */
#define WAITING_MAX 20000

/* ---- files in flight ---- */

static struct in_flight *in_flight_find(struct correlate *c, uint32_t queue, const char *id)
{
	struct in_flight probe = {0}, *f = NULL;

	probe.key.queue = queue;
	memcpy(probe.key.id, id, strnlen(id, sizeof(probe.key.id) - 1));
	HASH_FIND(hh, c->in_flight, &probe.key, sizeof(probe.key), f);
	return f;
}

static void in_flight_add(struct correlate *c, uint32_t queue, const char *id,
			  const struct st_task *task)
{
	struct in_flight *f;

	if (in_flight_find(c, queue, id))
		return;
	f = calloc(1, sizeof(*f));
	if (!f)
		return;
	f->key.queue = queue;
	f->task = *task;
	memcpy(f->key.id, id, strnlen(id, sizeof(f->key.id) - 1));
	HASH_ADD(hh, c->in_flight, key, sizeof(f->key), f);
}

void in_flight_drop(struct correlate *c, struct in_flight *f)
{
	HASH_DEL(c->in_flight, f);
	free(f);
}

static void set_orphan(struct correlate *c, struct in_flight *f, bool orphan)
{
	if (f->orphan == orphan)
		return;
	f->orphan = orphan;
	if (c->ops.orphaned)
		c->ops.orphaned(c->ops.arg, &c->queues[f->key.queue], orphan ? 1 : -1);
}

/* It became a message, or was taken back. */
static void in_flight_end(struct correlate *c, struct mta_queue *queue, struct in_flight *f)
{
	set_orphan(c, f, false);
	in_flight_drop(c, f);
	c->ops.counted(c->ops.arg, queue, -1, true);
}

/* Files whose writer is gone stay until the MTA's own clean-up (qmail-send: 36 hours). */
static void find_orphans(struct correlate *c)
{
	for (struct in_flight *f = c->in_flight; f; f = f->hh.next)
		if (!f->orphan && f->task.start && !task_find(c, &f->task) &&
		    !c->ops.alive(c->ops.arg, &f->task))
			set_orphan(c, f, true);
}

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
	struct bounced *b = &c->bounced[c->bounced_at++ % array_size(c->bounced)];

	if (!is_bounce(w) || !w->q.facts.parent_id[0])
		return;
	b->queue = w->q.queue;
	b->time = w->q.time;
	memcpy(b->id, w->q.facts.parent_id, sizeof(b->id));
}

static bool was_bounced(const struct correlate *c, const struct mta_queue *queue, const char *id,
			uint64_t now)
{
	for (size_t i = 0; i < array_size(c->bounced); i++)
		if (c->bounced[i].queue == queue && now - c->bounced[i].time < BOUNCED_NS &&
		    !strcmp(c->bounced[i].id, id))
			return true;
	return false;
}

/*
 * qmail and Sendmail do not write into a bounce which queue id it bounces. But qmail-send does one
 * thing at a time, and has qmail-clean unlink the bounced message right after (qmail-send.c,
 * messdone_do()); Sendmail's bounce is made by the process that then drops the bounced envelope
 * (envelope.c, dropenvelope()), unless its submission program sent it.
 */
static bool parent_follows(const struct waiting *w)
{
	const char *mta = w->q.queue->mta->name;

	if (!is_bounce(w) || w->q.facts.parent_id[0])
		return false;
	return !strcmp(mta, "qmail") ||
	       (!strcmp(mta, "sendmail") && w->q.has_facts && !w->q.facts.first_id[0]);
}

/* ---- messages that wait ---- */

static void emit(struct correlate *c, struct queued *q)
{
	c->ops.queued(c->ops.arg, q);
}

static void wait_free(struct correlate *c, struct waiting *w)
{
	if (w->fd >= 0)
		c->ops.close(c->ops.arg, w->fd);
	injection_put(c, w->q.injection);
	origin_unref(c, w->q.session);
	free(w);
	c->waiting_count--;
}

static void wait_remove(struct correlate *c, struct waiting *w)
{
	for (struct waiting **p = &c->waiting; *p; p = &(*p)->next) {
		if (*p == w) {
			*p = w->next;
			wait_free(c, w);
			return;
		}
	}
}

static struct waiting *wait_find(struct correlate *c, const struct mta_queue *queue, const char *id,
				 bool pickup)
{
	for (struct waiting *w = c->waiting; w; w = w->next)
		if (w->q.queue == queue && (w->state == WAIT_PICKUP) == pickup &&
		    !strcmp(pickup ? w->q.first_id : w->q.id, id))
			return w;
	return NULL;
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

/* Does this queue's MTA give a message two ids, so that local mail waits for its first to go? What
 * could not be read may be local. */
static bool two_ids(const struct waiting *w)
{
	if (w->q.actor.peer[0])
		return !strcmp(w->q.actor.peer, "pickup");
	return (!w->q.has_facts || w->q.facts.local) && !strcmp(w->q.queue->mta->name, "postfix");
}

/* A message whose file is gone, and nothing else tells whom cleanup had it from: the log does, a
 * moment later. */
static void ask_log(struct correlate *c, struct waiting *w)
{
	const char *daemon;

	if (w->q.has_facts || !w->q.no_facts || w->q.actor.peer[0] || !c->ops.daemon || !two_ids(w))
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
		if (w->q.has_facts && (w->q.facts.from_network || w->port))
			correlate_join_session(c, w);
		if (two_ids(w) && !w->q.injection) {
			w->state = WAIT_PICKED;
			w->since = now;
			return false;
		} else if (parent_follows(w)) {
			w->state = WAIT_PARENT;
			w->since = now;
		} else {
			note_bounced(c, w);
			emit(c, &w->q);
			return true;
		}
	}
	return false;
}

static bool lost_since(const struct correlate *c, uint64_t time);

/*
 * Is a maildrop file gone although nobody was seen to take it, because records were lost? Its
 * message is then in the queue under its own id, told without its injection or lost with the rest;
 * under the first id it would be told twice, and that id is nowhere.
 */
static bool gone_unseen(struct correlate *c, const struct waiting *w)
{
	int fd;

	if (!lost_since(c, w->q.time))
		return false;
	fd = c->ops.open(c->ops.arg, w->q.queue, w->q.first_id);
	if (fd >= 0)
		c->ops.close(c->ops.arg, fd);
	if (fd == -ENOENT)
		c->ops.counted(c->ops.arg, w->q.queue, -1, false);
	return fd == -ENOENT;
}

/* What the log says of a message without a file is believed a moment later: its removal, unread
 * yet, may show that it never was one. */
static bool known_by_log(struct correlate *c, struct waiting *w, uint64_t now)
{
	if (w->state != WAIT_PICKED)
		return false;
	ask_log(c, w);
	if (two_ids(w) || (w->q.actor.run != RUN_BOUNCE && now < w->since + WAIT_LOG_NS))
		return false;
	note_bounced(c, w);
	emit(c, &w->q);
	return true;
}

static void expire(struct correlate *c, struct waiting *w, uint64_t now)
{
	uint64_t age = now > w->since ? now - w->since : 0;

	if (w->state == WAIT_PICKED && age > WAIT_PICKED_NS) {
		w->q.doubt = "its passage through maildrop was not seen";
		emit(c, &w->q);
		wait_remove(c, w);
	} else if (w->state == WAIT_PARENT && age > WAIT_PARENT_NS) {
		emit(c, &w->q);
		wait_remove(c, w);
	} else if (w->state == WAIT_FACTS && age > WAIT_FACTS_NS) {
		w->q.no_facts = "the queue file was never completed";
		emit(c, &w->q);
		wait_remove(c, w);
	} else if (w->state == WAIT_PICKUP && !w->emitted && !w->joined && age > WAIT_PICKUP_NS) {
		if (gone_unseen(c, w)) {
			wait_remove(c, w);
			return;
		}
		memcpy(w->q.id, w->q.first_id, sizeof(w->q.id));
		w->q.no_facts = "it lies in the submission queue: is the MTA running?";
		emit(c, &w->q);
		w->emitted = true;
	}
}

void correlate_wait(struct correlate *c, uint64_t now)
{
	struct waiting *w, *next;

	for (w = c->waiting; w; w = next) {
		next = w->next;
		if (advance(c, w, now) || known_by_log(c, w, now))
			wait_remove(c, w);
		else
			expire(c, w, now);
	}
	find_orphans(c);
}

void correlate_flush(struct correlate *c)
{
	correlate_wait(c, 0);
	while (c->waiting) {
		struct waiting *w = c->waiting;

		if (w->state == WAIT_PICKUP)
			memcpy(w->q.id, w->q.first_id, sizeof(w->q.id));
		if (w->state == WAIT_PICKED)
			w->q.doubt = "its passage through maildrop was not seen";
		if (w->state != WAIT_PICKED && w->state != WAIT_PARENT && !w->q.no_facts)
			w->q.no_facts = "tracing ended before the message was complete";
		if (!w->emitted && !w->joined && !(w->state == WAIT_PICKUP && gone_unseen(c, w)))
			emit(c, &w->q);
		wait_remove(c, w);
	}
}

/* ---- operations ---- */

struct operation {
	const struct st_queue *raw;
	struct mta_queue *queue;
	uint32_t queue_index;
	char name[512], old[512];
	bool has_old;
	struct task *task;
	struct actor actor;
	const char *doubt; /* why it may be another task's; NULL: it is that task's */
	struct queue_change change;
};

static void fill_actor(struct operation *op)
{
	const struct st_queue *raw = op->raw;

	op->actor = (struct actor){
		.task = raw->h.task,
		.uid = raw->uid,
		.euid = raw->euid,
		.nspid = raw->nspid,
		.netns = raw->netns,
		.exe = raw->exe,
		.run = op->task ? op->task->run : RUN_OTHER,
		.before = op->task ? op->task->before : RUN_OTHER,
	};
	memcpy(op->actor.comm, raw->comm, sizeof(raw->comm));
	op->actor.comm[sizeof(op->actor.comm) - 1] = '\0';
	memcpy(op->actor.peer, raw->peer, sizeof(raw->peer));
	op->actor.peer[sizeof(op->actor.peer) - 1] = '\0';
	if (op->actor.peer[0])
		op->actor.run = op->queue->mta->classify(op->actor.peer, NULL, 0);
}

static struct waiting *wait_new(struct correlate *c, const struct operation *op,
				struct injection *i)
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->q.queue = op->queue;
	w->q.time = op->raw->h.time;
	w->q.actor = op->actor;
	w->q.doubt = op->doubt;
	w->q.injection = i;
	w->q.origin_lost = op->raw->injection && !injection_find(c, op->raw->injection);
	message_facts_init(&w->q.facts);
	if (i) {
		i->refs++;
		i->commits++;
	} else if (w->q.origin_lost) {
		c->stats.injections_lost++;
	}
	w->since = op->raw->h.time;
	w->fd = -1;
	w->next = c->waiting;
	c->waiting = w;
	c->waiting_count++;
	return w;
}

/* The injection that an operation belongs to. A daemon of the MTA has a line of descent, but
 * injects nothing itself. */
static struct injection *injection_of(struct correlate *c, const struct operation *op)
{
	struct injection *i = injection_find(c, op->raw->injection);

	if (!i && !op->raw->injection && op->task)
		i = op->task->injection; /* the kernel side's map was full */
	if (!i || i->role == ST_ROLE_INJECTOR || i->role == ST_ROLE_SMTPD)
		return i;
	return op->actor.run == RUN_FORWARD || op->actor.before == RUN_FORWARD ||
			       op->actor.run == RUN_BOUNCE
		       ? i
		       : NULL;
}

/* qmail-smtpd's environment, which qmail-queue inherits, names the client (tcp-environ(5)). */
static void session_of_environment(const struct injection *i, struct waiting *w)
{
	static const char name[] = "TCPREMOTEPORT=";

	for (size_t at = 0; i->env && at < i->env_len; at += strlen(i->env + at) + 1)
		if (!strncmp(i->env + at, name, sizeof(name) - 1))
			w->port = (uint16_t)strtoul(i->env + at + sizeof(name) - 1, NULL, 10);
}

static void on_commit(struct correlate *c, struct operation *op)
{
	struct injection *i = injection_of(c, op);
	struct in_flight *f = in_flight_find(c, op->queue_index, op->change.id);
	struct waiting *w;

	if (op->change.needs_run && op->actor.run == RUN_DELIVERY)
		return;
	if (f)
		in_flight_end(c, op->queue, f);
	c->ops.counted(c->ops.arg, op->queue, 1, false);
	w = wait_new(c, op, i);
	if (!w)
		return;
	w->state = WAIT_FACTS;
	memcpy(w->q.id, op->change.id, sizeof(w->q.id));
	/* Sendmail writes no port into the queue file; its process holds the session */
	w->port = op->raw->peer_port;
	if (op->task)
		memcpy(w->parent, op->task->bounces, sizeof(w->parent));
	if (i && (op->actor.run == RUN_SMTPD || op->actor.before == RUN_SMTPD))
		session_of_environment(i, w);
	if (c->waiting_count < WAITING_MAX)
		w->fd = c->ops.open(c->ops.arg, op->queue, w->q.id);
	else
		w->q.no_facts = "too many messages at once to read every file";
	if (advance(c, w, w->since))
		wait_remove(c, w);
}

static void on_pickup(struct correlate *c, struct operation *op)
{
	struct waiting *w;

	c->ops.counted(c->ops.arg, op->queue, 1, false);
	w = wait_new(c, op, injection_of(c, op));
	if (!w)
		return;
	w->state = WAIT_PICKUP;
	memcpy(w->q.first_id, op->change.id, sizeof(w->q.first_id));
}

/* ---- from maildrop to a message ---- */

void correlate_note_losses(struct correlate *c, uint64_t now)
{
	size_t max = array_size(c->losses);

	if (!c->ops.lost)
		return;
	c->losses[c->loss_at % max].time = now;
	c->losses[c->loss_at % max].count = c->ops.lost(c->ops.arg);
	c->loss_at++;
}

/* Were records lost after `time`? Readings are some time apart, so it may say yes when they were
 * lost just before. */
static bool lost_since(const struct correlate *c, uint64_t time)
{
	size_t max = array_size(c->losses);
	uint64_t before = 0;

	if (!c->ops.lost)
		return false;
	for (size_t i = c->loss_at; i > 0 && c->loss_at - i < max; i--) {
		if (c->losses[(i - 1) % max].time <= time) {
			before = c->losses[(i - 1) % max].count;
			break;
		}
	}
	return c->ops.lost(c->ops.arg) != before;
}

/*
 * The message that pickup made of a maildrop file: the one that was completed since pickup unlinked
 * the file before. NULL: none. *doubt says why it may be another one's. `pickup` may be NULL, for a
 * file that was there before tracing began.
 */
static struct waiting *picked_message(const struct correlate *c, const struct operation *op,
				      const struct waiting *pickup, const char **doubt)
{
	struct waiting *best = NULL;
	unsigned read = 0, unread = 0;

	for (struct waiting *w = c->waiting; w; w = w->next) {
		bool better, known, best_known;

		if (w->state != WAIT_PICKED || w->q.queue != op->queue || !two_ids(w))
			continue;
		if (w->q.time < c->picked[op->queue_index] ||
		    (pickup && w->q.time < pickup->q.time))
			continue;
		if (pickup && w->q.has_facts && w->q.facts.uid != COUNT_UNKNOWN &&
		    pickup->q.actor.uid != UID_UNKNOWN &&
		    w->q.facts.uid != (int64_t)pickup->q.actor.uid)
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
	else if (best && lost_since(c, best->q.time))
		*doubt = "records of the queue were lost while it passed through maildrop";
	return best;
}

static void take_pickup(struct waiting *w, const struct waiting *pickup)
{
	w->q.injection = pickup->q.injection;
	if (w->q.injection)
		w->q.injection->refs++;
	w->q.origin_lost = pickup->q.origin_lost;
	memcpy(w->q.first_id, pickup->q.first_id, sizeof(w->q.first_id));
	w->q.actor = pickup->q.actor;
	w->q.doubt = pickup->q.doubt;
}

/* A maildrop file went without becoming a message. */
static void drop_pickup(struct correlate *c, struct waiting *pickup, const char *why)
{
	if (pickup->q.injection && !pickup->emitted)
		c->ops.attempted(c->ops.arg, pickup->q.injection, why);
	wait_remove(c, pickup);
}

static void on_picked(struct correlate *c, struct operation *op)
{
	struct waiting *pickup = wait_find(c, op->queue, op->change.id, true), *w;
	const char *doubt = NULL;
	bool unknown;

	c->ops.counted(c->ops.arg, op->queue, -1, false);
	/* the MTA has the message whole by now: what waits for its file can be told */
	correlate_wait(c, op->raw->h.time);
	if (pickup && pickup->joined) {
		wait_remove(c, pickup);
		return;
	}
	if (pickup && pickup->q.injection && injection_of(c, op) == pickup->q.injection) {
		/* postdrop itself took it away: the injector died or was refused */
		pickup->q.injection->commits--;
		wait_remove(c, pickup);
		return;
	}
	unknown = c->late && !op->actor.comm[0];
	if (!unknown && strcmp(op->actor.comm, "pickup")) {
		if (pickup)
			drop_pickup(c, pickup,
				    "it was removed from maildrop before it became a message");
		return;
	}
	correlate_wait(c, op->raw->h.time);
	for (w = c->waiting; w; w = w->next)
		if (w->state == WAIT_PICKED)
			ask_log(c, w);
	w = picked_message(c, op, pickup, &doubt);
	if (unknown && !doubt)
		doubt = "who took it from maildrop was gone before it could be asked";
	c->picked[op->queue_index] = op->raw->h.time;
	if (!w) {
		if (pickup)
			drop_pickup(c, pickup, "it reached maildrop, but no message came of it");
		return;
	}
	w->q.doubt = doubt;
	if (pickup && !doubt)
		take_pickup(w, pickup);
	if (!pickup || !pickup->emitted)
		emit(c, &w->q);
	wait_remove(c, w);
	if (pickup)
		wait_remove(c, pickup);
}

/* What its removal tells of bounces: looks at those whose file is complete by now, and names the
 * one that this is the parent of. */
static bool ends_bounced(struct correlate *c, const struct operation *op)
{
	struct waiting *w, *next, *of = NULL;

	for (w = c->waiting; w; w = next) {
		next = w->next;
		if (w->q.queue != op->queue || !strcmp(w->q.id, op->change.id))
			continue;
		if ((w->state == WAIT_FACTS && may_be_bounce(w) &&
		     advance(c, w, op->raw->h.time)) ||
		    known_by_log(c, w, op->raw->h.time)) {
			wait_remove(c, w);
			continue;
		}
		if (w->state == WAIT_PARENT &&
		    (!strcmp(op->actor.comm, "qmail-clean") ||
		     !memcmp(&w->q.actor.task, &op->actor.task, sizeof(op->actor.task))))
			of = w;
	}
	if (of) {
		memcpy(of->q.facts.parent_id, op->change.id, sizeof(of->q.facts.parent_id));
		emit(c, &of->q);
		wait_remove(c, of);
		return true;
	}
	return was_bounced(c, op->queue, op->change.id, op->raw->h.time);
}

/* A message that waits, and is removed. Returns whether it never was one. */
static bool removed_while_waiting(struct correlate *c, const struct operation *op,
				  struct waiting *w)
{
	/* the client gave up, or the message was refused */
	if (op->change.incomplete || (w->state == WAIT_FACTS && !read_facts(c, w))) {
		if (w->q.injection)
			w->q.injection->commits--;
		wait_remove(c, w);
		return true;
	}
	if (w->state == WAIT_PARENT || (w->state == WAIT_FACTS && advance(c, w, op->raw->h.time))) {
		if (w->state == WAIT_PARENT)
			emit(c, &w->q);
		wait_remove(c, w);
	}
	return false;
}

static void on_remove(struct correlate *c, struct operation *op)
{
	struct in_flight *f = in_flight_find(c, op->queue_index, op->change.id);
	struct waiting *w = wait_find(c, op->queue, op->change.id, false);
	struct removed r = {.queue = op->queue, .time = op->raw->h.time, .actor = op->actor};

	memcpy(r.id, op->change.id, sizeof(r.id));
	if (f) {
		in_flight_end(c, op->queue, f);
		r.aborted = true;
	} else {
		c->ops.counted(c->ops.arg, op->queue, -1, false);
	}
	r.aborted |= op->change.incomplete;
	if (w)
		r.aborted |= removed_while_waiting(c, op, w);
	r.by_tool = op->actor.run == RUN_QUERY;
	if (!r.aborted && !r.by_tool)
		r.bounced = op->change.failed || ends_bounced(c, op);
	c->ops.removed(c->ops.arg, &r);
}

static void apply(struct correlate *c, struct operation *op)
{
	struct waiting *w;

	switch (op->change.verb) {
	case QUEUE_NOTHING:
		break;
	case QUEUE_COMMIT:
		on_commit(c, op);
		break;
	case QUEUE_PICKUP:
		on_pickup(c, op);
		break;
	case QUEUE_PICKED:
		on_picked(c, op);
		break;
	case QUEUE_REMOVE:
	case QUEUE_ABORTED:
		on_remove(c, op);
		break;
	case QUEUE_STARTED:
		in_flight_add(c, op->queue_index, op->change.id, &op->actor.task);
		c->ops.counted(c->ops.arg, op->queue, 1, true);
		break;
	case QUEUE_MOVED:
		c->ops.counted(c->ops.arg, op->queue, 0, false);
		w = wait_find(c, op->queue, op->change.id, false);
		if (w && advance(c, w, op->raw->h.time))
			wait_remove(c, w);
		break;
	}
}

/* Strips a queue's root, as the MTA or as this process names it, from an absolute name. */
static bool below_root(const struct mta_queue *q, char *name)
{
	const char *const roots[] = {q->directory, q->inner};

	for (size_t i = 0; i < 2; i++) {
		const char *root =
			roots[i][0] == '/' ? roots[i] + 1 : roots[i]; /* names were normalised */
		size_t n = strlen(root);

		while (n && root[n - 1] == '/')
			n--;
		if (n && !strncmp(name, root, n) && name[n] == '/') {
			memmove(name, name + n + 1, strlen(name + n + 1) + 1);
			return true;
		}
	}
	return false;
}

/* Below its root no MTA makes a name that would have been cut; a root so long that it leaves no
 * room for one would. */
static bool names_are_short(const struct correlate *c, const struct st_queue *raw)
{
	for (size_t i = 0; (raw->flags & ST_Q_ABSOLUTE) && i < c->queue_count; i++)
		if (strlen(c->queues[i].directory) > 128 || strlen(c->queues[i].inner) > 128)
			return false;
	return true;
}

int correlate_queue(struct correlate *c, const struct record *r)
{
	struct operation op = {.raw = (const struct st_queue *)r->h};
	int err = record_queue_name(r, op.raw->name, op.name, sizeof(op.name));

	if (err == -ENAMETOOLONG && names_are_short(c, op.raw))
		return 0;
	if (err)
		return err;
	op.has_old = !(op.raw->flags & ST_Q_OLD_FOREIGN) &&
		     record_queue_name(r, op.raw->old, op.old, sizeof(op.old)) == 0;
	op.queue_index = op.raw->queue;
	if (op.raw->flags & ST_Q_ABSOLUTE) {
		size_t i;

		for (i = 0; i < c->queue_count; i++)
			if (below_root(&c->queues[i], op.name))
				break;
		if (i == c->queue_count)
			return 0;
		op.queue_index = (uint32_t)i;
		if (op.has_old && !below_root(&c->queues[i], op.old))
			op.has_old = false;
	}
	if (op.queue_index >= c->queue_count)
		return -EPROTO;
	op.queue = &c->queues[op.queue_index];
	if (c->late && !op.raw->h.task.start) {
		op.task = late_find(c, op.raw->h.task.tgid, &op.doubt);
		op.actor.task = op.raw->h.task;
		late_actor(c, op.task, &op.actor);
		if (op.raw->flags & ST_Q_FOUND_NEW)
			op.doubt = "it was found in a new directory, not seen to come there";
	} else {
		op.task = task_find(c, &op.raw->h.task);
		fill_actor(&op);
	}
	op.queue->mta->interpret(op.queue, op.raw->op, op.name, op.has_old ? op.old : NULL,
				 op.actor.nspid, &op.change);
	apply(c, &op);
	return 0;
}
