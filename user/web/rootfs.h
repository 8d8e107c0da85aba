/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files as another process sees them: below its root directory and in its mount namespace, symbolic
 * links included. Reads are bounded, of regular files only, and remembered, so that a change can be
 * noticed later.
 */
#ifndef ST_WEB_ROOTFS_H
#define ST_WEB_ROOTFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A growing list of strings; the list owns them. */
struct strlist {
	char **v;
	size_t n;
};

int strlist_add(struct strlist *l, const char *s, size_t len); /* 0 or -ENOMEM */
void strlist_clear(struct strlist *l);

#define _strlist_ __attribute__((cleanup(strlist_clear)))

/* A file or directory that was read, or looked for and not there (then all numbers are 0). */
struct seen {
	char *path;
	dev_t dev;
	ino_t ino;
	off_t size;
	uint64_t mtime_ns;
};

struct rootfs {
	int fd; /* O_PATH of the root; only while reading, for it keeps a container's file system
		   busy */
	char prefix[4096]; /* where that root is in the reader's own mount namespace; "" for the
			      same or none */
	struct seen *seen;
	size_t seen_count, files;
	uint64_t bytes;
	bool full; /* a bound was hit: said once */
};

#define ROOTFS_MAX_FILES 10000
#define ROOTFS_MAX_FILE                                                                            \
	(64U << 20) /* cPanel writes all vhosts to one file: 50 MB have been seen                  \
		     */
#define ROOTFS_MAX_BYTES (256U << 20)

/* Opens the directory (usually /proc/PID/root). 0 or -errno. rootfs_close() keeps what was seen;
 * rootfs_free() does not. */
int rootfs_open(struct rootfs *fs, const char *root);
void rootfs_close(struct rootfs *fs);
void rootfs_free(struct rootfs *fs);

/* The whole file and a NUL. *out is the caller's to free. 0, -EFBIG (a bound), -EINVAL (no regular
 * file) or -errno. */
int rootfs_read(struct rootfs *fs, const char *path, char **out, size_t *len);

/* Names in a directory, sorted by strcmp(), without "." and "..". */
int rootfs_list(struct rootfs *fs, const char *path, struct strlist *out);

/* Paths that a pattern with *, ? and [] matches in any component, sorted; a leading dot is matched
 * only by a dot. */
int rootfs_glob(struct rootfs *fs, const char *pattern, struct strlist *out);

bool rootfs_is_dir(struct rootfs *fs, const char *path);
bool rootfs_exists(struct rootfs *fs, const char *path);

/* The uid that a directory belongs to. 0 or -errno. */
int rootfs_owner(struct rootfs *fs, const char *path, uid_t *out);

/* The path without symbolic links, as seen from that root. 0 or -errno. */
int rootfs_realpath(struct rootfs *fs, const char *path, char *out, size_t size);

/*
 * Has any of `budget` files from number *from on changed since it was read? *from moves on, so that
 * all are checked in turn. Opens and closes the root itself.
 */
bool rootfs_changed(struct rootfs *fs, const char *root, size_t *from, size_t budget);

#endif
