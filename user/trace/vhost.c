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
#include "trace/vhost_match.h"
#include "trace/vhost_table.h"

#define WHY_SHARED_NO_HOST                                                                         \
	"several vhosts share this directory and the request's Host is not known: this is the "    \
	"first"
#define WHY_SHARED_DEFAULT                                                                         \
	"the Host header matches none of the vhosts that share this directory: this is the "       \
	"default one"
#define WHY_SHARED_OTHER                                                                           \
	"the Host header belongs to a vhost with another directory: this is the first that has "   \
	"this one"
#define WHY_SHARED_LISTEN                                                                          \
	"vhosts on several addresses share this directory: the Host header fits this one"
#define WHY_REGEX                                                                                  \
	"a server_name that is a regular expression may have decided between vhosts that share "   \
	"this directory"
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

static void set_clear(struct set *s)
{
	free(s->v);
	*s = (struct set){0};
}

static bool set_has(const struct set *s, int v)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i] == v)
			return true;
	return false;
}

static bool wanted(const struct ask *a, int v)
{
	return (a->t->vhost[v].software == VHOST_PANEL) == a->panel;
}

/* Adds the owners of a directory that this pass looks at. */
static int set_add_owners(struct set *s, const struct ask *a, const struct vhost_dir *d)
{
	int from = d->vhost == VHOST_EVERY ? 0 : d->vhost;
	int to = d->vhost == VHOST_EVERY ? (int)a->t->vhosts : d->vhost + 1;
	size_t before = s->n;

	for (int v = from; v < to; v++) {
		int *more;

		if (a->t->vhost[v].server != d->server || !wanted(a, v) ||
		    set_has(&(struct set){s->v, before}, v))
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
static int owners_at(struct set *s, const struct ask *a, const char *path, size_t len)
{
	for (size_t i = a->t->dir_chain[vhost_bucket(path, len)]; i; i = a->t->dir[i - 1].next) {
		const struct vhost_dir *d = &a->t->dir[i - 1];

		if (strlen(d->path) == len && memcmp(d->path, path, len) == 0 &&
		    set_add_owners(s, a, d))
			return -ENOMEM;
	}
	if (s->n > 1)
		qsort(s->v, s->n, sizeof(*s->v), by_number);
	return 0;
}

/* The length of the parent directory of the first `len` bytes; 0 after "/". */
static size_t parent_len(const char *path, size_t len)
{
	if (len <= 1)
		return 0;
	while (len > 1 && path[len - 1] != '/')
		len--;
	return len > 1 ? len - 1 : 1;
}

/* Owners of the longest directory that holds `path`; *len is that directory's length, 0 if there is
 * none. */
static int owners_of(struct set *s, const struct ask *a, const char *path, size_t *len)
{
	for (*len = strlen(path); *len; *len = parent_len(path, *len)) {
		if (owners_at(s, a, path, *len))
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
static bool userdir_holds(const struct ask *a, const struct vhost_dir *d, char *user, size_t size)
{
	if (d->kind != VHOST_DIR_USERDIR)
		return false;
	if (d->path[0] == '/')
		return vhost_pattern_inside(a->script, d->path, user, size) == 0;
	for (size_t len = strlen(a->script); len; len = parent_len(a->script, len)) {
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
static bool pattern_names(const struct ask *a, const struct vhost_dir *d, const char *path,
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

static bool is_name_pattern(const struct vhost_dir *d)
{
	return d->kind == VHOST_DIR_VIRTUAL || d->kind == VHOST_DIR_NGINX;
}

/* Is the script in any directory of vhost v? Fills `user` if that is somebody's UserDir. */
static bool owns_script(const struct ask *a, int v, char *user, size_t size)
{
	char name[VHOST_NAME_SIZE];
	bool whole;

	for (size_t len = strlen(a->script); len; len = parent_len(a->script, len)) {
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
		if (userdir_holds(a, d, user, size) ||
		    (is_name_pattern(d) && pattern_names(a, d, a->script, name, &whole)))
			return true;
	}
	return false;
}

/* What a server would take for a host on one address. */
struct pick {
	int v; /* -1: nothing listens there */
	bool by_host, regex;
};

static bool listens(const struct vhost *v, const char *address, bool *is_default)
{
	for (size_t i = 0; i < v->listen_count; i++) {
		if (strcmp(v->listen[i].address, address) == 0) {
			*is_default = v->listen[i].is_default;
			return true;
		}
	}
	*is_default = false;
	return v->listen_count == 0;
}

static enum vhost_fit best_fit(const struct vhost *v, const char *host, bool *regex)
{
	enum vhost_fit best = v->name ? vhost_name_fits(v->name, host) : VHOST_FIT_NONE;

	for (size_t i = 0; i < v->alias_count; i++) {
		enum vhost_fit f = vhost_name_fits(v->alias[i], host);

		*regex |= v->alias[i][0] == '~';
		if (f > best)
			best = f;
	}
	return best;
}

static struct pick server_picks(const struct ask *a, unsigned server, const char *address)
{
	enum vhost_fit best = VHOST_FIT_NONE;
	struct pick p = {.v = -1};
	bool have_default = false;

	for (size_t i = 0; i < a->t->vhosts; i++) {
		const struct vhost *v = &a->t->vhost[i];
		enum vhost_fit f;
		bool is_default;

		if (v->server != server || !wanted(a, (int)i) || !listens(v, address, &is_default))
			continue;
		f = best_fit(v, a->host, &p.regex);
		if (f != VHOST_FIT_NONE && v->software != VHOST_NGINX)
			return (struct pick){.v = (int)i, .by_host = true};
		if (f > best) {
			best = f;
			p.v = (int)i;
			p.by_host = true;
		} else if (best == VHOST_FIT_NONE && (p.v < 0 || (is_default && !have_default))) {
			p.v = (int)i;
			have_default = is_default;
		}
	}
	if (p.by_host)
		p.regex = false; /* nginx tries regular expressions last */
	return p;
}

static bool port_excludes(const char *address, uint16_t port)
{
	const char *colon = strrchr(address, ':');

	return port && colon && colon[1] && colon[1] != '*' && !strchr(colon, ']') &&
	       strtoul(colon + 1, NULL, 10) != port;
}

static bool same_name(const struct ask *a, int x, int y)
{
	const char *n = a->t->vhost[x].name, *m = a->t->vhost[y].name;

	return x == y || (n && m && strcasecmp(n, m) == 0);
}

static bool asked_before(const struct ask *a, const struct set *s, size_t upto, const char *address)
{
	bool is_default;

	for (size_t i = 0; i < upto; i++)
		if (a->t->vhost[s->v[i]].server == a->t->vhost[s->v[upto]].server &&
		    listens(&a->t->vhost[s->v[i]], address, &is_default))
			return true;
	return false;
}

/* Candidates that the servers would really choose for this Host, over all their addresses. */
struct verdict {
	int by_host, by_default; /* the first of each kind; -1 */
	bool disagree, regex;
};

static void hear(const struct ask *a, const struct set *s, struct pick p, struct verdict *d)
{
	int *slot = p.by_host ? &d->by_host : &d->by_default;

	d->regex |= p.regex;
	if (p.v < 0 || !set_has(s, p.v))
		return;
	if (*slot < 0)
		*slot = p.v;
	else if (!same_name(a, *slot, p.v))
		d->disagree = true;
}

static struct verdict ask_servers(const struct ask *a, const struct set *s)
{
	struct verdict d = {.by_host = -1, .by_default = -1};

	for (size_t i = 0; i < s->n; i++) {
		const struct vhost *v = &a->t->vhost[s->v[i]];

		for (size_t k = 0; k < v->listen_count; k++)
			if (!port_excludes(v->listen[k].address, a->q->port) &&
			    !asked_before(a, s, i, v->listen[k].address))
				hear(a, s, server_picks(a, v->server, v->listen[k].address), &d);
		if (v->listen_count == 0)
			hear(a, s, server_picks(a, v->server, ""), &d);
	}
	if (d.by_host >= 0 && d.by_default >= 0 && !same_name(a, d.by_host, d.by_default))
		d.disagree = true;
	return d;
}

static void weaken(struct vhost_answer *r, const char *reason)
{
	r->exact = false;
	if (!r->reason)
		r->reason = reason;
}

/* Which of the candidates: the number, and in *reason why that is not certain (NULL: it is). */
static int choose(const struct ask *a, const struct set *s, const char **reason)
{
	bool all_same = true;
	struct verdict d;

	*reason = NULL;
	for (size_t i = 1; i < s->n; i++)
		all_same &= same_name(a, s->v[0], s->v[i]);
	if (all_same)
		return s->v[0];
	if (!a->host[0]) {
		*reason = WHY_SHARED_NO_HOST;
		return s->v[0];
	}
	d = ask_servers(a, s);
	if (d.by_host >= 0) {
		*reason = d.disagree ? WHY_SHARED_LISTEN : d.regex ? WHY_REGEX : NULL;
		return d.by_host;
	}
	*reason = d.regex ? WHY_REGEX : d.by_default >= 0 ? WHY_SHARED_DEFAULT : WHY_SHARED_OTHER;
	return d.by_default >= 0 ? d.by_default : s->v[0];
}

/* Candidates in the worker's own mount namespace go first: the same path in a container is another
 * directory. */
static bool keep_mntns(const struct ask *a, struct set *s)
{
	bool differ = false;
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += a->q->mntns && a->t->vhost[s->v[i]].mntns == a->q->mntns;
	if (n > 0 && n < s->n) {
		n = 0;
		for (size_t i = 0; i < s->n; i++)
			if (a->t->vhost[s->v[i]].mntns == a->q->mntns)
				s->v[n++] = s->v[i];
		s->n = n;
	}
	for (size_t i = 1; i < s->n; i++)
		differ |= a->t->vhost[s->v[i]].mntns != a->t->vhost[s->v[0]].mntns &&
			  !same_name(a, s->v[i], s->v[0]);
	return differ;
}

/* Writes the chosen vhost's name. -ENOENT when neither it nor the Host header gives one. */
static int name_vhost(const struct ask *a, int number, struct vhost_answer *r)
{
	const struct vhost *v = &a->t->vhost[number];
	bool regex = false;

	r->evidence = a->panel ? EVIDENCE_LAYOUT : EVIDENCE_SERVER_CONFIG;
	if (v->name) {
		snprintf(r->name, sizeof(r->name), "%s", v->name);
		if (v->guessed)
			weaken(r, WHY_GUESSED);
		return 0;
	}
	if (a->host[0] && best_fit(v, a->host, &regex) != VHOST_FIT_NONE) {
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

static int answer_from(const struct ask *a, struct set *s, struct vhost_answer *r)
{
	const char *reason;
	int v;

	if (keep_mntns(a, s))
		weaken(r, WHY_REALM);
	v = choose(a, s, &reason);
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

		if (!is_name_pattern(d) || d->vhost < 0 || !wanted(a, d->vhost) ||
		    !pattern_names(a, d, path, name, &whole))
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
		if (owns_script(a, s->v[i], user, sizeof(user)))
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
	struct set s __attribute__((cleanup(set_clear))) = {0},
		     outer __attribute__((cleanup(set_clear))) = {0};
	size_t len, up;

	if (owners_of(&s, a, a->script, &len))
		return -ENOMEM;
	if (!s.n) {
		if (by_pattern(a, a->script, r) == 0)
			return 0;
		for (size_t i = 0; i < a->t->patterns && !s.n; i++)
			if (userdir_holds(a, &a->t->pattern[i], r->user, sizeof(r->user)) &&
			    set_add_owners(&s, a, &a->t->pattern[i]))
				return -ENOMEM;
		return s.n ? answer_from(a, &s, r) : -ENOENT;
	}
	for (up = parent_len(a->script, len); up; up = parent_len(a->script, up))
		if (owners_at(&outer, a, a->script, up))
			return -ENOMEM;
	for (size_t i = 0; i < outer.n; i++)
		if (!same_name(a, outer.v[i], s.v[0]))
			weaken(r, WHY_NESTED);
	return answer_from(a, &s, r);
}

static int by_docroot(const struct ask *a, struct vhost_answer *r)
{
	struct set s __attribute__((cleanup(set_clear))) = {0};
	struct vhost_answer other = {.exact = true};
	size_t len = strlen(a->docroot);
	int err;

	if (owners_at(&s, a, a->docroot, len))
		return -ENOMEM;
	if (!s.n) {
		if (by_pattern(a, a->docroot, r) == 0)
			return a->script[0] && !vhost_path_inside(a->script, a->docroot) ? -ENOENT
											 : 0;
		if (owners_of(&s, a, a->docroot, &len))
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

int vhost_resolve(const struct vhost_table *t, const struct vhost_query *q,
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
