// SPDX-License-Identifier: GPL-2.0-only
#include "output/json_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"

#define MAX_ARGS 64

/* Strings and lists shrink step by step until a line fits; PATH_MAX fits whole at first. */
static const struct {
	size_t limit, items;
} sizes[] = {{4096, 200}, {1024, 100}, {256, 50}, {64, 10}};

static void put_attribution(struct json_builder *b, const struct mail_event *e)
{
	json_put(b, "spamtrace.source", json_string(source_name(e->source)));
	json_put(b, "spamtrace.attribution", json_string(attribution_name(e->attribution)));
	json_put_text(b, "spamtrace.reason", e->reason);
	if (e->evidence) {
		json_t *list = json_array();

		for (unsigned i = 0; list && i < EVIDENCE_COUNT; i++)
			if (e->evidence & 1u << i)
				json_array_append_new(list, json_string(evidence_name(i)));
		json_put(b, "spamtrace.evidence", list);
	}
}

static void put_culprit(struct json_builder *b, const struct mail_event *e)
{
	const struct file_facts *f = &e->culprit;
	char time[CLOCK_RFC3339_SIZE];

	json_put_text(b, "spamtrace.culprit.file", e->culprit_file);
	json_put_text(b, "spamtrace.culprit.function", e->culprit_function);
	if (e->culprit_line)
		json_put(b, "spamtrace.culprit.line", json_integer(e->culprit_line));
	json_put_text(b, "spamtrace.culprit.note", f->note);
	json_put_text(b, "spamtrace.culprit.real_path", f->real_path);
	if (!f->known)
		return;
	if (f->kept)
		json_put(b, "spamtrace.culprit.kept", json_true());
	if (f->deleted)
		json_put(b, "spamtrace.culprit.deleted", json_true());
	json_put_id(b, "spamtrace.culprit.owner", f->owner);
	json_put_count(b, "spamtrace.culprit.size", f->size);
	json_put_id(b, "spamtrace.culprit.inode", f->inode);
	json_put_text(b, "spamtrace.culprit.sha256", f->sha256);
	if (f->sha256 && f->sha256_cut)
		json_mark_cut(b, "spamtrace.culprit.sha256");
	if (f->mtime_ns) {
		clock_rfc3339(time, f->mtime_ns);
		json_put(b, "spamtrace.culprit.mtime", json_string(time));
	}
}

static json_t *frame_object(struct json_builder *b, const struct frame *f)
{
	static const char key[] = "spamtrace.php.stack";
	json_t *object = json_object();

	if (f->file && *f->file)
		json_put_in(b, object, "file", json_text(b, key, f->file, strlen(f->file)));
	if (f->line)
		json_put_in(b, object, "line", json_integer(f->line));
	if (f->function && *f->function)
		json_put_in(b, object, "function",
			    json_text(b, key, f->function, strlen(f->function)));
	if (f->eval)
		json_put_in(b, object, "eval", json_true());
	return object;
}

static void put_php(struct json_builder *b, const struct mail_event *e)
{
	size_t n = e->frame_count < EVENT_MAX_FRAMES ? e->frame_count : EVENT_MAX_FRAMES;

	json_put_text(b, "spamtrace.php.version", e->php_version);
	json_put_text(b, "spamtrace.php.sapi", e->php_sapi);
	if (n) {
		json_t *stack = json_array();

		for (size_t i = 0; i < n; i++)
			json_array_append_new(stack, frame_object(b, &e->frames[i]));
		json_put(b, "spamtrace.php.stack", stack);
	}
	if (e->stack_cut || n < e->frame_count)
		json_mark_cut(b, "spamtrace.php.stack");
}

