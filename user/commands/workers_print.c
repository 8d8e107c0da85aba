// SPDX-License-Identifier: GPL-2.0-only
/* `spamtrace workers`: the table and the JSON. Everything a script or client chose is escaped on
 * its way out. */
#include "commands/workers.h"

#include <errno.h>
#include <fnmatch.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "output/page.h"

enum { SAPI_COLUMNS = 4, PID_COLUMNS = 7, PHP_COLUMNS = 6, SINCE_COLUMNS = 6, CPU_COLUMNS = 5 };

static bool matches(const char *pattern, const char *text, bool whole)
{
	if (strpbrk(pattern, "*?["))
		return fnmatch(pattern, text, 0) == 0;
	return whole ? strcasecmp(pattern, text) == 0 : strstr(text, pattern) != NULL;
}

bool workers_shown(const struct workers_view *v, const struct worker *w)
{
	char uid[16];

	if (w->status != WORKER_BUSY && !v->all)
		return false;
	snprintf(uid, sizeof(uid), "%u", w->uid);
	if (v->user && strcmp(v->user, w->user) != 0 && strcmp(v->user, uid) != 0)
		return false;
	if (v->vhost && !matches(v->vhost, w->vhost.name, true))
		return false;
	return !v->script || (w->walk && matches(v->script, w->walk->request.script, false));
}

/* As short as people call it. */
static const char *sapi_short(const struct worker *w)
{
	if (!w->walk)
		return w->process.engine->image.module ? "mod" : "-";
	switch (w->walk->request.sapi) {
	case ST_SAPI_APACHE2HANDLER:
		return "mod";
	case ST_SAPI_FPM:
		return "fpm";
	case ST_SAPI_CGI:
		return w->walk->request.flags & ST_O_FCGI ? "fcgi" : "cgi";
	case ST_SAPI_CLI:
		return "cli";
	default:
		return w->walk->request.sapi_name;
	}
}

/* "8.2.36" without what a distribution adds. */
static void version_short(const struct worker *w, char out[16])
{
	uint32_t v = w->process.engine->image.st.version;

	if (v)
		snprintf(out, 16, "%u.%u.%u", v / 10000 % 100, v / 100 % 100, v % 100);
	else
		snprintf(out, 16, "-");
}

/* "0.4s", "12s", "3m05", "2h10", "5d"; with '<' when it is only the process's age: the request is
 * younger. */
static void since_short(const struct workers *all, const struct worker *w, char out[24])
{
	double age = all->wall - w->since;
	const char *mark = w->since_request ? "" : "<";
	unsigned long s;

	if (age < 0)
		age = 0;
	s = (unsigned long)age;
	if (age < 9.95)
		snprintf(out, 24, "%s%.1fs", mark, age);
	else if (s < 60)
		snprintf(out, 24, "%s%lus", mark, s);
	else if (s < 3600)
		snprintf(out, 24, "%s%lum%02lu", mark, s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, 24, "%s%luh%02lu", mark, s / 3600, s / 60 % 60);
	else
		snprintf(out, 24, "%s%lud", mark, s / 86400);
}

static const char *script_text(const struct worker *w)
{
	switch (w->status) {
	case WORKER_BUSY:
		return w->walk->request.script[0] ? w->walk->request.script : "-";
	case WORKER_IDLE:
		return "(idle)";
	case WORKER_MASTER:
		return "(master)";
	default:
		return w->reason;
	}
}

static const char *or_dash(const char *s)
{
	return s[0] ? s : "-";
}

/* Columns that `text` takes once it is escaped, at most `max`. */
static size_t escaped_width(const char *text, size_t max)
{
	char safe[1024];
	size_t width;

	text_for_terminal(safe, sizeof(safe), text, strlen(text));
	width = text_width(safe);
	return width < max ? width : max;
}

struct widths {
	size_t user, sapi, vhost, client, script, uri; /* 0: not shown */
	bool php;
};

#define UNCUT 4096

/* Room for the variable columns: what the content needs, and when it must be cut, the script gets
 * the rest. */
static struct widths measure(const struct workers_view *v, const struct workers *all)
{
	struct widths x = {.user = 4,
			   .sapi = SAPI_COLUMNS,
			   .vhost = 5,
			   .client = 6,
			   .script = 6,
			   .uri = 3,
			   .php = true};
	size_t fixed = PID_COLUMNS + 1 + SINCE_COLUMNS + 1 + CPU_COLUMNS + 1 + 2, rest;

