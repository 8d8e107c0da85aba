/* SPDX-License-Identifier: GPL-2.0-only */
/* The directory of --evidence: copies of files, and an index of them. */
#ifndef ST_EVIDENCE_KEEP_H
#define ST_EVIDENCE_KEEP_H

#include <stddef.h>
#include <stdint.h>

#include "trace/event.h"

struct keep;

/* See evidence_new(). 0 or -errno, said on stderr. */
int keep_open(const char *dir, struct keep **out);
void keep_close(struct keep *k);

/*
 * Writes a copy, once for each sha256 (hex) and name; one that is there already is success. 0 or
 * -errno; said once, later files are tried again. -EDQUOT also when the bound of one run is
 * reached.
 */
int keep_copy(struct keep *k, const char *sha256, const char *path, const void *data, size_t size);

/* A line of the index. */
int keep_index(struct keep *k, const char *path, const struct file_facts *f, uint64_t first_wall_ns,
	       const char *queue_id);

/* "a b/../sh.php" to "sh.php": letters, digits, dot, dash and underscore; what else there is
 * becomes
 * "_". */
#define KEEP_NAME_MAX 64
void keep_name(char out[KEEP_NAME_MAX + 1], const char *path);

#endif
