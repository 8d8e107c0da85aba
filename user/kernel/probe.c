// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/probe.h"

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
#include "base/clock.h"
#include "base/log.h"
#include "kernel/inode.h"
#include "kernel/php_layouts.h"

/* generated: bpftool's code is not ours to mend */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include "spamtrace.skel.h"
#pragma GCC diagnostic pop

#define MAX_LINKS 128
#define MAX_TEXTS 16
/* more than there are programs */
#define MAX_ATTACHED  64
#define LOOK_SKIPS_NS 100000000ULL

struct probe {
	struct spamtrace *skel;
	struct ring_buffer *ring;
	struct bpf_link *link[MAX_LINKS];
	size_t links;
	const struct bpf_program *attached[MAX_ATTACHED]; /* each once */
	size_t attached_count;
	uint64_t skips, skips_at; /* boot ns */
	const char
		*fexit[10]; /* names of the fexit programs that fit this kernel, ends with NULL */
	bool again;         /* AGAIN of bpf/maps.bpf.h */
	bool engines;       /* calls of some are watched */
	bool opens;         /* script opens are wanted */
	const char *hooks[MAX_TEXTS], *notes[MAX_TEXTS];
	size_t hook_count, note_count;
	const char *(*queue_hook)(void *arg);
	void *queue_arg;
	bool no_syscalls;
	probe_fn fn;
	void *arg;
};

/* Which programs belong to which hook, by name. */
struct hook {
	const char *name;            /* as it is printed */
	const char *const *programs; /* ends with NULL */
	bool required;
	const char *without; /* what is lost when it is refused */
};

static const char *const lineage_programs[] = {"on_fork", "on_exec", "on_end", NULL};
static const char *const lineage_again[] = {"on_fork_again", "on_exec_again", "on_end_again", NULL};
static const char *const prepare_again[] = {"on_prepare_exec_again", NULL};
static const char *const connect_programs[] = {"on_sock_state", NULL};
static const char *const open_programs[] = {"script_open_enter", "script_open_exit",
					    "script_dir_enter", NULL};
static const char *const prepare_programs[] = {"on_prepare_exec", NULL};
static const char *const engine_programs[] = {"engine_executes", "engine_done", NULL};
static const char *const create_programs[] = {"enter_openat", "exit_openat", NULL};
static const char *const syscall_programs[] = {"exit_call",    "enter_link",     "enter_linkat",
					       "enter_rename", "enter_renameat", "enter_renameat2",
					       "enter_unlink", "enter_unlinkat", NULL};
/* exit_call is attached by itself to the first of the syscalls, and to these */
static const char *const exit_tracepoints[] = {"sys_exit_linkat",
					       "sys_exit_rename",
					       "sys_exit_renameat",
					       "sys_exit_renameat2",
					       "sys_exit_unlink",
					       "sys_exit_unlinkat",
					       NULL};

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

static void note(struct probe *p, const char *text)
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
	set_own_root(p->skel);
	set_fcgi_keys(p->skel);
	if (o->ring_bytes)
		bpf_map__set_max_entries(p->skel->maps.events, (__u32)o->ring_bytes);
	bpf_object__for_each_program(prog, p->skel->obj)
	{
		const char *name = bpf_program__name(prog);
		bool want = in(lineage_programs, name) || in(connect_programs, name);

		/* both sets: a kernel may load fexit programs and yet refuse to attach them */
		if (!o->no_queue)
			want |= in(syscall_programs, name) || (fexit && in(p->fexit, name));
		want |= in(open_programs, name); /* attached only where they are needed */
		want |= o->creates && in(create_programs, name);
		want |= in(prepare_programs, name) && has_prepare_exec(btf);
		want |= p->again && (in(lineage_again, name) ||
				     (in(prepare_again, name) && has_prepare_exec(btf)));
		want |= engines && in(engine_programs, name);
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
	struct probe *p = arg;

	p->fn(p->arg, data, len);
	return 0;
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
	ring_buffer__free(p->ring);
	spamtrace__destroy(p->skel);
	free(p);
}

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
	int err = attach_hook(p, syscall_programs);

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
		note(p, "the queue hooks were refused: injections are traced, but not what becomes "
			"of them");
}

