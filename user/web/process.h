/* SPDX-License-Identifier: GPL-2.0-only */
/* Web server processes: which there are and how each was started. Reads /proc, or a tree like it.
 */
#ifndef ST_WEB_PROCESS_H
#define ST_WEB_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "trace/vhost.h"
#include "web/apache_conf.h"
#include "web/nginx.h"

struct master {
	pid_t pid;
	uint64_t started; /* field 22 of /proc/PID/stat: pid and this are one process */
	enum vhost_software software;
};

/* A program's image, looked through for what was compiled in. */
struct image {
	void *map;
	size_t len;
};

/* How a server was started, and what owns the strings. Free with startup_clear(). */
struct startup {
	char exe[4096];
	char server_root[4096], config[4096], docroot[4096];
	char *env, *cmdline;
	size_t env_len;
	struct image image;
	struct apache_start apache;
	struct nginx_start nginx;
};

/*
 * Masters of Apache (and LiteSpeed, which reads its files) and nginx that run as root, by pid, at
 * most `max`. Returns how many, or -errno.
 */
int masters_find(const char *proc, struct master *out, size_t max);

/* Does this very process still run? */
bool master_alive(const char *proc, const struct master *m);

/* Fills *out for one of them; on failure there is nothing to clear. `fs` is open on its root. 0 or
 * -errno. */
int startup_read(const char *proc, const struct master *m, struct rootfs *fs, struct startup *out);
void startup_clear(struct startup *s);

#endif
