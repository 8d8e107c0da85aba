// SPDX-License-Identifier: GPL-2.0-only
/*
 * Removals that were read together with what came before them: by then the message's file is gone,
 * and looking for it in all the places where it might be would cost more than the rest of it.
 */
#include <stdlib.h>

#include "trace/correlate_internal.h"

struct removal {
	struct message_key key;
	uint32_t count; /* not applied yet */
	UT_hash_handle hh;
};

static struct removal *find(const struct correlate *c, uint32_t queue, const char *id)
{
	struct message_key key = message_key(queue, id);
	struct removal *r = NULL;

	HASH_FIND(hh, c->removals, &key, sizeof(key), r);
	return r;
}

void ahead_add(struct correlate *c, uint32_t queue, const char *id)
{
	struct removal *r = find(c, queue, id);

	if (!r) {
		r = calloc(1, sizeof(*r));
		if (!r)
			return; /* its file is looked for in vain */
		r->key = message_key(queue, id);
		HASH_ADD(hh, c->removals, key, sizeof(r->key), r);
	}
	r->count++;
}

bool ahead_removed(const struct correlate *c, uint32_t queue, const char *id)
{
	return find(c, queue, id) != NULL;
}

void ahead_applied(struct correlate *c, uint32_t queue, const char *id)
{
	struct removal *r = find(c, queue, id);

	if (!r || --r->count)
		return;
	HASH_DEL(c->removals, r);
	free(r);
}

void ahead_clear(struct correlate *c)
{
	while (c->removals) {
		struct removal *r = c->removals;

		HASH_DEL(c->removals, r);
		free(r);
	}
}
