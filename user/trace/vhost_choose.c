// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which of the vhosts that share a directory the server chose: its own choice by the Host header is
 * made again, on every address where one of them listens. The order of Apache: server/vhost.c,
 * matches_aliases(); of nginx: its documentation of server_name.
 */
#include "trace/vhost_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

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

enum vhost_fit vhost_best_fit(const struct vhost *v, const char *host, bool *regex)
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

		if (v->server != server || !vhost_wanted(a, (int)i) ||
		    !listens(v, address, &is_default))
			continue;
		f = vhost_best_fit(v, a->host, &p.regex);
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

bool vhost_same_name(const struct ask *a, int x, int y)
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
	if (p.v < 0 || !vhost_set_has(s, p.v))
		return;
	if (*slot < 0)
		*slot = p.v;
	else if (!vhost_same_name(a, *slot, p.v))
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
	if (d.by_host >= 0 && d.by_default >= 0 && !vhost_same_name(a, d.by_host, d.by_default))
		d.disagree = true;
	return d;
}

/* Which of the candidates: the number, and in *reason why that is not certain (NULL: it is). */
int vhost_choose(const struct ask *a, const struct set *s, const char **reason)
{
	bool all_same = true;
	struct verdict d;

	*reason = NULL;
	for (size_t i = 1; i < s->n; i++)
		all_same &= vhost_same_name(a, s->v[0], s->v[i]);
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
bool vhost_keep_mntns(const struct ask *a, struct set *s)
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
			  !vhost_same_name(a, s->v[i], s->v[0]);
	return differ;
}
