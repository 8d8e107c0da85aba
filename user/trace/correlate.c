// SPDX-License-Identifier: GPL-2.0-only
#include "trace/correlate.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "trace/correlate_internal.h"

/* No connection is tried for so long (tcp_syn_retries of tcp(7): some minutes). */
#define CONNECTING_NS (1800 * NS_PER_S)

/*
 * The tracer is held to 32 MiB. A first id that was told takes 128 bytes, one that was not some 2.5
 * KiB with its injection and origin, and so does a connection with its origin, tried or open; a
 * file in flight takes 176 bytes.
 */
static const struct limits limits = {
	.first_ids = 100000,
	.untold = 4096,
	.connecting = 4096,
	.open = 8192,
	.closed = 4096,
	.left = 32768,
};

int correlate_new(const struct correlate_ops *ops, struct mta_queue *queues, size_t queue_count,
		  struct correlate **out)
{
	struct correlate *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->picked = calloc(queue_count ? queue_count : 1, sizeof(*c->picked));
	if (!c->picked) {
		free(c);
		return -ENOMEM;
	}
	c->ops = *ops;
	c->limits = limits;
	c->queues = queues;
	c->queue_count = queue_count;
	*out = c;
	return 0;
}

void correlate_free(struct correlate *c)
{
	struct task *t, *t_next;
	struct injection *i, *i_next;
	struct origin *o, *o_next;

	if (!c)
		return;
	HASH_ITER(hh, c->tasks, t, t_next)
	{
		late_dropped(c, t);
		HASH_DEL(c->tasks, t);
		free(t);
	}
	while (c->waiting)
		wait_remove(c, c->waiting);
	correlate_pickups_free(c);
	while (c->in_flight)
		in_flight_drop(c, c->in_flight);
	ahead_clear(c);
	correlate_sessions_free(c);
	HASH_ITER(hh, c->injections, i, i_next)
	{
		HASH_DEL(c->injections, i);
		injection_free(i);
	}
	HASH_ITER(hh, c->origins, o, o_next)
	{
		HASH_DEL(c->origins, o);
		origin_free(o);
	}
	free(c->picked);
	free(c);
}

/* ---- references ---- */

void origin_put(struct correlate *c, struct origin *o)
{
	while (o && !--o->refs) {
		struct origin *parent = NULL;

		if (o->parent)
			HASH_FIND(hh, c->origins, &o->parent, sizeof(o->parent), parent);
		HASH_DEL(c->origins, o);
		c->origin_count--;
		origin_free(o);
		o = parent;
	}
}

struct origin *origin_ref(struct origin *o)
{
	if (o)
		o->refs++;
	return o;
}

struct origin *origin_get(struct correlate *c, uint64_t id)
{
	struct origin *o = NULL;

	if (id)
		HASH_FIND(hh, c->origins, &id, sizeof(id), o);
	if (o)
		o->refs++;
	return o;
}

void origin_connected(struct correlate *c, struct origin *o)
{
	if (!o->connecting)
		return;
	o->connecting = false;
	DL_DELETE(c->connecting, o);
	c->connecting_count--;
	origin_put(c, o);
}

void origin_connects(struct correlate *c, struct origin *o)
{
	o->connecting = true;
	o->refs++;
	DL_APPEND(c->connecting, o);
	c->connecting_count++;
	while (c->connecting_count > c->limits.connecting) {
		c->stats.sessions_forgotten++;
		origin_connected(c, c->connecting);
	}
}

void injection_free(struct injection *i)
{
	free(i->filename);
	free(i->args);
	free(i->cwd);
	free(i->env);
	free(i->script);
	free(i->script_inner);
	free(i);
}

void injection_put(struct correlate *c, struct injection *i)
{
	if (!i || --i->refs)
		return;
	HASH_DEL(c->injections, i);
	correlate_pickups_leave(i);
	origin_put(c, i->origin);
	injection_free(i);
}

struct injection *injection_find(struct correlate *c, uint64_t id)
{
	struct injection *i = NULL;

	if (id)
		HASH_FIND(hh, c->injections, &id, sizeof(id), i);
	return i;
}

/* ---- tasks ---- */

struct task *task_find(struct correlate *c, const struct st_task *key)
{
	struct task *t = NULL;

	HASH_FIND(hh, c->tasks, key, sizeof(*key), t);
	return t;
}

