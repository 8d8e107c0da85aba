// SPDX-License-Identifier: GPL-2.0-only
#include "trace/correlate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "trace/correlate_internal.h"

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
	correlate_forget_sessions(c, UINT64_MAX);
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

static void origin_put(struct correlate *c, struct origin *o)
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

void origin_unref(struct correlate *c, struct origin *o)
{
	origin_put(c, o);
}

static struct origin *origin_get(struct correlate *c, uint64_t id)
{
	struct origin *o = NULL;

	if (id)
		HASH_FIND(hh, c->origins, &id, sizeof(id), o);
	if (o)
		o->refs++;
	return o;
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

static struct task *task_add(struct correlate *c, const struct st_task *key,
			     const struct task *parent, uint64_t time, uint64_t origin,
			     uint64_t injection)
{
	struct task *t = task_find(c, key);

	if (t)
		task_drop(c, t); /* its exit was lost */
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->key = *key;
	t->origin = origin_get(c, origin);
	t->origin_lost = origin && !t->origin;
	t->injection = injection_find(c, injection);
	if (t->injection) {
		t->injection->refs++;
		t->injection->tasks++;
	}
	HASH_ADD(hh, c->tasks, key, sizeof(t->key), t);
	late_added(c, t, parent, time);
	return t;
}

/* ---- lineage records ---- */

static int on_origin(struct correlate *c, const struct record *r)
{
	const struct st_origin *raw = (const struct st_origin *)r->h;
	struct origin *o, *known = NULL, *parent;
	struct task *t;
	int err = origin_new(r, &o);

	if (err)
		return err;
	HASH_FIND(hh, c->origins, &o->id, sizeof(o->id), known);
	if (known) {
		origin_free(o);
		return -EEXIST;
	}
	parent = origin_get(c, o->parent);
	if (!parent)
		o->parent = 0;
	origin_inherit(o, parent);
	HASH_ADD(hh, c->origins, id, sizeof(o->id), o);
	c->origin_count++;
	if (origin_wants_environment(o))
		c->ops.environment(c->ops.arg, o);
	o->refs = 1;
	if (raw->child.tgid) {
		t = task_add(c, &raw->child, NULL, raw->h.time, o->id, 0);
	} else if (raw->why == ST_BY_EXEC || raw->why == ST_BY_CGI) {
		t = task_add(c, &raw->h.task, NULL, raw->h.time, o->id, 0);
	} else {
		/* held until the connection's end, see correlate_connect() */
		o->refs++;
		t = NULL;
	}
	(void)t;
	origin_put(c, o);
	return 0;
}

static int on_env(struct correlate *c, const struct record *r)
{
	const struct st_env *e = (const struct st_env *)r->h;
	struct origin *o = NULL;

	HASH_FIND(hh, c->origins, &e->origin, sizeof(e->origin), o);
	return o ? origin_environment(o, r) : 0;
}

/* AUTH comes before the first message of a session, and is checked by a child of its own (qmail).
 */
static void note_checker(struct injection *i, const struct task *parent, uint32_t tgid)
{
	if (i && parent && parent->run == RUN_SMTPD && !i->has_queuer)
		i->checkers[i->checker_count++ % array_size(i->checkers)] = tgid;
}

static bool has_variable(const char *env, size_t len, const char *name)
{
	size_t n = strlen(name);

	for (size_t at = 0; env && at < len; at += strnlen(env + at, len - at) + 1)
		if (len - at > n && !memcmp(env + at, name, n) && env[at + n] == '=')
			return true;
	return false;
}

/* What an SMTP server gives to the program that writes the queue. */
static void note_queuer(struct injection *i, const struct record *r, const struct st_exec *e)
{
	struct text env = record_text(r, e->env);

	i->has_queuer = true;
	if (has_variable(env.s, env.len, "RELAYCLIENT") &&
	    !has_variable(i->env, i->env_len, "RELAYCLIENT"))
		i->relayed = true;
}

static int on_fork(struct correlate *c, const struct record *r)
{
	const struct st_fork *f = (const struct st_fork *)r->h;
	struct task *parent = task_find(c, &f->h.task), *t;

	if (!memcmp(&f->child, &f->h.task, sizeof(f->child)))
		return -EPROTO;
	t = task_add(c, &f->child, parent, f->h.time, f->origin, f->injection);
	if (!t)
		return -ENOMEM;
	note_checker(t->injection, parent, f->child.tgid);
	if (parent) {
		t->run = parent->run;
		t->before = parent->before;
		t->mta = parent->mta;
	}
	return 0;
}

static char *copy_bytes(struct text t, size_t *len)
{
	char *p;

	if (!t.len)
		return NULL;
	p = malloc(t.len + 1);
	if (!p)
		return NULL;
	memcpy(p, t.s, t.len);
	p[t.len] = '\0';
	if (len)
		*len = t.len;
	return p;
}

static struct injection *injection_new(struct correlate *c, const struct record *r,
				       const struct st_exec *e, struct task *t)
{
	struct injection *i = calloc(1, sizeof(*i));
	struct text args = record_text(r, e->args);
	char cwd[2048];

	if (!i)
		return NULL;
	i->id = e->injection;
	i->time = e->h.time;
	i->task = e->h.task;
	i->role = e->role;
	i->program = e->program;
	i->uid = e->uid;
	i->euid = e->euid;
	i->gid = e->gid;
	i->mntns = e->mntns;
	i->netns = e->netns;
	i->nspid = e->nspid;
	i->tty = e->tty;
	i->loginuid = e->loginuid;
	i->cgroup = e->cgroup;
	i->exit_code = i->exit_signal = -1;
	i->filename = copy_bytes(record_text(r, e->filename), NULL);
	i->args = copy_bytes(args, &i->args_len);
	i->args_cut = args.cut;
	i->env = copy_bytes(record_text(r, e->env), &i->env_len);
	i->script = copy_bytes(record_text(r, e->script), &i->script_len);
	i->script_inner = copy_bytes(record_text(r, e->script_inner), &i->script_inner_len);
	if (record_path(r, e->cwd, cwd, sizeof(cwd)) == 0)
		i->cwd = strdup(cwd);
	i->ancestors = e->ancestors < ST_MAX_ANCESTORS ? e->ancestors : ST_MAX_ANCESTORS;
	memcpy(i->ancestor, e->ancestor, sizeof(i->ancestor));
	i->origin = origin_get(c, e->origin);
	i->origin_lost = e->origin && !i->origin;
	if (i->origin_lost)
		c->stats.origins_lost++;
	HASH_ADD(hh, c->injections, id, sizeof(i->id), i);
	i->refs = 1;
	i->tasks = 1;
	t->injection = i;
	return i;
}

/* Exim submits a bounce by running itself with "-E<id>" (exim.c), and writes that id nowhere else.
 */
static void note_parent(struct task *t, struct text args)
{
	t->bounces[0] = '\0';
	for (size_t at = 0; t->run == RUN_BOUNCE && at < args.len;) {
		size_t n = strnlen(args.s + at, args.len - at);

		if (n > 2 && n - 2 < sizeof(t->bounces) && !memcmp(args.s + at, "-E", 2)) {
			memcpy(t->bounces, args.s + at + 2, n - 2);
			t->bounces[n - 2] = '\0';
		}
		at += n + 1;
	}
}

static int on_exec(struct correlate *c, const struct record *r)
{
	const struct st_exec *e = (const struct st_exec *)r->h;
	struct task *t = task_find(c, &e->h.task);
	struct text args = record_text(r, e->args);
	const struct mta *mta = NULL;
	const char *path = c->ops.program(c->ops.arg, e->program, &mta);
	const char *base = path && strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	struct injection *i;
	enum run run;

	/* The kernel side's word counts: another injection means that a record in between was lost.
	 */
	if (!t || (t->injection && t->injection->id != e->injection))
		t = task_add(c, &e->h.task, NULL, e->h.time, e->origin, e->injection);
	if (!t)
		return -ENOMEM;
	if (!t->injection) {
		t->injection = injection_find(c, e->injection);
		if (t->injection) {
			t->injection->refs++;
			t->injection->tasks++;
		}
	}
	run = mta && base ? mta->classify(base, args.s, args.len) : RUN_OTHER;
	/* A sendmail that is a link to something else is what it is called. */
	if (run == RUN_OTHER && e->role == ST_ROLE_INJECTOR)
		run = RUN_SUBMIT;
	t->before = t->run;
	t->run = run;
	t->mta = mta;
	late_execed(c, t, e, base);
	note_parent(t, args);
	i = t->injection;
	if (!i) {
		i = injection_new(c, r, e, t);
		if (!i)
			return -ENOMEM;
		i->run = run;
		i->mta = mta;
	} else if (i->run == RUN_SUBMIT && (run == RUN_QUERY || run == RUN_DAEMON) && !i->commits &&
		   i->task.tgid == e->h.task.tgid) {
		i->run = run; /* sendmail -bp that execs qmail-qread or postqueue in place */
	} else if (run == RUN_QUEUER && t->before == RUN_SMTPD) {
		note_queuer(i, r, e);
	}
	return 0;
}

/* Nothing of it will be seen to be committed, and a child that delivers may live for days (dma). */
static void tell_unfollowed(struct correlate *c, struct injection *i)
{
	if (!i->mta || !i->mta->unfollowed || i->run != RUN_SUBMIT || i->commits || i->attempt_told)
		return;
	i->attempt_told = true;
	c->ops.attempted(c->ops.arg, i, NULL);
}

static int on_end(struct correlate *c, const struct record *r)
{
	const struct st_exit *e = (const struct st_exit *)r->h;
	struct task *t = task_find(c, &e->h.task);

	if (!t)
		return 0;
	if (t->injection && !memcmp(&t->injection->task, &t->key, sizeof(t->key))) {
		t->injection->exit_code = (int)(e->code >> 8 & 0xff);
		t->injection->exit_signal = (int)(e->code & 0x7f);
		tell_unfollowed(c, t->injection);
	}
	t->code = e->code;
	if (!late_ended(c, t))
		task_drop(c, t);
	return 0;
}

int correlate_record(struct correlate *c, const struct record *r)
{
	int err = 0;

	switch ((enum st_type)r->h->type) {
	case ST_ORIGIN:
		err = on_origin(c, r);
		break;
	case ST_FORK:
		err = on_fork(c, r);
		break;
	case ST_EXEC:
		err = on_exec(c, r);
		break;
	case ST_EXIT:
		err = on_end(c, r);
		break;
	case ST_ENV:
		err = on_env(c, r);
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
	if (err)
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

void correlate_tick(struct correlate *c, uint64_t now)
{
	correlate_wait(c, now);
	correlate_forget_sessions(c, now);
	correlate_note_losses(c, now);
	if (now - c->swept > 1000000000ULL) {
		c->swept = now;
		if (HASH_COUNT(c->tasks) > 1024 || now - c->swept_all > 30000000000ULL) {
			c->swept_all = now;
			sweep(c);
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
}
