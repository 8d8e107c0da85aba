// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "commands/json_line.h"
#include "commands/message.h"

static void put_safe(FILE *out, const char *text)
{
	char safe[4096];

	text_for_terminal(safe, sizeof(safe), text, strlen(text));
	fputs(safe, out);
}

static void put_field(FILE *out, const char *name, const char *text)
{
	if (!*text)
		return;
	fprintf(out, "  %-11s ", name);
	put_safe(out, text);
	fputc('\n', out);
}

/* Words wrapped at 88 columns, indented. */
static void put_wrapped(FILE *out, const char *text)
{
	char safe[4096];
	size_t column = 0;

	text_for_terminal(safe, sizeof(safe), text, strlen(text));
	for (const char *p = safe; *p;) {
		size_t word = strcspn(p, " ");

		if (column && column + 1 + word > 88) {
			fputc('\n', out);
			column = 0;
		}
		fprintf(out, "%s%.*s", column ? " " : "  ", (int)word, p);
		column += word + 1;
		p += word;
		p += strspn(p, " ");
	}
	fputc('\n', out);
}

static void put_head(FILE *out, const struct message_view *m)
{
	const struct message_facts *f = &m->facts;
	time_t when = (time_t)(f->time_ns / 1000000000U);
	char age[24], date[40] = "";
	struct tm tm;

	fprintf(out, "Message %s in the queue of %s, %s\n\n", m->id, m->queue->mta->name,
		m->queue->directory);
	put_field(out, "Subject", f->subject);
	put_field(out, "From", f->from);
	put_field(out, "Sender",
		  f->has_sender && !*f->sender
			  ? "<> (a report of failure, or made to look like one)"
			  : f->sender);
	if (f->bytes >= 0)
		fprintf(out, "  %-11s %" PRId64 " bytes\n", "Size", f->bytes);
	if (f->time_ns && localtime_r(&when, &tm) &&
	    strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm)) {
		queue_age_text(age, sizeof(age), f->time_ns, m->now_ns);
		fprintf(out, "  %-11s %s, %s ago\n", "Arrived", date, age);
	}
	if (f->held)
		put_field(out, "State", "held");
	if (!f->has_sender && f->recipients < 0)
		put_field(
			out, "State",
			"no message yet: being written, or left over by a program that was killed");
	put_field(out, "Message-ID", f->message_id);
	put_field(out, "First id", f->first_id);
	if (f->recipients >= 0)
		fprintf(out, "  %-11s %" PRId64, "Recipients", f->recipients);
	else
		fprintf(out, "  %-11s number unknown", "Recipients");
	if (f->recipients >= 0 && (uint64_t)f->recipients > m->recipient_count)
		fprintf(out, ", %" PRIu64 " of them still to be served", m->recipient_count);
	fputc('\n', out);
	for (uint64_t i = 0; i < m->recipient_count && i < MESSAGE_RECIPIENTS; i++)
		put_field(out, "", m->recipients[i]);
	if (m->recipient_count > MESSAGE_RECIPIENTS)
		fprintf(out, "  %-11s and %" PRIu64 " more\n", "",
			m->recipient_count - MESSAGE_RECIPIENTS);
}

static void put_origin(FILE *out, const struct message_view *m)
{
	char text[2048];

	fputs("\nWhere it came from\n", out);
	message_explain(m, text, sizeof(text));
	put_wrapped(out, text);
	if (m->source && m->source->script) {
		snprintf(text, sizeof(text), "A recorded trace saw it come from %s.",
			 m->source->script);
		put_wrapped(out, text);
	}
	if (*m->facts.php_script) {
		snprintf(text, sizeof(text),
			 "Its header X-PHP-Originating-Script says %s (uid and base name of a "
			 "script, as PHP writes it; a "
			 "script can write the same).",
			 m->facts.php_script);
		put_wrapped(out, text);
	}
	if (!m->received_count)
		return;
	fputs("\nReceived lines, the newest first\n", out);
	for (size_t i = 0; i < m->received_count; i++) {
		message_received_words(&m->received[i], text, sizeof(text));
		fprintf(out, "  %zu. ", i + 1);
		put_safe(out, text);
		fputs(i < m->own ? "\n" : " [anybody could have written this line]\n", out);
	}
}

