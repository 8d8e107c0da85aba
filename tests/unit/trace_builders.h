/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the tests of user/trace and user/kernel/decode: records as the kernel side would send them,
 * and a small model of what the kernel side carries from task to task, so that a test says what
 * processes do and not what the wire looks like.
 */
#ifndef TRACE_BUILDERS_H
#define TRACE_BUILDERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/decode.h"

#pragma GCC diagnostic ignored "-Wunused-function"

/* ---- records ---- */

/* One record: its struct in bytes[], its strings behind it. */
struct rec {
	_Alignas(8) char bytes[sizeof(struct st_origin) + 32000];
	size_t fixed, len;
};

static void *rec_begin(struct rec *r, enum st_type type, size_t fixed, struct st_task task,
		       uint64_t time)
{
	struct st_header *h = (struct st_header *)r->bytes;

	memset(r->bytes, 0, fixed);
	h->type = (uint16_t)type;
	h->abi = ST_ABI;
	h->size = (uint32_t)fixed;
	h->time = time;
	h->task = task;
	r->fixed = r->len = fixed;
	return h;
}

static struct st_str rec_bytes(struct rec *r, const void *s, size_t n)
{
	struct st_str str = {.off = (uint16_t)(r->len - r->fixed), .len = n & 0x7fff};

	assert_true(r->len + n <= sizeof(r->bytes));
	memcpy(r->bytes + r->len, s, n);
	r->len += n;
	((struct st_header *)r->bytes)->size = (uint32_t)r->len;
	return str;
}

static struct st_str rec_text(struct rec *r, const char *s)
{
	return s ? rec_bytes(r, s, strlen(s)) : (struct st_str){0};
}

static struct st_str cut(struct st_str s)
{
	s.cut = 1;
	return s;
}

/* "a b c" as an argument block: "a\0b\0c\0". */
static struct st_str rec_words(struct rec *r, const char *words)
{
	char block[512];
	size_t n = strlen(words);

	assert_true(n < sizeof(block));
	memcpy(block, words, n + 1);
	for (size_t i = 0; i < n; i++)
		if (block[i] == ' ')
			block[i] = '\0';
	return rec_bytes(r, block, n + 1);
}

/* "/a/b" as the kernel side sends a directory: "b\0a\0". */
static struct st_str rec_dir(struct rec *r, const char *path)
{
	char block[4096];
	size_t at = 0;

	for (size_t end = strlen(path); end;) {
		size_t start = end;

		while (start && path[start - 1] != '/')
			start--;
		if (end > start) {
			memcpy(block + at, path + start, end - start);
			at += end - start;
			block[at++] = '\0';
		}
		end = start ? start - 1 : 0;
	}
	return rec_bytes(r, block, at);
}

static struct record rec_record(const struct rec *r)
{
	struct record out;

	assert_int_equal(record_decode(r->bytes, r->len, &out), 0);
	return out;
}

/* ---- a model of the kernel side ---- */

#define SIM_PIDS 4096

struct sim_task {
	uint32_t life;  /* a pid that is used again begins another */
	uint64_t start; /* boot ns; 0: some number of its own */
	bool carries, dying, dead;
	uint64_t origin, injection;
	uint32_t uid;
	char comm[16];
};

struct sim {
	char peer[16];   /* Postfix: who cleanup has its messages from */
	uint16_t socket; /* remote port of the local SMTP session that who commits next holds */
	uint64_t now, next_id;
	struct sim_task task[SIM_PIDS];
	void (*send)(void *arg, const struct rec *r); /* what the ring delivers */
	void *arg;
	bool lose;            /* the next record finds the ring full */
	bool timed;           /* a child starts now, by the clock that records have */
	uint32_t loginuid;    /* of who execs next */
	uint64_t sock;        /* of who connects next; 0: every port has its own */
	bool args_cut;        /* it has more arguments than are kept */
	char env[64];         /* and one variable of its environment, "" for none */
	const char *function; /* that PHP workers are in, NULL: none */
	unsigned sent, lost;
	struct rec rec;
};

static struct st_task sim_key(const struct sim *s, uint32_t pid)
{
	const struct sim_task *t = &s->task[pid];

	return (struct st_task){.tgid = pid,
				.start = t->start ? t->start : (uint64_t)t->life * 100000 + pid};
}

static void sim_send(struct sim *s)
{
	if (s->lose) {
		s->lost++;
		s->lose = false;
		return;
	}
	s->sent++;
	s->send(s->arg, &s->rec);
}

static void *sim_begin(struct sim *s, enum st_type type, size_t fixed, uint32_t pid)
{
	s->now += 1000;
	return rec_begin(&s->rec, type, fixed, sim_key(s, pid), s->now);
}

static void sim_child(struct sim *s, uint32_t parent, uint32_t child)
{
	uint32_t life = s->task[child].life;

	s->task[child] = s->task[parent];
	s->task[child].life = life + 1;
	s->task[child].start = s->timed ? s->now : 0;
	s->task[child].dead = s->task[child].dying = false;
}

