// SPDX-License-Identifier: GPL-2.0-only
/* trace-started and trace-ended. */
#include "output/json_build.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"

static void put_text_in(struct json_builder *b, json_t *object, const char *cut_key,
			const char *key, const char *text)
{
	if (text && *text)
		json_put_in(b, object, key, json_text(b, cut_key, text, strlen(text)));
}

static void put_time_in(struct json_builder *b, json_t *object, const char *key, uint64_t wall_ns)
{
	char time[CLOCK_RFC3339_SIZE];

	if (!wall_ns)
		return;
	clock_rfc3339(time, wall_ns);
	json_put_in(b, object, key, json_string(time));
}

static json_t *row_object(struct json_builder *b, const char *cut_key, const struct tally_row *r)
{
	const struct redactor *redactor = b->context->redactor;
	char hashed[REDACTED_SIZE];
	json_t *object = json_object();

	put_text_in(b, object, cut_key, "key", r->key);
	json_put_in(b, object, "messages", json_count(r->messages));
	json_put_in(b, object, "attempts", json_count(r->attempts));
	if (r->handed)
		json_put_in(b, object, "handed", json_count(r->handed));
	json_put_in(b, object, "connects", json_count(r->connects));
	json_put_in(b, object, "recipients", json_count(r->recipients));
	json_put_in(b, object, "share", json_real(r->share));
	put_time_in(b, object, "first", r->first_wall_ns);
	put_time_in(b, object, "last", r->last_wall_ns);
	json_put_in(b, object, "source", json_string(source_name(r->source)));
	if (r->messages) /* the weakest of its messages */
		json_put_in(b, object, "attribution",
			    json_string(attribution_name(r->attribution)));
	put_text_in(b, object, cut_key, "culprit.file", r->culprit_file);
	if (r->culprit_line)
		json_put_in(b, object, "culprit.line", json_integer(r->culprit_line));
	put_text_in(b, object, cut_key, "vhost", r->vhosts ? NULL : r->vhost);
	if (r->uid >= 0 && !r->users)
		json_put_in(b, object, "user.id", json_sprintf("%lld", (long long)r->uid));
	put_text_in(b, object, cut_key, "user.name", r->users ? NULL : r->user_name);
	put_text_in(b, object, cut_key, "container.id", r->container);
	put_text_in(b, object, cut_key, "sample.local_id", r->sample_id);
	if (r->sample_subject && *r->sample_subject && redactor) {
		redact_text(redactor, hashed, r->sample_subject, strlen(r->sample_subject));
		put_text_in(b, object, cut_key, "sample.subject", hashed);
	} else {
		put_text_in(b, object, cut_key, "sample.subject", r->sample_subject);
	}
	return object;
}

static void put_rows(struct json_builder *b, const struct summary_event *e, enum tally_by by,
		     size_t items)
{
	size_t n = e->row_count[by] < items ? e->row_count[by] : items;
	size_t more = e->row_count[by] - n + e->rows_more[by];
	json_t *list;
	char key[64];

	if (by == BY_SOURCE) /* spamtrace.totals.by_source says it */
		return;
	snprintf(key, sizeof(key), "spamtrace.by_%s", tally_by_name(by));
	list = json_array();
	for (size_t i = 0; list && i < n; i++)
		json_array_append_new(list, row_object(b, key, &e->rows[by][i]));
	json_put(b, key, list);
	if (!more)
		return;
	json_mark_cut(b, key);
	snprintf(key, sizeof(key), "spamtrace.by_%s_more", tally_by_name(by));
	json_put(b, key, json_count(more));
}

static void put_totals(struct json_builder *b, const struct summary_event *e)
{
	json_put(b, "spamtrace.totals.messages", json_count(e->messages));
	json_put(b, "spamtrace.totals.attempts", json_count(e->attempts));
	json_put(b, "spamtrace.totals.connects", json_count(e->connects));
	json_put(b, "spamtrace.totals.removals", json_count(e->removals));
	json_put(b, "spamtrace.totals.by_source", json_sources(e->by_source, true));
	json_put(b, "spamtrace.totals.by_attribution", json_object());
	for (unsigned a = 0; a < ATTRIBUTION_COUNT; a++) {
		char key[64];

		snprintf(key, sizeof(key), "spamtrace.totals.by_attribution.%s",
			 attribution_name(a));
		json_put(b, key, json_count(e->by_attribution[a]));
	}
}

