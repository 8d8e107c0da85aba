// SPDX-License-Identifier: GPL-2.0-only
/* `spamtrace workers`: the table. Everything a script or client chose is escaped on
 * its way out. */
#include "commands/workers.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
	if (strcmp(w->sapi, "apache2handler") == 0)
		return "mod";
	if (strcmp(w->sapi, "fpm-fcgi") == 0)
		return "fpm";
	if (strcmp(w->sapi, "cgi-fcgi") == 0)
		return w->walk && w->walk->request.flags & ST_O_FCGI ? "fcgi" : "cgi";
	return w->sapi[0] ? w->sapi : "-";
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
	const char *mark = w->status != WORKER_BUSY || w->since_request ? "" : "<";
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
		return w->walk && w->walk->request.script[0] ? w->walk->request.script : "-";
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
	unsigned lines = 1, hidden = 0;

	print_heading(&p, &x);
	for (size_t i = 0; i < all->count; i++) {
		const struct worker *w = &all->list[i];

		if (!workers_shown(v, w))
			continue;
		lines += 1 + (v->stack && w->walk ? w->walk->frames + w->walk->torn : 0);
		if (v->rows && lines + 1 > v->rows) {
			hidden++;
			continue;
		}
		print_row(&p, &x, all, w);
		if (v->stack && w->walk)
			print_stack(&p, w);
	}
	if (hidden)
		fprintf(out, "(and %u more)\n", hidden);
	return fflush(out) || ferror(out) ? -EIO : 0;
}

void workers_explain(const struct workers *all, void (*line)(const char *fmt, ...))
{
	if (!all->busy && !all->idle && !all->unread)
		line(all->denied ? "no PHP worker could be looked at"
				 : "no PHP worker is running on this host");
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