	for (size_t i = 0; i < all->count; i++) {
		const struct worker *w = &all->list[i];

		if (!workers_shown(v, w))
			continue;
#define WIDEN(column, text, max)                                                                   \
	x.column = escaped_width(text, max) > x.column ? escaped_width(text, max) : x.column
		WIDEN(user, w->user, v->columns ? 10 : UNCUT);
		WIDEN(sapi, sapi_short(w), 10);
		WIDEN(script, script_text(w), UNCUT);
		if (w->walk) {
			WIDEN(vhost, w->vhost.name, v->columns ? 24 : UNCUT);
			WIDEN(client, w->walk->request.client, v->columns ? 15 : UNCUT);
			WIDEN(uri, w->walk->request.uri, UNCUT);
		}
#undef WIDEN
	}
	if (!v->columns)
		return x;
	if (v->columns < 100) {
		x.client = x.uri = 0;
		x.php = false;
		x.vhost = x.vhost > 16 ? 16 : x.vhost;
	}
	fixed += x.user + 1 + x.sapi + 1 + x.vhost + 1 + (x.client ? x.client + 1 : 0) +
		 (x.php ? PHP_COLUMNS + 1 : 0);
	rest = v->columns > fixed + 12 ? v->columns - fixed : 12;
	if (x.uri && x.script + 1 + x.uri > rest) {
		size_t uri = rest / 3;

		x.uri = x.uri < uri ? x.uri : uri;
		x.script = rest - 1 - x.uri;
	} else if (!x.uri) {
		x.script = rest;
	}
	return x;
}

static void print_heading(const struct page *p, const struct widths *x)
{
	fprintf(p->out, "%s%*s %-*s %-*s ", page_on(p, PAINT_BOLD), PID_COLUMNS, "PID",
		(int)x->user, "USER", (int)x->sapi, "SAPI");
	if (x->php)
		fprintf(p->out, "%-*s ", PHP_COLUMNS, "PHP");
	fprintf(p->out, "%*s %*s S %-*s ", SINCE_COLUMNS, "SINCE", CPU_COLUMNS, "CPU%",
		(int)x->vhost, "VHOST");
	if (x->client)
		fprintf(p->out, "%-*s ", (int)x->client, "CLIENT");
	if (x->uri)
		fprintf(p->out, "%-*s URI", (int)x->script, "SCRIPT");
	else
		fputs("SCRIPT", p->out);
	fprintf(p->out, "%s\n", page_off(p, PAINT_BOLD));
}

static void print_row(const struct page *p, const struct widths *x, const struct workers *all,
		      const struct worker *w)
{
	const struct php_walk_request *r = w->walk ? &w->walk->request : NULL;
	char version[16], since[24], cpu[16] = "-", vhost[VHOST_NAME_SIZE + 1] = "-";

	version_short(w, version);
	since_short(all, w, since);
	if (w->cpu >= 0)
		snprintf(cpu, sizeof(cpu), "%.1f", w->cpu);
	/* '?': only what the client claims */
	if (r && w->vhost.name[0])
		snprintf(vhost, sizeof(vhost), "%s%s", w->vhost.name,
			 w->vhost.evidence == EVIDENCE_HOST_HEADER ? "?" : "");
	fprintf(p->out, "%*d ", PID_COLUMNS, (int)w->pid);
	page_cell(p, w->user, x->user, false, true);
	fputc(' ', p->out);
	page_cell(p, sapi_short(w), x->sapi, false, true);
	if (x->php)
		fprintf(p->out, " %-*s", PHP_COLUMNS, version);
	fprintf(p->out, " %*s %*s %c ", SINCE_COLUMNS, since, CPU_COLUMNS, cpu, w->state);
	page_cell(p, vhost, x->vhost, false, true);
	fputc(' ', p->out);
	if (x->client) {
		page_cell(p, r ? or_dash(r->client) : "-", x->client, false, true);
		fputc(' ', p->out);
	}
	page_cell(p, script_text(w), x->script, w->status == WORKER_BUSY, x->uri && r);
	if (x->uri && r) {
		fputc(' ', p->out);
		page_cell(p, or_dash(r->uri), x->uri, false, false);
	}
	fputc('\n', p->out);
}

