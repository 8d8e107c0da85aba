// SPDX-License-Identifier: GPL-2.0-only
#include "output/row.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "output/words.h"

/* Exim's ids since 4.97 are the longest of all: 23. */
#define ID_MIN 8
#define ID_MAX 23

/* In the order in which columns get room; `most`: what is left over widens them so far. */
static const struct {
	enum row_column column;
	unsigned least, most;
} wishes[] = {
	{COLUMN_TIME, 8, 8},      {COLUMN_ORIGIN, 26, 64},   {COLUMN_ID, ID_MIN, ID_MAX},
	{COLUMN_USER, 8, 12},     {COLUMN_VHOST, 12, 26},    {COLUMN_CLIENT, 15, 15},
	{COLUMN_SUBJECT, 14, 60}, {COLUMN_RECIPIENTS, 4, 4},
};

static const char *const titles[COLUMN_COUNT] = {
	[COLUMN_TIME] = "TIME",       [COLUMN_ID] = "QUEUE-ID",          [COLUMN_USER] = "USER",
	[COLUMN_VHOST] = "VHOST",     [COLUMN_ORIGIN] = "  SCRIPT:LINE", [COLUMN_CLIENT] = "CLIENT",
	[COLUMN_RECIPIENTS] = "RCPT", [COLUMN_SUBJECT] = "SUBJECT",
};

void row_layout_init(struct row_layout *l, unsigned columns, unsigned id_width)
{
	unsigned used = 0;
	bool grown = true;

	id_width = id_width < ID_MIN ? ID_MIN : id_width > ID_MAX ? ID_MAX : id_width;
	*l = (struct row_layout){.id_width = id_width};
	for (size_t i = 0; i < array_size(wishes); i++) {
		unsigned least = wishes[i].column == COLUMN_ID ? id_width : wishes[i].least;
		unsigned gap = used ? 1 : 0;

		if (used + gap + least > columns)
			continue;
		l->width[wishes[i].column] = least;
		used += gap + least;
	}
	/* The rest column by column, the script's twice in a round. */
	for (size_t turn = 0; used < columns && grown; turn++) {
		grown = false;
		for (size_t i = 0; i <= array_size(wishes) && used < columns; i++) {
			size_t w = i < array_size(wishes) ? i : 1;
			unsigned *width = &l->width[wishes[w].column];

			if (!*width || *width >= wishes[w].most || wishes[w].column == COLUMN_ID)
				continue;
			++*width;
			used++;
			grown = true;
		}
	}
}

bool row_learn(struct row_layout *l, const struct mail_event *e, unsigned columns)
{
	size_t len = e->queue_id ? strnlen(e->queue_id, ID_MAX) : 0;

	if (len <= l->id_width)
		return false;
	row_layout_init(l, columns, (unsigned)len);
	return true;
}

/* Where the next cell begins: nothing before the first one. */
static bool last_column(const struct row_layout *l, unsigned column)
{
	for (unsigned c = column + 1; c < COLUMN_COUNT; c++)
		if (l->width[c])
			return false;
	return true;
}

void row_header(const struct row_layout *l, const struct page *p)
{
	fputs(page_on(p, PAINT_BOLD), p->out);
	for (unsigned c = 0; c < COLUMN_COUNT; c++) {
		if (!l->width[c])
			continue;
		page_cell(p, titles[c], l->width[c], false, !last_column(l, c));
		if (!last_column(l, c))
			fputc(' ', p->out);
	}
	fprintf(p->out, "%s\n", page_off(p, PAINT_BOLD));
}

static const char *id_text(const struct mail_event *e)
{
	if (e->action == ACTION_MAIL_ATTEMPTED)
		return event_handed(e) ? "injected" : "attempt";
	if (e->action == ACTION_SMTP_CONNECTED)
		return "connect";
	return e->queue_id && *e->queue_id ? e->queue_id : "-";
}

/* What stands in the subject's column of events that have no subject. */
static void subject_text(char *out, size_t size, const struct mail_event *e)
{
	const char *ip = e->destination_ip && *e->destination_ip ? e->destination_ip : "?";

	if (e->action == ACTION_MAIL_ATTEMPTED && event_handed(e))
		snprintf(out, size, "by %.32s, not followed", e->mta ? e->mta : "an MTA");
	else if (e->action == ACTION_MAIL_ATTEMPTED && e->exit_signal > 0)
		snprintf(out, size, "signal %d", e->exit_signal);
	else if (e->action == ACTION_MAIL_ATTEMPTED && e->exit_code >= 0)
		snprintf(out, size, "exit %d", e->exit_code);
	else if (e->action == ACTION_MAIL_ATTEMPTED)
		snprintf(out, size, "not queued");
	else if (e->action == ACTION_SMTP_CONNECTED)
		snprintf(out, size, strchr(ip, ':') ? "[%.64s]:%u" : "%.64s:%u", ip,
			 (unsigned)e->destination_port);
	else if (e->action == ACTION_MAIL_REMOVED)
		snprintf(out, size, "left the queue%s%.64s", e->remover ? ": " : "",
			 e->remover ? e->remover : "");
	else
		snprintf(out, size, "%.1000s", e->subject && *e->subject ? e->subject : "-");
}

