/* SPDX-License-Identifier: GPL-2.0-only */
/* Postfix queue files, in maildrop or past cleanup: records of type, length and data. Knows no
 * directories. */
#ifndef ST_POSTFIX_FILE_H
#define ST_POSTFIX_FILE_H

#include "mail/mta.h"

/* As struct mta's facts(): 0, -EAGAIN (cleanup is still writing), -EINVAL (no queue file), -errno.
 */
int postfix_file_facts(int fd, struct message_facts *out);

/* The header block, without the empty line: its length, or -errno. */
ssize_t postfix_file_headers(int fd, char out[HEADERS_MAX]);

int postfix_file_recipients(int fd, recipient_fn fn, void *arg);

#endif
