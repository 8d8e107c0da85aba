/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names that land in a queue directory or leave it, and who did it. Two sets of programs say the
 * same thing: fexit on the VFS functions (queue_vfs.bpf.c), which costs bystanders nothing and
 * knows the inode, where the kernel allows it; else the syscall tracepoints (queue_syscall.bpf.c).
 * User space attaches one of them. Only operations that succeeded are reported.
 */
#ifndef ST_QUEUE_BPF_H
#define ST_QUEUE_BPF_H

#include "task.bpf.h"

#define QUEUE_MASK  511
#define NAME_MAX_Q  256
#define QUEUE_DEPTH 5 /* a name, its top directory, and up to 3 levels of hashing between */

struct queue_record {
	struct st_queue q;
	char data[QUEUE_MASK + 1 + NAME_MAX_Q];
};

/* Before there is a record: this number stays exact when the ring has no room for one. */
static __always_inline void count_commit(const struct st_task *self)
{
	struct task_state *carried = bpf_map_lookup_elem(&tasks, self);
	__u32 uid = carried && carried->injection ? carried->uid : (__u32)bpf_get_current_uid_gid();
	struct st_uid_total *t = uid_total(uid);

	if (t)
		__sync_fetch_and_add(&t->commits, 1);
}

/* Does `op` on a name whose first component starts with `top` matter in this queue? */
static __always_inline bool wanted(const struct st_queue_root *root, __u32 op, __u64 top,
				   bool *commit)
{
	bool yes = false;

	*commit = false;
	for (__u32 i = 0; i < ST_MAX_RULES; i++) {
		__u64 want;

		if (i >= root->rules)
			break;
		__builtin_memcpy(&want, root->rule[i].top, sizeof(want));
		if ((!want || want == top) && (root->rule[i].ops & op)) {
			yes = true;
			*commit |= (root->rule[i].commits & op) != 0;
		}
	}
	return yes;
}

/* The first 8 bytes of a component, cut at its end. */
static __always_inline __u64 top_word(__u64 word)
{
	__u64 out = 0;

	for (int i = 0; i < 8; i++) {
		__u8 c = (__u8)(word >> (i * 8));

		if (!c || c == '/')
			break;
		out |= (__u64)c << (i * 8);
	}
	return out;
}

#define S_IFMT   0170000
#define S_IFSOCK 0140000
#define UNIX_FDS 48

/* The connected socket behind a descriptor, and its family; NULL: it is something else. */
static __always_inline struct sock *connected_at(struct file **fds, __u32 fd, __u16 *family)
{
	struct file *file = NULL;
	struct socket *socket;
	struct sock *sk;

	bpf_probe_read_kernel(&file, sizeof(file), &fds[fd]);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	*family = BPF_CORE_READ(sk, __sk_common.skc_family);
	/* that a Unix socket has, too */
	return BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_ESTABLISHED ? sk : NULL;
}

/* The process at the other end of a Unix socket, by the credentials that connect(2) left there. */
static __always_inline void comm_of(struct pid *pid, char comm[16])
{
	struct hlist_node *node = BPF_CORE_READ(pid, tasks[1].first); /* PIDTYPE_TGID */
	struct task_struct *task;

	if (!node)
		return;
	task = (void *)node - bpf_core_field_offset(struct task_struct, pid_links) - sizeof(*node);
	bpf_core_read(comm, 16, &task->comm);
}

/*
 * Postfix's cleanup takes a message over the one connection that it has accepted: from pickup,
 * smtpd, bounce, local. That tells a message's source even when its file is gone before anybody can
 * read it. Sockets that cleanup itself connected lead to master, which listens for all.
 */
