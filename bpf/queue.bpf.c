// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names that land in a queue directory or leave it. Two sets of programs say the same thing: fexit
 * on the VFS functions, which costs bystanders nothing and knows the inode, where the kernel allows
 * it; else the syscall tracepoints. User space attaches one of them. Only operations that succeeded
 * are reported.
 */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#include "task.bpf.h"

#define QUEUE_MASK  511
#define NAME_MAX_Q  256
#define QUEUE_DEPTH 4

struct queue_record {
	struct st_queue q;
	char data[QUEUE_MASK + 1 + NAME_MAX_Q];
};

/* Before there is a record: this number stays exact when the ring has no room for one. */
static __always_inline void count_commit(const struct st_task *self)
{
	struct task_state *carried = bpf_map_lookup_elem(&tasks, self);
	__u32 uid = carried && carried->injection ? carried->uid : (__u32)bpf_get_current_uid_gid();
	struct st_uid_total *t = bpf_map_lookup_elem(&uid_totals, &uid);

	if (!t) {
		struct st_uid_total zero = {};

		bpf_map_update_elem(&uid_totals, &uid, &zero, BPF_NOEXIST);
		t = bpf_map_lookup_elem(&uid_totals, &uid);
	}
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
		struct file *file = NULL;
		struct socket *socket;
		struct sock *sk;
		struct pid *pid;

		if (i >= max)
			break;
		bpf_probe_read_kernel(&file, sizeof(file), &fds[i]);
		if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
			continue;
		socket = BPF_CORE_READ(file, private_data);
		sk = BPF_CORE_READ(socket, sk);
		if (BPF_CORE_READ(sk, __sk_common.skc_family) != 1 ||
		    BPF_CORE_READ(sk, __sk_common.skc_state) != 1)
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
	send(r, sizeof(r->q) + n, r->q.op == ST_OP_UNLINK ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP,
	     ST_LOST_RING_QUEUE);
}

/* ---- by dentry: fexit ---- */

struct chain {
	struct dentry
		*dentry[QUEUE_DEPTH]; /* the name itself first, then its parents below the root */
	__u32 depth;
};

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

			if (i >= (int)c.depth || at > RENAME_OLD - 64)
				continue;
			n = bpf_probe_read_kernel_str(state.old + (at & 127), 32,
						      BPF_CORE_READ(dentry, d_name.name));
			if (n > 0)
				at += (__u32)n & 63;
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

/* ---- by syscall ---- */

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
		struct file *file = NULL;
		struct socket *socket;
		struct sock *sk;
		__u16 family;

		if (i >= max)
			break;
		bpf_probe_read_kernel(&file, sizeof(file), &fds[i]);
		if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
			continue;
		socket = BPF_CORE_READ(file, private_data);
		sk = BPF_CORE_READ(socket, sk);
		family = BPF_CORE_READ(sk, __sk_common.skc_family);
		if ((family != 2 && family != 10) ||
		    BPF_CORE_READ(sk, __sk_common.skc_state) != 1 || sk == found)
			continue;
		if (found)
			return;
		found = sk;
		v6 = family == 10;
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
