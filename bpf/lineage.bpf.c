// SPDX-License-Identifier: GPL-2.0-only
/* fork, exec, exit: origins are taken here and inherited down the fork tree. */
#include "vmlinux.h"

#include <bpf/bpf_tracing.h>

#define TYPED_TASKS /* all of them are arguments of tracepoints */
#include "exec.bpf.h"
#include "php.bpf.h"

static __always_inline bool carry(const struct st_task *key, const struct task_state *state)
{
	if (!bpf_map_update_elem(&tasks, key, state, BPF_ANY))
		return true;
	count_lost(ST_LOST_TASK_MAP);
	return false;
}

static __always_inline int forked(struct task_struct *parent, struct task_struct *child,
				  enum room room)
{
	struct task_state *carried, state = {};
	struct script_state *script;
	struct st_program *program;
	struct st_task self, kid;
	struct st_inode exe;
	struct st_fork *f;

	task_key(child, &kid);
	task_key(parent, &self);
	if (kid.tgid == self.tgid)
		return 0; /* a thread */
	if (again && bpf_map_lookup_elem(&tasks, &kid))
		return 0;
	carried = bpf_map_lookup_elem(&tasks, &self);
	if (carried)
		state = *carried;
	exe_id(parent, &exe);
	program = bpf_map_lookup_elem(&programs, &exe);
	if (program && (program->role == ST_ROLE_PHP || program->role == ST_ROLE_HTTPD)) {
		bool weak;
		__u64 id = php_snapshot(parent, program, &exe, &self, &kid, state.origin,
					carried && carried->forked, ST_BY_FORK, room, &weak);

		if (id) {
			state.origin = id;
			state.injection = 0;
			state.forked = 1;
			state.weak = weak ? WEAK_ENGINE : 0;
			state.engine = !weak;
			state.scripted = 0;
			carry(&kid, &state);
			return 0; /* the origin record names the child */
		}
	}
	if (!state.origin && !state.injection && !state.scripted)
		return 0;
	/* at its end a task's scripts go because it carries that it has some */
	if (carry(&kid, &state) && state.scripted) {
		script = bpf_map_lookup_elem(&scripts, &self);
		if (script && bpf_map_update_elem(&scripts, &kid, script, BPF_ANY))
			count_lost(ST_LOST_SCRIPT_MAP);
	}
	if (!state.origin && !state.injection)
		return 0;
	f = reserve(sizeof(*f), ST_LOST_RING_LINEAGE);
	if (!f)
		return 0;
	fill_header(&f->h, ST_FORK, sizeof(*f), &self);
	f->child = kid;
	f->origin = state.origin;
	f->injection = state.injection;
	bpf_ringbuf_submit(f, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	return forked(parent, child, ROOM_FORK);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork_again, struct task_struct *parent, struct task_struct *child)
{
	return forked(parent, child, ROOM_FORK_AGAIN);
}

static __always_inline void count_injection(__u32 uid)
{
	struct st_uid_total *t = uid_total(uid);

	if (t)
		__sync_fetch_and_add(&t->injections, 1);
}

#define EEXIST 17 /* include/uapi/asm-generic/errno-base.h */

/* A program seen for the first time: user space looks what it is. Once for each inode. */
static __always_inline void new_program(struct task_struct *task, const struct st_inode *exe,
					const struct st_task *self)
{
	struct st_program none = {};
	long err = bpf_map_update_elem(&programs, exe, &none, BPF_NOEXIST);

	if (err) {
		if (err != -EEXIST)
			count_lost(ST_LOST_PROGRAM_MAP);
		return;
	}
	if (!ask_about(task, exe, self))
		bpf_map_delete_elem(&programs, exe); /* the next exec of it tries again */
}

struct env_record {
	struct st_env e;
	char data[ST_ENV_PIECE + 1];
};

/* The environment of the program that `task`, which is current, has just executed: all of it up to
 * ST_ENV_PIECES. */
static __always_inline void send_environment(struct task_struct *task, const struct st_task *self,
					     __u64 origin, struct env_record *r)
{
	__u64 start = READ(task, mm, env_start), end = READ(task, mm, env_end);
	__u32 total = end > start && end - start < 1u << 30 ? (__u32)(end - start) : 0;

	for (__u32 i = 0; i < ST_ENV_PIECES; i++) {
		__u32 at = i * ST_ENV_PIECE, n = total - at;

		if (at >= total)
			break;
		if (n > ST_ENV_PIECE)
			n = ST_ENV_PIECE;
		barrier_var(n); /* or the compiler drops what the verifier needs */
		n &= ST_ENV_PIECE;
		__builtin_memset(&r->e, 0, sizeof(r->e));
		if (bpf_probe_read_user(r->data, n, (const void *)(start + at))) {
			count_lost(ST_LOST_READ);
			n = 0;
		}
		r->e.origin = origin;
		r->e.at = at;
		r->e.total = total;
		r->e.env.len = (__u16)n & 0x7fff;
		fill_header(&r->e.h, ST_ENV, (__u32)sizeof(r->e) + n, self);
		barrier_var(n);
		n &= ST_ENV_PIECE;
		send(r, sizeof(r->e) + n, BPF_RB_NO_WAKEUP, ST_LOST_RING_ORIGIN);
	}
}

/*
 * A web server's child executes its first program: a CGI request, if its environment says so, or a
 * helper of the server. The server wrote that environment, the script cannot have. Nothing is done
 * for children of a PHP request, whose origin they carry.
 */
static __always_inline bool cgi_start(struct task_struct *task, const struct st_inode *exe,
				      const struct st_task *self, const struct task_state *carried,
				      enum room room)
{
	struct st_program *program;
	struct task_state state = {};
	struct small_record *r;

