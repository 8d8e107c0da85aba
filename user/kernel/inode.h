/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files as the kernel side knows them: super_block.s_dev and inode.i_ino. stat() shows other
 * numbers where a file system makes them up (st_dev on btrfs and overlayfs, st_ino on overlayfs
 * over several file systems).
 */
#ifndef ST_INODE_H
#define ST_INODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "spamtrace.h"

/* s_dev as the kernel holds it: MKDEV() of include/linux/kdev_t.h */
__u32 inode_kernel_dev(unsigned maj, unsigned min);

/* Whether st_inode.subvol is told. Said before the first file is looked at where there is a kernel
 * side, which must do the same (st_btrfs.known). It is unless said. */
void inode_tell_subvolumes(bool yes);

/*
 * The inode of the file open at `fd` (O_PATH will do), taken from /proc/self/fdinfo and the mount
 * table of this process or, if it is mounted only there, of process `pid` (0: none). Falls back to
 * what fstat() says. 0 or -errno. Not for more than one thread, as mounts.h.
 */
int inode_of_fd(int fd, pid_t pid, struct st_inode *out);

/* The same, of the file at `path`, followed. */
int inode_of_path(const char *path, pid_t pid, struct st_inode *out);

/* Is the file's mount one that this process has? Not a container's, nor a service's own. */
bool inode_is_here(int fd);

/*
 * What changes when an inode number is given to another file, or a file gets other content: a look
 * at its content is worth repeating only if this differs. It may differ for the same content, too
 * (a new name, other permissions). Nanoseconds; `birth` is 0 where the file system has none.
 */
struct file_stamp {
	uint64_t size;
	int64_t modified, changed, birth;
};

/* A file, and not just the number that it has now. */
struct file_id {
	struct st_inode inode;
	struct file_stamp stamp;
	bool shared; /* another file may have the same st_inode: one of another subvolume of btrfs,
			which any user can make and delete, where the kernel side does not tell them
			apart, or of a deleted one */
};

/* `flags` of statx(2): AT_EMPTY_PATH and "" for `fd` itself. 0 or -errno. */
int file_stamp_at(int fd, const char *path, int flags, struct file_stamp *out);

/* As inode_of_fd() and inode_of_path(). */
int file_id_of_fd(int fd, pid_t pid, struct file_id *out);
int file_id_of_path(const char *path, pid_t pid, struct file_id *out);

static inline bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->size == b->size && a->modified == b->modified && a->changed == b->changed &&
	       a->birth == b->birth;
}

static inline bool inode_equal(const struct st_inode *a, const struct st_inode *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->subvol == b->subvol;
}

#endif
