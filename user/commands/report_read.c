// SPDX-License-Identifier: GPL-2.0-only
#include "commands/report.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "commands/recording.h"
#include "trace/tally.h"

#define MAX_QUEUES 16
#define MAX_LOSSES 64
#define MAX_UIDS   64
#define MAX_TEXTS  64
#define MAX_NOTES  (MAX_TEXTS + 8)
#define NS_PER_SEC 1000000000ULL

struct report {
	const struct report_filter *filter;
	bool filtered;
	struct tally *tally;
	uint64_t lines, foreign, unwritten, first_ns, last_ns;
	bool truncated;
	struct recording_event started, ended;     /* object NULL: not in the recording */
	struct recording_event queues[MAX_QUEUES]; /* the last sample of each */
	size_t queue_count;

	/* What the summary points to. */
	struct tally_row *rows[BY_COUNT];
	struct queue_event queue_rows[MAX_QUEUES];
	struct loss losses[MAX_LOSSES];
	struct uid_total kernel_uids[MAX_UIDS];
	const char *hooks[MAX_TEXTS], *notes[MAX_NOTES];
	char own_notes[MAX_NOTES - MAX_TEXTS][256];
	size_t note_count, own_count;
};

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* ---- reading ---- */

static bool matches(const char *pattern, const char *text)
{
	return text && !fnmatch(pattern, text, 0);
}

static bool wanted(const struct report_filter *f, const struct mail_event *e)
{
	char uid[24];

	if (f->user) {
		snprintf(uid, sizeof(uid), "%" PRId64, e->uid);
		if (!same(f->user, e->user_name) && (e->uid < 0 || strcmp(f->user, uid) != 0))
			return false;
	}
	if (f->vhost && !matches(f->vhost, e->vhost))
		return false;
	return !f->script || matches(f->script, e->script) || matches(f->script, e->culprit_file);
}

static void keep(struct recording_event *kept, struct recording_event *e)
{
	recording_event_clear(kept);
	*kept = *e;
	e->object = NULL; /* moved */
	e->args = NULL;
}

static void keep_queue(struct report *r, struct recording_event *e)
{
	for (size_t i = 0; i < r->queue_count; i++) {
		if (same(r->queues[i].queue.mta, e->queue.mta) &&
		    same(r->queues[i].queue.directory, e->queue.directory)) {
			keep(&r->queues[i], e);
			return;
		}
	}
	if (r->queue_count < MAX_QUEUES)
		keep(&r->queues[r->queue_count++], e);
}

static void add_event(struct report *r, struct recording_event *e)
{
	r->unwritten += e->unwritten;
	if (e->wall_ns) {
		r->first_ns = !r->first_ns || e->wall_ns < r->first_ns ? e->wall_ns : r->first_ns;
		r->last_ns = e->wall_ns > r->last_ns ? e->wall_ns : r->last_ns;
	}
	switch (e->action) {
	case ACTION_TRACE_STARTED:
		keep(&r->started, e);
		break;
	case ACTION_TRACE_ENDED:
		keep(&r->ended, e);
		break;
	case ACTION_QUEUE_SAMPLED:
		keep_queue(r, e);
		break;
	default:
		if (wanted(r->filter, &e->mail))
			tally_add(r->tally, &e->mail);
	}
}

static int read_lines(struct report *r, struct recording_file *f)
{
	const char *line;
	size_t len;
	int more;

	while ((more = recording_next(f, &line, &len)) > 0) {
		struct recording_event e;
		int err = recording_parse(line, len, &e);

		if (err == -ENOMEM)
			return err;
		if (err && f->truncated)
			break;
		f->truncated = false; /* whole, though nothing follows it */
		if (err) {
			r->foreign++;
			continue;
		}
		r->lines++;
		add_event(r, &e);
		recording_event_clear(&e);
	}
	r->foreign += f->too_long;
	r->truncated = f->truncated;
	return more < 0 ? more : 0;
}

int report_read(const char *path, const struct report_filter *filter, struct report **ret)
{
	struct report *r = calloc(1, sizeof(*r));
	struct recording_file file;
	int err;

	if (!r)
		return -ENOMEM;
	r->filter = filter;
	r->filtered = filter->user || filter->vhost || filter->script;
	r->tally = tally_new();
	err = r->tally ? recording_open(path, &file) : -ENOMEM;
	if (!err) {
		err = read_lines(r, &file);
		recording_close(&file);
	}
	if (!err && !r->lines)
		err = -ENODATA;
	if (err) {
		report_free(r);
		return err;
	}
	*ret = r;
	return 0;
}

void report_free(struct report *r)
{
	if (!r)
		return;
	tally_free(r->tally);
	recording_event_clear(&r->started);
	recording_event_clear(&r->ended);
	for (size_t i = 0; i < r->queue_count; i++)
		recording_event_clear(&r->queues[i]);
	for (unsigned by = 0; by < BY_COUNT; by++)
		free(r->rows[by]);
	free(r);
}

/* ---- the summary ---- */

__attribute__((format(printf, 2, 3))) static void note(struct report *r, const char *fmt, ...)
{
	va_list ap;

	if (r->own_count >= array_size(r->own_notes) || r->note_count >= MAX_NOTES)
		return;
	va_start(ap, fmt);
	vsnprintf(r->own_notes[r->own_count], sizeof(r->own_notes[0]), fmt, ap);
	va_end(ap);
	r->notes[r->note_count++] = r->own_notes[r->own_count++];
}

