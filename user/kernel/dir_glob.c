// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/dir_glob.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"

/* Times of change are the kernel's coarse clock's, some milliseconds; of servers of networks,
 * theirs. */
#define SETTLED_NS 2000000000LL
/* Some file systems of others keep no times. */
#define LISTED_NS 60000000000ULL

void dir_glob_free(struct dir_glob *g)
{
	if (g->listed)
		globfree(&g->found);
	*g = (struct dir_glob){0};
}

/* The directory that the last part is looked for in. 1; 0: it is a pattern itself, or is told by
 * nothing; -ENOENT: it is not there. */
static int stamp_of_directory(const char *pattern, struct file_stamp *out)
{
	const char *slash = strrchr(pattern, '/');
	char dir[PATH_MAX];
	size_t n = slash ? (size_t)(slash - pattern) : 0;
	int err;

	if (!n || n >= sizeof(dir))
		return 0;
	memcpy(dir, pattern, n);
	dir[n] = '\0';
	if (strpbrk(dir, "*?[\\"))
		return 0;
	err = file_stamp_at(AT_FDCWD, dir, 0, out);
	if (err == -ENOENT || err == -ENOTDIR)
		return -ENOENT;
	return err ? 0 : 1;
}

int dir_glob(struct dir_glob *g, const char *pattern, char *const **paths)
{
	uint64_t now = clock_boot_ns();
	struct dir_glob next = {0};
	int known = stamp_of_directory(pattern, &next.stamp), err;

	if (known == 1 && g->listed && g->settled && now - g->listed < LISTED_NS &&
	    file_stamp_equal(&g->stamp, &next.stamp)) {
		*paths = g->found.gl_pathv;
		return (int)g->found.gl_pathc;
	}
	dir_glob_free(g);
	if (known == -ENOENT)
		return 0;
	next.settled = (int64_t)clock_wall_ns() - next.stamp.changed > SETTLED_NS;
	next.listed = now;
	/* of several directories one that cannot be read hides no other */
	err = glob(pattern, GLOB_NOSORT | (known == 1 ? GLOB_ERR : 0), NULL, &next.found);
	if (err) {
		globfree(&next.found);
		next.found = (glob_t){0};
	}
	if (err == GLOB_NOSPACE)
		return -ENOMEM;
	if (err == GLOB_ABORTED)
		return 0; /* nothing was read: the next call tries again */
	*g = next;
	*paths = g->found.gl_pathv;
	return (int)g->found.gl_pathc;
}
