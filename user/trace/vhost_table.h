/* SPDX-License-Identifier: GPL-2.0-only */
/* The inside of struct vhost_table: for vhost_table.c, which fills it, and vhost.c, which asks it.
 */
#ifndef ST_TRACE_VHOST_TABLE_H
#define ST_TRACE_VHOST_TABLE_H

#include "trace/vhost.h"

struct vhost {
	enum vhost_software software;
	unsigned server;
	uint32_t mntns;
	int64_t owner; /* uid of its document root, COUNT_UNKNOWN */
	bool guessed, canonical;
	char *name;   /* NULL: none */
	char **alias; /* as configured */
	size_t alias_count;
	struct vhost_listen *listen; /* addresses owned */
	size_t listen_count;
};

/* A directory or pattern and whose it is. */
struct vhost_dir {
	int vhost; /* VHOST_EVERY: all of `server` */
	unsigned server;
	enum vhost_dir_kind kind;
	char *path;
	size_t next; /* in the chain of its hash, +1; 0 ends it */
};

struct vhost_home {
	char *user, *dir;
	size_t next;
};

#define VHOST_BUCKETS 4096

struct vhost_table {
	struct vhost *vhost;
	size_t vhosts;
	struct vhost_dir *dir; /* DOCROOT and ALIAS, found by hash of the path */
	size_t dirs;
	struct vhost_dir *pattern; /* USERDIR, VIRTUAL and NGINX, tried in turn */
	size_t patterns;
	struct vhost_home *home;
	size_t homes;
	uint32_t panels;
	size_t dir_chain[VHOST_BUCKETS], home_chain[VHOST_BUCKETS];
};

/* The bucket of the first `len` bytes of a path. */
size_t vhost_bucket(const char *path, size_t len);

#endif
