// SPDX-License-Identifier: GPL-2.0-only
#include "trace/balance.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What the MTA has not gone on with for so long, it does not work on. */
#define STUCK_NS 5000000000ULL

void balance_init(struct balance *b, const char *mta, const char *directory)
{
	memset(b, 0, sizeof(*b));
	b->mta = mta;
	b->directory = directory;
}

void balance_change(struct balance *b, int change, bool in_flight)
{
	if (!change) {
		b->totals.moved++;
	} else if (in_flight) {
		b->totals.in_flight += change;
		if (change > 0)
			b->totals.flight_in++;
		else
			b->totals.flight_out++;
	} else if (change > 0) {
		b->totals.entered++;
	} else {
		b->totals.left++;
	}
}

void balance_orphan(struct balance *b, int change)
{
	b->totals.orphans += change;
	b->totals.in_flight -= change;
}

void balance_restart(struct balance *b)
{
	b->started = false;
}

void balance_queued(struct balance *b, enum source source)
{
	b->queued++;
	b->by_source[source]++;
}

void balance_removed(struct balance *b)
{
	b->removed++;
}

static int64_t net(uint64_t in, uint64_t out)
{
	return (int64_t)in - (int64_t)out;
}

static int64_t higher(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* How far `n` lies outside [low, high]. */
static int64_t outside(int64_t n, int64_t low, int64_t high)
{
	return n < low ? n - low : n > high ? n - high : 0;
}

static void describe(struct balance *b, int64_t partial)
{
	const struct balance_totals *t = &b->totals;

	b->note[0] = '\0';
	if (!b->unexplained && (t->in_flight > 0 || t->orphans > 0)) {
		int n = t->in_flight <= 0
				? 0
				: snprintf(b->note, sizeof(b->note),
					   "%" PRId64 " file%s being written and no message yet",
					   t->in_flight, t->in_flight == 1 ? " is" : "s are");

		if (t->orphans > 0)
			snprintf(b->note + n, sizeof(b->note) - (size_t)n,
				 "%s%" PRId64
				 " file%s left by a killed process and will be no message",
				 n ? "; " : "", t->orphans, t->orphans == 1 ? " is" : "s are");
	}
	if (!b->unexplained)
		return;
	if (b->unexplained > 0 && partial >= b->unexplained)
		snprintf(b->note, sizeof(b->note),
			 "%" PRId64 " more than the hooks saw come in: files in flight or left by "
			 "a killed process",
			 b->unexplained);
	else if (b->unexplained > 0)
		snprintf(b->note, sizeof(b->note),
			 "%" PRId64
			 " more than the hooks saw come in: not put there by the MTA, or lost",
			 b->unexplained);
	else
		snprintf(b->note, sizeof(b->note),
			 "%" PRId64
			 " fewer than the hooks can explain: removed in a way that was not seen",
			 -b->unexplained);
}

static double per_minute(struct balance *b, uint64_t wall_ns)
{
	size_t oldest = b->history_count < 64 ? 0 : b->history_at;
	double seconds;

	if (b->history_count < 2)
		return 0;
	while (b->history_count && wall_ns - b->history[oldest].wall_ns > 60000000000ULL &&
	       (oldest + 1) % 64 != b->history_at)
		oldest = (oldest + 1) % 64;
	seconds = (double)(wall_ns - b->history[oldest].wall_ns) / 1e9;
	return seconds > 0 ? (double)(b->last - b->history[oldest].messages) / seconds * 60 : 0;
}

static void remember(struct balance *b, uint64_t wall_ns)
{
	size_t newest = (b->history_at + 63) % 64;

	if (b->history_count && wall_ns - b->history[newest].wall_ns < 950000000ULL)
		return;
	b->history[b->history_at].wall_ns = wall_ns;
	b->history[b->history_at].messages = b->last;
	b->history_at = (b->history_at + 1) % 64;
	if (b->history_count < 64)
		b->history_count++;
}

void balance_event(const struct balance *b, uint64_t wall_ns, struct queue_event *out)
{
	struct balance *rw = (struct balance *)b; /* per_minute() reads only */

	*out = (struct queue_event){
		.wall_ns = wall_ns,
		.mta = b->mta,
		.directory = b->directory,
		.messages = b->last,
		.unprocessed = b->unprocessed,
		.growth = b->last - b->start,
		.growth_per_minute = per_minute(rw, wall_ns),
		.queued = b->queued,
		.removed = b->removed,
		.in_flight = b->totals.in_flight,
		.orphans = higher(b->totals.orphans, b->partial > 0 ? b->partial : 0),
		.unexplained = b->unexplained,
		.note = b->note[0] ? b->note : NULL,
		.missing = b->missing,
	};
	memcpy(out->by_source, b->by_source, sizeof(out->by_source));
}

/* What may have come in, net, when a count met its last file. */
struct range {
	int64_t low, high;
};

static struct range net_range(const struct balance_totals *before,
			      const struct balance_totals *after)
{
	return (struct range){
		.low = net(before->entered + before->flight_in, after->left + after->flight_out),
		.high = net(after->entered + after->flight_in, before->left + before->flight_out),
	};
}

bool balance_blurred(const struct balance *b, const struct balance_totals *before,
		     const struct queue_counts *counts)
{
	struct range r = net_range(before, &b->totals);

	return b->totals.moved != before->moved &&
	       (!b->started ||
		outside(counts->messages, b->start_low + r.low, b->start_high + r.high));
}

void balance_sample(struct balance *b, const struct balance_totals *before,
		    const struct queue_counts *counts, const char *why, uint64_t wall_ns,
		    struct queue_event *out)
{
	int64_t moved = (int64_t)(b->totals.moved - before->moved);
	struct range r = net_range(before, &b->totals);

	if (!counts) {
		b->missing = true;
		b->missed++;
		snprintf(b->note, sizeof(b->note), "%s",
			 why ? why : "the directory could not be read");
		balance_event(b, wall_ns, out);
		return;
	}
	if (counts->unprocessed <= 0)
		b->stuck_ns = 0;
	else if (!b->stuck_ns || b->missing || counts->unprocessed < b->unprocessed)
		b->stuck_ns = wall_ns;
	b->missing = false;
	b->last = counts->messages;
	b->unprocessed = counts->unprocessed;
	b->partial = counts->partial;
	r.low -= moved;
	r.high += moved;
	if (!b->started) {
		b->started = true;
		b->start = b->last - net(before->entered, before->left) - before->in_flight;
		b->start_low = b->last - r.high;
		b->start_high = b->last - r.low;
	}
	b->unexplained = outside(b->last, b->start_low + r.low, b->start_high + r.high);
	if (!b->unexplained) {
		b->start_low = higher(b->start_low, b->last - r.high);
		b->start_high = -higher(-b->start_high, r.low - b->last);
	}
	describe(b, counts->partial);
	if (!b->note[0] && b->stuck_ns && wall_ns - b->stuck_ns >= STUCK_NS)
		snprintf(b->note, sizeof(b->note),
			 "%" PRId64 " message%s in the queue, not taken over for %u s or longer: "
			 "is the MTA running?",
			 b->unprocessed, b->unprocessed == 1 ? " lies" : "s lie",
			 (unsigned)(STUCK_NS / 1000000000U));
	remember(b, wall_ns);
	balance_event(b, wall_ns, out);
}

void balance_verdict(const struct balance *b, size_t count, uint64_t messages, uint64_t exact,
		     char *out, size_t size)
{
	int64_t growth = 0, unexplained = 0;
	uint64_t queued = 0, removed = 0, missing = 0;
	char rest[160];

	for (size_t i = 0; i < count; i++) {
		growth += b[i].last - b[i].start;
		unexplained += b[i].unexplained < 0 ? -b[i].unexplained : b[i].unexplained;
		queued += b[i].queued;
		removed += b[i].removed;
		missing += b[i].missing;
	}
	if (!count) {
		snprintf(
			out, size,
			"No queue was found, so what was traced could not be checked against one.");
		return;
	}
	if (missing)
		snprintf(rest, sizeof(rest), "%" PRIu64 " queue%s could not be counted", missing,
			 missing == 1 ? "" : "s");
	else if (unexplained)
		snprintf(rest, sizeof(rest), "%" PRId64 " of it is unexplained", unexplained);
	else
		snprintf(rest, sizeof(rest), "every message of that is accounted for");
	snprintf(out, size,
		 "The queue %s by %" PRId64 ": %" PRIu64 " messages came in (%" PRIu64
		 " of the %" PRIu64 " traced have an exact origin) and %" PRIu64 " left; %s.",
		 growth < 0 ? "shrank" : "grew", growth < 0 ? -growth : growth, queued, exact,
		 messages, removed, rest);
}
