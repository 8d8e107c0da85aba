/* SPDX-License-Identifier: GPL-2.0-only */
/* What `spamtrace queue` reads and prints. */
#ifndef ST_COMMAND_QUEUE_H
#define ST_COMMAND_QUEUE_H

#include <stdio.h>

#include "mail/mta.h"
#include "trace/key_table.h"

#define QUEUE_MAX      32
#define QUEUE_BIG_LIST 10 /* messages with many recipients that are named */
#define QUEUE_BIG      50 /* from so many on */

struct queue_options {
	const struct mta *mta; /* NULL: all */
	const char *directory; /* NULL: where they are */
	/* filters; NULL, COUNT_UNKNOWN, 0: all */
	int64_t uid;
	const char *sender, *from, *subject, *domain, *script; /* fnmatch patterns */
	const char *auth, *client;                             /* also */
	uint64_t older_ns, newer_ns;
	bool ids, list, json;
	size_t top;       /* rows of each table; 0: all */
	unsigned columns; /* of the terminal; 0: nothing is cut */
	char **recordings;
	size_t recording_count;
	FILE *out;        /* where --ids and --list print; NULL: fn prints nothing */
	unsigned threads; /* 0: as many as help */
};

enum queue_by {
	QUEUE_BY_ORIGIN,
	QUEUE_BY_SCRIPT,
	QUEUE_BY_SENDER,
	QUEUE_BY_DOMAIN,
	QUEUE_BY_COUNT
};

struct queue_big {
	char id[QUEUE_ID_MAX], sender[128], subject[96], origin[128];
	const char *mta;
	uint64_t recipients;
};

struct queue_report {
	struct mta_queue queues[QUEUE_MAX];
	struct queue_counts counts[QUEUE_MAX];
	int count_errors[QUEUE_MAX]; /* 0, or -errno of counting this queue */
	size_t queue_count;
	struct key_table *by[QUEUE_BY_COUNT]; /* NULL: not asked for */
	struct key_row all;                   /* every message that the filters let through */
	struct queue_big big[QUEUE_BIG_LIST]; /* most recipients first */
	size_t big_count;
	uint64_t now_ns;
	uint64_t read;       /* messages looked at */
	uint64_t matched;    /* and let through by the filters */
	uint64_t vanished;   /* gone while they were read */
	uint64_t incomplete; /* being written */
	uint64_t unreadable;
	int unreadable_error; /* of the first of them */
};

/* ---- queue_join.c: which script a queued message came from, by recordings of a trace ---- */

struct queue_join;

/* Reads recordings: keeps what was queued and not removed. 0 or -errno (said on stderr). */
int queue_join_new(char **recordings, size_t n, struct queue_join **ret);
void queue_join_free(struct queue_join *j);
static inline void queue_join_freep(struct queue_join **j)
{
	queue_join_free(*j);
}

struct queue_source {
	const char
		*script; /* or what the trace said of it: "smtp-auth" ...; NULL: it did not know */
	int64_t uid;
};

/* The message `id` of `mta` that arrived at time_ns (0: unknown); NULL: no recording has it. */
const struct queue_source *queue_join_find(const struct queue_join *j, const char *mta,
					   const char *id, uint64_t time_ns);

/* ---- queue_threads.c, queue_read.c ---- */

/*
 * One message that the filters let through, for --ids and --list. Called by several threads at a
 * time, each with a stream `out` of its own, which is written to the options' one from time to
 * time. Return non-zero to stop.
 */
struct queue_message {
	FILE *out;
	const struct mta *mta;
	const char *id, *state, *origin;
	const struct message_facts *facts;
	const struct queue_source *source; /* NULL: no recording has it */
	uint64_t now_ns;
};
typedef int (*queue_message_fn)(void *arg, const struct queue_message *m);

/* Fills the report; `join` and fn may be NULL. 0, what fn returned, or -errno (said on stderr). */
int queue_read(const struct queue_options *o, const struct queue_join *join, queue_message_fn fn,
	       void *arg, struct queue_report *out);
void queue_report_clear(struct queue_report *r);

/* "uid 10001", "login bob", "auth info@shop.test", "network 192.0.2.7", "bounce", "unknown". */
void queue_origin(const struct message_facts *f, char *out, size_t size);

/* The uid of a message, its login name looked up; COUNT_UNKNOWN. */
int64_t queue_uid(const struct message_facts *f);

/* ---- queue_print.c, queue_json.c: 0 or -errno of `out` ---- */

int queue_print_table(FILE *out, const struct queue_options *o, struct queue_report *r);
int queue_print_message(FILE *out, const struct queue_options *o, const struct queue_message *m);
int queue_print_json(FILE *out, const struct queue_options *o, struct queue_report *r);
int queue_json_message(FILE *out, const struct queue_message *m);

/* "2h05m", "3d04h", "12s" */
void queue_age_text(char *out, size_t size, uint64_t time_ns, uint64_t now_ns);

#endif
