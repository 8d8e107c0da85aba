// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "kernel/containers.h"
#include "kernel/inode.h"
#include "kernel/procfs.h"

/* Programs that are no MTA's. Globs; versions and panels put them in many places. */
static const struct {
	const char *path;
	uint32_t role;
} others[] = {
	{"/usr/sbin/apache2", ST_ROLE_HTTPD},
	{"/usr/sbin/httpd", ST_ROLE_HTTPD},
	{"/usr/sbin/httpd.*", ST_ROLE_HTTPD},
	{"/usr/local/apache*/bin/httpd", ST_ROLE_HTTPD},
	{"/opt/*/httpd/bin/httpd", ST_ROLE_HTTPD},
	{"/usr/local/sbin/httpd", ST_ROLE_HTTPD},
	/* servers that start CGI programs */
	{"/usr/sbin/fcgiwrap", ST_ROLE_HTTPD},
	{"/usr/sbin/lighttpd", ST_ROLE_HTTPD},
	{"/usr/local/lsws/bin/lscgid*", ST_ROLE_HTTPD},
	{"/usr/bin/perl", ST_ROLE_SCRIPT},
	{"/usr/bin/perl5*", ST_ROLE_SCRIPT},
	{"/usr/local/bin/perl*", ST_ROLE_SCRIPT},
	{"/usr/bin/python[23]*", ST_ROLE_SCRIPT},
	{"/usr/local/bin/python[23]*", ST_ROLE_SCRIPT},
	{"/usr/libexec/platform-python*", ST_ROLE_SCRIPT},
	{"/usr/bin/ruby*", ST_ROLE_SCRIPT},
	{"/usr/bin/node", ST_ROLE_SCRIPT},
	{"/usr/bin/nodejs", ST_ROLE_SCRIPT},
	{"/usr/bin/lua*", ST_ROLE_SCRIPT},
	{"/usr/bin/tclsh*", ST_ROLE_SCRIPT},
	{"/bin/sh", ST_ROLE_SCRIPT},
	{"/bin/bash", ST_ROLE_SCRIPT},
	{"/bin/dash", ST_ROLE_SCRIPT},
	{"/bin/ksh*", ST_ROLE_SCRIPT},
	{"/bin/zsh", ST_ROLE_SCRIPT},
	{"/bin/busybox", ST_ROLE_SCRIPT},
};

#define MAX_PREFERRED 8
#define MAX_PROGRAMS  16384 /* of map programs */
#define MAX_WATCHED   64    /* entries of map php_images */

struct node {
	struct program program;
	UT_hash_handle hh;
};

/* One exec of a web server, and the process of it that was looked at last. */
struct httpd {
	struct st_base_key key;
	pid_t pid;
	bool none; /* it had no PHP */
};

#define MAX_HTTPDS 64

/* A server that is so young may still be loading its modules, or loading them again. */
#define YOUNG_SECONDS 10

struct programs {
	struct httpd httpds[MAX_HTTPDS];
	size_t httpd_count;
	struct probe *probe;
	struct node *by_inode;
	struct node **by_id;
	uint32_t count, room;
	struct php_finder *finder;
	const struct mta *preferred[MAX_PREFERRED];
	size_t preferred_count;
	bool untrusted;
	enum {
		WATCH_NOT,
		WATCH_CALLS,
		WATCH_REFUSED
	} watch[MAX_WATCHED]; /* by engine that cannot be read */
	bool told[MAX_WATCHED];
	uint32_t container[64]; /* mount namespaces that were looked at */
	size_t containers;
};

