// SPDX-License-Identifier: GPL-2.0-only
/* Totals, books, losses: how far the lists can be trusted. */
#include <inttypes.h>
#include <string.h>

#include "output/summary_internal.h"
#include "output/words.h"

void summary_totals(const struct summary *s)
{
	const struct summary_event *e = s->e;
	char text[512] = "", number[WORDS_COUNT_SIZE];
	size_t used = 0;

	for (unsigned n = 1; n <= SOURCE_COUNT; n++) { /* unknown comes last */
		unsigned i = n % SOURCE_COUNT;

		if (!e->by_source[i])
			continue;
		words_count(number, (int64_t)e->by_source[i], false);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %s",
					 used ? ", " : "", source_name(i), number);
	}
	fputc('\n', s->page.out);
	page_paragraph(&s->page, "SOURCES", INDENT, *text ? text : "no message");
	used = 0;
	for (int i = ATTRIBUTION_COUNT - 1; i >= 0; i--) {
		words_count(number, (int64_t)e->by_attribution[i], false);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%c %s %s",
					 used ? ", " : "", words_mark((enum attribution)i),
					 attribution_name((enum attribution)i), number);
	}
	page_paragraph(&s->page, "PROOF", INDENT, text);
}

void summary_books(const struct summary *s)
{
	const struct summary_event *e = s->e;

	if (e->queue_count) {
		fprintf(s->page.out, "\n%s%-*s%10s %10s %10s %10s %12s%s\n",
			page_on(&s->page, PAINT_BOLD), INDENT, "QUEUE", "NOW", "GROWTH", "QUEUED",
			"REMOVED", "UNEXPLAINED", page_off(&s->page, PAINT_BOLD));
	}
	for (size_t i = 0; i < e->queue_count; i++) {
		const struct queue_event *q = &e->queues[i];
		enum paint paint = q->unexplained ? PAINT_WARN : PAINT_NONE;
		char n[5][WORDS_COUNT_SIZE];

		words_count(n[0], q->messages, false);
		words_count(n[1], q->growth, true);
		words_count(n[2], (int64_t)q->queued, false);
		words_count(n[3], (int64_t)q->removed, false);
		words_count(n[4], q->unexplained, q->unexplained != 0);
		page_cell(&s->page, q->mta ? q->mta : "all", INDENT - 1, false, true);
		fprintf(s->page.out, " %10s %10s %10s %10s %s%12s%s\n",
			q->messages < 0 || q->missing ? "-" : n[0], q->missing ? "-" : n[1], n[2],
			n[3], page_on(&s->page, paint), q->missing ? "-" : n[4],
			page_off(&s->page, paint));
		if (q->note && *q->note)
			page_paragraph(&s->page, "", INDENT, q->note);
	}
	if (e->verdict && *e->verdict) {
		fprintf(s->page.out, "\n%s", page_on(&s->page, PAINT_BOLD));
		page_paragraph(&s->page, "VERDICT", INDENT, e->verdict);
		fputs(page_off(&s->page, PAINT_BOLD), s->page.out);
	}
}

bool summary_losses_known(const struct summary_event *e)
{
	return !e->loss_count || e->losses[0].reason;
}

static void put_losses(const struct summary *s)
{
	bool any = false;

	for (size_t i = 0; i < s->e->loss_count; i++) {
		const struct loss *l = &s->e->losses[i];
		const char *meaning, *advice;
		char count[WORDS_COUNT_SIZE], text[512];

		if (!l->count || !l->reason)
			continue;
		words_loss(l->reason, &meaning, &advice);
		words_count(count, (int64_t)l->count, false);
		snprintf(text, sizeof(text), "%s × %s: %s; %s", count, l->reason, meaning, advice);
		fputs(page_on(&s->page, PAINT_WARN), s->page.out);
		page_paragraph(&s->page, any ? "" : "LOST", INDENT, text);
		fputs(page_off(&s->page, PAINT_WARN), s->page.out);
		any = true;
	}
	if (!any)
		page_paragraph(&s->page, "LOST", INDENT,
			       summary_losses_known(s->e) ? "nothing" : "not known");
}

/* What is known all the same when events were lost. */
static void put_kernel_totals(const struct summary *s)
{
	const struct summary_event *e = s->e;
	char text[1024], n[2][WORDS_COUNT_SIZE];
	bool lost = false;
	size_t used;

	for (size_t i = 0; i < e->loss_count; i++)
		lost |= e->losses[i].count > 0;
	if (!e->kernel_uids || !lost)
		return;
	words_count(n[0], (int64_t)e->kernel_injections, false);
	words_count(n[1], (int64_t)e->kernel_commits, false);
	used = (size_t)snprintf(text, sizeof(text), "by the kernel all the same: %s injections",
				n[0]);
	if (!e->kernel_no_commits)
		used += (size_t)snprintf(text + used, sizeof(text) - used, ", %s messages of them",
					 n[1]);
	for (size_t i = 0; i < e->kernel_uid_count && i < 5; i++) {
		words_count(n[0], (int64_t)e->kernel_uids[i].injections, false);
		words_count(n[1], (int64_t)e->kernel_uids[i].commits, false);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "; uid %u: %s%s%s",
					 e->kernel_uids[i].uid, n[0],
					 e->kernel_no_commits ? "" : ", ",
					 e->kernel_no_commits ? "" : n[1]);
	}
	if (e->kernel_uid_count > 5 || e->kernel_uids_more)
		snprintf(text + used, sizeof(text) - used, "; and %zu more users",
			 (e->kernel_uid_count > 5 ? e->kernel_uid_count - 5 : 0) +
				 e->kernel_uids_more);
	page_paragraph(&s->page, "COUNTED", INDENT, text);
}

void summary_losses(const struct summary *s)
{
	put_losses(s);
	put_kernel_totals(s);
}

void summary_footer(const struct summary *s)
{
	const struct summary_event *e = s->e;
	char text[1024] = "";
	size_t used = 0;

	for (size_t i = 0; i < e->hook_count && used < sizeof(text) - 1; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used ? ", " : "",
					 e->hooks[i]);
	if (used)
		page_paragraph(&s->page, "HOOKS", INDENT, text);
	for (size_t i = 0; i < e->note_count; i++)
		page_paragraph(&s->page, i ? "" : "NOTES", INDENT, e->notes[i]);
}
