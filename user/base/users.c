// SPDX-License-Identifier: GPL-2.0-only
/*
 * In a static binary glibc's getpw*() loads the NSS modules of whatever distribution it runs on,
 * which belong to another glibc and may crash it; users of LDAP and the like stay numbers there.
 * Compiled with USERS_STATIC for it (scripts/static.mk).
 */
#include "base/users.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* What find() fills: one for each thread. */
static _Thread_local char buf[4096];
static _Thread_local struct passwd entry;

#ifdef USERS_STATIC
#include "base/cleanup.h"

static const struct passwd *find(uid_t uid, const char *name)
{
	_fclose_ FILE *f = fopen("/etc/passwd", "re");
	struct passwd *found;

	if (!f)
		return NULL;
	while (fgetpwent_r(f, &entry, buf, sizeof(buf), &found) == 0)
		if (name ? !strcmp(entry.pw_name, name) : entry.pw_uid == uid)
			return &entry;
	return NULL;
}
#else
static const struct passwd *find(uid_t uid, const char *name)
{
	struct passwd *found = NULL;

	if (name)
		getpwnam_r(name, &entry, buf, sizeof(buf), &found);
	else
		getpwuid_r(uid, &entry, buf, sizeof(buf), &found);
	return found;
}
#endif

const struct passwd *user_by_uid(uid_t uid)
{
	return find(uid, NULL);
}

const struct passwd *user_by_name(const char *name)
{
	return find(0, name);
}

#define NAME_SLOTS 512
#define NAME_NS    10000000000ULL

const char *user_name_of(uid_t uid)
{
	static _Thread_local struct {
		uid_t uid;
		bool known;
		uint64_t until; /* boot ns; 0: never asked */
		char name[64];
	} slots[NAME_SLOTS];
	size_t at = uid % NAME_SLOTS;
	uint64_t now = clock_boot_ns();

	if (slots[at].uid != uid || now >= slots[at].until) {
		const struct passwd *pw = user_by_uid(uid);

		slots[at].uid = uid;
		slots[at].known = pw != NULL;
		slots[at].until = now + NAME_NS;
		snprintf(slots[at].name, sizeof(slots[at].name), "%s", pw ? pw->pw_name : "");
	}
	return slots[at].known ? slots[at].name : NULL;
}
