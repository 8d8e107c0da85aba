/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The programs that have a role: injectors and other parts of MTAs, PHP engines, web servers,
 * interpreters. Found on the paths where they are known to live, in the host's root and in those of
 * containers, by inode; again and again, because they appear and are replaced while tracing.
 */
#ifndef ST_PROGRAMS_H
#define ST_PROGRAMS_H

#include <sys/types.h>

#include "kernel/php_find.h"
#include "kernel/probe.h"
#include "mail/mta.h"

struct programs;

struct program {
	uint32_t id;
	struct st_inode inode;
	struct st_program value;
	const struct mta *mta; /* NULL: not an MTA's */
	char *path;
};

int programs_new(struct probe *p, struct programs **out);
void programs_free(struct programs *p);

/* MTAs whose queues were found come first where two claim one path (/usr/sbin/sendmail). */
void programs_prefer(struct programs *p, const struct mta *const *mtas, size_t count);

/* Looks at all known paths and all processes. 0 or -errno. */
int programs_scan(struct programs *p);

/* Looks again at the paths only: cheap, for every other second. Returns how many were new. */
int programs_rescan(struct programs *p);

/* A process whose program the kernel side saw for the first time, or whose PHP module's address it
 * does not know. */
void programs_seen(struct programs *p, pid_t pid, const struct st_inode *exe, uint64_t start_code);

const struct program *programs_by_id(const struct programs *p, uint32_t id);
const struct program *programs_by_inode(const struct programs *p, const struct st_inode *inode);

/* PHP engines. */
const struct php_engine *programs_engine(const struct programs *p, uint32_t image);

/* The PHP engine that a process runs, and where it is loaded. 0 or -errno. */
int programs_process(struct programs *p, pid_t pid, struct php_process *out);

/* Has a program its numbers not for itself, so that another can pass for it? In words; NULL: none
 * has. */
const char *programs_doubt(const struct programs *p);

/* Is there an engine that runs, whose memory cannot be trusted and whose calls cannot be watched?
 * Then file opens are worth their cost. */
bool programs_untrusted_engine(const struct programs *p);

#endif
