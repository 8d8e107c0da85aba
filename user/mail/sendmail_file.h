/* SPDX-License-Identifier: GPL-2.0-only */
/* Sendmail's qf files. Knows no directories. */
#ifndef ST_SENDMAIL_FILE_H
#define ST_SENDMAIL_FILE_H

#include "mail/mta.h"

/* As struct mta's facts(); bytes is that of the headers alone. */
int sendmail_file_facts(int fd, struct message_facts *out);

/* The header block, without the empty line: its length, or -errno. */
ssize_t sendmail_file_headers(int fd, char out[HEADERS_MAX]);

int sendmail_file_recipients(int fd, recipient_fn fn, void *arg);

#endif
