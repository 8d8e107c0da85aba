// SPDX-License-Identifier: GPL-2.0-only
/* `spamtrace workers -o json`: one object a line, what is unknown is absent. */
#include "commands/workers.h"

#include <errno.h>
#include <string.h>

#include "commands/json_line.h"

static json_t *stack_of(const struct php_walk *walk)
{
	json_t *stack = json_array();

	for (unsigned i = 0; i < walk->frames; i++) {
		const struct php_walk_frame *f = &walk->frame[i];
		json_t *frame = json_object();
		char name[2 * PHP_WALK_NAME + 2];

		snprintf(name, sizeof(name), "%s%s%s", f->scope, f->scope[0] ? "::" : "",
			 f->function);
		json_line_put_text(frame, "file", f->file);
		if (f->line)
			json_line_put_count(frame, "line", f->line);
		json_line_put_text(frame, "function", name);
		json_array_append_new(stack, frame);
	}
	return stack;
}

static void put_request(json_t *o, const struct worker *w)
{
	const struct php_walk_request *r = &w->walk->request;

	json_line_put_text(o, "file.path", r->script);
	json_line_put_text(o, "url.path", r->uri);
	json_line_put_text(o, "http.request.method", r->method);
	json_line_put_text(o, "client.ip", r->client);
	json_line_put_text(o, "spamtrace.host_header", r->host);
	json_line_put_text(o, "spamtrace.docroot", r->docroot);
	json_line_put_text(o, "spamtrace.php.sapi", r->sapi_name);
	json_line_put(o, "spamtrace.php.stack", stack_of(w->walk));
	if (w->vhost.name[0]) {
		json_line_put_text(o, "url.domain", w->vhost.name);
		json_line_put_text(o, "spamtrace.vhost.evidence", evidence_name(w->vhost.evidence));
		json_line_put(o, "spamtrace.vhost.exact", json_boolean(w->vhost.exact));
		json_line_put_text(o, "spamtrace.vhost.reason", w->vhost.reason);
	}
	if (w->walk->torn)
		json_line_put(o, "spamtrace.php.stack_torn", json_true());
	if (r->flags & ST_O_STACK_CUT)
		json_line_put(o, "spamtrace.php.stack_cut", json_true());
	if (r->cut)
		json_line_put(o, "spamtrace.cut", json_true());
}

static json_t *worker_line(const struct worker *w)
{
	static const char *const statuses[] = {"busy", "idle", "master", "unread"};
	json_t *o = json_line_new("php-worker");
	char text[24];

	json_line_put_uid(o, w->uid);
	json_line_put_text(o, "user.name", w->user);
	json_line_put_count(o, "process.pid", (uint64_t)w->pid);
	json_line_put_text(o, "spamtrace.php.engine", w->process.engine->path);
	json_line_put_text(o, "spamtrace.php.version", w->process.engine->image.version);
	json_line_put_text(o, "spamtrace.worker.status", statuses[w->status]);
	snprintf(text, sizeof(text), "%c", w->state);
	json_line_put_text(o, "spamtrace.worker.state", text);
	if (w->cpu >= 0)
		json_line_put(o, "spamtrace.worker.cpu_percent",
			      json_real((double)(long)(w->cpu * 10 + 0.5) / 10));
	/* event.start is the request's, process.start the process's: the request began after it */
	json_line_put_time(o, w->since_request ? "event.start" : "process.start",
			   (int64_t)w->since);
	if (w->status == WORKER_UNREAD)
		json_line_put_text(o, "spamtrace.reason", w->reason);
	if (w->walk)
		put_request(o, w);
	return o;
}

int workers_print_json(FILE *out, const struct workers_view *v, const struct workers *all)
{
	json_t *end;
	int err = 0;

	for (size_t i = 0; i < all->count && !err; i++)
		if (workers_shown(v, &all->list[i]))
			err = json_line_write(out, worker_line(&all->list[i]));
	if (err)
		return err;
	end = json_line_new("php-workers-ended");
	json_line_put_count(end, "spamtrace.workers.busy", all->busy);
	json_line_put_count(end, "spamtrace.workers.idle", all->idle);
	json_line_put_count(end, "spamtrace.workers.unread", all->unread);
	json_line_put_count(end, "spamtrace.workers.denied", all->denied);
	return json_line_write(out, end);
}
