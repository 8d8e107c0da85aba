// SPDX-License-Identifier: GPL-2.0-only
#include "trace/origin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace/culprit.h"

/* Room for every string of a record, for "Class::function", and for a path that record_path() turns
 * round. */
#define TEXT_ROOM(data_len) ((data_len)*2 + EVENT_MAX_FRAMES * 4 + 64)

struct room {
	char *at, *end;
};

static const char *keep(struct room *room, const char *s, size_t len)
{
	char *p = room->at;

	if (!len || (size_t)(room->end - p) <= len)
		return NULL;
	memcpy(p, s, len);
	p[len] = '\0';
	/* a NUL inside would hide the rest */
	room->at += strlen(p) + 1;
	return p;
}

static const char *keep_text(struct room *room, const struct record *r, struct st_str s)
{
	struct text t = record_text(r, s);

	return keep(room, t.s, t.len);
}

static const char *keep_function(struct room *room, const struct record *r,
				 const struct st_frame *f)
{
	struct text scope = record_text(r, f->scope), name = record_text(r, f->function);
	char both[320];
	size_t n;

	if (!name.len)
		return NULL;
	if (!scope.len || scope.len + name.len + 2 >= sizeof(both))
		return keep(room, name.s, name.len);
	memcpy(both, scope.s, scope.len);
	memcpy(both + scope.len, "::", 2);
	memcpy(both + scope.len + 2, name.s, name.len);
	n = scope.len + 2 + name.len;
	return keep(room, both, n);
}

static void keep_frames(struct origin *o, struct room *room, const struct record *r,
			const struct st_origin *raw)
{
	size_t n = raw->frames < EVENT_MAX_FRAMES ? raw->frames : EVENT_MAX_FRAMES;

	for (size_t i = 0; i < n; i++) {
		const struct st_frame *f = &raw->frame[i];
		struct frame *out = &o->frames[o->frame_count];

		if (f->type != ST_FRAME_INTERNAL && f->type != ST_FRAME_USER &&
		    f->type != ST_FRAME_EVAL)
			continue;
		*out = (struct frame){.function = keep_function(room, r, f)};
		if (f->type != ST_FRAME_INTERNAL) {
			struct text file = record_text(r, f->file);
			char path[1024];
			bool eval = false;
			uint32_t line = f->line;

			if (file.len && file.len < sizeof(path)) {
				memcpy(path, file.s, file.len);
				path[file.len] = '\0';
				eval = culprit_unwrap_eval(path, &line);
				out->file = keep(room, path, strlen(path));
			}
			out->line = line;
			out->eval = eval;
			if (file.cut)
				o->stack_cut = true;
		}
		if (!out->file && !out->function && f->type == ST_FRAME_INTERNAL)
			continue;
		o->frame_count++;
	}
}

int origin_new(const struct record *r, struct origin **out)
{
	const struct st_origin *raw = (const struct st_origin *)r->h;
	struct origin *o;
	struct room room;
	char cwd[2048];

	if (r->h->type != ST_ORIGIN || !raw->id)
		return -EPROTO;
	o = calloc(1, sizeof(*o) + TEXT_ROOM(r->data_len));
	if (!o)
		return -ENOMEM;
	room = (struct room){o->text, o->text + TEXT_ROOM(r->data_len)};
	o->id = raw->id;
	o->parent = raw->parent;
	o->time = raw->h.time;
	o->worker = raw->h.task;
	o->child = raw->child;
	o->exe = raw->exe;
	o->uid = raw->uid;
	o->euid = raw->euid;
	o->gid = raw->gid;
	o->mntns = raw->mntns;
	o->image = raw->image;
	o->flags = raw->flags;
	o->why = raw->why;
	o->sapi = raw->sapi;
	o->stack_cut = raw->flags & ST_O_STACK_CUT;
	o->unreadable = raw->flags & ST_O_UNREADABLE;
	o->script = keep_text(&room, r, raw->script);
	o->script_cut = record_text(r, raw->script).cut;
	o->included = keep_text(&room, r, raw->included);
	o->included_cut = record_text(r, raw->included).cut;
	o->filename_cut = record_text(r, raw->filename).cut;
	o->uri = keep_text(&room, r, raw->uri);
	o->method = keep_text(&room, r, raw->method);
	o->host = keep_text(&room, r, raw->host);
	o->server_name = keep_text(&room, r, raw->server_name);
	o->docroot = keep_text(&room, r, raw->docroot);
	o->client = keep_text(&room, r, raw->client);
	o->filename = keep_text(&room, r, raw->filename);
	if (record_path(r, raw->cwd, cwd, sizeof(cwd)) == 0)
		o->cwd = keep(&room, cwd, strlen(cwd));
	keep_frames(o, &room, r, raw);
	*out = o;
	return 0;
}

