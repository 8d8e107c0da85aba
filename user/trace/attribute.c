// SPDX-License-Identifier: GPL-2.0-only
#include "trace/attribute.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "trace/culprit.h"

#define HAS(e) (1u << (e))

static void weaken(struct mail_event *e, enum attribution to, const char *reason)
{
	if (e->attribution > to)
		e->attribution = to;
	if (!e->reason)
		e->reason = reason;
}

static const char *copy(char *to, size_t size, const char *from)
{
	if (!from || !*from)
		return NULL;
	snprintf(to, size, "%s", from);
	return to;
}

static const char *sapi_name(uint8_t sapi)
{
	switch (sapi) {
	case ST_SAPI_APACHE2HANDLER:
		return "apache2handler";
	case ST_SAPI_FPM:
		return "fpm-fcgi";
	case ST_SAPI_CGI:
		return "cgi-fcgi";
	case ST_SAPI_CLI:
		return "cli";
	}
	return NULL;
}

/* Returns its index, or -1. */
static int set_culprit(struct mail_event *e, const struct frame *frames, size_t count)
{
	bool library = false;
	int i = culprit_find(frames, count, &library);

	if (i < 0)
		return -1;
	e->culprit_file = frames[i].file;
	e->culprit_line = frames[i].line;
	e->culprit_function = frames[i].function;
	return i;
}

static void set_url(struct mail_event *e, struct attribution_room *room, const char *uri)
{
	char *query;

	/* the query string may hold secrets, and says nothing about who sends */
	if (!copy(room->url_path, sizeof(room->url_path), uri))
		return;
	query = strchr(room->url_path, '?');
	if (query)
		*query = '\0';
	if (room->url_path[0])
		e->url_path = room->url_path;
}

/* Its worker's root directory into room->jail, if that is another than the tracer's. What the
 * kernel side saw when the origin was taken saves asking. */
static bool jailed(const struct attribute_ops *ops, const struct origin *o,
		   struct attribution_room *room)
{
	return !(o->flags & ST_O_OWN_ROOT) && ops->jail &&
	       ops->jail(ops->arg, &o->worker, room->jail, sizeof(room->jail));
}

static bool is_away(const struct attribute_ops *ops, const struct origin *o)
{
	return ops->own_mntns && o->mntns && o->mntns != ops->own_mntns;
}

/* `script`: as the worker sees it. */
static void set_vhost(const struct attribute_ops *ops, const struct origin *o, const char *script,
		      struct attribution_room *room, struct mail_event *e)
{
	struct vhost_query q = {
		.docroot = e->docroot,
		.script = script,
		.host_header = e->host_header,
		.server_name_from_memory = o->server_name,
		.mntns = o->mntns,
	};
	char path[1024];

	if (jailed(ops, o, room))
		q.chroot = room->jail;
	if (is_away(ops, o) && script && script[0] == '/' && ops->host_path &&
	    !ops->host_path(ops->arg, &o->worker, script, path, sizeof(path)))
		q.host_script = path;
	if (ops->vhost(ops->arg, &q, &room->vhost))
		return;
	e->vhost = room->vhost.name;
	e->evidence |= HAS(room->vhost.evidence);
	if (!room->vhost.exact)
		weaken(e, ATTRIBUTION_INFERRED, room->vhost.reason);
}

/* The start of the CGI program that a plain CGI's engine is, or was forked from; NULL: it was not
 * seen. */
static const struct origin *cgi_start(const struct attribute_ops *ops, const struct origin *o)
{
	for (int depth = 0; o && !origin_is_cgi(o) && depth < 8; depth++) {
		if (o->sapi != ST_SAPI_CGI || (o->flags & ST_O_FCGI) || !o->parent)
			return NULL;
		o = ops->origin(ops->arg, o->parent);
	}
	return o && origin_is_cgi(o) ? o : NULL;
}

static void set_request(const struct attribute_ops *ops, const struct origin *o,
			struct attribution_room *room, struct mail_event *e)
{
	const struct origin *start = cgi_start(ops, o);
	const struct cgi_request *q = start ? start->request : NULL;
	const char *script = e->script;

	e->docroot = q ? q->docroot : o->docroot;
	e->client_ip = q ? q->client : o->client;
	e->host_header = q ? q->host : o->host;
	e->method = q ? q->method : o->method;
	set_url(e, room, q ? q->uri : o->uri);
	if (q || o->environment)
		e->evidence |= HAS(EVIDENCE_ENVIRONMENT);
	if (o->unreadable && !script)
		script = o->cwd; /* engines change to the script's directory */
	set_vhost(ops, o, script, room, e);
}

