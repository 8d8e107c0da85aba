// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/queue_watch_internal.h"

#define WATCH_FLAGS                                                                                \
	(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME |                 \
	 FAN_REPORT_TARGET_FID | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS | FAN_NONBLOCK |        \
	 FAN_CLOEXEC)

int queue_watch_new(struct queue_watch **out)
{
	struct queue_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	for (size_t i = 0; i < MAX_QUEUES; i++)
		w->queue[i].root = -1;
	w->fd = fanotify_init(WATCH_FLAGS, O_RDONLY | O_CLOEXEC);
	if (w->fd < 0) {
		int err = -errno;

		free(w);
		return err;
	}
	*out = w;
	return 0;
}

void queue_watch_free(struct queue_watch *w)
{
	struct dir *d, *next;

	if (!w)
		return;
	HASH_ITER(hh, w->dirs, d, next)
	watch_dir_free(w, d);
	for (size_t i = 0; i < MAX_QUEUES; i++)
		if (w->queue[i].root >= 0)
			close(w->queue[i].root);
	close(w->fd);
	free(w->events);
	free(w->departures);
	free(w->arrivals);
	free(w->text);
	free(w);
}

int queue_watch_fd(const struct queue_watch *w)
{
	return w->fd;
}

uint64_t queue_watch_lost(const struct queue_watch *w)
{
	return w->lost;
}

size_t queue_watch_marks(const struct queue_watch *w)
{
	return HASH_COUNT(w->dirs);
}

struct queue_record {
	struct st_queue q;
	char data[2 * MAX_PATH_LEN];
};

static struct st_str put(struct queue_record *r, size_t *at, const char *s)
{
	struct st_str str = {.off = (uint16_t)*at, .len = strlen(s) & 0x7fff};

	memcpy(r->data + *at, s, str.len);
	*at += str.len;
	return str;
}

static void give(const struct queue_watch *w, const struct event *e, uint64_t time,
		 queue_watch_fn fn, void *arg)
{
	_Alignas(8) struct queue_record r;
	size_t used = 0;

	memset(&r.q, 0, sizeof(r.q));
	r.q.name = put(&r, &used, w->text + e->name);
	if (e->old != SIZE_MAX)
		r.q.old = put(&r, &used, w->text + e->old);
	r.q.h = (struct st_header){.type = ST_QUEUE,
				   .abi = ST_ABI,
				   .size = (uint32_t)(sizeof(r.q) + used),
				   .time = time,
				   .task = {.tgid = e->pid}};
	r.q.op = e->op;
	r.q.queue = e->queue;
	r.q.flags = e->flags;
	fn(arg, &r, sizeof(r.q) + used);
}

void queue_watch_removals(const struct queue_watch *w, queue_watch_fn fn, void *arg)
{
	for (size_t i = 1; i < w->count; i++)
		if (w->events[i].op == ST_OP_UNLINK)
			give(w, &w->events[i], 0, fn, arg);
}

void queue_watch_take(struct queue_watch *w, uint64_t now, queue_watch_fn fn, void *arg)
{
	for (size_t i = 0; i < w->count; i++) {
		w->last = now > w->last ? now : w->last + 1;
		give(w, &w->events[i], w->last, fn, arg);
	}
	w->count = 0;
	/* departures keep their old names there until all is read */
	if (!w->departed)
		w->text_len = 0;
}
