/* SPDX-License-Identifier: GPL-2.0-only */
/* Who a task is: its identity, the inode of its program, what it carries, where it stands. */
#ifndef TASK_BPF_H
#define TASK_BPF_H

#include <bpf/bpf_core_read.h>

#include "emit.bpf.h"

/* include/linux/socket.h; include/net/tcp_states.h */
#define AF_UNIX         1
#define AF_INET         2
#define AF_INET6        10
#define TCP_ESTABLISHED 1

static __always_inline void task_key(struct task_struct *task, struct st_task *key)
{
	key->start = BPF_CORE_READ(task, group_leader, start_boottime);
	key->tgid = (__u32)BPF_CORE_READ(task, tgid);
	key->pad = 0;
}

static __always_inline struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

static __always_inline void inode_id(struct inode *inode, struct st_inode *id)
{
	id->ino = BPF_CORE_READ(inode, i_ino);
	id->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	id->pad = 0;
}

static __always_inline void exe_id(struct task_struct *task, struct st_inode *id)
{
	inode_id(BPF_CORE_READ(task, mm, exe_file, f_inode), id);
}

static __always_inline struct st_program *program_of(struct task_struct *task)
{
	struct st_inode id;

	exe_id(task, &id);
	return bpf_map_lookup_elem(&programs, &id);
}

static __always_inline __u32 ns_pid(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, group_leader, thread_pid);
	unsigned int level = BPF_CORE_READ(pid, level);
	struct upid upid = {};

	bpf_core_read(&upid, sizeof(upid), &pid->numbers[level & 31]);
	return (__u32)upid.nr;
}

#define PATH_DEPTH 16
#define PATH_NAME  256

/*
 * Appends the task's working directory to data[] as its components from the innermost outwards,
 * each ended by a NUL; user space turns it round. Crosses mounts; stops at the task's own root
 * directory, so it is what the task itself would print. Components that do not fit leave s->cut
 * set.
 */
static __always_inline void append_path(struct task_struct *task, char *data, __u32 *off,
					__u32 mask, struct st_str *s)
{
	struct dentry *dentry = BPF_CORE_READ(task, fs, pwd.dentry);
	struct dentry *root_dentry = BPF_CORE_READ(task, fs, root.dentry);
	struct vfsmount *vfsmnt = BPF_CORE_READ(task, fs, pwd.mnt);
	struct vfsmount *root_mnt = BPF_CORE_READ(task, fs, root.mnt);
	struct mount *mnt = (void *)vfsmnt - bpf_core_field_offset(struct mount, mnt);
	__u32 start = *off;
	bool done = false;

	for (int i = 0; i < PATH_DEPTH; i++) {
		struct dentry *mnt_root = BPF_CORE_READ(mnt, mnt.mnt_root);
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);

		if (dentry == root_dentry &&
		    (void *)mnt + bpf_core_field_offset(struct mount, mnt) == (void *)root_mnt) {
			done = true;
			break;
		}
		if (dentry == mnt_root || dentry == parent) {
			struct mount *up = BPF_CORE_READ(mnt, mnt_parent);

			if (up == mnt) {
				done = true;
				break;
			}
			dentry = BPF_CORE_READ(mnt, mnt_mountpoint);
			mnt = up;
			continue;
		}
		if (*off + PATH_NAME > mask)
			break;

		__u32 at = *off & mask;
		long n = bpf_probe_read_kernel_str(data + at, PATH_NAME,
						   BPF_CORE_READ(dentry, d_name.name));

		if (n <= 0)
			break;
		*off += (__u32)n & (PATH_NAME * 2 - 1);
		dentry = parent;
	}
	s->off = (__u16)(start & mask);
	s->len = (__u16)(*off - start);
	s->cut = !done;
}

#endif
