// SPDX-License-Identifier: GPL-2.0-only
/* What correlate and attribute ask of the system, and what they give out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "base/users.h"
#include "commands/session.h"
#include "kernel/containers.h"
#include "kernel/host_path.h"
#include "kernel/php_walk.h"
#include "kernel/procfs.h"
#include "mail/logins.h"

/* ---- of attribute ---- */

static const char *user_name(void *arg, uint32_t uid)
{
	(void)arg;
	return user_name_of((uid_t)uid);
}

static const char *php_version(void *arg, uint32_t image)
{
	struct session *s = arg;
	const struct php_engine *e = programs_engine(s->programs, image);

	return e && e->image.version[0] ? e->image.version : NULL;
}

static const char *php_reason(void *arg, uint32_t image)
{
	struct session *s = arg;
	const struct php_engine *e = programs_engine(s->programs, image);

	return e && e->image.reason[0] ? e->image.reason : NULL;
}

static const char *program_at(void *arg, const struct st_inode *exe, uint32_t *role)
{
	struct session *s = arg;
	const struct program *p = programs_by_inode(s->programs, exe);

	*role = p ? p->value.role : ST_ROLE_NONE;
	return p ? p->path : NULL;
}

static const char *program(void *arg, uint32_t id, const struct mta **mta)
{
	struct session *s = arg;
	const struct program *p = programs_by_id(s->programs, id);

	*mta = p ? p->mta : NULL;
	return p ? p->path : NULL;
}

static const char *programs_doubted(void *arg)
{
	struct session *s = arg;

	return programs_doubt(s->programs);
}

static int vhost(void *arg, const struct vhost_query *q, struct vhost_answer *out)
{
	struct session *s = arg;

	return vhost_memo_resolve(&s->vhost_memo, s->vhosts, q, out);
}

static const struct origin *origin_by_id(void *arg, uint64_t id)
{
	struct session *s = arg;

	return correlate_origin(s->correlate, id);
}

static const char *container(void *arg, uint32_t mntns)
{
	struct session *s = arg;

	return containers_name(s->containers, mntns);
}

static bool jail(void *arg, const struct st_task *task, char *out, size_t size)
{
	(void)arg;
	return procfs_jail(task, out, size) == 0;
}

static int host_path_of(void *arg, const struct st_task *task, const char *path, char *out,
			size_t size)
{
	(void)arg;
	return host_path(task, path, out, size);
}

static bool executable(void *arg, const struct st_task *task, char *out, size_t size)
{
	(void)arg;
	return procfs_executable(task, out, size) == 0;
}

static uint64_t a_little_before(uint64_t time)
{
	return time > 5000000000ULL ? time - 5000000000ULL : 0;
}

static const char *login(void *arg, const struct queued *q)
{
	struct session *s = arg;
	const struct injection *i = q->injection;
	const char *user = NULL;

	if (!s->logins)
		return NULL;
	if (!i)
		return q->has_facts ? NULL
				    : logins_by_id(s->logins, q->id, a_little_before(q->time));
	for (unsigned n = i->checker_count;
	     n > 0 && i->checker_count - n < array_size(i->checkers) && !user; n--)
		user = logins_by_pid(s->logins, i->checkers[(n - 1) % array_size(i->checkers)],
				     i->time);
	return user;
}

/* ---- of correlate ---- */

static uint64_t wall(const struct session *s, uint64_t boot)
{
	return (uint64_t)((int64_t)boot + s->clock_offset);
}

static uint64_t wall_of(void *arg, uint64_t boot)
{
	return wall(arg, boot);
}

static const char *daemon_of(void *arg, const struct queued *q, struct message_facts *out)
{
	struct session *s = arg;
	const char *parent = NULL, *name;

	if (!s->logins)
		return NULL;
	name = logins_postfix_daemon(s->logins, q->id, a_little_before(q->time), &parent);
	if (name && parent)
		text_copy(out->parent_id, sizeof(out->parent_id), parent);
	return name;
}

static const char *mailbox(void *arg, const struct queued *q)
{
	struct session *s = arg;

	return logins_by_id(s->logins, q->id, a_little_before(q->time));
}

static uint64_t log_said(void *arg)
{
	struct session *s = arg;

	return logins_said(s->logins);
}

static struct balance *balance_of(struct session *s, const struct mta_queue *q)
{
	return &s->balances[q - s->queues];
}

static void on_queued(void *arg, const struct queued *q)
{
	struct session *s = arg;
	struct attribution_room room;
	struct attribute_ops ops;
	struct mail_event e;

	session_callbacks(s, NULL, &ops);
	attribute_queued(&ops, q, &room, &e);
	e.wall_ns = wall(s, q->time);
	session_facts(s, q->session ? NULL : q->injection, q->session, &e);
	balance_queued(balance_of(s, q->queue), e.source);
	session_send_mail(s, &e);
}

/* Once: a container's own MTA took it, as far as its program says. */
static void tell_unfollowed(struct session *s, const struct injection *i,
			    const struct mail_event *e)
{
	if (s->told_unfollowed || !event_unsettled(e) || !e->container || !e->mta)
		return;
	s->told_unfollowed = true;
	log_warn("a container (%s) has an MTA of its own, %s, whose queue is not followed: its "
		 "messages are shown as attempts, and whether they were queued is not known; "
		 "--mta %s --queue-dir /proc/%u/root/QUEUE follows it",
		 e->container, e->mta, e->mta, i->origin ? i->origin->worker.tgid : i->task.tgid);
}

