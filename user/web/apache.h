/* SPDX-License-Identifier: GPL-2.0-only */
/* What an Apache configuration says about vhosts and their directories. */
#ifndef ST_WEB_APACHE_H
#define ST_WEB_APACHE_H

#include <stdint.h>

#include "trace/vhost.h"
#include "web/apache_conf.h"
#include "web/rootfs.h"

/* Which running server the vhosts are of; hostname: what a vhost without a ServerName is called
 * (may be NULL). */
struct web_server {
	unsigned number;
	uint32_t mntns;
	const char *hostname;
};

/*
 * Adds the vhosts that httpd 2.4 would have. Returns how many, or -errno when the main file cannot
 * be read or there is no memory (then the table may hold some of them).
 */
int apache_read(struct rootfs *fs, const struct apache_start *start,
		const struct web_server *server, struct vhost_table *table);

/*
 * Adds a directory in every form in which it may be reported: as configured, without symbolic
 * links, and both as the host sees them when the server is in a chroot. `path` is as the server
 * sees it.
 */
int web_add_dir(struct rootfs *fs, struct vhost_table *t, int vhost,
		const struct web_server *server, enum vhost_dir_kind kind, const char *path);

#endif