void task_drop(struct correlate *c, struct task *t)
{
	struct injection *i = t->injection;

	late_dropped(c, t);
	HASH_DEL(c->tasks, t);
	origin_put(c, t->origin);
	free(t);
	if (!i)
		return;
	i->tasks--;
	/* What takes one message and ends without one is an attempt; daemons, queries and servers
	 * take none or many. */
	if (!i->tasks && !i->commits && !i->attempt_told &&
	    (i->run == RUN_SUBMIT || i->run == RUN_QUEUER))
		c->ops.attempted(c->ops.arg, i, NULL);
	injection_put(c, i);
}

struct task *task_add(struct correlate *c, const struct st_task *key, const struct task *parent,
		      uint64_t time, uint64_t origin, uint64_t injection)
{
	struct task *t = calloc(1, sizeof(*t)), *old = task_find(c, key);

	if (t) {
		t->key = *key;
		t->origin = origin_get(c, origin);
		t->origin_lost = origin && !t->origin;
		t->injection = injection_find(c, injection);
	}
	if (t && t->injection) {
		t->injection->refs++;
		t->injection->tasks++;
	}
	/* its exit was lost; it may be the last that had what this one has now */
	if (old)
		task_drop(c, old);
	if (!t)
		return NULL;
	HASH_ADD(hh, c->tasks, key, sizeof(t->key), t);
	late_added(c, t, parent, time);
	return t;
}

int correlate_record(struct correlate *c, const struct record *r)
{
	int err = 0;

	switch ((enum st_type)r->h->type) {
	case ST_ORIGIN:
		err = lineage_origin(c, r);
		break;
	case ST_FORK:
		err = lineage_fork(c, r);
		break;
	case ST_EXEC:
		err = lineage_exec(c, r);
		break;
	case ST_EXIT:
		err = lineage_end(c, r);
		break;
	case ST_ENV:
		err = lineage_env(c, r);
		break;
	case ST_QUEUE:
		err = correlate_queue(c, r);
		break;
	case ST_CONNECT:
		err = correlate_connect(c, r);
		break;
	case ST_OPEN:
	case ST_IMAGE:
	case ST_TYPE_COUNT:
		break;
	}
	if (err == -ENOMEM)
		c->stats.no_memory++;
	else if (err)
		c->stats.bad++;
	return err;
}

/*
 * Tasks whose exit was lost would keep their origin for ever. A few are looked at each time; one
 * that is gone is dropped the next time, because its last records may still be in the ring.
 */
static void sweep(struct correlate *c)
{
	struct task *t, *next;
	unsigned int left = HASH_COUNT(c->tasks) < 256 ? HASH_COUNT(c->tasks) : 256;

	HASH_ITER(hh, c->tasks, t, next)
	{
		if (!left--)
			break; /* those put to the end must not be met again in this round */
		if (t->ended) {
			continue; /* correlate_settle() drops it */
		} else if (t->gone) {
			c->stats.forgotten++;
			task_drop(c, t);
		} else {
			t->gone = !c->ops.alive(c->ops.arg, &t->key);
			/* to the end of the order, so that the next sweep looks at others */
			HASH_DEL(c->tasks, t);
			HASH_ADD(hh, c->tasks, key, sizeof(t->key), t);
		}
	}
}

/* Those whose connection's end was lost, or that had no room in the kernel's table. By now TCP has
 * given it up. */
static void forget_connecting(struct correlate *c, uint64_t now)
{
	while (c->connecting && now >= c->connecting->time + CONNECTING_NS) {
		c->stats.forgotten++;
		origin_connected(c, c->connecting);
	}
}

void correlate_tick(struct correlate *c, uint64_t now, uint64_t lost)
{
	correlate_wait(c, now);
	correlate_forget_sessions(c, now);
	correlate_note_losses(c, now, lost);
	if (now - c->swept > 1000000000ULL) {
		c->swept = now;
		if (HASH_COUNT(c->tasks) > 1024 || now - c->swept_all > 30000000000ULL) {
			c->swept_all = now;
			sweep(c);
			forget_connecting(c, now);
		}
	}
}

const struct origin *correlate_origin(const struct correlate *c, uint64_t id)
{
	struct origin *o = NULL;

	HASH_FIND(hh, c->origins, &id, sizeof(id), o);
	return o;
}

void correlate_stats(const struct correlate *c, struct correlate_stats *out)
{
	*out = c->stats;
	out->tasks = HASH_COUNT(c->tasks);
	out->origins = c->origin_count;
	out->injections = HASH_COUNT(c->injections);
	out->waiting = c->waiting_count + HASH_COUNT(c->pickups);
	out->sessions = HASH_COUNT(c->sessions);
	out->sessions_closed = c->closed_count;
	out->in_flight = HASH_COUNT(c->in_flight);
	out->in_flight_watched = HASH_COUNT(c->in_flight) - c->left_count;
	out->first_ids_untold = c->untold_count;
}
