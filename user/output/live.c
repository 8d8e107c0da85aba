// SPDX-License-Identifier: GPL-2.0-only
#include "output/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "output/words.h"

#define NS_PER_SEC 1000000000ULL

/*
 * Metwally's space-saving: a new name takes the place of the rarest and inherits its count, so any
 * script with more than 1/LIVE_SCRIPTS of all messages is in the list.
 */
static void count_script(struct live *l, const struct mail_event *e)
{
	char origin[WORDS_ORIGIN_SIZE];
	struct live_script *least = &l->scripts[0];
	const char *name = origin;
	size_t len;

	words_origin(origin, sizeof(origin), e);
	len = strlen(origin);
	if (len >= LIVE_NAME)
		name = origin + len - LIVE_NAME + 1;
	for (size_t i = 0; i < LIVE_SCRIPTS; i++) {
		struct live_script *s = &l->scripts[i];

		if (s->messages && !strcmp(s->name, name)) {
			s->messages++;
			return;
		}
		if (s->messages < least->messages)
			least = s;
	}
	text_copy(least->name, sizeof(least->name), name);
	least->messages++;
}

void live_mail(struct live *l, const struct mail_event *e)
{
	uint64_t second = e->wall_ns / NS_PER_SEC;
	size_t slot = (size_t)(second % LIVE_SECONDS);

	if (!l->started_ns)
		l->started_ns = e->wall_ns;
	if (e->action == ACTION_MAIL_ATTEMPTED)
		l->attempts++;
	if (e->action == ACTION_SMTP_CONNECTED)
		l->connects++;
	if (e->action != ACTION_MAIL_QUEUED)
		return;
	l->messages++;
	if (l->window[slot].second != second) {
		l->window[slot].second = second;
		l->window[slot].messages = 0;
	}
	l->window[slot].messages++;
	count_script(l, e);
}

bool live_queue(struct live *l, const struct queue_event *e)
{
	bool alarmed = l->note[0] != '\0';

	if (e->mta && l->has_queue) /* the sum of all queues is the one without a name */
		return false;
	if (!e->mta)
		l->has_queue = true;
	if (e->missing)
		return false;
	l->queue_messages = e->messages;
	l->growth_per_minute = e->growth_per_minute;
	l->unexplained = e->unexplained;
	snprintf(l->note, sizeof(l->note), "%.255s", e->unexplained > 0 && e->note ? e->note : "");
	return l->note[0] && !alarmed;
}

/* Messages a minute, over the last minute or what there is of it. */
static double rate(const struct live *l, uint64_t wall_ns)
{
	uint64_t now = wall_ns / NS_PER_SEC, sum = 0;
	double seconds = LIVE_SECONDS;

	for (size_t i = 0; i < LIVE_SECONDS; i++)
		if (l->window[i].second + LIVE_SECONDS > now)
			sum += l->window[i].messages;
	if (wall_ns > l->started_ns && wall_ns - l->started_ns < LIVE_SECONDS * NS_PER_SEC)
		seconds = (double)(wall_ns - l->started_ns) / (double)NS_PER_SEC;
	return (double)sum * 60 / (seconds < 1 ? 1 : seconds);
}

static const struct live_script *top_script(const struct live *l)
{
	const struct live_script *top = &l->scripts[0];

	for (size_t i = 1; i < LIVE_SCRIPTS; i++)
		if (l->scripts[i].messages > top->messages)
			top = &l->scripts[i];
	return top->messages ? top : NULL;
}

static void put_counts(const struct live *l, char *out, size_t size, uint64_t wall_ns)
{
	char number[64], per_minute[WORDS_COUNT_SIZE], queue[WORDS_COUNT_SIZE];
	char growth[WORDS_COUNT_SIZE], lost[WORDS_COUNT_SIZE];
	size_t used;

	words_number(number, sizeof(number), l->messages, "message", "messages");
	words_count(per_minute, (int64_t)(rate(l, wall_ns) + 0.5), false);
	used = (size_t)snprintf(out, size, "%s, %s/min", number, per_minute);
	if (l->has_queue && l->queue_messages >= 0) {
		double g = l->growth_per_minute;

		words_count(queue, l->queue_messages, false);
		words_count(growth, (int64_t)(g < 0 ? g - 0.5 : g + 0.5), true);
		used += (size_t)snprintf(out + used, size - used, " | queue %s, %s/min", queue,
					 growth);
	}
	words_count(lost, (int64_t)l->lost, false);
	snprintf(out + used, size - used, " | %s lost", lost);
}

unsigned live_print(const struct live *l, const struct page *p, uint64_t wall_ns)
{
	const struct live_script *top = top_script(l);
	unsigned room = p->columns > 1 ? p->columns - 1 : 1, rows = 1;
	char text[512], share[32];
	size_t used;

	if (l->note[0]) {
		snprintf(text, sizeof(text), "! %s", l->note);
		fputs(page_on(p, PAINT_ALARM), p->out);
		page_cell(p, text, room, false, false);
		fprintf(p->out, "%s\n", page_off(p, PAINT_ALARM));
		rows++;
	}
	put_counts(l, text, sizeof(text), wall_ns);
	fputs(page_on(p, l->lost ? PAINT_WARN : PAINT_BOLD), p->out);
	page_cell(p, text, room, false, false);
	fputs(page_off(p, PAINT_BOLD), p->out);
	used = text_width(text);
	if (top && l->messages && used + 3 + 6 + 10 < room) {
		snprintf(share, sizeof(share), " | %.0f %% ",
			 (double)top->messages * 100 / (double)l->messages);
		fputs(share, p->out);
		used += strlen(share);
		fputs(page_on(p, PAINT_ALARM), p->out);
		page_cell(p, top->name, room - used, true, false);
		fputs(page_off(p, PAINT_ALARM), p->out);
	}
	return rows;
}
