/* SPDX-License-Identifier: GPL-2.0-only */
/* What correlate's files share: lineage, queue operations, what waits, sessions. */
#ifndef ST_CORRELATE_INTERNAL_H
#define ST_CORRELATE_INTERNAL_H

#include <string.h>

#include "trace/correlate.h"

#define NS_PER_S 1000000000ULL

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
	struct actor self;          /* as far as records told */
	uint64_t since;             /* boot ns of the record that it is known from */
	uint64_t ended;             /* in which round, 0: alive */
	uint32_t code;              /* then, as wait(2) has it */
	struct task *prev, *next;   /* of those that ended */
	struct task *older, *newer; /* of those that ended with this tgid */
	UT_hash_handle by_tgid; /* of those alive, or as the oldest of those that ended with it */
};

/* An operation in a queue directory, and who did it. */
struct operation {
	const struct st_queue *raw;
	struct mta_queue *queue;
	uint32_t queue_index;
	char name[512], old[512];
	bool has_old;
	struct task *task;
	struct actor actor;
	const char *doubt; /* why it may be another task's; NULL: it is that task's */
	struct queue_change change;
};

struct message_key {
	uint32_t queue;
	char id[QUEUE_ID_MAX]; /* padded with NUL */
};

static inline struct message_key message_key(uint32_t queue, const char *id)
{
	struct message_key key = {.queue = queue};

	memcpy(key.id, id, strnlen(id, sizeof(key.id) - 1));
	return key;
}

/* A message that something is still missing for. */
struct waiting {
	struct waiting *prev, *next;
	enum { WAIT_FACTS, WAIT_PICKED, WAIT_PARENT, WAIT_LOGIN } state;
	struct queued q;
	int fd;
	uint64_t since;            /* boot ns, of the state */
	uint64_t log_said;         /* when the log was asked last, and one more; 0: it was not */
	char parent[QUEUE_ID_MAX]; /* of a bounce, by the arguments of its submission */
	bool told;                 /* under its first id, because that lay long */
	uint16_t port;             /* of the client, where the committing process knew it, */
	uint8_t family, addr[16];  /* and its address, as struct st_queue has it; 0: not known */
	struct message_key key;
	struct waiting *older, *newer; /* with the same key: the removal in between was lost */
	UT_hash_handle hh;             /* of the oldest of those */
};

/* What a message is told with: of a first id that has not been told, nor its message. */
struct untold {
	struct untold *prev, *next; /* in order of when they are to be told */
	uint64_t due;               /* boot ns */
	struct pickup *pickup;
	struct actor actor;
	const char *doubt;
	bool origin_lost;
};

/*
 * A first id that is not gone yet. As many can lie there as the MTA is down long, so one that has
 * been told keeps no more than it takes to know it again, and its message.
 */
