/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Evidence before it vanishes: what the file to blame was when it sent, and on request a copy of
 * it.
 *
 * The file is a customer's and so is every directory above it, and its name comes from the memory
 * of a process that a customer's code runs in. It is therefore looked up as that process sees it,
 * no device, FIFO or link is ever opened, and its contents are read only if that process may read
 * them: nobody gets /etc/shadow hashed or copied by naming it.
 */
#ifndef ST_EVIDENCE_H
#define ST_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spamtrace.h"
#include "trace/event.h"

/* Bounds, so that a spammer with many, large or changing files cannot hold the tracer up. */
#define EVIDENCE_FILE_MAX                                                                          \
	(4U << 20)            /* bytes of a file that are hashed; larger ones are not copied */
#define EVIDENCE_FILES    256 /* new or changed files a second */
#define EVIDENCE_BYTES    (16U << 20)    /* read for hashing, a second */
#define EVIDENCE_CACHE    (4U << 20)     /* memory for files that are known */
#define EVIDENCE_KEPT_MAX (256ULL << 20) /* bytes of all copies of one run */
#define EVIDENCE_RECHECK  1000000000ULL  /* a known file is looked at again after this long, ns */

struct evidence_locker;

/* Whose file, and through whose eyes it is looked for. */
struct evidence_subject {
	const char *path; /* as the engine or the command line has it; not absolute: no facts */
	struct st_task worker; /* tgid 0: not known */
	uint32_t uid, gid;     /* that it ran with */
	uint32_t mntns;        /* inode of its mount namespace */
};

/* The same file as an event tells of it, for the line in DIR/index.jsonl. */
struct evidence_occasion {
	uint64_t boot_ns, wall_ns;
	const char *queue_id; /* NULL: none */
	bool last;            /* nothing better will come: an index line may be written now */
};

/*
 * `dir`: keeps copies there, NULL: none. It is made (0700) if it is missing and refused, with words
 * on stderr, if it is a link, not a directory, not the caller's, or writable by others. Copies are
 * DIR/files/SHA256-NAME, and a line of DIR/index.jsonl tells of each. Call it before
 * privilege_drop(): DIR/files is given to PRIVILEGE_FSUID. `own_mntns`: procfs_own_mntns() of the
 * time before any unshare().
 * 0 or -errno.
 */
int evidence_new(const char *dir, uint32_t own_mntns, struct evidence_locker **out);
/* Says what was left out, if anything was. */
void evidence_free(struct evidence_locker *l);

/*
 * The facts of a file; strings stay valid until the next call. Reads the file at its first call and
 * when it changed, else costs a lookup. `facts->known` is false when there is nothing to tell, with
 * `facts->note` saying why.
 */
void evidence_look(struct evidence_locker *l, const struct evidence_subject *subject,
		   const struct evidence_occasion *when, struct file_facts *facts);

struct evidence_stats {
	uint64_t hashed;       /* files read */
	uint64_t left_out;     /* files that were too many or too much for a second */
	uint64_t kept, unkept; /* copies made, copies that could not be made */
	size_t cached;
};
void evidence_stats(const struct evidence_locker *l, struct evidence_stats *out);

#endif
