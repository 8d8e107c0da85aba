/* SPDX-License-Identifier: GPL-2.0-only */
/* Exim's spool header files, ID-H. Knows no directories. */
#ifndef ST_EXIM_FILE_H
#define ST_EXIM_FILE_H

#include "mail/mta.h"

/* As struct mta's facts(); bytes is that of the headers alone. -ESTALE: the file says that it is
 * another message's. */
int exim_file_facts(int fd, const char *id, struct message_facts *out);

/* The header block, without the empty line: its length, or -errno. */
ssize_t exim_file_headers(int fd, char out[HEADERS_MAX]);

int exim_file_recipients(int fd, recipient_fn fn, void *arg);

#endif