	if (carried) {
		if (carried->injection || (carried->origin && !carried->weak))
			return false;
		state = *carried;
	}
	program = program_of(READ(task, group_leader, real_parent));
	if (!program || program->role != ST_ROLE_HTTPD)
		return false;
	r = enter_room(room);
	if (!r)
		return false;
	fill_origin(&r->o, task, exe, state.origin, 0, ST_BY_CGI);
	state.origin = send_small(r, task, self);
	state.forked = state.weak = state.engine = 0;
	carry(self, &state);
	send_environment(task, self, state.origin, (void *)r);
	return true;
}

/* A task that is in `scripts` carries that in its state, so that others need not be looked for
 * there. */
static __always_inline void execed_script(struct task_struct *task, const struct st_task *self,
					  struct task_state *carried, enum room room)
{
	struct task_state state = {.scripted = 1};

	if (carried && carried->engine)
		return;
	if (!remember_script(task, self, room))
		return;
	if (carried)
		carried->scripted = 1;
	else if (!carry(self, &state))
		bpf_map_delete_elem(&scripts, self);
}

/* Whoever started the server, what it serves is asked for by others. */
static __always_inline void became_server(struct task_struct *task, const struct st_inode *exe,
					  const struct st_task *self, struct task_state *carried,
					  enum room room)
{
	struct small_record *r;

	if (carried->scripted)
		bpf_map_delete_elem(&scripts, self);
	carried->scripted = carried->engine = 0;
	if (!carried->origin || carried->weak == WEAK_SERVER)
		return;
	r = enter_room(room);
	if (!r)
		return;
	fill_origin(&r->o, task, exe, carried->origin, 0, ST_BY_SERVER);
	carried->origin = send_small(r, task, self);
	carried->injection = 0;
	carried->weak = WEAK_SERVER;
}

static __always_inline int execed(struct task_struct *task, struct linux_binprm *bprm,
				  enum room room)
{
	struct task_state *carried, state = {};
	__u64 exec = READ(task, self_exec_id);
	struct st_program *program;
	struct st_task self;
	struct st_inode exe;

