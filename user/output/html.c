// SPDX-License-Identifier: GPL-2.0-only
#include "output/html.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "output/summary.h"
#include "output/words.h"

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
	"'unsafe-inline'\">\n<title>spamtrace</title><style>\n"
	"body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;"
	"color:#1c2430}\n"
	"h1{font-size:1.4rem}h2{font-size:1.05rem;margin:2rem 0 .4rem}\n"
	"table{border-collapse:collapse;width:100%}\n"
	"th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #dde3ea;"
	"vertical-align:top}\n"
	"th{font-weight:600;color:#5a6675}td.n,th.n{text-align:right;white-space:nowrap;"
	"font-variant-numeric:tabular-nums}\n"
	"code{font:13px ui-monospace,monospace;word-break:break-all}\n"
	".top{border-left:4px solid #c0271d;background:#fdf3f2;padding:.6rem 1rem}\n"
	".top code{font-size:16px;font-weight:700}\n"
	".dim{color:#5a6675}\n</style></head><body>\n";

/* Hostile bytes as on a terminal, then what HTML gives a meaning. */
static void put_text(FILE *out, const char *text)
{
	size_t len = text ? strlen(text) : 0, size = 4 * len + 1;
	_free_ char *safe = malloc(size);

	if (!safe)
		return;
	text_for_terminal(safe, size, text, len);
	for (const char *s = safe; *s; s++) {
		switch (*s) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			fputc(*s, out);
		}
	}
}

static void put_paragraph(FILE *out, const char *label, const char *text)
{
	fprintf(out, "<p><b>%s</b> ", label);
	put_text(out, text);
	fputs("</p>\n", out);
}

static void put_number(FILE *out, uint64_t n)
{
	char count[WORDS_COUNT_SIZE];

	words_count(count, n > INT64_MAX ? INT64_MAX : (int64_t)n, false);
	fprintf(out, "<td class=\"n\">%s</td>", count);
}

/* What a row is about: the file to blame with its line, or the key. */
static void put_subject(FILE *out, const struct tally_row *r, enum tally_by by)
{
	const char *file =
		by == BY_SCRIPT && r->culprit_file && *r->culprit_file ? r->culprit_file : r->key;

	fputs("<code>", out);
	if (by == BY_UID && r->user_name)
		file = r->user_name;
	put_text(out, file && *file ? file : "(not known)");
	if (by == BY_SCRIPT && r->key && r->culprit_line)
		fprintf(out, ":%" PRIu32, r->culprit_line);
	fputs("</code>", out);
	if (by == BY_SCRIPT && file && r->key && strcmp(file, r->key) != 0) {
		fputs("<br><span class=\"dim\">run by <code>", out);
		put_text(out, r->key);
		fputs("</code></span>", out);
	}
}

static void put_row(FILE *out, const struct tally_row *r, enum tally_by by)
{
	char first[WORDS_TIME_SIZE], last[WORDS_TIME_SIZE];

	words_time(first, r->first_wall_ns, true);
	words_time(last, r->last_wall_ns, true);
	fputs("<tr><td>", out);
	put_subject(out, r, by);
	fputs("</td>", out);
	put_number(out, r->messages);
	fprintf(out, "<td class=\"n\">%.1f %%</td>", r->share * 100);
	put_number(out, r->attempts);
	put_number(out, r->connects);
	fprintf(out, "<td>%s</td><td>%s</td><td>", first, last);
	put_text(out, r->vhosts ? "several" : r->vhost);
	fputs("</td><td>", out);
	put_text(out, r->users ? "several" : r->user_name);
	fputs("</td><td>", out);
	put_text(out, r->messages ? attribution_name(r->attribution) : "");
	fputs("</td><td><code>", out);
	put_text(out, r->sample_id);
	fputs("</code> ", out);
	put_text(out, r->sample_subject);
	fputs("</td></tr>\n", out);
}

static void put_list(FILE *out, const struct summary_event *e, enum tally_by by, unsigned top)
{
	size_t n = e->row_count[by] < top ? e->row_count[by] : top;
	size_t more = e->row_count[by] - n + e->rows_more[by];

	if (!n)
		return;
	fprintf(out,
		"<h2>By %s</h2>\n<table><tr><th>%s</th><th class=\"n\">Messages</th>"
		"<th class=\"n\">Share</th><th class=\"n\">Attempts</th><th "
		"class=\"n\">Connects</th>"
		"<th>First</th><th>Last</th><th>Vhost</th><th>User</th><th>Proof</th>"
		"<th>For example</th></tr>\n",
		tally_by_name(by), tally_by_name(by));
	for (size_t i = 0; i < n; i++)
		put_row(out, &e->rows[by][i], by);
	fputs("</table>\n", out);
	if (more)
		fprintf(out, "<p class=\"dim\">and %zu more</p>\n", more);
}

