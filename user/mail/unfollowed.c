// SPDX-License-Identifier: GPL-2.0-only
/*
 * MTAs whose queue is not followed: their programs are known, so that an injection has its origin
 * and the right name; what becomes of it is theirs. msmtp and ssmtp keep no queue: they end when
 * the relay has taken the message. dma writes its spool and delivers in a child; OpenSMTPD's
 * sendmail hands the message to smtpd (all traced on Debian 12: msmtp 1.8.23, ssmtp 2.64, dma 0.13,
 * OpenSMTPD 6.8.0p2).
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "mail/args.h"
#include "mail/spool.h"

static const struct mta_program msmtp_programs[] = {
	{"/usr/bin/msmtp", ST_ROLE_INJECTOR, 0},
	{"/usr/local/bin/msmtp", ST_ROLE_INJECTOR, 0},
	{NULL, 0, 0},
};
static const struct mta_program ssmtp_programs[] = {
	{"/usr/sbin/ssmtp", ST_ROLE_INJECTOR, 0},
	{"/usr/sbin/sendmail.ssmtp", ST_ROLE_INJECTOR, 0}, /* RHEL's EPEL */
	{NULL, 0, 0},
};
static const struct mta_program dma_programs[] = {
	{"/usr/sbin/dma", ST_ROLE_INJECTOR, 0},
	{"/usr/libexec/dma", ST_ROLE_INJECTOR, 0}, /* FreeBSD's place, used by packagers */
	{NULL, 0, 0},
};
static const struct mta_program opensmtpd_programs[] = {
	{"/usr/sbin/smtpctl", ST_ROLE_INJECTOR, 0},
	{"/usr/sbin/smtpd", ST_ROLE_MTA, 0},
	{NULL, 0, 0},
};

static int discover(const char *override, struct mta_queue *out, size_t max)
{
	(void) override;
	(void)out;
	(void)max;
	return 0;
}

/* All four take sendmail's options; smtpctl is also the control program of its name. */
static enum run classify(const char *base, const char *args, size_t args_len)
{
	static const char *const queries[] = {"mailq",   "newaliases", "smtpctl",
					      "makemap", "mailstats",  "smtpd"};
	char name[64];

	(void)base;
	args_name(args, args_len, name, sizeof(name));
	for (size_t i = 0; i < array_size(queries); i++)
		if (strcmp(name, queries[i]) == 0)
			return RUN_QUERY;
	return args_sendmail_run(args, args_len);
}

#define UNFOLLOWED(label, words)                                                                   \
	const struct mta mta_##label = {.name = #label,                                            \
					.programs = label##_programs,                              \
					.discover = discover,                                      \
					.classify = classify,                                      \
					.unfollowed = (words)}

UNFOLLOWED(msmtp, "it keeps no queue: exit 0 says that its relay took the message");
UNFOLLOWED(ssmtp, "it keeps no queue: exit 0 says that its relay took the message");
UNFOLLOWED(dma, "its queue is not followed: exit 0 says that it took the message");
UNFOLLOWED(opensmtpd, "its queue is not followed: exit 0 says that it took the message");

const struct mta *mta_unfollowed_sendmail(void)
{
	static const char *const links[] = {"/usr/sbin/sendmail", "/usr/lib/sendmail"};

	for (size_t i = 0; i < array_size(links); i++) {
		_free_ char *real = realpath(links[i], NULL);

		for (const struct mta *const *m = mta_all; real && *m; m++)
			for (const struct mta_program *p = (*m)->programs; p->path; p++)
				if ((*m)->unfollowed && strcmp(p->path, real) == 0)
					return *m;
	}
	return NULL;
}