static void user_text(char *out, size_t size, const struct mail_event *e)
{
	if (e->user_name && *e->user_name)
		snprintf(out, size, "%.100s", e->user_name);
	else if (e->uid >= 0)
		snprintf(out, size, "%" PRId64, e->uid);
	else
		snprintf(out, size, "-");
}

static enum paint mark_paint(enum attribution a)
{
	return a == ATTRIBUTION_EXACT      ? PAINT_GOOD
	       : a == ATTRIBUTION_INFERRED ? PAINT_WARN
					   : PAINT_ALARM;
}

static void put_origin(const struct page *p, const struct mail_event *e, unsigned width, bool pad)
{
	char origin[WORDS_ORIGIN_SIZE];
	enum paint paint = mark_paint(e->attribution);

	words_origin(origin, sizeof(origin), e);
	fprintf(p->out, "%s%c%s ", page_on(p, paint), words_mark(e->attribution),
		page_off(p, paint));
	page_cell(p, origin, width - 2, true, pad);
}

static void put_cell(const struct page *p, const struct mail_event *e, unsigned column,
		     unsigned width, bool pad)
{
	char text[1024];

	switch (column) {
	case COLUMN_TIME:
		words_time(text, e->wall_ns, false);
		break;
	case COLUMN_ID:
		snprintf(text, sizeof(text), "%.100s", id_text(e));
		break;
	case COLUMN_USER:
		user_text(text, sizeof(text), e);
		break;
	case COLUMN_VHOST:
		snprintf(text, sizeof(text), "%.300s", e->vhost && *e->vhost ? e->vhost : "-");
		break;
	case COLUMN_ORIGIN:
		put_origin(p, e, width, pad);
		return;
	case COLUMN_CLIENT:
		snprintf(text, sizeof(text), "%.100s",
			 e->client_ip && *e->client_ip ? e->client_ip : "-");
		break;
	case COLUMN_RECIPIENTS:
		if (e->recipients >= 0 && e->recipients < 10000)
			snprintf(text, sizeof(text), "%4" PRId64, e->recipients);
		else
			snprintf(text, sizeof(text), "%s", e->recipients < 0 ? "   -" : ">10k");
		break;
	default:
		subject_text(text, sizeof(text), e);
	}
	page_cell(p, text, width, column == COLUMN_SUBJECT && e->action == ACTION_SMTP_CONNECTED,
		  pad);
}

void row_print(const struct row_layout *l, const struct page *p, const struct mail_event *e)
{
	enum paint whole = e->action == ACTION_MAIL_QUEUED ? PAINT_NONE : PAINT_DIM;

	for (unsigned c = 0; c < COLUMN_COUNT; c++) {
		enum paint paint = c == COLUMN_TIME     ? PAINT_DIM
				   : c == COLUMN_ORIGIN ? PAINT_NONE
							: whole;

		if (!l->width[c])
			continue;
		fputs(page_on(p, paint), p->out);
		put_cell(p, e, c, l->width[c], !last_column(l, c));
		fputs(page_off(p, paint), p->out);
		if (!last_column(l, c))
			fputc(' ', p->out);
	}
	fputc('\n', p->out);
}

static void put_detail(const struct page *p, const char *text, bool keep_end)
{
	unsigned room = p->columns > 20 ? p->columns - 11 : 9;

	fprintf(p->out, "%s%11s", page_on(p, PAINT_DIM), "");
	page_cell(p, text, room, keep_end, false);
	fprintf(p->out, "%s\n", page_off(p, PAINT_DIM));
}

static void put_frame(const struct page *p, const struct frame *f)
{
	char text[2 * WORDS_PATH_MAX], line[24] = "";
	const char *file = f->file ? f->file : "(internal)";
	size_t len = strlen(file);

	if (f->line)
		snprintf(line, sizeof(line), ":%u", f->line);
	snprintf(text, sizeof(text), "%s%s%s%s%.200s%s",
		 len > WORDS_PATH_MAX ? file + len - WORDS_PATH_MAX : file, line,
		 f->eval ? " eval()'d" : "", f->function ? " in " : "",
		 f->function ? f->function : "", f->function ? "()" : "");
	put_detail(p, text, true);
}

void row_details(const struct page *p, const struct mail_event *e)
{
	char text[1024];
	size_t used = 0;

	for (size_t i = 0; i < e->frame_count; i++)
		put_frame(p, &e->frames[i]);
	if (e->stack_cut)
		put_detail(p, "… and further callers", false);
	used = (size_t)snprintf(text, sizeof(text), "%s, %s", source_name(e->source),
				attribution_name(e->attribution));
	if (e->reason)
		used += (size_t)snprintf(text + used, sizeof(text) - used, " because %.300s",
					 e->reason);
	for (unsigned i = 0, n = 0; i < EVIDENCE_COUNT; i++)
		if (e->evidence & 1u << i)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
						 n++ ? " " : "; rests on ", evidence_name(i));
	put_detail(p, text, false);
}
