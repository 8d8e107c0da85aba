/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a tracer that runs may still do: read every file and every process, and change nothing but
 * what it had open before. Called once, when everything is opened, loaded and attached.
 */
#ifndef ST_PRIVILEGE_H
#define ST_PRIVILEGE_H

/*
 * Files are accessed as this user and group afterwards (the overflow uid that distributions call
 * nobody), so that what belongs to root cannot be written either. What is to be written by name
 * later, as copies of evidence are, must belong to it.
 */
#define PRIVILEGE_FSUID 65534

/*
 * Gives up, for good and in this order: privilege by exec (no_new_privs), root's by uid
 * (securebits), supplementary groups, root's ownership of files (fsuid), all capabilities but
 *
 *	CAP_DAC_READ_SEARCH	   queue files, scripts and configuration of other users
 *	CAP_SYS_PTRACE		   /proc/PID/{exe,root,maps,environ,fd} of other users
 *	CAP_CHECKPOINT_RESTORE	   /proc/PID/map_files: a module or script that was deleted (5.9)
 *	CAP_BPF			   map access where unprivileged BPF is off (before 5.19)
 *
 * and every system call that is not needed any more: no exec, fork, socket, ptrace, kill, mount,
 * BPF program or perf event. A refused call fails with ENOSYS: to libraries, an older kernel.
 *
 * 0, or -errno at the first step that the system refused, said on stderr; what was given up until
 * then stays so.
 */
int privilege_drop(void);

#endif
