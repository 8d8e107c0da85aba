/* SPDX-License-Identifier: GPL-2.0-only */
/* The end of a trace on a page: who sent, do the books balance, what was lost. Shared by the live
 * end and by the report of a recording. */
#ifndef ST_SUMMARY_H
#define ST_SUMMARY_H

#include <stdbool.h>
#include <stdio.h>

#include "trace/event.h"

struct summary_style {
	unsigned columns; /* at least 80 is assumed; paths and ids on lines of their own may be
			     longer */
	bool color;
	enum tally_by by; /* which list comes first */
	unsigned top;     /* rows of each list; 0: 10 */
};

/* False when the first loss has no reason: what was lost is not known (a recording without its
 * end). */
bool summary_losses_known(const struct summary_event *e);

void summary_print(FILE *out, const struct summary_event *e, const struct summary_style *style);

#endif
