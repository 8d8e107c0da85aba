/* SPDX-License-Identifier: GPL-2.0-only */
/* The inside of vhost_resolve(): one question while it is answered. Shared by vhost.c,
 * vhost_dirs.c, vhost_choose.c and vhost_doubt.c. */
#ifndef ST_TRACE_VHOST_ASK_H
#define ST_TRACE_VHOST_ASK_H

#include "trace/vhost_match.h"
#include "trace/vhost_table.h"

struct ask {
	const struct vhost_table *t;
	const struct vhost_query *q;
	bool panel; /* this pass looks at the panels' vhosts, else at the servers' */
	char host[VHOST_NAME_SIZE];
	char docroot[VHOST_PATH_SIZE], script[VHOST_PATH_SIZE];
	bool dotdot;
};

/* Numbers of vhosts, each once, ascending as added. */
struct set {
	int *v;
	size_t n;
};

/* vhost_dirs.c: whose directories hold a path. */

void vhost_set_clear(struct set *s);
bool vhost_set_has(const struct set *s, int v);

/* Does this pass look at vhost v. */
bool vhost_wanted(const struct ask *a, int v);

/* Adds the owners of a directory that this pass looks at. 0 or -ENOMEM, as all that add. */
int vhost_set_add_owners(struct set *s, const struct ask *a, const struct vhost_dir *d);

/* Owners of exactly the first `len` bytes of path, in the configuration's order. */
int vhost_owners_at(struct set *s, const struct ask *a, const char *path, size_t len);

/* Owners of the longest directory that holds `path`; *len is that directory's length, 0 if there is
 * none. */
int vhost_owners_of(struct set *s, const struct ask *a, const char *path, size_t *len);

/* The length of the parent directory of the first `len` bytes; 0 after "/". */
size_t vhost_parent_len(const char *path, size_t len);

/* Does a UserDir hold the script, and whose is it. */
bool vhost_userdir_holds(const struct ask *a, const struct vhost_dir *d, char *user, size_t size);

bool vhost_is_name_pattern(const struct vhost_dir *d);

/*
 * The name (of VHOST_NAME_SIZE) that a pattern and a path prove together; *whole: all of it is
 * proved. "" when the pattern fits but says nothing about the name; false when it does not fit.
 */
bool vhost_pattern_names(const struct ask *a, const struct vhost_dir *d, const char *path,
			 char *name, bool *whole);

/* Is the script in any directory of vhost v? Fills `user` if that is somebody's UserDir. */
bool vhost_owns_script(const struct ask *a, int v, char *user, size_t size);

/* vhost_choose.c: which of several the server chose. */

/* How well any of the vhost's names fits; *regex: it has names that only nginx could match. */
enum vhost_fit vhost_best_fit(const struct vhost *v, const char *host, bool *regex);

bool vhost_same_name(const struct ask *a, int x, int y);

/* Which of the candidates: the number, and in *reason why that is not certain (NULL: it is). */
int vhost_choose(const struct ask *a, const struct set *s, const char **reason);

/*
 * Keeps those in the worker's own mount namespace, if there are any: the same path in a container
 * is another directory. Returns whether the rest is of several and differs in name.
 */
bool vhost_keep_mntns(const struct ask *a, struct set *s);

/* vhost_doubt.c: what a customer can have said himself. */

/* Why the worker's user is not whose vhost this is; NULL: he may be. */
const char *vhost_doubt_user(const struct ask *a, const struct vhost *v);

/* *reason: why the file to blame is not believed of the vhost of that name, or it stays. 0 or
 * -ENOMEM. */
int vhost_doubt_culprit(const struct vhost_table *t, const struct vhost_query *q, const char *name,
			const char **reason);

#endif
