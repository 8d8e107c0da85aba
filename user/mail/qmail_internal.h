/* SPDX-License-Identifier: GPL-2.0-only */
/* What qmail's files share: the names below a queue, counting, and reading one message. */
#ifndef ST_QMAIL_INTERNAL_H
#define ST_QMAIL_INTERNAL_H

#include "mail/mta.h"

/* A queue id: decimal, an inode number, no leading zero. */
bool qmail_is_id(const char *s, size_t n);

/* "top/S/N". */
void qmail_path(const struct mta_queue *q, const char *top, const char *id, char *out, size_t size);

/* As struct mta's count(); q->split is known, 0: -ENOENT. */
int qmail_count(struct mta_queue *q, struct queue_counts *out);

/* As struct mta's facts() and describe(). */
int qmail_message(struct mta_queue *q, int fd, const char *id, uint32_t pid,
		  struct message_facts *out, recipient_fn fn, void *arg);

#endif