static void on_attempted(void *arg, const struct injection *i, const char *why)
{
	struct session *s = arg;
	struct attribution_room room;
	struct attribute_ops ops;
	struct mail_event e;

	session_callbacks(s, NULL, &ops);
	attribute_attempt(&ops, i, why, &room, &e);
	e.wall_ns = wall(s, i->time);
	session_facts(s, i, NULL, &e);
	session_send_mail(s, &e);
	tell_unfollowed(s, i, &e);
}

static void on_removed(void *arg, const struct removed *r)
{
	struct session *s = arg;
	struct mail_event e;
	const struct program *p = programs_by_inode(s->programs, &r->actor.exe);

	attribute_removed(r, p && p->mta, &e);
	e.wall_ns = wall(s, r->time);
	if (!r->aborted)
		balance_removed(balance_of(s, r->queue));
	session_send_mail(s, &e);
}

static void on_counted(void *arg, struct mta_queue *q, int change, bool in_flight)
{
	balance_change(balance_of(arg, q), change, in_flight);
}

static void on_orphaned(void *arg, struct mta_queue *q, int change)
{
	balance_orphan(balance_of(arg, q), change);
}

static void on_connected(void *arg, const struct st_connect *k, const struct origin *o)
{
	struct session *s = arg;
	struct attribution_room room;
	struct attribute_ops ops;
	struct mail_event e;

	if (k->state != 1) /* TCP_ESTABLISHED: the client's port is known */
		return;
	session_callbacks(s, NULL, &ops);
	attribute_connect(&ops, k, o, &room, &e);
	e.wall_ns = wall(s, k->h.time);
	session_facts(s, NULL, o, &e);
	session_send_mail(s, &e);
}

static int open_message(void *arg, struct mta_queue *q, const char *id)
{
	(void)arg;
	return q->mta->open(q, id);
}

static int read_facts(void *arg, struct mta_queue *q, int fd, const char *id, uint32_t pid,
		      struct message_facts *out)
{
	(void)arg;
	return q->mta->facts(q, fd, id, pid, out);
}

static void close_message(void *arg, int fd)
{
	(void)arg;
	close(fd);
}

/* The request variables of a plain CGI, while its process is there. */
static void read_environment(void *arg, struct origin *o)
{
	static const char *const names[] = {"DOCUMENT_ROOT", "REMOTE_ADDR", "HTTP_HOST",
					    "REQUEST_URI", "REQUEST_METHOD"};
	char value[2048], *block = NULL;
	size_t len = 0;

	(void)arg;
	for (size_t i = 0; i < array_size(names); i++) {
		size_t n;
		char *more;

		if (procfs_environment(&o->worker, names[i], value, sizeof(value)))
			continue;
		n = strlen(names[i]) + 1 + strlen(value) + 1;
		more = realloc(block, len + n);
		if (!more)
			break;
		block = more;
		snprintf(block + len, n, "%s=%s", names[i], value);
		len += n;
	}
	if (block)
		origin_take_environment(o, block, len);
}

static int still_running(void *arg, const struct origin *o)
{
	struct session *s = arg;
	struct php_process proc;
	struct php_walk *w;
	int same;

	if (programs_process(s->programs, (pid_t)o->worker.tgid, &proc))
		return -1;
	w = malloc(sizeof(*w));
	if (!w)
		return -1;
	if (php_walk((pid_t)o->worker.tgid, &proc.engine->image, proc.base, w))
		same = -1;
	else
		same = !w->idle && o->script && !strcmp(w->request.script, o->script);
	free(w);
	return same;
}

static bool alive(void *arg, const struct st_task *task)
{
	(void)arg;
	return procfs_alive(task);
}

/* Losses that can make a maildrop file and a message, or a connection and a message, look like each
 * other's. */
static uint64_t queue_records_lost(void *arg)
{
	struct session *s = arg;
	uint64_t lost[ST_LOST_COUNT] = {0};

	probe_lost(s->probe, lost);
	if (s->late) /* who did what is known from the lineage alone */
		return lost[ST_LOST_RING_LINEAGE] + lost[ST_LOST_RING_EXEC] +
		       lost[ST_LOST_RING_CONNECT] + lost[ST_LOST_SKIPPED] + session_late_lost(s);
	return lost[ST_LOST_RING_QUEUE] + lost[ST_LOST_RING_CONNECT] + lost[ST_LOST_CALL_MAP] +
	       lost[ST_LOST_READ];
}

void session_callbacks(struct session *s, struct correlate_ops *c, struct attribute_ops *a)
{
	if (c)
		*c = (struct correlate_ops){
			.queued = on_queued,
			.attempted = on_attempted,
			.removed = on_removed,
			.counted = on_counted,
			.orphaned = on_orphaned,
			.daemon = daemon_of,
			.mailbox = s->logins ? mailbox : NULL,
			.log_said = s->logins ? log_said : NULL,
			.connected = on_connected,
			.open = open_message,
			.facts = read_facts,
			.close = close_message,
			.program = program,
			.environment = read_environment,
			.still_running = still_running,
			.wall = wall_of,
			.alive = alive,
			.actor = session_late_actor,
			.lost = queue_records_lost,
			.arg = s,
		};
	if (a)
		*a = (struct attribute_ops){
			.user = user_name,
			.php_version = php_version,
			.php_reason = php_reason,
			.program_at = program_at,
			.programs_doubt = programs_doubted,
			.program = program,
			.vhost = vhost,
			.origin = origin_by_id,
			.container = container,
			.login = login,
			.executable = executable,
			.jail = jail,
			.host_path = host_path_of,
			.own_mntns = s->own_mntns,
			.arg = s,
		};
}
