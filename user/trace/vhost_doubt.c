// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a vhost rests on may be a customer's own word: not only the web server can speak FastCGI to
 * his PHP, or start programs as him, and his code can name itself as another's. Who he is, the
 * kernel says, and whose a directory is, its owner: whoever has a vhost works for that.
 */
#include "trace/vhost_ask.h"

#include <errno.h>
#include <strings.h>

#define WHY_USER                                                                                   \
	"the worker's user has another vhost's directory, not this one's: who speaks FastCGI to "  \
	"it, or started it, can name any"
#define WHY_CULPRIT                                                                                \
	"the file to blame lies in another vhost's directory: PHP code can give itself such a "    \
	"name"

/*
 * Ordinary users, login.defs(5): UID_MIN, and not nobody. A web server's own user may serve
 * anybody's directory.
 */
static bool is_customer(int64_t uid)
{
	return uid >= 1000 && uid != 65534;
}

const char *vhost_doubt_user(const struct ask *a, const struct vhost *v)
{
	if (!is_customer(a->q->uid) || v->owner == COUNT_UNKNOWN || v->owner == a->q->uid)
		return NULL;
	for (size_t i = 0; i < a->t->vhosts; i++)
		if (a->t->vhost[i].owner == a->q->uid)
			return WHY_USER;
	return NULL;
}

/* Do these have a vhost of that customer among them? */
static bool are_of(const struct ask *a, const struct set *s, int64_t customer)
{
	for (size_t i = 0; i < s->n && is_customer(customer); i++)
		if (a->t->vhost[s->v[i]].owner == customer)
			return true;
	return false;
}

/*
 * The name of a file of code is what PHP took it for: a stream wrapper of the script's own may tell
 * it any (stream_open(), &$opened_path).
 */
int vhost_doubt_culprit(const struct vhost_table *t, const struct vhost_query *q, const char *name,
			const char **reason)
{
	struct set owners __attribute__((cleanup(vhost_set_clear))) = {0};
	struct ask a = {.t = t, .q = q}; /* whose script would the culprit be? */
	int64_t customer = COUNT_UNKNOWN;
	char user[64];
	size_t len;

	if (q->culprit[0] != '/' ||
	    vhost_path_clean(a.script, sizeof(a.script), q->culprit, &a.dotdot))
		return 0;
	if (vhost_owners_of(&owners, &a, a.script, &len))
		return -ENOMEM;
	/* as a rule */
	for (size_t i = 0; i < owners.n; i++) {
		const struct vhost *v = &t->vhost[owners.v[i]];

		if (v->name && !strcasecmp(v->name, name))
			return 0;
	}
	for (size_t i = 0; i < t->vhosts && owners.n; i++) {
		const struct vhost *v = &t->vhost[i];

		if (!v->name || strcasecmp(v->name, name))
			continue;
		if (vhost_owns_script(&a, (int)i, user, sizeof(user)))
			return 0;
		if (v->owner != COUNT_UNKNOWN)
			customer = v->owner;
	}
	if (owners.n && !are_of(&a, &owners, customer))
		*reason = WHY_CULPRIT;
	return 0;
}
