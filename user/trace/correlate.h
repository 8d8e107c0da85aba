/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which injection put which message into the queue.
 *
 *	origin ─(fork)─► task ─(exec of an injector)─► injection ─(queue operation)─► message
 *
 * Records go in, messages, attempts and removals come out through callbacks. Pure: descriptors,
 *clocks and queue files are behind struct correlate_ops. What a message waits for, by state:
 *
 *	committed, file not complete (Postfix)	until facts() stops saying -EAGAIN
 *	complete, came through maildrop		until pickup unlinks the maildrop file, which ties
 *it to its injection
 *	an injection without a commit		until its last process is gone: then it is an
 *attempt
 */
#ifndef ST_CORRELATE_H
#define ST_CORRELATE_H

#include "kernel/decode.h"
#include "mail/mta.h"
#include "trace/origin.h"

/* A run of an injector, and everything that descends from it. */
struct injection {
	uint64_t id;
	uint32_t refs; /* tasks, and messages that wait */
	uint32_t tasks;
	uint32_t commits;
	struct origin *origin;
	bool origin_lost;    /* it had one, but its record did not arrive */
	uint64_t time;       /* of the first exec, boot ns */
	struct st_task task; /* that execed first */
	enum run run;
	const struct mta *mta;
	uint32_t role, program;
	uint32_t uid, euid, gid, mntns, netns, nspid, tty, loginuid;
	uint64_t cgroup;
	int exit_code, exit_signal; /* of the first task; -1: unknown */
	/* NULL where unknown */
	char *filename, *args, *cwd, *env, *script, *script_inner;
	size_t args_len, env_len, script_len, script_inner_len;
	bool args_cut;
	bool attempt_told; /* of an MTA that is not followed: at the end of its first task */
	/* An SMTP server's: pids of the last processes that it started before its first message;
	 * one may be the checker of a login. */
	uint32_t checkers[4];
	unsigned checker_count;
	bool has_queuer; /* it started one */
	bool relayed; /* and gave it RELAYCLIENT, which it had not had itself: its client had logged
			 in */
	struct st_ancestor ancestor[ST_MAX_ANCESTORS];
	size_t ancestors;
	struct pickup *pickups; /* first ids that it brought, whose messages have not come */
	UT_hash_handle hh;
};

/* From a login of its own user: sshd, cron and the like set the loginuid (pam_loginuid(8)), daemons
 * have none, or that of the administrator who started them. */
static inline bool injection_from_login(const struct injection *i)
{
	return i->uid && i->loginuid == i->uid;
}

/* A program that a script or a login started: what it says about others is theirs to choose, be it
 * a server of the MTA by its inode. */
static inline bool injection_by_hand(const struct injection *i)
{
	return i->origin || i->origin_lost || injection_from_login(i);
}

/* The uid of a process that was gone before it could be asked. */
#define UID_UNKNOWN UINT32_MAX

/* Who did a queue operation. */
struct actor {
	struct st_task task;
	uint32_t uid, euid, nspid, netns;
	struct st_inode exe;
	char comm[17];
	enum run run, before; /* what its program runs for, and what the one before it in this line
				 of descent did */
	char peer[17]; /* Postfix: the daemon that cleanup had the message from, which `run` then is
			  of; "": unknown */
};

/* A message that is in the queue. */
struct queued {
	struct mta_queue *queue;
	char id[QUEUE_ID_MAX];
	char first_id[QUEUE_ID_MAX]; /* Postfix: its name in maildrop; "" otherwise */
	uint64_t time;               /* of the commit, boot ns */
	struct actor actor;          /* that committed */
	struct injection *injection; /* NULL: none was seen */
	struct origin *session;      /* it came over a connection that this origin opened; NULL */
	bool origin_lost;
	bool session_forgotten; /* it may have come over one that had to be forgotten */
	bool session_ended;     /* one with its port had just ended, and may have brought it */
	const char *doubt;      /* why the injection is not certain; NULL: it is */
	struct message_facts facts;
	bool has_facts;
	const char *no_facts; /* why not, NULL when there are */
	bool logged;          /* actor.peer or facts.auth_user is what the MTA's log says */
	char client_ip[48];   /* of the session that the committing process holds, from another
				 host; "": not known */
};

struct removed {
	struct mta_queue *queue;
	char id[QUEUE_ID_MAX];
	uint64_t time;
	struct actor actor;
	bool aborted; /* it never was a message */
	bool bounced; /* and its bounce is in the queue, or the MTA gave it up */
	bool by_tool; /* a run of the MTA's own tool for that: postsuper -d, exim -Mrm */
};

