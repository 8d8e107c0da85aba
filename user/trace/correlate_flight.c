// SPDX-License-Identifier: GPL-2.0-only
/* Files in a queue that are no message yet, and those that will be none: orphans. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "trace/correlate_internal.h"

struct in_flight *in_flight_find(const struct correlate *c, uint32_t queue, const char *id)
{
	struct message_key key = message_key(queue, id);
	struct in_flight *f = NULL;

	HASH_FIND(hh, c->in_flight, &key, sizeof(key), f);
	return f;
}

/* Nothing but its end is waited for any more, which an orphan comes to after hours, if ever. */
static void leave(struct correlate *c, struct in_flight *f)
{
	f->watched = false;
	DL_APPEND(c->left, f);
	c->left_count++;
	while (c->left_count > c->limits.left) {
		c->stats.orphans_forgotten++;
		in_flight_drop(c, c->left);
	}
}

int in_flight_add(struct correlate *c, uint32_t queue, const char *id, const struct st_task *task)
{
	struct in_flight *f;

	if (in_flight_find(c, queue, id))
		return 0;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->key = message_key(queue, id);
	f->task = *task;
	HASH_ADD(hh, c->in_flight, key, sizeof(f->key), f);
	f->watched = task->start;
	if (f->watched)
		DL_APPEND(c->watched, f);
	else
		leave(c, f);
	return 0;
}

void in_flight_drop(struct correlate *c, struct in_flight *f)
{
	HASH_DEL(c->in_flight, f);
	if (f->watched) {
		DL_DELETE(c->watched, f);
	} else {
		DL_DELETE(c->left, f);
		c->left_count--;
	}
	free(f);
}

static void set_orphan(struct correlate *c, struct in_flight *f, bool orphan)
{
	if (f->orphan == orphan)
		return;
	f->orphan = orphan;
	if (c->ops.orphaned)
		c->ops.orphaned(c->ops.arg, &c->queues[f->key.queue], orphan ? 1 : -1);
}

void in_flight_end(struct correlate *c, struct mta_queue *queue, struct in_flight *f)
{
	set_orphan(c, f, false);
	in_flight_drop(c, f);
	c->ops.counted(c->ops.arg, queue, -1, true);
}

/* Files whose writer is gone stay until the MTA's own clean-up (qmail-send: 36 hours). */
void in_flight_find_orphans(struct correlate *c)
{
	struct in_flight *f, *next;

	DL_FOREACH_SAFE(c->watched, f, next)
	{
		if (task_find(c, &f->task) || c->ops.alive(c->ops.arg, &f->task))
			continue;
		set_orphan(c, f, true);
		DL_DELETE(c->watched, f);
		leave(c, f);
	}
}
