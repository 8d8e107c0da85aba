// SPDX-License-Identifier: GPL-2.0-only
/* Queue operations by dentry: fexit on vfs_link(), vfs_unlink() and vfs_rename(). */
#include "vmlinux.h"

#include <bpf/bpf_tracing.h>

#include "queue.bpf.h"

/* Climbs from a name to a queue's root, at most QUEUE_DEPTH levels. */
static __always_inline struct st_queue_root *climb(struct dentry *dentry, struct chain *c)
{
	struct st_queue_root *root = NULL;

	c->depth = 0;
	for (int i = 0; i < QUEUE_DEPTH; i++) {
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
		struct st_inode id;

		if (root || parent == dentry)
			break;
		c->dentry[i] = dentry;
		c->depth = i + 1;
		inode_id(BPF_CORE_READ(parent, d_inode), &id);
		root = bpf_map_lookup_elem(&queues, &id);
		dentry = parent;
	}
	return root;
}

/*
 * AGAIN: of the two programs that are run for one operation, in whatever order, one reports it.
 * Should one have been skipped, the mark stays and from then on it is the other of the two that
 * reports what this thread does.
 */
static __always_inline bool was_reported(__u64 thread)
{
	__u8 yes = 1;

	if (!again || !bpf_map_delete_elem(&reported, &thread))
		return again;
	bpf_map_update_elem(&reported, &thread, &yes, BPF_ANY);
	return false;
}

static __always_inline int by_dentry(__u32 op, struct dentry *name, struct dentry *old_name,
				     struct inode *inode, enum queue_room room)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct task_struct *task = current_task();
	struct chain c = {}, old_chain = {};
	struct rename_state *renamed = NULL;
	struct st_queue_root *root;
	struct queue_record *r;
	struct st_task self;
	bool commit = false;
	__u32 *off;

	root = climb(name, &c);
	if (!root || !wanted(root, op, chain_top(&c), &commit) || was_reported(thread))
		return 0;
	task_key(task, &self);
	if (commit)
		count_commit(&self);
	r = enter_queue_room(room);
	if (!r)
		return 0;
	fill_queue(&r->q, task, &self, op, root->queue);
	off = &r->q.h.size; /* the cursor, as in struct origin_record */
	r->q.ino = BPF_CORE_READ(inode, i_ino);
	r->q.size = (__u64)BPF_CORE_READ(inode, i_size);
	append_chain(r, &c, off, &r->q.name);
	if (op == ST_OP_RENAME) {
		renamed = bpf_map_lookup_elem(&renames, &thread);
		if (renamed && renamed->len && *off + RENAME_OLD < QUEUE_MASK) {
			__builtin_memcpy(r->data + (*off & QUEUE_MASK), renamed->old, RENAME_OLD);
			r->q.old.off = (__u16)(*off & QUEUE_MASK);
			r->q.old.len = (__u16)renamed->len & 0xff;
			r->q.old.cut = renamed->cut != 0;
			*off += RENAME_OLD;
		} else {
			r->q.flags |= ST_Q_OLD_FOREIGN;
		}
		bpf_map_delete_elem(&renames, &thread);
	} else if (old_name) {
		if (climb(old_name, &old_chain) == root)
			append_chain(r, &old_chain, off, &r->q.old);
		else
			r->q.flags |= ST_Q_OLD_FOREIGN;
	}
	submit_queue(r, &self);
	return 0;
}

#define RENAME_NAME 32 /* a component's; no queue has longer ones where it renames */

/* Before d_move() takes the old name away. Only for renames that land in a queue. */
static __always_inline int keep_old_name(struct dentry *new_name, struct dentry *old_name)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct rename_state state = {};
	struct chain c = {};
	struct st_queue_root *root = climb(new_name, &c);
	bool commit;
	__u32 at = 0;

	if (!root || !wanted(root, ST_OP_RENAME, chain_top(&c), &commit))
		return 0;
	__builtin_memset(&c, 0, sizeof(c));
	if (climb(old_name, &c) == root) {
		for (int i = QUEUE_DEPTH - 1; i >= 0; i--) {
			struct dentry *dentry = c.dentry[i];
			long n;

			if (i >= (int)c.depth)
				continue;
			if (at > RENAME_OLD - 64) {
				state.cut = 1;
				continue;
			}
			n = bpf_probe_read_kernel_str(state.old + (at & 127), RENAME_NAME,
						      BPF_CORE_READ(dentry, d_name.name));
			if (n > 0)
				at += (__u32)n & 63;
			if (n <= 0 || n == RENAME_NAME)
				state.cut = 1;
		}
	}
	state.len = at;
	if (bpf_map_update_elem(&renames, &thread, &state, BPF_ANY))
		count_lost(ST_LOST_CALL_MAP);
	return 0;
}

