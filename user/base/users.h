/* SPDX-License-Identifier: GPL-2.0-only */
/* The one place that asks who a user is: a static binary cannot use NSS modules, and asks
 * /etc/passwd alone. */
#ifndef ST_USERS_H
#define ST_USERS_H

#include <pwd.h>
#include <sys/types.h>

/* As getpwuid() and getpwnam(): NULL when there is none; the answer is gone with the thread's next
 * call. */
const struct passwd *user_by_uid(uid_t uid);

/*
 * The name alone, NULL if the uid has none; stays for 10 seconds without asking again: a hosting
 * server's /etc/passwd has thousands of lines, and is read from its start for every question. Valid
 * until the next call.
 */
const char *user_name_of(uid_t uid);
const struct passwd *user_by_name(const char *name);

#endif
