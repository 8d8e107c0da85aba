// SPDX-License-Identifier: GPL-2.0-only
#include "web/servers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "web/panels.h"
#include "web/process.h"
#include "web/rootfs.h"

#define MAX_SERVERS  256
#define STAT_BUDGET  256 /* files looked at by one servers_changed(), over all servers */
#define SCAN_EVERY   5   /* calls of servers_changed() */
#define SETTLED      2   /* looks that must agree before a changed set of servers counts */
#define MAX_ACCOUNTS 200000

struct server {
	struct master m;
	char root[4096];
	char *exe, *config;
	struct rootfs fs;
	size_t cursor;
	int vhosts;
};

struct servers {
	char *proc;
	struct server *server;
	size_t count;
	struct rootfs panels;
	size_t panels_cursor;
	unsigned calls, agreed;
	struct master last[MAX_SERVERS]; /* a set that differs from what was read */
	int last_count;
};

static void forget(struct servers *s)
{
	for (size_t i = 0; i < s->count; i++) {
		rootfs_free(&s->server[i].fs);
		free(s->server[i].exe);
		free(s->server[i].config);
	}
	free(s->server);
	s->server = NULL;
	s->count = 0;
	rootfs_free(&s->panels);
}

struct servers *servers_new(const char *proc)
{
	struct servers *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->panels.fd = -1;
	s->proc = strdup(proc);
	if (!s->proc) {
		free(s);
		return NULL;
	}
	return s;
}

void servers_free(struct servers *s)
{
	if (!s)
		return;
	forget(s);
	free(s->proc);
	free(s);
}

/* What a server without a ServerName calls itself: the first name of the hosts line that has the
 * machine's name. */
static void guess_hostname(struct rootfs *fs, char *out, size_t size)
{
	_free_ char *name = NULL, *hosts = NULL;
	char *line, *rest;
	size_t len;

	out[0] = '\0';
	if (rootfs_read(fs, "/etc/hostname", &name, &len))
		return;
	name[strcspn(name, " \t\r\n")] = '\0';
	if (strlen(name) >= size)
		return;
	snprintf(out, size, "%s", name);
	if (!*name || rootfs_read(fs, "/etc/hosts", &hosts, &len))
		return;
	for (rest = hosts; (line = strsep(&rest, "\n"));) {
		char *word, *first = NULL;

		line[strcspn(line, "#")] = '\0';
		strsep(&line, " \t");
		while ((word = strsep(&line, " \t"))) {
			if (!*word)
				continue;
			first = first ? first : word;
			if (strcasecmp(word, name) == 0 && strlen(first) < size) {
				snprintf(out, size, "%s", first);
				return;
			}
		}
	}
}

