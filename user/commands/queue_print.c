// SPDX-License-Identifier: GPL-2.0-only
/* The tables of `spamtrace queue`. */
#include "commands/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/users.h"

#define MIN_KEY 24

static const char *const titles[QUEUE_BY_COUNT] = {"ORIGIN", "SCRIPT", "SENDER",
						   "RECIPIENT DOMAIN"};

void queue_age_text(char *out, size_t size, uint64_t time_ns, uint64_t now_ns)
{
	uint64_t s = now_ns > time_ns ? (now_ns - time_ns) / 1000000000U : 0;

	if (!time_ns)
		snprintf(out, size, "-");
	else if (s < 60)
		snprintf(out, size, "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(out, size, "%" PRIu64 "m", s / 60);
	else if (s < 86400)
		snprintf(out, size, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(out, size, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
}

/* "uid 10001" with the name of the user behind it. */
static void key_text(char *out, size_t size, const char *key)
{
	const char *name = NULL;
	char *end;

	if (strncmp(key, "uid ", 4) == 0) {
		unsigned long uid = strtoul(key + 4, &end, 10);

		name = *end ? NULL : user_name_of((uid_t)uid);
	}
	if (name)
		snprintf(out, size, "%s (%s)", key, name);
	else if (strcmp(key, "bounce") == 0)
		snprintf(out, size, "bounce (made by the MTA)");
	else
		text_copy(out, size, key);
}

/* Hostile text to a width; 0: as it is. */
static void put_text(FILE *out, const char *text, size_t columns, bool keep_end, bool pad)
{
	char safe[2048], fitted[2048];

	text_for_terminal(safe, sizeof(safe), text, strlen(text));
	if (columns)
		text_fit(fitted, sizeof(fitted), safe, columns, keep_end, pad);
	fputs(columns ? fitted : safe, out);
}

static void print_row(FILE *out, const struct queue_options *o, enum queue_by by,
		      const struct key_row *row, size_t key_columns, size_t rest, uint64_t now_ns)
{
	char text[1024], age[24];

	key_text(text, sizeof(text), row->key);
	queue_age_text(age, sizeof(age), row->oldest_ns, now_ns);
	put_text(out, text, key_columns, by == QUEUE_BY_SCRIPT, true);
	fprintf(out, " %8" PRIu64 " %8" PRIu64 " %7s", row->messages, row->recipients, age);
	if (by == QUEUE_BY_DOMAIN && rest >= 50) {
		for (int i = 0; i < KEY_AGES; i++)
			fprintf(out, " %5" PRIu32, row->ages[i]);
	} else if (by != QUEUE_BY_DOMAIN) {
		fprintf(out, " %6" PRIu64, row->most);
		if (rest >= 16) {
			fputs("  ", out);
			put_text(out, row->sample_subject, o->columns ? rest - 9 : 0, false, false);
		}
	}
	fputc('\n', out);
}

static void print_head(FILE *out, enum queue_by by, size_t key_columns, size_t rest)
{
	fprintf(out, "\n%-*s %8s %8s %7s", (int)key_columns, titles[by], "MESSAGES", "RCPTS",
		"OLDEST");
	if (by == QUEUE_BY_DOMAIN && rest >= 50) {
		for (int i = 0; i < KEY_AGES - 1; i++)
			fprintf(out, " %4um", key_age_minutes[i]);
		fprintf(out, " older");
	} else if (by != QUEUE_BY_DOMAIN) {
		fprintf(out, " %6s", "MOST");
		if (rest >= 16)
			fputs("  SUBJECT (OF ONE)", out);
	}
	fputc('\n', out);
}

static void print_table(FILE *out, const struct queue_options *o, struct queue_report *r,
			enum queue_by by)
{
	const struct key_row *const *rows, *others;
	size_t total = o->columns ? o->columns : 160, n, shown;
	/* messages, recipients, oldest: 26 columns; the ages 60 more */
	size_t ages = by == QUEUE_BY_DOMAIN && total >= 26 + 60 + MIN_KEY ? 60 : 0;
	size_t key_columns = ages ? total - 26 - ages : total >= 110 ? 44 : 30, rest;

	if (!r->by[by] || !(rows = key_table_sorted(r->by[by], by == QUEUE_BY_DOMAIN)))
		return;
	if (key_columns > 60)
		key_columns = 60;
	rest = total > key_columns + 26 ? total - key_columns - 26 : 0;
	n = key_table_count(r->by[by]);
	shown = o->top && o->top < n ? o->top : n;
	print_head(out, by, key_columns, rest);
	for (size_t i = 0; i < shown; i++)
		print_row(out, o, by, rows[i], key_columns, rest, r->now_ns);
	others = key_table_others(r->by[by]);
	if (shown < n)
		fprintf(out, "(%zu more; --top 0 shows all)\n", n - shown);
	if (others)
		fprintf(out,
			"(%" PRIu64 " messages of further keys, for which there was no room)\n",
			others->messages);
}

static void print_ages(FILE *out, const struct queue_report *r)
{
	unsigned below = 0;

	fprintf(out, "\n%-30s %8s\n", "AGE", "MESSAGES");
	for (int i = 0; i < KEY_AGES; i++) {
		char text[48];

		if (i == KEY_AGES - 1)
			snprintf(text, sizeof(text), "%u minutes or more", below);
		else
			snprintf(text, sizeof(text), "%u to %u minutes", below, key_age_minutes[i]);
		if (r->all.ages[i])
			fprintf(out, "%-30s %8" PRIu32 "\n", text, r->all.ages[i]);
		below = i < KEY_AGES - 1 ? key_age_minutes[i] : below;
	}
}

static void print_big(FILE *out, const struct queue_options *o, const struct queue_report *r)
{
	size_t total = o->columns ? o->columns : 160;

	if (!r->big_count)
		return;
	fprintf(out, "\n%-24s %8s  %-24s %s\n", "MANY RECIPIENTS: ID", "RCPTS", "ORIGIN", "SENDER");
	for (size_t i = 0; i < r->big_count; i++) {
		const struct queue_big *b = &r->big[i];
		char origin[256];

		key_text(origin, sizeof(origin), b->origin);
		put_text(out, b->id, 24, false, true);
		fprintf(out, " %8" PRIu64 "  ", b->recipients);
		put_text(out, origin, 24, false, true);
		fputc(' ', out);
		put_text(out, b->sender, total > 80 ? total - 60 : 20, false, false);
		fputc('\n', out);
	}
}

static void print_counts(FILE *out, const struct queue_report *r)
{
	for (size_t i = 0; i < r->queue_count; i++) {
		const struct queue_counts *c = &r->counts[i];
		const struct mta_queue *q = &r->queues[i];

		if (r->count_errors[i]) {
			fprintf(out, "%s %s: could not be read (%s)\n", q->mta->name, q->directory,
				strerror(-r->count_errors[i]));
			continue;
		}
		fprintf(out, "%s %s: %" PRId64 " message%s in queue", q->mta->name, q->directory,
			c->messages, c->messages == 1 ? "" : "s");
		if (q->mta == &mta_qmail)
			fprintf(out, ", %" PRId64 " of them not yet preprocessed", c->unprocessed);
		else if (c->unprocessed > 0)
			fprintf(out, ", %" PRId64 " of them not yet taken over", c->unprocessed);
		if (c->held > 0)
			fprintf(out, ", %" PRId64 " held", c->held);
		fputc('\n', out);
		if (c->partial > 0)
			fprintf(out,
				"  files that are no message (yet), being written or left over: "
				"%" PRId64 "%s\n",
				c->partial,
				q->mta == &mta_qmail ? " (counted above, as qmail-qstat does)"
						     : "");
		if (c->garbage > 0)
			fprintf(out, "  names that belong to no message: %" PRId64 "\n",
				c->garbage);
	}
}

int queue_print_table(FILE *out, const struct queue_options *o, struct queue_report *r)
{
	char age[24];

	print_counts(out, r);
	if (r->matched != r->read)
		fprintf(out, "shown: %" PRIu64 " of %" PRIu64 " messages\n", r->matched, r->read);
	if (r->matched) {
		queue_age_text(age, sizeof(age), r->all.oldest_ns, r->now_ns);
		fprintf(out, "%" PRIu64 " recipients, %.1f MB, the oldest %s\n", r->all.recipients,
			(double)r->all.bytes / 1e6, age);
		for (int by = 0; by < QUEUE_BY_COUNT; by++)
			print_table(out, o, r, (enum queue_by)by);
		print_ages(out, r);
		print_big(out, o, r);
	}
	return ferror(out) || fflush(out) ? -errno : 0;
}

/* --list: one line a message. */
int queue_print_message(FILE *out, const struct queue_options *o, const struct queue_message *m)
{
	const struct message_facts *f = m->facts;
	size_t total = o->columns ? o->columns : 0, fixed = 24 + 11 + 7 + 26 + 7 + 30;
	char origin[512], age[24];

	queue_age_text(age, sizeof(age), f->time_ns, m->now_ns);
	key_text(origin, sizeof(origin),
		 m->source && m->source->script ? m->source->script : m->origin);
	put_text(out, m->id, 24, false, true);
	fprintf(out, " %-10.10s %6s ", f->held ? "held" : m->state, age);
	put_text(out, origin, 26, true, true);
	if (f->recipients >= 0)
		fprintf(out, " %6" PRId64 " ", f->recipients);
	else
		fprintf(out, " %6s ", "-");
	put_text(out, f->has_sender && !*f->sender ? "<>" : f->sender, 30, false, true);
	fputc(' ', out);
	put_text(out, f->subject,
		 total > fixed + 10 ? total - fixed
		 : total            ? 10
				    : 0,
		 false, false);
	fputc('\n', out);
	return ferror(out) ? -EIO : 0;
}
