// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/btrfs.h"
#include "kernel/inode.h"
#include "kernel/mounts.h"
#include "kernel/php_layouts.h"
#include "kernel/probe_internal.h"

const char *const probe_lineage[] = {"on_fork", "on_exec", "on_end", NULL};
const char *const probe_lineage_again[] = {"on_fork_again", "on_exec_again", "on_end_again", NULL};
const char *const probe_prepare_again[] = {"on_prepare_exec_again", NULL};
const char *const probe_connect[] = {"on_sock_state", NULL};
const char *const probe_open[] = {"script_open_enter", "script_open_exit", "script_dir_enter",
				  NULL};
const char *const probe_prepare[] = {"on_prepare_exec", NULL};
const char *const probe_engine[] = {"engine_executes", "engine_done", NULL};
const char *const probe_create[] = {"enter_openat", "exit_openat", NULL};
const char *const probe_syscall[] = {"exit_call",    "enter_link",     "enter_linkat",
				     "enter_rename", "enter_renameat", "enter_renameat2",
				     "enter_unlink", "enter_unlinkat", NULL};

/*
 * Argument lists that the fexit programs are written for; NULL-terminated where fewer than two are
 * used. Each function by itself: stable kernels mix them (5.10.262 has vfs_rename() of 5.12 beside
 * vfs_link() of 5.10).
 */
static const struct fexit_variant {
	const char *function;
	int parameters;
	const char *programs[2], *again[2];
} fexit_variants[] = {
	{"vfs_link", 4, {"link_5_10"}, {NULL}},
	{"vfs_link", 5, {"link_5_12"}, {"link_5_12_again"}},
	{"vfs_unlink", 3, {"unlink_5_10"}, {NULL}},
	{"vfs_unlink", 4, {"unlink_5_12"}, {"unlink_5_12_again"}},
	{"vfs_rename", 6, {"rename_in_5_10", "rename_5_10"}, {NULL}},
	{"vfs_rename",
	 1,
	 {"rename_in_5_12", "rename_5_12"},
	 {"rename_in_5_12_again", "rename_5_12_again"}},
};

void probe_note(struct probe *p, const char *text)
{
	if (p->note_count < MAX_TEXTS)
		p->notes[p->note_count++] = text;
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (!log_verbose || level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, fmt, ap);
}