/* A PHP worker that runs `script` forks. */
static uint64_t sim_origin(struct sim *s, uint32_t worker, uint32_t child, const char *script,
			   enum st_sapi sapi, enum st_origin_why why)
{
	struct st_origin *o;

	if (why == ST_BY_FORK)
		sim_child(s, worker, child);
	o = sim_begin(s, ST_ORIGIN, sizeof(*o), worker);
	o->id = ++s->next_id;
	o->why = (uint8_t)why;
	if (why == ST_BY_FORK)
		o->child = sim_key(s, child);
	o->parent = s->task[worker].origin;
	o->sapi = (uint8_t)sapi;
	o->uid = o->euid = s->task[worker].uid;
	o->flags = ST_O_REQUEST | ST_O_SCRIPT_SG;
	o->script = rec_text(&s->rec, script);
	o->frames = 1;
	o->frame[0] = (struct st_frame){.type = ST_FRAME_USER, .line = 7, .file = o->script};
	o->frame[0].function = rec_text(&s->rec, s->function);
	if (why != ST_BY_CONNECT) {
		s->task[child].origin = o->id;
		s->task[child].injection = 0;
		s->task[child].carries = true;
	}
	sim_send(s);
	return s->next_id;
}

static void sim_fork(struct sim *s, uint32_t parent, uint32_t child)
{
	struct st_fork *f;

	sim_child(s, parent, child);
	if (!s->task[child].carries)
		return;
	f = sim_begin(s, ST_FORK, sizeof(*f), parent);
	f->child = sim_key(s, child);
	f->origin = s->task[child].origin;
	f->injection = s->task[child].injection;
	sim_send(s);
}

static void sim_exec(struct sim *s, uint32_t pid, uint32_t program, enum st_role role,
		     const char *filename, const char *words)
{
	struct sim_task *t = &s->task[pid];
	struct st_exec *e = sim_begin(s, ST_EXEC, sizeof(*e), pid);

	if (!t->injection)
		t->injection = ++s->next_id;
	t->carries = true;
	e->origin = t->origin;
	e->injection = t->injection;
	e->uid = e->euid = t->uid;
	e->loginuid = s->loginuid;
	if (s->env[0])
		e->env = rec_bytes(&s->rec, s->env, strlen(s->env) + 1);
	e->role = role;
	e->program = program;
	e->nspid = pid;
	e->exe = (struct st_inode){.ino = 1000 + program, .dev = 1};
	e->filename = rec_text(&s->rec, filename);
	e->args = rec_words(&s->rec, words);
	e->args.cut = s->args_cut;
	e->cwd = rec_dir(&s->rec, "/var/www");
	snprintf(t->comm, sizeof(t->comm), "%.15s", strrchr(filename, '/') + 1);
	sim_send(s);
}

static void sim_exit(struct sim *s, uint32_t pid, uint32_t code)
{
	struct sim_task *t = &s->task[pid];
	struct st_exit *e;

	if (t->carries && !t->dead) {
		e = sim_begin(s, ST_EXIT, sizeof(*e), pid);
		e->origin = t->origin;
		e->injection = t->injection;
		e->code = code;
		sim_send(s);
	}
	t->dead = true;
	t->carries = false;
	t->origin = t->injection = 0;
}

static void sim_queue(struct sim *s, uint32_t pid, uint32_t queue, enum st_op op, const char *name,
		      const char *old)
{
	struct sim_task *t = &s->task[pid];
	struct st_queue *q = sim_begin(s, ST_QUEUE, sizeof(*q), pid);

	q->origin = t->origin;
	q->injection = t->injection;
	q->op = op;
	q->queue = queue;
	q->uid = q->euid = t->uid;
	q->nspid = pid;
	q->name = rec_text(&s->rec, name);
	q->old = rec_text(&s->rec, old);
	if (name[0] == '/')
		q->flags |= ST_Q_ABSOLUTE;
	memcpy(q->comm, t->comm, sizeof(q->comm));
	memcpy(q->peer, s->peer, sizeof(q->peer));
	if (s->socket) {
		q->peer_port = s->socket;
		q->peer_family = 4;
		q->peer_addr[0] = 127;
		q->peer_addr[3] = 1;
	}
	sim_send(s);
}

static void sim_connect(struct sim *s, uint32_t pid, uint64_t origin, uint8_t state, uint16_t sport)
{
	/* a local connection to a mail server */
	struct st_connect *c = sim_begin(s, ST_CONNECT, sizeof(*c), pid);

	c->origin = origin;
	c->injection = s->task[pid].injection;
	c->sock = s->sock ? s->sock : 0x1000u + sport;
	c->family = 4;
	c->saddr[0] = c->daddr[0] = 127;
	c->saddr[3] = c->daddr[3] = 1;
	c->dport = 25;
	c->sport = sport;
	c->state = state;
	sim_send(s);
}

/* A generator for tests: the same numbers on every machine. */
static uint32_t rnd(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*seed >> 33);
}

#endif