static __noinline int unix_peer(struct task_struct *task, struct st_queue *q)
{
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file **fds = BPF_CORE_READ(fdt, fd);
	__u32 max = BPF_CORE_READ(fdt, max_fds);

	if (!q)
		return 0;
	for (__u32 i = 3; i < UNIX_FDS; i++) {
		struct sock *sk;
		struct pid *pid;
		__u16 family;

		if (i >= max)
			break;
		sk = connected_at(fds, i, &family);
		if (!sk || family != AF_UNIX)
			continue;
		pid = BPF_CORE_READ(sk, sk_peer_pid);
		if (!pid)
			continue;
		comm_of(pid, q->peer);
		if (q->peer[0] && !(q->peer[0] == 'm' && q->peer[1] == 'a' && q->peer[2] == 's'))
			return 0;
		q->peer[0] = 0;
	}
	return 0;
}

static __always_inline bool is_cleanup(const char comm[16])
{
	static const char name[8] = "cleanup";

	for (int i = 0; i < 8; i++)
		if (comm[i] != name[i])
			return false;
	return true;
}

static __always_inline void fill_queue(struct st_queue *q, struct task_struct *task,
				       const struct st_task *self, __u32 op, __u32 queue)
{
	struct task_state *carried = bpf_map_lookup_elem(&tasks, self);
	__u32 uid = (__u32)bpf_get_current_uid_gid();

	__builtin_memset(q, 0, sizeof(*q));
	if (carried) {
		q->origin = carried->origin;
		q->injection = carried->injection;
	}
	q->op = op;
	q->queue = queue;
	q->uid = uid;
	q->euid = BPF_CORE_READ(task, cred, euid.val);
	q->nspid = ns_pid(task);
	q->netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	exe_id(task, &q->exe);
	bpf_get_current_comm(q->comm, sizeof(q->comm));
	if (op == ST_OP_RENAME && is_cleanup(q->comm))
		unix_peer(task, q);
}

static __always_inline struct queue_record *enter_queue_room(enum queue_room room)
{
	__u32 key = room;

	return bpf_map_lookup_elem(&queue_rooms, &key);
}

static __always_inline void submit_queue(struct queue_record *r, const struct st_task *self)
{
	__u32 n = r->q.h.size;

	barrier_var(n);
	n &= 2 * QUEUE_MASK + 1;
	fill_header(&r->q.h, ST_QUEUE, (__u32)sizeof(r->q) + n, self);
	/* what lands may be delivered and gone within milliseconds: user space opens it now */
	send(r, sizeof(r->q) + n,
	     queues_rest || r->q.op == ST_OP_UNLINK ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP,
	     ST_LOST_RING_QUEUE);
}

struct chain {
	struct dentry
		*dentry[QUEUE_DEPTH]; /* the name itself first, then its parents below the root */
	__u32 depth;
};

/* "top/sub/name" of a chain; components are separated by NUL here, user space puts the slashes in.
 */
static __always_inline void append_chain(struct queue_record *r, const struct chain *c, __u32 *off,
					 struct st_str *s)
{
	__u32 start = *off;

	for (int i = QUEUE_DEPTH - 1; i >= 0; i--) {
		struct dentry *dentry = c->dentry[i];
		long n;

		if (i >= (int)c->depth)
			continue;
		n = bpf_probe_read_kernel_str(r->data + (*off & QUEUE_MASK), NAME_MAX_Q,
					      BPF_CORE_READ(dentry, d_name.name));
		if (n > 0 && *off + n <= QUEUE_MASK)
			*off += (__u32)n & (NAME_MAX_Q * 2 - 1);
		else
			s->cut = 1;
	}
	s->off = (__u16)(start & QUEUE_MASK);
	s->len = (__u16)(*off - start) & 0x7fff;
}

static __always_inline __u64 chain_top(const struct chain *c)
{
	struct dentry *top = c->dentry[0];
	__u64 word = 0;

	for (__u32 i = 1; i < QUEUE_DEPTH; i++)
		if (i < c->depth)
			top = c->dentry[i];
	bpf_probe_read_kernel(&word, sizeof(word), BPF_CORE_READ(top, d_name.name));
	return top_word(word);
}

#endif