int programs_new(struct probe *probe, struct programs **out)
{
	struct programs *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->probe = probe;
	p->finder = php_finder_new(NULL, NULL);
	if (!p->finder) {
		free(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

void programs_free(struct programs *p)
{
	struct node *n, *next;

	if (!p)
		return;
	HASH_ITER(hh, p->by_inode, n, next)
	{
		HASH_DEL(p->by_inode, n);
		free(n->program.path);
		free(n);
	}
	free(p->by_id);
	php_finder_free(p->finder);
	free(p);
}

void programs_prefer(struct programs *p, const struct mta *const *mtas, size_t count)
{
	p->preferred_count = count < MAX_PREFERRED ? count : MAX_PREFERRED;
	memcpy(p->preferred, mtas, p->preferred_count * sizeof(*mtas));
}

const struct program *programs_by_id(const struct programs *p, uint32_t id)
{
	return id && id <= p->count ? &p->by_id[id - 1]->program : NULL;
}

const struct program *programs_by_inode(const struct programs *p, const struct st_inode *inode)
{
	struct node *n = NULL;

	HASH_FIND(hh, p->by_inode, inode, sizeof(*inode), n);
	return n ? &n->program : NULL;
}

static int grow(struct programs *p)
{
	uint32_t room = p->room ? p->room * 2 : 128;
	struct node **bigger;

	if (p->count < p->room)
		return 0;
	bigger = realloc(p->by_id, room * sizeof(struct node *));
	if (!bigger)
		return -ENOMEM;
	p->by_id = bigger;
	p->room = room;
	return 0;
}

/* Registers a program once; a role is never taken back, a stronger claim (PHP, injector) replaces
 * an interpreter's. Returns 1 when it was new. */
static int add(struct programs *p, const struct st_inode *inode, const char *path,
	       const struct mta *mta, uint32_t role, uint32_t flags, uint32_t image)
{
	struct node *n = NULL;
	int err;

	HASH_FIND(hh, p->by_inode, inode, sizeof(*inode), n);
	if (n && n->program.value.role != ST_ROLE_NONE &&
	    (n->program.value.role != ST_ROLE_SCRIPT || role == ST_ROLE_SCRIPT))
		return 0;
	if (n && role == ST_ROLE_NONE)
		return 0;
	if (!n) {
		err = grow(p);
		if (err)
			return err;
		n = calloc(1, sizeof(*n));
		if (!n)
			return -ENOMEM;
		n->program.path = strdup(path);
		n->program.inode = *inode;
		n->program.id = p->count + 1;
		HASH_ADD(hh, p->by_inode, program.inode, sizeof(*inode), n);
		p->by_id[p->count++] = n;
	}
	n->program.mta = mta;
	n->program.value = (struct st_program){
		.role = role, .flags = flags, .id = n->program.id, .image = image};
	err = probe_set_program(p->probe, inode, &n->program.value);
	if (err)
		return log_err(err, "%s cannot be watched", path);
	log_debug("program %u: %s%s%s", n->program.id, path, mta ? " of " : "",
		  mta ? mta->name : "");
	return 1;
}

static bool preferred(const struct programs *p, const struct mta *mta)
{
	for (size_t i = 0; i < p->preferred_count; i++)
		if (p->preferred[i] == mta)
			return true;
	return false;
}

/* openat2(2), Linux 5.6: a container's links stay inside of it. */
static int open_below(const char *root, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	_close_ int dir = -1;

	if (!*root)
		return open(path, O_PATH | O_CLOEXEC);
	dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

/* Adds what is at `path` below `root`; a link is followed, and what it leads to is what counts. */
static int add_path(struct programs *p, const char *root, pid_t pid, const char *path,
		    const struct mta *mta, uint32_t role, uint32_t flags)
{
	_close_ int fd = open_below(root, path);
	char real[PATH_MAX], link[64];
	struct st_inode inode;
	ssize_t n;

	if (fd < 0 || inode_of_fd(fd, pid, &inode))
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, real, sizeof(real) - 1);
	if (n < 0)
		n = 0;
	real[n] = '\0';
	return add(p, &inode, real[0] == '/' && !*root ? real : path, mta, role, flags, 0);
}

/* A link /usr/sbin/sendmail belongs to the MTA that has its target's name in its table. */
static int scan_names(struct programs *p, const char *root, pid_t pid, bool only_preferred,
		      bool shared)
{
	int found = 0;

	for (const struct mta *const *m = mta_all; *m; m++) {
		if (preferred(p, *m) != only_preferred)
			continue;
		for (const struct mta_program *mp = (*m)->programs; mp->path; mp++) {
			const char *base = strrchr(mp->path, '/');

			if ((base && !strcmp(base, "/sendmail")) == shared)
				found += add_path(p, root, pid, mp->path, *m, mp->role, mp->flags) >
					 0;
		}
	}
	return found;
}

/* Every MTA's own names first, the shared name sendmail last. */
static int scan_mtas(struct programs *p, const char *root, pid_t pid)
{
	return scan_names(p, root, pid, true, false) + scan_names(p, root, pid, false, false) +
	       scan_names(p, root, pid, true, true) + scan_names(p, root, pid, false, true);
}

static int scan_others(struct programs *p, const char *root, pid_t pid)
{
	int found = 0;

	for (size_t i = 0; i < array_size(others); i++) {
		char pattern[PATH_MAX];
		glob_t g;

		if (snprintf(pattern, sizeof(pattern), "%s%s", root, others[i].path) >=
		    (int)sizeof(pattern))
			continue;
		if (glob(pattern, GLOB_NOSORT, NULL, &g) == 0)
			for (size_t j = 0; j < g.gl_pathc; j++)
				found += add_path(p, root, pid, g.gl_pathv[j] + strlen(root), NULL,
						  others[i].role, 0) > 0;
		globfree(&g);
	}
	return found;
}

static void set_image(struct programs *p, const struct php_engine *e)
{
	struct st_php_image image = e->image.st;

	image.called = e->index < MAX_WATCHED && p->watch[e->index] == WATCH_CALLS;
	probe_set_image(p->probe, e->index, &image);
}

/*
 * An engine that cannot be read is at least heard: from `file`, which leads to it now. Only what is
 * there when tracing starts: the privilege that it takes is given up then.
 */
static void watch_engine(struct programs *p, const struct php_engine *e, const char *file,
			 pid_t pid)
{
	struct st_inode inode;

	if (e->image.st.usable || e->index >= MAX_WATCHED || p->watch[e->index] ||
	    inode_of_path(file, pid, &inode) || !inode_equal(&inode, &e->inode))
		return;
	p->watch[e->index] = probe_attach_engine(p->probe, file) ? WATCH_REFUSED : WATCH_CALLS;
	if (p->watch[e->index] == WATCH_CALLS)
		log_debug("%s: calls of php_execute_script() are watched", e->path);
	set_image(p, e);
}

static int add_engines(struct programs *p)
{
	size_t n = php_finder_count(p->finder);
	int found = 0;

	for (size_t i = 0; i < n; i++) {
		const struct php_engine *e = php_finder_engine(p->finder, i);

		if (programs_by_inode(p, &e->inode))
			continue;
		set_image(p, e);
		if (!e->image.st.usable && e->index < MAX_WATCHED && !p->told[e->index]) {
			p->told[e->index] = true;
			log_info("%s: its memory cannot be read (%s); its messages are attributed "
				 "by other evidence",
				 e->path, e->image.reason);
		}
		watch_engine(p, e, e->path, 0);
		if (e->image.module)
			continue;
		found += add(p, &e->inode, e->path, NULL, ST_ROLE_PHP, 0, e->index) > 0;
	}
	return found;
}

static void remember_httpd(struct programs *p, const struct st_base_key *key, pid_t pid, bool none)
{
	struct httpd *h = NULL;

	for (size_t i = 0; i < p->httpd_count && !h; i++)
		if (inode_equal(&p->httpds[i].key.exe, &key->exe) &&
		    p->httpds[i].key.start_code == key->start_code)
			h = &p->httpds[i];
	if (h && !h->none && !none && procfs_start((uint32_t)h->pid))
		return; /* the first one is likely to be the master, which outlives the others */
	if (!h && p->httpd_count < MAX_HTTPDS)
		h = &p->httpds[p->httpd_count++];
	if (h)
		*h = (struct httpd){.key = *key, .pid = pid, .none = none};
}

static int on_process(const struct php_process *proc, void *arg)
{
	struct programs *p = arg;
	struct st_base base = {.base = proc->base, .image = proc->engine->index};
	char path[64];

	if (!proc->engine->image.st.usable) {
		char file[PATH_MAX];

		snprintf(file, sizeof(file),
			 proc->engine->image.module ? "/proc/%d/root%s" : "/proc/%d/exe",
			 (int)proc->pid, proc->engine->path);
		watch_engine(p, proc->engine, file, proc->pid);
		p->untrusted |= proc->engine->index >= MAX_WATCHED ||
				p->watch[proc->engine->index] != WATCH_CALLS;
	}
	if (!proc->engine->image.module)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)proc->pid);
	add(p, &proc->key.exe, path, NULL, ST_ROLE_HTTPD, 0, 0);
	probe_set_base(p->probe, &proc->key, &base);
	remember_httpd(p, &proc->key, proc->pid, false);
	return 0;
}

static int scan_root(struct programs *p, const char *root, pid_t pid)
{
	return scan_mtas(p, root, pid) + scan_others(p, root, pid);
}

/*
 * A graceful restart loads the modules again, PHP perhaps elsewhere or for the first time, and the
 * master stays the same exec.
 */
static void rescan_httpds(struct programs *p)
{
	for (size_t i = p->httpd_count; i-- > 0;) {
		struct httpd *h = &p->httpds[i];
		struct php_process proc;

		if (h->none) {
			probe_unset_base(p->probe, &h->key); /* its next fork asks again */
			*h = p->httpds[--p->httpd_count];
		} else if (!procfs_start((uint32_t)h->pid)) {
			/* what others of this exec know stays, and is found again by their pid */
			*h = p->httpds[--p->httpd_count];
		} else if (!php_finder_process(p->finder, h->pid, true, &proc) &&
			   inode_equal(&proc.key.exe, &h->key.exe) &&
			   proc.key.start_code == h->key.start_code) {
			on_process(&proc, p);
		}
	}
}

int programs_rescan(struct programs *p)
{
	int found = scan_root(p, "", 0);
	int err = php_finder_scan_paths(p->finder);

	if (err < 0)
		return err;
	rescan_httpds(p);
	return found + add_engines(p);
}

/*
 * The MTAs and shells of a container, before one of them is run for the first time: what is first
 * known by its name is known too late for its first message.
 */
static void scan_container(uint32_t mntns, pid_t pid, void *arg)
{
	struct programs *p = arg;
	char root[64];

	for (size_t i = 0; i < array_size(p->container); i++)
		if (p->container[i] == mntns)
			return;
	p->container[p->containers++ % array_size(p->container)] = mntns;
	snprintf(root, sizeof(root), "/proc/%d/root", (int)pid);
	scan_mtas(p, root, pid);
}

int programs_scan(struct programs *p)
{
	unsigned denied = 0;
	int err = programs_rescan(p);

	if (err < 0)
		return err;
	/* an engine whose processes contradict its layout becomes unusable, with a reason */
	php_finder_prove(p->finder);
	err = php_finder_scan_processes(p->finder, on_process, p, &denied);
	if (err < 0)
		return err;
	add_engines(p);
	containers_each(scan_container, p);
	if (denied)
		log_warn("%u processes could not be looked at: without CAP_SYS_PTRACE their PHP is "
			 "not recognised",
			 denied);
	return 0;
}

/* A program by a name that an MTA uses, wherever it lies: a container's, a copy. */
static void add_by_name(struct programs *p, pid_t pid, const struct st_inode *exe)
{
	char link[64], path[PATH_MAX];
	const char *base;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0) {
		/* gone before it could be looked at: ask again */
		probe_unset_program(p->probe, exe);
		return;
	}
	path[n] = '\0';
	base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	for (int want = 1; want >= 0; want--)
		for (const struct mta *const *m = mta_all; *m; m++) {
			if (preferred(p, *m) != (want == 1))
				continue;
			for (const struct mta_program *mp = (*m)->programs; mp->path; mp++) {
				const char *b = strrchr(mp->path, '/') ? strrchr(mp->path, '/') + 1
								       : mp->path;

				if (!strcmp(b, base)) {
					add(p, exe, path, *m, mp->role, mp->flags, 0);
					return;
				}
			}
		}
	if (!strcmp(base, "apache2") || !strcmp(base, "httpd"))
		add(p, exe, path, NULL, ST_ROLE_HTTPD, 0, 0);
	else if (p->count < MAX_PROGRAMS)
		add(p, exe, path, NULL, ST_ROLE_NONE, 0,
		    0); /* its name, for messages of its children */
}