/* php-cgi serves requests, unless somebody runs it from a command line. */
static bool serves_request(const struct attribute_ops *ops, const struct origin *o)
{
	if (o->why == ST_BY_CGI)
		return origin_is_cgi(o);
	if (o->sapi == ST_SAPI_CGI && !(o->flags & ST_O_FCGI) && !o->unreadable)
		return o->method || cgi_start(ops, o);
	return o->sapi != ST_SAPI_CLI;
}

/* A CLI script that a web request started is that request's doing. */
static const struct origin *web_parent(const struct attribute_ops *ops, const struct origin *o)
{
	for (int depth = 0; o && !serves_request(ops, o) && depth < 8; depth++)
		o = o->parent ? ops->origin(ops->arg, o->parent) : NULL;
	return o && serves_request(ops, o) ? o : NULL;
}

/* Paths of a worker in another root are said as the host sees them, as far as that is proved. */
static void set_host_paths(const struct attribute_ops *ops, const struct origin *o,
			   struct attribution_room *room, struct mail_event *e)
{
	static const char inside[] =
		"the path is as its worker saw it, in a root directory of its own";
	bool same = e->script && e->culprit_file && !strcmp(e->script, e->culprit_file);
	char path[1024];

	if (!is_away(ops, o) && !jailed(ops, o, room))
		return;
	if (e->script && e->script[0] == '/') {
		if (ops->host_path &&
		    !ops->host_path(ops->arg, &o->worker, e->script, path, sizeof(path)))
			e->script = copy(room->script, sizeof(room->script), path);
		else
			weaken(e, ATTRIBUTION_INFERRED, inside);
	}
	/* asked once: the worker may end at any moment */
	if (same) {
		e->culprit_file = e->script;
	} else if (e->culprit_file && e->culprit_file[0] == '/') {
		if (ops->host_path &&
		    !ops->host_path(ops->arg, &o->worker, e->culprit_file, path, sizeof(path)))
			e->culprit_file = copy(room->culprit, sizeof(room->culprit), path);
		else
			weaken(e, ATTRIBUTION_INFERRED, inside);
	}
}

/* A program of any language that a web server started for a request. */
static void set_cgi(const struct attribute_ops *ops, const struct origin *o,
		    struct attribution_room *room, struct mail_event *e)
{
	e->source = SOURCE_SCRIPT;
	e->script = e->culprit_file = o->request->script;
	if (!e->script)
		weaken(e, ATTRIBUTION_INFERRED,
		       o->request->cut ? "the CGI environment was not seen to its end"
				       : "the CGI environment names no script");
	set_request(ops, o, room, e);
	set_host_paths(ops, o, room, e);
}

/* An engine that cannot be read: what it was called to run, else what the server named. */
static void set_unreadable(const struct attribute_ops *ops, const struct origin *o,
			   struct attribution_room *room, struct mail_event *e)
{
	const struct origin *start = o->parent ? ops->origin(ops->arg, o->parent) : NULL;
	const char *why = ops->php_reason ? ops->php_reason(ops->arg, o->image) : NULL;
	bool named = start && origin_is_cgi(start) &&
		     (start->request->translated || start->request->script);
	const char *what = "only its directory is known";

	e->evidence |= HAS(EVIDENCE_CWD);
	/* an open is the weakest of the three */
	if ((!named || !(o->flags & ST_O_SCRIPT_OPEN)) && origin_primary(o, &room->primary) == 0) {
		e->script = room->primary.path;
		e->evidence |=
			HAS(o->flags & ST_O_SCRIPT_OPEN ? EVIDENCE_FILE_OPENS : EVIDENCE_PHP_CALL);
		what = o->flags & ST_O_SCRIPT_OPEN
			       ? "the script is the one that its worker opened before it entered "
				 "its directory"
			       : "the script is the one it was called to execute";
	} else if (named) {
		e->script = start->request->translated ? start->request->translated
						       : start->request->script;
		e->evidence |= HAS(EVIDENCE_ENVIRONMENT);
		what = "the script is the one that the server named";
	}
	snprintf(room->reason, sizeof(room->reason), "the engine's memory cannot be read (%s): %s",
		 why ? why : "it is not trusted", what);
	weaken(e, ATTRIBUTION_INFERRED, room->reason);
	e->culprit_file = e->script;
}

