// SPDX-License-Identifier: GPL-2.0-only
/*
 * Script files opened by web workers: second-class evidence, for engines whose memory cannot be
 * read. Attached only where there is such an engine, because a syscall tracepoint slows every
 * syscall of the machine a little.
 */
#include "vmlinux.h"

#include <bpf/bpf_tracing.h>

#include "php.bpf.h"

#define OPEN_MASK 511

struct open_record {
	struct st_open o;
	char data[OPEN_MASK + 1 + 512];
};

SEC("tracepoint/syscalls/sys_enter_openat")
int script_open_enter(struct trace_event_raw_sys_enter *ctx)
{
	struct task_struct *task = current_task();
	__u64 thread = bpf_get_current_pid_tgid();
	struct call_state call = {.name = ctx->args[1], .op = ST_OP_CREATE};
	struct st_program *program = program_of(task);

	if (!program || (program->role != ST_ROLE_PHP && program->role != ST_ROLE_HTTPD))
		return 0;
	if (bpf_map_update_elem(&calls, &thread, &call, BPF_ANY))
		count_lost(ST_LOST_CALL_MAP);
	return 0;
}

/* The whole name is compared by user space; here only enough to leave out images, sockets and
 * libraries. */
static __always_inline bool may_be_script(const char *name, __u32 len)
{
	__u32 word = 0;

	if (len < 5)
		return false;
	bpf_probe_read_kernel(&word, sizeof(word), name + ((len - 4) & OPEN_MASK));
	switch (word) {
	case 0x7068702e: /* .php */
	case 0x6c6d7468: /* html of .phtml */
	case 0x636e692e: /* .inc */
	case 0x6e69622e: /* .bin of a file cache */
	case 0x37706870: /* php7 */
	case 0x35706870: /* php5 */
		return true;
	}
	return false;
}

/*
 * A thread of an engine that can neither be read nor heard. At the first run of a script, FPM and
 * FastCGI open it and then change into its directory; what is opened afterwards is included or
 * merely read, and a script that opcache knows is not opened at all. So an open counts only if a
 * chdir() to just that directory follows, and until the next chdir(), with which the engine ends
 * the request. Absolute names only, as PHP resolves them before it opens.
 */
static __always_inline void guess_running(struct task_struct *task, __u64 thread, const char *path)
{
	struct st_program *program = program_of(task);
	const struct st_php_image *img = NULL;
	struct running_script *s;
	__u32 zero = 0, image;
	struct st_inode exe;
	__u64 base = 0;
	bool known;

	exe_id(task, &exe);
	if (path[0] != '/' || !program ||
	    !php_find(task, program, &exe, &img, &base, &image, &known) || !img || img->called)
		return;
	s = bpf_map_lookup_elem(&running, &thread);
	if (s && s->opened != OPENED_ONLY)
		return;
	s = bpf_map_lookup_elem(&running_room, &zero);
	if (!s)
		return;
	s->opened = OPENED_ONLY;
	bpf_probe_read_kernel_str(s->path, sizeof(s->path), path);
	running_used = 1;
	if (bpf_map_update_elem(&running, &thread, s, BPF_ANY))
		count_lost(ST_LOST_SCRIPT_MAP);
}

SEC("tracepoint/syscalls/sys_exit_openat")
int script_open_exit(struct trace_event_raw_sys_exit *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct call_state *found = bpf_map_lookup_elem(&calls, &thread), call;
	struct task_struct *task = current_task();
	struct open_record *r;
	__u32 off = 0;

	if (!found || found->op != ST_OP_CREATE)
		return 0;
	call = *found;
	bpf_map_delete_elem(&calls, &thread);
	if (ctx->ret < 0)
		return 0; /* httpd's own x.php/.htaccess probes end here */
	r = reserve(sizeof(*r), ST_LOST_RING_OPEN);
	if (!r)
		return 0;
	__builtin_memset(&r->o, 0, sizeof(r->o));
	APPEND_STR(bpf_probe_read_user_str, r->data, &off, OPEN_MASK, 512, call.name, &r->o.path);
	if (!may_be_script(r->data, off)) {
		bpf_ringbuf_discard(r, BPF_RB_NO_WAKEUP);
		return 0;
	}
	guess_running(task, thread, r->data);
	r->o.uid = (__u32)bpf_get_current_uid_gid();
	{
		struct st_task self;

		task_key(task, &self);
		fill_header(&r->o.h, ST_OPEN, (__u32)sizeof(r->o) + (off & (OPEN_MASK * 2 + 1)),
			    &self);
	}
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

#define DIR_MAX 192

/* Is `dir` the directory of `path`? */
static __always_inline bool is_directory_of(const char *dir, const char *path)
{
	bool inside = true;

	for (int i = 0; i < DIR_MAX; i++) {
		if (inside && !dir[i]) {
			if (path[i] != '/')
				return false;
			inside = false;
		} else if (inside ? dir[i] != path[i] : path[i] == '/') {
			return false;
		} else if (!inside && !path[i]) {
			return true;
		}
	}
	return false; /* too long to tell */
}

SEC("tracepoint/syscalls/sys_enter_chdir")
int script_dir_enter(struct trace_event_raw_sys_enter *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct running_script *s = bpf_map_lookup_elem(&running, &thread);
	char dir[DIR_MAX] = {};

	if (!s || !s->opened)
		return 0;
	bpf_probe_read_user_str(dir, sizeof(dir), (const void *)ctx->args[0]);
	if (s->opened == OPENED_ONLY && is_directory_of(dir, s->path))
		s->opened = OPENED_AND_ENTERED;
	else
		bpf_map_delete_elem(&running, &thread);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
