// SPDX-License-Identifier: GPL-2.0-only
/*
 * Can this kernel and this process trace? Tiny programs are offered to the kernel, because what a
 * kernel of this version should take says nothing about lockdown, seccomp or a vendor's
 * configuration. Nothing stays loaded.
 */
#include "doctor/doctor.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cap-ng.h>
#include <errno.h>
#include <limits.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/queue_watch.h"

#define AREA "kernel"

/* Linux's PROC_PID_INIT_INO (include/linux/proc_ns.h): the first pid namespace. */
#define PID_NS_INIT "pid:[4026531836]"

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

static void version(struct doctor *d)
{
	struct utsname u;
	unsigned long major = 0, minor = 0;
	char *dot = NULL;

	if (uname(&u) == 0) {
		major = strtoul(u.release, &dot, 10);
		minor = *dot == '.' ? strtoul(dot + 1, NULL, 10) : 0;
	}
	if (!major) {
		doctor_say(d, DOCTOR_UNKNOWN, AREA, "version", NULL, NULL,
			   "kernel version unknown");
		return;
	}
	if (major > 5 || (major == 5 && minor >= 10))
		doctor_say(d, DOCTOR_OK, AREA, "version", NULL, NULL, "kernel %s", u.release);
	else if (major == 5 && minor >= 8)
		doctor_say(d, DOCTOR_WARNING, AREA, "version", "use 5.10 or newer", NULL,
			   "kernel %s is older than what is tested", u.release);
	else
		doctor_say(d, DOCTOR_BAD, AREA, "version", "use 5.10 or newer", NULL,
			   "kernel %s lacks the BPF ring buffer (5.8)", u.release);
}

static void btf(struct doctor *d)
{
	static const char path[] = "/sys/kernel/btf/vmlinux";

	if (access(path, R_OK) == 0)
		doctor_say(d, DOCTOR_OK, AREA, "btf", NULL, NULL, "BTF type information: %s", path);
	else if (access("/sys/kernel/btf", F_OK) != 0 && access("/sys/kernel", F_OK) != 0)
		doctor_say(d, DOCTOR_UNKNOWN, AREA, "btf", "mount sysfs on /sys", NULL,
			   "/sys is not mounted");
	else
		doctor_say(d, DOCTOR_BAD, AREA, "btf",
			   "use a kernel built with CONFIG_DEBUG_INFO_BTF=y", NULL, "%s: %s", path,
			   strerror(errno));
}

static void lockdown(struct doctor *d)
{
	_free_ char *text = NULL;

	if (doctor_read(d, "/sys/kernel/security/lockdown", &text, NULL) != 0) {
		bool there = access("/sys/kernel/security/lsm", F_OK) == 0;

		doctor_say(d, there ? DOCTOR_OK : DOCTOR_UNKNOWN, AREA, "lockdown",
			   there ? NULL : "mount -t securityfs securityfs /sys/kernel/security",
			   NULL,
			   there ? "this kernel knows no lockdown"
				 : "lockdown: securityfs is not mounted");
	} else if (strstr(text, "[confidentiality]")) {
		doctor_say(d, DOCTOR_BAD, AREA, "lockdown",
			   "boot with lockdown=integrity or lockdown=none", NULL,
			   "lockdown is confidentiality: BPF may not read memory");
	} else {
		doctor_say(d, DOCTOR_OK, AREA, "lockdown", NULL, NULL, "lockdown is %s",
			   strstr(text, "[integrity]")
				   ? "integrity: fentry may be refused, the rest works"
				   : "none");
	}
}

static void capabilities(struct doctor *d)
{
	static const struct {
		int capability;
		bool needed;
		const char *name, *use;
	} wanted[] = {
		{CAP_BPF, true, "CAP_BPF", "loads programs"},
		{CAP_PERFMON, true, "CAP_PERFMON", "attaches them to tracepoints"},
		{CAP_SYS_PTRACE, true, "CAP_SYS_PTRACE", "reads PHP workers' memory"},
		{CAP_DAC_READ_SEARCH, true, "CAP_DAC_READ_SEARCH", "reads queue files"},
		{CAP_SYS_RESOURCE, false, "CAP_SYS_RESOURCE",
		 "raises the memory lock limit before 5.11"},
		{CAP_NET_RAW, false, "CAP_NET_RAW", "sees SMTP sessions of other hosts' clients"},
		{CAP_SYS_ADMIN, false, "CAP_SYS_ADMIN", "stands in for BPF and PERFMON; fanotify"},
	};
	struct doctor_names needed = {0}, other = {0};
	bool admin;

	if (capng_get_caps_process() != 0) {
		doctor_say(d, DOCTOR_UNKNOWN, AREA, "capabilities", NULL, NULL,
			   "this process's capabilities cannot be read");
		return;
	}
	admin = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
	for (size_t i = 0; i < array_size(wanted); i++) {
		char text[128];

		if (capng_have_capability(CAPNG_EFFECTIVE, (unsigned)wanted[i].capability))
			continue;
		if (admin &&
		    (wanted[i].capability == CAP_BPF || wanted[i].capability == CAP_PERFMON))
			continue;
		snprintf(text, sizeof(text), "%s (%s)", wanted[i].name, wanted[i].use);
		doctor_name(wanted[i].needed ? &needed : &other, text);
	}
	if (needed.all)
		doctor_say(d, DOCTOR_BAD, AREA, "capabilities", "run as root", &needed,
			   "missing capabilities");
	else
		doctor_say(d, DOCTOR_OK, AREA, "capabilities", NULL, NULL,
			   "every capability that tracing needs");
	if (other.all)
		doctor_say(d, DOCTOR_OK, AREA, "capabilities-optional", NULL, &other,
			   "capabilities that are not always needed are missing");
	doctor_names_clear(&needed);
	doctor_names_clear(&other);
}

