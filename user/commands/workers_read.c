// SPDX-License-Identifier: GPL-2.0-only
/* One look at every PHP worker: who it is, what it costs, what it is doing. */
#include "commands/workers.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/users.h"

struct look {
	struct php_finder *finder;
	const struct vhost_table *vhosts;
	const struct workers *before;
	struct workers *out;
	size_t room;
	int64_t boot_to_wall_ns;
	struct php_walk *walk; /* scratch */
};

void workers_free(struct workers *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->list[i].walk);
	free(w->list);
	memset(w, 0, sizeof(*w));
}

static bool read_small(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64];
	_fclose_ FILE *f = NULL;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	f = fopen(path, "re");
	n = f ? fread(out, 1, size - 1, f) : 0;
	out[n] = '\0';
	return n > 0;
}

/* /proc/PID/stat (proc(5)): state, parent, CPU ticks, start; the name in it may hold anything. */
static int read_stat(struct worker *w)
{
	enum { PARENT = 4, USER = 14, SYSTEM = 15, START = 22 };
	unsigned long long field[START + 1] = {0};
	char text[1024], *p;

	if (!read_small(w->pid, "stat", text, sizeof(text)) || !(p = strrchr(text, ')')) ||
	    strlen(p) < 4)
		return -ESRCH;
	w->state = p[2];
	p += 3;
	for (int i = PARENT; i <= START; i++)
		field[i] = strtoull(p, &p, 10);
	w->parent = (pid_t)field[PARENT];
	w->start = field[START];
	/* schedstat is exact where there is one; PHP without ZTS has one thread */
	if (read_small(w->pid, "schedstat", text, sizeof(text)))
		w->cpu_ns = strtoull(text, NULL, 10);
	else
		w->cpu_ns = (field[USER] + field[SYSTEM]) *
			    (1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK));
	return w->start ? 0 : -ESRCH;
}

static int read_user(struct worker *w)
{
	const struct passwd *pw;
	char text[2048], *p;

	if (!read_small(w->pid, "status", text, sizeof(text)) || !(p = strstr(text, "\nUid:")))
		return -ESRCH;
	strtoul(p + 5, &p, 10);
	w->uid = (uid_t)strtoul(p, NULL, 10); /* the effective one */
	pw = user_by_uid(w->uid);
	if (pw)
		snprintf(w->user, sizeof(w->user), "%s", pw->pw_name);
	else
		snprintf(w->user, sizeof(w->user), "%u", w->uid);
	return 0;
}

static void unread(struct worker *w, const char *why)
{
	w->status = WORKER_UNREAD;
	snprintf(w->reason, sizeof(w->reason), "%s", why);
}

/* EPERM has one of these reasons: Yama (Documentation/admin-guide/LSM/Yama.rst), or a missing
 * privilege. */
static const char *why_not_permitted(void)
{
	_fclose_ FILE *f = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");

	if (f && fgetc(f) == '3')
		return "kernel.yama.ptrace_scope is 3: nobody may read another process until the "
		       "next boot";
	return "reading its memory is not permitted: run as root, or with CAP_SYS_PTRACE";
}

/* A server that reloaded its module has it elsewhere than its siblings, so a misfit is looked at
 * once more. */
static int walk(struct look *l, struct worker *w, char *why, size_t size)
{
	int err = php_walk_selftest(w->pid, &w->process.engine->image, w->process.base, why, size);

	if (err == -EFAULT && w->process.engine->image.module &&
	    !php_finder_process(l->finder, w->pid, true, &w->process))
		err = php_walk_selftest(w->pid, &w->process.engine->image, w->process.base, why,
					size);
	if (err && err != -ENODATA)
		return err;
	return php_walk(w->pid, &w->process.engine->image, w->process.base, l->walk);
}

static void read_doing(struct look *l, struct worker *w)
{
	const struct php_image *image = &w->process.engine->image;
	char why[160] = "";
	size_t size;
	int err;

	if (!image->st.usable) {
		unread(w, image->reason);
		return;
	}
	err = walk(l, w, why, sizeof(why));
	if (err == -EPERM)
		unread(w, why_not_permitted());
	else if (err == -EAGAIN)
		unread(w, "its requests change faster than they can be read");
	else if (err == -EFAULT)
		unread(w, why[0] ? why : "its memory is not laid out as in this version of PHP");
	else if (err == -ESRCH)
		unread(w, "it ended while it was read");
	else if (err)
		unread(w, strerror(-err));
	if (err)
		return;
	w->status = l->walk->idle ? WORKER_IDLE : WORKER_BUSY;
	snprintf(w->sapi, sizeof(w->sapi), "%s", l->walk->request.sapi_name);
	if (l->walk->idle)
		return;
	size = offsetof(struct php_walk, frame) + l->walk->frames * sizeof(l->walk->frame[0]);
	w->walk = malloc(size);
	if (w->walk)
		memcpy(w->walk, l->walk, size);
	else
		unread(w, strerror(ENOMEM));
}

static const struct worker *find_before(const struct workers *before, const struct worker *w)
{
	for (size_t i = 0; before && i < before->count; i++)
		if (before->list[i].pid == w->pid && before->list[i].start == w->start)
			return &before->list[i];
	return NULL;
}

