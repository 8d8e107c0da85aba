/* SPDX-License-Identifier: GPL-2.0-only */
/* Every reference is one that somebody has: what is counted too often stays for ever, what is
 * counted too seldom is freed while it is used. */
#ifndef ST_FUZZ_RECORDS_REFERENCES_H
#define ST_FUZZ_RECORDS_REFERENCES_H

#include <utlist.h>

#include "fuzz.h"
#include "trace/correlate_internal.h"

static void check_origin(const struct correlate *c, const struct origin *o)
{
	uint32_t refs = o->connecting;
	const struct waiting *w;

	for (const struct task *t = c->tasks; t; t = t->hh.next)
		refs += t->origin == o;
	for (const struct injection *i = c->injections; i; i = i->hh.next)
		refs += i->origin == o;
	for (const struct smtp_session *s = c->sessions; s; s = s->hh.next)
		refs += s->origin == o;
	for (const struct origin *child = c->origins; child; child = child->hh.next)
		refs += child->parent == o->id;
	DL_FOREACH(c->waiting, w)
	refs += w->q.session == o;
	must(refs && o->refs == refs);
}

static void check_injection(const struct correlate *c, const struct injection *i)
{
	uint32_t tasks = 0, refs = 0, first_ids = 0;
	const struct pickup *p;
	const struct waiting *w;

	for (const struct task *t = c->tasks; t; t = t->hh.next)
		tasks += t->injection == i;
	for (const struct smtp_session *s = c->sessions; s; s = s->hh.next)
		refs += s->injection == i;
	for (p = c->pickups; p; p = p->hh.next) {
		refs += p->untold && p->injection == i;
		first_ids += p->injection == i;
	}
	DL_FOREACH(i->pickups, p)
	{
		must(p->injection == i && !p->joined);
		first_ids--;
	}
	must(!first_ids);
	DL_FOREACH(c->waiting, w)
	refs += w->q.injection == i;
	must(i->commits < UINT32_MAX / 2); /* none is taken back twice */
	must(i->tasks == tasks && tasks + refs && i->refs == tasks + refs);
}

static void check_first_ids(const struct correlate *c)
{
	const struct untold *u;
	size_t untold = 0;

	DL_FOREACH(c->untold, u)
	{
		must(u->pickup->untold == u && !u->pickup->joined);
		untold++;
	}
	for (const struct pickup *p = c->pickups; p; p = p->hh.next)
		untold -= p->untold != NULL;
	must(!untold && c->untold_count <= c->limits.untold);
	must(HASH_COUNT(c->pickups) <= c->limits.first_ids);
}

static void check_sessions(const struct correlate *c)
{
	const struct smtp_session *s, *found;
	size_t open = 0, closed = 0;

	DL_FOREACH(c->open, s)
	{
		HASH_FIND(by_sock, c->by_sock, &s->sock, sizeof(s->sock), found);
		must(s->open && found == s);
		open++;
	}
	DL_FOREACH(c->closed, s)
	{
		must(!s->open);
		closed++;
	}
	must(open == HASH_CNT(by_sock, c->by_sock) && closed == c->closed_count);
	must(open + closed == HASH_COUNT(c->sessions));
	must(open <= c->limits.open && closed <= c->limits.closed);
}

static void check_in_flight(const struct correlate *c)
{
	const struct in_flight *f;
	size_t watched = 0, left = 0;

	DL_FOREACH(c->watched, f)
	{
		must(f->watched && !f->orphan);
		watched++;
	}
	DL_FOREACH(c->left, f)
	{
		must(!f->watched);
		left++;
	}
	must(left == c->left_count && watched + left == HASH_COUNT(c->in_flight));
	must(left <= c->limits.left);
}

static void check_lists(const struct correlate *c)
{
	size_t waiting = 0, by_id = 0, ended = 0, found = 0;
	const struct waiting *w, *other_w;
	const struct task *t, *other;

	DL_FOREACH(c->waiting, w)
	waiting++;
	for (w = c->by_id; w; w = w->hh.next)
		DL_FOREACH2(w, other_w, newer)
	by_id += !memcmp(&other_w->key, &w->key, sizeof(w->key));
	must(c->waiting_count == waiting && by_id == waiting &&
	     c->origin_count == HASH_COUNT(c->origins));
	if (!c->late)
		return;
	DL_FOREACH(c->ended, t)
	ended++;
	for (t = c->ended_by_tgid; t; t = t->by_tgid.next)
		DL_FOREACH2(t, other, newer)
	found += other->ended && other->key.tgid == t->key.tgid;
	must(ended == found);
	must(HASH_COUNT(c->tasks) == ended + HASH_CNT(by_tgid, c->by_tgid));
}

static void check_references(const struct correlate *c)
{
	for (const struct origin *o = c->origins; o; o = o->hh.next)
		check_origin(c, o);
	for (const struct injection *i = c->injections; i; i = i->hh.next)
		check_injection(c, i);
	check_first_ids(c);
	check_sessions(c);
	check_in_flight(c);
	check_lists(c);
}

#endif
