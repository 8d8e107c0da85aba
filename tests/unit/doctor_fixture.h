/* SPDX-License-Identifier: GPL-2.0-only */
/* A tree of files of the test's own, and what a doctor finds in it. */
#ifndef DOCTOR_FIXTURE_H
#define DOCTOR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "doctor/doctor.h"

struct tree {
	char root[64];
	struct doctor d;
};

static inline void tree_make(struct tree *t)
{
	*t = (struct tree){.root = "/tmp/test_doctorXXXXXX"};
	assert_non_null(mkdtemp(t->root));
	t->d.root = t->root;
}

static inline int tree_unlink(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

static inline void tree_remove(struct tree *t)
{
	doctor_free(&t->d);
	assert_int_equal(nftw(t->root, tree_unlink, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Makes the directories above, then the file; text NULL: a directory. */
static inline void tree_put(struct tree *t, const char *path, const char *text, mode_t mode)
{
	char full[512];
	int fd;

	snprintf(full, sizeof(full), "%s%s", t->root, path);
	for (char *p = full + strlen(t->root) + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			mkdir(full, 0755);
			*p = '/';
		}
	if (!text) {
		mkdir(full, 0755);
		assert_int_equal(chmod(full, mode), 0);
		return;
	}
	fd = open(full, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* The first finding with this check and level whose text holds `part`, or NULL. */
static inline const struct finding *found(const struct tree *t, enum doctor_level level,
					  const char *check, const char *part)
{
	for (size_t i = 0; i < t->d.n; i++) {
		const struct finding *f = &t->d.findings[i];

		if (f->level == level && strcmp(f->check, check) == 0 && strstr(f->text, part))
			return f;
	}
	return NULL;
}

static inline void show(const struct tree *t)
{
	for (size_t i = 0; i < t->d.n; i++)
		print_message("  %s %s %s\n", doctor_level_name(t->d.findings[i].level),
			      t->d.findings[i].check, t->d.findings[i].text);
}

#define assert_found(t, level, check, part)                                                        \
	do {                                                                                       \
		if (!found(t, level, check, part))                                                 \
			show(t);                                                                   \
		assert_non_null(found(t, level, check, part));                                     \
	} while (0)

#define assert_not_found(t, level, check) assert_null(found(t, level, check, ""))

/* A clean slate for the next look at the same tree. */
static inline void forget(struct tree *t)
{
	doctor_free(&t->d);
}

#endif
