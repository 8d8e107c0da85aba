/* SPDX-License-Identifier: GPL-2.0-only */
/* What correlate.c (lineage) and correlate_queue.c (queue operations) share. */
#ifndef ST_CORRELATE_INTERNAL_H
#define ST_CORRELATE_INTERNAL_H

#include "trace/correlate.h"

struct task {
	struct st_task key;
	struct origin *origin;
	struct injection *injection;
	bool origin_lost;
	enum run run, before;
	const struct mta *mta;
	char bounces[QUEUE_ID_MAX]; /* Exim's "-E<id>": it submits the bounce of that message */
	bool gone;                  /* the process was not there any more at the last sweep */
	UT_hash_handle hh;

	/* correlate_late.c */
	struct actor self;        /* as far as records told */
	uint64_t since;           /* boot ns of the record that it is known from */
	uint64_t ended;           /* in which round, 0: alive */
	struct task *prev, *next; /* of those that ended */
	UT_hash_handle by_tgid;   /* of those alive */
};

/* A message, or a first id, that something is still missing for. */
struct waiting {
	struct waiting *next;
	enum { WAIT_PICKUP, WAIT_FACTS, WAIT_PICKED, WAIT_PARENT } state;
	struct queued q;
	int fd;
	uint64_t since; /* boot ns, of the state */
	bool emitted;   /* WAIT_PICKUP: given out under its first id already */
	bool joined; /* WAIT_PICKUP: its message has been given out under the id that it got later
		      */
	char parent[QUEUE_ID_MAX]; /* of a bounce, by the arguments of its submission */
	uint16_t port;             /* of the client, where the committing process knew it */
};

/*
 * A TCP connection to a mail port that a script, or an injector, opened. The MTA's own record of
 * the client's address and port (queue file, environment, socket) leads from a message to it: a
 * port belongs to one connection at a time.
 */
struct session_key {
	uint8_t addr[16];
	uint32_t netns; /* only for loopback addresses, which exist in every namespace */
	uint16_t port;
	uint16_t family;
};

struct smtp_session {
	struct session_key key;
	uint64_t sock;
	struct origin *origin;
	struct injection *injection;
	uint64_t closed;  /* boot ns, 0: open */
	bool origin_lost; /* a script opened it, but which is not known */
	uint32_t messages;
	UT_hash_handle hh;
};

/* A file that is no message yet. */
struct in_flight {
	struct {
		uint32_t queue;
		char id[QUEUE_ID_MAX];
	} key;
	struct st_task task; /* that writes it */
	bool orphan;
	UT_hash_handle hh;
};

/* A message whose bounce was queued at `time`. */
struct bounced {
	const struct mta_queue *queue;
	uint64_t time;
	char id[QUEUE_ID_MAX];
};

struct correlate {
	struct correlate_ops ops;
	struct mta_queue *queues;
	size_t queue_count;
	struct task *tasks;
	struct origin *origins;
	struct injection *injections;
	struct in_flight *in_flight;
	struct smtp_session *sessions;
	struct waiting *waiting;
	size_t origin_count, waiting_count;
	uint64_t swept, swept_all;
	bool late;
	uint64_t round;
	struct task *by_tgid, *ended; /* only if late */
	uint64_t *picked; /* per queue, boot ns: when pickup last unlinked a maildrop file */
	/* what ops.lost said when, newest at loss_at - 1 */
	struct {
		uint64_t time, count;
	} losses[64];
	size_t loss_at;
	struct bounced bounced[256];
	size_t bounced_at;
	struct correlate_stats stats;
};

struct task *task_find(struct correlate *c, const struct st_task *key);
void task_drop(struct correlate *c, struct task *t);
struct injection *injection_find(struct correlate *c, uint64_t id);
void injection_put(struct correlate *c, struct injection *i);
void injection_free(struct injection *i);
void in_flight_drop(struct correlate *c, struct in_flight *f);

struct origin *origin_ref(struct origin *o);
void origin_unref(struct correlate *c, struct origin *o);

/* correlate_smtp.c */
int correlate_connect(struct correlate *c, const struct record *r);
/* Joins a message that came over SMTP to the session that it came over. */
void correlate_join_session(struct correlate *c, struct waiting *w);
void correlate_forget_sessions(struct correlate *c, uint64_t now);

/* correlate_late.c; all do nothing unless operations come late. The task is in c->tasks. */
void late_added(struct correlate *c, struct task *t, const struct task *parent, uint64_t time);
void late_execed(struct correlate *c, struct task *t, const struct st_exec *e, const char *base);
/* Keeps it until it can have no more operations; false: it is to be dropped now. */
bool late_ended(struct correlate *c, struct task *t);
void late_dropped(struct correlate *c, struct task *t);
/* The task that an operation is of; NULL: none that is known. *doubt says why it may be another
 * one's, else stays. */
struct task *late_find(struct correlate *c, uint32_t tgid, const char **doubt);
/* Who did it: the task (NULL: unknown) as it is known, or what ops.actor says. */
void late_actor(struct correlate *c, const struct task *t, struct actor *out);

int correlate_queue(struct correlate *c, const struct record *r);
void correlate_wait(struct correlate *c, uint64_t now);
/* Remembers how much was lost until now. */
void correlate_note_losses(struct correlate *c, uint64_t now);

#endif
