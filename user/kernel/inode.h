/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files as the kernel side knows them: super_block.s_dev and inode.i_ino. stat() shows other
 * numbers where a file system makes them up (st_dev on btrfs and overlayfs, st_ino on overlayfs
 * over several file systems).
 */
#ifndef ST_INODE_H
#define ST_INODE_H

#include <stdbool.h>
#include <sys/types.h>

#include "spamtrace.h"

/*
 * The inode of the file open at `fd` (O_PATH will do), taken from /proc/self/fdinfo and the mount
 * table of this process or, if it is mounted only there, of process `pid` (0: none). Falls back to
 * what fstat() says. 0 or -errno.
 */
int inode_of_fd(int fd, pid_t pid, struct st_inode *out);

/* The same, of the file at `path`, followed. */
int inode_of_path(const char *path, pid_t pid, struct st_inode *out);

static inline bool inode_equal(const struct st_inode *a, const struct st_inode *b)
{
	return a->ino == b->ino && a->dev == b->dev;
}

#endif
