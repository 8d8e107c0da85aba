// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "output/summary_internal.h"
#include "output/words.h"

#define NS_PER_SEC 1000000000ULL
#define BAR_WIDTH  8

/* The share from which on a script is worth an accusation. */
#define OUTSTANDING 0.1

static const char *const by_nouns[BY_COUNT][2] = {
	[BY_SCRIPT] = {"script", "scripts"}, [BY_UID] = {"user", "users"},
	[BY_VHOST] = {"vhost", "vhosts"},    [BY_CLIENT] = {"client", "clients"},
	[BY_SOURCE] = {"source", "sources"},
};

static const char *const list_titles[BY_COUNT] = {
	[BY_SCRIPT] = "USER, VHOST", [BY_UID] = "USER",      [BY_VHOST] = "VHOST",
	[BY_CLIENT] = "CLIENT",      [BY_SOURCE] = "SOURCE",
};

/* Messages a minute over the time a row was active, at least a minute where the trace is that long.
 */
static double per_minute(const struct summary *s, const struct tally_row *r)
{
	double active = (double)(r->last_wall_ns - r->first_wall_ns) / (double)NS_PER_SEC;
	double least = s->e->seconds < 60 ? s->e->seconds : 60;

	if (r->last_wall_ns < r->first_wall_ns || active < least)
		active = least;
	return active > 0 ? (double)r->messages * 60 / active : 0;
}

static void put_rate(char out[WORDS_COUNT_SIZE], double rate)
{
	if (rate >= 10 || rate <= 0)
		words_count(out, (int64_t)(rate + 0.5), false);
	else
		snprintf(out, WORDS_COUNT_SIZE, "%.1f", rate);
}

/* "93 %"; never 0 or 100 for what is not. */
static void put_share(char out[16], double share)
{
	if (share > 0 && share < 0.01)
		snprintf(out, 16, "<1 %%");
	else if (share < 1 && share >= 0.995)
		snprintf(out, 16, ">99 %%");
	else
		snprintf(out, 16, "%.0f %%", share * 100);
}

static void put_bar(const struct summary *s, double share)
{
	static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	unsigned n = share <= 0 ? 0 : (unsigned)(share * BAR_WIDTH * 8 + 0.5), i = 0;

	n = n > BAR_WIDTH * 8 ? BAR_WIDTH * 8 : share > 0 && !n ? 1 : n;
	fputs(page_on(&s->page, PAINT_DIM), s->page.out);
	for (; i < n / 8; i++)
		fputs("█", s->page.out);
	for (; i < BAR_WIDTH; i++, n = 0)
		fputs(eighths[n % 8], s->page.out);
	fputs(page_off(&s->page, PAINT_DIM), s->page.out);
}

static void heading(const struct summary *s, const char *text)
{
	fprintf(s->page.out, "\n%s%s%s\n", page_on(&s->page, PAINT_BOLD), text,
		page_off(&s->page, PAINT_BOLD));
}

static bool wide(const struct summary *s)
{
	return s->page.columns >= 100;
}

/* "03:04:05", or "11-21 03:04" where the day is not clear. */
static void put_time(const struct summary *s, char out[WORDS_TIME_SIZE], uint64_t wall_ns)
{
	char full[WORDS_TIME_SIZE];

	words_time(full, wall_ns, true);
	if (!wall_ns || strlen(full) != strlen("2026-11-21 14:03:22"))
		snprintf(out, WORDS_TIME_SIZE, "-");
	else
		snprintf(out, WORDS_TIME_SIZE, s->dates ? "%.11s" : "%.8s",
			 full + (s->dates ? 5 : 11));
}

/* "web12 (10012)" */
static void put_user(char *out, size_t size, const struct tally_row *r)
{
	const char *name = r->user_name;

	if (r->users)
		snprintf(out, size, "several users");
	else if (name && *name && r->uid >= 0)
		snprintf(out, size, "%.64s (%" PRId64 ")", name, r->uid);
	else if (name && *name)
		snprintf(out, size, "%.64s", name);
	else if (r->uid >= 0)
		snprintf(out, size, "uid %" PRId64, r->uid);
	else
		snprintf(out, size, "-");
}