static void put_top(FILE *out, const struct summary_event *e)
{
	const struct tally_row *r = NULL;

	for (size_t i = 0; i < e->row_count[BY_SCRIPT] && !r; i++)
		if (e->rows[BY_SCRIPT][i].key && e->rows[BY_SCRIPT][i].messages)
			r = &e->rows[BY_SCRIPT][i];
	if (!r)
		return;
	fprintf(out, "<p class=\"top\">%.1f %% of all messages came from<br>", r->share * 100);
	put_subject(out, r, BY_SCRIPT);
	fputs("</p>\n", out);
}

static void put_books(FILE *out, const struct summary_event *e)
{
	if (e->queue_count)
		fputs("<h2>Queue</h2>\n<table><tr><th>Queue</th><th class=\"n\">Messages</th>"
		      "<th class=\"n\">Growth</th><th class=\"n\">Queued</th>"
		      "<th class=\"n\">Removed</th><th "
		      "class=\"n\">Unexplained</th><th></th></tr>\n",
		      out);
	for (size_t i = 0; i < e->queue_count; i++) {
		const struct queue_event *q = &e->queues[i];

		fputs("<tr><td>", out);
		put_text(out, q->mta ? q->mta : "all");
		fprintf(out,
			"</td><td class=\"n\">%" PRId64 "</td><td class=\"n\">%+" PRId64
			"</td><td class=\"n\">%" PRIu64 "</td><td class=\"n\">%" PRIu64
			"</td><td class=\"n\">%+" PRId64 "</td><td>",
			q->messages, q->growth, q->queued, q->removed, q->unexplained);
		put_text(out, q->note);
		fputs("</td></tr>\n", out);
	}
	if (e->queue_count)
		fputs("</table>\n", out);
	if (e->verdict)
		put_paragraph(out, "Verdict.", e->verdict);
}

static void put_losses(FILE *out, const struct summary_event *e)
{
	bool any = false;

	for (size_t i = 0; i < e->loss_count; i++) {
		const char *meaning, *advice;
		char text[512];

		if (!e->losses[i].reason || !e->losses[i].count)
			continue;
		words_loss(e->losses[i].reason, &meaning, &advice);
		snprintf(text, sizeof(text), "%" PRIu64 " × %.100s: %s; %s", e->losses[i].count,
			 e->losses[i].reason, meaning, advice);
		put_paragraph(out, "Lost.", text);
		any = true;
	}
	if (!any)
		put_paragraph(out, "Lost.", summary_losses_known(e) ? "nothing" : "not known");
}

void html_print(FILE *out, const struct summary_event *e, unsigned top)
{
	uint64_t span = e->seconds > 0 ? (uint64_t)(e->seconds * 1e9) : 0;
	char duration[WORDS_TIME_SIZE], from[WORDS_TIME_SIZE], to[WORDS_TIME_SIZE];

	words_duration(duration, e->seconds);
	words_time(from, e->wall_ns > span ? e->wall_ns - span : 0, true);
	words_time(to, e->wall_ns, true);
	fputs(head, out);
	fputs("<h1>", out);
	put_text(out, e->host ? e->host : "spamtrace");
	fprintf(out, ": %s, %s to %s</h1>\n", duration, from, to);
	fprintf(out,
		"<p>%" PRIu64 " messages queued, %" PRIu64 " left the queue, %" PRIu64
		" attempts, %" PRIu64 " connects to mail ports; %" PRIu64 " exact, %" PRIu64
		" inferred, %" PRIu64 " of no proved origin</p>\n",
		e->messages, e->removals, e->attempts, e->connects,
		e->by_attribution[ATTRIBUTION_EXACT], e->by_attribution[ATTRIBUTION_INFERRED],
		e->by_attribution[ATTRIBUTION_NONE]);
	put_top(out, e);
	for (unsigned by = 0; by < BY_COUNT; by++)
		put_list(out, e, by, top);
	put_books(out, e);
	put_losses(out, e);
	for (size_t i = 0; i < e->note_count; i++)
		put_paragraph(out, "Note.", e->notes[i]);
	fputs("</body></html>\n", out);
}
