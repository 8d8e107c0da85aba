/* SPDX-License-Identifier: GPL-2.0-only */
/* What the status line says: counts and rates of the last minute, the queue, the script that sends
 * most. Fixed memory. */
#ifndef ST_LIVE_H
#define ST_LIVE_H

#include "output/page.h"
#include "trace/event.h"

#define LIVE_SECONDS 60
#define LIVE_SCRIPTS 32
#define LIVE_NAME    256

struct live_script {
	char name[LIVE_NAME]; /* the end of "path:line" */
	uint64_t messages;
};

struct live {
	uint64_t started_ns, messages, attempts, connects, lost;
	struct {
		uint64_t second;
		uint32_t messages;
	} window[LIVE_SECONDS];
	struct live_script
		scripts[LIVE_SCRIPTS]; /* space-saving: the heavy ones are always there */
	bool has_queue;
	int64_t queue_messages, unexplained;
	double growth_per_minute;
	char note[256]; /* what the books' difference is; empty: they agree */
};

void live_mail(struct live *l, const struct mail_event *e);

/* True when the books just stopped balancing. */
bool live_queue(struct live *l, const struct queue_event *e);

/* One line, two with an alarm, no line feed after the last; returns how many. Each is narrower than
 * the page. */
unsigned live_print(const struct live *l, const struct page *p, uint64_t wall_ns);

#endif
