// SPDX-License-Identifier: GPL-2.0-only
/* Events of the marked directories: names are kept until they are taken as records. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/queue_watch_internal.h"

/* Keeps "dir/name"; SIZE_MAX if it cannot be kept. */
static size_t keep_name(struct queue_watch *w, const char *dir, const char *name)
{
	char path[MAX_PATH_LEN];
	size_t at = w->text_len, n;

	if (watch_join(path, sizeof(path), dir, name))
		return SIZE_MAX;
	n = strlen(path) + 1;
	if (at + n > w->text_room) {
		size_t room = (w->text_room + n) * 2;
		char *bigger = realloc(w->text, room);

		if (!bigger)
			return SIZE_MAX;
		w->text = bigger;
		w->text_room = room;
	}
	memcpy(w->text + at, path, n);
	w->text_len += n;
	return at;
}

static void keep_event(struct queue_watch *w, uint32_t op, uint32_t queue, uint32_t flags,
		       uint32_t pid, size_t name, size_t old)
{
	struct event *all = NULL;

	if (name != SIZE_MAX)
		all = watch_grow(w->events, w->count, &w->room, sizeof(*all));
	if (!all) {
		w->lost++;
		return;
	}
	w->events = all;
	w->events[w->count++] = (struct event){op, queue, flags, pid, name, old};
}

/* What one event says, pointing into its bytes. */
struct told {
	struct object dir, old_dir, target;
	const char *name, *old; /* NULL: not told */
	bool has_target;
};

/* A struct file_handle, and the name behind it. 0 or -EPROTO. */
static int read_handle(const char *at, size_t len, struct object *o, const char **name)
{
	struct fanotify_event_info_fid info;
	struct file_handle h;

	if (len < sizeof(info) + sizeof(h))
		return -EPROTO;
	memcpy(&info, at, sizeof(info));
	memcpy(&h, at + sizeof(info), sizeof(h));
	len -= sizeof(info) + sizeof(h);
	at += sizeof(info) + sizeof(h);
	if (h.handle_bytes > sizeof(o->bytes) || h.handle_bytes > len)
		return -EPROTO;
	o->fsid = info.fsid;
	o->type = h.handle_type;
	o->len = h.handle_bytes;
	memcpy(o->bytes, at, o->len);
	len -= o->len;
	at += o->len;
	if (!name)
		return 0;
	if (!len || !memchr(at, '\0', len))
		return -EPROTO;
	*name = at;
	return 0;
}

/* `event` is where *m was copied from: behind a name the next event has no more than 4 byte
 * alignment. */
static int read_told(const char *event, const struct fanotify_event_metadata *m, struct told *t)
{
	const char *at = event + m->metadata_len, *end = event + m->event_len;
	int err = m->metadata_len <= m->event_len ? 0 : -EPROTO;

	while (!err && (size_t)(end - at) >= sizeof(struct fanotify_event_info_header)) {
		struct fanotify_event_info_header h;

		memcpy(&h, at, sizeof(h));
		if (h.len < sizeof(h) || h.len > end - at)
			return -EPROTO;
		switch (h.info_type) {
		case FAN_EVENT_INFO_TYPE_DFID_NAME:
		case FAN_EVENT_INFO_TYPE_NEW_DFID_NAME:
			err = read_handle(at, h.len, &t->dir, &t->name);
			break;
		case FAN_EVENT_INFO_TYPE_OLD_DFID_NAME:
			err = read_handle(at, h.len, &t->old_dir, &t->old);
			break;
		case FAN_EVENT_INFO_TYPE_FID:
			err = read_handle(at, h.len, &t->target, NULL);
			t->has_target = !err;
			break;
		default:
			break;
		}
		at += h.len;
	}
	return err;
}

static void on_directory(struct queue_watch *w, uint64_t mask, const struct told *t, uint32_t pid)
{
	const struct dir *parent = t->name ? watch_dir_find(w, &t->dir) : NULL;
	struct dir *gone = t->has_target ? watch_dir_find(w, &t->target) : NULL;
	char path[MAX_PATH_LEN];

	if ((mask & FAN_DELETE) && gone && gone->depth) {
		watch_dir_free(w, gone);
		return;
	}
	if (!(mask & (FAN_CREATE | FAN_RENAME)) || !parent || parent->depth >= MAX_DEPTH ||
	    watch_join(path, sizeof(path), parent->path, t->name))
		return;
	w->arriving = mask & FAN_CREATE;
	w->maker = pid;
	watch_mark_tree(w, parent->queue, path, parent->depth + 1);
	w->arriving = false;
}

static void on_departure(struct queue_watch *w, const struct told *t, const struct dir *from,
			 uint32_t pid)
{
	struct departure *all;

	if (!t->has_target)
		return;
	all = watch_grow(w->departures, w->departed, &w->departed_room, sizeof(*all));
	if (!all) {
		w->lost++;
		return;
	}
	w->departures = all;
	w->departures[w->departed++] = (struct departure){.object = t->target,
							  .queue = from->queue,
							  .pid = pid,
							  .old = keep_name(w, from->path, t->old)};
}

