// SPDX-License-Identifier: GPL-2.0-only
#include "trace/tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

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

static struct entry *entry_new(const char *key, bool known)
{
	size_t n = strlen(key);
	struct entry *e = calloc(1, sizeof(*e) + n + 1);

	if (!e)
		return NULL;
	memcpy(e->key, key, n + 1);
	e->row.key = known ? e->key : NULL;
	e->row.uid = COUNT_UNKNOWN;
	e->row.attribution = ATTRIBUTION_EXACT;
	return e;
}

static struct entry *entry_get(struct tally *t, enum tally_by by, const char *key)
{
	const char *k = key ? key : "";
	struct entry *e = NULL;

	HASH_FIND_STR(t->by[by], k, e);
	if (e)
		return e;
	if (HASH_COUNT(t->by[by]) >= TALLY_MAX_KEYS) {
		if (!t->other[by])
			t->other[by] = entry_new("(others)", true);
		return t->other[by];
	}
	e = entry_new(k, key != NULL);
	if (e)
		HASH_ADD_STR(t->by[by], key, e);
	return e;
}

static void keep_first(const char **to, const char *from)
{
	if (!*to && from)
		*to = strndup(from, 1024);
}

static void count(struct tally *t, enum tally_by by, const char *key, const struct mail_event *e)
{
	struct entry *n = entry_get(t, by, key);

	if (!n)
		return;
	if (!n->row.first_wall_ns)
		n->row.first_wall_ns = e->wall_ns;
	n->row.last_wall_ns = e->wall_ns;
	n->row.source = e->source;
	if (e->uid != COUNT_UNKNOWN)
		n->row.uid = e->uid;
	keep_first(&n->row.vhost, e->vhost);
	keep_first(&n->row.user_name, e->user_name);
	if (!n->row.culprit_file && e->culprit_file) {
		keep_first(&n->row.culprit_file, e->culprit_file);
		n->row.culprit_line = e->culprit_line;
	}
	if (e->action == ACTION_MAIL_ATTEMPTED) {
		n->row.attempts++;
		n->row.handed += event_handed(e);
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
	count(t, BY_SCRIPT, e->script, e);
	snprintf(uid, sizeof(uid), "%" PRId64, e->uid);
	count(t, BY_UID, e->uid == COUNT_UNKNOWN ? NULL : uid, e);
	count(t, BY_VHOST, e->vhost, e);
	count(t, BY_CLIENT, e->client_ip, e);
	count(t, BY_SOURCE, source_name(e->source), e);
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
