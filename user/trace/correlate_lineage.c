// SPDX-License-Identifier: GPL-2.0-only
/* Forks, execs and ends of the processes that a script or an MTA is behind, and the scripts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "trace/correlate_internal.h"

int lineage_origin(struct correlate *c, const struct record *r)
{
	const struct st_origin *raw = (const struct st_origin *)r->h;
	struct origin *o, *known = NULL, *parent;
	const struct task *t = NULL;
	int err = origin_new(r, &o);

	if (err)
		return err;
	HASH_FIND(hh, c->origins, &o->id, sizeof(o->id), known);
	if (known) {
		origin_free(o);
		return -EEXIST;
	}
	parent = origin_get(c, o->parent);
	if (!parent) {
		o->parent_lost = o->parent;
		o->parent = 0;
	}
	origin_inherit(o, parent);
	HASH_ADD(hh, c->origins, id, sizeof(o->id), o);
	c->origin_count++;
	if (origin_wants_environment(o))
		c->ops.environment(c->ops.arg, o);
	o->refs = 1;
	if (raw->child.tgid) {
		t = task_add(c, &raw->child, NULL, raw->h.time, o->id, 0);
	} else if (raw->why == ST_BY_EXEC || raw->why == ST_BY_CGI || raw->why == ST_BY_SERVER) {
		t = task_add(c, &raw->h.task, NULL, raw->h.time, o->id, 0);
	} else {
		origin_connects(c, o); /* see correlate_connect() */
	}
	err = t || o->connecting ? 0 : -ENOMEM;
	origin_put(c, o);
	return err;
}

int lineage_env(struct correlate *c, const struct record *r)
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

int lineage_fork(struct correlate *c, const struct record *r)
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

int lineage_exec(struct correlate *c, const struct record *r)
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
	/* of more arguments than are kept the last might say otherwise; no daemon has as many */
	if (run == RUN_DAEMON && args.cut)
		run = RUN_SUBMIT;
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

int lineage_end(struct correlate *c, const struct record *r)
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
