// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "mail/spool.h"

/* The kernel's struct linux_dirent64 as getdents64(2) has it; glibc's dirent64 is the same layout.
 */
int spool_scan(int at, const char *path, spool_fn fn, void *arg)
{
	char buf[32768] __attribute__((aligned(8)));
	_close_ int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (;;) {
		long n = syscall(SYS_getdents64, fd, buf, sizeof(buf));

		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		for (long i = 0; i < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(const void *)(buf + i);
			const char *name = d->d_name;
			int r;

			i += d->d_reclen;
			if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])))
				continue;
			r = fn(arg, fd, name, d->d_type);
			if (r)
				return r;
		}
	}
}

struct hashed {
	spool_fn fn;
	void *arg;
	int depth;
};

static int hashed_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	const struct hashed *h = arg;

	if (h->depth > 0 && !name[1] && spool_is_dir(dirfd, name, type)) {
		int r = spool_scan_hashed(dirfd, name, h->depth - 1, h->fn, h->arg);

		return r == -ENOENT || r == -EACCES ? 0 : r;
	}
	return h->fn(h->arg, dirfd, name, type);
}

int spool_scan_hashed(int at, const char *path, int depth, spool_fn fn, void *arg)
{
	struct hashed h = {.fn = fn, .arg = arg, .depth = depth};

	return spool_scan(at, path, hashed_entry, &h);
}

bool spool_is_dir(int dirfd, const char *name, unsigned char type)
{
	struct stat st;

	if (type != DT_UNKNOWN)
		return type == DT_DIR;
	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Reading a full queue would write an access time for each file, which only its owner may forgo. */
static int open_quietly(int at, const char *path)
{
	static atomic_bool refused;
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = refused ? -1 : openat(at, path, flags | O_NOATIME);

	if (!refused && (fd >= 0 || errno != EPERM))
		return fd;
	refused = true;
	return openat(at, path, flags);
}

int spool_open(int at, const char *path, struct stat *st)
{
	struct stat own;
	_close_ int fd = open_quietly(at, path);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &own) < 0)
		return -errno;
	if (!S_ISREG(own.st_mode))
		return -EINVAL;
	if (st)
		*st = own;
	return take_fd(fd);
}

/* FNV-1a; which thread takes a message is of no consequence. */
static bool of_share(const struct mta_queue *q, const char *id)
{
	uint32_t h = 2166136261U;

	if (q->shares < 2)
		return true;
	while (*id)
		h = (h ^ (unsigned char)*id++) * 16777619U;
	return (h ^ h >> 16) % q->shares == q->share;
}

static uint64_t ns_of(struct timespec t)
{
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

int spool_list_file(const struct spool_listing *l, int dirfd, const char *name, unsigned char type,
		    const char *id)
{
	struct queue_entry e = {.state = l->state, .bytes = COUNT_UNKNOWN};
	struct stat st;
	int r;

	if ((type != DT_REG && type != DT_UNKNOWN) || !of_share(l->q, id) ||
	    text_copy(e.id, sizeof(e.id), id) < 0)
		return 0;
	e.fd = spool_open(dirfd, name, &st);
	if (e.fd == -ENOENT)
		return 0;
	if (e.fd >= 0) {
		e.bytes = st.st_size;
		e.mtime_ns = ns_of(l->by_change ? st.st_ctim : st.st_mtim);
	}
	r = l->fn(l->arg, &e);
	if (e.fd >= 0)
		close(e.fd);
	return r;
}

ssize_t spool_pread(int fd, char *buf, size_t size, off_t off)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = pread(fd, buf + have, size - have, off + (off_t)have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		have += (size_t)n;
		/* a short read of a regular file is its end */
		if (n == 0 || have < size)
			break;
	}
	return (ssize_t)have;
}

static bool has_empty_line(const char *s, size_t n)
{
	const char *end = s + n;

	for (const char *p = s; (p = memchr(p, '\n', (size_t)(end - p))); p++)
		if (p + 1 < end && (p[1] == '\n' || (p[1] == '\r' && p + 2 < end && p[2] == '\n')))
			return true;
	return false;
}

ssize_t spool_headers(int fd, char buf[SPOOL_HEADERS_MAX], off_t off)
{
	ssize_t n = spool_pread(fd, buf, SPOOL_BLOCK, off), more;

	if (n < SPOOL_BLOCK || has_empty_line(buf, (size_t)n))
		return n;
	more = spool_pread(fd, buf + n, SPOOL_HEADERS_MAX - (size_t)n, off + n);
	return more < 0 ? n : n + more;
}

void spool_window_init(struct spool_window *w, int fd, unsigned reads)
{
	w->fd = fd;
	w->reads_left = reads;
	w->start = w->end = 0;
	w->len = 0;
}

/* Makes the window hold `off`. */
static bool window_at(struct spool_window *w, off_t off)
{
	ssize_t n;

	if (off >= w->start && off - w->start < (off_t)w->len)
		return true;
	if (off < 0 || !w->reads_left || (w->end && off >= w->end))
		return false;
	w->reads_left--;
	n = spool_pread(w->fd, w->buf, sizeof(w->buf), off);
	w->start = off;
	w->len = n > 0 ? (size_t)n : 0;
	if (n > 0 && w->len < sizeof(w->buf))
		w->end = off + n;
	return n > 0;
}

