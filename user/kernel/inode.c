// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/inode.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "kernel/mounts.h"

static bool tells_subvolumes = true;

__u32 inode_kernel_dev(unsigned maj, unsigned min)
{
	return maj << 20 | (min & 0xfffff);
}

void inode_tell_subvolumes(bool yes)
{
	tells_subvolumes = yes;
}

/* What /proc/self/fdinfo says of a file: its inode number (since 5.14; else *ino is left as it is)
 * and its mount, 0 if that is not said. */
static unsigned long read_fdinfo(int fd, __u64 *ino)
{
	char path[64], line[128];
	_fclose_ FILE *info = NULL;
	unsigned long mount = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "re");
	while (info && fgets(line, sizeof(line), info)) {
		if (strncmp(line, "ino:", 4) == 0)
			*ino = strtoull(line + 4, NULL, 10);
		else if (strncmp(line, "mnt_id:", 7) == 0)
			mount = strtoul(line + 7, NULL, 10);
	}
	return mount;
}

static bool device_of_mount(unsigned long mount, pid_t pid, __u32 *dev)
{
	char path[64];

	if (!mount)
		return false;
	if (mounts_device(mount, dev))
		return true;
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	return pid > 0 && mounts_device_in(path, mount, dev);
}

static bool on_btrfs(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == BTRFS_SUPER_MAGIC;
}

/* `shared` as in struct file_id. btrfs shows each subvolume as another device (btrfs_getattr()),
 * since its inode numbers alone do not tell its files apart; those of deleted subvolumes, where
 * files are still open, all as 0. */
static int identify(int fd, pid_t pid, struct st_inode *out, bool *shared)
{
	struct st_inode id = {0};
	struct stat st;
	__u32 shown;

	if (fstat(fd, &st))
		return -errno;
	shown = inode_kernel_dev(major(st.st_dev), minor(st.st_dev));
	id.ino = st.st_ino;
	if (!device_of_mount(read_fdinfo(fd, &id.ino), pid, &id.dev))
		id.dev = shown;
	*shared = id.dev != shown && on_btrfs(fd);
	if (*shared && tells_subvolumes && shown) {
		id.subvol = shown;
		*shared = false;
	}
	*out = id;
	return 0;
}

int inode_of_fd(int fd, pid_t pid, struct st_inode *out)
{
	bool shared;

	return identify(fd, pid, out, &shared);
}

bool inode_is_here(int fd)
{
	__u64 ino;
	__u32 dev;
	unsigned long mount = read_fdinfo(fd, &ino);

	return mount && mounts_device(mount, &dev);
}

int inode_of_path(const char *path, pid_t pid, struct st_inode *out)
{
	_close_ int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : inode_of_fd(fd, pid, out);
}

static int64_t nanoseconds(const struct statx_timestamp *t)
{
	return t->tv_sec * 1000000000LL + t->tv_nsec;
}

int file_stamp_at(int fd, const char *path, int flags, struct file_stamp *out)
{
	struct statx x;

	if (statx(fd, path, flags, STATX_SIZE | STATX_MTIME | STATX_CTIME | STATX_BTIME, &x))
		return -errno;
	*out = (struct file_stamp){
		.size = x.stx_size,
		.modified = nanoseconds(&x.stx_mtime),
		.changed = nanoseconds(&x.stx_ctime),
		.birth = x.stx_mask & STATX_BTIME ? nanoseconds(&x.stx_btime) : 0,
	};
	return 0;
}

int file_id_of_fd(int fd, pid_t pid, struct file_id *out)
{
	struct file_id id = {0};
	int err = identify(fd, pid, &id.inode, &id.shared);

	if (!err)
		err = file_stamp_at(fd, "", AT_EMPTY_PATH, &id.stamp);
	if (err)
		return err;
	*out = id;
	return 0;
}

int file_id_of_path(const char *path, pid_t pid, struct file_id *out)
{
	_close_ int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : file_id_of_fd(fd, pid, out);
}
