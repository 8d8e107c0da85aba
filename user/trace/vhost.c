// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose directory is this, and which of its vhosts did the server choose.
 *
 * DOCUMENT_ROOT is the server's own word about the vhost (measured: with UseCanonicalName Off,
 * SERVER_NAME is whatever the client sent), so it comes first. It is believed only when the script
 * lies in a directory of the same vhost: ProxyFCGISetEnvIf in a customer's .htaccess can set it to
 * another customer's. The Host header only selects among vhosts that share the directory, the way
 * the server itself selects.
 */
#include "trace/vhost.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "trace/vhost_ask.h"

#define WHY_GUESSED      "the vhost has no ServerName: this is the machine's name"
#define WHY_NO_NAME      "the vhost has no name of its own: this is what the client claimed"
#define WHY_PATTERN      "the vhost's names are patterns: this is what the client claimed, and it fits"
#define WHY_PATTERN_TEXT "the vhost's only name is this pattern"
#define WHY_PART         "the directory proves only a part of this name"
#define WHY_INNER_DOCROOT                                                                          \
	"DOCUMENT_ROOT is no directory of the configuration: it lies inside one of this vhost"
#define WHY_CONFLICT                                                                               \
	"DOCUMENT_ROOT names another vhost than the one whose directory the script lies in"
#define WHY_NESTED "only the script's path is known, and it lies in directories of several vhosts"
#define WHY_REALM  "servers in several containers have this directory"
#define WHY_CHROOT                                                                                 \
	"the worker is in a chroot, and this is the directory of that name outside of it or in "   \
	"any"
#define WHY_DOTDOT "the path holds '..'"
#define WHY_PANEL  "from a hosting panel's files, not from the running server's configuration"
#define WHY_LAYOUT                                                                                 \
	"from a hosting panel's directory layout, not from the running server's configuration"
#define WHY_HOST "only what the client claimed: no known vhost has this directory"

static const char why_outside[] =
	"the script lies outside the directories of the vhost that DOCUMENT_ROOT names";

static void weaken(struct vhost_answer *r, const char *reason)
{
	r->exact = false;
	if (!r->reason)
		r->reason = reason;
}

/* Writes the chosen vhost's name. -ENOENT when neither it nor the Host header gives one. */
static int name_vhost(const struct ask *a, int number, struct vhost_answer *r)
{
	const struct vhost *v = &a->t->vhost[number];
	const char *reason;
	bool regex = false;

	r->evidence = a->panel ? EVIDENCE_LAYOUT : EVIDENCE_SERVER_CONFIG;
	reason = vhost_doubt_user(a, v);
	if (reason)
		weaken(r, reason);
	if (v->name) {
		snprintf(r->name, sizeof(r->name), "%s", v->name);
		if (v->guessed)
			weaken(r, WHY_GUESSED);
		return 0;
	}
	if (a->host[0] && vhost_best_fit(v, a->host, &regex) != VHOST_FIT_NONE) {
		snprintf(r->name, sizeof(r->name), "%s", a->host);
		weaken(r, WHY_PATTERN);
		return 0;
	}
	for (size_t i = 0; i < v->alias_count; i++) {
		if (v->alias[i][0] == '~' || strlen(v->alias[i]) >= sizeof(r->name))
			continue;
		snprintf(r->name, sizeof(r->name), "%s", v->alias[i]);
		weaken(r, WHY_PATTERN_TEXT);
		return 0;
	}
	if (!a->host[0])
		return -ENOENT;
	snprintf(r->name, sizeof(r->name), "%s", a->host);
	r->evidence = EVIDENCE_HOST_HEADER;
	weaken(r, WHY_NO_NAME);
	return 0;
}

/*
 * A docroot in a container is often the same text for many sites. The host's name of the script
 * tells them apart, where the servers that pass requests on have its directory, too.
 */
static int keep_host_owners(const struct ask *a, struct set *s, struct vhost_answer *r)
{
	struct set hosts __attribute__((cleanup(vhost_set_clear))) = {0};
	size_t len, n = 0;

	if (!a->q->host_script || !a->q->host_script[0])
		return 0;
	if (vhost_owners_of(&hosts, a, a->q->host_script, &len))
		return -ENOMEM;
	if (!hosts.n)
		return 0;
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < hosts.n; k++)
			if (s->v[i] == hosts.v[k]) {
				s->v[n++] = s->v[i];
				break;
			}
	if (n)
		s->n = n;
	else
		weaken(r, WHY_CONFLICT);
	return 0;
}

static int answer_from(const struct ask *a, struct set *s, struct vhost_answer *r)
{
	const char *reason;
	int v;

	if (keep_host_owners(a, s, r))
		return -ENOMEM;
	if (vhost_keep_mntns(a, s))
		weaken(r, WHY_REALM);
	v = vhost_choose(a, s, &reason);
	if (reason)
		weaken(r, reason);
	return name_vhost(a, v, r);
}

/* A directory that the server made from the host's name: VirtualDocumentRoot, nginx root with
 * variables. */
