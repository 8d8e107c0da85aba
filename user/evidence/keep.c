// SPDX-License-Identifier: GPL-2.0-only
#include "evidence/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/privilege.h"
#include "base/text.h"
#include "evidence/evidence.h"
#include "output/line_writer.h"

struct keep {
	int files; /* DIR/files */
	struct line_writer index;
	uint64_t bytes;
	bool told;
};

/* Opens a directory that nobody else can put anything into; makes it if it is not there. */
static int open_private(int at, const char *name, const char *show)
{
	_close_ int fd = -1;
	bool made = !mkdirat(at, name, 0700);
	struct stat st;

	if (!made && errno != EEXIST)
		return log_err(errno, "%s cannot be made", show);
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR)) {
		int err = -errno;

		log_warn("%s is a link or no directory: evidence needs a directory of its own",
			 show);
		return err;
	}
	if (fd < 0 || fstat(fd, &st))
		return log_err(errno, "%s cannot be opened", show);
	if (st.st_uid != geteuid() &&
	    !(geteuid() == 0 && at != AT_FDCWD && st.st_uid == PRIVILEGE_FSUID)) {
		log_warn("%s belongs to another user (uid %u): evidence needs a directory of its "
			 "own",
			 show, st.st_uid);
		return -EPERM;
	}
	if (st.st_mode & 0022) {
		log_warn("%s can be written to by others: chmod go-w it, or name another", show);
		return -EPERM;
	}
	return take_fd(fd);
}

static int open_index(int dir)
{
	_close_ int fd =
		openat(dir, "index.jsonl",
		       O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_uid != geteuid())
		return -EPERM;
	return take_fd(fd);
}

int keep_open(const char *dir, struct keep **out)
{
	_close_ int top = -1, files = -1;
	_free_ char *show = NULL;
	struct keep *k;
	int index;

	if (asprintf(&show, "%s/files", dir) < 0)
		return -ENOMEM;
	top = open_private(AT_FDCWD, dir, dir);
	if (top < 0)
		return top;
	files = open_private(top, "files", show);
	if (files < 0)
		return files;
	/* what is written after privilege_drop() is written by it */
	if (geteuid() == 0 && fchown(files, PRIVILEGE_FSUID, PRIVILEGE_FSUID))
		return log_err(errno, "%s cannot be given to uid %d", show, PRIVILEGE_FSUID);
	index = open_index(top);
	if (index < 0)
		return log_err(index, "%s/index.jsonl cannot be written", dir);
	k = calloc(1, sizeof(*k));
	if (!k) {
		close(index);
		return -ENOMEM;
	}
	line_writer_init(&k->index, index);
	k->files = take_fd(files);
	*out = k;
	return 0;
}

void keep_close(struct keep *k)
{
	if (!k)
		return;
	line_writer_close(&k->index);
	close(k->files);
	free(k);
}

void keep_name(char out[KEEP_NAME_MAX + 1], const char *path)
{
	static const char fine[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const char *base = strrchr(path, '/');
	size_t n = 0;

	for (base = base ? base + 1 : path; *base && n < KEEP_NAME_MAX; base++)
		out[n++] = strchr(fine, *base) ? *base : '_';
	out[n] = '\0';
}

/* One message for each run of failures; what was begun must not stay. */
static int failed(struct keep *k, const char *what, int err)
{
	if (!k->told)
		log_err(err, "%s of evidence cannot be written; tracing goes on without", what);
	k->told = true;
	return err;
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

int keep_copy(struct keep *k, const char *sha256, const char *path, const void *data, size_t size)
{
	char base[KEEP_NAME_MAX + 1], name[KEEP_NAME_MAX + 80];
	_close_ int fd = -1;
	int err;

	keep_name(base, path);
	snprintf(name, sizeof(name), "%.64s-%s", sha256, base);
	if (k->bytes + size > EVIDENCE_KEPT_MAX)
		return failed(k, "more than 256 MiB", -EDQUOT);
	fd = openat(k->files, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0)
		return failed(k, "a copy", -errno);
	err = write_all(fd, data, size);
	if (!err && close(take_fd(fd))) /* some file systems say it only now */
		err = -errno;
	if (err) {
		unlinkat(k->files, name, 0);
		return failed(k, "a copy", err);
	}
	k->bytes += size;
	k->told = false;
	return 0;
}

static json_t *text(const char *s)
{
	size_t len = strlen(s), size = 3 * len + 1;
	_free_ char *utf8 = malloc(size);

	if (!utf8)
		return NULL;
	text_utf8(utf8, size, s, len);
	return json_string(utf8);
}

static void put_time(json_t *o, const char *key, uint64_t ns)
{
	char t[CLOCK_RFC3339_SIZE];

	if (!ns)
		return;
	clock_rfc3339(t, ns);
	json_object_set_new(o, key, json_string(t));
}

int keep_index(struct keep *k, const char *path, const struct file_facts *f, uint64_t first_wall_ns,
	       const char *queue_id)
{
	json_auto_t *o = json_object();
	char base[KEEP_NAME_MAX + 1], copy[KEEP_NAME_MAX + 80];
	_free_ char *json = NULL, *line = NULL;
	size_t len = 0;
	int err;

	put_time(o, "first_seen", first_wall_ns);
	json_object_set_new(o, "path", text(path));
	if (f->real_path)
		json_object_set_new(o, "real_path", text(f->real_path));
	if (f->owner >= 0)
		json_object_set_new(o, "owner", json_integer(f->owner));
	if (f->size >= 0)
		json_object_set_new(o, "size", json_integer(f->size));
	put_time(o, "mtime", f->mtime_ns);
	if (f->sha256) {
		json_object_set_new(o, f->sha256_cut ? "sha256_of_start" : "sha256",
				    json_string(f->sha256));
		keep_name(base, path);
		snprintf(copy, sizeof(copy), "files/%.64s-%s", f->sha256, base);
		if (f->kept)
			json_object_set_new(o, "copy", json_string(copy));
	}
	if (f->deleted)
		json_object_set_new(o, "deleted", json_true());
	if (f->note)
		json_object_set_new(o, "note", text(f->note));
	if (queue_id)
		json_object_set_new(o, "queue_id", text(queue_id));
	json = json_dumps(o, JSON_COMPACT);
	line = json ? text_json_line(json, strlen(json), &len) : NULL;
	if (!line)
		return -ENOMEM;
	err = line_write(&k->index, line, len);
	return err ? failed(k, "the index", err) : 0;
}
