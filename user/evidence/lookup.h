/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds a file as another process sees it, and judges whether that process may read it. */
#ifndef ST_EVIDENCE_LOOKUP_H
#define ST_EVIDENCE_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "spamtrace.h"

#define VIEWER_GROUPS 32

/* A process's view of the file system, and its rights in it. */
struct viewer {
	struct st_task task;
	uint32_t uid, gid;
	dev_t root_dev;
	ino_t root_ino;
	bool alive; /* when it was looked at */
	bool own;   /* its root is the tracer's */
	unsigned groups;
	uint32_t group[VIEWER_GROUPS]; /* supplementary; more than these are not believed */
};

/*
 * Fills out: root and groups from /proc while the process lives, else the tracer's own root if the
 * mount namespace is. `own_root` is a descriptor of the tracer's root. 0, -ESRCH: gone, and its
 * view with it; or -errno.
 */
int viewer_of(const struct st_task *task, uint32_t uid, uint32_t gid, uint32_t mntns,
	      uint32_t own_mntns, int own_root, struct viewer *out);

/* A file that was found; descriptors are O_PATH: nothing was opened yet. */
struct found {
	int fd, dir; /* dir: -1 when it was found through a descriptor of the process */
	int root;    /* the viewer's root; -1 as dir */
	struct stat st;
	bool deleted; /* found through a descriptor or a mapping of the process */
};

#define FOUND_NONE ((struct found){.fd = -1, .dir = -1, .root = -1})
void found_close(struct found *f);
#define _found_ __attribute__((cleanup(found_close)))

/*
 * By name: every link in a directory of the path is followed below the viewer's root, none at its
 * end. 0, -ENOENT, -ESRCH (the process of a foreign root is gone) or -errno. `out` is FOUND_NONE
 * before, and to be closed after.
 */
int find_by_name(const struct viewer *v, int own_root, const char *path, struct found *out);

/* A deleted file of that name which the process still has open or mapped. 0 or -ENOENT. */
int find_deleted(const struct viewer *v, const char *path, struct found *out);

/* May the viewer read it, by owner, groups and mode of the file and every directory above it? */
bool may_read(const struct viewer *v, const struct found *f);

/* The name without links, when it differs from `path` and is known. malloc'd or NULL. */
char *real_name(const struct viewer *v, const struct found *f, const char *path);

/* Opens a regular file that was found, for reading. A descriptor or -errno. */
int open_found(const struct found *f);

#endif
