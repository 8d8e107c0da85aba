/* SPDX-License-Identifier: GPL-2.0-only */
/* What summary's files share. */
#ifndef ST_SUMMARY_INTERNAL_H
#define ST_SUMMARY_INTERNAL_H

#include "output/page.h"
#include "output/summary.h"

#define INDENT 12

struct summary {
	struct page page;
	const struct summary_event *e;
	const struct summary_style *style;
	bool dates; /* the trace spans more than a day: times need dates */
};

/* summary_books.c: its parts, in the order of the page */
void summary_totals(const struct summary *s);
void summary_books(const struct summary *s);
/* With what is known all the same. */
void summary_losses(const struct summary *s);
void summary_footer(const struct summary *s);

#endif