static const char *or_dash(const char *s)
{
	return s && *s ? s : "-";
}

static const char *vhost_of(const struct tally_row *r)
{
	return r->vhosts ? "several vhosts" : or_dash(r->vhost);
}

/* ---- the head ---- */

static void put_head(const struct summary *s)
{
	const struct summary_event *e = s->e;
	uint64_t span = e->seconds > 0 ? (uint64_t)(e->seconds * 1e9) : 0;
	char duration[WORDS_TIME_SIZE], from[WORDS_TIME_SIZE], to[WORDS_TIME_SIZE];
	char text[512], n[4][64];

	words_duration(duration, e->seconds);
	words_time(from, e->wall_ns > span ? e->wall_ns - span : 0, true);
	words_time(to, e->wall_ns, s->dates);
	snprintf(text, sizeof(text), "%.200s: %s, %s to %s",
		 e->host && *e->host ? e->host : "trace", duration, from, to);
	fputc('\n', s->page.out);
	fputs(page_on(&s->page, PAINT_BOLD), s->page.out);
	page_cell(&s->page, text, s->page.columns, false, false);
	fprintf(s->page.out, "%s\n", page_off(&s->page, PAINT_BOLD));

	words_number(n[0], sizeof(n[0]), e->messages, "message queued", "messages queued");
	words_number(n[1], sizeof(n[1]), e->removals, "left the queue", "left the queue");
	words_number(n[2], sizeof(n[2]), e->attempts, "attempt", "attempts");
	words_number(n[3], sizeof(n[3]), e->connects, "connect", "connects");
	fprintf(s->page.out, "%s, %s, %s, %s to mail ports\n", n[0], n[1], n[2], n[3]);
}

/* ---- who did it ---- */

static bool same_file(const struct tally_row *r)
{
	return !r->culprit_file || !*r->culprit_file ||
	       (r->key && !strcmp(r->key, r->culprit_file));
}

/* The file to blame and its line, whole, on a line of its own: it is there to be copied. */
static void put_culprit(const struct summary *s, const struct tally_row *r, enum paint paint)
{
	const char *file = r->culprit_file && *r->culprit_file ? r->culprit_file : r->key;
	size_t len = strlen(file), size = 4 * len + 1;
	_free_ char *safe = malloc(size);

	if (!safe)
		return;
	text_for_terminal(safe, size, file, len);
	fprintf(s->page.out, "%s%s", page_on(&s->page, paint), safe);
	if (r->culprit_line)
		fprintf(s->page.out, ":%u", r->culprit_line);
	fprintf(s->page.out, "%s\n", page_off(&s->page, paint));
}

static void put_sample(const struct summary *s, const struct tally_row *r, unsigned indent,
		       const char *label)
{
	size_t used = indent + strlen(label);

	if (!r->sample_id && !r->sample_subject)
		return;
	fprintf(s->page.out, "%*s%s", (int)indent, "", label);
	if (r->sample_id) {
		page_cell(&s->page, r->sample_id, 24, false, false);
		used += 26;
	}
	if (r->sample_subject && *r->sample_subject) {
		fputs(r->sample_id ? "  " : "", s->page.out);
		page_cell(&s->page, r->sample_subject, s->page.columns - used, false, false);
	}
	fputc('\n', s->page.out);
}

