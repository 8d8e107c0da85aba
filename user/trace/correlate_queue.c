// SPDX-License-Identifier: GPL-2.0-only
/*
 * From an operation in a queue directory to what it means for a message: its MTA says so, and here
 * the message is begun, moved on or ended. What has to wait is in correlate_wait.c, what has two
 * ids in correlate_pickup.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace/correlate_internal.h"
#include "trace/pace.h"

/* More waiting messages than this are reported without facts. */
#define WAITING_MAX 20000

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

/* A daemon of the MTA has a line of descent, but injects nothing itself; nor does one that was
 * started while tracing, or a run of the queue, whose program is the injector's. */
struct injection *injection_of(struct correlate *c, const struct operation *op)
{
	struct injection *i = injection_find(c, op->raw->injection);

	if (!i && !op->raw->injection && op->task)
		i = op->task->injection; /* the kernel side's map was full */
	if (!i ||
	    ((i->role == ST_ROLE_INJECTOR || i->role == ST_ROLE_SMTPD) && i->run != RUN_DAEMON))
		return i;
	return op->actor.run == RUN_FORWARD || op->actor.before == RUN_FORWARD ||
			       op->actor.run == RUN_BOUNCE
		       ? i
		       : NULL;
}

struct injection *injection_commits(struct correlate *c, const struct operation *op, bool *lost)
{
	struct injection *i = injection_of(c, op);

	*lost = op->raw->injection && !injection_find(c, op->raw->injection);
	if (i) {
		i->refs++;
		i->commits++;
	} else if (*lost) {
		c->stats.injections_lost++;
	}
	return i;
}

/* qmail-smtpd's environment, which qmail-queue inherits, names the client (tcp-environ(5)). */
static void session_of_environment(const struct injection *i, struct waiting *w)
{
	static const char name[] = "TCPREMOTEPORT=";

	for (size_t at = 0; i->env && at < i->env_len; at += strlen(i->env + at) + 1)
		if (!strncmp(i->env + at, name, sizeof(name) - 1))
			w->port = (uint16_t)strtoul(i->env + at + sizeof(name) - 1, NULL, 10);
}

static void open_file(struct correlate *c, struct waiting *w)
{
	int fd = c->ops.open(c->ops.arg, w->q.queue, w->q.id);

	if (fd < 0 && fd != -ENOENT)
		w->q.no_facts = "the queue file could not be read";
	w->fd = fd < 0 ? -1 : fd;
}

static int on_commit(struct correlate *c, struct operation *op)
{
	struct in_flight *f = in_flight_find(c, op->queue_index, op->change.id);
	const struct injection *i;
	struct waiting *w;

	if (op->change.needs_run && op->actor.run == RUN_DELIVERY)
		return 0;
	if (f)
		in_flight_end(c, op->queue, f);
	c->ops.counted(c->ops.arg, op->queue, 1, false);
	c->stats.commits++;
	recent_note(&c->arrived, op->queue, op->change.id, op->raw->h.time);
	w = wait_new(c, op);
	if (!w)
		return -ENOMEM;
	i = w->q.injection;
	/* Sendmail writes no port into the queue file; its process holds the session */
	w->port = op->raw->peer_port;
	w->family = op->raw->peer_family;
	memcpy(w->addr, op->raw->peer_addr, sizeof(w->addr));
	if (op->task)
		memcpy(w->parent, op->task->bounces, sizeof(w->parent));
	if (i && (op->actor.run == RUN_SMTPD || op->actor.before == RUN_SMTPD) &&
	    !injection_by_hand(i))
		session_of_environment(i, w);
	if (ahead_removed(c, op->queue_index, w->q.id))
		w->fd = -1;
	else if (c->waiting_count < WAITING_MAX)
		open_file(c, w);
	else
		w->q.no_facts = "too many messages at once to read every file";
	wait_advance_one(c, w, w->since);
	return 0;
}

