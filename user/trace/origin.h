/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Origins: what a PHP worker was doing when it forked, execed or connected. Kept while a task that
 * carries one, or a message that waits for its queue file, refers to it. Pure.
 */
#ifndef ST_ORIGIN_H
#define ST_ORIGIN_H

#include "base/hash.h"
#include "kernel/decode.h"
#include "trace/event.h"

/* What a web server told a CGI program in its environment. Strings are NULL where it said nothing;
 * they live in text[]. */
struct cgi_request {
	bool cgi;   /* GATEWAY_INTERFACE was set: it is a request, not a helper of the server */
	bool cut;   /* the environment was not seen to its end */
	bool twice; /* one of these names stood there more than once, with other values */
	const char *script; /* SCRIPT_FILENAME: the program, or the one that handles it (Action) */
	const char *translated; /* PATH_TRANSLATED where an Action handles it: the file that was
				   asked for */
	const char *docroot, *client, *host, *uri, *method;
	char text[];
};

struct origin {
	uint64_t id, parent;
	uint32_t refs;
	bool parent_lost; /* it had one, whose record was lost; parent is 0 */
	bool connecting;  /* one of them is of the connection that it was made for, until that is
			     established or given up */
	struct origin *prev, *next;   /* of those connecting, oldest first */
	uint64_t time;                /* of its record, boot ns */
	struct st_task worker, child; /* child: ST_BY_FORK */
	struct st_inode exe;
	uint32_t uid, euid, gid, mntns, image;
	uint32_t flags; /* enum st_origin_flags */
	uint8_t why, sapi;
	bool stack_cut, script_cut, included_cut, filename_cut;
	bool unreadable; /* the engine's memory is not trusted: script, if any, is from its calls or
			    opens */
	/* NULL where unknown; all live in text[] */
	const char *script, *included, *uri, *method, *host, *server_name, *docroot, *client,
		*filename, *cwd;
	struct frame frames[EVENT_MAX_FRAMES]; /* innermost first, eval unwrapped */
	size_t frame_count;
	uint32_t guessed_lines; /* 1 << frame: its line is that of an earlier fork of the same
				   worker */
	char *environment;      /* what user space read of a plain CGI's; malloc'd, NULL: nothing */
	/* ST_BY_CGI: filled by origin_environment() */
	struct cgi_request *request;
	char *env; /* pieces that have come so far */
	uint32_t env_len;
	UT_hash_handle hh;
	char text[];
};

/* Copies an ST_ORIGIN record. 0, -EPROTO or -ENOMEM. refs is 0. */
int origin_new(const struct record *r, struct origin **out);

void origin_free(struct origin *o);

/*
 * Takes an ST_ENV record; the pieces come in order, and the last one fills o->request. 0, -EPROTO
 * when one is missing (the request is then what came before it, marked cut) or -ENOMEM.
 */
int origin_environment(struct origin *o, const struct record *r);

/* Is it the start of a program that serves a CGI request? */
bool origin_is_cgi(const struct origin *o);

/* A plain CGI: its request is in the environment of its process, and nowhere else. */
bool origin_wants_environment(const struct origin *o);

/*
 * Takes request variables that user space read from the worker's environment: "NAME=value" strings,
 * each ended by NUL, `len` bytes, malloc'd (now the origin's). What the engine's memory said stays.
 */
void origin_take_environment(struct origin *o, char *block, size_t len);

/*
 * A worker that forked itself (pcntl_fork) and did not execute another program: what could not be
 * read of the copy stands in the origin of that fork, `from`, which must outlive it (NULL: there is
 * none). Frames are matched from the outermost; those whose line only `from` has are in
 * o->guessed_lines. Frames that nothing is known of are dropped.
 */
void origin_inherit(struct origin *o, const struct origin *from);

/* The primary script of an origin, and how far it can be trusted. */
struct primary {
	char path[1024];
	bool exact;
	const char *reason; /* static text, NULL when exact */
};

/*
 * By SAPI: which field holds the script that the server or the command line asked for differs, and
 * so does what is left of it in shutdown functions (facts measured on PHP 8.2; path_translated is
 * gone there). -ENOENT if nothing names it.
 */
int origin_primary(const struct origin *o, struct primary *out);

/* "proxy:fcgi://host/path" of mod_proxy_fcgi to "/path"; other strings stay. Points into `s`. */
const char *origin_strip_proxy(const char *s);

#endif
