// SPDX-License-Identifier: GPL-2.0-only
/* Which programs are attached to what, and what is said where the kernel refuses one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/probe_internal.h"

/* exit_call is attached by itself to the first of the syscalls, and to these */
static const char *const exit_tracepoints[] = {"sys_exit_linkat",
					       "sys_exit_rename",
					       "sys_exit_renameat",
					       "sys_exit_renameat2",
					       "sys_exit_unlink",
					       "sys_exit_unlinkat",
					       NULL};

/* Takes the link, or on failure destroys those from `first` on. */
static int keep_link(struct probe *p, struct bpf_link *link, size_t first)
{
	int err = link ? -ENOSPC : -errno;

	if (link && p->links < MAX_LINKS) {
		p->link[p->links++] = link;
		return 0;
	}
	bpf_link__destroy(link);
	while (p->links > first)
		bpf_link__destroy(p->link[--p->links]);
	return err;
}

static void note_attached(struct probe *p, const struct bpf_program *prog)
{
	for (size_t i = 0; i < p->attached_count; i++)
		if (p->attached[i] == prog)
			return;
	if (p->attached_count < MAX_ATTACHED)
		p->attached[p->attached_count++] = prog;
}

static int attach_hook(struct probe *p, const char *const *programs)
{
	size_t first = p->links;

	for (; *programs; programs++) {
		struct bpf_program *prog =
			bpf_object__find_program_by_name(p->skel->obj, *programs);
		int err;

		if (!prog || bpf_program__fd(prog) < 0)
			return -ENOENT;
		err = keep_link(p, bpf_program__attach(prog), first);
		if (err)
			return err;
		note_attached(p, prog);
	}
	return 0;
}

static int attach_syscalls(struct probe *p)
{
	size_t first = p->links;
	int err = attach_hook(p, probe_syscall);

	for (size_t i = 0; !err && exit_tracepoints[i]; i++)
		err = keep_link(p,
				bpf_program__attach_tracepoint(p->skel->progs.exit_call, "syscalls",
							       exit_tracepoints[i]),
				first);
	return err;
}

static void hooked(struct probe *p, const char *name)
{
	if (p->hook_count < MAX_TEXTS)
		p->hooks[p->hook_count++] = name;
}

static bool loaded(const struct probe *p, const char *name)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(p->skel->obj, name);

	return prog && bpf_program__fd(prog) >= 0;
}

static void attach_queue(struct probe *p)
{
	const char *other = NULL;

	if (p->fexit[0] && !attach_hook(p, p->fexit))
		hooked(p, "queue (fexit)");
	else if (p->queue_hook && (other = p->queue_hook(p->queue_arg)))
		hooked(p, other);
	else if (!p->no_syscalls && loaded(p, "enter_link") && !attach_syscalls(p))
		hooked(p, "queue (syscalls)");
	else if (loaded(p, "enter_link") || p->fexit[0])
		probe_note(
			p,
			"the queue hooks were refused: injections are traced, but not what becomes "
			"of them");
}

static void attach_prepare(struct probe *p)
{
	if (!loaded(p, "on_prepare_exec"))
		return;
	if (attach_hook(p, probe_prepare))
		probe_note(p, "the hook before an exec was refused: what a script executes in its "
			      "own place stays without an origin");
	else
		hooked(p, "exec in place");
	if (loaded(p, "on_prepare_exec_again") && attach_hook(p, probe_prepare_again))
		probe_note(p,
			   "the second hook before an exec was refused: under load some messages "
			   "stay without an origin");
}

int probe_attach(struct probe *p, int *exit_status)
{
	int err = attach_hook(p, probe_lineage);

	if (err) {
		*exit_status =
			err == -EPERM || err == -EACCES ? PROBE_EXIT_PRIVILEGE : PROBE_EXIT_KERNEL;
		return log_err(err, "the kernel refused the fork, exec and exit hooks, without "
				    "which nothing can be traced");
	}
	hooked(p, "fork, exec, exit");
	if (p->again && attach_hook(p, probe_lineage_again))
		probe_note(
			p,
			"the second set of fork, exec and exit hooks was refused: under load some "
			"messages stay without an origin");
	attach_queue(p);
	if (attach_hook(p, probe_connect))
		probe_note(
			p,
			"the connection hook was refused: SMTP sessions of scripts are not seen");
	else
		hooked(p, "connect");
	attach_prepare(p);
	if (p->opens && loaded(p, "script_open_enter")) {
		if (attach_hook(p, probe_open))
			probe_note(p,
				   "the file open hook was refused: engines whose memory cannot be "
				   "read stay without a script");
		else
			hooked(p, "script opens");
	}
	if (loaded(p, "enter_openat")) {
		if (attach_hook(p, probe_create))
			probe_note(
				p,
				"the file creation hook was refused: Sendmail's messages are not "
				"seen");
		else
			hooked(p, "queue file creation");
	}
	return 0;
}

void probe_want_opens(struct probe *p)
{
	p->opens = true;
}

int probe_attach_engine(struct probe *p, uint32_t index, const char *path, uint64_t execute_script,
			uint64_t request_shutdown)
{
	/* by its place, not by its name: libbpf would look that up in a file that may be hostile */
	const struct {
		const char *program;
		uint64_t at;
		bool returns;
	} calls[] = {
		{"engine_executes", execute_script, false},
		{"engine_done", request_shutdown, true},
	};
	size_t first = p->engine_links;

	for (size_t i = 0; i < array_size(calls); i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = calls[i].returns);
		struct bpf_program *prog =
			bpf_object__find_program_by_name(p->skel->obj, calls[i].program);
		struct bpf_link *link = NULL;
		int err = -ENOENT;

		if (prog && bpf_program__fd(prog) >= 0 && calls[i].at) {
			errno = ENOSPC;
			link = p->engine_links < MAX_ENGINE_LINKS
				       ? bpf_program__attach_uprobe_opts(prog, -1, path,
									 calls[i].at, &opts)
				       : NULL;
			err = -errno;
		}
		if (!link) {
			while (p->engine_links > first)
				bpf_link__destroy(p->engine_link[--p->engine_links].link);
			return err;
		}
		p->engine_link[p->engine_links++] =
			(struct engine_link){.link = link, .index = index};
		note_attached(p, prog);
	}
	if (!p->engines)
		hooked(p, "calls of unreadable engines");
	p->engines = true;
	return 0;
}

void probe_detach_engine(struct probe *p, uint32_t index)
{
	for (size_t i = p->engine_links; i-- > 0;) {
		if (p->engine_link[i].index != index)
			continue;
		bpf_link__destroy(p->engine_link[i].link);
		p->engine_link[i] = p->engine_link[--p->engine_links];
	}
}

const char *const *probe_hooks(const struct probe *p, size_t *count)
{
	*count = p->hook_count;
	return p->hooks;
}

const char *const *probe_notes(const struct probe *p, size_t *count)
{
	*count = p->note_count;
	return p->notes;
}
