// SPDX-License-Identifier: GPL-2.0-only
#include "trace/tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define SEPARATOR '\1' /* of container and path in a key */

struct entry {
	struct tally_row row;
	bool other; /* the row of all keys beyond the limit */
	UT_hash_handle hh;
	char key[];
};

struct tally {
	struct entry *by[BY_COUNT];
	struct entry *other[BY_COUNT];
	struct tally_totals totals;
};

struct tally *tally_new(void)
{
	return calloc(1, sizeof(struct tally));
}

static void entry_free(struct entry *e)
{
	free((char *)e->row.sample_id);
	free((char *)e->row.sample_subject);
	free((char *)e->row.vhost);
	free((char *)e->row.user_name);
	free((char *)e->row.culprit_file);
	free((char *)e->row.container);
	free(e);
}

void tally_free(struct tally *t)
{
	if (!t)
		return;
	for (int by = 0; by < BY_COUNT; by++) {
		struct entry *e, *next;

		HASH_ITER(hh, t->by[by], e, next)
		{
			HASH_DEL(t->by[by], e);
			entry_free(e);
		}
		if (t->other[by])
			entry_free(t->other[by]);
	}
	free(t);
}

/* `skip`: bytes of the key before the name; they hold the container between two separators. */
static struct entry *entry_new(const char *key, bool known, size_t skip)
{
	size_t n = strlen(key);
	struct entry *e = calloc(1, sizeof(*e) + n + 1);

	if (!e)
		return NULL;
	memcpy(e->key, key, n + 1);
	e->row.key = known ? e->key + skip : NULL;
	if (skip > 2)
		e->row.container = strndup(e->key + 1, skip - 2);
	e->row.uid = COUNT_UNKNOWN;
	e->row.attribution = ATTRIBUTION_EXACT;
	return e;
}

static struct entry *entry_get(struct tally *t, enum tally_by by, const char *key, size_t skip)
{
	const char *k = key ? key : "";
	struct entry *e = NULL;

	HASH_FIND_STR(t->by[by], k, e);
	if (e)
		return e;
	if (HASH_COUNT(t->by[by]) >= TALLY_MAX_KEYS) {
		if (!t->other[by])
			t->other[by] = entry_new("(others)", true, 0);
		return t->other[by];
	}
	e = entry_new(k, key != NULL, skip);
	if (e)
		HASH_ADD_STR(t->by[by], key, e);
	return e;
}

static void keep_first(const char **to, const char *from)
{
	if (!*to && from)
		*to = strndup(from, 1024);
}

/* Of one user and one vhost, or said to be of several: names are never put together. */
static void keep_owner(struct tally_row *r, const struct mail_event *e)
{
	if (e->uid != COUNT_UNKNOWN && r->uid == COUNT_UNKNOWN) {
		r->uid = e->uid;
		keep_first(&r->user_name, e->user_name);
	}
	r->users |= e->uid != COUNT_UNKNOWN && e->uid != r->uid;
	r->vhosts |= r->vhost && e->vhost && strcmp(r->vhost, e->vhost) != 0;
	keep_first(&r->vhost, e->vhost);
}

static void count(struct tally *t, enum tally_by by, const char *key, size_t skip,
		  const struct mail_event *e)
{
	struct entry *n = entry_get(t, by, key, skip);

	if (!n)
		return;
	/* messages that waited for their file come late */
	if (e->wall_ns && (!n->row.first_wall_ns || e->wall_ns < n->row.first_wall_ns))
		n->row.first_wall_ns = e->wall_ns;
	if (e->wall_ns > n->row.last_wall_ns)
		n->row.last_wall_ns = e->wall_ns;
	n->row.source = e->source;
	keep_owner(&n->row, e);
	if (!n->row.culprit_file && e->culprit_file) {
		keep_first(&n->row.culprit_file, e->culprit_file);
		n->row.culprit_line = e->culprit_line;
	}
	if (e->action == ACTION_MAIL_ATTEMPTED) {
		n->row.attempts++;
		n->row.handed += event_handed(e);
		n->row.unsettled += event_unsettled(e);
		return;
	}
	if (e->action == ACTION_SMTP_CONNECTED) {
		n->row.connects++;
		return;
	}
	n->row.messages++;
	if (e->recipients > 0)
		n->row.recipients += (uint64_t)e->recipients;
	if (e->attribution < n->row.attribution)
		n->row.attribution = e->attribution;
	keep_first(&n->row.sample_id, e->queue_id);
	keep_first(&n->row.sample_subject, e->subject);
}

