/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where this kernel's btrfs keeps the subvolume of an inode: fs/btrfs/btrfs_inode.h and ctree.h,
 * by the kernel's type information, whose module it may be in. CO-RE would do it as well, but not
 * say whether it did; and user space must tell files apart in just the same way.
 */
#ifndef ST_BTRFS_H
#define ST_BTRFS_H

#include "spamtrace.h"

struct btf;

/* All 0 (not known) if the kernel has no btrfs now, or one without such types. */
struct st_btrfs btrfs_layout(struct btf *vmlinux);

#endif
