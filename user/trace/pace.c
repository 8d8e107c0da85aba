// SPDX-License-Identifier: GPL-2.0-only
#include "trace/pace.h"

#define MS 1000000ULL

static void add_news(struct pace *p, uint64_t news, uint64_t now)
{
	uint64_t window = now / PACE_WINDOW_NS;

	if (window != p->window) {
		p->busy = window == p->window + 1 &&
			  p->news >= (p->busy ? PACE_BUSY : PACE_PROMPT + 1);
		p->window = window;
		p->news = 0;
	}
	p->news += news;
}

bool pace_woken(struct pace *p, uint64_t now)
{
	p->wakes++;
	add_news(p, 1, now);
	if ((!p->busy && p->news <= PACE_PROMPT) || p->stayed < PACE_STAYED || now < p->awake)
		return false;
	p->until = now + PACE_REST_NS;
	p->rests++;
	return true;
}

int pace_timeout(const struct pace *p, uint64_t now)
{
	if (!p->until)
		return -1;
	return now < p->until ? (int)((p->until - now + MS - 1) / MS) : 0;
}

bool pace_rested(struct pace *p, uint64_t now)
{
	if (!p->until || now < p->until)
		return false;
	p->until = 0;
	return true;
}

bool pace_rests_on(struct pace *p, uint64_t commits, uint64_t now)
{
	return p->commits != commits && pace_woken(p, now);
}

void pace_judge(struct pace *p, uint64_t commits, uint64_t brief, uint64_t now)
{
	/* where the server leaves the tracer few wake-ups, each finds many */
	if (commits != p->commits)
		add_news(p, commits - p->commits, now);
	if (brief != p->brief) {
		p->stayed = 0;
		p->awake = now + PACE_AWAKE_NS;
	} else if (commits != p->commits && p->stayed < PACE_STAYED) {
		p->stayed += commits - p->commits;
		/* these may leave yet */
		if (p->awake < now + PACE_BRIEF_NS)
			p->awake = now + PACE_BRIEF_NS;
	}
	p->commits = commits;
	p->brief = brief;
}
