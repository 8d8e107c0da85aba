/* SPDX-License-Identifier: GPL-2.0-only */
/* Counts by script, uid, vhost, client and source. Pure; memory is bounded by TALLY_MAX_KEYS keys
 * of each kind, further ones share one row. */
#ifndef ST_TALLY_H
#define ST_TALLY_H

#include "trace/event.h"

#define TALLY_MAX_KEYS 20000

struct tally;

struct tally *tally_new(void); /* NULL: no memory */
void tally_free(struct tally *t);

/* Counts a mail-queued, mail-attempted or smtp-connected event; copies what it keeps. */
void tally_add(struct tally *t, const struct mail_event *e);

/*
 * At most `max` rows of a kind, most messages first, into `rows` (strings stay the tally's); *more:
 * how many keys are left out. Returns the number of rows.
 */
size_t tally_rows(struct tally *t, enum tally_by by, struct tally_row *rows, size_t max,
		  size_t *more);

struct tally_totals {
	uint64_t messages, attempts, connects, removals;
	uint64_t by_source[SOURCE_COUNT], by_attribution[ATTRIBUTION_COUNT];
};
void tally_totals(const struct tally *t, struct tally_totals *out);
/* Sets what a summary says of all messages: their numbers, by source and attribution. */
void tally_summary(const struct tally *t, struct summary_event *out);

#endif
