/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the MTA files share to read queue directories: bounded, nothing is followed, nothing blocks.
 * Knows directories and files, not what is in them.
 */
#ifndef ST_SPOOL_H
#define ST_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "mail/mta.h"

#define SPOOL_HEADERS_MAX HEADERS_MAX
/* The first read of every file: one page holds most headers. */
#define SPOOL_BLOCK 4096

/* A name in a directory that is being scanned, by getdents64: no stat. `type` is DT_*. */
typedef int (*spool_fn)(void *arg, int dirfd, const char *name, unsigned char type);

/* Calls fn for each name but "." and ".."; stops when fn returns non-zero and returns that; or
 * -errno. */
int spool_scan(int at, const char *path, spool_fn fn, void *arg);

/* The same, descending up to `depth` levels into directories with names of one character (Postfix,
 * Exim). */
int spool_scan_hashed(int at, const char *path, int depth, spool_fn fn, void *arg);

/* Is this name of a scan a directory? A symbolic link never is. */
bool spool_is_dir(int dirfd, const char *name, unsigned char type);

/* Opens a regular file for reading, its last component not followed; -EINVAL: it is something else.
 * `st` may be NULL. */
int spool_open(int at, const char *path, struct stat *st);

/* What a scan for mta.list() carries. */
struct spool_listing {
	const struct mta_queue *q;
	const char *state; /* of the entries */
	entry_fn fn;
	void *arg;
	bool by_change; /* entries get the time of the inode's change, not the file's own */
};

/*
 * Opens the file `name` of message `id` and calls the listing's fn for it; nothing happens when it
 * is gone, is of another thread's share, or is no file by its `type`. Returns what fn returned.
 */
int spool_list_file(const struct spool_listing *l, int dirfd, const char *name, unsigned char type,
		    const char *id);

/* Reads up to `size` bytes at `off`, as many as there are; -errno. The file offset stays. */
ssize_t spool_pread(int fd, char *buf, size_t size, off_t off);

/* Reads a header block at `off` up to its empty line or SPOOL_HEADERS_MAX: one block first, the
 * rest only when it is needed. */
ssize_t spool_headers(int fd, char buf[SPOOL_HEADERS_MAX], off_t off);

/* Reads lines and records of a file through one block; gives up after `reads_left` reads. */
struct spool_window {
	int fd;
	unsigned reads_left;
	off_t start;
	off_t end; /* of the file, as a short read told; 0: not known */
	size_t len;
	char buf[SPOOL_BLOCK];
};

void spool_window_init(struct spool_window *w, int fd, unsigned reads);
/* The byte at `off`; -1 at the end, on an error or when the reads are used up (then reads_left is
 * 0). */
int spool_byte(struct spool_window *w, off_t off);
/* Copies up to n bytes; returns how many there are. */
size_t spool_copy(struct spool_window *w, off_t off, char *out, size_t n);
/*
 * The line (or, with `end` '\0', the record) at *off, without its end, NUL-terminated and cut to
 * `size`. Moves *off behind it. Returns its full length, -1 at the end of the file or of the reads.
 */
ssize_t spool_line(struct spool_window *w, off_t *off, int end, char *out, size_t size);

/* Opens `dir` as a queue of `mta` behind the n that are in out[]; nothing happens when it is no
 * directory or already there. Returns the new n. */
size_t spool_add(const struct mta *mta, const char *dir, struct mta_queue *out, size_t n,
		 size_t max);

/* Is there a directory `name` below `at` (a path or AT_FDCWD's)? */
bool spool_has_dir(const char *dir, const char *name);

/* -ENOENT: the queue's directory is gone; -ESTALE: another one stands at its place; 0: it is there.
 */
int spool_gone(const struct mta_queue *q);

/* Value of the last line "key = value" of a configuration file, read up to 1 MiB; continuation
 * lines are joined. 0 or -errno. */
int spool_setting(const char *file, const char *key, char *out, size_t size);

/* Are all of the n bytes letters or digits, or one of `also`? */
bool spool_is_word(const char *s, size_t n, const char *also);

#endif