static void print_stack(const struct page *p, const struct worker *w)
{
	for (unsigned i = 0; i < w->walk->frames; i++) {
		const struct php_walk_frame *f = &w->walk->frame[i];
		char text[2 * PHP_WALK_PATH];

		snprintf(text, sizeof(text), "#%u %s%s%s%s%s", i, f->scope, f->scope[0] ? "::" : "",
			 f->function[0] ? f->function : "{main}", f->file[0] ? "  " : "", f->file);
		fputs("        ", p->out);
		page_cell(p, text, p->columns ? p->columns - 16 : UNCUT, false, false);
		if (f->line)
			fprintf(p->out, ":%u", f->line);
		fputc('\n', p->out);
	}
	if (w->walk->torn)
		fputs("        (it runs on while it is read: these frames may not belong "
		      "together)\n",
		      p->out);
}

int workers_print_table(FILE *out, const struct workers_view *v, const struct workers *all)
{
	struct page p = {.out = out, .columns = v->columns, .color = v->color};
	struct widths x = measure(v, all);

	print_heading(&p, &x);
	for (size_t i = 0; i < all->count; i++) {
		const struct worker *w = &all->list[i];

		if (!workers_shown(v, w))
			continue;
		print_row(&p, &x, all, w);
		if (v->stack && w->walk)
			print_stack(&p, w);
	}
	return fflush(out) || ferror(out) ? -EIO : 0;
}

void workers_explain(const struct workers *all, void (*line)(const char *fmt, ...))
{
	if (!all->busy && !all->idle && !all->unread)
		line("no PHP worker is running on this host");
	else
		line("%u busy, %u idle PHP workers", all->busy, all->idle);
	/* Each reason once, with how many workers have it. */
	for (size_t i = 0; i < all->count; i++) {
		const struct worker *w = &all->list[i];
		const struct php_engine *e = w->process.engine;
		unsigned same = 0;
		bool said = false;

		if (w->status != WORKER_UNREAD)
			continue;
		for (size_t n = 0; n < all->count; n++) {
			const struct worker *o = &all->list[n];

			if (o->status != WORKER_UNREAD || o->process.engine != e ||
			    strcmp(o->reason, w->reason) != 0)
				continue;
			said |= n < i;
			same++;
		}
		if (!said)
			line("%u could not be read (%s, PHP %s): %s", same, e->path,
			     e->image.version[0] ? e->image.version : "unknown", w->reason);
	}
	if (all->denied)
		line("processes that could not be looked at: %u; run as root, or with "
		     "CAP_SYS_PTRACE",
		     all->denied);
}

/* Puts `value` (stolen) at "a.b.c". */
static int put(json_t *root, const char *key, json_t *value)
{
	json_t *at = root;
	const char *dot;

	while (value && (dot = strchr(key, '.'))) {
		size_t len = (size_t)(dot - key);
		json_t *next = json_object_getn(at, key, len);

		if (!next) {
			next = json_object();
			if (json_object_setn_new(at, key, len, next)) {
				json_decref(value);
				return -ENOMEM;
			}
		}
		at = next;
		key = dot + 1;
	}
	return json_object_set_new(at, key, value) ? -ENOMEM : 0;
}

static json_t *json_text_of(const char *s)
{
	size_t len = strlen(s), size = 3 * len + 1;
	_free_ char *safe = malloc(size);

	if (!safe)
		return NULL;
	text_utf8(safe, size, s, len);
	return json_string(safe);
}

/* Absent when unknown. */
static int put_text(json_t *root, const char *key, const char *s)
{
	return s && s[0] ? put(root, key, json_text_of(s)) : 0;
}

static json_t *json_stack(const struct php_walk *walk)
{
	json_t *stack = json_array();

	for (unsigned i = 0; stack && i < walk->frames; i++) {
		const struct php_walk_frame *f = &walk->frame[i];
		json_t *frame = json_object();
		char name[2 * PHP_WALK_NAME + 2];
		int err = 0;

		snprintf(name, sizeof(name), "%s%s%s", f->scope, f->scope[0] ? "::" : "",
			 f->function);
		err |= put_text(frame, "file", f->file);
		if (f->line)
			err |= put(frame, "line", json_integer(f->line));
		err |= put_text(frame, "function", name);
		if (json_array_append_new(stack, frame) || err) {
			json_decref(stack);
			return NULL;
		}
	}
	return stack;
}

static const char *status_name(enum worker_status s)
{
	static const char *const names[] = {"busy", "idle", "master", "unread"};

	return names[s];
}

