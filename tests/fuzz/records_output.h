/* SPDX-License-Identifier: GPL-2.0-only */
/* The events of a session as every output has them: JSON lines, kept or made anew, the table, the
 * tally and the summary. */
#ifndef ST_FUZZ_RECORDS_OUTPUT_H
#define ST_FUZZ_RECORDS_OUTPUT_H

#include <errno.h>
#include <jansson.h>

#include "output/json.h"
#include "output/json_cache.h"
#include "output/sink.h"
#include "records_memory.h"
#include "trace/balance.h"
#include "trace/tally.h"

/* Of one input; the rest is only tallied, for speed. */
#define EVENTS_MAX 48
#define ROWS_MAX   2

struct output {
	struct tally *tally;
	struct json_cache *cache;
	struct sink *table, *json;
	FILE *page;
	char *text;
	size_t text_len;
	struct json_context context;
	struct redactor redactor;
	struct table_options options;
	uint64_t sequence;
	unsigned events;
};

/* One line of valid JSON, which a terminal can be shown; or there was no memory. */
static void check_line(int err, const char *line, size_t len)
{
	unsigned refuse = memory.refuse;
	json_t *read;

	if (err) {
		must(memory.refused);
		return;
	}
	must(len && len <= JSON_LINE_MAX && line[len - 1] == '\n');
	for (size_t i = 0; i + 1 < len; i++)
		must((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
	memory.refuse = 0;
	read = json_loadb(line, len, 0, NULL);
	must(read);
	json_decref(read);
	memory.refuse = refuse;
}

static void output_begin(struct output *o)
{
	static const struct summary_event started = {.action = ACTION_TRACE_STARTED};
	unsigned refuse = memory.refuse;

	if (o->tally)
		return;
	memory.refuse = 0;
	o->tally = tally_new();
	o->page = open_memstream(&o->text, &o->text_len);
	must(o->tally && o->page && !json_cache_new(&o->cache) &&
	     !table_sink_new(o->page, &o->options, &o->table) &&
	     !json_sink_create(open("/dev/null", O_WRONLY | O_CLOEXEC), "host", o->context.redactor,
			       &o->json));
	o->table->started(o->table, &started);
	memory.refuse = refuse;
}

static void output_mail(struct output *o, struct mail_event *e)
{
	char *made = NULL;
	const char *kept = NULL;
	size_t made_len = 0, kept_len = 0;
	int made_err, kept_err;

	output_begin(o);
	e->sequence = ++o->sequence;
	tally_add(o->tally, e);
	if (o->events++ >= EVENTS_MAX)
		return;
	made_err = json_mail_line(&o->context, e, &made, &made_len);
	check_line(made_err, made, made_len);
	kept_err = json_cache_mail_line(o->cache, &o->context, e, &kept, &kept_len);
	must(!kept_err || memory.refused);
	if (!made_err && !kept_err)
		must(made_len == kept_len && !memcmp(made, kept, made_len));
	if (!made_err)
		free(made);
	o->json->mail(o->json, e);
	o->table->mail(o->table, e);
}

static void output_queue(struct output *o, struct queue_event *e)
{
	char *line = NULL;
	size_t len = 0;
	int err;

	output_begin(o);
	if (o->events++ >= EVENTS_MAX)
		return;
	e->sequence = ++o->sequence;
	err = json_queue_line(&o->context, e, &line, &len);
	check_line(err, line, len);
	if (!err)
		free(line);
	o->json->queue(o->json, e);
	if (o->options.terminal) /* else it is said by log_warn() */
		o->table->queue(o->table, e);
	o->table->tick(o->table, e->wall_ns);
}

static void output_summary(struct output *o, enum action action, const struct balance *balances,
			   size_t count, uint64_t lost)
{
	static struct tally_row rows[BY_COUNT][ROWS_MAX];
	static const struct uid_total uids[] = {{33, 7, 5}, {1001, 1, 0}};
	static const char *const hooks[] = {"fork", "queue (fexit)"}, *const notes[] = {"no PHP"};
	struct queue_event queues[16];
	struct loss losses[] = {{"ring-queue", lost}};
	char verdict[512], *line = NULL;
	struct summary_event e = {.action = action,
				  .sequence = ++o->sequence,
				  .version = "0",
				  .host = "host",
				  .losses = losses,
				  .loss_count = lost != 0,
				  .queues = queues,
				  .queue_count = count,
				  .kernel_uids = uids,
				  .kernel_uid_count = 2,
				  .kernel_uids_more = lost,
				  .kernel_injections = 8,
				  .kernel_commits = 5,
				  .hooks = hooks,
				  .hook_count = 2,
				  .notes = notes,
				  .note_count = 1,
				  .verdict = verdict};
	size_t len = 0;
	int err;

	output_begin(o);
	if (o->events >= 2 * EVENTS_MAX)
		return;
	o->events += 8;
	tally_summary(o->tally, &e);
	for (int by = 0; by < BY_COUNT; by++) {
		e.rows[by] = rows[by];
		e.row_count[by] = tally_rows(o->tally, (enum tally_by)by, rows[by], ROWS_MAX,
					     &e.rows_more[by]);
	}
	for (size_t i = 0; i < count; i++)
		balance_event(&balances[i], 1, &queues[i]);
	balance_verdict(balances, count, e.messages, e.by_attribution[ATTRIBUTION_EXACT], verdict,
			sizeof(verdict));
	err = json_summary_line(&o->context, &e, &line, &len);
	check_line(err, line, len);
	if (!err)
		free(line);
	o->json->ended(o->json, &e);
	o->table->ended(o->table, &e);
}

/* Plain text holds no control, whatever the events did. */
static void output_end(struct output *o)
{
	if (!o->tally)
		return;
	o->json->free(o->json);
	o->table->free(o->table);
	must(!fclose(o->page));
	for (size_t i = 0; i < o->text_len && !o->options.terminal; i++)
		must((unsigned char)o->text[i] >= ' ' ? o->text[i] != 0x7f : o->text[i] == '\n');
	free(o->text);
	json_cache_free(o->cache);
	tally_free(o->tally);
}

#endif