/* `args` is NUL-separated; a last NUL ends the last argument. */
static void put_args(struct json_builder *b, const char *args, size_t len)
{
	const struct redactor *r = b->context->redactor;
	json_t *list = json_array();
	size_t budget = 2 * b->limit;

	for (size_t i = 0, n = 0; list && i < len; n++) {
		size_t one = strnlen(args + i, len - i);
		char hidden[2 * REDACTED_SIZE + 4096];
		const char *text = args + i;
		size_t text_len = one;

		if (n >= MAX_ARGS || !budget) {
			json_mark_cut(b, "process.args");
			break;
		}
		if (r && n) {
			redact_argument(r, hidden, sizeof(hidden), text, one);
			text = hidden;
			text_len = strlen(hidden);
		}
		json_array_append_new(list, json_text(b, "process.args", text, text_len));
		budget -= text_len < budget ? text_len : budget;
		i += one + 1;
	}
	json_put(b, "process.args", list);
}

static void put_process(struct json_builder *b, const struct mail_event *e)
{
	json_put_id(b, "user.id", e->uid);
	json_put_text(b, "user.name", e->user_name);
	json_put_id(b, "user.effective.id", e->euid);
	json_put_count(b, "process.pid", e->pid);
	json_put_text(b, "process.executable", e->executable);
	if (e->args && e->args_len)
		put_args(b, e->args, e->args_len);
	json_put_text(b, "process.working_directory", e->working_directory);
	json_put_count(b, "process.parent.pid", e->parent_pid);
	json_put_text(b, "process.parent.executable", e->parent_executable);
	json_put_text(b, "container.id", e->container);
	json_put_text(b, "spamtrace.terminal", e->terminal);
	if (e->action == ACTION_MAIL_ATTEMPTED) {
		json_put_text(b, "spamtrace.unfollowed", e->unfollowed);
		json_put_count(b, "process.exit_code", e->exit_code);
		if (e->exit_signal > 0)
			json_put(b, "spamtrace.exit_signal", json_integer(e->exit_signal));
	}
}

static void put_request(struct json_builder *b, const struct mail_event *e)
{
	json_put_text(b, "url.domain", e->vhost);
	json_put_text(b, "url.path", e->url_path);
	json_put_text(b, "http.request.method", e->method);
	json_put_text(b, "client.ip", e->client_ip);
	json_put_text(b, "spamtrace.host_header", e->host_header);
	json_put_text(b, "spamtrace.docroot", e->docroot);
}

static void put_message(struct json_builder *b, const struct mail_event *e)
{
	json_put_text(b, "spamtrace.mta", e->mta);
	json_put_text(b, "email.local_id", e->queue_id);
	json_put_text(b, "spamtrace.parent_queue_id", e->parent_queue_id);
	json_put_address(b, "email.sender.address", e->sender);
	json_put_address(b, "email.from.address", e->from);
	json_put_subject(b, "email.subject", e->subject);
	json_put_address(b, "email.message_id", e->message_id);
	json_put_address(b, "spamtrace.auth_user", e->auth_user);
	json_put_count(b, "spamtrace.recipients", e->recipients);
	json_put_count(b, "spamtrace.bytes", e->bytes);
	json_put_text(b, "spamtrace.remover", e->remover);
	json_put_text(b, "destination.ip", e->destination_ip);
	if (e->destination_port)
		json_put(b, "destination.port", json_integer(e->destination_port));
	if (e->client_port)
		json_put(b, "source.port", json_integer(e->client_port));
}

json_t *json_mail_event(const struct json_context *c, const struct mail_event *e, size_t limit)
{
	struct json_builder b;

	json_begin(&b, c, e->action, e->sequence, e->wall_ns, limit);
	if (e->action == ACTION_MAIL_QUEUED)
		json_put(&b, "event.outcome", json_string("success"));
	else if (e->action == ACTION_MAIL_ATTEMPTED)
		json_put(&b, "event.outcome",
			 json_string(event_handed(e)      ? "success"
				     : event_unsettled(e) ? "unknown"
							  : "failure"));
	put_attribution(&b, e);
	json_put_text(&b, "file.path", e->script);
	put_culprit(&b, e);
	put_php(&b, e);
	put_request(&b, e);
	put_process(&b, e);
	put_message(&b, e);
	return json_finish(&b);
}