struct pickup {
	UT_hash_handle hh;
	struct pickup *prev, *next; /* of its injection, oldest first; not if joined */
	/* a reference while untold, then only as long as something else has one; or NULL */
	struct injection *injection;
	struct untold *untold; /* NULL: given out under its first id already, or joined */
	uint64_t time;         /* boot ns */
	uint32_t uid;          /* of who brought it */
	bool joined;           /* its message has been given out under the id that it got later */
	/* as struct message_key, with no more of the id than there is */
	uint32_t queue;
	char id[];
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

static inline bool is_loopback(const struct session_key *k)
{
	static const uint8_t one[16] = {[15] = 1};

	return k->family == 4 ? k->addr[0] == 127 : !memcmp(k->addr, one, sizeof(one));
}

/* From which addresses connections had to be forgotten. */
struct forgotten {
	struct {
		struct session_key address; /* its port is 0 */
		uint64_t until;             /* boot ns: a message that came later is of none */
	} of[16];
	size_t count;
	uint64_t others[2]; /* until when, of addresses without a place; [1]: of loopback ones */
};

struct smtp_session {
	struct smtp_session *prev, *next; /* of those open, or of those closed; oldest first */
	struct session_key key;
	uint64_t sock;
	struct origin *origin;
	struct injection *injection;
	bool open;
	uint64_t opened, closed; /* boot ns */
	uint64_t lost_before;    /* records, before it was opened */
	bool end_seen;           /* by its record */
	bool origin_lost;        /* a script opened it, but which is not known */
	bool shared;             /* its port may be another open one's, too */
	uint32_t messages;
	UT_hash_handle hh, by_sock; /* by_sock: if open */
};

/* A file that is no message yet. */
struct in_flight {
	struct in_flight *prev, *next; /* of those watched, or of those left; oldest first */
	struct message_key key;
	struct st_task task;  /* that writes it */
	bool watched, orphan; /* neither: who writes it is not known */
	UT_hash_handle hh;
};

#define RECENT_MAX 256

/* What happened last to messages, and when (boot ns); the oldest are overwritten. The times are
 * apart because each removal goes through them. */
struct recent {
	uint64_t time[RECENT_MAX];
	struct {
		const struct mta_queue *queue;
		char id[QUEUE_ID_MAX];
	} of[RECENT_MAX];
	size_t at;
};

/* How many are kept at most; see correlate_new(). */
struct limits {
	size_t first_ids, untold, connecting, open, closed, left;
};

struct correlate {
	struct correlate_ops ops;
	struct limits limits;
	struct mta_queue *queues;
	size_t queue_count;
	struct task *tasks;
	struct origin *origins, *connecting;
	struct injection *injections;
	struct in_flight *in_flight, *watched, *left;
	struct smtp_session *sessions, *by_sock, *open, *closed;
	struct waiting *waiting, *by_id; /* oldest first; by key */
	struct pickup *pickups;          /* oldest first */
	struct untold *untold;
	struct removal *removals; /* correlate_ahead.c */
	size_t origin_count, connecting_count, waiting_count, untold_count, closed_count,
		left_count;
	struct forgotten forgotten;
	uint64_t swept, swept_all;
	bool late;
	uint64_t round;
	/* only if late: those alive; those that ended in their order, and by tgid */
	struct task *by_tgid, *ended, *ended_by_tgid;
	uint64_t *picked; /* per queue, boot ns: when pickup last unlinked a maildrop file */
	/* how much was lost until when, newest at loss_at - 1 */
	struct {
		uint64_t time, count;
	} losses[64];
	size_t loss_at;
	struct recent arrived, bounced; /* they came; their bounce was queued */
	struct correlate_stats stats;
};

struct task *task_find(struct correlate *c, const struct st_task *key);
/* In the place of one with the same key, whose exit was lost. NULL: no memory. */
struct task *task_add(struct correlate *c, const struct st_task *key, const struct task *parent,
		      uint64_t time, uint64_t origin, uint64_t injection);
void task_drop(struct correlate *c, struct task *t);
struct injection *injection_find(struct correlate *c, uint64_t id);
void injection_put(struct correlate *c, struct injection *i);
void injection_free(struct injection *i);

struct origin *origin_ref(struct origin *o);
/* A reference to the origin of that id; NULL: it is not known. */
struct origin *origin_get(struct correlate *c, uint64_t id);
void origin_put(struct correlate *c, struct origin *o);
/* It is held for the connection that it was made for, which may be forgotten when there are too
 * many; or is held for that no more. */
void origin_connects(struct correlate *c, struct origin *o);
void origin_connected(struct correlate *c, struct origin *o);

/* correlate_lineage.c: 0 or -errno, as correlate_record() */
int lineage_origin(struct correlate *c, const struct record *r);
int lineage_env(struct correlate *c, const struct record *r);
int lineage_fork(struct correlate *c, const struct record *r);
int lineage_exec(struct correlate *c, const struct record *r);
int lineage_end(struct correlate *c, const struct record *r);

/* correlate_smtp.c */
int correlate_connect(struct correlate *c, const struct record *r);
/* Joins a message that came over SMTP to the session that it came over. */
void correlate_join_session(struct correlate *c, struct waiting *w);
/* Those that were closed long ago. */
void correlate_forget_sessions(struct correlate *c, uint64_t now);
void correlate_sessions_free(struct correlate *c);

/* correlate_late.c; all do nothing unless operations come late. The task is in c->tasks. */
void late_added(struct correlate *c, struct task *t, const struct task *parent, uint64_t time);
void late_execed(struct correlate *c, struct task *t, const struct st_exec *e, const char *base);
/* Keeps it until it can have no more operations; false: it is to be dropped now. */
bool late_ended(struct correlate *c, struct task *t);
void late_dropped(struct correlate *c, struct task *t);
/* The task that an operation is of, which means `what`; NULL: none that is known. *doubt says why
 * it may be another one's, else stays. */
struct task *late_find(struct correlate *c, uint32_t tgid, const struct queue_change *what,
		       const char **doubt);
/* Who did it: the task (NULL: unknown) as it is known, or what ops.actor says. */
void late_actor(struct correlate *c, const struct task *t, struct actor *out);

/* correlate_forgotten.c */
/* One of this address had to be forgotten, whose messages come until then (boot ns). */
void forgotten_note(struct forgotten *f, const struct session_key *key, uint64_t until);
/* May a message of that time, from that client, be of one of them? */
bool forgotten_may_be(struct forgotten *f, const struct session_key *key, uint64_t time);

int correlate_queue(struct correlate *c, const struct record *r);
/* The injection that an operation belongs to; NULL: none. */
struct injection *injection_of(struct correlate *c, const struct operation *op);
/* The same, as that of a message: it is referenced, and its commits are counted. *lost: there was
 * one, but its record was lost. */
struct injection *injection_commits(struct correlate *c, const struct operation *op, bool *lost);

/* correlate_flight.c: files that are no message yet */
struct in_flight *in_flight_find(const struct correlate *c, uint32_t queue, const char *id);
/* 0 or -ENOMEM */
int in_flight_add(struct correlate *c, uint32_t queue, const char *id, const struct st_task *task);
/* It became a message, or was taken back. */
void in_flight_end(struct correlate *c, struct mta_queue *queue, struct in_flight *f);
void in_flight_drop(struct correlate *c, struct in_flight *f);
void in_flight_find_orphans(struct correlate *c);

/* correlate_recent.c */
void recent_note(struct recent *r, const struct mta_queue *queue, const char *id, uint64_t time);
/* Was it noted less than `ns` before now? */
bool recent_has(const struct recent *r, const struct mta_queue *queue, const char *id, uint64_t now,
		uint64_t ns);

/* correlate_ahead.c: removals that are known before they are applied */
void ahead_add(struct correlate *c, uint32_t queue, const char *id);
bool ahead_removed(const struct correlate *c, uint32_t queue, const char *id);
void ahead_applied(struct correlate *c, uint32_t queue, const char *id);
void ahead_clear(struct correlate *c);

/* correlate_wait.c */
void correlate_wait(struct correlate *c, uint64_t now);
/* A new one, waiting for its facts; NULL: no memory. */
struct waiting *wait_new(struct correlate *c, const struct operation *op);
void wait_remove(struct correlate *c, struct waiting *w);
/* The oldest of that id; NULL: none. */
struct waiting *wait_find(const struct correlate *c, uint32_t queue, const char *id);
/* Gives out what nothing is missing for any more: one, which is freed then, or all. */
void wait_advance_one(struct correlate *c, struct waiting *w, uint64_t now);
void wait_advance(struct correlate *c, uint64_t now);
/* Of those that may have come by a first id of this queue, the ones whose file is complete. */
void wait_advance_picked(struct correlate *c, const struct mta_queue *queue, uint64_t now);
/* It is removed. Returns whether it never was a message. It may be freed. */
bool wait_removed(struct correlate *c, struct waiting *w, bool incomplete, uint64_t now);
/* Does the message that is removed here go because it was bounced? */
bool wait_ends_bounced(struct correlate *c, const struct operation *op);
/* Of those whose files are gone, the MTA's log may tell whom they are from. */
void correlate_ask_log(struct correlate *c);

/* correlate_pickup.c: first ids */
int correlate_pickup_started(struct correlate *c, const struct operation *op); /* 0 or -ENOMEM */
void correlate_picked(struct correlate *c, const struct operation *op);
/* Sendmail's submission queue: the oldest first id of this message's injection is its. */
void correlate_pickup_joined(struct correlate *c, struct waiting *w);
/*
 * The same where `runner`, the injection that the message came by, may be a run of that queue
 * (sendmail -Ac -q) that takes what others submitted: then the first id in the message's file says
 * whose it is, nothing is the runner's, and true is returned.
 */
bool correlate_pickup_run(struct correlate *c, struct waiting *w, const struct injection *runner);
void correlate_pickups_expire(struct correlate *c, uint64_t now);
void correlate_pickups_flush(struct correlate *c);
void correlate_pickups_free(struct correlate *c);
/* The injection is about to be freed. */
void correlate_pickups_leave(struct injection *i);
/* Does this queue's MTA give the message two ids, so that it waits for its first to go? What could
 * not be read may be local. */
bool correlate_two_ids(const struct waiting *w);

/* correlate_loss.c */
/* Remembers how much was lost until then. */
void correlate_note_losses(struct correlate *c, uint64_t time, uint64_t lost);
/* Were records lost after `time`? Readings are some time apart, so it may say yes when they were
 * lost just before. */
bool correlate_lost_since(const struct correlate *c, uint64_t time);
/* The same where `time` will be longer ago than readings are kept: how many had been lost before
 * it, asked soon after it; and later, were there more? */
uint64_t correlate_lost_before(const struct correlate *c, uint64_t time);
bool correlate_lost_beyond(const struct correlate *c, uint64_t count);

#endif
