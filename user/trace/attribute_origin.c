// SPDX-License-Identifier: GPL-2.0-only
/* From an origin to a script, line, vhost and client. */
#include <stdio.h>
#include <string.h>

#include "trace/attribute_internal.h"
#include "trace/culprit.h"

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
	if (!attribute_copy(room->url_path, sizeof(room->url_path), uri))
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
		.culprit = e->frame_count ? e->culprit_file : NULL,
		.uid = o->uid,
		.mntns = o->mntns,
	};
	char path[1024];

	if (jailed(ops, o, room))
		q.chroot = room->jail;
	/* the table has the host's names */
	if (q.chroot || is_away(ops, o) || (q.culprit && script && !strcmp(q.culprit, script)))
		q.culprit = NULL;
	if (is_away(ops, o) && script && script[0] == '/' && ops->host_path &&
	    !ops->host_path(ops->arg, &o->worker, script, path, sizeof(path)))
		q.host_script = path;
	if (ops->vhost(ops->arg, &q, &room->vhost))
		return;
	e->vhost = room->vhost.name;
	e->evidence |= HAS(room->vhost.evidence);
	if (!room->vhost.exact)
		attribute_weaken(e, ATTRIBUTION_INFERRED, room->vhost.reason);
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
	if (q && q->twice)
		attribute_weaken(e, ATTRIBUTION_INFERRED,
				 "the CGI environment names its request twice, not the same");
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
	if (o->why == ST_BY_SERVER)
		return false;
	if (o->sapi == ST_SAPI_CGI && !(o->flags & ST_O_FCGI) && !o->unreadable)
		return cgi_start(ops, o);
	return o->sapi != ST_SAPI_CLI;
}

/* A plain CGI that no web server was seen to start: its environment may be anybody's. */
static bool claims_request(const struct origin *o)
{
	return o->why != ST_BY_CGI && o->sapi == ST_SAPI_CGI && !(o->flags & ST_O_FCGI) &&
	       !o->unreadable && o->method;
}

/* A CLI script that a web request started is that request's doing. */
static const struct origin *web_parent(const struct attribute_ops *ops, const struct origin *o)
{
	const struct origin *claimed = NULL;

	for (int depth = 0; o && !serves_request(ops, o) && depth < 8; depth++) {
		if (o->why == ST_BY_SERVER)
			return claimed;
		if (!claimed && claims_request(o))
			claimed = o;
		o = o->parent ? ops->origin(ops->arg, o->parent) : NULL;
	}
	return o && serves_request(ops, o) ? o : claimed;
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
			e->script = attribute_copy(room->script, sizeof(room->script), path);
		else
			attribute_weaken(e, ATTRIBUTION_INFERRED, inside);
	}
	/* asked once: the worker may end at any moment */
	if (same) {
		e->culprit_file = e->script;
	} else if (e->culprit_file && e->culprit_file[0] == '/') {
		if (ops->host_path &&
		    !ops->host_path(ops->arg, &o->worker, e->culprit_file, path, sizeof(path)))
			e->culprit_file =
				attribute_copy(room->culprit, sizeof(room->culprit), path);
		else
			attribute_weaken(e, ATTRIBUTION_INFERRED, inside);
	}
}

/* A program of any language that a web server started for a request. */
static void set_cgi(const struct attribute_ops *ops, const struct origin *o,
		    struct attribution_room *room, struct mail_event *e)
{
	e->source = SOURCE_SCRIPT;
	e->script = e->culprit_file = o->request->script;
	if (!e->script)
		attribute_weaken(e, ATTRIBUTION_INFERRED,
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
	attribute_weaken(e, ATTRIBUTION_INFERRED, room->reason);
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
		attribute_weaken(e, ATTRIBUTION_INFERRED,
				 "the engine's memory did not name the primary script");
	} else if (!room->primary.exact) {
		attribute_weaken(e, ATTRIBUTION_INFERRED, room->primary.reason);
	}
}

