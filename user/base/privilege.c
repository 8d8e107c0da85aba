// SPDX-License-Identifier: GPL-2.0-only
#include "base/privilege.h"

#include <asm/ioctls.h>
#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/nsfs.h>
#include <linux/perf_event.h>
#include <linux/securebits.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

static const unsigned kept[] = {CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_CHECKPOINT_RESTORE,
				CAP_BPF};

/* uid 0 is a number from here on: capabilities neither come nor go with it. */
#define SECUREBITS                                                                                 \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |                           \
	 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |   \
	 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

/*
 * Calls without conditions. What changes a file by name is not among them, but for openat: the
 * fsuid has nothing to write to, except for copies of evidence (and their removal, unlinkat, when
 * the disk is full). Both old and new names of what the C libraries choose between.
 */
static const int allowed[] = {
	/* files */
	SCMP_SYS(openat),
	SCMP_SYS(open),
	SCMP_SYS(openat2),
	SCMP_SYS(close),
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(preadv),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(getdents64),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(getcwd),
	SCMP_SYS(fcntl),
	SCMP_SYS(dup),
	SCMP_SYS(fadvise64),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(unlinkat),
	/* marks of queue directories that appear later; the descriptor was opened before */
	SCMP_SYS(fanotify_mark),
	SCMP_SYS(name_to_handle_at),
	/* memory, and that of PHP workers to read */
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(mprotect),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	/* waiting and time */
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(restart_syscall),
	/* this process */
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(futex),
	SCMP_SYS(getrandom),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* Calls with one argument's value: of everything else that they do, nothing. */
static const struct {
	int call;
	unsigned argument;
	scmp_datum_t value;
} conditional[] = {
	{SCMP_SYS(bpf), 0, BPF_MAP_LOOKUP_ELEM},
	{SCMP_SYS(bpf), 0, BPF_MAP_UPDATE_ELEM},
	{SCMP_SYS(bpf), 0, BPF_MAP_DELETE_ELEM},
	{SCMP_SYS(bpf), 0, BPF_MAP_GET_NEXT_KEY},
	{SCMP_SYS(bpf), 0, BPF_OBJ_GET_INFO_BY_FD},
	/* libbpf disables a perf event before it closes it; TIOCSTI would type into root's shell */
	{SCMP_SYS(ioctl), 1, PERF_EVENT_IOC_DISABLE},
	{SCMP_SYS(ioctl), 1, NS_GET_OWNER_UID},
	{SCMP_SYS(ioctl), 1, TIOCGWINSZ},
	{SCMP_SYS(ioctl), 1, TCGETS},
	/* limits can be asked for, not set */
	{SCMP_SYS(prlimit64), 2, 0},
};

static void filter_release(scmp_filter_ctx *f)
{
	if (*f)
		seccomp_release(*f);
}

static int allow_if(scmp_filter_ctx f, int call, unsigned argument, scmp_datum_t value)
{
	const struct scmp_arg_cmp is = {
		.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};

	return seccomp_rule_add_array(f, SCMP_ACT_ALLOW, call, 1, &is);
}

static int filter_calls(void)
{
	__attribute__((cleanup(filter_release))) scmp_filter_ctx f =
		seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int err = f ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < array_size(allowed); i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; !err && i < array_size(conditional); i++)
		err = allow_if(f, conditional[i].call, conditional[i].argument,
			       conditional[i].value);
	if (!err) /* abort() */
		err = allow_if(f, SCMP_SYS(tgkill), 0, (scmp_datum_t)getpid());
	if (!err)
		err = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: many calls */
	return err ? err : seccomp_load(f);
}

static int drop_capabilities(void)
{
	bool had[array_size(kept)];

	if (capng_get_caps_process())
		return -EPERM;
	for (size_t i = 0; i < array_size(kept); i++)
		had[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]);
	/* a plain user with file capabilities cannot shrink the bounding set; no_new_privs does */
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) {
		capng_clear(CAPNG_SELECT_BOUNDS);
		if (capng_apply(CAPNG_SELECT_BOUNDS))
			return -EPERM;
	}
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < array_size(kept); i++)
		if (had[i] && capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i]))
			return -EINVAL;
	return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

/* Everything that root may do because a file is root's. A plain user has nothing to give up here.
 */
static int drop_ownership(void)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL))
		return -errno;
	setfsgid(PRIVILEGE_FSUID);
	setfsuid(PRIVILEGE_FSUID);
	/* they return what was before, never an error: asked again with an id that is none */
	return setfsuid((uid_t)-1) == PRIVILEGE_FSUID && setfsgid((gid_t)-1) == PRIVILEGE_FSUID
		       ? 0
		       : -EPERM;
}

int privilege_drop(void)
{
	int err;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return log_err(errno, "no_new_privs was refused");
	if (prctl(PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0) && geteuid() == 0)
		return log_err(errno, "root's securebits cannot be locked");
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	err = drop_ownership();
	if (err)
		return log_err(err, "root's ownership of files cannot be given up");
	err = drop_capabilities();
	if (err)
		return log_err(err, "capabilities cannot be given up");
#if defined(__SANITIZE_ADDRESS__)
	return 0; /* the leak checker starts a thread and traces this one */
#else
	err = filter_calls();
	return err ? log_err(err, "this kernel refused a seccomp filter; all else is given up") : 0;
#endif
}