struct correlate_ops {
	void (*queued)(void *arg, const struct queued *q);
	void (*attempted)(void *arg, const struct injection *i, const char *why);
	void (*removed)(void *arg, const struct removed *r);
	/* A name came into, or left, the directories that are counted: +1 or -1; or moved from one
	 * of them to another: 0. For the balance. */
	void (*counted)(void *arg, struct mta_queue *q, int change, bool in_flight);
	/* A file in flight turned out to be left by a process that is gone (+1), or is one no more
	 * (-1). May be NULL. */
	void (*orphaned)(void *arg, struct mta_queue *q, int change);
	/* A script connected to a mail port; o NULL: its record was lost. */
	void (*connected)(void *arg, const struct st_connect *c, const struct origin *o);
	/* As struct mta has them. */
	int (*open)(void *arg, struct mta_queue *q, const char *id);
	int (*facts)(void *arg, struct mta_queue *q, int fd, const char *id, uint32_t pid,
		     struct message_facts *out);
	void (*close)(void *arg, int fd);
	/* The program that user space registered under this number; NULL if none. */
	const char *(*program)(void *arg, uint32_t program, const struct mta **mta);
	/* Read now what a plain CGI's process says in its environment: origin_take_environment().
	 */
	void (*environment)(void *arg, struct origin *o);
	/* Does the worker still run the script of this origin? 1 yes, 0 no or idle, -1 unknown. */
	int (*still_running)(void *arg, const struct origin *o);
	/* That time by the wall's clock, as the files of messages have theirs. May be NULL. */
	uint64_t (*wall)(void *arg, uint64_t boot_ns);
	/* Is a process that is not known to have ended still there? For records that were lost. */
	bool (*alive)(void *arg, const struct st_task *task);
	/*
	 * Of a late queue operation by a process that is in no line of descent: what is known of
	 * process out->task.tgid. Fills uid, euid, nspid, netns, exe and comm as far as it is
	 * there; they come as UID_UNKNOWN and 0. NULL: nothing ever is.
	 */
	void (*actor)(void *arg, struct actor *out);
	/*
	 * Postfix, where the file is gone: the daemon that made the message, by the log;
	 * out->parent_id when it is a bounce. NULL: not known (yet). A NULL pointer: there is no
	 * log.
	 */
	const char *(*daemon)(void *arg, const struct queued *q, struct message_facts *out);
	/*
	 * Where the file says that its sender logged in, but not as whom (Sendmail): the mailbox,
	 * by the log. NULL: not known (yet). A NULL pointer: there is no log.
	 */
	const char *(*mailbox)(void *arg, const struct queued *q);
	/* How much the log has said by now; while that stays, daemon() and mailbox() are not asked
	 * again about the same message. NULL: they always are. */
	uint64_t (*log_said)(void *arg);
	/* How many records of queue operations and of connections were lost so far (and of lineage,
	 * where operations come late); NULL: none ever. */
	uint64_t (*lost)(void *arg);
	void *arg;
};

struct correlate;

/* ops is copied; queues[] stays the caller's and must outlive it. */
int correlate_new(const struct correlate_ops *ops, struct mta_queue *queues, size_t queue_count,
		  struct correlate **out);
void correlate_free(struct correlate *c);

/* One record, in the order of the ring. 0; -ENOMEM, when what it tells is not kept whole (counted
 * in .no_memory); or another -errno for one that makes no sense (counted in .bad). */
int correlate_record(struct correlate *c, const struct record *r);

/*
 * Queue operations come by another way than the ring, with no time and no start time of their task
 * (st_task.start is 0): a task is known by its tgid alone, and may have ended by the time its
 * operations are read. The caller's rounds are then: (1) all of the ring, (2) read the operations
 * that there are, (3) all of the ring again, so that everything before them is known, (4)
 * correlate_record() for each operation, (5) correlate_settle(). What ended before a round's (2)
 * has no operation that comes after its (4): only then is it known whether an injection was an
 * attempt. Call it before the first record.
 */
void correlate_set_late(struct correlate *c);
/* Before a round's (4): a removal among its operations. The file of a message that comes before it
 * is not looked for. 0 or -errno. */
int correlate_foresee(struct correlate *c, const struct record *r);
/* The end of a round: forgets the tasks that had ended by the end of the round before. */
void correlate_settle(struct correlate *c);

/* How much was lost so far, as correlate_tick() wants it. */
uint64_t correlate_losses(const struct correlate *c);

/* Let time pass: looks again at messages that wait, drops what was lost sight of. `now` is boot ns,
 * `lost` what correlate_losses() said just before it: nothing in it was lost later than `now`. Call
 * it a few times a second. */
void correlate_tick(struct correlate *c, uint64_t now, uint64_t lost);

/* The end: everything that waits comes out as it is. */
void correlate_flush(struct correlate *c);

/* An origin that something still refers to, NULL otherwise. */
const struct origin *correlate_origin(const struct correlate *c, uint64_t id);

struct correlate_stats {
	uint64_t bad, no_memory, origins_lost, injections_lost, forgotten;
	uint64_t commits, brief;      /* messages that came, and that left within PACE_BRIEF_NS */
	uint64_t first_ids_forgotten; /* told under a first id, and then had to be forgotten */
	/* messages that asked for a connection which had to be forgotten; and those forgotten open,
	 * or while they were tried */
	uint64_t sessions_forgotten;
	uint64_t orphans_forgotten; /* they are taken for messages when they are removed */
	size_t tasks, origins, injections, waiting, sessions, in_flight;
	size_t sessions_closed;   /* of those */
	size_t in_flight_watched; /* of those: with a writer who may end */
	size_t first_ids_untold;  /* of those waiting; they hold all that is known of them */
};
void correlate_stats(const struct correlate *c, struct correlate_stats *out);

#endif