static size_t texts_of(json_t *list, const char **out, size_t max)
{
	size_t i, n = 0;
	json_t *item;

	json_array_foreach (list, i, item) {
		if (n < max && json_is_string(item))
			out[n++] = json_string_value(item);
	}
	return n;
}

static json_t *spamtrace_of(const struct recording_event *e, const char *key)
{
	return json_object_get(json_object_get(e->object, "spamtrace"), key);
}

static void put_losses(struct report *r, struct summary_event *out)
{
	const char *reason;
	bool told = false;
	json_t *count;

	if (!r->ended.object && !r->unwritten)
		r->losses[out->loss_count++] = (struct loss){NULL, 0}; /* not known */
	json_object_foreach (spamtrace_of(&r->ended, "lost"), reason, count) {
		told |= !strcmp(reason, "recording-unwritten");
		if (out->loss_count + 1 < MAX_LOSSES && json_integer_value(count) > 0)
			r->losses[out->loss_count++] =
				(struct loss){reason, (uint64_t)json_integer_value(count)};
	}
	if (r->unwritten &&
	    !told) /* the lines themselves tell of gaps, in a recording that was killed, too */
		r->losses[out->loss_count++] = (struct loss){"recording-unwritten", r->unwritten};
	out->losses = r->losses;
}

static uint64_t number_of(json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n > 0 ? (uint64_t)n : 0;
}

static void put_kernel_totals(struct report *r, struct summary_event *out)
{
	json_t *totals = spamtrace_of(&r->ended, "kernel_totals"), *row;
	json_t *list = json_object_get(totals, "by_uid");
	size_t i;

	if (r->filtered || !json_is_object(totals))
		return;
	out->kernel_uids = r->kernel_uids;
	out->kernel_injections = number_of(totals, "injections");
	out->kernel_commits = number_of(totals, "commits");
	out->kernel_no_commits = !json_object_get(totals, "commits");
	out->kernel_uids_more = number_of(totals, "by_uid_more");
	json_array_foreach (list, i, row) {
		const char *uid =
			json_string_value(json_object_get(json_object_get(row, "user"), "id"));

		if (out->kernel_uid_count < MAX_UIDS && uid)
			r->kernel_uids[out->kernel_uid_count++] =
				(struct uid_total){.uid = (uint32_t)strtoul(uid, NULL, 10),
						   .injections = number_of(row, "injections"),
						   .commits = number_of(row, "commits")};
	}
}

static void put_books(struct report *r, struct summary_event *out)
{
	if (r->filtered) {
		note(r,
		     "only a part of the recording is counted here, so the queue's books and the "
		     "verdict, which are about all of it, are left out");
		return;
	}
	for (size_t i = 0; i < r->queue_count; i++)
		r->queue_rows[out->queue_count++] = r->queues[i].queue;
	out->queues = r->queue_rows;
	out->verdict = json_string_value(spamtrace_of(&r->ended, "verdict"));
}

static void put_notes(struct report *r)
{
	if (!r->ended.object)
		note(r,
		     "the recording has no end: the trace was killed or is still running; what is "
		     "counted here is what was written, and losses are not known");
	if (r->truncated)
		note(r, "the last line is cut short and is not counted");
	if (r->foreign)
		note(r,
		     "%" PRIu64 " of %" PRIu64 " lines are no events of spamtrace and were skipped",
		     r->foreign, r->foreign + r->lines);
}

static void put_rows(struct report *r, struct summary_event *out)
{
	for (unsigned by = 0; by < BY_COUNT; by++) {
		size_t more = 0;

		free(r->rows[by]);
		r->rows[by] = calloc(REPORT_ROWS, sizeof(*r->rows[by]));
		if (!r->rows[by])
			continue;
		out->row_count[by] = tally_rows(r->tally, by, r->rows[by], REPORT_ROWS, &more);
		out->rows_more[by] = more;
		out->rows[by] = r->rows[by];
	}
}

void report_summary(struct report *r, struct summary_event *out)
{
	const struct recording_event *head = r->ended.object ? &r->ended : &r->started;
	json_t *agent = json_object_get(head->object, "agent");
	json_t *os = json_object_get(json_object_get(head->object, "host"), "os");

	*out = (struct summary_event){
		.action = ACTION_TRACE_ENDED,
		.sequence = head->sequence,
		.wall_ns = r->last_ns,
		.version = json_string_value(json_object_get(agent, "version")),
		.kernel = json_string_value(json_object_get(os, "kernel")),
		.host = head->host,
		.seconds = (double)(r->last_ns - r->first_ns) / (double)NS_PER_SEC,
		.hooks = r->hooks,
		.notes = r->notes,
	};
	tally_summary(r->tally, out);
	out->hook_count = texts_of(spamtrace_of(head, "hooks"), r->hooks, MAX_TEXTS);
	r->own_count = 0;
	r->note_count = texts_of(spamtrace_of(head, "notes"), r->notes, MAX_TEXTS);
	put_losses(r, out);
	put_kernel_totals(r, out);
	put_books(r, out);
	put_notes(r);
	put_rows(r, out);
	out->note_count = r->note_count;
}
