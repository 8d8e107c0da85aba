/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Apache's configuration language, read the way httpd 2.4 reads it: files and their includes,
 * sections and conditions, variables and macros come in; directives come out. It knows no
 * directive's meaning but those.
 */
#ifndef ST_WEB_APACHE_CONF_H
#define ST_WEB_APACHE_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "web/rootfs.h"

/* How a server was started. Strings belong to the caller. */
struct apache_start {
	const char *server_root;      /* -d, else compiled in */
	const char *config;           /* -f, else compiled in; may be relative to server_root */
	const char *docroot;          /* compiled in; NULL: unknown */
	struct strlist defines;       /* -D */
	struct strlist before, after; /* -C, -c: directives */
	const char *env;              /* environment, NAME=value with NULs between; NULL: none */
	size_t env_len;
	/* Is this module linked in ("mod_ssl.c")? NULL: not known, then a module that nothing loads
	 * is taken as there. */
	bool (*has_module)(void *arg, const char *source);
	void *has_module_arg;
};

struct apache_handler {
	void *ctx;
	/* word->v[0] is the directive as written. in_location: inside <Location>, where Alias has
	 * no URL. */
	int (*directive)(void *ctx, const struct strlist *word, bool in_location);
	int (*vhost_begin)(void *ctx, const struct strlist *address);
	void (*vhost_end)(void *ctx);
	const char *(*server_root)(void *ctx); /* as changed by a ServerRoot directive, NULL: not */
};

/*
 * Reads everything, in order, to the handler. Returns 0, or the first negative value that the
 * handler returned, or -errno when the main file cannot be read; what is wrong further in is logged
 * (debug) and left out.
 */
int apache_conf_read(struct rootfs *fs, const struct apache_start *start,
		     const struct apache_handler *handler);

/* A path as httpd makes it absolute: relative ones are below `root`. 0 or -ENAMETOOLONG. */
int apache_path(char *out, size_t size, const char *root, const char *path);

#endif
