// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/containers.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "kernel/procfs.h"

#define MAX_KNOWN 4096

struct known {
	uint32_t mntns;
	uint32_t witness;
	uint64_t start; /* of the witness */
	bool none;      /* the host's files */
	char name[80];
	UT_hash_handle hh;
};

struct containers {
	uint32_t own;
	struct known *known;
	char answer[80];
};

struct containers *containers_new(void)
{
	struct containers *c = calloc(1, sizeof(*c));

	if (c)
		c->own = procfs_own_mntns();
	return c;
}

static void forget(struct containers *c, struct known *k)
{
	HASH_DEL(c->known, k);
	free(k);
}

void containers_free(struct containers *c)
{
	struct known *k, *next;

	if (!c)
		return;
	HASH_ITER(hh, c->known, k, next)
	forget(c, k);
	free(c);
}

static bool is_in(uint32_t tgid, uint32_t mntns)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%u/ns/mnt", tgid);
	return !stat(path, &st) && (uint32_t)st.st_ino == mntns;
}

static bool has_our_root(uint32_t tgid)
{
	char path[64];
	struct stat st, own;

	snprintf(path, sizeof(path), "/proc/%u/root", tgid);
	return !stat(path, &st) && !stat("/", &own) && st.st_dev == own.st_dev &&
	       st.st_ino == own.st_ino;
}

/* What a process says, if it is and stays one of the namespace. */
static bool ask(uint32_t tgid, uint32_t mntns, struct known *out)
{
	struct known k = {.mntns = mntns, .witness = tgid};

	if (!is_in(tgid, mntns))
		return false;
	k.start = procfs_start(tgid);
	if (procfs_container(tgid, k.name, sizeof(k.name))) {
		snprintf(k.name, sizeof(k.name), "mnt:[%u]", mntns);
		k.none = has_our_root(tgid);
	}
	if (!k.start || procfs_start(tgid) != k.start || !is_in(tgid, mntns))
		return false;
	*out = k;
	return true;
}

void containers_one(uint32_t tgid, container_fn fn, void *arg)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%u/ns/mnt", tgid);
	if (!stat(path, &st) && (uint32_t)st.st_ino != procfs_own_mntns() && !has_our_root(tgid))
		fn((uint32_t)st.st_ino, (pid_t)tgid, arg);
}

void containers_each(container_fn fn, void *arg)
{
	_closedir_ DIR *proc = opendir("/proc");
	struct dirent *e;

	while (proc && (e = readdir(proc))) {
		unsigned long pid = strtoul(e->d_name, NULL, 10);

		if (pid)
			containers_one((uint32_t)pid, fn, arg);
	}
}

static bool search(uint32_t mntns, struct known *out)
{
	_closedir_ DIR *proc = opendir("/proc");
	struct dirent *e;

	while (proc && (e = readdir(proc))) {
		unsigned long pid = strtoul(e->d_name, NULL, 10);

		if (pid && ask((uint32_t)pid, mntns, out))
			return true;
	}
	return false;
}

static void keep(struct containers *c, const struct known *said)
{
	struct known *k;

	if (HASH_COUNT(c->known) >= MAX_KNOWN)
		forget(c, c->known);
	k = malloc(sizeof(*k));
	if (!k)
		return;
	*k = *said;
	HASH_ADD(hh, c->known, mntns, sizeof(k->mntns), k);
}

const char *containers_name(struct containers *c, uint32_t mntns)
{
	struct known *k = NULL, said;

	if (!mntns || mntns == c->own)
		return NULL;
	HASH_FIND(hh, c->known, &mntns, sizeof(mntns), k);
	if (k && (!is_in(k->witness, mntns) || procfs_start(k->witness) != k->start)) {
		forget(c, k);
		k = NULL;
	}
	if (k) {
		said = *k;
	} else if (search(mntns, &said)) {
		keep(c, &said);
	} else {
		snprintf(c->answer, sizeof(c->answer), "mnt:[%u]", mntns);
		return c->answer;
	}
	if (said.none)
		return NULL;
	memcpy(c->answer, said.name, sizeof(c->answer));
	return c->answer;
}
