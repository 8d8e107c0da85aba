// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/mounts.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/inode.h"

struct mount {
	unsigned long id;
	__u32 dev;
};

static struct {
	FILE *table; /* open, so that the kernel notes for it what changes */
	struct mount *mount;
	size_t count, room;
	bool read;
} own;

/* "36 35 98:0 /mnt1 /mnt2 ...": mount, its parent, device. */
static bool parse(const char *line, struct mount *out)
{
	unsigned long maj, min;
	char *p;

	out->id = strtoul(line, &p, 10);
	strtoul(p, &p, 10);
	maj = strtoul(p, &p, 10);
	if (*p != ':')
		return false;
	min = strtoul(p + 1, &p, 10);
	out->dev = inode_kernel_dev((unsigned)maj, (unsigned)min);
	return *p == ' ';
}

bool mounts_device_in(const char *table, unsigned long id, __u32 *dev)
{
	_fclose_ FILE *f = fopen(table, "re");
	_free_ char *line = NULL;
	size_t size = 0;
	struct mount m;

	while (f && getline(&line, &size, f) > 0)
		if (parse(line, &m) && m.id == id) {
			*dev = m.dev;
			return true;
		}
	return false;
}

static bool add(const struct mount *m)
{
	struct mount *grown;

	if (own.count == own.room) {
		grown = reallocarray(own.mount, own.room + 64, sizeof(*grown));
		if (!grown)
			return false;
		own.mount = grown;
		own.room += 64;
	}
	own.mount[own.count++] = *m;
	return true;
}

/* Has anything been mounted, moved or unmounted since this was asked last? (mounts_poll() of the
 * kernel's fs/proc_namespace.c.) */
static bool changed(void)
{
	struct pollfd p = {.fd = fileno(own.table), .events = POLLPRI};

	return poll(&p, 1, 0) != 0;
}

/* Asks for changes first: what changes while it is read is told of at the next call. */
static bool refresh(void)
{
	_free_ char *line = NULL;
	size_t size = 0;
	struct mount m;

	if (!own.table)
		own.table = fopen("/proc/self/mountinfo", "re");
	if (!own.table)
		return false;
	if (!changed() && own.read)
		return true;
	own.count = 0;
	own.read = false;
	rewind(own.table);
	while (getline(&line, &size, own.table) > 0)
		if (parse(line, &m) && !add(&m))
			return false;
	own.read = !ferror(own.table);
	return own.read;
}

void mounts_forget(void)
{
	if (own.table)
		fclose(own.table);
	free(own.mount);
	memset(&own, 0, sizeof(own));
}

bool mounts_device(unsigned long id, __u32 *dev)
{
	if (!refresh())
		return mounts_device_in("/proc/self/mountinfo", id, dev);
	for (size_t i = 0; i < own.count; i++)
		if (own.mount[i].id == id) {
			*dev = own.mount[i].dev;
			return true;
		}
	return false;
}
