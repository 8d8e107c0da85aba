/* SPDX-License-Identifier: GPL-2.0-only */
/* What queue_watch's files share: the marked directories, and what was read but not taken yet. */
#ifndef ST_KERNEL_QUEUE_WATCH_INTERNAL_H
#define ST_KERNEL_QUEUE_WATCH_INTERNAL_H

#include <fcntl.h>
#include <stdbool.h>
#include <sys/fanotify.h>

#include "base/hash.h"
#include "kernel/queue_watch.h"

/* include/uapi/linux/fanotify.h of 5.17, for older headers */
#ifndef FAN_RENAME
#define FAN_RENAME                        0x10000000
#define FAN_EVENT_INFO_TYPE_OLD_DFID_NAME 10
#define FAN_EVENT_INFO_TYPE_NEW_DFID_NAME 12
#endif
#ifndef FAN_MARK_IGNORE_SURV /* of 6.0 */
#define FAN_MARK_IGNORE_SURV (0x00000400 | FAN_MARK_IGNORED_SURV_MODIFY)
#endif
#ifndef FAN_REPORT_TARGET_FID
#define FAN_REPORT_TARGET_FID 0x00001000
#endif

#define MAX_QUEUES    16
#define MAX_DEPTH     4 /* of a directory below a queue's root: top, and up to 3 levels of hashing */
#define MAX_DIRS      8192  /* a queue has hundreds */
#define MAX_EVENTS    65536 /* in one round */
#define MAX_EVENT_LEN 4096  /* of one: three handles of MAX_HANDLE_SZ, two names of NAME_MAX */
#define MAX_PATH_LEN  1000  /* as correlate takes names: their components are queue ids */

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

/* queue_watch_dirs.c */
bool object_same(const struct object *a, const struct object *b);
/* Of the file `name` in directory fd, or of fd itself (NULL): as events name it. 0 or -errno. */
int object_of(int fd, const char *name, struct object *out);
struct dir *watch_dir_find(const struct queue_watch *w, const struct object *o);
void watch_dir_free(struct queue_watch *w, struct dir *d);
/* A directory below a queue's root, by no link. A descriptor or -errno. */
int watch_open_below(int root, const char *path);
/* "path/name". 0 or -ENAMETOOLONG. */
int watch_join(char *out, size_t size, const char *path, const char *name);
/* Marks a directory and what lies below it. 0, also if nothing matters there, or -errno. */
int watch_mark_tree(struct queue_watch *w, uint32_t queue, const char *path, unsigned depth);
/* An array with room for one more than `count`; NULL: no memory, and it stays as it is. */
void *watch_grow(void *array, size_t count, size_t *room, size_t size);

#endif