/* Home directories, for UserDir. */
static int read_homes(struct rootfs *fs, struct vhost_table *t)
{
	_free_ char *text = NULL;
	char *line, *rest;
	size_t len, accounts = 0;

	if (rootfs_read(fs, "/etc/passwd", &text, &len))
		return 0;
	for (rest = text; (line = strsep(&rest, "\n")) && accounts < MAX_ACCOUNTS; accounts++) {
		char *field[6] = {0};

		for (size_t i = 0; i < array_size(field) && line; i++)
			field[i] = strsep(&line, ":");
		if (field[5] && field[0][0] &&
		    vhost_table_add_home(t, field[0], field[5]) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

/* One server's part of the table. Only -ENOMEM ends the reading; what else is wrong is said and
 * left out. */
static int read_server(struct servers *s, struct server *v, unsigned number, struct vhost_table *t)
{
	struct startup start __attribute__((cleanup(startup_clear))) = {0};
	struct web_server web = {.number = number};
	char hostname[VHOST_NAME_SIZE], path[4096];
	struct stat st;
	int err;

	snprintf(path, sizeof(path), "%s/%d/ns/mnt", s->proc, v->m.pid);
	if (stat(path, &st) == 0)
		web.mntns = (uint32_t)st.st_ino;
	err = rootfs_open(&v->fs, v->root);
	if (!err)
		err = startup_read(s->proc, &v->m, &v->fs, &start);
	if (!err) {
		guess_hostname(&v->fs, hostname, sizeof(hostname));
		web.hostname = hostname[0] ? hostname : NULL;
		v->exe = strdup(start.exe);
		v->config = strdup(start.config);
		err = v->m.software == VHOST_APACHE ? apache_read(&v->fs, &start.apache, &web, t)
						    : nginx_read(&v->fs, &start.nginx, &web, t);
	}
	if (err >= 0 && v->m.software == VHOST_APACHE && read_homes(&v->fs, t))
		err = -ENOMEM;
	rootfs_close(&v->fs);
	v->vhosts = err;
	if (err < 0 && err != -ENOMEM)
		log_warn("the configuration of the web server with pid %d (%s) is not readable: "
			 "%s; its sites are "
			 "named by other means",
			 v->m.pid, start.config[0] ? start.config : start.exe, strerror(-err));
	else if (err >= 0)
		log_debug("%s (pid %d): %d vhosts from %zu files", start.exe, v->m.pid, err,
			  v->fs.files);
	return err == -ENOMEM ? err : 0;
}

static int read_panels(struct servers *s, struct vhost_table *t)
{
	char root[4096];
	int n;

	snprintf(root, sizeof(root), "%s/self/root", s->proc);
	if (rootfs_open(&s->panels, root))
		return 0;
	n = panels_read(&s->panels, t);
	rootfs_close(&s->panels);
	return n < 0 ? n : 0;
}

int servers_read(struct servers *s, struct vhost_table **out)
{
	struct vhost_table *t __attribute__((cleanup(vhost_table_freep))) = vhost_table_new();
	struct master found[MAX_SERVERS];
	int n = masters_find(s->proc, found, MAX_SERVERS);

	if (n < 0) {
		log_err(n, "no web server can be found: %s", s->proc);
		n = 0;
	}
	forget(s);
	s->agreed = 0;
	s->last_count = -1;
	s->server = calloc((size_t)n + 1, sizeof(*s->server));
	if (!t || !s->server)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		struct server *v = &s->server[s->count++];

		v->m = found[i];
		v->fs.fd = -1;
		snprintf(v->root, sizeof(v->root), "%s/%d/root", s->proc, found[i].pid);
		if (read_server(s, v, (unsigned)i, t))
			return -ENOMEM;
	}
	if (read_panels(s, t))
		return -ENOMEM;
	*out = take_ptr(t);
	return 0;
}

static bool same_as(const struct master *a, const struct master *b)
{
	return a->pid == b->pid && a->started == b->started;
}

/* A restart takes a server away and brings another; the set counts as changed once two looks found
 * the same. */
static bool set_changed(struct servers *s)
{
	struct master now[MAX_SERVERS];
	int n = masters_find(s->proc, now, MAX_SERVERS);
	bool as_read = n == (int)s->count, as_last = n == s->last_count;

	if (n < 0)
		return false;
	for (int i = 0; i < n && as_read; i++)
		as_read = same_as(&now[i], &s->server[i].m);
	for (int i = 0; i < n && as_last; i++)
		as_last = same_as(&now[i], &s->last[i]);
	if (as_read) {
		s->agreed = 0;
		return false;
	}
	s->agreed = as_last ? s->agreed + 1 : 1;
	memcpy(s->last, now, (size_t)n * sizeof(*now));
	s->last_count = n;
	return s->agreed >= SETTLED;
}

bool servers_changed(struct servers *s)
{
	size_t budget = STAT_BUDGET / (s->count + 1) + 1;
	bool all_alive = true, changed = false;
	char root[4096];

	for (size_t i = 0; i < s->count; i++)
		all_alive &= master_alive(s->proc, &s->server[i].m);
	if (!all_alive || s->agreed || s->calls++ % SCAN_EVERY == 0)
		return set_changed(s);
	for (size_t i = 0; i < s->count && !changed; i++)
		changed = rootfs_changed(&s->server[i].fs, s->server[i].root, &s->server[i].cursor,
					 budget);
	snprintf(root, sizeof(root), "%s/self/root", s->proc);
	return changed || rootfs_changed(&s->panels, root, &s->panels_cursor, budget);
}

size_t servers_count(const struct servers *s)
{
	return s->count;
}

void servers_info(const struct servers *s, size_t i, struct server_info *out)
{
	const struct server *v = &s->server[i];

	*out = (struct server_info){
		.software = v->m.software,
		.pid = v->m.pid,
		.exe = v->exe,
		.config = v->config,
		.vhosts = v->vhosts,
		.files = v->fs.files,
	};
}
