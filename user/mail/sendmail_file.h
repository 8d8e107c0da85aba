/* SPDX-License-Identifier: GPL-2.0-only */
/* Sendmail's qf files. Knows no directories. */
#ifndef ST_SENDMAIL_FILE_H
#define ST_SENDMAIL_FILE_H

#include "mail/mta.h"

/* As struct mta's facts(); bytes is that of the headers alone. */
int sendmail_file_facts(int fd, struct message_facts *out);

int sendmail_file_recipients(int fd, recipient_fn fn, void *arg);

#endif
