/* SPDX-License-Identifier: GPL-2.0-only */
/* The host as far as correlate and attribute can tell: it answers as the input says. */
#ifndef ST_FUZZ_RECORDS_WORLD_H
#define ST_FUZZ_RECORDS_WORLD_H

#include <errno.h>

#include "records_output.h"
#include "trace/attribute.h"
#include "trace/correlate_internal.h"

#define QUEUES 7

struct world {
	struct correlate *c;
	struct attribute_ops attribute;
	struct mta_queue queues[QUEUES];
	struct balance balances[QUEUES];
	struct output out;
	uint64_t now;  /* of the next record; ticks have it, too */
	uint64_t lost; /* records, as the kernel side counts them */
	uint8_t dice;
	bool late, begun;
	unsigned again, open; /* so often is no file complete; files that are open */
	struct message_facts facts;
	const char *daemon, *mailbox; /* what the log says */
	char comm[16];                /* of whom a late operation is */
	uint32_t nspid;
};

/* Programs of short records, which have these numbers and up. */
#define FIRST_PROGRAM 0x5eed0000

static const struct {
	const char *path;
	const struct mta *mta;
	enum st_role role;
	const char *args;
	size_t args_len;
} programs[] = {
#define PROGRAM(path, mta, role, args)                                                             \
	{                                                                                          \
		path, mta, role, args, sizeof(args)                                                \
	}
	PROGRAM("/usr/sbin/sendmail", NULL, ST_ROLE_INJECTOR, "sendmail\0-t\0-i"),
	PROGRAM("/var/qmail/bin/qmail-inject", &mta_qmail, ST_ROLE_INJECTOR, "qmail-inject"),
	PROGRAM("/var/qmail/bin/qmail-queue", &mta_qmail, ST_ROLE_INJECTOR, "qmail-queue"),
	PROGRAM("/var/qmail/bin/qmail-smtpd", &mta_qmail, ST_ROLE_SMTPD, "qmail-smtpd"),
	PROGRAM("/var/qmail/bin/qmail-send", &mta_qmail, ST_ROLE_MTA, "qmail-send"),
	PROGRAM("/var/qmail/bin/qmail-local", &mta_qmail, ST_ROLE_MTA, "qmail-local\0--\0a"),
	PROGRAM("/var/qmail/bin/qmail-clean", &mta_qmail, ST_ROLE_MTA, "qmail-clean"),
	PROGRAM("/usr/sbin/sendmail.postfix", &mta_postfix, ST_ROLE_INJECTOR, "sendmail\0-t"),
	PROGRAM("/usr/sbin/postdrop", &mta_postfix, ST_ROLE_INJECTOR, "postdrop\0-r"),
	PROGRAM("/usr/lib/postfix/sbin/pickup", &mta_postfix, ST_ROLE_MTA, "pickup\0-l"),
	PROGRAM("/usr/lib/postfix/sbin/cleanup", &mta_postfix, ST_ROLE_MTA, "cleanup\0-z"),
	PROGRAM("/usr/lib/postfix/sbin/bounce", &mta_postfix, ST_ROLE_MTA, "bounce\0-z"),
	PROGRAM("/usr/sbin/postsuper", &mta_postfix, ST_ROLE_MTA, "postsuper\0-d\0ALL"),
	PROGRAM("/usr/sbin/exim4", &mta_exim, ST_ROLE_INJECTOR, "exim4\0-t"),
	PROGRAM("/usr/sbin/exim4", &mta_exim, ST_ROLE_INJECTOR, "exim4\0-bd\0-q30m"),
	PROGRAM("/usr/sbin/exim4", &mta_exim, ST_ROLE_INJECTOR, "exim4\0-Mc\0001rAbCd-00003G-00"),
	PROGRAM("/usr/sbin/exim4", &mta_exim, ST_ROLE_INJECTOR,
		"exim4\0-E1rAbCd-00003G-00\0-t\0-oem\0-f\0<>"),
	PROGRAM("/usr/sbin/sendmail", &mta_sendmail, ST_ROLE_INJECTOR, "sendmail\0-t"),
	PROGRAM("/usr/sbin/sendmail", &mta_sendmail, ST_ROLE_INJECTOR, "sendmail\0-bd\0-q1h"),
	PROGRAM("/usr/sbin/sendmail", &mta_sendmail, ST_ROLE_INJECTOR, "sendmail\0-Ac\0-q"),
	PROGRAM("/usr/sbin/sendmail", &mta_sendmail, ST_ROLE_INJECTOR, "sendmail\0-bp"),
	PROGRAM("/usr/sbin/nullmailer-queue", &mta_nullmailer, ST_ROLE_INJECTOR,
		"nullmailer-queue"),
	PROGRAM("/usr/sbin/dma", &mta_dma, ST_ROLE_INJECTOR, "sendmail\0-t"),
	PROGRAM("/usr/bin/msmtp", &mta_msmtp, ST_ROLE_INJECTOR, "sendmail\0-t"),
#undef PROGRAM
};