	exe_id(task, &exe);
	task_key(task, &self);
	carried = bpf_map_lookup_elem(&tasks, &self);
	if (cgi_start(task, &exe, &self, carried, room))
		carried = bpf_map_lookup_elem(&tasks, &self);
	program = bpf_map_lookup_elem(&programs, &exe);
	if (!program) {
		new_program(task, &exe, &self);
		return 0;
	}
	if (program->role == ST_ROLE_NONE || self.tgid == own_tgid)
		return 0;
	if (program->role == ST_ROLE_SCRIPT) {
		execed_script(task, &self, carried, room);
		return 0;
	}
	if (program->role == ST_ROLE_PHP || program->role == ST_ROLE_HTTPD) {
		if (carried)
			carried->forked = 0;
		if (carried && program->role == ST_ROLE_HTTPD)
			became_server(task, &exe, &self, carried, room);
		return 0;
	}
	if (carried) {
		if (carried->exec == exec)
			return 0;
		carried->exec = exec;
		state = *carried;
	}
	if (!state.injection) {
		state.exec = exec;
		state.injection = new_id();
		state.uid = (__u32)bpf_get_current_uid_gid();
		if (program->role == ST_ROLE_INJECTOR)
			count_injection(state.uid);
		carry(&self, &state);
	}
	send_exec(task, bprm, program, &exe, &self, &state, room);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	return execed(task, bprm, ROOM_EXEC);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec_again, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	return execed(task, bprm, ROOM_EXEC_AGAIN);
}

/*
 * pcntl_exec() replaces the engine without a fork. This tracepoint runs before the old memory is
 * gone (6.10 and later); elsewhere such an exec has no origin of its own and is said to have none.
 */
static __always_inline int preparing_exec(struct task_struct *task, enum room room)
{
	struct task_state *carried, state = {};
	__u64 exec = READ(task, self_exec_id);
	struct st_program *program;
	struct st_task self, none = {};
	struct st_inode exe;
	__u64 id;
	bool weak;

	exe_id(task, &exe);
	program = bpf_map_lookup_elem(&programs, &exe);
	if (!program || (program->role != ST_ROLE_PHP && program->role != ST_ROLE_HTTPD))
		return 0;
	task_key(task, &self);
	carried = bpf_map_lookup_elem(&tasks, &self);
	if (carried) {
		if (carried->forked || carried->exec == exec)
			return 0; /* a child on its way to its first exec: its origin is as fresh as
				     can be */
		state = *carried;
	}
	id = php_snapshot(task, program, &exe, &self, &none, state.origin, false, ST_BY_EXEC, room,
			  &weak);
	if (id) {
		state.origin = id;
		state.injection = 0;
		state.exec = exec;
		state.weak = weak ? WEAK_ENGINE : 0;
		state.engine = !weak;
		carry(&self, &state);
	}
	return 0;
}

SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(on_prepare_exec, struct task_struct *task, struct linux_binprm *bprm)
{
	return preparing_exec(task, ROOM_PREPARE);
}

SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(on_prepare_exec_again, struct task_struct *task, struct linux_binprm *bprm)
{
	return preparing_exec(task, ROOM_PREPARE_AGAIN);
}

static __always_inline void send_exit(struct task_struct *task, const struct st_task *self,
				      const struct task_state *carried)
{
	struct st_exit *e = reserve(sizeof(*e), ST_LOST_RING_LINEAGE);

	if (!e)
		return;
	fill_header(&e->h, ST_EXIT, sizeof(*e), self);
	e->origin = carried->origin;
	e->injection = carried->injection;
	e->code = (__u32)READ(task, exit_code);
	e->pad = 0;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

/*
 * The end of a process, not of a thread: signal->live is 0 once the last thread is in do_exit(). A
 * thread that execs makes the old leader exit with live > 0.
 */
static __always_inline int ended(struct task_struct *task)
{
	struct task_state *carried;
	struct st_task self;
	__u64 thread = bpf_get_current_pid_tgid();

	if (again)
		bpf_map_delete_elem(&reported, &thread);
	if (READ(task, signal, live.counter) > 0)
		return 0;
	if (running_used)
		bpf_map_delete_elem(&running, &thread);
	task_key(task, &self);
	carried = bpf_map_lookup_elem(&tasks, &self);
	if (!carried)
		return 0;
	if (carried->scripted)
		bpf_map_delete_elem(&scripts, &self);
	if (carried->origin || carried->injection)
		send_exit(task, &self, carried);
	bpf_map_delete_elem(&tasks, &self);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_end, struct task_struct *task)
{
	return ended(task);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_end_again, struct task_struct *task)
{
	return ended(task);
}

char LICENSE[] SEC("license") = "GPL";
