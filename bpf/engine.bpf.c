// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of exported functions of PHP engines whose memory is not trusted (unknown version, ZTS, a
 * changed build): which script a thread runs. Attached to those engines only; costs them a
 * microsecond or two a request.
 */
#include "vmlinux.h"

#include <bpf/bpf_tracing.h>

#include "task.bpf.h"

/*
 * int php_execute_script(zend_file_handle *primary_file), main/php_main.h, thread safe or not. The
 * handle's union is followed by the file name: a zend_string since 8.1, before that a C string, at
 * 40 since 7.4 (Zend/zend_stream.h). A zend_string is known by its length, which must be that of
 * what stands at its end; a C string must be an absolute path.
 */
#define HANDLE_NAME 40
#define STRING_LEN  16
#define STRING_VAL  24

SEC("uprobe")
int engine_executes(struct pt_regs *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid(), name = 0, len = 0;
	struct running_script *s;
	__u32 zero = 0;
	long n;

	s = bpf_map_lookup_elem(&running_room, &zero);
	if (!s)
		return 0;
	s->opened = 0;
	bpf_probe_read_user(&name, sizeof(name), (const void *)(PT_REGS_PARM1(ctx) + HANDLE_NAME));
	bpf_probe_read_user(&len, sizeof(len), (const void *)(name + STRING_LEN));
	n = bpf_probe_read_user_str(s->path, sizeof(s->path), (const void *)(name + STRING_VAL));
	if (n <= 1 || (__u64)n != len + 1) {
		n = bpf_probe_read_user_str(s->path, sizeof(s->path), (const void *)name);
		if (n <= 1 || s->path[0] != '/')
			return 0;
	}
	running_used = 1;
	if (bpf_map_update_elem(&running, &thread, s, BPF_ANY))
		count_lost(ST_LOST_SCRIPT_MAP);
	return 0;
}

/* php_request_shutdown() runs shutdown functions and destructors: only its return ends a request.
 */
SEC("uretprobe")
int engine_done(struct pt_regs *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&running, &thread);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
