/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SMTP AUTH users counted from the events of authlog.h. Pure: no file, no clock. Memory is bounded:
 * what does not fit into the tables is counted in auth_lost. A country cannot be told from an
 * address, so an account that looks stolen is told by how many networks (IPv4 /16, IPv6 /32) used
 * it within one hour, by bursts, and by a password guessed right after many wrong ones.
 */
#ifndef ST_AUTHCOUNT_H
#define ST_AUTHCOUNT_H

#include "mail/authlog.h"

enum auth_sign {
	AUTH_SIGN_NETWORKS = 1, /* used from AUTH_NETWORKS_HOUR networks within one clock hour, or
				   from AUTH_NETWORKS_ALL in all */
	AUTH_SIGN_BURST = 2,   /* AUTH_BURST messages (logins, where messages are not logged) within
				  one clock minute */
	AUTH_SIGN_GUESSED = 4, /* a login from an address that had failed AUTH_GUESSES times for
				  this user before */
};

#define AUTH_NETWORKS_HOUR 4
#define AUTH_NETWORKS_ALL  12
#define AUTH_BURST         30
#define AUTH_GUESSES       5

/* One user, of one program: Postfix's "joe" and Exim's "joe" are two. */
struct auth_user {
	const char *name; /* as logged, hostile */
	enum auth_source source;
	bool cut;
	uint64_t messages, logins, failures;
	uint64_t recipients; /* of the messages whose recipients are known */
	uint64_t with_recipients;
	uint32_t addresses, networks;
	int64_t first, last; /* 0: no time known */
	uint32_t peak_minute, peak_networks;
	int64_t peak_minute_at, peak_networks_at;
	unsigned signs; /* enum auth_sign */
	/* how the peaks are found */
	int64_t minute, hour;
	uint32_t in_minute, in_hour;
};

/* An address that a user's mail or logins came from. */
struct auth_address {
	uint8_t client[16];
	uint64_t uses, failures;
	int64_t first, last;
};

struct auth_lost {
	uint64_t users;     /* events of users that no longer fitted */
	uint64_t addresses; /* uses of addresses that no longer fitted */
	uint64_t joins;     /* messages pushed out of the table before their second line came:
			       recipients not known */
};

struct auth_limits {
	size_t users, addresses; /* 0: 65,536 and 524,288, at most about 120 MB */
};

struct authcount;

int authcount_new(const struct auth_limits *limits, struct authcount **ret);
void authcount_add(struct authcount *c, const struct auth_event *e);

/* Failures whose user is not logged (Postfix before 3.10, clients that gave none). */
uint64_t authcount_nameless(const struct authcount *c);
const struct auth_lost *authcount_lost(const struct authcount *c);

/* Users ordered by messages (or logins, where messages are not logged), then failures, then name.
 * Owned by c. */
const struct auth_user *const *authcount_users(struct authcount *c, size_t *n);

/* Up to `max` addresses of a user, most used first; returns how many it has written. */
size_t authcount_addresses(const struct authcount *c, const struct auth_user *u,
			   struct auth_address *out, size_t max);

/* What a user is ordered by. */
static inline uint64_t auth_user_weight(const struct auth_user *u)
{
	return u->messages > u->logins ? u->messages : u->logins;
}

void authcount_free(struct authcount *c);

static inline void authcount_freep(struct authcount **c)
{
	authcount_free(*c);
}

#endif
