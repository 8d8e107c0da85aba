/* SPDX-License-Identifier: GPL-2.0-only */
/* Between queue_threads.c, which shares a queue out, and queue_read.c, which reads a share. */
#ifndef ST_QUEUE_INTERNAL_H
#define ST_QUEUE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "commands/queue.h"

/*
 * The domains of the message at hand, in the order of its recipients, neighbours together. They
 * wait here for the filters; a message that has more is read a second time.
 */
#define DOMAINS_MAX   512
#define DOMAINS_BYTES 16384

struct domains {
	size_t n, used;
	bool overflow;
	struct {
		uint32_t at, recipients;
	} domain[DOMAINS_MAX];
	char text[DOMAINS_BYTES];
};

/* What the threads of one reading share. */
struct crew {
	_Atomic uint64_t read;
	atomic_bool stop;      /* fn or the output wants no more */
	pthread_mutex_t write; /* of what is printed */
	uint64_t expected;     /* messages in all, for the progress line */
	uint64_t started, shown;
	bool terminal;
};

/* One thread's. */
struct reading {
	const struct queue_options *o;
	const struct queue_join *join;
	queue_message_fn fn;
	void *arg;
	struct crew *crew;
	unsigned share, shares;
	struct queue_report *report; /* of its own, but for the first thread */
	struct mta_queue queue;
	int error;
	pthread_t thread;
	/* what fn has printed and is not written yet */
	FILE *out;
	char *text;
	size_t text_len;
	/* the message at hand */
	bool domain_matches;
	struct key_weight weight;
	struct domains domains;
};

/* ---- queue_read.c ---- */

/* An entry_fn: reads the message and counts it, or gives it to the reading's fn. `arg` is a struct
 * reading. */
int queue_take(void *arg, const struct queue_entry *e);

/* Puts a message among those with most recipients. */
void queue_keep_big(struct queue_report *out, const struct queue_big *big);

/* ---- queue_threads.c ---- */

/* Shows how far all threads are; `read` messages. */
void queue_progress(const struct reading *r, uint64_t read);

/* Writes what fn has printed. 0 or -errno. */
int queue_write_out(struct reading *r);

#endif