#define PROGRAMS (sizeof(programs) / sizeof(programs[0]))

/* ---- what attribute asks ---- */

static struct world *world_of(void *arg)
{
	return arg;
}

static const char *user(void *arg, uint32_t uid)
{
	(void)arg;
	return uid & 1 ? "site1" : NULL;
}

static const char *version(void *arg, uint32_t image)
{
	(void)arg;
	return image & 1 ? "8.2.36" : NULL;
}

static const char *php_reason(void *arg, uint32_t image)
{
	(void)arg;
	return image & 2 ? "it is not known" : NULL;
}

static const char *program_at(void *arg, const struct st_inode *exe, uint32_t *role)
{
	(void)arg;
	*role = (uint32_t)exe->ino % (ST_ROLE_SCRIPT + 1);
	return exe->ino & 8 ? "/usr/sbin/program" : NULL;
}

static const char *program(void *arg, uint32_t id, const struct mta **mta)
{
	static const char *const paths[] = {"/usr/sbin/sendmail", "/usr/sbin/exim4",
					    "/var/qmail/bin/qmail-queue", "/usr/sbin/postdrop"};

	(void)arg;
	if (id >= FIRST_PROGRAM && id - FIRST_PROGRAM < PROGRAMS) {
		*mta = programs[id - FIRST_PROGRAM].mta;
		return programs[id - FIRST_PROGRAM].path;
	}
	*mta = mta_all[id % 5];
	return id & 8 ? NULL : paths[id & 3];
}

static int vhost(void *arg, const struct vhost_query *q, struct vhost_answer *out)
{
	if (world_of(arg)->dice & 8)
		return -ENOENT;
	*out = (struct vhost_answer){.evidence = EVIDENCE_HOST_HEADER, .reason = "only a claim"};
	snprintf(out->name, sizeof(out->name), "%s", q->host_header ? q->host_header : "a.test");
	return 0;
}

static const struct origin *by_id(void *arg, uint64_t id)
{
	return correlate_origin(world_of(arg)->c, id);
}

static const char *container(void *arg, uint32_t mntns)
{
	(void)arg;
	return mntns & 1 ? "web" : NULL;
}

static const char *login(void *arg, const struct queued *q)
{
	(void)q;
	return world_of(arg)->mailbox;
}

static bool executable(void *arg, const struct st_task *task, char *out, size_t size)
{
	snprintf(out, size, "/proc/%u", task->tgid);
	return world_of(arg)->dice & 1;
}

static bool jail(void *arg, const struct st_task *task, char *out, size_t size)
{
	(void)task;
	snprintf(out, size, "/srv/jail");
	return world_of(arg)->dice & 16;
}

static int host_path(void *arg, const struct st_task *task, const char *path, char *out,
		     size_t size)
{
	(void)task;
	if (world_of(arg)->dice & 2)
		return -ESRCH;
	return (size_t)snprintf(out, size, "/srv/jail%s", path) < size ? 0 : -ENOENT;
}

/* ---- what correlate says ---- */