/* "spamtrace queue --mta qmail"; a directory with a quote in its name is left to the reader. */
static void put_queue(FILE *out, const struct message_view *m)
{
	fprintf(out, "  spamtrace queue --mta %s", m->queue->mta->name);
	if (m->name_directory && !strchr(m->queue->directory, '\''))
		fprintf(out, " --queue-dir '%s'", m->queue->directory);
}

/* A command of one line takes a pipe; more of them read a file of ids. */
static void put_bulk(FILE *out, const struct message_view *m, const char *verb, const char *like)
{
	char commands[4096];
	const char *lines = m->queue->mta->howto(m->queue, verb, commands, sizeof(commands), NULL);

	if (!lines)
		return;
	put_queue(out, m);
	if (strchr(lines, '\n') == lines + strlen(lines) - 1)
		fprintf(out, " --ids %s | %s", like, lines);
	else
		fprintf(out, " --ids %s >ids   # look at it first\n(\n%s) <ids\n", like, lines);
}

static void put_single(FILE *out, const struct message_view *m, const char *verb)
{
	char commands[4096];
	const char *p = m->queue->mta->howto(m->queue, verb, commands, sizeof(commands), m->id);

	while (p && *p) {
		size_t n = strcspn(p, "\n");

		fprintf(out, "  %.*s\n", (int)n, p);
		p += n + (p[n] != '\0');
	}
}

static void put_commands(FILE *out, const struct message_view *m)
{
	char like[512];

	message_like(m, like, sizeof(like));
	fputs("\nWhat you can do (nothing has been run)\n", out);
	fputs("hold it:\n", out);
	put_single(out, m, "hold");
	fputs("delete it:\n", out);
	put_single(out, m, "delete");
	if (!*like)
		return;
	fputs("see everything like it:\n", out);
	put_queue(out, m);
	fprintf(out, " --list %s\n", like);
	fputs("hold everything like it:\n", out);
	put_bulk(out, m, "hold", like);
	fputs("delete everything like it:\n", out);
	put_bulk(out, m, "delete", like);
}

int message_print_text(FILE *out, const struct message_view *m)
{
	put_head(out, m);
	put_origin(out, m);
	put_commands(out, m);
	return ferror(out) || fflush(out) ? -EIO : 0;
}

int message_print_json(FILE *out, const struct message_view *m)
{
	const struct message_facts *f = &m->facts;
	json_t *line = json_line_new("message-explained"), *list = json_array();
	char text[2048];

	json_line_put_text(line, "spamtrace.mta", m->queue->mta->name);
	json_line_put_text(line, "spamtrace.queue.directory", m->queue->directory);
	queue_origin(f, text, sizeof(text));
	json_line_put_text(line, "spamtrace.queue.origin", text);
	message_explain(m, text, sizeof(text));
	json_line_put_text(line, "spamtrace.explanation", text);
	json_line_put_text(line, "email.local_id", m->id);
	json_line_put_facts(line, f);
	json_line_put_text(line, "spamtrace.parent_id", f->parent_id);
	json_line_put_text(line, "spamtrace.first_id", f->first_id);
	json_line_put_text(line, "spamtrace.php_originating_script", f->php_script);
	json_line_put_uid(line, m->uid);
	json_line_put_text(line, "user.name", m->user);
	if (m->source)
		json_line_put_text(line, "file.path", m->source->script);
	for (uint64_t i = 0; i < m->recipient_count && i < MESSAGE_RECIPIENTS; i++)
		json_array_append_new(list, json_line_text(m->recipients[i]));
	json_line_put(line, "email.to.address", list);
	list = json_array();
	for (size_t i = 0; i < m->received_count; i++)
		json_array_append_new(list, json_line_text(m->received_text[i]));
	json_line_put(line, "spamtrace.received", list);
	json_line_put_count(line, "spamtrace.received_own", m->own);
	return json_line_write(out, line);
}