int spool_byte(struct spool_window *w, off_t off)
{
	if (!window_at(w, off))
		return -1;
	return (unsigned char)w->buf[off - w->start];
}

size_t spool_copy(struct spool_window *w, off_t off, char *out, size_t n)
{
	size_t have = 0;

	while (have < n && window_at(w, off + (off_t)have)) {
		size_t at = (size_t)(off + (off_t)have - w->start);
		size_t part = w->len - at < n - have ? w->len - at : n - have;

		memcpy(out + have, w->buf + at, part);
		have += part;
	}
	return have;
}

ssize_t spool_line(struct spool_window *w, off_t *off, int end, char *out, size_t size)
{
	size_t full = 0, kept = 0;
	bool found = false;

	if (!window_at(w, *off))
		return -1;
	while (!found && window_at(w, *off)) {
		size_t at = (size_t)(*off - w->start), n = w->len - at;
		const char *e = memchr(w->buf + at, end, n);

		if (e) {
			found = true;
			n = (size_t)(e - (w->buf + at));
		}
		if (kept + 1 < size) {
			size_t part = n < size - 1 - kept ? n : size - 1 - kept;

			memcpy(out + kept, w->buf + at, part);
			kept += part;
		}
		full += n;
		*off += (off_t)(n + found);
	}
	if (size)
		out[kept] = '\0';
	if (!found && !w->reads_left)
		return -1;
	return (ssize_t)full;
}

size_t spool_add(const struct mta *mta, const char *dir, struct mta_queue *out, size_t n,
		 size_t max)
{
	char real[PATH_MAX];
	struct stat st, other;
	struct mta_queue *q;
	_close_ int fd = -1;

	if (n >= max)
		return n;
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return n;
	/* /proc/PID/root leads into a container; the text of that link does not */
	if (!realpath(dir, real) || stat(real, &other) < 0 || other.st_dev != st.st_dev ||
	    other.st_ino != st.st_ino)
		snprintf(real, sizeof(real), "%s", dir);
	for (size_t i = 0; i < n; i++)
		if (fstat(out[i].fd, &other) == 0 && other.st_dev == st.st_dev &&
		    other.st_ino == st.st_ino)
			return n;
	q = &out[n];
	memset(q, 0, sizeof(*q));
	q->mta = mta;
	if (text_copy(q->directory, sizeof(q->directory), real) < 0)
		return n;
	memcpy(q->inner, q->directory, sizeof(q->inner));
	q->fd = take_fd(fd);
	return n + 1;
}

bool spool_has_dir(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return false;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int spool_gone(const struct mta_queue *q)
{
	struct stat mine, now;

	if (q->fd < 0 || fstat(q->fd, &mine) < 0)
		return -ENOENT;
	if (stat(q->directory, &now) < 0)
		return mine.st_nlink ? 0 : -ENOENT;
	if (now.st_dev != mine.st_dev || now.st_ino != mine.st_ino)
		return -ESTALE;
	return 0;
}

/* "key = value", "key=value": the value in `line`, or NULL. */
static char *value_of(char *line, const char *key)
{
	size_t n = strlen(key);

	line += strspn(line, " \t");
	if (strncmp(line, key, n) != 0)
		return NULL;
	line += n;
	line += strspn(line, " \t");
	if (*line != '=')
		return NULL;
	line++;
	return line + strspn(line, " \t");
}

/* Cuts white space from the end. */
static void trim_end(char *s)
{
	size_t n = strlen(s);

	while (n && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
}

static int setting_in(char *text, size_t max, const char *file, const char *key, char *out,
		      size_t size)
{
	_close_ int fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t n;
	int found = -ENOENT;
	char *next;

	if (fd < 0)
		return -errno;
	n = spool_pread(fd, text, max, 0);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	/* Continuation: a line that starts with white space (Postfix), or a backslash at the end
	 * (Exim). */
	for (char *p = text; (p = strchr(p, '\n')); p++) {
		if (p > text && p[-1] == '\\')
			p[-1] = p[0] = ' ';
		else if (p[1] == ' ' || p[1] == '\t')
			p[0] = ' ';
	}
	for (char *line = text; line; line = next) {
		char *value;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		value = value_of(line, key);
		if (!value)
			continue;
		trim_end(value);
		if (text_copy(out, size, value) == 0)
			found = 0;
	}
	return found;
}

int spool_setting(const char *file, const char *key, char *out, size_t size)
{
	size_t max = 1 << 20;
	char *text = malloc(max + 1);
	int r;

	if (!text)
		return -ENOMEM;
	r = setting_in(text, max, file, key, out, size);
	free(text);
	return r;
}

bool spool_is_word(const char *s, size_t n, const char *also)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		      (c && strchr(also, c))))
			return false;
	}
	return n > 0;
}
