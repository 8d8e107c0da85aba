// SPDX-License-Identifier: GPL-2.0-only
/* Where programs that have a role are known to live, and what they are called. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/inode.h"
#include "kernel/procfs.h"
#include "kernel/programs_internal.h"

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
	struct file_id file;
	ssize_t n;
	int added;

	if (fd < 0 || file_id_of_fd(fd, pid, &file))
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, real, sizeof(real) - 1);
	if (n < 0)
		n = 0;
	real[n] = '\0';
	added = programs_add(p, &file, real[0] == '/' && !*root ? real : path, mta, role, flags, 0);
	if (!*root)
		programs_hold(p, fd, &file.inode);
	return added;
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
int programs_scan_mtas(struct programs *p, const char *root, pid_t pid)
{
	return scan_names(p, root, pid, true, false) + scan_names(p, root, pid, false, false) +
	       scan_names(p, root, pid, true, true) + scan_names(p, root, pid, false, true);
}

int programs_scan_others(struct programs *p)
{
	int found = 0;

	if (!p->others)
		p->others = calloc(array_size(others), sizeof(*p->others));
	if (!p->others)
		return -ENOMEM;
	for (size_t i = 0; i < array_size(others); i++) {
		char *const *paths = NULL;
		int count = dir_glob(&p->others[i], others[i].path, &paths);

		if (count < 0)
			return count;
		for (int n = 0; n < count; n++)
			found += add_path(p, "", 0, paths[n], NULL, others[i].role, 0) > 0;
	}
	return found;
}

void programs_free_others(struct programs *p)
{
	for (size_t i = 0; p->others && i < array_size(others); i++)
		dir_glob_free(&p->others[i]);
	free(p->others);
}

/* PHP becomes a program when its engine is known, see add_engines(). */
static void find_engines_below(struct programs *p, const char *root, pid_t pid, const char *pattern)
{
	char whole[PATH_MAX];
	glob_t g;

	if (snprintf(whole, sizeof(whole), "%s%s", root, pattern) >= (int)sizeof(whole))
		return;
	if (glob(whole, GLOB_NOSORT, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++) {
			const char *path = g.gl_pathv[i] + strlen(root);
			_close_ int fd = open_below(root, path);
			const struct php_engine *e;

			if (fd >= 0)
				php_finder_fd(p->finder, fd, path, pid, &e);
		}
	globfree(&g);
}

void programs_find_engines(struct programs *p, const char *root, pid_t pid)
{
	const char *pattern;

	for (size_t i = 0; (pattern = php_finder_short_lived(i)); i++)
		find_engines_below(p, root, pid, pattern);
}

bool programs_is_roots(pid_t pid)
{
	char link[64];
	struct stat st;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	return !stat(link, &st) && procfs_is_root((uint32_t)pid, st.st_uid);
}

void programs_add_by_name(struct programs *p, pid_t pid, const struct st_inode *exe)
{
	char link[64], path[PATH_MAX];
	_close_ int fd = -1;
	struct file_id now;
	const char *base;
	bool trusted;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	n = readlink(link, path, sizeof(path) - 1);
	/* after the name, which is then this program's */
	fd = open(link, O_PATH | O_CLOEXEC);
	if (n <= 0 || fd < 0 || file_id_of_fd(fd, pid, &now) || !inode_equal(&now.inode, exe)) {
		/* gone before it could be looked at: ask again */
		probe_unset_program(p->probe, exe);
		return;
	}
	path[n] = '\0';
	/* anybody can call a program of his own httpd or qmail-local; one that he calls sendmail
	 * says no more than what it executes */
	trusted = programs_is_roots(pid);
	now.shared &= trusted; /* nothing that is said rests on a customer's own program */
	base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	for (int want = 1; want >= 0; want--)
		for (const struct mta *const *m = mta_all; *m; m++) {
			if (preferred(p, *m) != (want == 1))
				continue;
			for (const struct mta_program *mp = (*m)->programs; mp->path; mp++) {
				const char *b = strrchr(mp->path, '/') ? strrchr(mp->path, '/') + 1
								       : mp->path;

				if (!strcmp(b, base) && (trusted || mp->role == ST_ROLE_INJECTOR)) {
					programs_add(p, &now, path, *m, mp->role, mp->flags, 0);
					if (trusted)
						programs_hold(p, fd, exe);
					return;
				}
			}
		}
	if (trusted && (!strcmp(base, "apache2") || !strcmp(base, "httpd"))) {
		programs_add(p, &now, path, NULL, ST_ROLE_HTTPD, 0, 0);
		programs_hold(p, fd, exe);
	} else { /* its name, for messages of its children */
		programs_add(p, &now, path, NULL, ST_ROLE_NONE, 0, 0);
	}
}