static bool same_request(const struct worker *a, const struct worker *b)
{
	return a->walk && b->walk &&
	       strcmp(a->walk->request.script, b->walk->request.script) == 0 &&
	       strcmp(a->walk->request.uri, b->walk->request.uri) == 0 &&
	       strcmp(a->walk->request.client, b->walk->request.client) == 0;
}

/* Since when: as the engine or the server says, else since this worker was first seen at it, else
 * since its own start. */
static void read_times(const struct look *l, struct worker *w)
{
	const struct worker *old = find_before(l->before, w);
	uint64_t passed = l->before ? l->out->boot_ns - l->before->boot_ns : 0;
	uint64_t start_ns = w->start * (1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK));

	w->cpu = -1;
	if (old && passed && w->cpu_ns >= old->cpu_ns)
		w->cpu = 100.0 * (double)(w->cpu_ns - old->cpu_ns) / (double)passed;
	w->since = (double)((int64_t)start_ns + l->boot_to_wall_ns) / 1e9;
	if (w->status != WORKER_BUSY)
		return;
	if (w->walk->request.time > 0) {
		w->since = w->walk->request.time;
		w->since_request = true;
	} else if (w->walk->request.sapi == ST_SAPI_CLI ||
		   (w->walk->request.sapi == ST_SAPI_CGI &&
		    !(w->walk->request.flags & ST_O_FCGI))) {
		w->since_request = true; /* the process is the request */
	} else if (old && same_request(old, w)) {
		w->since = old->since;
		w->since_request = old->since_request;
	} else if (old && l->before && old->status != WORKER_UNREAD) {
		w->since = l->before->wall;
		w->since_request = true;
	}
}

static void read_vhost(const struct look *l, struct worker *w)
{
	const struct php_walk_request *r = &w->walk->request;
	struct vhost_query q = {
		.docroot = r->docroot,
		.script = r->script[0] == '/' ? r->script : NULL,
		.host_header = r->host,
		.server_name_from_memory = r->server_name,
		.uid = w->uid,
	};
	char path[64], root[512];
	struct stat st;
	ssize_t n;

	/* A script at a command line is not a site's because it is in one's directory. */
	if (r->sapi == ST_SAPI_CLI)
		return;
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)w->pid);
	if (!stat(path, &st))
		q.mntns = (uint32_t)st.st_ino;
	snprintf(path, sizeof(path), "/proc/%d/root", (int)w->pid);
	n = readlink(path, root, sizeof(root) - 1);
	root[n > 0 ? n : 0] = '\0';
	q.chroot = n > 1 ? root : NULL;
	if (vhost_resolve(l->vhosts, &q, &w->vhost))
		w->vhost.name[0] = '\0';
}

static int each_process(const struct php_process *p, void *ctx)
{
	struct look *l = ctx;
	struct worker *w;

	if (l->out->count == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct worker *grown = reallocarray(l->out->list, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->out->list = grown;
		l->room = room;
	}
	w = &l->out->list[l->out->count];
	memset(w, 0, sizeof(*w));
	w->pid = p->pid;
	w->process = *p;
	if (read_stat(w) || read_user(w))
		return 0; /* gone */
	read_doing(l, w);
	if (w->status == WORKER_UNREAD && kill(w->pid, 0) && errno == ESRCH)
		return 0;
	read_times(l, w);
	if (w->status == WORKER_BUSY)
		read_vhost(l, w);
	l->out->count++;
	return 0;
}

/* An idle process whose children run the same exec makes workers and serves nothing. */
static void find_masters(struct workers *w)
{
	for (size_t i = 0; i < w->count; i++) {
		struct worker *m = &w->list[i];

		for (size_t n = 0; n < w->count && m->status == WORKER_IDLE; n++)
			if (w->list[n].parent == m->pid &&
			    memcmp(&w->list[n].process.key, &m->process.key,
				   sizeof(m->process.key)) == 0)
				m->status = WORKER_MASTER;
	}
}

static int by_cpu(const void *a, const void *b)
{
	const struct worker *x = a, *y = b;

	if (x->status != y->status)
		return x->status < y->status ? -1 : 1;
	if (x->cpu > y->cpu || x->cpu < y->cpu)
		return x->cpu > y->cpu ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

int workers_read(struct php_finder *finder, const struct vhost_table *vhosts,
		 const struct workers *before, struct workers *out)
{
	struct workers w = {.wall = (double)clock_wall_ns() / 1e9, .boot_ns = clock_boot_ns()};
	_free_ struct php_walk *scratch = malloc(sizeof(*scratch));
	struct look l = {.finder = finder,
			 .vhosts = vhosts,
			 .before = before,
			 .out = &w,
			 .boot_to_wall_ns = clock_offset_ns(),
			 .walk = scratch};
	int err =
		scratch ? php_finder_scan_processes(finder, each_process, &l, &w.denied) : -ENOMEM;

	if (err) {
		workers_free(&w);
		return err;
	}
	find_masters(&w);
	for (size_t i = 0; i < w.count; i++) {
		w.busy += w.list[i].status == WORKER_BUSY;
		w.idle += w.list[i].status == WORKER_IDLE;
		w.unread += w.list[i].status == WORKER_UNREAD;
	}
	if (w.count)
		qsort(w.list, w.count, sizeof(*w.list), by_cpu);
	*out = w;
	return 0;
}
