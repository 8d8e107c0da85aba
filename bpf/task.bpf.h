/* SPDX-License-Identifier: GPL-2.0-only */
/* Who a task is: its identity, the inode of its program, what it carries, where it stands. */
#ifndef TASK_BPF_H
#define TASK_BPF_H

#include <bpf/bpf_core_read.h>

#include "emit.bpf.h"

#define BTRFS_SUPER_MAGIC 0x9123683E /* include/uapi/linux/magic.h */

/* include/linux/socket.h; include/net/tcp_states.h */
#define AF_UNIX         1
#define AF_INET         2
#define AF_INET6        10
#define TCP_ESTABLISHED 1

/*
 * How kernel structures are read. A task that the kernel handed to the program (an argument of
 * tp_btf) has a type that the verifier knows and follows, so a step from there is one load, and 0
 * where it leads nowhere; a file with only such tasks says TYPED_TASKS before it includes this one.
 * What bpf_get_current_task() returns is a number to the verifier (the typed one is of 5.11), and
 * each step a call of some 25 ns.
 *
 * A pointer that the kernel marks __rcu may be NULL to the verifier of a kernel whose BTF has that
 * mark: each is looked at before it is followed.
 */
#ifdef TYPED_TASKS
#define READ(src, ...) ___arrow(src, __VA_ARGS__)
#else
#define READ(src, ...) BPF_CORE_READ(src, __VA_ARGS__)
#endif

static __always_inline void task_key(struct task_struct *task, struct st_task *key)
{
	key->start = READ(task, group_leader, start_boottime);
	key->tgid = (__u32)READ(task, tgid);
	key->pad = 0;
}

static __always_inline struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

/* Only a super block without a device of its own (major 0) can be one of btrfs. */
static __always_inline __u32 subvolume(struct inode *inode, struct super_block *sb, __u32 dev)
{
	__u32 subvol = 0;
	void *root = NULL;

	if (!btrfs.known || dev >> 20 || READ(sb, s_magic) != BTRFS_SUPER_MAGIC)
		return 0;
	bpf_probe_read_kernel(&root, sizeof(root), (void *)inode + btrfs.root);
	bpf_probe_read_kernel(&subvol, sizeof(subvol), root + btrfs.anon_dev);
	return subvol;
}

static __always_inline void inode_id(struct inode *inode, struct st_inode *id)
{
	struct super_block *sb = READ(inode, i_sb);

	id->ino = READ(inode, i_ino);
	id->dev = READ(sb, s_dev);
	id->subvol = subvolume(inode, sb, id->dev);
}

static __always_inline void exe_id(struct task_struct *task, struct st_inode *id)
{
	struct mm_struct *mm = READ(task, mm);
	struct file *file = mm ? READ(mm, exe_file) : NULL;

	if (file)
		inode_id(READ(file, f_inode), id);
	else
		*id = (struct st_inode){};
}

static __always_inline __u32 euid_of(struct task_struct *task)
{
	const struct cred *cred = READ(task, cred);

	return cred ? READ(cred, euid.val) : 0;
}

static __always_inline __u32 egid_of(struct task_struct *task)
{
	const struct cred *cred = READ(task, cred);

	return cred ? READ(cred, egid.val) : 0;
}

static __always_inline struct st_program *program_of(struct task_struct *task)
{
	struct st_inode id;

	exe_id(task, &id);
	return bpf_map_lookup_elem(&programs, &id);
}

static __always_inline __u32 ns_pid(struct task_struct *task)
{
	struct pid *pid = READ(task, group_leader, thread_pid);
	unsigned int level = READ(pid, level);
	struct upid upid = {};

	bpf_core_read(&upid, sizeof(upid), &pid->numbers[level & 31]);
	return (__u32)upid.nr;
}

static __always_inline struct mount *mount_of(struct vfsmount *vfsmnt)
{
	return (void *)vfsmnt - bpf_core_field_offset(struct mount, mnt);
}

/* The parent of a dentry and its name: one call where they stand side by side, as they do in every
 * kernel whose structures are not shuffled. */
static __always_inline void dentry_step(struct dentry *dentry, struct dentry **parent,
					const unsigned char **name)
{
	if (bpf_core_field_offset(struct dentry, d_name) ==
		    bpf_core_field_offset(struct dentry, d_parent) + 8 &&
	    bpf_core_field_offset(struct qstr, name) == 8) {
		__u64 words[3] = {}; /* d_parent, d_name.hash_len, d_name.name */

		bpf_core_read(words, sizeof(words), &dentry->d_parent);
		*parent = (struct dentry *)words[0];
		*name = (const unsigned char *)words[2];
	} else {
		*parent = BPF_CORE_READ(dentry, d_parent);
		*name = BPF_CORE_READ(dentry, d_name.name);
	}
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
	struct fs_struct *fs = READ(task, fs);
	struct dentry *dentry = READ(fs, pwd.dentry);
	struct dentry *root_dentry = READ(fs, root.dentry);
	struct mount *root_mnt = mount_of(READ(fs, root.mnt));
	struct mount *mnt = mount_of(READ(fs, pwd.mnt));
	struct dentry *mnt_root = BPF_CORE_READ(mnt, mnt.mnt_root);
	__u32 start = *off;
	bool done = false;

	for (int i = 0; i < PATH_DEPTH; i++) {
		struct dentry *parent;
		const unsigned char *name;

		if (dentry == root_dentry && mnt == root_mnt) {
			done = true;
			break;
		}
		dentry_step(dentry, &parent, &name);
		if (dentry == mnt_root || dentry == parent) {
			struct mount *up = BPF_CORE_READ(mnt, mnt_parent);

			if (up == mnt) {
				done = true;
				break;
			}
			dentry = BPF_CORE_READ(mnt, mnt_mountpoint);
			mnt = up;
			mnt_root = BPF_CORE_READ(mnt, mnt.mnt_root);
			continue;
		}
		if (*off + PATH_NAME > mask)
			break;

		__u32 at = *off & mask;
		long n = bpf_probe_read_kernel_str(data + at, PATH_NAME, name);

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
