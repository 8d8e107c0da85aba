/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The books of one queue: what the hooks saw come and go against what counting the directories
 * says. Pure.
 *
 * A count takes time, and messages come and go meanwhile. So the hooks' totals are taken before and
 * after it, and a count is unexplained only by as much as no order of those events could make it:
 * start + in(before) - out(after) <= count <= start + in(after) - out(before). The start is known
 * only from the first count in the same way; later ones narrow it down. What moves from one of the
 * queue's directories to another meanwhile may be met twice, or not at all.
 */
#ifndef ST_BALANCE_H
#define ST_BALANCE_H

#include "mail/mta.h"
#include "trace/event.h"

struct balance_totals {
	uint64_t entered, left; /* names of messages, by the hooks */
	int64_t in_flight;      /* files that are no message yet, net since the start */
	int64_t orphans;        /* files that no process writes any more; not in in_flight */
	uint64_t flight_in, flight_out;
	uint64_t moved; /* from one of the queue's directories to another */
};

struct balance {
	const char *mta, *directory;
	bool started;
	int64_t start;                 /* first count */
	int64_t start_low, start_high; /* what may have lain there at the start: the first count
					  took time, too */
	struct balance_totals totals;
	uint64_t queued, removed; /* messages, for people: first ids are not counted twice */
	uint64_t by_source[SOURCE_COUNT];
	int64_t last; /* last count */
	int64_t unprocessed, partial;
	uint64_t stuck_ns; /* wall clock, since when no unprocessed one has gone on; 0: none lies
			      there */
	int64_t unexplained;
	bool missing;
	uint64_t missed; /* counts that failed */
	/* one count a second for growth per minute */
	struct {
		uint64_t wall_ns;
		int64_t messages;
	} history[64];
	size_t history_at, history_count;
	char note[200];
};

void balance_init(struct balance *b, const char *mta, const char *directory);

/* An operation that the hooks saw: a name came (+1), left (-1) or moved within the queue (0). */
void balance_change(struct balance *b, int change, bool in_flight);
/* A file in flight turned out to be left by a killed process (+1), or is one no more (-1). */
void balance_orphan(struct balance *b, int change);
/* Another directory is counted from now on: what lies there is a new start. */
void balance_restart(struct balance *b);
void balance_queued(struct balance *b, enum source source);
void balance_removed(struct balance *b);

/* Is a count worth another try? Something moved while it was made, and it is not what the hooks'
 * totals, those before it and b->totals now, come to without that. */
bool balance_blurred(const struct balance *b, const struct balance_totals *before,
		     const struct queue_counts *counts);

/* A count, with the totals before it; those after it are b->totals now. counts NULL: it failed
 * (`why`). */
void balance_sample(struct balance *b, const struct balance_totals *before,
		    const struct queue_counts *counts, const char *why, uint64_t wall_ns,
		    struct queue_event *out);

/* The event of the last sample again. */
void balance_event(const struct balance *b, uint64_t wall_ns, struct queue_event *out);

/* One sentence over all queues, for the summary. */
void balance_verdict(const struct balance *b, size_t count, uint64_t messages, uint64_t exact,
		     char *out, size_t size);

#endif
