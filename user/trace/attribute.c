// SPDX-License-Identifier: GPL-2.0-only
/* Events from what was correlated: the message, its source, and who is behind it. */
#include "trace/attribute.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "trace/attribute_internal.h"

void attribute_weaken(struct mail_event *e, enum attribution to, const char *reason)
{
	if (e->attribution > to)
		e->attribution = to;
	if (!e->reason)
		e->reason = reason;
}

/* Whatever it rests on, programs were known by their numbers. */
static void finish(const struct attribute_ops *ops, struct mail_event *e)
{
	const char *doubt = ops->programs_doubt ? ops->programs_doubt(ops->arg) : NULL;

	if (doubt)
		attribute_weaken(e, ATTRIBUTION_INFERRED, doubt);
	if (e->attribution == ATTRIBUTION_EXACT)
		e->reason = NULL;
}

const char *attribute_copy(char *to, size_t size, const char *from)
{
	size_t len;

	if (!from || !*from)
		return NULL;
	len = strnlen(from, size - 1);
	memcpy(to, from, len);
	to[len] = '\0';
	return to;
}

static void blank(struct mail_event *e, enum action action)
{
	*e = (struct mail_event){
		.action = action,
		.uid = COUNT_UNKNOWN,
		.euid = COUNT_UNKNOWN,
		.pid = COUNT_UNKNOWN,
		.parent_pid = COUNT_UNKNOWN,
		.recipients = COUNT_UNKNOWN,
		.bytes = COUNT_UNKNOWN,
		.exit_code = -1,
	};
}

static void set_facts(const struct message_facts *f, struct mail_event *e)
{
	e->sender = f->has_sender ? f->sender : NULL;
	e->from = f->from[0] ? f->from : NULL;
	e->subject = f->subject[0] ? f->subject : NULL;
	e->message_id = f->message_id[0] ? f->message_id : NULL;
	e->auth_user = f->auth_user[0] ? f->auth_user : NULL;
	e->parent_queue_id = f->parent_id[0] ? f->parent_id : NULL;
	e->recipients = f->recipients;
	e->bytes = f->bytes;
}

/* "NAME=value" in an environment block. */
static bool env_value(const struct injection *i, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);

	for (size_t at = 0; i->env && at < i->env_len; at += strlen(i->env + at) + 1) {
		const char *p = i->env + at;

		if (!strncmp(p, name, n) && p[n] == '=') {
			snprintf(out, size, "%s", p + n + 1);
			return true;
		}
	}
	return false;
}

/* Mail that a script sent over a connection of its own. */
static void set_session(const struct attribute_ops *ops, const struct queued *q,
			struct attribution_room *room, struct mail_event *e)
{
	const struct origin *o = q->session, *speaker = attribute_speaker(ops, o);
	uint32_t role;

	e->attribution = ATTRIBUTION_EXACT;
	e->evidence |= HAS(EVIDENCE_SMTP_PORT) | HAS(EVIDENCE_QUEUE_FILE);
	e->uid = o->uid;
	e->euid = o->euid;
	e->user_name = attribute_copy(room->user, sizeof(room->user), ops->user(ops->arg, o->uid));
	e->pid = o->worker.tgid;
	e->executable = attribute_copy(room->executable, sizeof(room->executable),
				       ops->program_at(ops->arg, &o->exe, &role));
	e->working_directory = o->cwd;
	e->container = attribute_copy(room->container, sizeof(room->container),
				      ops->container(ops->arg, o->mntns));
	if (speaker)
		attribute_origin(ops, speaker, room, e);
	else
		attribute_no_speaker(e);
}

/*
 * The queue file names the mailbox, but not qmail's and Sendmail's; there the log does, and
 * RELAYCLIENT in what qmail-smtpd passes on, where its own environment had none, says at least that
 * there was a login (a listed address has it from the start).
 */
static void set_login(const struct attribute_ops *ops, const struct queued *q,
		      struct attribution_room *room, struct mail_event *e)
{
	char value[256];

	if (!e->auth_user && q->injection &&
	    env_value(q->injection, "SMTPAUTHUSER", value, sizeof(value)))
		e->auth_user = attribute_copy(room->host, sizeof(room->host), value);
	if (!e->auth_user && ops->login) {
		e->auth_user =
			attribute_copy(room->host, sizeof(room->host), ops->login(ops->arg, q));
		if (e->auth_user)
			e->evidence |= HAS(EVIDENCE_MAIL_LOG);
	}
	if (e->auth_user || (q->injection && q->injection->relayed) ||
	    (q->has_facts && q->facts.authenticated))
		e->source = SOURCE_SMTP_AUTH;
}

