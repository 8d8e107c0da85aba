/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The web servers that run on this machine, whatever namespace they are in, and the table of their
 * vhosts.
 *
 * Only servers whose master process runs as root are believed: any user can run something called
 * httpd with a configuration that gives his directory somebody else's name.
 */
#ifndef ST_WEB_SERVERS_H
#define ST_WEB_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "trace/vhost.h"

struct servers;

/* `proc`: "/proc", or a tree like it. NULL when there is no memory. */
struct servers *servers_new(const char *proc);
void servers_free(struct servers *s);
static inline void servers_freep(struct servers **s)
{
	servers_free(*s);
}

/*
 * Finds the servers and reads their configuration, and the panels' files. On success *out is a new
 * table, the caller's to free. 0 or -ENOMEM; what cannot be read is logged and left out, so the
 * table may be empty.
 */
int servers_read(struct servers *s, struct vhost_table **out);

/*
 * Should servers_read() be called again: a file that was read has changed, or the set of servers
 * has and has come to rest. Cheap, made to be called once a second: a few hundred stat() calls at
 * most, and a look at all processes every fifth time.
 */
bool servers_changed(struct servers *s);

/* What the last servers_read() found; for doctor. The strings are valid until the next one. */
struct server_info {
	enum vhost_software software;
	pid_t pid;
	const char *exe, *config;
	int vhosts; /* or -errno */
	size_t files;
};
size_t servers_count(const struct servers *s);
void servers_info(const struct servers *s, size_t i, struct server_info *out);

#endif
