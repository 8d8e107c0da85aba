/* SPDX-License-Identifier: GPL-2.0-only */
/* What programs' files share: the registry, paths, and processes with PHP in them. */
#ifndef ST_PROGRAMS_INTERNAL_H
#define ST_PROGRAMS_INTERNAL_H

#include "base/hash.h"
#include "kernel/dir_glob.h"
#include "kernel/inode.h"
#include "kernel/programs.h"

#define MAX_PREFERRED 8
#define MAX_PROGRAMS  16384 /* of map programs, and of those that are remembered */
#define MAX_WATCHED   ST_MAX_IMAGES
#define MAX_HTTPDS    64
#define MAX_BASES     1024 /* of map php_bases */
#define MAX_HELD      512

struct node {
	struct program program;
	struct file_stamp stamp; /* of the file that it is */
	bool forgotten;          /* another file has its inode, or may have it soon */
	bool refused;            /* the kernel side did not take it the last time */
	bool gone;               /* its path did not lead to it when it was looked at last */
	int hold;                /* programs_hold(); -1: not held */
	bool elsewhere;          /* seen last in a mount that is not held: a service's own, say */
	UT_hash_handle hh, hh_id;
};

/* One exec of a web server, and the process of it that was looked at last. */
struct httpd {
	struct st_base_key key;
	pid_t pid;
	bool none; /* it had no PHP */
};

struct programs {
	struct httpd httpds[MAX_HTTPDS];
	size_t httpd_count;
	struct probe *probe;
	struct node *by_inode;
	struct node *by_id; /* by hh_id, those that are forgotten as well; the oldest first */
	uint32_t last_id;
	unsigned held;
	bool hold_refused;  /* and that was told */
	bool full;          /* and that was told; until one finds room again */
	bool image_refused; /* by the kernel side, and that was told */
	bool base_refused;
	uint64_t bases_forgotten; /* boot ns; 0: never */
	struct php_finder *finder;
	const struct mta *preferred[MAX_PREFERRED];
	size_t preferred_count;
	bool untrusted;
	bool shared; /* a program with a role is file_id.shared; that was told */
	enum {
		WATCH_NOT,
		WATCH_CALLS,
		WATCH_REFUSED
	} watch[MAX_WATCHED]; /* by engine that cannot be read */
	bool told[MAX_WATCHED];
	unsigned revision[MAX_WATCHED]; /* of the engine that these are about */
	struct node *to_prove;          /* that is to be looked at next; NULL: the oldest */
	uint32_t container[64];         /* mount namespaces that were looked at */
	size_t containers;
	struct dir_glob *others; /* programs_paths.c: by the number of the path */
};

/* programs.c: registers a program once; a role is never taken back, a stronger claim (PHP,
 * injector) replaces an interpreter's. Returns 1 when it was new, else 0 or -errno. What the kernel
 * side refuses is registered all the same, told once, and set by programs_retry(). A file that has
 * the inode of another that was known is a new program. Where MAX_PROGRAMS are known one that is
 * forgotten goes; for one with a role also what has none, or an injector whose file is gone; else
 * -E2BIG. What goes has no name any more, and its number is nobody else's. */
int programs_add(struct programs *p, const struct file_id *file, const char *path,
		 const struct mta *mta, uint32_t role, uint32_t flags, uint32_t image);

/* programs.c: tries again what was refused; how many are set now. */
int programs_retry(struct programs *p);
/* programs.c: what is known of an inode, if it is still this file; else that is forgotten. NULL:
 * nothing. */
const struct program *programs_prove(struct programs *p, const struct file_id *now);
/* programs.c: is this file known? */
bool programs_knows(const struct programs *p, const struct file_id *file);
/* programs.c: looks again at some of the files that are known, by the paths that they had: what a
 * file held is forgotten where another has its inode, and what has no role where it is not there
 * any more, so that its number may be another's. */
void programs_prove_some(struct programs *p);
/* programs.c: the program that an engine was, whose file is another now. */
void programs_forget_engine(struct programs *p, const struct php_engine *e);
/* programs.c: the file open at `fd` (O_PATH will do) stays there until it is forgotten, though it
 * be deleted: as long as it has a role its inode number is no other file's. Only root's files,
 * which are few, and only in mounts of this process: a container's could not be taken down. */
void programs_hold(struct programs *p, int fd, const struct st_inode *inode);
/* programs.c: the same, of what `path` leads to if it has that inode; not again where it was seen
 * elsewhere: of one that is known by its path, too, that is what holds it. */
void programs_hold_at(struct programs *p, const char *path, pid_t pid,
		      const struct st_inode *inode);
/* programs.c: sets a known program again. */
void programs_forgotten(struct programs *p, const struct st_inode *inode);

/* programs_paths.c: the MTAs' paths below `root` ("": the host's), which process `pid` has (0: this
 * one), and the host's of all others. Return how many were new, or -ENOMEM. */
int programs_scan_mtas(struct programs *p, const char *root, pid_t pid);
int programs_scan_others(struct programs *p);
void programs_free_others(struct programs *p);
/* Tells the finder of PHP programs of another root that are run for one script each. */
void programs_find_engines(struct programs *p, const char *root, pid_t pid);
/* Does root, as that process has it, own what it runs? */
bool programs_is_roots(pid_t pid);
/* A program by a name that an MTA uses, wherever it lies: a container's, a copy. */
void programs_add_by_name(struct programs *p, pid_t pid, const struct st_inode *exe);

#endif