static bool in(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

static int parameters(const struct btf *btf, const char *function)
{
	int id = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;

	t = t ? btf__type_by_id(btf, t->type) : NULL;
	return t ? (int)btf_vlen(t) : -1;
}

/* Writes the names of the fexit programs whose argument lists this kernel's functions have; false:
 * a function fits none. */
static bool choose_fexit(const struct btf *btf, bool again, const char *names[10])
{
	int functions = 0;

	for (size_t i = 0; i < array_size(fexit_variants); i++) {
		const struct fexit_variant *v = &fexit_variants[i];

		if (parameters(btf, v->function) != v->parameters)
			continue;
		functions++;
		for (size_t j = 0; j < array_size(v->programs) && v->programs[j]; j++)
			*names++ = v->programs[j];
		for (size_t j = 0; again && j < array_size(v->again) && v->again[j]; j++)
			*names++ = v->again[j];
	}
	*names = NULL;
	return functions == 3;
}

/* So that a process whose root directory is another one is known from its origin. */
static void set_own_root(struct spamtrace *skel)
{
	struct st_inode root;
	struct statx x;

	if (inode_of_path("/", 0, &root) || statx(AT_FDCWD, "/", 0, STATX_MNT_ID, &x) ||
	    !(x.stx_mask & STATX_MNT_ID)) /* since 5.8 */
		return;
	skel->rodata->own_root.ino = root.ino;
	skel->rodata->own_root.dev = root.dev;
	skel->rodata->own_root.subvol = root.subvol;
	skel->rodata->own_root_mount = (__u32)x.stx_mnt_id;
}

static void set_fcgi_keys(struct spamtrace *skel)
{
	/* in the order of bpf/maps.bpf.h */
	static const char *const names[] = {"SCRIPT_FILENAME", "DOCUMENT_ROOT", "HTTP_HOST",
					    "REMOTE_ADDR", "REQUEST_URI"};

	for (size_t i = 0; i < array_size(names); i++) {
		char word[16] = {0};
		size_t n = strlen(names[i]);

		memcpy(word, names[i], n);
		skel->rodata->fcgi_len[i] = (__u32)n;
		skel->rodata->fcgi_hash[i] = php_fcgi_hash(names[i], n);
		memcpy((void *)&skel->rodata->fcgi_word[i * 2], word, sizeof(word));
	}
}

/* Can programs of tracepoints be preempted? Not on 6.18, and on 7.3 they are. */
static bool preemptible(void)
{
	struct utsname u;

	return !uname(&u) && strtol(u.release, NULL, 10) >= 7;
}

static bool has_prepare_exec(const struct btf *btf)
{
	/* added in 5c5fad46e48c (6.10): called with the old memory still there */
	return btf__find_by_name_kind(btf, "btf_trace_sched_prepare_exec", BTF_KIND_TYPEDEF) > 0;
}

static int try_load(struct probe *p, const struct probe_options *o, const struct btf *btf,
		    bool fexit, bool engines)
{
	struct bpf_program *prog;
	int err;

	p->skel = spamtrace__open();
	if (!p->skel)
		return -errno;
	p->skel->rodata->own_tgid = (__u32)getpid();
	p->skel->rodata->again = p->again;
	p->skel->rodata->btrfs = p->btrfs;
	set_own_root(p->skel);
	set_fcgi_keys(p->skel);
	if (o->ring_bytes)
		bpf_map__set_max_entries(p->skel->maps.events, (__u32)o->ring_bytes);
	bpf_object__for_each_program(prog, p->skel->obj)
	{
		const char *name = bpf_program__name(prog);
		bool want = in(probe_lineage, name) || in(probe_connect, name);

		/* both sets: a kernel may load fexit programs and yet refuse to attach them */
		if (!o->no_queue)
			want |= in(probe_syscall, name) || (fexit && in(p->fexit, name));
		want |= in(probe_open, name); /* attached only where they are needed */
		want |= o->creates && in(probe_create, name);
		want |= in(probe_prepare, name) && has_prepare_exec(btf);
		want |= p->again && (in(probe_lineage_again, name) ||
				     (in(probe_prepare_again, name) && has_prepare_exec(btf)));
		want |= engines && in(probe_engine, name);
		bpf_program__set_autoload(prog, want);
	}
	err = spamtrace__load(p->skel);
	if (err) {
		spamtrace__destroy(p->skel);
		p->skel = NULL;
	}
	return err;
}

static int on_sample(void *arg, void *data, size_t len)
{
	const struct st_header *h = data;
	struct probe *p = arg;

	p->fn(p->arg, data, len);
	return len >= sizeof(*h) && h->time > p->until ? -ECANCELED : 0;
}

static bool locked_down(void)
{
	_fclose_ FILE *f = fopen("/sys/kernel/security/lockdown", "re");
	char line[128] = "";

	return f && fgets(line, sizeof(line), f) && strstr(line, "[confidentiality]");
}

static int refuse(int err, int *exit_status)
{
	if (err == -EPERM || err == -EACCES) {
		*exit_status = PROBE_EXIT_PRIVILEGE;
		if (geteuid() != 0)
			log_warn("needs root (or CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, "
				 "CAP_DAC_READ_SEARCH): run it with sudo");
		else if (locked_down())
			log_warn("this kernel is locked down (confidentiality), which forbids BPF "
				 "to read memory: boot without lockdown=confidentiality");
		else
			log_warn("the kernel refused to load BPF programs although this is root: a "
				 "container without CAP_BPF and CAP_PERFMON? Run it on the host");
		return err;
	}
	*exit_status = PROBE_EXIT_KERNEL;
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		log_warn("this kernel has no type information (/sys/kernel/btf/vmlinux): it needs "
			 "CONFIG_DEBUG_INFO_BTF=y, as Debian 11, RHEL 8.2 and later have");
	else
		log_err(err, "the kernel did not accept the BPF programs (run 'spamtrace doctor' "
			     "and report this)");
	return err;
}

/*
 * Syscall tracepoints are found by their ids in tracefs. Where nobody has mounted it (minimal
 * containers, some virtual machines), this process mounts it for itself: a private mount namespace
 * that goes on receiving what is mounted outside.
 */
static void need_tracefs(void)
{
	if (!access("/sys/kernel/tracing/events/syscalls", F_OK) ||
	    !access("/sys/kernel/debug/tracing/events/syscalls", F_OK))
		return;
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) ||
	    mount("tracefs", "/sys/kernel/tracing", "tracefs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  NULL))
		log_err(errno, "tracefs is not mounted and could not be (mount -t tracefs tracefs "
			       "/sys/kernel/tracing)");
	mounts_forget();
}

int probe_new(const struct probe_options *o, struct probe **out, int *exit_status)
{
	struct probe *p = calloc(1, sizeof(*p));
	struct btf *btf;
	bool fexit;
	int err;

	if (!p)
		return -ENOMEM;
	*exit_status = 1;
	libbpf_set_print(quiet);
	need_tracefs();
	btf = btf__load_vmlinux_btf();
	if (!btf) {
		err = -errno;
		free(p);
		return refuse(err == -EPERM ? err : -ENOENT, exit_status);
	}
	p->opens = o->opens;
	p->again = preemptible();
	p->btrfs = btrfs_layout(btf);
	inode_tell_subvolumes(p->btrfs.known);
	p->queue_hook = o->no_queue ? NULL : o->queue_hook;
	p->queue_arg = o->arg;
	p->no_syscalls = o->no_syscalls;
	fexit = choose_fexit(btf, p->again, p->fexit) && !o->no_queue && !o->no_fexit;
	err = fexit ? try_load(p, o, btf, true, true) : -ENOENT;
	if (err) {
		p->fexit[0] = NULL;
		err = try_load(p, o, btf, false, true);
	}
	if (err) /* uprobes are refused where the rest is not, on some kernels */
		err = try_load(p, o, btf, false, false);
	btf__free(btf);
	if (!err) {
		p->ring = ring_buffer__new(bpf_map__fd(p->skel->maps.events), on_sample, p, NULL);
		if (!p->ring)
			err = -errno;
	}
	if (err) {
		probe_free(p);
		return refuse(err, exit_status);
	}
	*out = p;
	return 0;
}

void probe_free(struct probe *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->links; i++)
		bpf_link__destroy(p->link[i]);
	for (size_t i = 0; i < p->engine_links; i++)
		bpf_link__destroy(p->engine_link[i].link);
	ring_buffer__free(p->ring);
	spamtrace__destroy(p->skel);
	free(p);
}
