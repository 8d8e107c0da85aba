/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How often the tracer lets the queues wake it. One message makes some five events there, and where
 * each wakes it, that takes the server more than all the rest of tracing (docs/benchmark.md). So
 * only a burst is answered at once; while more comes, the queues are left alone for a moment, and
 * what happened meanwhile is read together.
 *
 * A message that is delivered within that moment is seen, but its file, which tells its client and
 * its subject, is gone. So it rests only where messages stay: one that leaves at once is the last
 * that is risked for a minute, and none is before so many have come and stayed.
 *
 * No clock and no descriptor here: times are boot ns.
 */
#ifndef ST_PACE_H
#define ST_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_WINDOW_NS 100000000ULL
#define PACE_PROMPT    20             /* wake-ups and messages of a window before the first rest */
#define PACE_REST_NS   20000000ULL    /* how long the queues are left alone */
#define PACE_BUSY      4              /* so many in one with rests: the next has rests, too */
#define PACE_BRIEF_NS  60000000ULL    /* who left within that did not stay */
#define PACE_STAYED    64             /* it does not rest before so many messages stayed, */
#define PACE_AWAKE_NS  60000000000ULL /* nor for so long after one that did not */

/* Zero to begin with. */
struct pace {
	uint64_t window;         /* its number */
	uint64_t news;           /* wake-ups and messages in it */
	bool busy;               /* it began so: each wake-up leads to a rest */
	uint64_t until;          /* of the rest, 0: there is none */
	uint64_t awake;          /* until when there are no rests */
	uint64_t stayed;         /* messages since the last that did not */
	uint64_t commits, brief; /* as told last */
	uint64_t wakes, rests;   /* since the start; rests that led to the next are wakes */
};

/* A queue has woken the tracer. true: it rests now, until pace_rested() says that it has. */
bool pace_woken(struct pace *p, uint64_t now);

/* For epoll_wait(2): milliseconds to the rest's end, rounded up; -1: there is none. */
int pace_timeout(const struct pace *p, uint64_t now);

/* Has a rest ended? Says so once. */
bool pace_rested(struct pace *p, uint64_t now);

/* A rest has ended, and what there was is read and judged: `commits` of before. true: as messages
 * came, the next rest begins. To be woken first would be one wake-up more for each. */
bool pace_rests_on(struct pace *p, uint64_t commits, uint64_t now);

/* How many messages have come since the start, and how many of them left at once (correlate_stats).
 */
void pace_judge(struct pace *p, uint64_t commits, uint64_t brief, uint64_t now);

#endif
