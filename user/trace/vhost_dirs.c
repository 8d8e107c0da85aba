// SPDX-License-Identifier: GPL-2.0-only
/* Whose directories and patterns hold a path. */
#include "trace/vhost_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

void vhost_set_clear(struct set *s)
{
	free(s->v);
	*s = (struct set){0};
}

bool vhost_set_has(const struct set *s, int v)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i] == v)
			return true;
	return false;
}

bool vhost_wanted(const struct ask *a, int v)
{
	return (a->t->vhost[v].software == VHOST_PANEL) == a->panel;
}

/* Adds the owners of a directory that this pass looks at. */
int vhost_set_add_owners(struct set *s, const struct ask *a, const struct vhost_dir *d)
{
	int from = d->vhost == VHOST_EVERY ? 0 : d->vhost;
	int to = d->vhost == VHOST_EVERY ? (int)a->t->vhosts : d->vhost + 1;
	size_t before = s->n;

	for (int v = from; v < to; v++) {
		int *more;

		if (a->t->vhost[v].server != d->server || !vhost_wanted(a, v) ||
		    vhost_set_has(&(struct set){s->v, before}, v))
			continue;
		more = reallocarray(s->v, s->n + 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		s->v = more;
		s->v[s->n++] = v;
	}
	return 0;
}

static int by_number(const void *x, const void *y)
{
	return *(const int *)x - *(const int *)y;
}

/* Owners of exactly the first `len` bytes of path, in the configuration's order. */
int vhost_owners_at(struct set *s, const struct ask *a, const char *path, size_t len)
{
	for (size_t i = a->t->dir_chain[vhost_bucket(path, len)]; i; i = a->t->dir[i - 1].next) {
		const struct vhost_dir *d = &a->t->dir[i - 1];

		if (strlen(d->path) == len && memcmp(d->path, path, len) == 0 &&
		    vhost_set_add_owners(s, a, d))
			return -ENOMEM;
	}
	if (s->n > 1)
		qsort(s->v, s->n, sizeof(*s->v), by_number);
	return 0;
}

/* The length of the parent directory of the first `len` bytes; 0 after "/". */
size_t vhost_parent_len(const char *path, size_t len)
{
	if (len <= 1)
		return 0;
	while (len > 1 && path[len - 1] != '/')
		len--;
	return len > 1 ? len - 1 : 1;
}

/* Owners of the longest directory that holds `path`; *len is that directory's length, 0 if there is
 * none. */
int vhost_owners_of(struct set *s, const struct ask *a, const char *path, size_t *len)
{
	for (*len = strlen(path); *len; *len = vhost_parent_len(path, *len)) {
		if (vhost_owners_at(s, a, path, *len))
			return -ENOMEM;
		if (s->n)
			return 0;
	}
	return 0;
}

static bool dir_is_of(const struct vhost_dir *d, const struct ask *a, int v)
{
	return d->vhost == v || (d->vhost == VHOST_EVERY && d->server == a->t->vhost[v].server);
}

/* mod_userdir: does the pattern hold the script, and whose is it. */
bool vhost_userdir_holds(const struct ask *a, const struct vhost_dir *d, char *user, size_t size)
{
	if (d->kind != VHOST_DIR_USERDIR)
		return false;
	if (d->path[0] == '/')
		return vhost_pattern_inside(a->script, d->path, user, size) == 0;
	for (size_t len = strlen(a->script); len; len = vhost_parent_len(a->script, len)) {
		size_t i = a->t->home_chain[vhost_bucket(a->script, len)];

		for (; i; i = a->t->home[i - 1].next) {
			const struct vhost_home *h = &a->t->home[i - 1];

			if (strlen(h->dir) == len && memcmp(h->dir, a->script, len) == 0 &&
			    vhost_path_inside(a->script + len, d->path + 1))
				return snprintf(user, size, "%s", h->user) < (int)size;
		}
	}
	return false;
}

static const char *host_for(const struct ask *a, const struct vhost *v)
{
	return v->canonical && v->name ? v->name : a->host;
}

/*
 * nginx variables as a pattern: those that are the host become the host, all others a star. *whole
 * says that the host as a whole is in it.
 */
static int nginx_pattern(char *out, size_t size, const char *in, const char *host,
			 const struct vhost *v, bool *whole)
{
	size_t n = 0;

	while (*in) {
		const char *put = in;
		size_t len = 1, name;

		if (*in++ == '$') {
			bool brace = *in == '{';

			in += brace;
			name = strspn(
				in,
				"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
			put = "*";
			if ((name == 4 && !memcmp(in, "host", 4)) ||
			    (name == 9 && !memcmp(in, "http_host", 9))) {
				put = *host ? host : "*";
				*whole = true;
			} else if (name == 11 && !memcmp(in, "server_name", 11) && v->name) {
				put = v->name;
			}
			len = strlen(put);
			in += name;
			in += brace && *in == '}';
		}
		if (n + len + 1 > size)
			return -ENAMETOOLONG;
		memcpy(out + n, put, len);
		n += len;
	}
	out[n] = '\0';
	return 0;
}

/*
 * The name that a pattern and a path prove together: `name` is set and *whole says whether all of
 * it is proved;
 * "" when the pattern fits but says nothing about the name.
 */
bool vhost_pattern_names(const struct ask *a, const struct vhost_dir *d, const char *path,
			 char *name, bool *whole)
{
	const struct vhost *v = &a->t->vhost[d->vhost == VHOST_EVERY ? 0 : d->vhost];
	const char *host = host_for(a, v);
	char filled[VHOST_PATH_SIZE], taken[VHOST_NAME_SIZE] = "";
	const char *all;

	*whole = false;
	name[0] = '\0';
	if (d->kind == VHOST_DIR_NGINX) {
		if (nginx_pattern(filled, sizeof(filled), d->path, host, v, whole) ||
		    vhost_pattern_inside(path, filled, taken, sizeof(taken)))
			return false;
		if (*whole)
			snprintf(name, VHOST_NAME_SIZE, "%s", *host ? host : taken);
		else if (*host && vhost_is_domain(taken) && strcmp(taken, host) == 0)
			*whole = snprintf(name, VHOST_NAME_SIZE, "%s", host) > 0;
		else if (vhost_is_domain(taken))
			snprintf(name, VHOST_NAME_SIZE, "%s", taken);
		return true;
	}
	if (*host) {
		if (vhost_interpolate(filled, sizeof(filled), d->path, host, a->q->port, whole) ||
		    !vhost_path_inside(path, filled))
			return false;
		snprintf(name, VHOST_NAME_SIZE, "%s", host);
		return true;
	}
	all = strstr(d->path, "%0");
	if (!all || strchr(all + 2, '%') || strchr(d->path, '%') != all || all[2] == '.')
		return false;
	snprintf(filled, sizeof(filled), "%.*s*%s", (int)(all - d->path), d->path, all + 2);
	if (vhost_pattern_inside(path, filled, name, VHOST_NAME_SIZE))
		return false;
	*whole = true;
	return true;
}

bool vhost_is_name_pattern(const struct vhost_dir *d)
{
	return d->kind == VHOST_DIR_VIRTUAL || d->kind == VHOST_DIR_NGINX;
}

/* Is the script in any directory of vhost v? Fills `user` if that is somebody's UserDir. */
bool vhost_owns_script(const struct ask *a, int v, char *user, size_t size)
{
	char name[VHOST_NAME_SIZE];
	bool whole;

	for (size_t len = strlen(a->script); len; len = vhost_parent_len(a->script, len)) {
		size_t i = a->t->dir_chain[vhost_bucket(a->script, len)];

		for (; i; i = a->t->dir[i - 1].next) {
			const struct vhost_dir *d = &a->t->dir[i - 1];

			if (dir_is_of(d, a, v) && strlen(d->path) == len &&
			    !memcmp(d->path, a->script, len))
				return true;
		}
	}
	for (size_t i = 0; i < a->t->patterns; i++) {
		const struct vhost_dir *d = &a->t->pattern[i];

		if (!dir_is_of(d, a, v))
			continue;
		if (vhost_userdir_holds(a, d, user, size) ||
		    (vhost_is_name_pattern(d) &&
		     vhost_pattern_names(a, d, a->script, name, &whole)))
			return true;
	}
	return false;
}
