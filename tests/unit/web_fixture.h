/* SPDX-License-Identifier: GPL-2.0-only */
/* Trees of files for the tests of user/web: a root directory of their own, removed at the end. */
#ifndef ST_TEST_WEB_FIXTURE_H
#define ST_TEST_WEB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace/vhost.h"
#include "web/rootfs.h"

static char fixture[64];

static inline int fixture_setup(void **state)
{
	(void)state;
	strcpy(fixture, "/tmp/spamtrace-test-XXXXXX");
	return mkdtemp(fixture) ? 0 : -1;
}

static inline int fixture_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline int fixture_teardown(void **state)
{
	(void)state;
	return nftw(fixture, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path below the fixture, its parents made. */
static inline const char *fixture_path(const char *path)
{
	static char full[4096];

	snprintf(full, sizeof(full), "%s%s", fixture, path);
	for (char *p = full + strlen(fixture) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(full, 0755);
		*p = '/';
	}
	return full;
}

static inline void put_bytes(const char *path, const char *text, size_t len)
{
	FILE *f = fopen(fixture_path(path), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static inline void put(const char *path, const char *text)
{
	put_bytes(path, text, strlen(text));
}

static inline void put_dir(const char *path)
{
	assert_true(mkdir(fixture_path(path), 0755) == 0);
}

static inline void put_link(const char *path, const char *target)
{
	assert_int_equal(symlink(target, fixture_path(path)), 0);
}

/* One expectation. `name` NULL: nothing names a vhost. */
struct expect {
	const char *what;
	const char *docroot, *script, *host;
	const char *name;
	enum evidence evidence;
	bool exact;
};

static inline void check_answers(const struct vhost_table *t, const struct expect *e, size_t n)
{
	size_t wrong = 0;

	for (size_t i = 0; i < n; i++) {
		struct vhost_query q = {
			.docroot = e[i].docroot, .script = e[i].script, .host_header = e[i].host};
		struct vhost_answer a = {0};
		int err = vhost_resolve(t, &q, &a);

		if (e[i].name ? err == 0 && !strcmp(a.name, e[i].name) &&
					a.evidence == e[i].evidence && a.exact == e[i].exact &&
					a.exact == !a.reason
			      : err == -ENOENT)
			continue;
		wrong++;
		print_error("%s: got %d \"%s\" evidence %d exact %d (%s), want \"%s\" %d %d\n",
			    e[i].what, err, a.name, (int)a.evidence, a.exact,
			    a.reason ? a.reason : "-", e[i].name ? e[i].name : "(none)",
			    (int)e[i].evidence, e[i].exact);
	}
	assert_int_equal(wrong, 0);
}

#endif
