// SPDX-License-Identifier: GPL-2.0-only
/* The directories of queues that are marked. */
#include <dirent.h>
#include <errno.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/queue_watch_internal.h"

void watch_dir_free(struct queue_watch *w, struct dir *d)
{
	HASH_DEL(w->dirs, d);
	free(d->path);
	free(d);
}

static unsigned object_size(const struct object *o)
{
	return (unsigned)offsetof(struct object, bytes) + o->len;
}

bool object_same(const struct object *a, const struct object *b)
{
	return a->len == b->len && !memcmp(a, b, object_size(a));
}

struct dir *watch_dir_find(const struct queue_watch *w, const struct object *o)
{
	struct dir *d = NULL;

	HASH_FIND(hh, w->dirs, o, object_size(o), d);
	return d;
}

/* Of the file `name` in directory fd, or of fd itself: as events name it. */
int object_of(int fd, const char *name, struct object *out)
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

int watch_open_below(int root, const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	long fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* The operations that matter in a directory, as bpf/queue.bpf.h decides it. */
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
	if (mask && fanotify_mark(w->fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR, mask, fd, NULL))
		return -errno;
	/* Of what is created only directories matter then. A kernel before 6.0 tells of files, too:
	 * they are passed over, and cost a wake-up each. */
	if (!(ops & ST_OP_LINK) && (mask & FAN_CREATE))
		fanotify_mark(w->fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR | FAN_MARK_IGNORE_SURV,
			      FAN_CREATE, fd, NULL);
	return 0;
}

/* Remembers a directory; one that is known gets this path. 1: it was not known, 0, or -errno. */
static int dir_add(struct queue_watch *w, const struct object *o, uint32_t queue, const char *path,
		   uint32_t ops, unsigned depth)
{
	struct dir *d = watch_dir_find(w, o);
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
			watch_dir_free(w, d);
		return -ENOMEM;
	}
	free(d->path);
	d->path = copy;
	d->queue = queue;
	d->ops = ops;
	d->depth = depth;
	return is_new;
}

void *watch_grow(void *array, size_t count, size_t *room, size_t size)
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
	struct arrival *all = watch_grow(w->arrivals, w->arrived, &w->arrived_room, sizeof(*all));

	if (!all) {
		w->lost++;
		return;
	}
	w->arrivals = all;
	w->arrivals[w->arrived++] = (struct arrival){.object = *o, .pid = w->maker};
}

int watch_join(char *out, size_t size, const char *path, const char *name)
{
	size_t n = strlen(path), m = strlen(name) + 1, slash = n != 0;

	if (n + slash + m > size)
		return -ENAMETOOLONG;
	memcpy(out, path, n);
	memcpy(out + n, "/", slash);
	memcpy(out + n + slash, name, m);
	return 0;
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
		    watch_join(below, sizeof(below), path, e->d_name))
			continue;
		err = watch_mark_tree(w, queue, below, depth + 1);
		if (err == -ENOENT || err == -ENOTDIR || err == -ELOOP)
			err = 0;
	}
	return err;
}

/* Marks a directory and what lies below it. 0, also if nothing matters there, or -errno. */
int watch_mark_tree(struct queue_watch *w, uint32_t queue, const char *path, unsigned depth)
{
	uint32_t ops = ops_of(&w->queue[queue].rules, path);
	struct object object = {0};
	_close_ int fd = -1;
	struct stat st;
	int err;

	if (depth && !ops)
		return 0;
	fd = watch_open_below(w->queue[queue].root, path);
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
		watch_dir_free(w, d);
	if (w->queue[queue].root >= 0)
		close(w->queue[queue].root);
	w->queue[queue].root = fd;
	w->queue[queue].rules = *rules;
	return watch_mark_tree(w, queue, "", 0);
}

static void refresh(struct queue_watch *w, struct dir *d)
{
	_close_ int fd = watch_open_below(w->queue[d->queue].root, d->path);
	struct object now = {0};

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP) {
		watch_dir_free(w, d);
	} else if (fd >= 0 && !object_of(fd, NULL, &now)) {
		if (object_same(&now, &d->object)) {
			mark(w, fd, d->ops, d->depth);
		} else if (!watch_mark_tree(w, d->queue, d->path, d->depth)) {
			watch_dir_free(w, d);
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