static struct balance *balance_of(struct world *w, const struct mta_queue *q)
{
	must(q >= w->queues && q < w->queues + QUEUES);
	return &w->balances[q - w->queues];
}

/* As evidence has it, of a file that is or is not there. */
static void look(struct world *w, struct mail_event *e)
{
	e->culprit = (struct file_facts){
		.known = w->dice & 1,
		.deleted = w->dice & 2,
		.kept = w->dice & 4,
		.owner = w->dice & 1 ? 33 : COUNT_UNKNOWN,
		.size = w->dice & 8 ? COUNT_UNKNOWN : 700,
		.inode = COUNT_UNKNOWN,
		.sha256 = w->dice & 16 ? "e3b0c442" : NULL,
		.note = w->dice & 16 ? NULL : "gone",
	};
}

static void on_queued(void *arg, const struct queued *q)
{
	struct world *w = arg;
	struct attribution_room room;
	struct mail_event e;

	must(strlen(q->id) < QUEUE_ID_MAX && strlen(q->first_id) < QUEUE_ID_MAX);
	must(!q->has_facts || !q->no_facts);
	must(!q->injection || q->injection->refs);
	must(!q->session || q->session->refs);
	attribute_queued(&w->attribute, q, &room, &e);
	must(e.action == ACTION_MAIL_QUEUED);
	e.wall_ns = q->time;
	look(w, &e);
	balance_queued(balance_of(w, q->queue), e.source);
	output_mail(&w->out, &e);
}

static void on_attempted(void *arg, const struct injection *i, const char *why)
{
	struct world *w = arg;
	struct attribution_room room;
	struct mail_event e;

	attribute_attempt(&w->attribute, i, why, &room, &e);
	must(e.action == ACTION_MAIL_ATTEMPTED);
	e.wall_ns = i->time;
	look(w, &e);
	output_mail(&w->out, &e);
}

static void on_removed(void *arg, const struct removed *r)
{
	struct world *w = arg;
	struct mail_event e;

	attribute_removed(r, w->dice & 1, &e);
	e.wall_ns = r->time;
	if (!r->aborted)
		balance_removed(balance_of(w, r->queue));
	output_mail(&w->out, &e);
}

static void on_counted(void *arg, struct mta_queue *q, int change, bool in_flight)
{
	must(change == 1 || change == -1 || (!change && !in_flight));
	balance_change(balance_of(arg, q), change, in_flight);
}

static void on_orphaned(void *arg, struct mta_queue *q, int change)
{
	must(change == 1 || change == -1);
	balance_orphan(balance_of(arg, q), change);
}

static void on_connected(void *arg, const struct st_connect *k, const struct origin *o)
{
	struct world *w = arg;
	struct attribution_room room;
	struct mail_event e;

	attribute_connect(&w->attribute, k, o, &room, &e);
	e.wall_ns = k->h.time;
	look(w, &e);
	output_mail(&w->out, &e);
}

/* ---- what correlate asks ---- */

static int open_message(void *arg, struct mta_queue *q, const char *id)
{
	struct world *w = arg;

	balance_of(w, q);
	must(strlen(id) < QUEUE_ID_MAX);
	if (w->dice & 1)
		return -ENOENT;
	w->open++;
	return 7;
}

static int read_facts(void *arg, struct mta_queue *q, int fd, const char *id, uint32_t pid,
		      struct message_facts *out)
{
	static const int answers[] = {0, 0, -EAGAIN, -ESTALE, -EINVAL};
	struct world *w = arg;

	balance_of(w, q);
	must(strlen(id) < QUEUE_ID_MAX);
	(void)pid;
	must(fd == 7 && w->open);
	if (w->again) {
		w->again--;
		return -EAGAIN;
	}
	*out = w->facts;
	return answers[w->dice % 5];
}

static void close_message(void *arg, int fd)
{
	must(fd == 7 && world_of(arg)->open--);
}

static bool alive(void *arg, const struct st_task *task)
{
	(void)task;
	return world_of(arg)->dice & 2;
}