/* Mail that came in over SMTP. */
static void set_smtp(const struct attribute_ops *ops, const struct queued *q,
		     struct attribution_room *room, struct mail_event *e)
{
	e->source = SOURCE_SMTP;
	e->attribution = ATTRIBUTION_EXACT;
	if (q->origin_lost)
		attribute_weaken(
			e, ATTRIBUTION_INFERRED,
			"a script opened the session, but the record that names it was lost");
	if (q->session_forgotten)
		attribute_weaken(e, ATTRIBUTION_INFERRED,
				 "the connection that it came over, which may be a script's, had "
				 "to be forgotten");
	if (q->session_ended)
		attribute_weaken(e, ATTRIBUTION_INFERRED,
				 "a connection of a script or an injector from its port had just "
				 "ended, and may have brought it");
	if (q->client_ip[0])
		e->client_ip = q->client_ip;
	if (q->has_facts && q->facts.client_ip[0]) {
		e->client_ip = q->facts.client_ip;
		e->evidence |= HAS(EVIDENCE_QUEUE_FILE);
	}
	if (q->injection &&
	    env_value(q->injection, "TCPREMOTEIP", room->client, sizeof(room->client))) {
		e->client_ip = room->client;
		e->evidence |= HAS(EVIDENCE_ENVIRONMENT);
	}
	set_login(ops, q, room, e);
	if (!q->injection && !q->has_facts)
		attribute_weaken(e, ATTRIBUTION_INFERRED, q->no_facts);
	if (!q->has_facts || !q->facts.local || q->facts.uid == COUNT_UNKNOWN)
		return;
	/* a server that is not the MTA's network user's: vpopmail's, or anybody's */
	e->uid = q->facts.uid;
	e->user_name = attribute_copy(room->user, sizeof(room->user),
				      ops->user(ops->arg, (uint32_t)q->facts.uid));
	e->evidence |= HAS(EVIDENCE_QUEUE_FILE);
	if (!q->injection)
		attribute_weaken(e, ATTRIBUTION_INFERRED,
				 "who started its SMTP server was not seen");
}

/*
 * A server of the MTA, or a program that passes mail on, that was no daemon's: smtpd -S,
 * qmail-smtpd or qmail-local, which anybody may execute, with an environment of his own. What no
 * server writes to, Postfix's maildrop, settles it.
 */
static bool is_by_hand(const struct queued *q)
{
	const struct injection *i = q->injection;

	if (!i || (i->role != ST_ROLE_SMTPD && i->role != ST_ROLE_MTA))
		return false;
	return q->first_id[0] || (injection_by_hand(i) && (!q->has_facts || q->facts.local));
}

static bool is_smtp(const struct queued *q)
{
	if (q->actor.run == RUN_SMTPD || q->actor.before == RUN_SMTPD)
		return true;
	return q->has_facts ? q->facts.from_network : q->client_ip[0];
}

void attribute_queued(const struct attribute_ops *ops, const struct queued *q,
		      struct attribution_room *room, struct mail_event *out)
{
	blank(out, ACTION_MAIL_QUEUED);
	out->mta = q->queue->mta->name;
	out->queue_id = q->id;
	if (q->has_facts)
		set_facts(&q->facts, out);
	else if (q->facts.parent_id[0])
		out->parent_queue_id = q->facts.parent_id;
	out->evidence = HAS(EVIDENCE_QUEUE_COMMIT) | (q->logged ? HAS(EVIDENCE_MAIL_LOG) : 0);
	if (is_by_hand(q)) {
		attribute_injection(ops, q->injection, room, out);
		if (!q->first_id[0])
			attribute_weaken(
				out, ATTRIBUTION_INFERRED,
				"a script or a login started the MTA's program that took it");
	} else if (q->actor.run == RUN_BOUNCE || (q->has_facts && q->facts.bounce)) {
		out->source = SOURCE_BOUNCE;
		out->attribution = ATTRIBUTION_EXACT;
	} else if (q->actor.run == RUN_FORWARD || q->actor.before == RUN_FORWARD ||
		   (q->has_facts && q->facts.forward)) {
		out->source = SOURCE_FORWARD;
		out->attribution = ATTRIBUTION_EXACT;
	} else if (q->session) {
		set_session(ops, q, room, out);
	} else if (is_smtp(q) && !(q->injection && q->injection->role == ST_ROLE_INJECTOR)) {
		set_smtp(ops, q, room, out);
	} else if (q->injection) {
		attribute_injection(ops, q->injection, room, out);
	} else {
		out->source = SOURCE_UNKNOWN;
		out->attribution = ATTRIBUTION_NONE;
		out->reason = q->origin_lost ? "the record of its injection was lost"
			      : q->doubt     ? q->doubt
			      : q->no_facts  ? q->no_facts /* which might have told it */
					    : "its injection began before tracing, or was not seen";
		if (q->has_facts && q->facts.uid != COUNT_UNKNOWN) {
			out->uid = q->facts.uid;
			out->user_name =
				attribute_copy(room->user, sizeof(room->user),
					       ops->user(ops->arg, (uint32_t)q->facts.uid));
			out->evidence |= HAS(EVIDENCE_QUEUE_FILE);
		}
	}
	if (q->doubt && (q->injection || q->session))
		attribute_weaken(out, ATTRIBUTION_INFERRED, q->doubt);
	finish(ops, out);
}

