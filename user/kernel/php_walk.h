/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one PHP worker is doing now, read from its memory by process_vm_readv: what bpf/php.bpf.h
 * reads at a fork, from outside and at any time. The worker runs on meanwhile, may vanish, and may
 * hold garbage: every read is bounded, what changed while it was read is read again, and nothing
 * here crashes on what it finds.
 *
 * Not bounded in time: a process that maps a file of a FUSE server of its own makes whoever reads
 * it wait for that server.
 */
#ifndef ST_PHP_WALK_H
#define ST_PHP_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/php_image.h"
#include "spamtrace.h"

#define PHP_WALK_PATH 1024
#define PHP_WALK_NAME 256

struct php_walk_frame {
	char file[PHP_WALK_PATH];     /* "" for an internal function */
	char function[PHP_WALK_NAME]; /* "" for code of a file or of eval() */
	char scope[PHP_WALK_NAME];    /* class */
	uint32_t line;                /* 0: none */
	uint8_t type;                 /* enum st_frame_type */
};

/* Strings end with NUL, are hostile, and "" where nothing is known. */
struct php_walk_request {
	uint32_t flags;             /* enum st_origin_flags */
	uint8_t sapi;               /* enum st_sapi */
	bool cut;                   /* a string was longer than its room */
	char sapi_name[24];         /* "fpm-fcgi" */
	char script[PHP_WALK_PATH]; /* as the engine has it; ST_O_SCRIPT_* in flags says where from
				     */
	char included[PHP_WALK_PATH]; /* the first of EG(included_files) */
	char uri[PHP_WALK_PATH];
	char method[32];
	char host[PHP_WALK_NAME];        /* what the client claimed */
	char server_name[PHP_WALK_NAME]; /* what the server decided: server_rec.server_hostname,
					    mod_php only */
	char docroot[PHP_WALK_PATH];
	char client[64];
	char filename[PHP_WALK_PATH]; /* request_rec.filename, mod_php only */
	double time;                  /* of the request, seconds since 1970; 0: unknown */
};

struct php_walk {
	bool idle; /* no request: nothing else is filled but sapi and sapi_name */
	bool torn; /* the stack changed at every try: its frames may not belong together */
	unsigned frames;
	struct php_walk_request request;
	struct php_walk_frame frame[ST_MAX_FRAMES]; /* innermost first */
};

/*
 * Reads process `pid`, whose engine `image` (usable) is loaded at `base`. 0: *out is filled;
 * -ESRCH: the process is gone; -EPERM: it may not be read; -EAGAIN: its requests change faster than
 * they can be read; -EFAULT: its memory is not laid out as the image says; -ENOTSUP: the image is
 * not usable; -ENOMEM.
 */
int php_walk(pid_t pid, const struct php_image *image, uint64_t base, struct php_walk *out);

/*
 * Does the layout fit this living process? 0: proved by a running request; -ENODATA: nothing
 * contradicts it, but it is idle, so only the module's name was proved; -EFAULT: no, and `why` says
 * in words what did not fit; else as php_walk().
 */
int php_walk_selftest(pid_t pid, const struct php_image *image, uint64_t base, char *why,
		      size_t size);

#endif
