// SPDX-License-Identifier: GPL-2.0-only
#include "mail/authcount.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define JOIN_SLOTS 65536

/* Queue ids and pids come back: a line that refers to one seen longer ago than this means another
 * one. Seconds. */
#define JOIN_AGE 3600

/* One use of a network or an address by a user; both kinds share the table. */
struct pair {
	uint32_t user; /* index + 1; 0: free */
	bool network;
	uint8_t key[16];
	uint32_t failures;
	uint64_t uses;
	int64_t first, last;
	int64_t hour; /* networks: the hour it was last counted in */
};

/* A message or a session that a later line refers to. */
struct join {
	uint64_t key; /* 0: free */
	int64_t time;
	uint32_t user;
};

struct authcount {
	struct auth_user *users;
	size_t n_users, cap_users, max_users;
	uint32_t *slots; /* user index + 1 by hash */
	size_t n_slots;
	struct pair *pairs;
	size_t n_pairs, cap_pairs, max_pairs;
	struct join *joins;
	const struct auth_user **sorted;
	uint64_t nameless;
	struct auth_lost lost;
};

static uint64_t mix(uint64_t h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ULL;
	return h ^ h >> 33;
}

static uint64_t hash(const void *p, size_t n, uint64_t h)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3ULL;
	return mix(h);
}