const struct origin *attribute_speaker(const struct attribute_ops *ops, const struct origin *o)
{
	while (o && o->why == ST_BY_CGI && o->request && !origin_is_cgi(o))
		o = o->parent ? ops->origin(ops->arg, o->parent) : NULL;
	return o;
}

void attribute_no_speaker(struct mail_event *e)
{
	e->source = SOURCE_UNKNOWN;
	attribute_weaken(e, ATTRIBUTION_NONE,
			 "a web server started the program, for no request that was seen");
}

static void set_engine(const struct attribute_ops *ops, const struct origin *o,
		       struct attribution_room *room, struct mail_event *e)
{
	const struct origin *web = web_parent(ops, o);
	int culprit;

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
		/* of a server, whose paths are absolute or a stream's ("phar://") */
		if (culprit >= 0 && o->sapi != ST_SAPI_CLI && e->culprit_file[0] != '/' &&
		    !strstr(e->culprit_file, "://")) {
			e->culprit_file = e->culprit_function = NULL;
			e->culprit_line = 0;
			culprit = -1;
			attribute_weaken(e, ATTRIBUTION_INFERRED,
					 "the engine's stack names no file");
		}
		if (!o->frame_count)
			attribute_weaken(e, ATTRIBUTION_INFERRED,
					 "the engine's stack could not be read");
		if (culprit >= 0 && o->guessed_lines >> culprit & 1)
			attribute_weaken(e, ATTRIBUTION_INFERRED,
					 "the line is the one where its process was forked");
	}
	if (web && !serves_request(ops, web))
		attribute_weaken(e, ATTRIBUTION_INFERRED,
				 web->environment
					 ? "no web server was seen to start it: the request is "
					   "what its environment says"
					 : "no web server was seen to start it, and what its "
					   "environment says could not be read");
	if (web)
		set_request(ops, web, room, e);
	set_host_paths(ops, o, room, e);
}

static const char by_script[] = "a script started the web server that it came from";

/*
 * A server that only a script's user runs is whatever he makes of it, its memory and the requests
 * that it hands to its programs included (LD_PRELOAD). One that root runs is the server, whoever
 * restarted it.
 */
static void doubt_server(const struct attribute_ops *ops, const struct origin *o,
			 struct mail_event *e)
{
	for (int depth = 0; o; depth++) {
		/* whoever can make it that long has reason to */
		if (depth == 32) {
			attribute_weaken(e, ATTRIBUTION_INFERRED,
					 "what started it goes further back than is looked at");
			return;
		}
		if (o->why == ST_BY_SERVER && o->uid) {
			attribute_weaken(e, ATTRIBUTION_INFERRED, by_script);
			return;
		}
		if (o->parent_lost)
			attribute_weaken(e, ATTRIBUTION_INFERRED,
					 "the record of what started it was lost");
		if (o->why == ST_BY_SERVER)
			return;
		o = o->parent ? ops->origin(ops->arg, o->parent) : NULL;
	}
}

/* A server that is in no request; its doings are nobody's, unless it is a script's own. */
static void set_server(const struct attribute_ops *ops, const struct origin *o,
		       struct attribution_room *room, struct mail_event *e)
{
	const struct origin *by = o->parent ? ops->origin(ops->arg, o->parent) : NULL;

	if (!o->uid || !by || by->why == ST_BY_SERVER) {
		attribute_no_speaker(e);
		return;
	}
	attribute_origin(ops, by, room, e);
	attribute_weaken(e, ATTRIBUTION_INFERRED, by_script);
}

void attribute_origin(const struct attribute_ops *ops, const struct origin *o,
		      struct attribution_room *room, struct mail_event *e)
{
	if (o->why == ST_BY_SERVER) {
		set_server(ops, o, room, e);
	} else if (o->why == ST_BY_CGI && !o->request) {
		/* what came before may be another request's */
		attribute_no_speaker(e);
	} else {
		if (o->why == ST_BY_CGI)
			set_cgi(ops, o, room, e);
		else
			set_engine(ops, o, room, e);
		doubt_server(ops, o, e);
	}
}