/* The script that sent most, where nobody can miss it. */
static void put_headline(const struct summary *s)
{
	const struct tally_row *r = NULL;
	char share[16], rate[WORDS_COUNT_SIZE], number[64], from[WORDS_TIME_SIZE];
	char to[WORDS_TIME_SIZE], user[128], text[512];

	for (size_t i = 0; i < s->e->row_count[BY_SCRIPT] && !r; i++)
		if (s->e->rows[BY_SCRIPT][i].key && s->e->rows[BY_SCRIPT][i].messages)
			r = &s->e->rows[BY_SCRIPT][i];
	if (!r)
		return;
	put_share(share, r->share);
	put_rate(rate, per_minute(s, r));
	words_number(number, sizeof(number), r->messages, "message", "messages");
	put_time(s, from, r->first_wall_ns);
	put_time(s, to, r->last_wall_ns);
	put_user(user, sizeof(user), r);

	fprintf(s->page.out, "\n%s%s%s of all messages%s came from %s%s:\n\n    ",
		page_on(&s->page, PAINT_BOLD),
		r->share < OUTSTANDING ? "No script stands out; " : "", share,
		page_off(&s->page, PAINT_BOLD),
		r->share < OUTSTANDING ? "the busiest" : "one script",
		r->attribution == ATTRIBUTION_EXACT ? "" : " (not all of it proved)");
	put_culprit(s, r, PAINT_ALARM);
	if (!same_file(r)) {
		fputs("    run by ", s->page.out);
		page_cell(&s->page, r->key, s->page.columns - 11, true, false);
		fputc('\n', s->page.out);
	}
	snprintf(text, sizeof(text), "%s, %s a minute, %s to %s; vhost %.128s, user %s", number,
		 rate, from, to, vhost_of(r), user);
	page_paragraph(&s->page, "    ", 4, text);
	put_sample(s, r, 4, "for example ");
}

/* ---- lists ---- */

static const char *row_label(enum tally_by by, const struct tally_row *r, char *buffer, size_t size)
{
	if (by == BY_UID) {
		put_user(buffer, size, r);
		return buffer;
	}
	if (r->key && *r->key)
		return r->key;
	snprintf(buffer, size, "(no %s known)", by_nouns[by][0]);
	return buffer;
}

static unsigned put_numbers(const struct summary *s, const struct tally_row *r)
{
	unsigned time_width = s->dates ? 11 : 8;
	char messages[WORDS_COUNT_SIZE], share[16], rate[WORDS_COUNT_SIZE];
	char first[WORDS_TIME_SIZE], last[WORDS_TIME_SIZE];

	words_count(messages, (int64_t)r->messages, false);
	put_share(share, r->share);
	put_rate(rate, per_minute(s, r));
	put_time(s, first, r->first_wall_ns);
	put_time(s, last, r->last_wall_ns);
	fprintf(s->page.out, "%10s  %5s", messages, share);
	if (wide(s)) {
		fputs("  ", s->page.out);
		put_bar(s, r->share);
	}
	fprintf(s->page.out, "  %7s  %-*s  %-*s  ", rate, (int)time_width, first, (int)time_width,
		last);
	return 10 + 7 + (wide(s) ? 2u + BAR_WIDTH : 0u) + 9 + 2 * (2 + time_width) + 2;
}

static void put_attempts(const struct summary *s, const struct tally_row *r)
{
	char number[64];

	if (r->handed) {
		words_number(number, sizeof(number), r->handed, "injection", "injections");
		fprintf(s->page.out, "%*s%s taken by an MTA that is not followed\n", INDENT, "",
			number);
	}
	if (r->attempts > r->handed + r->unsettled) {
		words_number(number, sizeof(number), r->attempts - r->handed - r->unsettled,
			     "attempt", "attempts");
		fprintf(s->page.out, "%*s%s that queued nothing\n", INDENT, "", number);
	}
	if (r->unsettled) {
		words_number(number, sizeof(number), r->unsettled, "attempt", "attempts");
		fprintf(s->page.out, "%*s%s into a queue that is not followed\n", INDENT, "",
			number);
	}
	if (r->connects) {
		words_number(number, sizeof(number), r->connects, "connect", "connects");
		fprintf(s->page.out, "%*s%s to mail ports\n", INDENT, "", number);
	}
}

/* Of its messages; a row of attempts and connects only has none to prove. */
static char row_mark(const struct tally_row *r)
{
	if (!r->messages)
		return ' ';
	return r->key && *r->key ? words_mark(r->attribution) : words_mark(ATTRIBUTION_NONE);
}

