// SPDX-License-Identifier: GPL-2.0-only
#include "mail/logfiles.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

/* Plesk, RHEL and SUSE, Debian; Exim: Debian, cPanel, RHEL, FreeBSD's habit. One syslog file is
 * taken: others repeat it. */
static const char *const syslog_files[] = {"/usr/local/psa/var/log/maillog",
					   "/var/log/maillog",
					   "/var/log/mail.log",
					   "/var/log/mail",
					   "/var/log/mail.info",
					   NULL};
static const char *const exim_files[] = {"/var/log/exim4/mainlog",      "/var/log/exim_mainlog",
					 "/var/log/exim/mainlog",       "/var/log/exim/main.log",
					 "/var/spool/exim/log/mainlog", NULL};

struct part {
	char *path;
	struct timespec mtime;
};

static int older(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->mtime.tv_sec != y->mtime.tv_sec)
		return x->mtime.tv_sec < y->mtime.tv_sec ? -1 : 1;
	if (x->mtime.tv_nsec != y->mtime.tv_nsec)
		return x->mtime.tv_nsec < y->mtime.tv_nsec ? -1 : 1;
	return strcmp(y->path, x->path);
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static int add(struct part **parts, size_t *n, const char *path, const struct stat *st)
{
	struct part *grown = reallocarray(*parts, *n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	*parts = grown;
	grown[*n].path = strdup(path);
	grown[*n].mtime = st->st_mtim;
	if (!grown[*n].path)
		return -ENOMEM;
	++*n;
	return 0;
}

static int add_rotated(struct part **parts, size_t *n, const char *path, size_t *skipped)
{
	char pattern[PATH_MAX + 4];
	int err = 0;

	for (int dated = 0; dated < 2 && !err; dated++) {
		glob_t g;

		snprintf(pattern, sizeof(pattern), "%s%s", path, dated ? "-*" : ".*");
		if (glob(pattern, 0, NULL, &g) != 0)
			continue;
		for (size_t i = 0; i < g.gl_pathc && !err; i++) {
			struct stat st;

			if (stat(g.gl_pathv[i], &st) != 0 || !S_ISREG(st.st_mode) || !st.st_size)
				continue;
			if (ends_with(g.gl_pathv[i], ".xz") || ends_with(g.gl_pathv[i], ".bz2") ||
			    ends_with(g.gl_pathv[i], ".zst"))
				++*skipped;
			else
				err = add(parts, n, g.gl_pathv[i], &st);
		}
		globfree(&g);
	}
	return err;
}

static bool holds_something(const char *root, const char *name, char path[PATH_MAX],
			    struct stat *st)
{
	snprintf(path, PATH_MAX, "%s%s", strcmp(root, "/") == 0 ? "" : root, name);
	return stat(path, st) == 0 && S_ISREG(st->st_mode) && st->st_size;
}

static int find_family(const char *root, const char *const *names, bool rotated,
		       struct part **parts, size_t *n, size_t *skipped)
{
	char path[PATH_MAX];

	for (; *names; names++) {
		struct stat st;
		int err;

		if (!holds_something(root, *names, path, &st))
			continue;
		err = add(parts, n, path, &st);
		if (!err && rotated)
			err = add_rotated(parts, n, path, skipped);
		return err;
	}
	return 0;
}

int logfiles_find(const char *root, bool rotated, char ***ret, size_t *n, size_t *skipped)
{
	struct part *parts = NULL;
	size_t count = 0, left = 0;
	char **files = NULL;
	int err;

	err = find_family(root, syslog_files, rotated, &parts, &count, &left);
	if (!err)
		err = find_family(root, exim_files, rotated, &parts, &count, &left);
	if (!err)
		files = calloc(count + 1, sizeof(*files));
	if (!files) {
		for (size_t i = 0; i < count; i++)
			free(parts[i].path);
		free(parts);
		return -ENOMEM;
	}
	if (count)
		qsort(parts, count, sizeof(*parts), older);
	for (size_t i = 0; i < count; i++)
		files[i] = parts[i].path;
	free(parts);
	*ret = files;
	*n = count;
	*skipped = left;
	return 0;
}

int logfiles_find_first(const char *root, size_t *rank, char **path)
{
	const size_t syslogs = array_size(syslog_files) - 1, exims = array_size(exim_files) - 1;
	char at[PATH_MAX];
	struct stat st;

	for (size_t i = 0; i < syslogs + exims && i <= *rank; i++) {
		const char *name = i < syslogs ? syslog_files[i] : exim_files[i - syslogs];

		if (!holds_something(root, name, at, &st))
			continue;
		*path = strdup(at);
		if (!*path)
			return -ENOMEM;
		*rank = i;
		return 0;
	}
	return -ENOENT;
}

void logfiles_free(char **files, size_t n)
{
	for (size_t i = 0; files && i < n; i++)
		free(files[i]);
	free(files);
}