static void unprivileged(struct doctor *d)
{
	_free_ char *text = NULL;

	if (doctor_read(d, "/proc/sys/kernel/unprivileged_bpf_disabled", &text, NULL) != 0)
		doctor_say(d, DOCTOR_UNKNOWN, AREA, "unprivileged-bpf", NULL, NULL,
			   "kernel.unprivileged_bpf_disabled cannot be read");
	else if (*text == '0')
		doctor_say(
			d, DOCTOR_WARNING, AREA, "unprivileged-bpf",
			"sysctl kernel.unprivileged_bpf_disabled=2 (customers have no use for it)",
			NULL, "every user may load BPF programs");
	else
		doctor_say(d, DOCTOR_OK, AREA, "unprivileged-bpf", NULL, NULL,
			   "BPF is for the privileged only");
}

/* r0 = 0; exit */
static const struct bpf_insn nothing[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
	{.code = BPF_JMP | BPF_EXIT},
};

/* Loads the program above as `type`, for BTF types on `target`. Returns a descriptor or -errno. */
static int load(enum bpf_prog_type type, enum bpf_attach_type attach, const char *target)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach);

	if (target) {
		int id = libbpf_find_vmlinux_btf_id(target, attach);

		if (id < 0)
			return id;
		opts.attach_btf_id = (__u32)id;
	}
	return bpf_prog_load(type, "st_doctor", "GPL", nothing, array_size(nothing), &opts);
}

/* Loads and, for BTF types, attaches: some kernels refuse only that. 0 or -errno. */
static int try_btf(enum bpf_prog_type type, enum bpf_attach_type attach, const char *target)
{
	_close_ int prog = load(type, attach, target);
	_close_ int link = -1;

	if (prog < 0)
		return prog;
	link = bpf_raw_tracepoint_open(NULL, prog);
	return link < 0 ? link : 0;
}

static void say_try(struct doctor *d, int err, const char *check, const char *works,
		    const char *fails, enum doctor_level level, const char *advice)
{
	if (err >= 0)
		doctor_say(d, DOCTOR_OK, AREA, check, NULL, NULL, "%s", works);
	else
		doctor_say(d, level, AREA, check, advice, NULL, "%s: %s", fails, strerror(-err));
}