void origin_free(struct origin *o)
{
	if (!o)
		return;
	free(o->environment);
	free(o->request);
	free(o->env);
	free(o);
}

bool origin_is_cgi(const struct origin *o)
{
	return o->why == ST_BY_CGI && o->request && o->request->cgi;
}

/*
 * Copies the value of NAME, the first of its name, to *at. A .htaccess could add another: httpd
 * made "SCRIPT_FILENAME" of SetEnv's "SCRIPT-FILENAME" (server/util_script.c,
 * ap_create_environment()); 2.4.71 was measured not to.
 */
static const char *keep_variable(const struct origin *o, const char *name, char **at, bool *twice)
{
	const char *value = NULL, *first = NULL;
	size_t n = strlen(name);

	for (size_t i = 0; i < o->env_len; i += strlen(o->env + i) + 1) {
		const char *p = o->env + i;

		if (strncmp(p, name, n) || p[n] != '=')
			continue;
		*twice |= first && strcmp(first, p + n + 1) != 0;
		if (first)
			continue;
		first = p + n + 1;
		if (!*first)
			continue;
		value = *at;
		*at = stpcpy(*at, first) + 1;
	}
	return value;
}

/* o->env ends with NUL. */
static int read_request(struct origin *o, bool cut)
{
	struct cgi_request *q = calloc(1, sizeof(*q) + o->env_len + 1);
	char *at;

	if (!q)
		return -ENOMEM;
	at = q->text;
	q->cut = cut;
	q->cgi = keep_variable(o, "GATEWAY_INTERFACE", &at, &q->twice);
	q->script = keep_variable(o, "SCRIPT_FILENAME", &at, &q->twice);
	/* mod_actions redirects to the handler: REDIRECT_HANDLER; else PATH_TRANSLATED is only the
	 * path behind a script's name */
	if (keep_variable(o, "REDIRECT_HANDLER", &at, &q->twice))
		q->translated = keep_variable(o, "PATH_TRANSLATED", &at, &q->twice);
	q->docroot = keep_variable(o, "DOCUMENT_ROOT", &at, &q->twice);
	q->client = keep_variable(o, "REMOTE_ADDR", &at, &q->twice);
	q->host = keep_variable(o, "HTTP_HOST", &at, &q->twice);
	q->uri = keep_variable(o, "REQUEST_URI", &at, &q->twice);
	q->method = keep_variable(o, "REQUEST_METHOD", &at, &q->twice);
	o->request = q;
	free(o->env);
	o->env = NULL;
	return 0;
}

int origin_environment(struct origin *o, const struct record *r)
{
	const struct st_env *e = (const struct st_env *)r->h;
	struct text t = record_text(r, e->env);
	bool last = e->at + t.len >= e->total || e->at / ST_ENV_PIECE == ST_ENV_PIECES - 1;
	char *grown;

	if (r->h->type != ST_ENV || o->request)
		return -EPROTO;
	if (e->at != o->env_len || !t.len || t.len > ST_ENV_PIECE)
		return o->env ? read_request(o, true) ?: -EPROTO : -EPROTO;
	grown = realloc(o->env, o->env_len + t.len + 1);
	if (!grown)
		return -ENOMEM;
	o->env = grown;
	memcpy(grown + o->env_len, t.s, t.len);
	o->env_len += (uint32_t)t.len;
	grown[o->env_len] = '\0';
	return last ? read_request(o, o->env_len < e->total) : 0;
}