static void on_rename(struct queue_watch *w, const struct told *t, uint32_t pid)
{
	const struct dir *to = t->name ? watch_dir_find(w, &t->dir) : NULL;
	const struct dir *from = t->old ? watch_dir_find(w, &t->old_dir) : NULL;
	bool foreign = !from || (to && from->queue != to->queue);

	if (to && (to->ops & ST_OP_RENAME))
		keep_event(w, ST_OP_RENAME, to->queue, foreign ? ST_Q_OLD_FOREIGN : 0, pid,
			   keep_name(w, to->path, t->name),
			   foreign ? SIZE_MAX : keep_name(w, from->path, t->old));
	else if (!t->name && from)
		on_departure(w, t, from, pid);
}

static void on_event(struct queue_watch *w, const char *event,
		     const struct fanotify_event_metadata *m)
{
	uint32_t pid = (uint32_t)m->pid;
	struct told t = {0};
	const struct dir *d;

	if ((m->mask & FAN_Q_OVERFLOW) || read_told(event, m, &t)) {
		w->lost++;
		return;
	}
	if (m->mask & FAN_ONDIR) {
		on_directory(w, m->mask, &t, pid);
		return;
	}
	if (m->mask & FAN_RENAME) {
		on_rename(w, &t, pid);
		return;
	}
	d = t.name ? watch_dir_find(w, &t.dir) : NULL;
	if (!d)
		return;
	/* merged: one object can be linked before it is removed, not after */
	if ((m->mask & FAN_CREATE) && (d->ops & ST_OP_LINK))
		keep_event(w, ST_OP_LINK, d->queue, 0, pid, keep_name(w, d->path, t.name),
			   SIZE_MAX);
	if ((m->mask & FAN_DELETE) && (d->ops & ST_OP_UNLINK))
		keep_event(w, ST_OP_UNLINK, d->queue, 0, pid, keep_name(w, d->path, t.name),
			   SIZE_MAX);
}

/* ---- what was put into a directory before it was marked ---- */

static bool was_told(const struct queue_watch *w, uint32_t queue, const char *path)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->events[i].queue == queue && !strcmp(w->text + w->events[i].name, path))
			return true;
	return false;
}

static const struct departure *departed(const struct queue_watch *w, int fd, const char *name,
					uint32_t queue)
{
	struct object o = {0};

	if (!w->departed || object_of(fd, name, &o))
		return NULL;
	for (size_t i = 0; i < w->departed; i++)
		if (w->departures[i].queue == queue && object_same(&w->departures[i].object, &o))
			return &w->departures[i];
	return NULL;
}

static void look_into(struct queue_watch *w, const struct arrival *a)
{
	const struct dir *d = watch_dir_find(w, &a->object);
	int fd = d ? watch_open_below(w->queue[d->queue].root, d->path) : -1;
	_closedir_ DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	size_t told = w->count;

	while (stream && (e = readdir(stream))) {
		const struct departure *from;
		char path[MAX_PATH_LEN];

		if (e->d_name[0] == '.' || e->d_type == DT_DIR ||
		    watch_join(path, sizeof(path), d->path, e->d_name) ||
		    was_told(w, d->queue, path))
			continue;
		if (w->count - told > MAX_EVENTS)
			break;
		from = departed(w, fd, e->d_name, d->queue);
		if (from)
			keep_event(w, ST_OP_RENAME, d->queue, 0, from->pid,
				   keep_name(w, d->path, e->d_name), from->old);
		else
			keep_event(w, d->ops & ST_OP_LINK ? ST_OP_LINK : ST_OP_RENAME, d->queue,
				   ST_Q_FOUND_NEW, a->pid, keep_name(w, d->path, e->d_name),
				   SIZE_MAX);
	}
}

/* All events are read. */
static int finish(struct queue_watch *w)
{
	for (size_t i = 0; i < w->arrived; i++)
		look_into(w, &w->arrivals[i]);
	w->arrived = w->departed = 0;
	return 1;
}

int queue_watch_read(struct queue_watch *w)
{
	while (w->count < MAX_EVENTS) {
		ssize_t n = read(w->fd, w->buf, sizeof(w->buf)), room = (ssize_t)sizeof(w->buf) - n;
		struct fanotify_event_metadata m;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n <= 0)
			return finish(w);
		for (const char *at = w->buf; n >= (ssize_t)sizeof(m);
		     at += m.event_len, n -= m.event_len) {
			memcpy(&m, at, sizeof(m));
			if (m.vers != FANOTIFY_METADATA_VERSION || m.event_len < sizeof(m) ||
			    m.event_len > n)
				return -EPROTO;
			on_event(w, at, &m);
		}
		/* the kernel would have put another one in */
		if (room >= MAX_EVENT_LEN && !w->arrived)
			return finish(w);
	}
	return 0;
}
