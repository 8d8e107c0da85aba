// SPDX-License-Identifier: GPL-2.0-only
/*
 * In a static binary glibc's getpw*() loads the NSS modules of whatever distribution it runs on, which belong to another glibc and may
 * crash it; users of LDAP and the like stay numbers there. Compiled with USERS_STATIC for it (scripts/static.mk).
 */
#include "base/users.h"

#ifdef USERS_STATIC
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

static const struct passwd *find(uid_t uid, const char *name)
{
	static char buf[4096];
	static struct passwd entry;
	_fclose_ FILE *f = fopen("/etc/passwd", "re");
	struct passwd *found;

	if (!f)
		return NULL;
	while (fgetpwent_r(f, &entry, buf, sizeof(buf), &found) == 0)
		if (name ? !strcmp(entry.pw_name, name) : entry.pw_uid == uid)
			return &entry;
	return NULL;
}

const struct passwd *user_by_uid(uid_t uid)
{
	return find(uid, NULL);
}

const struct passwd *user_by_name(const char *name)
{
	return find(0, name);
}
#else
const struct passwd *user_by_uid(uid_t uid)
{
	return getpwuid(uid);
}

const struct passwd *user_by_name(const char *name)
{
	return getpwnam(name);
}
#endif
