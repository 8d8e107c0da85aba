// SPDX-License-Identifier: GPL-2.0-only
/* PHP engines, and the processes that run them or web servers: at the start, and as they appear. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/containers.h"
#include "kernel/inode.h"
#include "kernel/procfs.h"
#include "kernel/programs_internal.h"

/* A server that is so young may still be loading its modules, or loading them again. */
#define YOUNG_SECONDS 10

/* Anybody can start web servers without end: all processes are not looked at for each of them. */
#define FORGET_BASES_NS 5000000000ULL

/* Told once: a module is tried again at every look. */
static void set_image(struct programs *p, const struct php_engine *e)
{
	struct st_php_image image = e->image.st;
	int err;

	image.called = e->index < MAX_WATCHED && p->watch[e->index] == WATCH_CALLS;
	err = probe_set_image(p->probe, e->index, &image);
	if (err == -E2BIG && !p->image_refused)
		log_warn("more than %d programs hold PHP: messages of the others are attributed by "
			 "other evidence",
			 MAX_WATCHED);
	else if (err && !p->image_refused)
		log_err(err, "%s: its memory cannot be read", e->path);
	p->image_refused |= err != 0;
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
	p->watch[e->index] = probe_attach_engine(p->probe, e->index, file, e->image.execute_script,
						 e->image.request_shutdown)
				     ? WATCH_REFUSED
				     : WATCH_CALLS;
	if (p->watch[e->index] == WATCH_CALLS)
		log_debug("%s: calls of php_execute_script() are watched", e->path);
	set_image(p, e);
}

/* What was said and done about an engine that is another now. */
static void begin_anew(struct programs *p, const struct php_engine *e)
{
	if (e->gone)
		programs_forget_engine(p, e);
	if (e->index >= MAX_WATCHED || p->revision[e->index] == e->revision)
		return;
	if (p->watch[e->index] == WATCH_CALLS)
		probe_detach_engine(p->probe, e->index);
	p->watch[e->index] = WATCH_NOT;
	p->told[e->index] = false;
	p->revision[e->index] = e->revision;
	if (e->gone)
		set_image(p, e);
}

static int add_engines(struct programs *p)
{
	size_t n = php_finder_count(p->finder);
	int found = 0;

	for (size_t i = 0; i < n; i++) {
		const struct php_engine *e = php_finder_engine(p->finder, i);
		const struct file_id file = {.inode = e->inode,
					     .stamp = e->stamp,
					     .shared = e->shared && !e->image.untrusted};

		begin_anew(p, e);
		if (e->gone || programs_knows(p, &file))
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
		found += programs_add(p, &file, e->path, NULL, ST_ROLE_PHP, 0, e->index) > 0;
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

/* Anybody's process can map the module: that makes no web server of it. Writes which file it runs,
 * and a path to that. */
static bool is_httpd(const struct programs *p, const struct php_process *proc, struct file_id *exe,
		     char path[64])
{
	const struct program *known = programs_by_inode(p, &proc->key.exe);

	snprintf(path, 64, "/proc/%d/exe", (int)proc->pid);
	return proc->engine->image.module && (!known || known->value.role != ST_ROLE_SCRIPT) &&
	       programs_is_roots(proc->pid) && !file_id_of_path(path, proc->pid, exe) &&
	       inode_equal(&exe->inode, &proc->key.exe);
}

static int set_base_again(const struct php_process *proc, void *arg)
{
	struct programs *p = arg;
	struct st_base base = {.base = proc->base, .image = proc->engine->index};
	struct file_id exe;
	char path[64];

	return is_httpd(p, proc, &exe, path) ? probe_set_base(p->probe, &proc->key, &base) : 0;
}

/* No one says when the last process of an exec has ended: where there is no room, what still runs
 * is looked for. */
static int set_base(struct programs *p, const struct st_base_key *key, const struct st_base *base)
{
	uint64_t now = clock_boot_ns();
	int err = probe_set_base(p->probe, key, base);

	if (err == -E2BIG && (!p->bases_forgotten || now - p->bases_forgotten >= FORGET_BASES_NS)) {
		p->bases_forgotten = now;
		probe_forget_bases(p->probe);
		php_finder_scan_processes(p->finder, set_base_again, p, NULL);
		err = probe_set_base(p->probe, key, base);
	}
	if (err == -E2BIG && !p->base_refused)
		log_warn("there is room for %d starts of web servers: messages of the others' PHP "
			 "have no script",
			 MAX_BASES);
	else if (err && !p->base_refused)
		log_err(err, "messages of a web server's PHP have no script");
	p->base_refused |= err != 0;
	return err;
}

static int on_process(const struct php_process *proc, void *arg)
{
	struct programs *p = arg;
	struct st_base base = {.base = proc->base, .image = proc->engine->index};
	struct file_id exe;
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
	if (!is_httpd(p, proc, &exe, path))
		return 0;
	programs_add(p, &exe, path, NULL, ST_ROLE_HTTPD, 0, 0);
	programs_hold_at(p, path, proc->pid, &exe.inode);
	set_base(p, &proc->key, &base);
	remember_httpd(p, &proc->key, proc->pid, false);
	return 0;
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
	int found, others, err;

	if (probe_had_no_room(p->probe))
		probe_forget_programs(p->probe);
	found = programs_retry(p) + programs_scan_mtas(p, "", 0);
	others = programs_scan_others(p);
	err = others < 0 ? others : php_finder_scan_paths(p->finder);
	if (err < 0)
		return err;
	rescan_httpds(p);
	programs_prove_some(p);
	return found + others + add_engines(p);
}

/*
 * The MTAs and PHP programs of a container, before one of them is run for the first time: what is
 * first known by its name is known too late for its first message.
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
	programs_scan_mtas(p, root, pid);
	programs_find_engines(p, root, pid);
	add_engines(p);
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

static bool settled_process(pid_t pid)
{
	uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK), start = procfs_start((uint32_t)pid);

	return start && start / ticks + YOUNG_SECONDS < clock_boot_ns() / 1000000000ULL;
}

/* What is known of a program, if it is still that file. */
static const struct program *prove_process(struct programs *p, pid_t pid,
					   const struct st_inode *exe)
{
	const struct program *known = programs_by_inode(p, exe);
	struct file_id now;
	char link[64];

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	if (known && !file_id_of_path(link, pid, &now) && inode_equal(&now.inode, exe))
		known = programs_prove(p, &now);
	return known;
}

void programs_seen(struct programs *p, pid_t pid, const struct st_inode *exe, uint64_t start_code)
{
	const struct program *known;
	struct php_process proc;
	int err;

	containers_one((uint32_t)pid, scan_container, p);
	known = prove_process(p, pid, exe);
	if (known && known->value.role != ST_ROLE_HTTPD) {
		programs_forgotten(p, exe);
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

		if (settled_process(pid) && !set_base(p, &key, &none))
			remember_httpd(p, &key, pid, true);
	} else if (!known) {
		programs_add_by_name(p, pid, exe);
	}
}