static bool settled_process(pid_t pid)
{
	uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK), start = procfs_start((uint32_t)pid);

	return start && start / ticks + YOUNG_SECONDS < clock_boot_ns() / 1000000000ULL;
}

void programs_seen(struct programs *p, pid_t pid, const struct st_inode *exe, uint64_t start_code)
{
	const struct program *known = programs_by_inode(p, exe);
	struct php_process proc;
	int err;

	containers_one((uint32_t)pid, scan_container, p);
	if (known && known->value.role != ST_ROLE_HTTPD) {
		probe_set_program(p->probe, exe,
				  &known->value); /* the kernel side had forgotten it */
		return;
	}
	err = php_finder_process(p->finder, pid, true, &proc);
	if (err == 0) {
		add_engines(p);
		on_process(&proc, p);
	} else if (known && err == -ENOENT) {
		/* a web server without PHP is not asked at every fork; one that is gone, or loads
		 * its modules only now, is */
		struct st_base_key key = {.exe = *exe, .start_code = start_code};
		struct st_base none = {0};

		if (settled_process(pid)) {
			probe_set_base(p->probe, &key, &none);
			remember_httpd(p, &key, pid, true);
		}
	} else if (!known) {
		add_by_name(p, pid, exe);
	}
}

const struct php_engine *programs_engine(const struct programs *p, uint32_t image)
{
	for (size_t i = 0; i < php_finder_count(p->finder); i++)
		if (php_finder_engine(p->finder, i)->index == image)
			return php_finder_engine(p->finder, i);
	return NULL;
}

int programs_process(struct programs *p, pid_t pid, struct php_process *out)
{
	return php_finder_process(p->finder, pid, false, out);
}

bool programs_untrusted_engine(const struct programs *p)
{
	return p->untrusted;
}
