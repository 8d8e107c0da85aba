/* SPDX-License-Identifier: GPL-2.0-only */
/* What `spamtrace workers` reads and prints. */
#ifndef ST_WORKERS_H
#define ST_WORKERS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "kernel/php_find.h"
#include "kernel/php_walk.h"
#include "trace/vhost.h"

enum worker_status {
	WORKER_BUSY,
	WORKER_IDLE,
	WORKER_MASTER, /* only makes workers: php-fpm's master, the first httpd */
	WORKER_UNREAD, /* see reason */
};

struct worker {
	pid_t pid, parent;
	uint64_t start; /* ticks since boot: with pid, who it is */
	uid_t uid;      /* effective: whose rights the script has */
	char user[64];  /* name, or the number */
	char sapi[24];  /* as the engine calls it: "fpm-fcgi"; "" when unread */
	char state;     /* R, S, D ... of /proc/PID/stat */
	uint64_t cpu_ns;
	double cpu; /* percent of one CPU since the last look; negative: unknown */
	struct php_process process;
	enum worker_status status;
	char reason[200]; /* WORKER_UNREAD: why, in words */
	double since;     /* seconds since 1970: of the request, else of the process */
	bool since_request;
	struct vhost_answer vhost; /* name "" when nothing names one */
	struct php_walk *walk;     /* NULL unless busy; only `frames` of its frames are there */
};

struct workers {
	struct worker *list;
	size_t count;
	unsigned busy, idle, unread;
	unsigned denied; /* processes that could not even be looked at */
	double wall;     /* seconds since 1970, when this was read */
	uint64_t boot_ns;
};

/*
 * Reads every PHP worker of the host. `before` (may be NULL) is the last look, for CPU and for how
 * long a request has been seen; `vhosts` may be NULL. 0, and *out is the caller's to free; or
 * -errno.
 */
int workers_read(struct php_finder *finder, const struct vhost_table *vhosts,
		 const struct workers *before, struct workers *out);
void workers_free(struct workers *w);

struct workers_view {
	const char *user, *vhost, *script; /* filters; NULL: all */
	bool all;                          /* idle and unread ones too */
	bool stack;
	unsigned columns; /* 0: nothing is cut */
	unsigned rows;    /* 0: all */
	bool color;
};

/* Does the filter let it through? */
bool workers_shown(const struct workers_view *v, const struct worker *w);

/* A page of rows; 0 or -errno of `out`. */
int workers_print_table(FILE *out, const struct workers_view *v, const struct workers *w);

/* "3 busy, 12 idle; 2 could not be read: ..." one sentence each, through `line`. */
void workers_explain(const struct workers *w, void (*line)(const char *fmt, ...));

/* One object a line: `php-worker` each, then `php-workers-ended` with the counts. 0 or -errno. */
int workers_print_json(FILE *out, const struct workers_view *v, const struct workers *w);

#endif
