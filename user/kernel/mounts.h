/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mounts of this process's namespace, which are hundreds beside containers: read once, and
 * again only when the kernel says that they have changed. Knows proc_pid_mountinfo(5). Not for more
 * than one thread.
 */
#ifndef ST_MOUNTS_H
#define ST_MOUNTS_H

#include <stdbool.h>

#include "spamtrace.h"

/* super_block.s_dev, as the kernel holds it, of the mount with this id (mnt_id of
 * /proc/PID/fdinfo). false: no such mount here. */
bool mounts_device(unsigned long id, __u32 *dev);

/* After unshare(2): this process has other mounts now. */
void mounts_forget(void);

/* The same of any process's mount table, which is read each time: /proc/PID/mountinfo. */
bool mounts_device_in(const char *table, unsigned long id, __u32 *dev);

#endif
