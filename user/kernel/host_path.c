// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/host_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "kernel/procfs.h"

#define MAX_MOUNTS 4096

/* A line of mountinfo, proc_pid_mountinfo(5). */
struct mount_line {
	unsigned major, minor;
	char root[PATH_MAX], point[PATH_MAX];
};

/* Names in mountinfo have blanks and backslashes as \ooo. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static bool parse(char *line, struct mount_line *m)
{
	if (sscanf(line, "%*u %*u %u:%u %4095s %4095s", &m->major, &m->minor, m->root, m->point) !=
	    4)
		return false;
	unescape(m->root);
	unescape(m->point);
	return true;
}

/* What follows directory `dir` in `path`: "" or "/x"; NULL: it does not lie in it. */
static const char *rest_of(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (n == 1 && dir[0] == '/')
		return path[1] ? path : "";
	if (strncmp(path, dir, n) || (path[n] && path[n] != '/'))
		return NULL;
	return path + n;
}

static int join(char *out, const char *dir, const char *rest)
{
	int n = snprintf(out, PATH_MAX, "%s%s", !strcmp(dir, "/") && *rest ? "" : dir, rest);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* The file system that holds `path`, and its name within that. */
static int inside_of(FILE *mounts, const char *path, struct mount_line *where, char *name)
{
	_free_ struct mount_line *m = malloc(sizeof(*m));
	_free_ char *line = NULL;
	size_t size = 0, best = 0;
	int err = -ENOENT;

	if (!m)
		return -ENOMEM;
	for (unsigned n = 0; n < MAX_MOUNTS && getline(&line, &size, mounts) > 0; n++) {
		const char *rest;

		if (!parse(line, m))
			continue;
		rest = rest_of(path, m->point);
		/* later mounts lie over earlier ones of the same place */
		if (!rest || strlen(m->point) < best)
			continue;
		best = strlen(m->point);
		*where = *m;
		err = join(name, m->root, rest);
	}
	return err;
}

static bool same_file(const char *path, const struct stat *st)
{
	struct stat other;

	return !stat(path, &other) && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

static int by_mounts(const struct st_task *task, const char *path, const struct stat *st, char *out)
{
	char file[64], name[PATH_MAX];
	_free_ struct mount_line *m = malloc(sizeof(*m)), *where = malloc(sizeof(*where));
	_fclose_ FILE *theirs = NULL, *ours = NULL;
	_free_ char *line = NULL;
	size_t size = 0;
	int err;

	if (!m || !where)
		return -ENOMEM;
	snprintf(file, sizeof(file), "/proc/%u/mountinfo", task->tgid);
	theirs = fopen(file, "re");
	ours = fopen("/proc/self/mountinfo", "re");
	if (!theirs || !ours)
		return -errno;
	err = inside_of(theirs, path, where, name);
	if (err)
		return err;
	for (unsigned n = 0; n < MAX_MOUNTS && getline(&line, &size, ours) > 0; n++) {
		const char *rest;

		if (!parse(line, m) || m->major != where->major || m->minor != where->minor)
			continue;
		rest = rest_of(name, m->root);
		if (rest && !join(out, m->point, rest) && same_file(out, st))
			return 0;
	}
	return -ENOENT;
}

int host_path(const struct st_task *task, const char *path, char *out, size_t size)
{
	/* absolute links inside lead to what they lead to in there */
	struct open_how how = {.flags = O_PATH | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	_close_ int root = -1, fd = -1;
	char link[64], jail[PATH_MAX], found[PATH_MAX];
	struct stat st;
	int err;

	snprintf(link, sizeof(link), "/proc/%u/root", task->tgid);
	root = open(link, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	if (!procfs_alive(task))
		return -ESRCH;
	fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	err = procfs_jail(task, jail, sizeof(jail));
	if ((err || join(found, jail, path) || !same_file(found, &st)) &&
	    by_mounts(task, path, &st, found))
		return -ENOENT;
	return text_copy(out, size, found);
}
