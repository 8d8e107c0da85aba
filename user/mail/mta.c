// SPDX-License-Identifier: GPL-2.0-only
/* The table of MTAs. A new one is a file and a line here. */
#include <string.h>

#include "mail/mta.h"

const struct mta *const mta_all[] = {
	&mta_qmail, &mta_postfix, &mta_exim, &mta_sendmail,  &mta_nullmailer,
	&mta_msmtp, &mta_ssmtp,   &mta_dma,  &mta_opensmtpd, NULL,
};

const struct mta *mta_by_name(const char *name)
{
	for (const struct mta *const *m = mta_all; *m; m++)
		if (strcmp((*m)->name, name) == 0)
			return *m;
	return NULL;
}

void message_facts_init(struct message_facts *facts)
{
	memset(facts, 0, sizeof(*facts));
	facts->recipients = COUNT_UNKNOWN;
	facts->bytes = COUNT_UNKNOWN;
	facts->uid = COUNT_UNKNOWN;
	facts->pid = COUNT_UNKNOWN;
}

int mta_find_queues(const struct mta *only, const char *override, struct mta_queue *out, size_t max)
{
	size_t n = 0;

	for (const struct mta *const *m = mta_all; *m && n < max; m++) {
		int found;

		if (only && *m != only)
			continue;
		found = (*m)->discover(override, out + n, max - n);
		if (found > 0)
			n += (size_t)found;
	}
	return (int)n;
}
