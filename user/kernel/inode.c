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

__u32 inode_kernel_dev(unsigned maj, unsigned min)
{
	return maj << 20 | (min & 0xfffff);
}

int inode_of_fd(int fd, pid_t pid, struct st_inode *out)
{
	char path[64], line[128];
	_fclose_ FILE *info = NULL;
	unsigned long mount = 0;
	struct stat st;
	__u32 dev;

	if (fstat(fd, &st))
		return -errno;
	*out = (struct st_inode){.ino = st.st_ino,
				 .dev = inode_kernel_dev(major(st.st_dev), minor(st.st_dev))};
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "re");
	while (info && fgets(line, sizeof(line), info)) {
		if (strncmp(line, "ino:", 4) == 0) /* since 5.14 */
			out->ino = strtoull(line + 4, NULL, 10);
		else if (strncmp(line, "mnt_id:", 7) == 0)
			mount = strtoul(line + 7, NULL, 10);
	}
	if (!mount)
		return 0;
	if (mounts_device(mount, &dev)) {
		out->dev = dev;
		return 0;
	}
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	if (pid > 0 && mounts_device_in(path, mount, &dev))
		out->dev = dev;
	return 0;
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
	struct statfs fs;
	int err = inode_of_fd(fd, pid, &id.inode);

	if (!err)
		err = file_stamp_at(fd, "", AT_EMPTY_PATH, &id.stamp);
	if (err)
		return err;
	id.shared = !fstatfs(fd, &fs) && fs.f_type == BTRFS_SUPER_MAGIC;
	*out = id;
	return 0;
}

int file_id_of_path(const char *path, pid_t pid, struct file_id *out)
{
	_close_ int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : file_id_of_fd(fd, pid, out);
}