/* The primary script by the engine's memory. At the end of a plain CGI's request that is gone, but
 * its server has named it. */
static void set_primary(const struct attribute_ops *ops, const struct origin *o,
			struct attribution_room *room, struct mail_event *e)
{
	const struct origin *start = cgi_start(ops, o);
	int err = origin_primary(o, &room->primary);

	if (err == 0)
		e->script = room->primary.path;
	if (start && start->request->translated && (err || !room->primary.exact)) {
		e->script = start->request->translated;
		e->evidence |= HAS(EVIDENCE_ENVIRONMENT);
	} else if (err) {
		weaken(e, ATTRIBUTION_INFERRED,
		       "the engine's memory did not name the primary script");
	} else if (!room->primary.exact) {
		weaken(e, ATTRIBUTION_INFERRED, room->primary.reason);
	}
}

static void set_origin(const struct attribute_ops *ops, const struct origin *o,
		       struct attribution_room *room, struct mail_event *e)
{
	const struct origin *web = web_parent(ops, o);
	int culprit;

	if (o->why == ST_BY_CGI) {
		set_cgi(ops, o, room, e);
		return;
	}
	e->source = web ? SOURCE_SCRIPT : SOURCE_CLI;
	e->php_version = ops->php_version(ops->arg, o->image);
	e->php_sapi = sapi_name(o->sapi);
	memcpy(room->frames, o->frames, sizeof(room->frames));
	e->frames = room->frames;
	e->frame_count = o->frame_count;
	e->stack_cut = o->stack_cut;
	if (o->unreadable) {
		set_unreadable(ops, o, room, e);
	} else {
		e->evidence |= HAS(EVIDENCE_PHP_MEMORY);
		set_primary(ops, o, room, e);
		culprit = set_culprit(e, o->frames, o->frame_count);
		if (!o->frame_count)
			weaken(e, ATTRIBUTION_INFERRED, "the engine's stack could not be read");
		if (culprit >= 0 && o->guessed_lines >> culprit & 1)
			weaken(e, ATTRIBUTION_INFERRED,
			       "the line is the one where its process was forked");
	}
	if (web)
		set_request(ops, web, room, e);
	set_host_paths(ops, o, room, e);
}

/* A wrapper that stands in for sendmail sends on behalf of another. */
static const char *unless_wrapper(const char *script)
{
	static const char *const wrappers[] = {"sendmail", "qmail-inject", "mail"};
	const char *base = script && strrchr(script, '/') ? strrchr(script, '/') + 1 : script;

	for (size_t i = 0; script && i < sizeof(wrappers) / sizeof(wrappers[0]); i++)
		if (!strcmp(base, wrappers[i]))
			return NULL;
	return script;
}

/* The script that a Perl, Python or shell process runs. *cut: its name was longer than what is
 * kept. */
static const char *interpreted_script(const struct injection *i, bool *cut)
{
	const char *script =
		unless_wrapper(attribute_script_of(i->script_inner, i->script_inner_len));

	*cut = script && script + strlen(script) == i->script_inner + i->script_inner_len;
	if (script)
		return script;
	script = unless_wrapper(attribute_script_of(i->script, i->script_len));
	*cut = script && script + strlen(script) == i->script + i->script_len;
	return script;
}

static void set_script_file(const struct injection *i, struct attribution_room *room,
			    struct mail_event *e, const char *script)
{
	if (script[0] == '/') {
		copy(room->script, sizeof(room->script), script);
	} else if (i->cwd) {
		snprintf(room->script, sizeof(room->script), "%s/%s", i->cwd[1] ? i->cwd : "",
			 script);
		weaken(e, ATTRIBUTION_INFERRED,
		       "the script was named relative to a directory that it may have left");
	} else {
		copy(room->script, sizeof(room->script), script);
		weaken(e, ATTRIBUTION_INFERRED,
		       "the script was named relative to a directory that is not known");
	}
	e->script = e->culprit_file = room->script;
	e->evidence |= HAS(EVIDENCE_ARGV);
}

/* Does it descend from a web server or a PHP engine? *web: from one that serves requests. */
static bool engine_ancestor(const struct attribute_ops *ops, const struct injection *i, bool *web)
{
	bool any = false;

	*web = false;
	for (size_t n = 0; n < i->ancestors; n++) {
		uint32_t role = ST_ROLE_NONE;
		const char *path = ops->program_at(ops->arg, &i->ancestor[n].exe, &role);

		any |= role == ST_ROLE_HTTPD || role == ST_ROLE_PHP;
		*web |= role == ST_ROLE_HTTPD ||
			(role == ST_ROLE_PHP && path &&
			 (strstr(path, "fpm") || strstr(path, "cgi") || strstr(path, "lsphp")));
	}
	return any;
}