int authcount_new(const struct auth_limits *limits, struct authcount **ret)
{
	struct authcount *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->max_users = limits && limits->users ? limits->users : 65536;
	c->max_pairs = limits && limits->addresses ? limits->addresses : 524288;
	c->n_slots = 256;
	c->cap_pairs = 1024;
	c->slots = calloc(c->n_slots, sizeof(*c->slots));
	c->pairs = calloc(c->cap_pairs, sizeof(*c->pairs));
	c->joins = calloc(JOIN_SLOTS, sizeof(*c->joins));
	if (!c->slots || !c->pairs || !c->joins) {
		authcount_free(c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

static uint64_t user_hash(const char *name, enum auth_source source)
{
	return hash(name, strlen(name), 0x9e3779b97f4a7c15ULL + source);
}

static bool grow_users(struct authcount *c)
{
	size_t n = c->n_slots * 2;
	struct auth_user *users;
	uint32_t *slots;

	if (c->n_users == c->cap_users) {
		size_t cap = c->cap_users ? c->cap_users * 2 : 64;

		users = reallocarray(c->users, cap, sizeof(*users));
		if (!users)
			return false;
		c->users = users;
		c->cap_users = cap;
	}
	if ((c->n_users + 1) * 2 <= c->n_slots)
		return true;
	slots = calloc(n, sizeof(*slots));
	if (!slots)
		return false;
	for (size_t i = 0; i < c->n_users; i++) {
		size_t at = user_hash(c->users[i].name, c->users[i].source) & (n - 1);

		while (slots[at])
			at = (at + 1) & (n - 1);
		slots[at] = (uint32_t)i + 1;
	}
	free(c->slots);
	c->slots = slots;
	c->n_slots = n;
	return true;
}

/* Index of the user + 1, made if need be; 0: no room. */
static uint32_t find_user(struct authcount *c, const struct auth_event *e)
{
	size_t at = user_hash(e->user, e->source) & (c->n_slots - 1);
	char *name;

	for (; c->slots[at]; at = (at + 1) & (c->n_slots - 1)) {
		const struct auth_user *u = &c->users[c->slots[at] - 1];

		if (u->source == e->source && strcmp(u->name, e->user) == 0)
			return c->slots[at];
	}
	if (c->n_users >= c->max_users || !grow_users(c))
		return 0;
	name = strdup(e->user);
	if (!name)
		return 0;
	c->users[c->n_users] = (struct auth_user){
		.name = name, .source = e->source, .cut = e->cut, .minute = -1, .hour = -1};
	at = user_hash(name, e->source) & (c->n_slots - 1);
	while (c->slots[at])
		at = (at + 1) & (c->n_slots - 1);
	c->slots[at] = (uint32_t)++c->n_users;
	return (uint32_t)c->n_users;
}

static size_t pair_slot(const struct pair *pairs, size_t cap, uint32_t user, bool network,
			const uint8_t key[16])
{
	size_t at = hash(key, 16, ((uint64_t)user << 1) + network) & (cap - 1);

	while (pairs[at].user && (pairs[at].user != user || pairs[at].network != network ||
				  memcmp(pairs[at].key, key, 16) != 0))
		at = (at + 1) & (cap - 1);
	return at;
}

static bool grow_pairs(struct authcount *c)
{
	size_t cap = c->cap_pairs * 2;
	struct pair *pairs;

	if ((c->n_pairs + 1) * 4 <= c->cap_pairs * 3)
		return true;
	pairs = calloc(cap, sizeof(*pairs));
	if (!pairs)
		return false;
	for (size_t i = 0; i < c->cap_pairs; i++) {
		const struct pair *p = &c->pairs[i];

		if (p->user)
			pairs[pair_slot(pairs, cap, p->user, p->network, p->key)] = *p;
	}
	free(c->pairs);
	c->pairs = pairs;
	c->cap_pairs = cap;
	return true;
}

/* The pair, made if need be (*fresh); NULL: no room. */
static struct pair *find_pair(struct authcount *c, uint32_t user, bool network,
			      const uint8_t key[16], bool *fresh)
{
	size_t at = pair_slot(c->pairs, c->cap_pairs, user, network, key);

	*fresh = !c->pairs[at].user;
	if (!*fresh)
		return &c->pairs[at];
	if (c->n_pairs >= c->max_pairs || !grow_pairs(c))
		return NULL;
	at = pair_slot(c->pairs, c->cap_pairs, user, network, key);
	c->pairs[at].user = user;
	c->pairs[at].network = network;
	c->pairs[at].hour = -1;
	memcpy(c->pairs[at].key, key, 16);
	c->n_pairs++;
	return &c->pairs[at];
}

/* IPv4 /16 and IPv6 /32: about what one provider's customer keeps while he moves. */
static void network_of(const uint8_t client[16], uint8_t out[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	memset(out, 0, 16);
	memcpy(out, client, memcmp(client, mapped, 12) == 0 ? 14 : 4);
}

static void count_network(struct authcount *c, uint32_t id, const struct auth_event *e)
{
	struct auth_user *u = &c->users[id - 1];
	int64_t hour = e->time / 3600;
	uint8_t key[16];
	struct pair *p;
	bool fresh;

	network_of(e->client, key);
	p = find_pair(c, id, true, key, &fresh);
	if (!p) {
		c->lost.addresses++;
		return;
	}
	u->networks += fresh;
	p->uses++;
	if (!e->time)
		return;
	if (hour != u->hour) {
		u->hour = hour;
		u->in_hour = 0;
	}
	if (p->hour != hour) {
		p->hour = hour;
		u->in_hour++;
	}
	if (u->in_hour > u->peak_networks) {
		u->peak_networks = u->in_hour;
		u->peak_networks_at = hour * 3600;
	}
	if (u->peak_networks >= AUTH_NETWORKS_HOUR || u->networks >= AUTH_NETWORKS_ALL)
		u->signs |= AUTH_SIGN_NETWORKS;
}

static void count_address(struct authcount *c, uint32_t id, const struct auth_event *e)
{
	struct auth_user *u = &c->users[id - 1];
	struct pair *p;
	bool fresh;

	p = find_pair(c, id, false, e->client, &fresh);
	if (!p) {
		c->lost.addresses++;
		return;
	}
	if (e->time && (!p->first || e->time < p->first))
		p->first = e->time;
	if (e->time > p->last)
		p->last = e->time;
	if (e->kind == AUTH_FAILED) {
		p->failures += e->attempts;
		return;
	}
	u->addresses += p->uses == 0;
	p->uses++;
	if (p->failures >= AUTH_GUESSES)
		u->signs |= AUTH_SIGN_GUESSED;
}

static void count_minute(struct auth_user *u, const struct auth_event *e)
{
	int64_t minute = e->time / 60;

	/* where messages are logged, a login is not one more */
	if (!e->time || (e->kind == AUTH_LOGIN && u->messages))
		return;
	if (minute != u->minute) {
		u->minute = minute;
		u->in_minute = 0;
	}
	u->in_minute++;
	if (u->in_minute > u->peak_minute) {
		u->peak_minute = u->in_minute;
		u->peak_minute_at = minute * 60;
	}
	if (u->peak_minute >= AUTH_BURST)
		u->signs |= AUTH_SIGN_BURST;
}

static uint64_t join_key(const struct auth_event *e, bool session)
{
	uint64_t h = e->host + e->source;

	if (session) {
		h = hash(&e->pid, sizeof(e->pid), h);
		h = hash(e->client, sizeof(e->client), h);
	} else {
		h = hash(e->id, strlen(e->id), h);
	}
	return h | 1;
}

static void join_put(struct authcount *c, uint64_t key, uint32_t user, int64_t time)
{
	struct join *j = &c->joins[(key >> 1) & (JOIN_SLOTS - 1)];

	c->lost.joins += j->key && j->key != key && time - j->time < JOIN_AGE;
	*j = (struct join){key, time, user};
}

/* The user the event's line refers to, or 0; a session stays, a message is asked for once. */
static uint32_t join_get(struct authcount *c, const struct auth_event *e, bool session)
{
	uint64_t key = join_key(e, session);
	struct join *j = &c->joins[(key >> 1) & (JOIN_SLOTS - 1)];

	if (j->key != key || e->time - j->time > JOIN_AGE)
		return 0;
	if (session)
		j->time = e->time;
	else
		j->key = 0;
	return j->user;
}

static void add_recipients(struct auth_user *u, int64_t recipients)
{
	if (recipients < 0)
		return;
	u->recipients += (uint64_t)recipients;
	u->with_recipients++;
}

static void count_for(struct authcount *c, uint32_t id, const struct auth_event *e)
{
	struct auth_user *u = &c->users[id - 1];

	if (e->time && (!u->first || e->time < u->first))
		u->first = e->time;
	if (e->time > u->last)
		u->last = e->time;
	if (e->has_client)
		count_address(c, id, e);
	if (e->kind == AUTH_FAILED) {
		u->failures += e->attempts;
		return;
	}
	if (e->has_client)
		count_network(c, id, e);
	if (e->kind == AUTH_LOGIN)
		u->logins++;
	else
		u->messages++;
	count_minute(u, e);
	add_recipients(u, e->recipients);
}

/* The second line of a message: Postfix's only adds recipients, Sendmail's is the message itself.
 */
static void submitted(struct authcount *c, const struct auth_event *e)
{
	bool session = e->source == AUTH_SENDMAIL;
	uint32_t id = join_get(c, e, session);

	if (id && session)
		count_for(c, id, e);
	else if (id)
		add_recipients(&c->users[id - 1], e->recipients);
}

void authcount_add(struct authcount *c, const struct auth_event *e)
{
	uint32_t id;

	if (e->kind == AUTH_NONE)
		return;
	if (e->kind == AUTH_SUBMITTED) {
		submitted(c, e);
		return;
	}
	if (!e->user[0]) {
		c->nameless += e->kind == AUTH_FAILED ? e->attempts : 1;
		return;
	}
	id = find_user(c, e);
	if (!id) {
		c->lost.users++;
		return;
	}
	count_for(c, id, e);
	if (e->source == AUTH_POSTFIX && e->kind == AUTH_MESSAGE && e->id[0])
		join_put(c, join_key(e, false), id, e->time);
	else if (e->source == AUTH_SENDMAIL && e->kind == AUTH_LOGIN && e->pid)
		join_put(c, join_key(e, true), id, e->time);
}

uint64_t authcount_nameless(const struct authcount *c)
{
	return c->nameless;
}

const struct auth_lost *authcount_lost(const struct authcount *c)
{
	return &c->lost;
}

static int by_weight(const void *a, const void *b)
{
	const struct auth_user *x = *(const struct auth_user *const *)a;
	const struct auth_user *y = *(const struct auth_user *const *)b;
	uint64_t wx = auth_user_weight(x), wy = auth_user_weight(y);
	int names;

	if (wx != wy)
		return wx < wy ? 1 : -1;
	if (x->failures != y->failures)
		return x->failures < y->failures ? 1 : -1;
	names = strcmp(x->name, y->name);
	return names ? names : (int)x->source - (int)y->source;
}

const struct auth_user *const *authcount_users(struct authcount *c, size_t *n)
{
	const struct auth_user **sorted =
		reallocarray(c->sorted, c->n_users + 1, sizeof(struct auth_user *));

	*n = 0;
	if (!sorted)
		return NULL;
	c->sorted = sorted;
	for (size_t i = 0; i < c->n_users; i++)
		sorted[i] = &c->users[i];
	qsort(sorted, c->n_users, sizeof(struct auth_user *), by_weight);
	*n = c->n_users;
	return sorted;
}

static bool more_used(const struct auth_address *a, const struct auth_address *b)
{
	if (a->uses != b->uses)
		return a->uses > b->uses;
	if (a->failures != b->failures)
		return a->failures > b->failures;
	return memcmp(a->client, b->client, 16) < 0;
}

size_t authcount_addresses(const struct authcount *c, const struct auth_user *u,
			   struct auth_address *out, size_t max)
{
	uint32_t id = (uint32_t)(u - c->users) + 1;
	size_t n = 0;

	for (size_t i = 0; i < c->cap_pairs; i++) {
		const struct pair *p = &c->pairs[i];
		struct auth_address a = {.uses = p->uses,
					 .failures = p->failures,
					 .first = p->first,
					 .last = p->last};
		size_t at;

		if (p->user != id || p->network)
			continue;
		memcpy(a.client, p->key, 16);
		for (at = n; at > 0 && more_used(&a, &out[at - 1]); at--)
			if (at < max)
				out[at] = out[at - 1];
		if (at < max)
			out[at] = a;
		n += n < max;
	}
	return n;
}

void authcount_free(struct authcount *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_users; i++)
		free((void *)(uintptr_t)c->users[i].name);
	free(c->users);
	free(c->slots);
	free(c->pairs);
	free(c->joins);
	free(c->sorted);
	free(c);
}