static json_t *json_begin_line(const struct workers *all, const char *action)
{
	json_t *o = json_object();
	char stamp[CLOCK_RFC3339_SIZE];

	clock_rfc3339(stamp, (uint64_t)(all->wall * 1e9));
	if (o && !put(o, "@timestamp", json_string(stamp)) &&
	    !put(o, "event.action", json_string(action)) &&
	    !put(o, "spamtrace.schema", json_integer(1)))
		return o;
	json_decref(o);
	return NULL;
}

static int add_request(json_t *o, const struct worker *w)
{
	const struct php_walk_request *r = &w->walk->request;
	char stamp[CLOCK_RFC3339_SIZE];
	int err = 0;

	clock_rfc3339(stamp, (uint64_t)(w->since * 1e9));
	err |= put_text(o, "file.path", r->script);
	err |= put_text(o, "url.domain", w->vhost.name);
	err |= put_text(o, "url.path", r->uri);
	err |= put_text(o, "http.request.method", r->method);
	err |= put_text(o, "client.ip", r->client);
	err |= put_text(o, "spamtrace.host_header", r->host);
	err |= put_text(o, "spamtrace.docroot", r->docroot);
	err |= put_text(o, "spamtrace.php.sapi", r->sapi_name);
	err |= put(o, "spamtrace.php.stack", json_stack(w->walk));
	if (w->vhost.name[0])
		err |= put(o, "spamtrace.vhost_evidence",
			   json_string(evidence_name(w->vhost.evidence)));
	if (w->walk->torn)
		err |= put(o, "spamtrace.php.stack_torn", json_true());
	if (r->flags & ST_O_STACK_CUT)
		err |= put(o, "spamtrace.php.stack_cut", json_true());
	if (w->since_request)
		err |= put(o, "event.start", json_string(stamp));
	return err;
}

static json_t *json_worker(const struct workers *all, const struct worker *w)
{
	json_t *o = json_begin_line(all, "php-worker");
	char number[24], stamp[CLOCK_RFC3339_SIZE];
	int err = 0;

	if (!o)
		return NULL;
	snprintf(number, sizeof(number), "%u", w->uid);
	err |= put(o, "user.id", json_string(number));
	err |= put_text(o, "user.name", w->user);
	err |= put(o, "process.pid", json_integer(w->pid));
	err |= put_text(o, "spamtrace.php.engine", w->process.engine->path);
	err |= put_text(o, "spamtrace.php.version", w->process.engine->image.version);
	err |= put(o, "spamtrace.worker.status", json_string(status_name(w->status)));
	snprintf(number, sizeof(number), "%c", w->state);
	err |= put_text(o, "spamtrace.worker.state", number);
	if (w->cpu >= 0)
		err |= put(o, "spamtrace.worker.cpu_percent",
			   json_real((double)(long)(w->cpu * 10 + 0.5) / 10));
	if (!w->since_request) {
		clock_rfc3339(stamp, (uint64_t)(w->since * 1e9));
		err |= put(o, "process.start", json_string(stamp));
	}
	if (w->status == WORKER_UNREAD)
		err |= put_text(o, "spamtrace.reason", w->reason);
	if (w->walk)
		err |= add_request(o, w);
	if (!err)
		return o;
	json_decref(o);
	return NULL;
}

/* One write per line. */
static int write_line(FILE *out, json_t *o)
{
	_free_ char *plain = o ? json_dumps(o, JSON_COMPACT) : NULL;
	_free_ char *line = NULL;
	size_t len = 0;

	json_decref(o);
	line = plain ? text_json_line(plain, strlen(plain), &len) : NULL;
	if (!line)
		return -ENOMEM;
	return fwrite(line, 1, len, out) == len && !fflush(out) ? 0 : -EIO;
}

int workers_print_json(FILE *out, const struct workers_view *v, const struct workers *all)
{
	json_t *end;
	int err = 0;

	for (size_t i = 0; i < all->count && !err; i++)
		if (workers_shown(v, &all->list[i]))
			err = write_line(out, json_worker(all, &all->list[i]));
	if (err)
		return err;
	end = json_begin_line(all, "php-workers-ended");
	if (!end || put(end, "spamtrace.workers.busy", json_integer(all->busy)) ||
	    put(end, "spamtrace.workers.idle", json_integer(all->idle)) ||
	    put(end, "spamtrace.workers.unread", json_integer(all->unread)) ||
	    put(end, "spamtrace.workers.denied", json_integer(all->denied))) {
		json_decref(end);
		return -ENOMEM;
	}
	return write_line(out, end);
}
