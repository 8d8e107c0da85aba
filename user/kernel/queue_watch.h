/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names that land in a queue directory or leave it, by fanotify: for kernels that refuse fentry.
 * The kernel does something only for marked directories, so unlike syscall tracepoints it costs
 * nobody else anything. Needs FAN_RENAME and FAN_REPORT_TARGET_FID (5.17), CAP_SYS_ADMIN once, and
 * a file system that has file handles and one fsid (not overlayfs without nfs_export, not btrfs
 * subvolumes).
 *
 * What it knows: name, directory, the process's tgid. Not: time, start time of the process, old
 * name of a link, file size. What is created in place (Sendmail) looks like a link, so such a queue
 * is not for this.
 *
 * Events that nobody has read yet are merged where directory, name, object and tgid are the same: a
 * link and an unlink of one name are then told in this order. Since the object counts, removals of
 * two messages that had one queue id are two.
 *
 * A sub-directory that appears is marked as soon as its event is read. What was put into it before
 * then is found by looking into it, and told as done by the process that made the directory
 * (ST_Q_FOUND_NEW).
 */
#ifndef ST_QUEUE_WATCH_H
#define ST_QUEUE_WATCH_H

#include <stddef.h>
#include <stdint.h>

#include "spamtrace.h"

struct queue_watch;

/* 0, -EINVAL (kernel before 5.17), -EPERM, -ENOSYS or -errno. */
int queue_watch_new(struct queue_watch **out);
void queue_watch_free(struct queue_watch *w);

/* Becomes readable when events are there. */
int queue_watch_fd(const struct queue_watch *w);

/*
 * Marks the directories below `root` (a descriptor of the queue's root, O_PATH will do; a duplicate
 * is kept) that the rules ask for. May be called again with another root in the place of the first.
 * 0 or -errno: -ENOTSUP if a rule asks for ST_OP_CREATE, -EOPNOTSUPP, -ENODEV or -EXDEV from the
 * file system.
 */
int queue_watch_add(struct queue_watch *w, int root, const struct st_queue_root *rules);

/* Marks anew what was marked: after an unmount, or where a directory was replaced unseen. Cheap;
 * for every other second. */
void queue_watch_refresh(struct queue_watch *w);

/*
 * Reads events and keeps them. 1: all that there were; 0: more are there (read, but not to the end,
 * so that memory is bounded); -errno. Directories that appeared are marked here.
 */
int queue_watch_read(struct queue_watch *w);

typedef void (*queue_watch_fn)(void *arg, const void *bytes, size_t len);

/* Gives the removals among what was read and not taken yet, without their time, where others came
 * before them. They stay. */
void queue_watch_removals(const struct queue_watch *w, queue_watch_fn fn, void *arg);

/*
 * Gives what was read as struct st_queue records, in the order of the events; `now` (boot ns) is
 * their time, and each comes after the one before. h.task.start and all that is not known is 0.
 */
void queue_watch_take(struct queue_watch *w, uint64_t now, queue_watch_fn fn, void *arg);

/* Events that the kernel dropped, or that could not be kept. */
uint64_t queue_watch_lost(const struct queue_watch *w);

/* Directories that are marked. */
size_t queue_watch_marks(const struct queue_watch *w);

#endif
