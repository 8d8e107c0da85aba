// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/queue_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <uthash.h>

#include "base/cleanup.h"

/* include/uapi/linux/fanotify.h of 5.17, for older headers */
#ifndef FAN_RENAME
#define FAN_RENAME                        0x10000000
#define FAN_EVENT_INFO_TYPE_OLD_DFID_NAME 10
#define FAN_EVENT_INFO_TYPE_NEW_DFID_NAME 12
#endif
#ifndef FAN_REPORT_TARGET_FID
#define FAN_REPORT_TARGET_FID 0x00001000
#endif

#define WATCH_FLAGS                                                                                \
	(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME |                 \
	 FAN_REPORT_TARGET_FID | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS | FAN_NONBLOCK |        \
	 FAN_CLOEXEC)

#define MAX_QUEUES   16
#define MAX_DEPTH    4 /* of a directory below a queue's root: top, and up to 3 levels of hashing */
#define MAX_DIRS     8192  /* a queue has hundreds */
#define MAX_EVENTS   65536 /* in one round */
#define MAX_PATH_LEN 1000  /* as correlate takes names: their components are queue ids */

/* A file handle on a file system. Unused bytes are 0. */
struct object {
	__kernel_fsid_t fsid;
	int type;
	unsigned len;
	unsigned char bytes[MAX_HANDLE_SZ];
};

struct dir {
	struct object object;
	uint32_t queue, ops; /* enum st_op */
	unsigned depth;
	char *path; /* below the root, "" is the root itself */
	UT_hash_handle hh;
};

struct event {
	uint32_t op, queue, flags, pid;
	size_t name, old; /* in text; SIZE_MAX: none */
};

/* A rename out of a marked directory into one that was not marked yet. */
struct departure {
	struct object object;
	uint32_t queue, pid;
	size_t old;
};

/* A directory that appeared; its files are looked at when all events are read. */
struct arrival {
	struct object object; /* of the directory */
	uint32_t pid;
};

struct queue_watch {
	int fd;
	struct {
		int root;
		struct st_queue_root rules;
	} queue[MAX_QUEUES];
	struct dir *dirs;
	struct event *events;
	struct departure *departures;
	struct arrival *arrivals;
	size_t count, room, departed, departed_room, arrived, arrived_room;
	char *text;
	size_t text_len, text_room;
	uint64_t last, lost;
	bool arriving;  /* what is marked now has just appeared, */
	uint32_t maker; /* and this process made it */
	_Alignas(8) char buf[65536];
};

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

static void dir_free(struct queue_watch *w, struct dir *d)
{
	HASH_DEL(w->dirs, d);
	free(d->path);
	free(d);
}

