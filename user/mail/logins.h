/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who logged in to send mail lately, from this host's mail log as it grows: what the queue files of
 * qmail and Sendmail never say, and those of Postfix not when they are gone. Knows the log's file,
 * authlog.h its lines.
 */
#ifndef ST_LOGINS_H
#define ST_LOGINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct logins;

/*
 * Follows the mail log below `root` ("/" or a test's tree) from its present end on, through
 * rotation. 0, also when there is no log yet, or -ENOMEM.
 */
int logins_open(const char *root, struct logins **out);
void logins_free(struct logins *l);

/*
 * The user whom the checker with this pid (Plesk's smtp_auth, vchkpw) let in, by a line that was
 * not there at `since` (boot ns). NULL: none. Valid until the next call.
 */
const char *logins_by_pid(struct logins *l, uint32_t pid, uint64_t since);

/* The user who is named with a queue id (Postfix, Sendmail); the same. */
const char *logins_by_id(struct logins *l, const char *id, uint64_t since);

/*
 * Which of Postfix's daemons put a message into the queue, as far as the log says: "pickup",
 * "smtpd", "bounce" (and *parent is the id of what it bounces) or "local" (a forward). NULL: not
 * said yet.
 */
const char *logins_postfix_daemon(struct logins *l, const char *id, uint64_t since,
				  const char **parent);

/* How much it has said by now: while that stays, so do the answers of the others to what they were
 * asked. */
uint64_t logins_said(struct logins *l);

/* Reads what is new. Also done by the others; called a few times a second it tells old from new. */
void logins_read(struct logins *l);

static inline void logins_freep(struct logins **l)
{
	logins_free(*l);
}

#endif