/* The same path in two containers is two scripts. A name that begins as such a key gets an empty
 * container, so that no script can pass for another. */
static void count_script(struct tally *t, const struct mail_event *e)
{
	const char *container = e->container ? e->container : "";
	size_t skip = strlen(container) + 2;
	char key[2048];

	if (!e->script || (!e->container && e->script[0] != SEPARATOR)) {
		count(t, BY_SCRIPT, e->script, 0, e);
		return;
	}
	snprintf(key, sizeof(key), "%c%.100s%c%s", SEPARATOR, container, SEPARATOR, e->script);
	count(t, BY_SCRIPT, key, skip > 102 ? 102 : skip, e);
}

void tally_add(struct tally *t, const struct mail_event *e)
{
	char uid[24];

	switch (e->action) {
	case ACTION_MAIL_QUEUED:
		t->totals.messages++;
		t->totals.by_source[e->source]++;
		t->totals.by_attribution[e->attribution]++;
		break;
	case ACTION_MAIL_ATTEMPTED:
		t->totals.attempts++;
		break;
	case ACTION_SMTP_CONNECTED:
		t->totals.connects++;
		break;
	case ACTION_MAIL_REMOVED:
		t->totals.removals++;
		return;
	default:
		return;
	}
	count_script(t, e);
	snprintf(uid, sizeof(uid), "%" PRId64, e->uid);
	count(t, BY_UID, e->uid == COUNT_UNKNOWN ? NULL : uid, 0, e);
	count(t, BY_VHOST, e->vhost, 0, e);
	count(t, BY_CLIENT, e->client_ip, 0, e);
	count(t, BY_SOURCE, source_name(e->source), 0, e);
}

static int more_messages(const void *a, const void *b)
{
	const struct tally_row *x = *(const struct tally_row *const *)a;
	const struct tally_row *y = *(const struct tally_row *const *)b;
	uint64_t nx = x->messages + x->connects, ny = y->messages + y->connects;

	if (nx != ny)
		return nx < ny ? 1 : -1;
	if (x->attempts != y->attempts)
		return x->attempts < y->attempts ? 1 : -1;
	return x->first_wall_ns < y->first_wall_ns ? -1 : x->first_wall_ns > y->first_wall_ns;
}

size_t tally_rows(struct tally *t, enum tally_by by, struct tally_row *rows, size_t max,
		  size_t *more)
{
	size_t n = HASH_COUNT(t->by[by]) + (t->other[by] ? 1 : 0), at = 0;
	const struct tally_row **all = calloc(n ? n : 1, sizeof(*all));
	struct entry *e;

	*more = 0;
	if (!all)
		return 0;
	for (e = t->by[by]; e; e = e->hh.next)
		all[at++] = &e->row;
	if (t->other[by])
		all[at++] = &t->other[by]->row;
	qsort(all, at, sizeof(*all), more_messages);
	*more = at > max ? at - max : 0;
	at = at < max ? at : max;
	for (size_t i = 0; i < at; i++) {
		rows[i] = *all[i];
		if (t->totals.messages)
			rows[i].share = (double)rows[i].messages / (double)t->totals.messages;
	}
	free(all);
	return at;
}

void tally_totals(const struct tally *t, struct tally_totals *out)
{
	*out = t->totals;
}

void tally_summary(const struct tally *t, struct summary_event *out)
{
	out->messages = t->totals.messages;
	out->attempts = t->totals.attempts;
	out->connects = t->totals.connects;
	out->removals = t->totals.removals;
	memcpy(out->by_source, t->totals.by_source, sizeof(out->by_source));
	memcpy(out->by_attribution, t->totals.by_attribution, sizeof(out->by_attribution));
}
