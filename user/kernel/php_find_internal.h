/* SPDX-License-Identifier: GPL-2.0-only */
/* What php_find's files share: the finder. php_find.c has files, php_find_process.c processes. */
#ifndef ST_PHP_FIND_INTERNAL_H
#define ST_PHP_FIND_INTERNAL_H

#include "kernel/dir_glob.h"
#include "kernel/php_find.h"

/* Both caches only save work: they are emptied when they are full. */
#define MAX_CACHED 4096

/* Engines whose file is not root's: anybody can make as many as he likes. */
#define MAX_UNTRUSTED 128

/* A program that was looked at: what runs there. One entry per exec, shared by its forked children.
 */
struct seen {
	struct st_base_key key;
	const struct php_engine *engine; /* NULL: none */
	uint64_t base;
};

struct php_finder {
	void (*found)(const struct php_engine *e, void *ctx);
	void *ctx;
	struct php_engine **engines;
	size_t engine_count;
	bool told;             /* that there are more than MAX_UNTRUSTED */
	struct file_id *plain; /* files that hold no engine */
	size_t plain_count;
	struct seen *seen;
	size_t seen_count;
	struct dir_glob *known; /* by the number of the path */
};

/*
 * php_find.c: opens `open_path` (which may be a link of /proc, so that it is the very file that
 * runs) and finds or makes its engine. -ENOENT: none. `named`: its name says PHP, so it is one even
 * if nothing is exported.
 */
int php_finder_file(struct php_finder *f, const char *open_path, const char *show_path, pid_t pid,
		    bool named, const struct php_engine **out);

#endif