static void on_remove(struct correlate *c, struct operation *op)
{
	struct in_flight *f = in_flight_find(c, op->queue_index, op->change.id);
	struct waiting *w = wait_find(c, op->queue_index, op->change.id);
	struct removed r = {.queue = op->queue, .time = op->raw->h.time, .actor = op->actor};

	memcpy(r.id, op->change.id, sizeof(r.id));
	ahead_applied(c, op->queue_index, op->change.id);
	c->stats.brief +=
		recent_has(&c->arrived, op->queue, op->change.id, op->raw->h.time, PACE_BRIEF_NS);
	if (f) {
		in_flight_end(c, op->queue, f);
		r.aborted = true;
	} else {
		c->ops.counted(c->ops.arg, op->queue, -1, false);
	}
	r.aborted |= op->change.incomplete;
	if (w)
		r.aborted |= wait_removed(c, w, op->change.incomplete, r.time);
	r.by_tool = op->actor.run == RUN_QUERY;
	if (!r.aborted && !r.by_tool)
		r.bounced = op->change.failed || wait_ends_bounced(c, op);
	c->ops.removed(c->ops.arg, &r);
}

static int apply(struct correlate *c, struct operation *op)
{
	struct waiting *w;
	int err = 0;

	switch (op->change.verb) {
	case QUEUE_NOTHING:
		break;
	case QUEUE_COMMIT:
		err = on_commit(c, op);
		break;
	case QUEUE_PICKUP:
		err = correlate_pickup_started(c, op);
		break;
	case QUEUE_PICKED:
		correlate_picked(c, op);
		break;
	case QUEUE_REMOVE:
	case QUEUE_ABORTED:
		on_remove(c, op);
		break;
	case QUEUE_STARTED:
		err = in_flight_add(c, op->queue_index, op->change.id, &op->actor.task);
		if (!err)
			c->ops.counted(c->ops.arg, op->queue, 1, true);
		break;
	case QUEUE_MOVED:
		c->ops.counted(c->ops.arg, op->queue, 0, false);
		w = wait_find(c, op->queue_index, op->change.id);
		if (w)
			wait_advance_one(c, w, op->raw->h.time);
		break;
	}
	return err;
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

static void interpret(struct operation *op, uint32_t pid)
{
	op->queue->mta->interpret(op->queue, op->raw->op, op->name, op->has_old ? op->old : NULL,
				  pid, &op->change);
}

/* Its queue and its names below it. 1; 0: it is of no queue; -errno. */
static int read_operation(struct correlate *c, const struct record *r, struct operation *op)
{
	int err;

	*op = (struct operation){.raw = (const struct st_queue *)r->h};
	err = record_queue_name(r, op->raw->name, op->name, sizeof(op->name));
	if (err == -ENAMETOOLONG && names_are_short(c, op->raw))
		return 0;
	if (err)
		return err;
	op->has_old = !(op->raw->flags & ST_Q_OLD_FOREIGN) &&
		      record_queue_name(r, op->raw->old, op->old, sizeof(op->old)) == 0;
	op->queue_index = op->raw->queue;
	if (op->raw->flags & ST_Q_ABSOLUTE) {
		size_t i;

		for (i = 0; i < c->queue_count; i++)
			if (below_root(&c->queues[i], op->name))
				break;
		if (i == c->queue_count)
			return 0;
		op->queue_index = (uint32_t)i;
		if (op->has_old && !below_root(&c->queues[i], op->old))
			op->has_old = false;
	}
	if (op->queue_index >= c->queue_count)
		return -EPROTO;
	op->queue = &c->queues[op->queue_index];
	return 1;
}

int correlate_foresee(struct correlate *c, const struct record *r)
{
	struct operation op;
	int any = read_operation(c, r, &op);

	if (any <= 0)
		return any;
	interpret(&op, op.raw->h.task.tgid);
	if (op.change.verb == QUEUE_REMOVE)
		ahead_add(c, op.queue_index, op.change.id);
	return 0;
}

int correlate_queue(struct correlate *c, const struct record *r)
{
	struct operation op;
	int any = read_operation(c, r, &op);

	if (any <= 0)
		return any;
	if (c->late && !op.raw->h.task.start) {
		/* those that it may be of have the same pid */
		interpret(&op, op.raw->h.task.tgid);
		op.task = late_find(c, op.raw->h.task.tgid, &op.change, &op.doubt);
		op.actor.task = op.raw->h.task;
		late_actor(c, op.task, &op.actor);
		if (op.raw->flags & ST_Q_FOUND_NEW)
			op.doubt = "it was found in a new directory, not seen to come there";
	} else {
		op.task = task_find(c, &op.raw->h.task);
		fill_actor(&op);
	}
	interpret(&op, op.actor.nspid);
	return apply(c, &op);
}
