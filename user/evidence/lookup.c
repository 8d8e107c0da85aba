// SPDX-License-Identifier: GPL-2.0-only
#include "evidence/lookup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/procfs.h"

#define MAX_DEPTH   128  /* directories above a file */
#define MAX_ENTRIES 4096 /* descriptors or mappings of a process that are looked through */

void found_close(struct found *f)
{
	st_closep(&f->fd);
	st_closep(&f->dir);
	st_closep(&f->root);
}

/* openat2(2), Linux 5.6: links and ".." stay below `root`, and no link of /proc leads out of it. */
static int open_below(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_PATH | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* "Groups:\t33 100 \n" of /proc/PID/status. */
static void read_groups(struct viewer *v)
{
	char path[64], line[1024], *p, *end;
	_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%u/status", v->task.tgid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "Groups:", 7) != 0)
			continue;
		for (p = line + 7; v->groups < VIEWER_GROUPS; p = end) {
			unsigned long g = strtoul(p, &end, 10);

			if (end == p)
				return;
			v->group[v->groups++] = (uint32_t)g;
		}
		return;
	}
}

int viewer_of(const struct st_task *task, uint32_t uid, uint32_t gid, uint32_t mntns,
	      uint32_t own_mntns, int own_root, struct viewer *out)
{
	struct viewer v = {.task = *task, .uid = uid, .gid = gid};
	struct stat st, own;
	char path[64];

	if (fstat(own_root, &own))
		return -errno;
	snprintf(path, sizeof(path), "/proc/%u/root", task->tgid);
	if (task->tgid && !stat(path, &st)) {
		read_groups(&v);
		v.alive = procfs_alive(task); /* asked last: so it was alive all the time */
	}
	if (v.alive) {
		v.own = st.st_dev == own.st_dev && st.st_ino == own.st_ino && mntns == own_mntns;
	} else {
		if (mntns != own_mntns)
			return -ESRCH;
		v.groups = 0;
		v.own = true;
		st = own;
	}
	v.root_dev = st.st_dev;
	v.root_ino = st.st_ino;
	*out = v;
	return 0;
}

static int open_root(const struct viewer *v, int own_root)
{
	_close_ int fd = -1;
	char path[64];
	struct stat st;

	if (v->own) {
		fd = fcntl(own_root, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? -errno : take_fd(fd);
	}
	snprintf(path, sizeof(path), "/proc/%u/root", v->task.tgid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	if (fstat(fd, &st))
		return -errno;
	if (st.st_dev != v->root_dev || st.st_ino != v->root_ino || !procfs_alive(&v->task))
		return -ESRCH;
	return take_fd(fd);
}

int find_by_name(const struct viewer *v, int own_root, const char *path, struct found *out)
{
	const char *base = strrchr(path, '/');
	char dir[PATH_MAX];

	if (path[0] != '/' || !base || !strcmp(base, "/.") || !strcmp(base, "/..") || !base[1])
		return -EINVAL;
	if ((size_t)(base - path) >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, (size_t)(base - path));
	dir[base - path] = '\0';
	out->root = open_root(v, own_root);
	if (out->root < 0)
		return out->root;
	out->dir = open_below(out->root, dir[0] ? dir : "/", O_DIRECTORY);
	if (out->dir < 0)
		return out->dir;
	out->fd = openat(out->dir, base + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (out->fd < 0)
		return -errno;
	return fstat(out->fd, &out->st) ? -errno : 0;
}

/* Looks through links of /proc for the one that says `want` and leads to a file without a name. */
static int find_link(const char *dir, const char *want, struct found *out)
{
	_closedir_ DIR *d = opendir(dir);
	char text[PATH_MAX + 64];
	const struct dirent *e;

	for (unsigned n = 0; d && n < MAX_ENTRIES && (e = readdir(d)); n++) {
		ssize_t len = readlinkat(dirfd(d), e->d_name, text, sizeof(text) - 1);
		_close_ int fd = -1;
		struct stat st;

		if (len <= 0)
			continue;
		text[len] = '\0';
		if (strcmp(text, want) != 0)
			continue;
		fd = openat(dirfd(d), e->d_name, O_PATH | O_CLOEXEC);
		/* a file may really be called "x (deleted)" */
		if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_nlink)
			continue;
		out->fd = take_fd(fd);
		out->st = st;
		out->deleted = true;
		return 0;
	}
	return -ENOENT;
}

int find_deleted(const struct viewer *v, const char *path, struct found *out)
{
	static const char *const places[] = {"fd", "map_files"};
	char link[64], root[PATH_MAX], want[2 * PATH_MAX + 16];
	ssize_t n;

	if (!v->alive)
		return -ENOENT;
	snprintf(link, sizeof(link), "/proc/%u/root", v->task.tgid);
	n = readlink(link, root, sizeof(root) - 1);
	if (n <= 0)
		return -ENOENT;
	root[n == 1 ? 0 : n] = '\0'; /* "/": a chroot's files are shown with its own path before */
	snprintf(want, sizeof(want), "%s%s (deleted)", root, path);
	for (size_t i = 0; i < array_size(places); i++) {
		snprintf(link, sizeof(link), "/proc/%u/%s", v->task.tgid, places[i]);
		if (find_link(link, want, out))
			continue;
		if (procfs_alive(&v->task))
			return 0;
		found_close(out);
		*out = FOUND_NONE;
		return -ENOENT;
	}
	return -ENOENT;
}

/* `bit`: 4 read, 1 search. An access control list is only seen as its mask in the group's bits. */
static bool may(const struct viewer *v, const struct stat *st, unsigned bit)
{
	bool member = st->st_gid == v->gid;

	if (v->uid == 0 || st->st_uid == v->uid) /* an owner can give itself every right */
		return true;
	for (unsigned i = 0; i < v->groups && !member; i++)
		member = st->st_gid == v->group[i];
	return st->st_mode & (member ? bit << 3 : bit);
}

bool may_read(const struct viewer *v, const struct found *f)
{
	_close_ int at = -1;
	struct stat st, root, before = {0};

	if (!may(v, &f->st, 4))
		return false;
	if (f->deleted) /* it has it open */
		return true;
	at = fcntl(f->dir, F_DUPFD_CLOEXEC, 3);
	if (at < 0 || fstat(f->root, &root))
		return false;
	for (unsigned depth = 0; depth < MAX_DEPTH; depth++) {
		int up;

		if (fstat(at, &st) || !may(v, &st, 1))
			return false;
		if ((st.st_dev == root.st_dev && st.st_ino == root.st_ino) ||
		    (st.st_dev == before.st_dev && st.st_ino == before.st_ino))
			return true;
		before = st;
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return false;
		close(at);
		at = up;
	}
	return false;
}

char *real_name(const struct viewer *v, const struct found *f, const char *path)
{
	char link[64], dir[PATH_MAX], *name = NULL;
	const char *base = strrchr(path, '/');
	ssize_t n;

	if (!v->own || f->dir < 0 || !base)
		return NULL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", f->dir);
	n = readlink(link, dir, sizeof(dir) - 1);
	if (n <= 0)
		return NULL;
	dir[n == 1 ? 0 : n] = '\0';
	if (asprintf(&name, "%s%s", dir, base) < 0)
		return NULL;
	if (!strcmp(name, path)) {
		free(name);
		return NULL;
	}
	return name;
}

int open_found(const struct found *f)
{
	char link[64];
	int fd;

	if (!S_ISREG(f->st.st_mode))
		return -EINVAL;
	/* the inode that was judged, whatever its name leads to now */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", f->fd);
	fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
