/* SPDX-License-Identifier: GPL-2.0-only */
/* What /proc and the user database say of a task that the kernel side named. Every answer is
 * checked against the task's start time. */
#ifndef ST_PROCFS_H
#define ST_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "spamtrace.h"

/* Is the task still there, and is it this one (start time, to the clock tick)? A zombie counts as
 * gone. */
bool procfs_alive(const struct st_task *task);

/* A variable of the environment that the task was started with. 0, -ENOENT, -ESRCH (gone or another
 * one) or -errno. */
int procfs_environment(const struct st_task *task, const char *name, char *out, size_t size);

/* The root directory of the task as this process names it, when it is another than this one's. 0,
 * -ENOENT (it is the same), -ESRCH or -errno. */
int procfs_jail(const struct st_task *task, char *out, size_t size);

/* The program that the task runs, as the task itself sees it. 0, -ESRCH or -errno. */
int procfs_executable(const struct st_task *task, char *out, size_t size);

/* Inode number of this process's own mount namespace. */
uint32_t procfs_own_mntns(void);
/* Of its network namespace. */
uint32_t procfs_own_netns(void);

/* What a process is now. */
struct procfs_process {
	uint64_t start;            /* clock ticks since boot */
	uint32_t uid, euid, nspid; /* nspid: in its own pid namespace */
	uint32_t netns;            /* 0: unknown */
	struct st_inode exe;       /* 0: unknown */
	char comm[16];
};

/* When it started, in clock ticks since boot (never 0); 0: there is none. A zombie is there. */
uint64_t procfs_start(uint32_t tgid);
/* 0 or -ESRCH. */
int procfs_process(uint32_t tgid, struct procfs_process *out);

/*
 * Is the owner of a file root, or the root that a process (0: none) has in its user namespace: what
 * root is mapped to in one that root made (Docker's userns-remap, unprivileged LXC)? Who makes one
 * himself is root there by his own word (user_namespaces(7)).
 */
bool procfs_is_root(uint32_t tgid, uid_t owner);

/* The container id in a task's cgroup path (Docker, containerd, Podman, LXC, systemd-nspawn): 0 or
 * -ENOENT. */
int procfs_container(uint32_t tgid, char *out, size_t size);

#endif