int probe_attach(struct probe *p, int *exit_status)
{
	int err = attach_hook(p, lineage_programs);

	if (err) {
		*exit_status =
			err == -EPERM || err == -EACCES ? PROBE_EXIT_PRIVILEGE : PROBE_EXIT_KERNEL;
		return log_err(err, "the kernel refused the fork, exec and exit hooks, without "
				    "which nothing can be traced");
	}
	hooked(p, "fork, exec, exit");
	if (p->again && attach_hook(p, lineage_again))
		note(p, "the second set of fork, exec and exit hooks was refused: under load some "
			"messages stay without an origin");
	attach_queue(p);
	if (attach_hook(p, connect_programs))
		note(p, "the connection hook was refused: SMTP sessions of scripts are not seen");
	else
		hooked(p, "connect");
	if (loaded(p, "on_prepare_exec") && !attach_hook(p, prepare_programs))
		hooked(p, "exec in place");
	if (loaded(p, "on_prepare_exec_again"))
		attach_hook(p, prepare_again);
	if (p->opens && loaded(p, "script_open_enter")) {
		if (attach_hook(p, open_programs))
			note(p, "the file open hook was refused: engines whose memory cannot be "
				"read stay without a script");
		else
			hooked(p, "script opens");
	}
	if (loaded(p, "enter_openat")) {
		if (attach_hook(p, create_programs))
			note(p, "the file creation hook was refused: Sendmail's messages are not "
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

int probe_attach_engine(struct probe *p, const char *path)
{
	static const struct {
		const char *program, *function;
		bool returns;
	} calls[] = {
		{"engine_executes", "php_execute_script", false},
		{"engine_done", "php_request_shutdown", true},
	};
	size_t first = p->links;

	for (size_t i = 0; i < array_size(calls); i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, opts, .func_name = calls[i].function,
			    .retprobe = calls[i].returns);
		struct bpf_program *prog =
			bpf_object__find_program_by_name(p->skel->obj, calls[i].program);
		struct bpf_link *link = NULL;
		int err = -ENOENT;

		if (prog && bpf_program__fd(prog) >= 0) {
			errno = ENOSPC;
			link = p->links < MAX_LINKS
				       ? bpf_program__attach_uprobe_opts(prog, -1, path, 0, &opts)
				       : NULL;
			err = -errno;
		}
		if (!link) {
			while (p->links > first)
				bpf_link__destroy(p->link[--p->links]);
			return err;
		}
		p->link[p->links++] = link;
		note_attached(p, prog);
	}
	if (!p->engines)
		hooked(p, "calls of unreadable engines");
	p->engines = true;
	return 0;
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

static int update(const struct bpf_map *map, const void *key, const void *value)
{
	return bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY) ? -errno : 0;
}

int probe_set_program(struct probe *p, const struct st_inode *exe, const struct st_program *program)
{
	return update(p->skel->maps.programs, exe, program);
}

int probe_unset_program(struct probe *p, const struct st_inode *exe)
{
	return bpf_map_delete_elem(bpf_map__fd(p->skel->maps.programs), exe) ? -errno : 0;
}

int probe_set_image(struct probe *p, uint32_t index, const struct st_php_image *image)
{
	return update(p->skel->maps.php_images, &index, image);
}

int probe_set_base(struct probe *p, const struct st_base_key *key, const struct st_base *base)
{
	return update(p->skel->maps.php_bases, key, base);
}

int probe_set_queue(struct probe *p, const struct st_inode *root, const struct st_queue_root *value)
{
	return update(p->skel->maps.queues, root, value);
}

int probe_unset_base(struct probe *p, const struct st_base_key *key)
{
	return bpf_map_delete_elem(bpf_map__fd(p->skel->maps.php_bases), key) ? -errno : 0;
}

int probe_unset_queue(struct probe *p, const struct st_inode *root)
{
	return bpf_map_delete_elem(bpf_map__fd(p->skel->maps.queues), root) ? -errno : 0;
}

int probe_set_queue_path(struct probe *p, const char *prefix, uint32_t queue)
{
	struct {
		__u32 bits;
		char prefix[124];
	} key = {0}; /* struct queue_path of bpf/maps.bpf.h */
	size_t n = strlen(prefix);

	if (n >= sizeof(key.prefix))
		return -ENAMETOOLONG;
	memcpy(key.prefix, prefix, n);
	key.bits = (__u32)n * 8;
	return update(p->skel->maps.queue_paths, &key, &queue);
}

int probe_fd(const struct probe *p)
{
	return ring_buffer__epoll_fd(p->ring);
}

int probe_read(struct probe *p, probe_fn fn, void *arg)
{
	p->fn = fn;
	p->arg = arg;
	return ring_buffer__consume(p->ring);
}

static uint64_t skips_of(const struct bpf_program *prog)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_program__fd(prog) < 0 || bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
		return 0;
	return info.recursion_misses;
}

/* How often something may have been missed because neither a program nor its AGAIN was run. The
 * kernel counts from 5.12 on. */
static uint64_t skipped(const struct probe *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->attached_count; i++) {
		const char *name = bpf_program__name(p->attached[i]);
		uint64_t n = strstr(name, "_again") ? 0 : skips_of(p->attached[i]), other;
		char twin[64];

		if (!n)
			continue;
		snprintf(twin, sizeof(twin), "%s_again", name);
		for (size_t j = 0; j < p->attached_count; j++)
			if (!strcmp(bpf_program__name(p->attached[j]), twin)) {
				other = skips_of(p->attached[j]);
				n = other < n ? other : n;
			}
		sum += n;
	}
	return sum;
}

