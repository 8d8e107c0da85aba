// SPDX-License-Identifier: GPL-2.0-only
/*
 * The inode of each file that the tracer itself has open, as the kernel's hooks see it. stat() shows another device for files
 * on overlayfs and btrfs, so programs and queue directories are registered by what this iterator says.
 */
#include "vmlinux.h"

#include <bpf/bpf_tracing.h>

#include "task.bpf.h"

struct inode_line {
	__u32 fd, pad;
	struct st_inode id;
};

SEC("iter/task_file")
int own_files(struct bpf_iter__task_file *ctx)
{
	struct inode_line line = {};
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;

	if (!task || !file || (__u32)BPF_CORE_READ(task, tgid) != own_tgid)
		return 0;
	line.fd = ctx->fd;
	inode_id(BPF_CORE_READ(file, f_inode), &line.id);
	bpf_seq_write(ctx->meta->seq, &line, sizeof(line));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