void json_put_queue(struct json_builder *b, json_t *object, const struct queue_event *e)
{
	static const char key[] = "spamtrace.queue";

	if (e->directory && *e->directory)
		json_put_in(b, object, "directory",
			    json_text(b, key, e->directory, strlen(e->directory)));
	if (e->messages >= 0 && !e->missing)
		json_put_in(b, object, "messages", json_integer(e->messages));
	if (e->unprocessed >= 0 && !e->missing)
		json_put_in(b, object, "unprocessed", json_integer(e->unprocessed));
	if (!e->missing) {
		json_put_in(b, object, "growth", json_integer(e->growth));
		json_put_in(b, object, "growth_per_minute", json_real(e->growth_per_minute));
		json_put_in(b, object, "unexplained", json_integer(e->unexplained));
	}
	json_put_in(b, object, "queued", json_count(e->queued));
	json_put_in(b, object, "removed", json_count(e->removed));
	if (e->in_flight >= 0)
		json_put_in(b, object, "in_flight", json_integer(e->in_flight));
	if (e->orphans >= 0)
		json_put_in(b, object, "orphans", json_integer(e->orphans));
	if (e->missing)
		json_put_in(b, object, "missing", json_true());
	if (e->note && *e->note)
		json_put_in(b, object, "note", json_text(b, key, e->note, strlen(e->note)));
	json_put_in(b, object, "by_source", json_sources(e->by_source, false));
}

json_t *json_queue_event(const struct json_context *c, const struct queue_event *e, size_t limit)
{
	struct json_builder b;

	json_begin(&b, c, ACTION_QUEUE_SAMPLED, e->sequence, e->wall_ns, limit);
	json_put_text(&b, "spamtrace.mta", e->mta);
	json_put(&b, "spamtrace.queue", json_object());
	json_put_queue(&b, json_object_get(json_object_get(b.root, "spamtrace"), "queue"), e);
	return json_finish(&b);
}

static json_t *event_object(const struct json_context *c, const struct mail_event *mail,
			    const struct queue_event *queue, const struct summary_event *summary,
			    size_t step)
{
	if (mail)
		return json_mail_event(c, mail, sizes[step].limit);
	if (queue)
		return json_queue_event(c, queue, sizes[step].limit);
	return json_summary_event(c, summary, sizes[step].limit, sizes[step].items);
}

/* The one event that is not NULL as a line. */
static int event_line(const struct json_context *c, const struct mail_event *mail,
		      const struct queue_event *queue, const struct summary_event *summary,
		      char **ret, size_t *ret_len)
{
	char text[JSON_LINE_MAX];

	for (size_t i = 0; i < array_size(sizes); i++) {
		json_auto_t *object = event_object(c, mail, queue, summary, i);
		size_t n = object ? json_dumpb(object, text, sizeof(text), JSON_COMPACT) : 0;
		_free_ char *line = NULL;
		size_t len = 0;

		if (!n)
			return -ENOMEM;
		if (n >= sizeof(text)) /* the line feed needs room, too */
			continue;
		line = text_json_line(text, n, &len);
		if (!line)
			return -ENOMEM;
		if (len <= JSON_LINE_MAX) {
			*ret = take_ptr(line);
			*ret_len = len;
			return 0;
		}
	}
	return -EMSGSIZE;
}

int json_mail_line(const struct json_context *c, const struct mail_event *e, char **line,
		   size_t *len)
{
	return event_line(c, e, NULL, NULL, line, len);
}

int json_queue_line(const struct json_context *c, const struct queue_event *e, char **line,
		    size_t *len)
{
	return event_line(c, NULL, e, NULL, line, len);
}

int json_summary_line(const struct json_context *c, const struct summary_event *e, char **line,
		      size_t *len)
{
	return event_line(c, NULL, NULL, e, line, len);
}
