// SPDX-License-Identifier: GPL-2.0-only
#include "web/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/log.h"

#define MAX_ENTRIES 100000 /* names in one directory, paths of one pattern */
#define MAX_DEPTH   32     /* components of a pattern */

int strlist_add(struct strlist *l, const char *s, size_t len)
{
	char **more, *copy;

	if (!(l->n & (l->n - 1))) {
		more = reallocarray(l->v, l->n ? l->n * 2 : 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		l->v = more;
	}
	copy = strndup(s, len);
	if (!copy)
		return -ENOMEM;
	l->v[l->n++] = copy;
	return 0;
}

void strlist_clear(struct strlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct strlist){0};
}

int rootfs_open(struct rootfs *fs, const char *root)
{
	ssize_t n;

	fs->fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fs->fd < 0)
		return -errno;
	n = readlink(root, fs->prefix, sizeof(fs->prefix) - 1);
	fs->prefix[n > 1 ? n : 0] = '\0';
	return 0;
}

void rootfs_close(struct rootfs *fs)
{
	if (fs->fd >= 0)
		close(fs->fd);
	fs->fd = -1;
}

void rootfs_free(struct rootfs *fs)
{
	rootfs_close(fs);
	for (size_t i = 0; i < fs->seen_count; i++)
		free(fs->seen[i].path);
	free(fs->seen);
	*fs = (struct rootfs){.fd = -1};
}