static int by_pattern(const struct ask *a, const char *path, struct vhost_answer *r)
{
	for (size_t i = 0; i < a->t->patterns; i++) {
		const struct vhost_dir *d = &a->t->pattern[i];
		const struct vhost *v = &a->t->vhost[d->vhost < 0 ? 0 : d->vhost];
		char name[VHOST_NAME_SIZE];
		bool whole;

		if (!vhost_is_name_pattern(d) || d->vhost < 0 || !vhost_wanted(a, d->vhost) ||
		    !vhost_pattern_names(a, d, path, name, &whole))
			continue;
		if (!name[0] || (d->kind == VHOST_DIR_NGINX && !whole && v->name))
			return name_vhost(a, d->vhost, r);
		memcpy(r->name, name, sizeof(r->name));
		r->evidence = EVIDENCE_SERVER_CONFIG;
		if (!whole)
			weaken(r, WHY_PART);
		return 0;
	}
	return -ENOENT;
}

/* Of the vhosts that DOCUMENT_ROOT names, those that also own the script. */
static int keep_script_owners(const struct ask *a, struct set *s, struct vhost_answer *r)
{
	_free_ int *kept = calloc(s->n, sizeof(int));
	char user[sizeof(r->user)] = "";
	size_t n = 0;

	if (!kept)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		if (vhost_owns_script(a, s->v[i], user, sizeof(user)))
			kept[n++] = s->v[i];
	if (n == 0)
		return -ENOENT;
	memcpy(s->v, kept, n * sizeof(*kept));
	s->n = n;
	memcpy(r->user, user, sizeof(user));
	return 0;
}

/* Only the script's path speaks. */
static int by_script(const struct ask *a, struct vhost_answer *r)
{
	struct set s __attribute__((cleanup(vhost_set_clear))) = {0},
		     outer __attribute__((cleanup(vhost_set_clear))) = {0};
	size_t len, up;

	if (vhost_owners_of(&s, a, a->script, &len))
		return -ENOMEM;
	if (!s.n) {
		if (by_pattern(a, a->script, r) == 0)
			return 0;
		for (size_t i = 0; i < a->t->patterns && !s.n; i++)
			if (vhost_userdir_holds(a, &a->t->pattern[i], r->user, sizeof(r->user)) &&
			    vhost_set_add_owners(&s, a, &a->t->pattern[i]))
				return -ENOMEM;
		return s.n ? answer_from(a, &s, r) : -ENOENT;
	}
	for (up = vhost_parent_len(a->script, len); up; up = vhost_parent_len(a->script, up))
		if (vhost_owners_at(&outer, a, a->script, up))
			return -ENOMEM;
	for (size_t i = 0; i < outer.n; i++)
		if (!vhost_same_name(a, outer.v[i], s.v[0]))
			weaken(r, WHY_NESTED);
	return answer_from(a, &s, r);
}

static int by_docroot(const struct ask *a, struct vhost_answer *r)
{
	struct set s __attribute__((cleanup(vhost_set_clear))) = {0};
	struct vhost_answer other = {.exact = true};
	size_t len = strlen(a->docroot);
	int err;

	if (vhost_owners_at(&s, a, a->docroot, len))
		return -ENOMEM;
	if (!s.n) {
		if (by_pattern(a, a->docroot, r) == 0)
			return a->script[0] && !vhost_path_inside(a->script, a->docroot) ? -ENOENT
											 : 0;
		if (vhost_owners_of(&s, a, a->docroot, &len))
			return -ENOMEM;
		if (!s.n)
			return -ENOENT;
		weaken(r, WHY_INNER_DOCROOT);
	}
	err = a->script[0] ? keep_script_owners(a, &s, r) : 0;
	if (err != -ENOENT)
		return err ? err : answer_from(a, &s, r);
	err = by_script(a, &other);
	if (err == -ENOENT) {
		weaken(r, why_outside);
		return answer_from(a, &s, r);
	}
	if (err)
		return err;
	other.exact = false;
	other.reason = WHY_CONFLICT;
	*r = other;
	return 0;
}

static void take_path(char *out, const char *root, const char *path, bool *dotdot)
{
	char joined[VHOST_PATH_SIZE];
	int n;

	out[0] = '\0';
	if (!path || path[0] != '/')
		return;
	n = snprintf(joined, sizeof(joined), "%s%s", root, path);
	if (n < 0 || (size_t)n >= sizeof(joined) ||
	    vhost_path_clean(out, VHOST_PATH_SIZE, joined, dotdot))
		out[0] = '\0';
}

static bool is_chroot(const char *s)
{
	return s && s[0] == '/' && s[1];
}

/* The script as the host sees it. */
static void take_script(struct ask *a, const char *jail)
{
	take_path(a->script, "", a->q->script, &a->dotdot);
	if (*jail && a->script[0] && !vhost_path_inside(a->script, jail))
		take_path(a->script, jail, a->q->script, &a->dotdot);
}

/*
 * Inside a chroot DOCUMENT_ROOT is a path as the web server sees it or, when it was told so, as the
 * worker sees it. The second is tried first: it leads into the chroot, so it cannot be another
 * site's by accident.
 */
