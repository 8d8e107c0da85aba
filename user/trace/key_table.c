// SPDX-License-Identifier: GPL-2.0-only
#include "trace/key_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

const unsigned key_age_minutes[KEY_AGES - 1] = {5, 10, 20, 40, 80, 160, 320, 640, 1280};

struct slot {
	struct key_row row;
	uint64_t hash;
};

struct key_table {
	struct slot **slots; /* open addressing; a power of two, at most half full */
	const struct key_row **sorted;
	size_t size, used, max;
	struct key_row others;
};

/* FNV-1a with a final mix; whoever chooses keys to collide slows down only his own reading of a
 * bounded table. */
static uint64_t hash_of(const char *s, size_t n)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * 0x100000001b3ULL;
	return h ^ h >> 32;
}

struct key_table *key_table_new(size_t max_keys)
{
	struct key_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->size = 64;
	t->max = max_keys;
	t->others.key = "";
	t->slots = calloc(t->size, sizeof(struct slot *));
	if (!t->slots) {
		free(t);
		return NULL;
	}
	return t;
}

void key_table_free(struct key_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->size; i++)
		free(t->slots[i]);
	free(t->slots);
	free(t->sorted);
	free(t);
}

static bool grow(struct key_table *t)
{
	size_t size = t->size * 2;
	struct slot **slots = calloc(size, sizeof(struct slot *));

	if (!slots)
		return false;
	for (size_t i = 0; i < t->size; i++) {
		size_t at;

		if (!t->slots[i])
			continue;
		at = t->slots[i]->hash & (size - 1);
		while (slots[at])
			at = (at + 1) & (size - 1);
		slots[at] = t->slots[i];
	}
	free(t->slots);
	t->slots = slots;
	t->size = size;
	return true;
}

struct key_row *key_table_row(struct key_table *t, const char *key, size_t len)
{
	const char *nul = memchr(key, '\0', len);
	size_t n = nul ? (size_t)(nul - key) : len, at;
	uint64_t hash = hash_of(key, n);
	struct slot *s;
	char *copy;

	for (at = hash & (t->size - 1); (s = t->slots[at]); at = (at + 1) & (t->size - 1))
		if (s->hash == hash && strncmp(s->row.key, key, n) == 0 && !s->row.key[n])
			return &s->row;
	if (t->used >= t->max || (t->used * 2 >= t->size && !grow(t)))
		return &t->others;
	s = calloc(1, sizeof(*s) + n + 1);
	if (!s)
		return &t->others;
	copy = (char *)(s + 1);
	memcpy(copy, key, n);
	s->row.key = copy;
	s->hash = hash;
	for (at = hash & (t->size - 1); t->slots[at]; at = (at + 1) & (t->size - 1))
		;
	t->slots[at] = s;
	t->used++;
	return &s->row;
}

unsigned key_age(uint64_t time_ns, uint64_t now_ns)
{
	uint64_t minutes = now_ns > time_ns ? (now_ns - time_ns) / 60000000000ULL : 0;
	unsigned i = 0;

	while (i < KEY_AGES - 1 && minutes >= key_age_minutes[i])
		i++;
	return i;
}

void key_row_add(struct key_row *row, const struct key_weight *w)
{
	row->messages++;
	row->recipients += w->recipients;
	row->bytes += w->bytes;
	if (w->recipients > row->most)
		row->most = w->recipients;
	if (w->time_ns) {
		row->ages[key_age(w->time_ns, w->now_ns)]++;
		if (!row->oldest_ns || w->time_ns < row->oldest_ns)
			row->oldest_ns = w->time_ns;
	}
	if (!*row->sample_id && w->id)
		text_copy(row->sample_id, sizeof(row->sample_id), w->id);
	if (!*row->sample_subject && w->subject)
		text_copy(row->sample_subject, sizeof(row->sample_subject), w->subject);
}

void key_row_merge(struct key_row *row, const struct key_row *more)
{
	row->messages += more->messages;
	row->recipients += more->recipients;
	row->bytes += more->bytes;
	if (more->most > row->most)
		row->most = more->most;
	if (more->oldest_ns && (!row->oldest_ns || more->oldest_ns < row->oldest_ns))
		row->oldest_ns = more->oldest_ns;
	for (int i = 0; i < KEY_AGES; i++)
		row->ages[i] += more->ages[i];
	if (!*row->sample_id) {
		memcpy(row->sample_id, more->sample_id, sizeof(row->sample_id));
		memcpy(row->sample_subject, more->sample_subject, sizeof(row->sample_subject));
	}
}

void key_table_merge(struct key_table *t, const struct key_table *more)
{
	for (size_t i = 0; i < more->size; i++)
		if (more->slots[i])
			key_row_merge(key_table_row(t, more->slots[i]->row.key,
						    strlen(more->slots[i]->row.key)),
				      &more->slots[i]->row);
	key_row_merge(&t->others, &more->others);
}

size_t key_table_count(const struct key_table *t)
{
	return t->used;
}

const struct key_row *key_table_others(const struct key_table *t)
{
	return t->others.messages || t->others.recipients ? &t->others : NULL;
}

static int falling(const void *a, const void *b, void *by_recipients)
{
	const struct key_row *x = *(const struct key_row *const *)a;
	const struct key_row *y = *(const struct key_row *const *)b;
	uint64_t m = by_recipients ? x->recipients : x->messages;
	uint64_t n = by_recipients ? y->recipients : y->messages;

	if (m != n)
		return m < n ? 1 : -1;
	return strcmp(x->key, y->key);
}

const struct key_row *const *key_table_sorted(struct key_table *t, bool by_recipients)
{
	size_t n = 0;

	free(t->sorted);
	t->sorted = t->used ? calloc(t->used, sizeof(const struct key_row *)) : NULL;
	if (!t->sorted)
		return NULL;
	for (size_t i = 0; i < t->size; i++)
		if (t->slots[i])
			t->sorted[n++] = &t->slots[i]->row;
	qsort_r(t->sorted, n, sizeof(const struct key_row *), falling, by_recipients ? t : NULL);
	return t->sorted;
}
