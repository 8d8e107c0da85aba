/* SPDX-License-Identifier: GPL-2.0-only */
/* What `spamtrace message` knows of one queued message, and says about it. */
#ifndef ST_COMMAND_MESSAGE_H
#define ST_COMMAND_MESSAGE_H

#include <stdio.h>

#include "commands/queue.h"
#include "mail/message.h"

#define MESSAGE_RECIPIENTS 20
#define MESSAGE_RECEIVED   20

struct message_view {
	struct mta_queue *queue;
	bool name_directory; /* commands must say which queue they mean */
	char id[QUEUE_ID_MAX];
	struct message_facts facts;
	const struct queue_source *source; /* by a recording; NULL: none has it */
	int64_t uid;
	char user[64], home[256]; /* of uid; "" */
	uint64_t now_ns;
	char recipients[MESSAGE_RECIPIENTS][256]; /* that are not done yet; the first of them */
	uint64_t recipient_count;
	struct received received[MESSAGE_RECEIVED]; /* topmost first */
	char received_text[MESSAGE_RECEIVED][512];
	size_t received_count;
	size_t own; /* how many of them this host's MTA wrote */
};

/* How the message came in, in a sentence or two. */
void message_explain(const struct message_view *m, char *out, size_t size);

/* One Received line in words. */
void message_received_words(const struct received *r, char *out, size_t size);

/*
 * The arguments of `spamtrace queue` that select this message and its like ("--uid 10001"), safe to
 * paste into a shell; "" when nothing of it can be written so.
 */
void message_like(const struct message_view *m, char *out, size_t size);

/* message_print.c; 0 or -errno of `out` */
int message_print_text(FILE *out, const struct message_view *m);
int message_print_json(FILE *out, const struct message_view *m);

#endif
