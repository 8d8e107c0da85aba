/* SPDX-License-Identifier: GPL-2.0-only */
/* A path of a process in a chroot or a container as this process sees it, proved by the inode. */
#ifndef ST_HOST_PATH_H
#define ST_HOST_PATH_H

#include <stddef.h>

#include "spamtrace.h"

/*
 * `path` is absolute, as `task` sees it. 0: `out` is a name of this process for the very same file.
 * -ENOENT: the file is gone, or no name of this process leads to it; -ESRCH: the task is gone;
 * -ENAMETOOLONG; other -errno. Never opens the file itself.
 */
int host_path(const struct st_task *task, const char *path, char *out, size_t size);

#endif
