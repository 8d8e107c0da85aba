// SPDX-License-Identifier: GPL-2.0-only
/* Queue operations by system call, where fexit is refused: tracepoints, which every call pays for.
 */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#include "queue.bpf.h"

#define AT_FDCWD     (-100)
#define AT_REMOVEDIR 0x200
#define O_CREAT      0100

static __always_inline void enter(__u32 op, int old_dir, unsigned long old, int name_dir,
				  unsigned long name)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct call_state call = {
		.name = name, .old = old, .name_dir = name_dir, .old_dir = old_dir, .op = op};

	if (bpf_map_update_elem(&calls, &thread, &call, BPF_ANY))
		count_lost(ST_LOST_CALL_MAP);
}

static __always_inline struct dentry *base_of(struct task_struct *task, int dir)
{
	struct fdtable *fdt;
	struct file **fds, *file = NULL;

	if (dir == AT_FDCWD)
		return BPF_CORE_READ(task, fs, pwd.dentry);
	fdt = BPF_CORE_READ(task, files, fdt);
	if (dir < 0 || (unsigned int)dir >= BPF_CORE_READ(fdt, max_fds))
		return NULL;
	fds = BPF_CORE_READ(fdt, fd);
	bpf_probe_read_kernel(&file, sizeof(file), &fds[dir]);
	return BPF_CORE_READ(file, f_path.dentry);
}

/* The queue at or above a directory. The chain holds the directories below its root, innermost
 * first. */
static __always_inline struct st_queue_root *climb_dir(struct dentry *dir, struct chain *c)
{
	struct st_queue_root *root = NULL;

	c->depth = 0;
	for (int i = 0; i < QUEUE_DEPTH; i++) {
		struct dentry *parent;
		struct st_inode id;

		if (root || !dir)
			break;
		inode_id(BPF_CORE_READ(dir, d_inode), &id);
		root = bpf_map_lookup_elem(&queues, &id);
		parent = BPF_CORE_READ(dir, d_parent);
		if (root || parent == dir)
			break;
		c->dentry[i] = dir;
		c->depth = i + 1;
		dir = parent;
	}
	return root;
}

/* The first 8 bytes of a user string, without a leading "./" as Sendmail writes it. */
static __always_inline __u64 user_top(unsigned long name)
{
	char text[16] = {};
	__u64 word;

	bpf_probe_read_user_str(text, sizeof(text), (const void *)name);
	if (text[0] == '.' && text[1] == '/')
		__builtin_memcpy(&word, text + 2, sizeof(word));
	else
		__builtin_memcpy(&word, text, sizeof(word));
	return top_word(word);
}

/* The queue whose path is a prefix of an absolute name, as text: -1 or its number. */
static __always_inline int by_prefix(const char *name)
{
	struct queue_path key = {};
	__u32 *queue;

	bpf_probe_read_kernel(key.prefix, sizeof(key.prefix), name);
	key.bits = sizeof(key.prefix) * 8;
	queue = bpf_map_lookup_elem(&queue_paths, &key);
	return queue ? (int)*queue : -1;
}

static __always_inline void append_name(struct queue_record *r, struct task_struct *task, int dir,
					__u64 user_name, struct st_queue_root **root, __u32 *off,
					struct st_str *s)
{
	struct dentry *base = base_of(task, dir);
	struct chain c = {};
	__u32 start = *off;
	struct st_str leaf = {};

	*root = climb_dir(base, &c);
	if (*root)
		append_chain(r, &c, off, s);
	if (!APPEND_STR(bpf_probe_read_user_str, r->data, off, QUEUE_MASK, NAME_MAX_Q, user_name,
			&leaf))
		count_lost(ST_LOST_READ);
	*off += 1; /* keep the NUL */
	s->off = (__u16)(start & QUEUE_MASK);
	s->len = (__u16)(*off - start) & 0x7fff;
	s->cut |= leaf.cut;
}

#define PEER_FDS 16

