// SPDX-License-Identifier: GPL-2.0-only
/* The file that an event blames: its facts, from an early look while the script still waits for its
 * injector. */
#include "base/clock.h"
#include "commands/session.h"
#include "trace/culprit.h"

static struct evidence_subject of_origin(const struct origin *o, const char *path)
{
	return (struct evidence_subject){.path = path,
					 .worker = o->worker,
					 .uid = o->euid,
					 .gid = o->gid,
					 .mntns = o->mntns};
}

void session_early_look(struct session *s, const struct record *r)
{
	const struct st_exec *x = (const struct st_exec *)r->h;
	struct evidence_occasion when = {.boot_ns = clock_boot_ns()};
	struct evidence_subject subject;
	struct file_facts facts;
	const struct origin *o;
	bool library;
	int i;

	if (r->h->type != ST_EXEC || x->role != ST_ROLE_INJECTOR || !x->origin)
		return;
	o = correlate_origin(s->correlate, x->origin);
	i = o ? culprit_find(o->frames, o->frame_count, &library) : -1;
	if (i < 0)
		return;
	when.wall_ns = (uint64_t)((int64_t)r->h->time + s->clock_offset);
	subject = of_origin(o, o->frames[i].file);
	evidence_look(s->evidence, &subject, &when, &facts);
}

/* The path to look at, as the worker saw it: an event has it as the host does. NULL: the origin
 * names no file. */
static const char *path_inside(const struct origin *o, struct primary *room)
{
	bool library;
	int i = culprit_find(o->frames, o->frame_count, &library);

	if (i >= 0)
		return o->frames[i].file;
	if (origin_is_cgi(o))
		return o->request->script;
	return origin_primary(o, room) ? NULL : room->path;
}

void session_facts(struct session *s, const struct injection *i, const struct origin *o,
		   struct mail_event *e)
{
	struct evidence_occasion when = {.boot_ns = clock_boot_ns(),
					 .wall_ns = e->wall_ns,
					 .queue_id = e->queue_id,
					 .last = true};
	const char *path = e->culprit_file ? e->culprit_file : e->script, *inside;
	struct evidence_subject subject = {.path = path};
	struct primary room;

	if (!path)
		return;
	if (!o && i)
		o = i->origin;
	if (o) {
		inside = path_inside(o, &room);
		subject = of_origin(o, inside ? inside : path);
	} else if (i) {
		subject.uid = i->uid;
		subject.gid = i->gid;
		subject.mntns = i->mntns;
		subject.worker = i->ancestors ? i->ancestor[0].task
					      : i->task; /* the interpreter, or a shell of its */
	} else {
		return;
	}
	evidence_look(s->evidence, &subject, &when, &e->culprit);
	attribute_file(e);
}
