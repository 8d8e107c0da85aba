/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names that match a pattern, asked for every few seconds: where only the last part is a pattern,
 * the directory is listed again only when its time of change is another. Knows glob(3), and not
 * what it is looked for.
 */
#ifndef ST_DIR_GLOB_H
#define ST_DIR_GLOB_H

#include <glob.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/inode.h"

/* Zero at first. */
struct dir_glob {
	glob_t found;
	struct file_stamp stamp; /* of the directory, before it was listed */
	uint64_t listed;         /* boot ns; 0: `found` is nothing */
	bool settled;            /* a later change has another time */
};

/*
 * The paths that match, unsorted; they belong to `g` and stay until the next call with it. What is
 * at a path may have changed all the same, and may not be there: a link that leads nowhere. `g` is
 * for one pattern. Their number, 0 also where the directory cannot be read, or -ENOMEM.
 */
int dir_glob(struct dir_glob *g, const char *pattern, char *const **paths);

void dir_glob_free(struct dir_glob *g);

#endif