static void set_terminal(const struct injection *i, struct attribution_room *room,
			 struct mail_event *e)
{
	uint32_t major = i->tty >> 20, minor = i->tty & 0xfffff;

	if (!i->tty)
		return;
	if (major >= 136 &&
	    major <= 143) /* Unix98 pty slaves, Documentation/admin-guide/devices.txt */
		snprintf(room->terminal, sizeof(room->terminal), "pts/%u",
			 (major - 136) * 256 + minor);
	else if (major == 4)
		snprintf(room->terminal, sizeof(room->terminal), minor < 64 ? "tty%u" : "ttyS%u",
			 minor < 64 ? minor : minor - 64);
	else
		snprintf(room->terminal, sizeof(room->terminal), "%u:%u", major, minor);
	e->terminal = room->terminal;
}

/* No PHP in sight: a script of another language, a user, a program of the system. */
static void set_other(const struct attribute_ops *ops, const struct injection *i,
		      struct attribution_room *room, struct mail_event *e)
{
	bool cut, web, engine = engine_ancestor(ops, i, &web);
	const char *script = interpreted_script(i, &cut);

	if (script) {
		e->source = web ? SOURCE_SCRIPT : SOURCE_CLI;
		set_script_file(i, room, e, script);
		if (cut)
			weaken(e, ATTRIBUTION_INFERRED,
			       "the script's path is longer than what is kept of it");
	} else if (engine) {
		/* its memory is not trusted, or it served no request */
		e->source = web ? SOURCE_SCRIPT : SOURCE_CLI;
		weaken(e, ATTRIBUTION_NONE,
		       "a web server or PHP started it, but what that was running could not be "
		       "read");
	} else {
		e->source = SOURCE_USER;
	}
}

static void set_process(const struct attribute_ops *ops, const struct injection *i,
			struct attribution_room *room, struct mail_event *e)
{
	const struct mta *mta = NULL;
	const char *path = ops->program(ops->arg, i->program, &mta);
	uint32_t role = ST_ROLE_NONE;

	e->uid = i->uid;
	e->euid = i->euid;
	e->user_name = copy(room->user, sizeof(room->user), ops->user(ops->arg, i->uid));
	e->pid = i->task.tgid;
	e->executable = copy(room->executable, sizeof(room->executable), path);
	e->args = i->args;
	e->args_len = i->args_len;
	e->working_directory = i->cwd;
	if (i->origin) {
		e->parent_pid = i->origin->worker.tgid;
		path = ops->program_at(ops->arg, &i->origin->exe, &role);
	} else if (i->ancestors) {
		e->parent_pid = i->ancestor[0].task.tgid;
		path = ops->program_at(ops->arg, &i->ancestor[0].exe, &role);
		if (!path && ops->executable &&
		    ops->executable(ops->arg, &i->ancestor[0].task, room->parent,
				    sizeof(room->parent)))
			path = room->parent;
		else if (!path && i->ancestor[0].comm[0])
			path = i->ancestor[0].comm;
	} else {
		path = NULL;
	}
	e->parent_executable =
		path == room->parent ? path : copy(room->parent, sizeof(room->parent), path);
	e->container =
		copy(room->container, sizeof(room->container), ops->container(ops->arg, i->mntns));
	set_terminal(i, room, e);
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

static void set_injection(const struct attribute_ops *ops, const struct injection *i,
			  struct attribution_room *room, struct mail_event *e)
{
	const struct origin *o = i->origin;

	e->attribution = ATTRIBUTION_EXACT;
	e->evidence |= HAS(EVIDENCE_EXEC);
	set_process(ops, i, room, e);
	/* a helper that a web server started serves no request */
	while (o && o->why == ST_BY_CGI && !origin_is_cgi(o))
		o = o->parent ? ops->origin(ops->arg, o->parent) : NULL;
	if (o) {
		e->evidence |= HAS(EVIDENCE_FORK_TREE);
		set_origin(ops, o, room, e);
	} else if (i->origin_lost) {
		e->source = SOURCE_UNKNOWN;
		weaken(e, ATTRIBUTION_NONE, "the record of its PHP worker was lost");
	} else {
		set_other(ops, i, room, e);
	}
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
	const struct origin *o = q->session;
	uint32_t role;

