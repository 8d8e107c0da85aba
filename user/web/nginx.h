/* SPDX-License-Identifier: GPL-2.0-only */
/* What an nginx configuration says about servers and their directories. */
#ifndef ST_WEB_NGINX_H
#define ST_WEB_NGINX_H

#include "trace/vhost.h"
#include "web/apache.h"
#include "web/rootfs.h"

struct nginx_start {
	const char *prefix; /* -p, else compiled in: what relative roots are relative to */
	const char *config; /* -c, else compiled in; may be relative to the prefix */
};

/*
 * Adds the server blocks of http. Returns how many, or -errno when the main file cannot be read or
 * there is no memory.
 */
int nginx_read(struct rootfs *fs, const struct nginx_start *start, const struct web_server *server,
	       struct vhost_table *table);

#endif