void attribute_file(struct mail_event *e)
{
	const struct file_facts *f = &e->culprit;

	if (!(e->evidence & HAS(EVIDENCE_ARGV)) || e->uid <= 0)
		return;
	if (f->owner == COUNT_UNKNOWN || !f->known)
		attribute_weaken(e, ATTRIBUTION_INFERRED,
				 "only arguments name the script, and whose file that is could "
				 "not be seen");
	else if (f->owner && f->owner != e->uid)
		attribute_weaken(e, ATTRIBUTION_INFERRED,
				 "only arguments name the script, and the file is another user's");
}

void attribute_attempt(const struct attribute_ops *ops, const struct injection *i, const char *why,
		       struct attribution_room *room, struct mail_event *out)
{
	blank(out, ACTION_MAIL_ATTEMPTED);
	out->mta = i->mta ? i->mta->name : NULL;
	attribute_injection(ops, i, room, out);
	finish(ops, out);
	out->exit_code = i->exit_code;
	out->exit_signal = i->exit_signal > 0 ? i->exit_signal : 0;
	out->unfollowed = i->mta ? i->mta->unfollowed : NULL;
	if (why)
		out->reason = why;
}

void attribute_removed(const struct removed *r, bool by_mta, struct mail_event *out)
{
	blank(out, ACTION_MAIL_REMOVED);
	out->mta = r->queue->mta->name;
	out->queue_id = r->id;
	out->source = SOURCE_UNKNOWN;
	out->pid = r->actor.task.tgid;
	out->uid = r->actor.uid == UID_UNKNOWN ? COUNT_UNKNOWN : (int64_t)r->actor.uid;
	out->remover = r->aborted              ? "aborted"
		       : r->by_tool || !by_mta ? "administrator"
		       : r->bounced            ? "bounced"
					       : "delivered";
}

void attribute_connect(const struct attribute_ops *ops, const struct st_connect *k,
		       const struct origin *o, struct attribution_room *room,
		       struct mail_event *out)
{
	blank(out, ACTION_SMTP_CONNECTED);
	out->attribution = ATTRIBUTION_EXACT;
	out->uid = k->uid;
	out->user_name =
		attribute_copy(room->user, sizeof(room->user), ops->user(ops->arg, k->uid));
	out->pid = k->h.task.tgid;
	if (o) {
		const struct origin *speaker = attribute_speaker(ops, o);
		uint32_t role;

		if (speaker)
			attribute_origin(ops, speaker, room, out);
		else
			attribute_no_speaker(out);
		out->container = attribute_copy(room->container, sizeof(room->container),
						ops->container(ops->arg, o->mntns));
		out->executable = attribute_copy(room->executable, sizeof(room->executable),
						 ops->program_at(ops->arg, &o->exe, &role));
	} else {
		attribute_weaken(out, ATTRIBUTION_NONE, "the record of its PHP worker was lost");
	}
	out->destination_ip = inet_ntop(k->family == 4 ? AF_INET : AF_INET6, k->daddr,
					room->destination, sizeof(room->destination));
	out->destination_port = k->dport;
	out->client_port = k->sport;
	finish(ops, out);
}