/* openat2(2), Linux 5.6: absolute links and ".." stay below the root that the other process has. */
static int open_in(const struct rootfs *fs, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, fs->fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static void fill_seen(struct seen *s, const struct stat *st)
{
	s->dev = st->st_dev;
	s->ino = st->st_ino;
	s->size = st->st_size;
	s->mtime_ns = (uint64_t)st->st_mtim.tv_sec * 1000000000U + (uint64_t)st->st_mtim.tv_nsec;
}

/* Remembers a file; st NULL: it is not there. Forgetting one for want of memory only delays a
 * reread. */
static void remember(struct rootfs *fs, const char *path, const struct stat *st)
{
	struct seen *more, s = {0};

	if (fs->seen_count >= 2 * ROOTFS_MAX_FILES)
		return;
	if (!(fs->seen_count & (fs->seen_count - 1))) {
		more = reallocarray(fs->seen, fs->seen_count ? fs->seen_count * 2 : 1,
				    sizeof(*more));
		if (!more)
			return;
		fs->seen = more;
	}
	s.path = strdup(path);
	if (!s.path)
		return;
	if (st)
		fill_seen(&s, st);
	fs->seen[fs->seen_count++] = s;
}

static int too_much(struct rootfs *fs, const char *path)
{
	if (!fs->full)
		log_warn("the web server's configuration is larger than spamtrace reads; %s and "
			 "what follows is left out",
			 path);
	fs->full = true;
	return -EFBIG;
}

int rootfs_read(struct rootfs *fs, const char *path, char **out, size_t *len)
{
	int fd _close_ = open_in(fs, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	_free_ char *buf = NULL;
	struct stat st;
	size_t got = 0;

	if (fd < 0) {
		remember(fs, path, NULL);
		return fd;
	}
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	remember(fs, path, &st);
	if (fs->files >= ROOTFS_MAX_FILES || st.st_size > ROOTFS_MAX_FILE ||
	    fs->bytes + (uint64_t)st.st_size > ROOTFS_MAX_BYTES)
		return too_much(fs, path);
	buf = malloc((size_t)st.st_size + 1);
	if (!buf)
		return -ENOMEM;
	while (got < (size_t)st.st_size) {
		ssize_t n = read(fd, buf + got, (size_t)st.st_size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	buf[got] = '\0';
	fs->files++;
	fs->bytes += got;
	*len = got;
	*out = take_ptr(buf);
	return 0;
}

static int by_text(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

int rootfs_list(struct rootfs *fs, const char *path, struct strlist *out)
{
	int fd _close_ = open_in(fs, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	_closedir_ DIR *dir = NULL;
	struct dirent *e;
	struct stat st;

	if (fd < 0) {
		remember(fs, path, NULL);
		return fd;
	}
	if (fstat(fd, &st))
		return -errno;
	remember(fs, path, &st);
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	take_fd(fd);
	while ((e = readdir(dir)) && out->n < MAX_ENTRIES)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    strlist_add(out, e->d_name, strlen(e->d_name)))
			return -ENOMEM;
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), by_text);
	return 0;
}

bool rootfs_exists(struct rootfs *fs, const char *path)
{
	int fd _close_ = open_in(fs, path, O_PATH);

	return fd >= 0;
}

bool rootfs_is_dir(struct rootfs *fs, const char *path)
{
	int fd _close_ = open_in(fs, path, O_PATH | O_DIRECTORY);

	return fd >= 0;
}

int rootfs_owner(struct rootfs *fs, const char *path, uid_t *out)
{
	int fd _close_ = open_in(fs, path, O_PATH | O_DIRECTORY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return fd < 0 ? fd : -errno;
	*out = st.st_uid;
	return 0;
}

/* `base` is what the earlier components came to, `rest` what is left of the pattern. */
static int glob_from(struct rootfs *fs, const char *base, const char *rest, unsigned depth,
		     struct strlist *out)
{
	_strlist_ struct strlist names = {0};
	char part[256], path[4096];
	size_t len;
	int err;

	rest += strspn(rest, "/");
	if (!*rest)
		return rootfs_exists(fs, *base ? base : "/") ? strlist_add(out, base, strlen(base))
							     : 0;
	len = strcspn(rest, "/");
	if (len >= sizeof(part) || depth >= MAX_DEPTH)
		return -ENAMETOOLONG;
	memcpy(part, rest, len);
	part[len] = '\0';
	if (!strpbrk(part, "*?[\\")) {
		if (snprintf(path, sizeof(path), "%s/%s", base, part) >= (int)sizeof(path))
			return -ENAMETOOLONG;
		return glob_from(fs, path, rest + len, depth + 1, out);
	}
	err = rootfs_list(fs, *base ? base : "/", &names);
	if (err)
		return err == -ENOMEM ? err : 0;
	for (size_t i = 0; i < names.n && out->n < MAX_ENTRIES; i++) {
		if (fnmatch(part, names.v[i], FNM_PERIOD) != 0 ||
		    snprintf(path, sizeof(path), "%s/%s", base, names.v[i]) >= (int)sizeof(path))
			continue;
		err = glob_from(fs, path, rest + len, depth + 1, out);
		if (err == -ENOMEM)
			return err;
	}
	return 0;
}

int rootfs_glob(struct rootfs *fs, const char *pattern, struct strlist *out)
{
	return pattern[0] == '/' ? glob_from(fs, "", pattern, 0, out) : -EINVAL;
}

int rootfs_realpath(struct rootfs *fs, const char *path, char *out, size_t size)
{
	int fd _close_ = open_in(fs, path, O_PATH);
	char link[64], text[4096];
	size_t skip = strlen(fs->prefix);
	ssize_t n;

	if (fd < 0)
		return fd;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (strncmp(text, fs->prefix, skip) != 0 || (text[skip] != '/' && text[skip] != '\0'))
		return -EXDEV;
	if (text[skip] == '\0')
		return snprintf(out, size, "/") < (int)size ? 0 : -ENAMETOOLONG;
	return (size_t)snprintf(out, size, "%s", text + skip) < size ? 0 : -ENAMETOOLONG;
}

bool rootfs_changed(struct rootfs *fs, const char *root, size_t *from, size_t budget)
{
	bool changed = false;

	if (fs->seen_count == 0)
		return false;
	if (rootfs_open(fs, root))
		return true;
	if (budget > fs->seen_count)
		budget = fs->seen_count;
	for (; budget && !changed; budget--) {
		const struct seen *old = &fs->seen[(*from)++ % fs->seen_count];
		int fd _close_ = open_in(fs, old->path, O_PATH);
		struct seen now = {0};
		struct stat st;

		if (fd >= 0 && fstat(fd, &st) == 0)
			fill_seen(&now, &st);
		changed = now.dev != old->dev || now.ino != old->ino || now.size != old->size ||
			  now.mtime_ns != old->mtime_ns;
	}
	rootfs_close(fs);
	return changed;
}