static __always_inline void read_peer(struct st_queue *q, struct sock *sk, bool v6)
{
	q->peer_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	q->peer_family = v6 ? 6 : 4;
	if (v6)
		BPF_CORE_READ_INTO(&q->peer_addr, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	else
		BPF_CORE_READ_INTO((__u32 *)q->peer_addr, sk, __sk_common.skc_daddr);
}

/*
 * Sendmail's server process writes no client port into its queue file, but holds the session among
 * its first descriptors: the remote end of the one established TCP connection there.
 */
static __always_inline void fill_peer(struct st_queue *q, struct task_struct *task)
{
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file **fds = BPF_CORE_READ(fdt, fd);
	__u32 max = BPF_CORE_READ(fdt, max_fds);
	struct sock *found = NULL;
	bool v6 = false;

	for (__u32 i = 0; i < PEER_FDS; i++) {
		struct sock *sk;
		__u16 family;

		if (i >= max)
			break;
		sk = connected_at(fds, i, &family);
		if (!sk || (family != AF_INET && family != AF_INET6) || sk == found)
			continue;
		if (found)
			return;
		found = sk;
		v6 = family == AF_INET6;
	}
	if (found)
		read_peer(q, found, v6);
}

/* `create` is a constant: what only that needs costs the others nothing, above all not the
 * verifier. */
static __always_inline int leave(long ret, bool create, enum queue_room room)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct call_state *found = bpf_map_lookup_elem(&calls, &thread), call;
	struct task_struct *task = current_task();
	struct st_queue_root *root = NULL, *name_root = NULL, *old_root = NULL;
	struct st_str name = {}, old = {};
	struct queue_record *r;
	struct st_task self;
	bool commit = false, absolute;
	int queue = -1;
	char first = 0;

	if (!found || create != (found->op == ST_OP_CREATE))
		return 0;
	call = *found;
	bpf_map_delete_elem(&calls, &thread);
	if (ret < 0)
		return 0;
	/* cheap refusal first: most renames and unlinks of a server are nowhere near a queue */
	bpf_probe_read_user(&first, 1, (const void *)call.name);
	absolute = first == '/';
	if (!absolute) {
		struct chain c = {};

		root = climb_dir(base_of(task, call.name_dir), &c);
		if (!root ||
		    !wanted(root, call.op, c.depth ? chain_top(&c) : user_top(call.name), &commit))
			return 0;
		queue = (int)root->queue;
	}
	task_key(task, &self);
	if (commit)
		count_commit(&self);
	r = enter_queue_room(room);
	if (!r)
		return 0;
	r->q.h.size = 0; /* the cursor, as in struct origin_record */
	append_name(r, task, call.name_dir, call.name, &name_root, &r->q.h.size, &name);
	if (absolute)
		queue = by_prefix(r->data);
	if (queue < 0)
		return 0;
	if (call.old)
		append_name(r, task, call.old_dir, call.old, &old_root, &r->q.h.size, &old);
	{
		__u32 used = r->q.h.size;

		fill_queue(&r->q, task, &self, call.op, (__u32)queue);
		r->q.h.size = used;
	}
	r->q.name = name;
	r->q.old = old;
	r->q.flags = absolute ? ST_Q_ABSOLUTE : 0;
	if (create)
		fill_peer(&r->q, task);
	first = 0;
	if (call.old)
		bpf_probe_read_user(&first, 1, (const void *)call.old);
	/* an absolute old name has nothing to do with the directory that climb_dir() began at */
	if (call.old && !absolute && (old_root != root || first == '/'))
		r->q.flags |= ST_Q_OLD_FOREIGN;
	submit_queue(r, &self);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_link")
int enter_link(struct trace_event_raw_sys_enter *ctx)
{
	enter(ST_OP_LINK, AT_FDCWD, ctx->args[0], AT_FDCWD, ctx->args[1]);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_linkat")
int enter_linkat(struct trace_event_raw_sys_enter *ctx)
{
	enter(ST_OP_LINK, (int)ctx->args[0], ctx->args[1], (int)ctx->args[2], ctx->args[3]);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_rename")
int enter_rename(struct trace_event_raw_sys_enter *ctx)
{
	enter(ST_OP_RENAME, AT_FDCWD, ctx->args[0], AT_FDCWD, ctx->args[1]);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_renameat")
int enter_renameat(struct trace_event_raw_sys_enter *ctx)
{
	enter(ST_OP_RENAME, (int)ctx->args[0], ctx->args[1], (int)ctx->args[2], ctx->args[3]);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_renameat2")
int enter_renameat2(struct trace_event_raw_sys_enter *ctx)
{
	enter(ST_OP_RENAME, (int)ctx->args[0], ctx->args[1], (int)ctx->args[2], ctx->args[3]);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_unlink")
int enter_unlink(struct trace_event_raw_sys_enter *ctx)
{
	enter(ST_OP_UNLINK, AT_FDCWD, 0, AT_FDCWD, ctx->args[0]);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_unlinkat")
int enter_unlinkat(struct trace_event_raw_sys_enter *ctx)
{
	if (!(ctx->args[2] & AT_REMOVEDIR))
		enter(ST_OP_UNLINK, AT_FDCWD, 0, (int)ctx->args[0], ctx->args[1]);
	return 0;
}

/* Only where a queue's commit is a file created in place (Sendmail). */
SEC("tracepoint/syscalls/sys_enter_openat")
int enter_openat(struct trace_event_raw_sys_enter *ctx)
{
	if (ctx->args[2] & O_CREAT)
		enter(ST_OP_CREATE, AT_FDCWD, 0, (int)ctx->args[0], ctx->args[1]);
	return 0;
}

/* One program for the ends of all of them; user space attaches it to each, and the verifier walks
 * it once. */
SEC("tracepoint/syscalls/sys_exit_link")
int exit_call(struct trace_event_raw_sys_exit *ctx)
{
	return leave(ctx->ret, false, ROOM_CALL);
}

SEC("tracepoint/syscalls/sys_exit_openat")
int exit_openat(struct trace_event_raw_sys_exit *ctx)
{
	return leave(ctx->ret, true, ROOM_CREATE);
}

char LICENSE[] SEC("license") = "GPL";