bool origin_wants_environment(const struct origin *o)
{
	return o->sapi == ST_SAPI_CGI && !(o->flags & ST_O_FCGI);
}

void origin_take_environment(struct origin *o, char *block, size_t len)
{
	const struct {
		const char *name;
		const char **to;
	} known[] = {
		{"DOCUMENT_ROOT=", &o->docroot}, {"REMOTE_ADDR=", &o->client},
		{"HTTP_HOST=", &o->host},        {"REQUEST_URI=", &o->uri},
		{"REQUEST_METHOD=", &o->method},
	};

	free(o->environment);
	o->environment = block;
	for (char *p = block; p < block + len; p += strlen(p) + 1)
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			size_t n = strlen(known[i].name);

			if (!strncmp(p, known[i].name, n) && p[n] && !*known[i].to)
				*known[i].to = p + n;
		}
}

const char *origin_strip_proxy(const char *s)
{
	static const char prefix[] = "proxy:";
	const char *p;

	if (!s || strncmp(s, prefix, sizeof(prefix) - 1))
		return s;
	p = strstr(s, "://");
	p = p ? strchr(p + 3, '/') : NULL;
	return p ? p : s;
}

static int set(struct primary *out, const char *path, bool exact, const char *reason)
{
	if (!path || !*path || strlen(path) >= sizeof(out->path))
		return -ENOENT;
	memcpy(out->path, path, strlen(path) + 1);
	out->exact = exact;
	out->reason = exact ? NULL : reason;
	return 0;
}

/* Frames that nothing is known of. */
static void drop_empty_frames(struct origin *o)
{
	uint32_t guessed = 0;
	size_t n = 0;

	for (size_t i = 0; i < o->frame_count; i++) {
		if (!o->frames[i].file && !o->frames[i].function)
			continue;
		guessed |= (o->guessed_lines >> i & 1) << n;
		o->frames[n++] = o->frames[i];
	}
	o->frame_count = n;
	o->guessed_lines = guessed;
}

static bool same_function(const struct frame *a, const struct frame *b)
{
	return a->function && b->function ? !strcmp(a->function, b->function) : true;
}

static void inherit(struct origin *o, const struct origin *from)
{
	static const size_t fields[] = {
		offsetof(struct origin, script),   offsetof(struct origin, included),
		offsetof(struct origin, uri),      offsetof(struct origin, method),
		offsetof(struct origin, host),     offsetof(struct origin, server_name),
		offsetof(struct origin, docroot),  offsetof(struct origin, client),
		offsetof(struct origin, filename),
	};
	bool script = o->script != NULL;

	if (memcmp(&from->child, &o->worker, sizeof(o->worker)) ||
	    memcmp(&from->exe, &o->exe, sizeof(o->exe)) || from->unreadable || o->unreadable ||
	    o->why == ST_BY_SERVER)
		return;
	if (o->sapi == ST_SAPI_NONE)
		o->sapi = from->sapi;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char **to = (const char **)((char *)o + fields[i]);

		if (!*to)
			*to = *(const char *const *)((const char *)from + fields[i]);
	}
	if (!script)
		o->flags |= from->flags & (ST_O_SCRIPT_SG | ST_O_SCRIPT_ENV);
	o->flags |= from->flags & ST_O_FCGI;
	if (o->stack_cut || from->stack_cut)
		return;
	for (size_t k = 1; k <= o->frame_count && k <= from->frame_count; k++) {
		struct frame *to = &o->frames[o->frame_count - k];
		const struct frame *known = &from->frames[from->frame_count - k];

		if (!same_function(to, known))
			break;
		if (!to->function)
			to->function = known->function;
		if (to->file || !known->file)
			continue;
		to->file = known->file;
		if (!to->line || known->eval) {
			to->line = known->line;
			to->eval = known->eval;
			o->guessed_lines |= 1u << (o->frame_count - k);
		}
	}
}

void origin_inherit(struct origin *o, const struct origin *from)
{
	if (from)
		inherit(o, from);
	drop_empty_frames(o);
}

/* The file of the outermost frame that has one: {main} unless the stack was cut. */
static const char *outermost_file(const struct origin *o)
{
	for (size_t i = o->frame_count; i > 0; i--)
		if (o->frames[i - 1].file)
			return o->frames[i - 1].file;
	return NULL;
}