/*
 * Argument lists: vfs_link() and vfs_unlink() gained a first argument for id-mapped mounts in 5.12
 * (6521f8917082), vfs_rename() took a struct renamedata there (9fe61450972d). User space loads the
 * variant that the kernel's BTF has.
 */
SEC("fexit/vfs_link")
int BPF_PROG(link_5_10, struct dentry *old, struct inode *dir, struct dentry *name, void *delegated,
	     int ret)
{
	return ret ? 0 : by_dentry(ST_OP_LINK, name, old, BPF_CORE_READ(old, d_inode), ROOM_LINK);
}

SEC("fexit/vfs_link")
int BPF_PROG(link_5_12, struct dentry *old, void *idmap, struct inode *dir, struct dentry *name,
	     void *delegated, int ret)
{
	return ret ? 0 : by_dentry(ST_OP_LINK, name, old, BPF_CORE_READ(old, d_inode), ROOM_LINK);
}

SEC("fexit/vfs_link")
int BPF_PROG(link_5_12_again, struct dentry *old, void *idmap, struct inode *dir,
	     struct dentry *name, void *delegated, int ret)
{
	return ret ? 0
		   : by_dentry(ST_OP_LINK, name, old, BPF_CORE_READ(old, d_inode), ROOM_LINK_AGAIN);
}

SEC("fexit/vfs_unlink")
int BPF_PROG(unlink_5_10, struct inode *dir, struct dentry *name, void *delegated, int ret)
{
	return ret ? 0
		   : by_dentry(ST_OP_UNLINK, name, NULL, BPF_CORE_READ(name, d_inode), ROOM_UNLINK);
}

SEC("fexit/vfs_unlink")
int BPF_PROG(unlink_5_12, void *idmap, struct inode *dir, struct dentry *name, void *delegated,
	     int ret)
{
	return ret ? 0
		   : by_dentry(ST_OP_UNLINK, name, NULL, BPF_CORE_READ(name, d_inode), ROOM_UNLINK);
}

SEC("fexit/vfs_unlink")
int BPF_PROG(unlink_5_12_again, void *idmap, struct inode *dir, struct dentry *name,
	     void *delegated, int ret)
{
	return ret ? 0
		   : by_dentry(ST_OP_UNLINK, name, NULL, BPF_CORE_READ(name, d_inode),
			       ROOM_UNLINK_AGAIN);
}

SEC("fentry/vfs_rename")
int BPF_PROG(rename_in_5_10, struct inode *old_dir, struct dentry *old, struct inode *new_dir,
	     struct dentry *name)
{
	return keep_old_name(name, old);
}

/* After d_move() the old dentry bears the new name. */
static __always_inline int renamed_to(struct dentry *old, int ret, enum queue_room room)
{
	__u64 thread = bpf_get_current_pid_tgid();

	if (!ret)
		by_dentry(ST_OP_RENAME, old, NULL, BPF_CORE_READ(old, d_inode), room);
	else
		bpf_map_delete_elem(&renames, &thread);
	return 0;
}

SEC("fexit/vfs_rename")
int BPF_PROG(rename_5_10, struct inode *old_dir, struct dentry *old, struct inode *new_dir,
	     struct dentry *name, void *delegated, unsigned int flags, int ret)
{
	return renamed_to(old, ret, ROOM_RENAME);
}

struct renamedata {
	struct dentry *old_dentry;
	struct dentry *new_dentry;
} __attribute__((preserve_access_index));

SEC("fentry/vfs_rename")
int BPF_PROG(rename_in_5_12, struct renamedata *rd)
{
	return keep_old_name(BPF_CORE_READ(rd, new_dentry), BPF_CORE_READ(rd, old_dentry));
}

SEC("fentry/vfs_rename")
int BPF_PROG(rename_in_5_12_again, struct renamedata *rd)
{
	return keep_old_name(BPF_CORE_READ(rd, new_dentry), BPF_CORE_READ(rd, old_dentry));
}

SEC("fexit/vfs_rename")
int BPF_PROG(rename_5_12, struct renamedata *rd, int ret)
{
	return renamed_to(BPF_CORE_READ(rd, old_dentry), ret, ROOM_RENAME);
}

SEC("fexit/vfs_rename")
int BPF_PROG(rename_5_12_again, struct renamedata *rd, int ret)
{
	return renamed_to(BPF_CORE_READ(rd, old_dentry), ret, ROOM_RENAME_AGAIN);
}

char LICENSE[] SEC("license") = "GPL";
