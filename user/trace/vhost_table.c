// SPDX-License-Identifier: GPL-2.0-only
/* Filling and freeing the table. Every directory is found by one look-up per path component,
 * whatever its size. */
#include "trace/vhost_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "trace/vhost_match.h"

/* More stars than any layout has; each multiplies the work of a match. */
#define MAX_STARS 4
#define MAX_PATTERNS                                                                               \
	65536 /* they are tried in turn; a configuration that includes itself has millions */

struct vhost_table *vhost_table_new(void)
{
	return calloc(1, sizeof(struct vhost_table));
}

static void vhost_clear(struct vhost *v)
{
	for (size_t i = 0; i < v->alias_count; i++)
		free(v->alias[i]);
	for (size_t i = 0; i < v->listen_count; i++)
		free((char *)v->listen[i].address);
	free(v->alias);
	free(v->listen);
	free(v->name);
}

void vhost_table_free(struct vhost_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->vhosts; i++)
		vhost_clear(&t->vhost[i]);
	for (size_t i = 0; i < t->dirs; i++)
		free(t->dir[i].path);
	for (size_t i = 0; i < t->patterns; i++)
		free(t->pattern[i].path);
	for (size_t i = 0; i < t->homes; i++) {
		free(t->home[i].user);
		free(t->home[i].dir);
	}
	free(t->vhost);
	free(t->dir);
	free(t->pattern);
	free(t->home);
	free(t);
}

size_t vhost_bucket(const char *path, size_t len)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)path[i]) * 16777619U;
	return h % VHOST_BUCKETS;
}

/* Room for one more in *array: it doubles whenever the count is a power of two. */
static int grow(void *array, size_t count, size_t size)
{
	void *old, *more;

	if (count & (count - 1))
		return 0;
	memcpy(&old, array, sizeof(old));
	more = reallocarray(old, count ? count * 2 : 1, size);
	if (!more)
		return -ENOMEM;
	memcpy(array, &more, sizeof(more));
	return 0;
}

static int fill(struct vhost *v, const struct vhost_spec *spec)
{
	if (spec->name && *spec->name && !(v->name = strdup(spec->name)))
		return -ENOMEM;
	v->alias = calloc(spec->alias_count + 1, sizeof(*v->alias));
	v->listen = calloc(spec->listen_count + 1, sizeof(*v->listen));
	if (!v->alias || !v->listen)
		return -ENOMEM;
	for (; v->alias_count < spec->alias_count; v->alias_count++)
		if (!(v->alias[v->alias_count] = strdup(spec->aliases[v->alias_count])))
			return -ENOMEM;
	for (; v->listen_count < spec->listen_count; v->listen_count++) {
		const struct vhost_listen *from = &spec->listens[v->listen_count];
		struct vhost_listen *to = &v->listen[v->listen_count];

		to->is_default = from->is_default;
		if (!(to->address = strdup(from->address)))
			return -ENOMEM;
	}
	return 0;
}

int vhost_table_add(struct vhost_table *t, const struct vhost_spec *spec)
{
	struct vhost v = {
		.software = spec->software,
		.server = spec->server,
		.mntns = spec->mntns,
		.owner = COUNT_UNKNOWN,
		.guessed = spec->guessed,
		.canonical = spec->canonical,
	};

	if (spec->name && strlen(spec->name) >= VHOST_NAME_SIZE)
		return -ENAMETOOLONG;
	if (grow(&t->vhost, t->vhosts, sizeof(*t->vhost)) || fill(&v, spec)) {
		vhost_clear(&v);
		return -ENOMEM;
	}
	t->vhost[t->vhosts] = v;
	return (int)t->vhosts++;
}

/* Counts the stars of a pattern; those side by side are as good as one. */
static bool too_many_stars(const char *s)
{
	size_t stars = 0;

	for (; *s; s++)
		stars += *s == '*' && s[1] != '*';
	return stars > MAX_STARS;
}

static int add_pattern(struct vhost_table *t, struct vhost_dir d)
{
	if (t->patterns >= MAX_PATTERNS)
		return -ENOSPC;
	if (too_many_stars(d.path) || (d.path[0] != '/' && strncmp(d.path, "~/", 2) != 0))
		return -EINVAL;
	if (grow(&t->pattern, t->patterns, sizeof(*t->pattern)) || !(d.path = strdup(d.path)))
		return -ENOMEM;
	t->pattern[t->patterns++] = d;
	return 0;
}

int vhost_table_add_dir(struct vhost_table *t, int vhost, unsigned server, enum vhost_dir_kind kind,
			const char *path)
{
	struct vhost_dir d = {.vhost = vhost, .server = server, .kind = kind};
	char clean[VHOST_PATH_SIZE];
	size_t bucket;
	int err;

	if (vhost != VHOST_EVERY && (vhost < 0 || (size_t)vhost >= t->vhosts))
		return -EINVAL;
	if (vhost != VHOST_EVERY)
		d.server = t->vhost[vhost].server;
	if (kind == VHOST_DIR_USERDIR || kind == VHOST_DIR_VIRTUAL || kind == VHOST_DIR_NGINX) {
		d.path = (char *)path;
		return add_pattern(t, d);
	}
	err = vhost_path_clean(clean, sizeof(clean), path, NULL);
	if (err)
		return err;
	bucket = vhost_bucket(clean, strlen(clean));
	for (size_t i = t->dir_chain[bucket]; i; i = t->dir[i - 1].next)
		if (t->dir[i - 1].vhost == vhost && t->dir[i - 1].server == d.server &&
		    strcmp(t->dir[i - 1].path, clean) == 0)
			return 0;
	if (grow(&t->dir, t->dirs, sizeof(*t->dir)) || !(d.path = strdup(clean)))
		return -ENOMEM;
	d.next = t->dir_chain[bucket];
	t->dir[t->dirs++] = d;
	t->dir_chain[bucket] = t->dirs;
	return 0;
}

void vhost_table_set_owner(struct vhost_table *t, int vhost, uint32_t uid)
{
	if (vhost >= 0 && (size_t)vhost < t->vhosts && t->vhost[vhost].owner == COUNT_UNKNOWN)
		t->vhost[vhost].owner = uid;
}

int vhost_table_add_home(struct vhost_table *t, const char *user, const char *home)
{
	_free_ char *name = NULL, *dir = NULL;
	char clean[VHOST_PATH_SIZE];
	size_t bucket;
	int err = vhost_path_clean(clean, sizeof(clean), home, NULL);

	if (err)
		return err;
	if (clean[1] == '\0')
		return 0; /* "/" would make every script a user's */
	name = strdup(user);
	dir = strdup(clean);
	if (!name || !dir || grow(&t->home, t->homes, sizeof(*t->home)))
		return -ENOMEM;
	bucket = vhost_bucket(clean, strlen(clean));
	t->home[t->homes++] =
		(struct vhost_home){take_ptr(name), take_ptr(dir), t->home_chain[bucket]};
	t->home_chain[bucket] = t->homes;
	return 0;
}

void vhost_table_use_layouts(struct vhost_table *t, uint32_t panels)
{
	t->panels = panels;
}

size_t vhost_table_count(const struct vhost_table *t)
{
	return t->vhosts;
}
