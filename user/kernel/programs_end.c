// SPDX-License-Identifier: GPL-2.0-only
/* Files of programs that are no more: their inode numbers are for another file now. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/programs_internal.h"

struct end {
	int watch;
	struct st_inode inode;
	UT_hash_handle hh;
};

void programs_ends_open(struct programs *p)
{
	p->ends_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (p->ends_fd < 0)
		log_err(errno, "the end of programs is not told: whose file gets the inode number "
			       "of a deleted one can pass for it");
}

void programs_ends_close(struct programs *p)
{
	struct end *e, *next;

	HASH_ITER(hh, p->ends, e, next)
	{
		HASH_DEL(p->ends, e);
		free(e);
	}
	if (p->ends_fd >= 0)
		close(p->ends_fd);
}

/* The name is gone long before the file is, which those who run it keep; inotify tells of the
 * file's own end (fsnotify_inoderemove()). */
void programs_watch_end(struct programs *p, int fd, const struct st_inode *inode)
{
	struct end *e = NULL;
	char link[64];
	int watch;

	if (p->ends_fd < 0)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	watch = inotify_add_watch(p->ends_fd, link, IN_DELETE_SELF);
	if (watch < 0) {
		if (!p->ends_refused)
			log_err(errno, "the end of some programs is not told: whose file gets the "
				       "inode number of one when it is deleted can pass for it");
		p->ends_refused = true;
		return;
	}
	HASH_FIND_INT(p->ends, &watch, e);
	if (e)
		return;
	e = calloc(1, sizeof(*e));
	if (!e) {
		inotify_rm_watch(p->ends_fd, watch);
		return;
	}
	e->watch = watch;
	e->inode = *inode;
	HASH_ADD_INT(p->ends, watch, e);
}

void programs_watch_end_at(struct programs *p, const char *path, pid_t pid,
			   const struct st_inode *inode)
{
	_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct st_inode now;

	if (fd >= 0 && !inode_of_fd(fd, pid, &now) && inode_equal(&now, inode))
		programs_watch_end(p, fd, inode);
}

static void forget_all(struct programs *p)
{
	struct end *e, *next;

	HASH_ITER(hh, p->ends, e, next)
	programs_no_more(p, &e->inode);
}

static void on_event(struct programs *p, const struct inotify_event *event)
{
	struct end *e = NULL;

	/* what is known of the paths is there again after the next look at them */
	if (event->mask & IN_Q_OVERFLOW)
		forget_all(p);
	HASH_FIND_INT(p->ends, &event->wd, e);
	if (!e)
		return;
	if (event->mask & (IN_DELETE_SELF | IN_UNMOUNT))
		programs_no_more(p, &e->inode);
	if (event->mask & IN_IGNORED) { /* the watch is gone with the file */
		HASH_DEL(p->ends, e);
		free(e);
	}
}

int programs_ends_fd(const struct programs *p)
{
	return p->ends_fd;
}

void programs_read_ends(struct programs *p)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n;

	while ((n = read(p->ends_fd, buf, sizeof(buf))) > 0)
		for (const char *at = buf; at < buf + n;) {
			const struct inotify_event *event = (const void *)at;

			on_event(p, event);
			at += sizeof(*event) + event->len;
		}
}