static const char path_was_cut[] = "the script's path is longer than what is read of it";

/* php -r says "Standard input code", too. */
static bool is_no_file(const char *script)
{
	return !strcmp(script, "-") || !strcmp(script, "Standard input code");
}

static int cli_primary(const struct origin *o, struct primary *out)
{
	static const char relative[] =
		"the script was named relative to a directory that is not known";

	/* php_cli.c opens the script before it runs it, so its real path is the first of
	 * included_files, before auto_prepend_file; but code that is no file's includes another's.
	 */
	if (o->included && o->included[0] == '/' && o->script && !is_no_file(o->script))
		return set(out, o->included, !o->included_cut, path_was_cut);
	if (o->script && o->script[0] == '/')
		return set(out, o->script, !o->script_cut, path_was_cut);
	if (o->script && o->cwd && strlen(o->script) + strlen(o->cwd) + 2 < sizeof(out->path)) {
		char path[1024];

		/* its {main} knows better which of the two */
		if (is_no_file(o->script))
			return set(out,
				   !o->stack_cut && outermost_file(o) ? outermost_file(o)
								      : o->script,
				   true, NULL);
		stpcpy(stpcpy(stpcpy(path, o->cwd), o->cwd[1] ? "/" : ""), o->script);
		return set(out, path, false, "the worker may have changed its directory");
	}
	if (!o->stack_cut && outermost_file(o))
		return set(out, outermost_file(o), true, NULL); /* php -r, standard input */
	return set(out, o->script, false, relative);
}

static bool in_directory(const char *path, const char *dir)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	return dir && slash && (n ? strlen(dir) == n && !strncmp(path, dir, n) : !strcmp(dir, "/"));
}

/* An engine that cannot be read: its calls name the script as the server or the command line gave
 * it. */
static int unreadable_primary(const struct origin *o, struct primary *out)
{
	static const char called[] = "the engine's memory cannot be read: the script is the one "
				     "that it was called to execute";
	static const char opened[] = "the engine's memory cannot be read: the script is the one "
				     "that its worker opened before it entered its directory";
	const char *reason = o->flags & ST_O_SCRIPT_OPEN ? opened : called;
	char path[1024];

	if (!o->script || o->script_cut)
		return -ENOENT;
	/* engines change to the primary script's directory: a file of another one is included, or
	 * of another request */
	if ((o->flags & ST_O_SCRIPT_OPEN) && !in_directory(o->script, o->cwd))
		return -ENOENT;
	if (o->script[0] == '/' || !strcmp(o->script, "Standard input code") || !o->cwd)
		return set(out, origin_strip_proxy(o->script), false, reason);
	if (strlen(o->script) + strlen(o->cwd) + 2 > sizeof(path))
		return -ENOENT;
	stpcpy(stpcpy(stpcpy(path, o->cwd), o->cwd[1] ? "/" : ""), o->script);
	return set(out, path, false, reason);
}

/* Servers name scripts so. What is not was read where something else stands. */
static bool is_absolute(const char *path)
{
	return path && path[0] == '/';
}

int origin_primary(const struct origin *o, struct primary *out)
{
	if (o->unreadable)
		return unreadable_primary(o, out);
	if (o->sapi == ST_SAPI_CLI)
		return cli_primary(o, out);
	if (o->script && !o->script_cut) {
		const char *path = origin_strip_proxy(o->script);

		if (is_absolute(path) && o->flags & (ST_O_SCRIPT_SG | ST_O_SCRIPT_ENV))
			return set(out, path, true, NULL);
	}
	if (o->sapi == ST_SAPI_APACHE2HANDLER && is_absolute(o->filename))
		return set(out, o->filename, !o->filename_cut, path_was_cut);
	if (o->included && o->included[0] == '/')
		return set(out, o->included, false,
			   "only the first file of the request is known, which may be an "
			   "auto_prepend_file");
	if (is_absolute(outermost_file(o)))
		return set(out, outermost_file(o), false,
			   "only the outermost frame of the stack names a file");
	return -ENOENT;
}
