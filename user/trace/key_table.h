/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages of a queue counted by a key: origin, sender, domain. Memory is bounded by a number of
 * keys; what comes after is counted as others, never dropped. Pure logic.
 */
#ifndef ST_KEY_TABLE_H
#define ST_KEY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Age buckets in minutes, as qshape(1) has them: below 5, 10, 20 ... 1280, and above. */
#define KEY_AGES 10
extern const unsigned key_age_minutes[KEY_AGES - 1];

struct key_row {
	const char *key; /* NUL-terminated, hostile; owned by the table */
	uint64_t messages, recipients, bytes;
	uint64_t most;      /* recipients of the message that has most of them */
	uint64_t oldest_ns; /* wall clock; 0: unknown */
	uint32_t ages[KEY_AGES];
	uint64_t last_message; /* for the caller: counts a message once among its recipients */
	char sample_id[64], sample_subject[96];
};

/* What one message adds. */
struct key_weight {
	uint64_t recipients, bytes;
	uint64_t time_ns, now_ns; /* wall clock; time 0: unknown */
	const char *id, *subject;
};

struct key_table;

/* NULL: no memory. */
struct key_table *key_table_new(size_t max_keys);
void key_table_free(struct key_table *t);
static inline void key_table_freep(struct key_table **t)
{
	key_table_free(*t);
}

/* The row of a key (a NUL in it ends it), made if there is room; else the row of the others. */
struct key_row *key_table_row(struct key_table *t, const char *key, size_t len);

void key_row_add(struct key_row *row, const struct key_weight *w);

/* Adds what another row, or every row of another table, has counted of other messages. */
void key_row_merge(struct key_row *row, const struct key_row *more);
void key_table_merge(struct key_table *t, const struct key_table *more);

/* Which bucket an age belongs to. */
unsigned key_age(uint64_t time_ns, uint64_t now_ns);

size_t key_table_count(const struct key_table *t);
/* NULL: there are no others. */
const struct key_row *key_table_others(const struct key_table *t);

/*
 * Rows by falling numbers of messages (of recipients with `by_recipients`), then by key. The array
 * is the table's, valid until the next row is made; NULL: no memory or no rows.
 */
const struct key_row *const *key_table_sorted(struct key_table *t, bool by_recipients);

#endif
