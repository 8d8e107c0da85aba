/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names of containers, by mount namespace. The process in question may be gone, so that any one of
 * the same namespace is asked, the witness. Numbers of namespaces are used again, so
 * a witness is believed only as long as it lives.
 */
#ifndef ST_CONTAINERS_H
#define ST_CONTAINERS_H

#include <stdint.h>
#include <sys/types.h>

struct containers;

/* NULL: no memory. */
struct containers *containers_new(void);
void containers_free(struct containers *c);

/*
 * The id by which the engine knows the container that mount namespace `mntns` belongs to (Docker,
 * containerd, Podman, CRI-O, LXC, systemd-nspawn: from the control group), else "mnt:[NUMBER]".
 * NULL: it is the tracer's own, or has the host's files (PrivateTmp= of systemd). Valid until the
 * next call.
 */
const char *containers_name(struct containers *c, uint32_t mntns);

typedef void (*container_fn)(uint32_t mntns, pid_t pid, void *arg);

/* Calls fn for each process that has other files than the tracer: several times for a container. */
void containers_each(container_fn fn, void *arg);
/* The same for one process. */
void containers_one(uint32_t tgid, container_fn fn, void *arg);

#endif
