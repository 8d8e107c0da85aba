// SPDX-License-Identifier: GPL-2.0-only
/* From an injection to its process, user and terminal, and to the script of another language. */
#include <stdio.h>
#include <string.h>

#include "trace/attribute_internal.h"

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

static void set_script_file(const struct attribute_ops *ops, const struct injection *i,
			    struct attribution_room *room, struct mail_event *e, const char *script)
{
	if (script[0] == '/') {
		attribute_copy(room->script, sizeof(room->script), script);
	} else if (i->cwd) {
		snprintf(room->script, sizeof(room->script), "%s/%s", i->cwd[1] ? i->cwd : "",
			 script);
		attribute_weaken(
			e, ATTRIBUTION_INFERRED,
			"the script was named relative to a directory that it may have left");
	} else {
		attribute_copy(room->script, sizeof(room->script), script);
		attribute_weaken(e, ATTRIBUTION_INFERRED,
				 "the script was named relative to a directory that is not known");
	}
	if (ops->own_mntns && i->mntns && i->mntns != ops->own_mntns)
		attribute_weaken(e, ATTRIBUTION_INFERRED,
				 "the path is as its process saw it, in a root of its own");
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
		set_script_file(ops, i, room, e, script);
		if (cut)
			attribute_weaken(e, ATTRIBUTION_INFERRED,
					 "the script's path is longer than what is kept of it");
	} else if (engine) {
		/* its memory is not trusted, or it served no request */
		e->source = web ? SOURCE_SCRIPT : SOURCE_CLI;
		attribute_weaken(
			e, ATTRIBUTION_NONE,
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
	e->user_name = attribute_copy(room->user, sizeof(room->user), ops->user(ops->arg, i->uid));
	e->pid = i->task.tgid;
	e->executable = attribute_copy(room->executable, sizeof(room->executable), path);
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
		else if (!path && i->ancestor[0].comm[0] && !strchr(i->ancestor[0].comm, '/'))
			path = i->ancestor[0].comm;
	} else {
		path = NULL;
	}
	e->parent_executable = path == room->parent
				       ? path
				       : attribute_copy(room->parent, sizeof(room->parent), path);
	e->container = attribute_copy(room->container, sizeof(room->container),
				      ops->container(ops->arg, i->mntns));
	set_terminal(i, room, e);
}

void attribute_injection(const struct attribute_ops *ops, const struct injection *i,
			 struct attribution_room *room, struct mail_event *e)
{
	const struct origin *o = attribute_speaker(ops, i->origin);

	e->attribution = ATTRIBUTION_EXACT;
	e->evidence |= HAS(EVIDENCE_EXEC);
	set_process(ops, i, room, e);
	if (o) {
		e->evidence |= HAS(EVIDENCE_FORK_TREE);
		attribute_origin(ops, o, room, e);
		if ((e->evidence & HAS(EVIDENCE_ENVIRONMENT)) && injection_from_login(i))
			attribute_weaken(e, ATTRIBUTION_INFERRED,
					 "a login started the web server that it came from");
	} else if (i->origin_lost) {
		e->source = SOURCE_UNKNOWN;
		attribute_weaken(e, ATTRIBUTION_NONE, "the record of its PHP worker was lost");
	} else {
		set_other(ops, i, room, e);
	}
}