	e->attribution = ATTRIBUTION_EXACT;
	e->evidence |= HAS(EVIDENCE_SMTP_PORT) | HAS(EVIDENCE_QUEUE_FILE);
	e->uid = o->uid;
	e->euid = o->euid;
	e->user_name = copy(room->user, sizeof(room->user), ops->user(ops->arg, o->uid));
	e->pid = o->worker.tgid;
	e->executable = copy(room->executable, sizeof(room->executable),
			     ops->program_at(ops->arg, &o->exe, &role));
	e->working_directory = o->cwd;
	e->container =
		copy(room->container, sizeof(room->container), ops->container(ops->arg, o->mntns));
	set_origin(ops, o, room, e);
}

/*
 * The queue file names the mailbox, but not qmail's; there the log does, and RELAYCLIENT in what
 * qmail-smtpd passes on, where its own environment had none, says at least that there was a login
 * (a listed address has it from the start).
 */
static void set_login(const struct attribute_ops *ops, const struct queued *q,
		      struct attribution_room *room, struct mail_event *e)
{
	char value[256];

	if (!e->auth_user && q->injection &&
	    env_value(q->injection, "SMTPAUTHUSER", value, sizeof(value)))
		e->auth_user = copy(room->host, sizeof(room->host), value);
	if (!e->auth_user && ops->login) {
		e->auth_user = copy(room->host, sizeof(room->host), ops->login(ops->arg, q));
		if (e->auth_user)
			e->evidence |= HAS(EVIDENCE_MAIL_LOG);
	}
	if (e->auth_user || (q->injection && q->injection->relayed))
		e->source = SOURCE_SMTP_AUTH;
}

/* Mail that came in over SMTP. */
static void set_smtp(const struct attribute_ops *ops, const struct queued *q,
		     struct attribution_room *room, struct mail_event *e)
{
	e->source = SOURCE_SMTP;
	e->attribution = ATTRIBUTION_EXACT;
	if (q->origin_lost)
		weaken(e, ATTRIBUTION_INFERRED,
		       "a script opened the session, but the record that names it was lost");
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
		weaken(e, ATTRIBUTION_INFERRED, q->no_facts);
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
	if (q->actor.run == RUN_BOUNCE || (q->has_facts && q->facts.bounce)) {
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
		set_injection(ops, q->injection, room, out);
	} else {
		out->source = SOURCE_UNKNOWN;
		out->attribution = ATTRIBUTION_NONE;
		out->reason = q->origin_lost ? "the record of its injection was lost"
			      : q->doubt     ? q->doubt
					 : "its injection began before tracing, or was not seen";
		if (q->has_facts && q->facts.uid != COUNT_UNKNOWN) {
			out->uid = q->facts.uid;
			out->user_name = copy(room->user, sizeof(room->user),
					      ops->user(ops->arg, (uint32_t)q->facts.uid));
			out->evidence |= HAS(EVIDENCE_QUEUE_FILE);
		}
	}
	if (q->doubt && (q->injection || q->session))
		weaken(out, ATTRIBUTION_INFERRED, q->doubt);
	if (out->attribution == ATTRIBUTION_EXACT)
		out->reason = NULL;
}

void attribute_attempt(const struct attribute_ops *ops, const struct injection *i, const char *why,
		       struct attribution_room *room, struct mail_event *out)
{
	blank(out, ACTION_MAIL_ATTEMPTED);
	out->mta = i->mta ? i->mta->name : NULL;
	set_injection(ops, i, room, out);
	out->exit_code = i->exit_code;
	out->exit_signal = i->exit_signal > 0 ? i->exit_signal : 0;
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
	out->user_name = copy(room->user, sizeof(room->user), ops->user(ops->arg, k->uid));
	out->pid = k->h.task.tgid;
	if (o) {
		uint32_t role;

		set_origin(ops, o, room, out);
		out->container = copy(room->container, sizeof(room->container),
				      ops->container(ops->arg, o->mntns));
		out->executable = copy(room->executable, sizeof(room->executable),
				       ops->program_at(ops->arg, &o->exe, &role));
	} else {
		weaken(out, ATTRIBUTION_NONE, "the record of its PHP worker was lost");
	}
	out->destination_ip = inet_ntop(k->family == 4 ? AF_INET : AF_INET6, k->daddr,
					room->destination, sizeof(room->destination));
	out->destination_port = k->dport;
	out->client_port = k->sport;
	if (out->attribution == ATTRIBUTION_EXACT)
		out->reason = NULL;
}