/* Syscall tracepoints are attached by the numbers that tracefs gives them. */
static void trace_files(struct doctor *d, bool watched)
{
	static const char *const roots[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
	enum doctor_level lacking = watched ? DOCTOR_WARNING : DOCTOR_BAD;

	for (size_t i = 0; i < array_size(roots); i++) {
		char sched[128], syscall[128];

		snprintf(sched, sizeof(sched), "%s/events/sched/sched_process_exec/id", roots[i]);
		snprintf(syscall, sizeof(syscall), "%s/events/syscalls/sys_exit_linkat/id",
			 roots[i]);
		if (access(sched, R_OK) != 0)
			continue;
		if (access(syscall, R_OK) == 0)
			doctor_say(d, DOCTOR_OK, AREA, "tracefs", NULL, NULL,
				   "syscall tracepoints: %s", roots[i]);
		else
			doctor_say(d, lacking, AREA, "tracefs",
				   "use a kernel with CONFIG_FTRACE_SYSCALLS=y", NULL,
				   "this kernel has no syscall tracepoints: opened scripts are not "
				   "seen%s",
				   watched ? "" : ", and nothing watches the queue");
		return;
	}
	doctor_say(d, lacking, AREA, "tracefs",
		   geteuid() ? "run as root" : "mount -t tracefs tracefs /sys/kernel/tracing", NULL,
		   "tracefs cannot be read: syscall tracepoints cannot be attached");
}

/* How the queues can be watched. Returns whether it is without syscall tracepoints. */
static bool queue_hook(struct doctor *d)
{
	struct queue_watch *watch = NULL;
	int fexit = try_btf(BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT, "vfs_link"), fanotify;

	if (fexit == 0) {
		doctor_say(d, DOCTOR_OK, AREA, "fexit", NULL, NULL,
			   "fexit on vfs_link works: watching the queue costs bystanders nothing");
		return true;
	}
	fanotify = queue_watch_new(&watch);
	queue_watch_free(watch);
	if (fanotify == 0)
		doctor_say(d, DOCTOR_OK, AREA, "fexit", NULL, NULL,
			   "fexit is refused (%s): the queue is watched by fanotify, Sendmail's by "
			   "syscall tracepoints",
			   strerror(-fexit));
	else
		doctor_say(
			d, DOCTOR_OK, AREA, "fexit", NULL, NULL,
			"fexit is refused (%s), and so is fanotify (%s): the queue is watched by "
			"syscall tracepoints",
			strerror(-fexit), strerror(-fanotify));
	return fanotify == 0;
}

static void programs(struct doctor *d)
{
	_close_ int ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "st_doctor", 0, 0,
					  (__u32)sysconf(_SC_PAGESIZE), NULL);
	_close_ int tracepoint = load(BPF_PROG_TYPE_TRACEPOINT, 0, NULL);
	const char *root =
		geteuid() ? "run as root" : "see the capabilities and seccomp lines above";
	int fork_err;

	say_try(d, ring, "ring-buffer", "a BPF ring buffer can be made", "no BPF ring buffer",
		DOCTOR_BAD, root);
	say_try(d, tracepoint, "tracepoint", "tracepoint programs can be loaded",
		"tracepoint programs are refused", DOCTOR_BAD, root);
	fork_err = try_btf(BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, "sched_process_fork");
	say_try(d, fork_err, "tp-btf", "tp_btf programs can be attached: origins are taken at fork",
		"tp_btf/sched_process_fork is refused", DOCTOR_BAD, root);
	trace_files(d, queue_hook(d));
}

static void jit(struct doctor *d)
{
	_free_ char *text = NULL;

	if (doctor_read(d, "/proc/sys/net/core/bpf_jit_enable", &text, NULL) != 0)
		return; /* CONFIG_BPF_JIT_ALWAYS_ON kernels show 1; without a JIT there is no file
			 */
	if (*text == '0')
		doctor_say(d, DOCTOR_WARNING, AREA, "jit", "sysctl net.core.bpf_jit_enable=1", NULL,
			   "BPF programs are interpreted: slow");
	else
		doctor_say(d, DOCTOR_OK, AREA, "jit", NULL, NULL, "BPF programs are compiled");
}

/* Before 5.11 BPF memory counts against RLIMIT_MEMLOCK. */
static void memlock(struct doctor *d)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_MEMLOCK, &r) != 0)
		return;
	if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_TRACEPOINT, BPF_FUNC_ktime_get_coarse_ns, NULL) ==
		    1 ||
	    r.rlim_cur == RLIM_INFINITY || capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_RESOURCE))
		doctor_say(d, DOCTOR_OK, AREA, "memlock", NULL, NULL,
			   "the memory lock limit does not matter here");
	else
		doctor_say(d, DOCTOR_WARNING, AREA, "memlock", "ulimit -l unlimited", NULL,
			   "memory lock limit of %llu KiB may be too low for the maps",
			   (unsigned long long)r.rlim_cur / 1024);
}

/* In a container the tracer sees the host's pids in events, and its own in /proc. */
static void surroundings(struct doctor *d)
{
	_free_ char *status = NULL;
	char ns[64] = "";
	const char *seccomp;

	if (readlink("/proc/self/ns/pid", ns, sizeof(ns) - 1) > 0 && strcmp(ns, PID_NS_INIT) != 0)
		doctor_say(d, DOCTOR_WARNING, AREA, "pid-namespace", "run it on the host", NULL,
			   "this is a pid namespace of its own (a container): other pids than the "
			   "kernel's");
	if (doctor_read(d, "/proc/self/status", &status, NULL) != 0)
		return;
	seccomp = strstr(status, "\nSeccomp:\t");
	if (seccomp && seccomp[10] == '2')
		doctor_say(d, DOCTOR_WARNING, AREA, "seccomp", "run it outside of the container",
			   NULL, "a seccomp filter applies here: it may refuse bpf()");
}

void doctor_kernel(struct doctor *d)
{
	libbpf_print_fn_t before = libbpf_set_print(quiet);

	version(d);
	btf(d);
	lockdown(d);
	capabilities(d);
	surroundings(d);
	programs(d);
	jit(d);
	memlock(d);
	unprivileged(d);
	libbpf_set_print(before);
}
