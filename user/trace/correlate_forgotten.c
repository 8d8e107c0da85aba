// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections that had to be forgotten. A message can only be of one that had its client's address,
 * so that a user who opens more to a listener of his own than are kept takes nothing from the mail
 * of other hosts.
 */
#include "base/cleanup.h"
#include "trace/correlate_internal.h"

static struct session_key address_of(const struct session_key *key)
{
	struct session_key address = *key;

	address.port = 0;
	return address;
}

static uint64_t *find(struct forgotten *f, const struct session_key *key)
{
	struct session_key address = address_of(key);

	for (size_t i = 0; i < f->count; i++)
		if (!memcmp(&f->of[i].address, &address, sizeof(address)))
			return &f->of[i].until;
	return NULL;
}

static void later(uint64_t *until, uint64_t time)
{
	if (time > *until)
		*until = time;
}

/* The place of the one that is over first, which is one of the others now. */
static size_t make_room(struct forgotten *f)
{
	size_t first = 0;

	if (f->count < array_size(f->of))
		return f->count++;
	for (size_t i = 1; i < f->count; i++)
		if (f->of[i].until < f->of[first].until)
			first = i;
	later(&f->others[is_loopback(&f->of[first].address)], f->of[first].until);
	return first;
}

void forgotten_note(struct forgotten *f, const struct session_key *key, uint64_t until)
{
	uint64_t *known = find(f, key);
	size_t at;

	if (known) {
		later(known, until);
		return;
	}
	at = make_room(f);
	f->of[at].address = address_of(key);
	f->of[at].until = until;
}

bool forgotten_may_be(struct forgotten *f, const struct session_key *key, uint64_t time)
{
	const uint64_t *known = find(f, key);

	return (known && time <= *known) || time <= f->others[is_loopback(key)];
}
