/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How often the tracer lets the queues wake it. One message makes some five events there, and where
 * each wakes it, that takes the server more than all the rest of tracing (docs/benchmark.md). So
 * only a burst is answered at once; while more comes, the queues are left alone for a moment after
 * each wake-up, and what happened meanwhile is read together.
 *
 * A message that is delivered within that moment is seen, but its file, which tells its client and
 * its subject, is gone. So it rests only where hardly any is: while messages go as fast as they
 * come, every event is answered at once, and from time to time it is tried whether they still do.
 *
 * No clock and no descriptor here: times are boot ns.
 */
#ifndef ST_PACE_H
#define ST_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_WINDOW_NS 100000000ULL
#define PACE_PROMPT    20             /* wake-ups of a window that are answered at once */
#define PACE_REST_NS   20000000ULL    /* how long the queues are left alone after any other */
#define PACE_BUSY      4              /* so many with rests: the next window has rests, too */
#define PACE_SAMPLE    32             /* of so many files that came during rests, */
#define PACE_GONE      1              /* if more than so many are gone, */
#define PACE_AWAKE_NS  10000000000ULL /* it does not rest for so long */

/* Zero to begin with. */
struct pace {
	uint64_t window;       /* its number */
	uint32_t woken;        /* how often in it */
	bool busy;             /* it began so: each wake-up leads to a rest */
	uint64_t until;        /* of the rest, 0: there is none */
	uint64_t awake;        /* until when there are no rests */
	uint64_t files, gone;  /* of the sample */
	uint64_t wakes, rests; /* since the start */
};

/* A queue has woken the tracer. true: it rests now, until pace_rested() says that it has. */
bool pace_woken(struct pace *p, uint64_t now);

/* For epoll_wait(2): milliseconds to the rest's end, rounded up; -1: there is none. */
int pace_timeout(const struct pace *p, uint64_t now);

/* Has a rest ended? Says so once. */
bool pace_rested(struct pace *p, uint64_t now);

/* Of the messages that came during a rest: `files` that were looked for, `gone` of them in vain. */
void pace_judge(struct pace *p, uint64_t files, uint64_t gone, uint64_t now);

#endif