static void environment(void *arg, struct origin *o)
{
	static const char text[] =
		"SCRIPT_FILENAME=/srv/a/x.php\0HTTP_HOST=a.test\0REMOTE_ADDR=192.0.2.1";
	char *block = malloc(sizeof(text));

	must(block);
	memcpy(block, text, sizeof(text));
	if (world_of(arg)->dice & 4)
		origin_take_environment(o, block, sizeof(text));
	else
		free(block);
}

static int still_running(void *arg, const struct origin *o)
{
	must(o->refs);
	return world_of(arg)->dice % 3 - 1;
}

static const char *log_daemon(void *arg, const struct queued *q, struct message_facts *out)
{
	struct world *w = arg;

	must(!q->has_facts);
	memcpy(out->parent_id, w->facts.parent_id, sizeof(out->parent_id));
	return w->daemon;
}

static const char *log_mailbox(void *arg, const struct queued *q)
{
	must(q->has_facts);
	return world_of(arg)->mailbox;
}

static void ask_actor(void *arg, struct actor *out)
{
	struct world *w = arg;

	if (!w->comm[0])
		return;
	memcpy(out->comm, w->comm, sizeof(w->comm));
	out->uid = out->euid = 33;
	out->nspid = w->nspid;
}

static uint64_t records_lost(void *arg)
{
	return world_of(arg)->lost;
}

/* ---- its beginning and end ---- */

static void world_begin(struct world *w)
{
	const struct correlate_ops ops = {.queued = on_queued,
					  .attempted = on_attempted,
					  .removed = on_removed,
					  .counted = on_counted,
					  .orphaned = on_orphaned,
					  .connected = on_connected,
					  .open = open_message,
					  .facts = read_facts,
					  .close = close_message,
					  .program = program,
					  .environment = environment,
					  .still_running = still_running,
					  .alive = alive,
					  .actor = ask_actor,
					  .daemon = log_daemon,
					  .mailbox = log_mailbox,
					  .lost = records_lost,
					  .arg = w};
	/* Sendmail has a submission queue of its own; of Postfix there are two */
	static const struct mta *const mtas[QUEUES] = {&mta_qmail,      &mta_postfix,
						       &mta_exim,       &mta_sendmail,
						       &mta_nullmailer, &mta_sendmail,
						       &mta_postfix};

	*w = (struct world){.attribute = {.user = user,
					  .php_version = version,
					  .php_reason = php_reason,
					  .program_at = program_at,
					  .program = program,
					  .vhost = vhost,
					  .origin = by_id,
					  .container = container,
					  .login = login,
					  .executable = executable,
					  .jail = jail,
					  .host_path = host_path,
					  .arg = w},
			    .now = 1000000000};
	message_facts_init(&w->facts);
	w->out.context.host = "host";
	w->out.options = (struct table_options){.columns = 120, .verbose = true};
	for (size_t i = 0; i < QUEUES; i++) {
		struct mta_queue *q = &w->queues[i];

		*q = (struct mta_queue){.mta = mtas[i], .fd = -1, .split = 23, .first = i == 5};
		snprintf(q->directory, sizeof(q->directory), i ? "/q%zu" : "/q", i);
		snprintf(q->inner, sizeof(q->inner), i ? "/q%zu" : "/q", i);
		balance_init(&w->balances[i], q->mta->name, q->directory);
	}
	must(correlate_new(&ops, w->queues, QUEUES, &w->c) == 0);
	/* few of each, so that they are met */
	w->c->limits =
		(struct limits){.first_ids = 3, .untold = 2, .open = 2, .closed = 2, .left = 2};
}

static void world_end(struct world *w)
{
	struct correlate_stats stats;

	if (!(w->dice & 64)) /* else it is freed with all that waits */
		correlate_flush(w->c);
	correlate_stats(w->c, &stats);
	must(w->dice & 64 || (!stats.waiting && !w->open));
	output_summary(&w->out, ACTION_TRACE_ENDED, w->balances, QUEUES, w->lost + stats.bad);
	correlate_free(w->c);
	must(!w->open);
	output_end(&w->out);
}

#endif