static int by_docroot_forms(struct ask *a, const char *jail, struct vhost_answer *r)
{
	struct vhost_answer fresh = *r;
	int err = -ENOENT;

	take_path(a->docroot, jail, a->q->docroot, &a->dotdot);
	if (*jail && a->docroot[0])
		err = by_docroot(a, r);
	take_path(a->docroot, "", a->q->docroot, &a->dotdot);
	if (err != -ENOENT || !a->docroot[0])
		return err;
	*r = fresh;
	err = by_docroot(a, r);
	if (err == 0 && *jail && r->reason == why_outside) {
		*r = fresh;
		return -ENOENT;
	}
	return err;
}

/* All that the paths say, by the vhosts of this pass. */
static int by_table(struct ask *a, struct vhost_answer *out)
{
	struct vhost_answer r = {.exact = true};
	char jail[VHOST_PATH_SIZE] = "";
	int err;

	if (is_chroot(a->q->chroot) && vhost_path_clean(jail, sizeof(jail), a->q->chroot, NULL))
		return -ENOENT;
	a->dotdot = false;
	take_script(a, jail);
	err = by_docroot_forms(a, jail, &r);
	if (err == -ENOENT && a->script[0]) {
		r = (struct vhost_answer){.exact = true};
		err = by_script(a, &r);
	}
	if (err == -ENOENT && *jail) {
		take_path(a->script, "", a->q->script, &a->dotdot);
		r = (struct vhost_answer){.reason = WHY_CHROOT};
		err = a->docroot[0] ? by_docroot(a, &r) : -ENOENT;
	}
	if (err)
		return err;
	if (a->dotdot)
		weaken(&r, WHY_DOTDOT);
	if (a->panel)
		weaken(&r, WHY_PANEL);
	*out = r;
	return 0;
}

/* The server's memory holds the ServerName of the vhost; mass virtual hosting has one vhost for all
 * its sites. */
static int by_memory(struct ask *a, const char *name, struct vhost_answer *out)
{
	struct vhost_answer r = {.exact = true};
	bool mass = false;

	for (size_t i = 0; a->t && i < a->t->patterns; i++) {
		const struct vhost_dir *d = &a->t->pattern[i];

		mass |= d->kind == VHOST_DIR_VIRTUAL && d->vhost >= 0 &&
			a->t->vhost[d->vhost].name &&
			strcasecmp(a->t->vhost[d->vhost].name, name) == 0;
	}
	if (mass) {
		take_path(a->script, "", a->q->script, &a->dotdot);
		if (a->script[0] && by_pattern(a, a->script, &r) == 0) {
			*out = r;
			return 0;
		}
	}
	if (strlen(name) >= sizeof(r.name))
		return -ENOENT;
	r = (struct vhost_answer){.exact = true, .evidence = EVIDENCE_SERVER_MEMORY};
	snprintf(r.name, sizeof(r.name), "%s", name);
	*out = r;
	return 0;
}

static int by_layout(const struct ask *a, struct vhost_answer *out)
{
	struct vhost_answer r = {.evidence = EVIDENCE_LAYOUT, .reason = WHY_LAYOUT};
	char path[VHOST_PATH_SIZE];
	const char *jail = is_chroot(a->q->chroot) ? a->q->chroot : "";
	const char *from[] = {a->q->script, a->q->docroot};

	for (size_t i = 0; i < array_size(from); i++) {
		take_path(path, "", from[i], NULL);
		if (path[0] && vhost_layout_domain(a->t->panels, path, r.name, sizeof(r.name)) == 0)
			goto found;
		take_path(path, jail, from[i], NULL);
		if (path[0] && vhost_layout_domain(a->t->panels, path, r.name, sizeof(r.name)) == 0)
			goto found;
	}
	return -ENOENT;
found:
	*out = r;
	return 0;
}

static int resolve(const struct vhost_table *t, const struct vhost_query *q,
		   struct vhost_answer *out)
{
	struct ask a = {.t = t, .q = q};
	int err = -ENOENT;

	if (vhost_host_clean(a.host, sizeof(a.host), q->host_header))
		a.host[0] = '\0';
	if (q->server_name_from_memory && q->server_name_from_memory[0])
		err = by_memory(&a, q->server_name_from_memory, out);
	if (err == -ENOENT && t)
		err = by_table(&a, out);
	if (err == -ENOENT && t) {
		a.panel = true;
		err = by_table(&a, out);
	}
	if (err == -ENOENT && t)
		err = by_layout(&a, out);
	if (err != -ENOENT)
		return err;
	if (!a.host[0])
		return -ENOENT;
	*out = (struct vhost_answer){.evidence = EVIDENCE_HOST_HEADER, .reason = WHY_HOST};
	memcpy(out->name, a.host, sizeof(out->name));
	return 0;
}

int vhost_resolve(const struct vhost_table *t, const struct vhost_query *q,
		  struct vhost_answer *out)
{
	const char *reason = NULL;
	struct vhost_answer r;
	int err = resolve(t, q, &r);

	if (!err && t && q->culprit)
		err = vhost_doubt_culprit(t, q, r.name, &reason);
	if (err)
		return err;
	if (reason)
		weaken(&r, reason);
	*out = r;
	return 0;
}
