// SPDX-License-Identifier: GPL-2.0-only
/* When records were lost, as far as it is known: what was joined meanwhile may be joined wrongly.
 */
#include "base/cleanup.h"
#include "trace/correlate_internal.h"

uint64_t correlate_losses(const struct correlate *c)
{
	return (c->ops.lost ? c->ops.lost(c->ops.arg) : 0) + c->stats.no_memory;
}

void correlate_note_losses(struct correlate *c, uint64_t time, uint64_t lost)
{
	size_t max = array_size(c->losses);

	c->losses[c->loss_at % max].time = time;
	c->losses[c->loss_at % max].count = lost;
	c->loss_at++;
}

uint64_t correlate_lost_before(const struct correlate *c, uint64_t time)
{
	size_t max = array_size(c->losses);

	for (size_t i = c->loss_at; i > 0 && c->loss_at - i < max; i--)
		if (c->losses[(i - 1) % max].time <= time)
			return c->losses[(i - 1) % max].count;
	return 0;
}

bool correlate_lost_beyond(const struct correlate *c, uint64_t count)
{
	return correlate_losses(c) != count;
}

bool correlate_lost_since(const struct correlate *c, uint64_t time)
{
	return correlate_lost_beyond(c, correlate_lost_before(c, time));
}
