// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "base/cleanup.h"
#include "trace/correlate_internal.h"

void recent_note(struct recent *r, const struct mta_queue *queue, const char *id, uint64_t time)
{
	size_t i = r->at++ % RECENT_MAX;

	r->time[i] = time;
	r->of[i].queue = queue;
	memcpy(r->of[i].id, id, sizeof(r->of[i].id));
}

bool recent_has(const struct recent *r, const struct mta_queue *queue, const char *id, uint64_t now,
		uint64_t ns)
{
	for (size_t i = 0; i < RECENT_MAX; i++)
		if (now - r->time[i] < ns && r->of[i].queue == queue && !strcmp(r->of[i].id, id))
			return true;
	return false;
}
