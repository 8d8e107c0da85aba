// SPDX-License-Identifier: GPL-2.0-only
/* JSON lines of `spamtrace queue`: queue-counted for each queue, queue-row for each row of each
 * table, queue-message, queue-ended. */
#include "commands/queue.h"

#include <string.h>

#include "commands/json_line.h"

static const char *const names[QUEUE_BY_COUNT] = {"origin", "script", "sender", "domain"};

static int write_counts(FILE *out, const struct queue_report *r)
{
	for (size_t i = 0; i < r->queue_count; i++) {
		const struct queue_counts *c = &r->counts[i];
		json_t *line = json_line_new("queue-counted");
		int err;

		json_line_put_text(line, "spamtrace.mta", r->queues[i].mta->name);
		json_line_put_text(line, "spamtrace.queue.directory", r->queues[i].directory);
		if (r->count_errors[i]) {
			json_line_put(line, "spamtrace.queue.missing", json_true());
			json_line_put_text(line, "error.message", strerror(-r->count_errors[i]));
		} else {
			json_line_put_known(line, "spamtrace.queue.messages", c->messages);
			json_line_put_known(line, "spamtrace.queue.unprocessed", c->unprocessed);
			json_line_put_known(line, "spamtrace.queue.held", c->held);
			json_line_put_known(line, "spamtrace.queue.partial", c->partial);
			json_line_put_known(line, "spamtrace.queue.garbage", c->garbage);
		}
		err = json_line_write(out, line);
		if (err)
			return err;
	}
	return 0;
}

/* Messages by age: {"5": 3, ..., "older": 1}, the key being the bucket's end in minutes. */
static void put_ages(json_t *line, const struct key_row *row)
{
	json_t *ages = json_object();

	for (int i = 0; i < KEY_AGES; i++) {
		char name[16] = "older";

		if (i < KEY_AGES - 1)
			snprintf(name, sizeof(name), "%u", key_age_minutes[i]);
		if (row->ages[i])
			json_object_set_new(ages, name, json_integer(row->ages[i]));
	}
	json_line_put(line, "spamtrace.queue.ages", ages);
}

static void put_numbers(json_t *line, const struct key_row *row)
{
	json_line_put_count(line, "spamtrace.queue.messages", row->messages);
	json_line_put_count(line, "spamtrace.recipients", row->recipients);
	json_line_put_count(line, "spamtrace.bytes", row->bytes);
	json_line_put_time(line, "spamtrace.queue.oldest", (int64_t)(row->oldest_ns / 1000000000U));
	put_ages(line, row);
}

static int write_rows(FILE *out, const struct queue_options *o, struct queue_report *r,
		      enum queue_by by)
{
	const struct key_row *const *rows;
	size_t n;

	if (!r->by[by] || !(rows = key_table_sorted(r->by[by], by == QUEUE_BY_DOMAIN)))
		return 0;
	n = key_table_count(r->by[by]);
	if (o->top && o->top < n)
		n = o->top;
	for (size_t i = 0; i < n; i++) {
		json_t *line = json_line_new("queue-row");
		int err;

		json_line_put_text(line, "spamtrace.queue.by", names[by]);
		json_line_put_text(line, "spamtrace.queue.key", rows[i]->key);
		put_numbers(line, rows[i]);
		if (by != QUEUE_BY_DOMAIN)
			json_line_put_count(line, "spamtrace.queue.most_recipients", rows[i]->most);
		json_line_put_text(line, "email.local_id", rows[i]->sample_id);
		json_line_put_text(line, "email.subject", rows[i]->sample_subject);
		err = json_line_write(out, line);
		if (err)
			return err;
	}
	return 0;
}

static int write_big(FILE *out, const struct queue_report *r)
{
	for (size_t i = 0; i < r->big_count; i++) {
		const struct queue_big *b = &r->big[i];
		json_t *line = json_line_new("queue-message");
		int err;

		json_line_put_text(line, "spamtrace.mta", b->mta);
		json_line_put_text(line, "spamtrace.queue.origin", b->origin);
		json_line_put_text(line, "email.local_id", b->id);
		json_line_put_text(line, "email.sender.address", b->sender);
		json_line_put_text(line, "email.subject", b->subject);
		json_line_put_count(line, "spamtrace.recipients", b->recipients);
		err = json_line_write(out, line);
		if (err)
			return err;
	}
	return 0;
}

int queue_print_json(FILE *out, const struct queue_options *o, struct queue_report *r)
{
	json_t *end;
	int err = write_counts(out, r);

	for (int by = 0; by < QUEUE_BY_COUNT && !err; by++)
		err = write_rows(out, o, r, (enum queue_by)by);
	if (!err)
		err = write_big(out, r);
	if (err)
		return err;
	end = json_line_new("queue-ended");
	put_numbers(end, &r->all);
	json_line_put_count(end, "spamtrace.queue.read", r->read);
	json_line_put_count(end, "spamtrace.queue.vanished", r->vanished);
	json_line_put_count(end, "spamtrace.queue.incomplete", r->incomplete);
	json_line_put_count(end, "spamtrace.queue.unreadable", r->unreadable);
	return json_line_write(out, end);
}

static const char *source_of(const struct message_facts *f)
{
	if (f->bounce)
		return "bounce";
	if (*f->auth_user || (f->from_network && f->authenticated))
		return "smtp-auth";
	return f->from_network ? "smtp" : NULL;
}

int queue_json_message(FILE *out, const struct queue_message *m)
{
	const struct message_facts *f = m->facts;
	json_t *line = json_line_new("queue-message");

	json_line_put_text(line, "spamtrace.mta", m->mta->name);
	json_line_put_text(line, "spamtrace.queue.state", f->held ? "held" : m->state);
	json_line_put_text(line, "spamtrace.queue.origin", m->origin);
	json_line_put_text(line, "spamtrace.source", source_of(f));
	json_line_put_text(line, "email.local_id", m->id);
	json_line_put_facts(line, f);
	json_line_put_uid(line, queue_uid(f));
	json_line_put_text(line, "user.name", f->login);
	if (m->source)
		json_line_put_text(line, "file.path", m->source->script);
	return json_line_write(out, line);
}