static void put_script_row(const struct summary *s, const struct tally_row *r)
{
	unsigned used = put_numbers(s, r);
	unsigned room = s->page.columns > used + 20 ? s->page.columns - used : 20;
	char user[128];

	put_user(user, sizeof(user), r);
	page_cell(&s->page, user, room > 40 ? 20 : room / 2 - 1, false, true);
	fputs("  ", s->page.out);
	page_cell(&s->page, vhost_of(r), room > 40 ? room - 22 : room - room / 2 - 1, false, false);
	fprintf(s->page.out, "\n%*c ", INDENT - 1, row_mark(r));
	if (r->key && *r->key) {
		put_culprit(s, r, PAINT_BOLD);
		if (!same_file(r)) {
			fprintf(s->page.out, "%*srun by ", INDENT, "");
			page_cell(&s->page, r->key, s->page.columns - INDENT - 7, true, false);
			fputc('\n', s->page.out);
		}
	} else {
		fprintf(s->page.out, "(no script: %s)\n", source_name(r->source));
	}
	if (r->container)
		fprintf(s->page.out, "%*sin container %.64s\n", INDENT, "", r->container);
	put_sample(s, r, INDENT, "");
	put_attempts(s, r);
}

static void put_plain_row(const struct summary *s, enum tally_by by, const struct tally_row *r)
{
	unsigned used = put_numbers(s, r);
	unsigned room = s->page.columns > used + 20 ? s->page.columns - used : 20;
	unsigned label = room > 60 ? 30 : room;
	char buffer[160];

	page_cell(&s->page, row_label(by, r, buffer, sizeof(buffer)), label, false,
		  room > label && r->sample_id);
	if (room > label && r->sample_id) {
		fputs("  ", s->page.out);
		page_cell(&s->page, r->sample_id, 24, false, false);
	}
	fputc('\n', s->page.out);
}

static void put_list(const struct summary *s, enum tally_by by)
{
	const struct summary_event *e = s->e;
	size_t most = s->style->top ? s->style->top : 10;
	size_t n = e->row_count[by] < most ? e->row_count[by] : most;
	size_t more = e->row_count[by] - n + e->rows_more[by];
	char title[32];

	if (!n || (by == BY_CLIENT && n == 1 && !e->rows[by][0].key))
		return;
	snprintf(title, sizeof(title), "BY %s", tally_by_name(by));
	for (char *c = title; *c; c++)
		*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
	heading(s, title);
	fprintf(s->page.out, "%s  MESSAGES  SHARE%*s  PER MIN  %-*s  %-*s  %s%s\n",
		page_on(&s->page, PAINT_DIM), wide(s) ? 2 + BAR_WIDTH : 0, "", s->dates ? 11 : 8,
		"FIRST", s->dates ? 11 : 8, "LAST", list_titles[by], page_off(&s->page, PAINT_DIM));
	for (size_t i = 0; i < n; i++) {
		if (by == BY_SCRIPT)
			put_script_row(s, &e->rows[by][i]);
		else
			put_plain_row(s, by, &e->rows[by][i]);
	}
	if (more) {
		char number[64];

		words_count(number, (int64_t)more, false);
		fprintf(s->page.out, "%12s and %s more %s\n", "…", number, by_nouns[by][more > 1]);
	}
}

static uint64_t day_of(uint64_t wall_ns)
{
	return wall_ns / NS_PER_SEC / 86400;
}

void summary_print(FILE *out, const struct summary_event *e, const struct summary_style *style)
{
	uint64_t span = e->seconds > 0 ? (uint64_t)(e->seconds * 1e9) : 0;
	struct summary s = {
		.page = {out, style->columns < 80 ? 80 : style->columns, style->color},
		.e = e,
		.style = style,
		.dates = e->wall_ns > span && day_of(e->wall_ns) != day_of(e->wall_ns - span),
	};

	put_head(&s);
	put_headline(&s);
	put_list(&s, style->by);
	for (unsigned by = 0; by < BY_COUNT; by++)
		if (by != style->by && by != BY_SOURCE)
			put_list(&s, by);
	summary_totals(&s);
	summary_books(&s);
	summary_losses(&s);
	summary_footer(&s);
}