void probe_lost(struct probe *p, uint64_t out[ST_LOST_COUNT])
{
	uint64_t now = clock_boot_ns();

	for (int reason = 0; reason < ST_LOST_COUNT; reason++)
		out[reason] = __atomic_load_n(&p->skel->bss->lost[reason], __ATOMIC_RELAXED);
	/* a system call for each program; where forks and execs are not preempted, none is skipped
	 */
	if (p->again || now - p->skips_at >= LOOK_SKIPS_NS) {
		p->skips = skipped(p);
		p->skips_at = now;
	}
	out[ST_LOST_SKIPPED] = p->skips;
}

const char *probe_lost_name(enum st_lost reason)
{
	static const char *const names[ST_LOST_COUNT] = {
		[ST_LOST_RING_ORIGIN] = "ring-origin",   [ST_LOST_RING_LINEAGE] = "ring-lineage",
		[ST_LOST_RING_EXEC] = "ring-exec",       [ST_LOST_RING_QUEUE] = "ring-queue",
		[ST_LOST_RING_CONNECT] = "ring-connect", [ST_LOST_RING_OPEN] = "ring-open",
		[ST_LOST_TASK_MAP] = "task-map",         [ST_LOST_CALL_MAP] = "call-map",
		[ST_LOST_SOCK_MAP] = "sock-map",         [ST_LOST_SCRIPT_MAP] = "script-map",
		[ST_LOST_SKIPPED] = "program-skipped",   [ST_LOST_READ] = "read",
	};

	return names[reason];
}

int probe_uid_totals(const struct probe *p,
		     void (*fn)(void *arg, uint32_t uid, const struct st_uid_total *t), void *arg)
{
	int fd = bpf_map__fd(p->skel->maps.uid_totals);
	__u32 key = 0, next;
	void *at = NULL;

	while (bpf_map_get_next_key(fd, at, &next) == 0) {
		struct st_uid_total total;

		if (bpf_map_lookup_elem(fd, &next, &total) == 0)
			fn(arg, next, &total);
		key = next;
		at = &key;
	}
	return errno == ENOENT ? 0 : -errno;
}

size_t probe_costs(const struct probe *p, struct probe_cost *out, size_t max)
{
	struct bpf_program *prog;
	size_t n = 0;

	bpf_object__for_each_program(prog, p->skel->obj)
	{
		struct bpf_prog_info info = {0};
		__u32 len = sizeof(info);
		int fd = bpf_program__fd(prog);

		if (n == max)
			break;
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
			continue;
		out[n++] = (struct probe_cost){.name = bpf_program__name(prog),
					       .runs = info.run_cnt,
					       .ns = info.run_time_ns,
					       .insns = info.xlated_prog_len / 8,
					       .verified = info.verified_insns};
	}
	return n;
}