static void put_lost(struct json_builder *b, const struct summary_event *e)
{
	json_t *lost;

	if (e->loss_count && !e->losses[0].reason) /* not known: absent */
		return;
	lost = json_object();
	for (size_t i = 0; lost && i < e->loss_count; i++) {
		const struct loss *l = &e->losses[i];
		char reason[192]; /* a recording's reasons are anybody's */

		if (!l->count || !l->reason || !*l->reason)
			continue;
		text_utf8(reason, sizeof(reason), l->reason, strnlen(l->reason, 64));
		json_object_set_new(lost, reason, json_count(l->count));
	}
	json_put(b, "spamtrace.lost", lost);
}

static void put_kernel_totals(struct json_builder *b, const struct summary_event *e, size_t items)
{
	size_t n = e->kernel_uid_count < items ? e->kernel_uid_count : items;
	size_t more = e->kernel_uid_count - n + e->kernel_uids_more;
	json_t *list;

	if (!e->kernel_uids)
		return;
	json_put(b, "spamtrace.kernel_totals.injections", json_count(e->kernel_injections));
	if (!e->kernel_no_commits)
		json_put(b, "spamtrace.kernel_totals.commits", json_count(e->kernel_commits));
	list = json_array();
	for (size_t i = 0; list && i < n; i++) {
		const struct uid_total *t = &e->kernel_uids[i];
		json_t *object = json_object();

		json_put_in(b, object, "user.id", json_sprintf("%u", t->uid));
		json_put_in(b, object, "injections", json_count(t->injections));
		if (!e->kernel_no_commits)
			json_put_in(b, object, "commits", json_count(t->commits));
		json_array_append_new(list, object);
	}
	json_put(b, "spamtrace.kernel_totals.by_uid", list);
	if (!more)
		return;
	json_mark_cut(b, "spamtrace.kernel_totals.by_uid");
	json_put(b, "spamtrace.kernel_totals.by_uid_more", json_count(more));
}

static void put_queues(struct json_builder *b, const struct summary_event *e, size_t items)
{
	size_t n = e->queue_count < items ? e->queue_count : items;
	json_t *list = json_array();

	for (size_t i = 0; list && i < n; i++) {
		json_t *object = json_object();

		put_text_in(b, object, "spamtrace.queues", "mta", e->queues[i].mta);
		json_put_queue(b, object, &e->queues[i]);
		json_array_append_new(list, object);
	}
	json_put(b, "spamtrace.queues", list);
}

static void put_list(struct json_builder *b, const char *key, const char *const *texts,
		     size_t count, size_t items)
{
	size_t n = count < items ? count : items;
	json_t *list;

	if (!count)
		return;
	list = json_array();
	for (size_t i = 0; list && i < n; i++)
		if (texts[i])
			json_array_append_new(list, json_text(b, key, texts[i], strlen(texts[i])));
	json_put(b, key, list);
	if (n < count)
		json_mark_cut(b, key);
}

json_t *json_summary_event(const struct json_context *c, const struct summary_event *e,
			   size_t limit, size_t items)
{
	struct json_context context = *c;
	struct json_builder b;

	if (e->host && *e->host)
		context.host = e->host;
	json_begin(&b, &context, e->action, e->sequence, e->wall_ns, limit);
	json_put(&b, "agent.type", json_string("spamtrace"));
	json_put_text(&b, "agent.version", e->version);
	json_put_text(&b, "host.os.kernel", e->kernel);
	put_list(&b, "spamtrace.hooks", e->hooks, e->hook_count, items);
	put_list(&b, "spamtrace.notes", e->notes, e->note_count, items);
	if (e->action != ACTION_TRACE_ENDED)
		return json_finish(&b);
	json_put(&b, "event.duration",
		 json_count(e->seconds > 0 ? (uint64_t)(e->seconds * 1e9) : 0));
	put_totals(&b, e);
	put_lost(&b, e);
	put_kernel_totals(&b, e, items);
	json_put_text(&b, "spamtrace.verdict", e->verdict);
	if (e->queue_count)
		put_queues(&b, e, items);
	for (unsigned by = 0; by < BY_COUNT; by++)
		put_rows(&b, e, by, items);
	return json_finish(&b);
}
