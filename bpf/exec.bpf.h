/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The record of an exec: program, arguments, ids, working directory, ancestors, and the scripts of
 * the interpreters it descends from. Which execs are told, and what they carry, is the caller's.
 */
#ifndef EXEC_BPF_H
#define EXEC_BPF_H

#include "emit.bpf.h"
#include "task.bpf.h"

#define EXEC_MASK 2047
#define EXEC_SENT 4095 /* all that data[] holds, as the verifier is told it */
#define ARGS_MAX  1024
#define ENV_MAX   1024

struct exec_record {
	struct st_exec e;
	char data[EXEC_MASK + 1 + ARGS_MAX];
};

/* Copies a user block (argv or environment) of the new program; at most `max`, a power of two not
 * above ARGS_MAX. */
static __always_inline void append_block(char *data, __u32 *off, __u64 start, __u64 end, __u32 max,
					 struct st_str *s)
{
	__u32 at = *off & EXEC_MASK;
	__u64 len = end - start;
	__u32 n = len < max ? (__u32)len : max - 1;

	n &= max - 1;
	if (!start || end <= start || *off > EXEC_MASK)
		return;
	if (bpf_probe_read_user(data + at, n, (const void *)start)) {
		count_lost(ST_LOST_READ);
		s->cut = 1;
		return;
	}
	s->off = (__u16)at;
	s->len = (__u16)n & 0x7fff;
	s->cut = len >= max;
	*off += n;
}

/* At most `max` of them: each is some ten cache lines of another process. */
static __always_inline void append_ancestors(struct task_struct *task, struct st_exec *e, int max)
{
	struct task_struct *t = READ(task, group_leader, real_parent);
	__u32 n = 0;

	for (int i = 0; i < ST_MAX_ANCESTORS; i++) {
		struct st_ancestor *a = &e->ancestor[i];

		__builtin_memset(a, 0, sizeof(*a));
		if (i >= max || !t || READ(t, tgid) <= 1)
			continue;
		task_key(t, &a->task);
		exe_id(t, &a->exe);
		bpf_core_read_str(a->comm, sizeof(a->comm), &t->comm);
		t = READ(t, group_leader, real_parent);
		n++;
	}
	e->ancestors = (__u8)n;
}

static __always_inline __u32 tty_of(struct task_struct *task)
{
	struct tty_struct *tty = READ(task, signal, tty);

	if (!tty)
		return 0;
	return (__u32)READ(tty, driver, major) << 20 |
	       (__u32)(READ(tty, driver, minor_start) + READ(tty, index));
}

/*
 * Remembers an interpreter's arguments for those who descend from it: the outermost script, and the
 * latest. False: there is nothing about this task in `scripts`.
 */
static __always_inline bool remember_script(struct task_struct *task, const struct st_task *self,
					    enum room room)
{
	struct script_state *old = bpf_map_lookup_elem(&scripts, self), *s;
	__u64 start = READ(task, mm, arg_start), end = READ(task, mm, arg_end);
	__u64 n = end - start < SCRIPT_ARGS ? end - start : SCRIPT_ARGS - 1;
	__u32 exec = (__u32)READ(task, self_exec_id);

	/* In two steps: clang makes one comparison of (n - 1) out of both, which tells the verifier
	 * nothing about n. */
	if (!n)
		return old;
	barrier_var(n);
	if (n >= SCRIPT_ARGS)
		return old;
	if (old) {
		if (old->exec == exec)
			return true;
		old->exec = exec;
		if (bpf_probe_read_user(old->inner, (__u32)n, (const void *)start) == 0)
			old->inner_len = (__u16)n;
		return true;
	}
	s = enter_room(room);
	if (!s)
		return false;
	__builtin_memset(s, 0, sizeof(*s));
	if (bpf_probe_read_user(s->outer, (__u32)n, (const void *)start)) {
		count_lost(ST_LOST_READ);
		return false;
	}
	s->outer_len = (__u16)n;
	s->exec = exec;
	if (bpf_map_update_elem(&scripts, self, s, BPF_ANY)) {
		count_lost(ST_LOST_SCRIPT_MAP);
		return false;
	}
	return true;
}

static __always_inline void append_scripts(const struct st_task *self, struct exec_record *r,
					   __u32 *off)
{
	struct script_state *s = bpf_map_lookup_elem(&scripts, self);

	if (!s || *off > EXEC_MASK)
		return;
	__builtin_memcpy(r->data + (*off & EXEC_MASK), s->outer, SCRIPT_ARGS);
	r->e.script.off = (__u16)(*off & EXEC_MASK);
	r->e.script.len = s->outer_len;
	*off += SCRIPT_ARGS;
	if (!s->inner_len || *off > EXEC_MASK)
		return;
	__builtin_memcpy(r->data + (*off & EXEC_MASK), s->inner, SCRIPT_ARGS);
	r->e.script_inner.off = (__u16)(*off & EXEC_MASK);
	r->e.script_inner.len = s->inner_len;
	*off += SCRIPT_ARGS;
}

static __always_inline void send_exec(struct task_struct *task, struct linux_binprm *bprm,
				      const struct st_program *program, const struct st_inode *exe,
				      const struct st_task *self, const struct task_state *state,
				      enum room room)
{
	struct exec_record *r = enter_room(room);
	__u32 *off, n;
	__u64 uids;

	if (!r)
		return;
	__builtin_memset(&r->e, 0, offsetof(struct st_exec, ancestor));
	off = &r->e.h.size; /* the cursor, see struct origin_record */
	r->e.exe = *exe;
	r->e.origin = state->origin;
	r->e.injection = state->injection;
	r->e.cgroup = bpf_get_current_cgroup_id();
	uids = bpf_get_current_uid_gid();
	r->e.uid = (__u32)uids;
	r->e.gid = (__u32)(uids >> 32);
	r->e.egid = egid_of(task);
	r->e.euid = euid_of(task);
	if (bpf_core_field_exists(task->loginuid))
		r->e.loginuid = READ(task, loginuid.val);
	if (bpf_core_field_exists(task->sessionid))
		r->e.session = READ(task, sessionid);
	r->e.role = program->role;
	r->e.program = program->id;
	r->e.mntns = READ(task, nsproxy, mnt_ns, ns.inum);
	r->e.netns = READ(task, nsproxy, net_ns, ns.inum);
	r->e.nspid = ns_pid(task);
	r->e.tty = tty_of(task);
	APPEND_STR(bpf_probe_read_kernel_str, r->data, off, EXEC_MASK, 256, READ(bprm, filename),
		   &r->e.filename);
	append_block(r->data, off, READ(task, mm, arg_start), READ(task, mm, arg_end), ARGS_MAX,
		     &r->e.args);
	r->e.argc_total = (__u32)(READ(task, mm, arg_end) - READ(task, mm, arg_start));
	if (program->flags & ST_P_ENV)
		append_block(r->data, off, READ(task, mm, env_start), READ(task, mm, env_end),
			     ENV_MAX, &r->e.env);
	if (state->scripted)
		append_scripts(self, r, off);
	append_path(task, r->data, off, EXEC_MASK, &r->e.cwd);
	append_ancestors(task, &r->e, state->engine ? 1 : ST_MAX_ANCESTORS);
	n = r->e.h.size;
	barrier_var(n);
	n &= EXEC_SENT;
	fill_header(&r->e.h, ST_EXEC, (__u32)sizeof(r->e) + n, self);
	send(r, sizeof(r->e) + n, BPF_RB_NO_WAKEUP, ST_LOST_RING_EXEC);
}

#endif