void queue_watch_free(struct queue_watch *w)
{
	struct dir *d, *next;

	if (!w)
		return;
	HASH_ITER(hh, w->dirs, d, next)
	dir_free(w, d);
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

/* ---- directories ---- */

static unsigned object_size(const struct object *o)
{
	return (unsigned)offsetof(struct object, bytes) + o->len;
}

static bool same_object(const struct object *a, const struct object *b)
{
	return a->len == b->len && !memcmp(a, b, object_size(a));
}

static struct dir *dir_find(const struct queue_watch *w, const struct object *o)
{
	struct dir *d = NULL;

	HASH_FIND(hh, w->dirs, o, object_size(o), d);
	return d;
}

/* Of the file `name` in directory fd, or of fd itself: as events name it. */
static int object_of(int fd, const char *name, struct object *out)
{
	struct {
		struct file_handle handle;
		unsigned char bytes[MAX_HANDLE_SZ];
	} h = {.handle = {.handle_bytes = MAX_HANDLE_SZ}};
	struct statfs fs;
	int mount;

	if (fstatfs(fd, &fs))
		return -errno;
	if (name_to_handle_at(fd, name ? name : "", &h.handle, &mount, name ? 0 : AT_EMPTY_PATH))
		return -errno;
	memset(out, 0, sizeof(*out));
	memcpy(&out->fsid, &fs.f_fsid, sizeof(out->fsid));
	out->type = h.handle.handle_type;
	out->len = h.handle.handle_bytes;
	memcpy(out->bytes, h.handle.f_handle, out->len);
	return 0;
}

static int open_below(int root, const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	long fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* The operations that matter in a directory, as bpf/queue.bpf.c decides it. */
static uint32_t ops_of(const struct st_queue_root *rules, const char *path)
{
	char top[sizeof(rules->rule[0].top)] = {0}, any[sizeof(top)] = {0};
	uint32_t ops = 0;

	memcpy(top, path, strnlen(path, sizeof(top)));
	for (size_t i = 0; i < sizeof(top); i++)
		if (top[i] == '/')
			memset(top + i, 0, sizeof(top) - i);
	for (uint32_t i = 0; i < rules->rules && i < ST_MAX_RULES; i++)
		if (!memcmp(rules->rule[i].top, any, sizeof(any)) ||
		    (*path && !memcmp(rules->rule[i].top, top, sizeof(top))))
			ops |= rules->rule[i].ops;
	return ops;
}

static int mark(const struct queue_watch *w, int fd, uint32_t ops, unsigned depth)
{
	uint64_t mask = depth < MAX_DEPTH ? FAN_CREATE | FAN_ONDIR : 0;

	if (ops & ST_OP_LINK)
		mask |= FAN_CREATE;
	if (ops & ST_OP_UNLINK)
		mask |= FAN_DELETE;
	if (ops & ST_OP_RENAME)
		mask |= FAN_RENAME;
	return mask && fanotify_mark(w->fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR, mask, fd, NULL)
		       ? -errno
		       : 0;
}

/* Remembers a directory; one that is known gets this path. 1: it was not known, 0, or -errno. */
static int dir_add(struct queue_watch *w, const struct object *o, uint32_t queue, const char *path,
		   uint32_t ops, unsigned depth)
{
	struct dir *d = dir_find(w, o);
	bool is_new = !d;
	char *copy;

	if (!d) {
		if (HASH_COUNT(w->dirs) >= MAX_DIRS)
			return -ENOSPC;
		d = calloc(1, sizeof(*d));
		if (!d)
			return -ENOMEM;
		d->object = *o;
		HASH_ADD(hh, w->dirs, object, object_size(o), d);
	}
	copy = strdup(path);
	if (!copy) {
		if (is_new)
			dir_free(w, d);
		return -ENOMEM;
	}
	free(d->path);
	d->path = copy;
	d->queue = queue;
	d->ops = ops;
	d->depth = depth;
	return is_new;
}

static void *grow(void *array, size_t count, size_t *room, size_t size)
{
	size_t want = *room ? *room * 2 : 256;
	void *bigger;

	if (count < *room)
		return array;
	bigger = realloc(array, want * size);
	if (bigger)
		*room = want;
	return bigger;
}

static void on_arrival(struct queue_watch *w, const struct object *o)
{
	struct arrival *all = grow(w->arrivals, w->arrived, &w->arrived_room, sizeof(*all));

	if (!all) {
		w->lost++;
		return;
	}
	w->arrivals = all;
	w->arrivals[w->arrived++] = (struct arrival){.object = *o, .pid = w->maker};
}

static int mark_tree(struct queue_watch *w, uint32_t queue, const char *path, unsigned depth);

static int join(char *out, size_t size, const char *path, const char *name)
{
	int n = snprintf(out, size, "%s%s%s", path, *path ? "/" : "", name);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* Takes fd. */
static int mark_children(struct queue_watch *w, uint32_t queue, int fd, const char *path,
			 unsigned depth)
{
	_closedir_ DIR *d = fdopendir(fd);
	const struct dirent *e;
	int err = 0;

	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while (!err && (e = readdir(d))) {
		char below[MAX_PATH_LEN];

		if (e->d_name[0] == '.' || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN) ||
		    join(below, sizeof(below), path, e->d_name))
			continue;
		err = mark_tree(w, queue, below, depth + 1);
		if (err == -ENOENT || err == -ENOTDIR || err == -ELOOP)
			err = 0;
	}
	return err;
}

/* Marks a directory and what lies below it. 0, also if nothing matters there, or -errno. */
static int mark_tree(struct queue_watch *w, uint32_t queue, const char *path, unsigned depth)
{
	uint32_t ops = ops_of(&w->queue[queue].rules, path);
	struct object object = {0};
	_close_ int fd = -1;
	struct stat st;
	int err;

	if (depth && !ops)
		return 0;
	fd = open_below(w->queue[queue].root, path);
	if (fd < 0)
		return fd;
	err = object_of(fd, NULL, &object);
	if (!err)
		err = mark(w, fd, ops, depth);
	if (!err)
		err = dir_add(w, &object, queue, path, ops, depth);
	if (err == 1 && w->arriving)
		on_arrival(w, &object);
	if (err < 0 || depth == MAX_DEPTH)
		return err < 0 ? err : 0;
	/* a directory's links are its sub-directories' ".." and two of its own, where they are
	 * counted at all */
	if (!fstat(fd, &st) && st.st_nlink == 2)
		return 0;
	return mark_children(w, queue, take_fd(fd), path, depth);
}

int queue_watch_add(struct queue_watch *w, int root, const struct st_queue_root *rules)
{
	uint32_t queue = rules->queue;
	struct dir *d, *next;
	int fd;

	if (queue >= MAX_QUEUES)
		return -E2BIG;
	for (uint32_t i = 0; i < rules->rules; i++)
		if (rules->rule[i].ops & ST_OP_CREATE)
			return -ENOTSUP;
	fd = fcntl(root, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return -errno;
	HASH_ITER(hh, w->dirs, d, next)
	if (d->queue == queue)
		dir_free(w, d);
	if (w->queue[queue].root >= 0)
		close(w->queue[queue].root);
	w->queue[queue].root = fd;
	w->queue[queue].rules = *rules;
	return mark_tree(w, queue, "", 0);
}

static void refresh(struct queue_watch *w, struct dir *d)
{
	_close_ int fd = open_below(w->queue[d->queue].root, d->path);
	struct object now = {0};

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP) {
		dir_free(w, d);
	} else if (fd >= 0 && !object_of(fd, NULL, &now)) {
		if (same_object(&now, &d->object)) {
			mark(w, fd, d->ops, d->depth);
		} else if (!mark_tree(w, d->queue, d->path, d->depth)) {
			dir_free(w, d);
		}
	}
}

void queue_watch_refresh(struct queue_watch *w)
{
	struct dir *d, *next;

	/* what is added meanwhile comes to the end */
	HASH_ITER(hh, w->dirs, d, next)
	refresh(w, d);
}

/* ---- events in ---- */

/* Keeps "dir/name"; SIZE_MAX if it cannot be kept. */
static size_t keep_name(struct queue_watch *w, const char *dir, const char *name)
{
	char path[MAX_PATH_LEN];
	size_t at = w->text_len, n;

	if (join(path, sizeof(path), dir, name))
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
		all = grow(w->events, w->count, &w->room, sizeof(*all));
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

static int read_told(const struct fanotify_event_metadata *m, struct told *t)
{
	const char *at = (const char *)m + m->metadata_len, *end = (const char *)m + m->event_len;
	int err = 0;

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
	const struct dir *parent = t->name ? dir_find(w, &t->dir) : NULL;
	struct dir *gone = t->has_target ? dir_find(w, &t->target) : NULL;
	char path[MAX_PATH_LEN];

	if ((mask & FAN_DELETE) && gone && gone->depth) {
		dir_free(w, gone);
		return;
	}
	if (!(mask & (FAN_CREATE | FAN_RENAME)) || !parent || parent->depth >= MAX_DEPTH ||
	    join(path, sizeof(path), parent->path, t->name))
		return;
	w->arriving = mask & FAN_CREATE;
	w->maker = pid;
	mark_tree(w, parent->queue, path, parent->depth + 1);
	w->arriving = false;
}

static void on_departure(struct queue_watch *w, const struct told *t, const struct dir *from,
			 uint32_t pid)
{
	struct departure *all;

	if (!t->has_target)
		return;
	all = grow(w->departures, w->departed, &w->departed_room, sizeof(*all));
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
	const struct dir *to = t->name ? dir_find(w, &t->dir) : NULL;
	const struct dir *from = t->old ? dir_find(w, &t->old_dir) : NULL;
	bool foreign = !from || (to && from->queue != to->queue);

	if (to && (to->ops & ST_OP_RENAME))
		keep_event(w, ST_OP_RENAME, to->queue, foreign ? ST_Q_OLD_FOREIGN : 0, pid,
			   keep_name(w, to->path, t->name),
			   foreign ? SIZE_MAX : keep_name(w, from->path, t->old));
	else if (!t->name && from)
		on_departure(w, t, from, pid);
}

static void on_event(struct queue_watch *w, const struct fanotify_event_metadata *m)
{
	uint32_t pid = (uint32_t)m->pid;
	struct told t = {0};
	const struct dir *d;

	if ((m->mask & FAN_Q_OVERFLOW) || read_told(m, &t)) {
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
	d = t.name ? dir_find(w, &t.dir) : NULL;
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
		if (w->departures[i].queue == queue && same_object(&w->departures[i].object, &o))
			return &w->departures[i];
	return NULL;
}

static void look_into(struct queue_watch *w, const struct arrival *a)
{
	const struct dir *d = dir_find(w, &a->object);
	int fd = d ? open_below(w->queue[d->queue].root, d->path) : -1;
	_closedir_ DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	size_t told = w->count;

	while (stream && (e = readdir(stream))) {
		const struct departure *from;
		char path[MAX_PATH_LEN];

		if (e->d_name[0] == '.' || e->d_type == DT_DIR ||
		    join(path, sizeof(path), d->path, e->d_name) || was_told(w, d->queue, path))
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

int queue_watch_read(struct queue_watch *w)
{
	while (w->count < MAX_EVENTS) {
		ssize_t n = read(w->fd, w->buf, sizeof(w->buf));
		const struct fanotify_event_metadata *m = (const void *)w->buf;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n <= 0) {
			for (size_t i = 0; i < w->arrived; i++)
				look_into(w, &w->arrivals[i]);
			w->arrived = w->departed = 0;
			return 1;
		}
		for (; FAN_EVENT_OK(m, n); m = FAN_EVENT_NEXT(m, n)) {
			if (m->vers != FANOTIFY_METADATA_VERSION)
				return -EPROTO;
			on_event(w, m);
		}
	}
	return 0;
}

/* ---- records out ---- */

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

void queue_watch_take(struct queue_watch *w, uint64_t now, queue_watch_fn fn, void *arg)
{
	_Alignas(8) struct queue_record r;

	for (size_t i = 0; i < w->count; i++) {
		const struct event *e = &w->events[i];
		size_t used = 0;

		memset(&r.q, 0, sizeof(r.q));
		r.q.name = put(&r, &used, w->text + e->name);
		if (e->old != SIZE_MAX)
			r.q.old = put(&r, &used, w->text + e->old);
		w->last = now > w->last ? now : w->last + 1;
		r.q.h = (struct st_header){.type = ST_QUEUE,
					   .abi = ST_ABI,
					   .size = (uint32_t)(sizeof(r.q) + used),
					   .time = w->last,
					   .task = {.tgid = e->pid}};
		r.q.op = e->op;
		r.q.queue = e->queue;
		r.q.flags = e->flags;
		fn(arg, &r, sizeof(r.q) + used);
	}
	w->count = 0;
	/* departures keep their old names there until all is read */
	if (!w->departed)
		w->text_len = 0;
}
