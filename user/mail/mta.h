/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mail transfer agents, each in one file behind the same few functions. interpret() and classify()
 * are pure; the others read the file system and nothing else. Facts about each MTA stand in its
 * file with their source.
 */
#ifndef ST_MTA_H
#define ST_MTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "spamtrace.h"

#define QUEUE_ID_MAX 64

/* Headers are read up to here. */
#define HEADERS_MAX 16384

/* A number that is not known; trace/event.h says the same. */
#define COUNT_UNKNOWN (-1)

/* What a run of one of the MTA's programs is for, told by its name and arguments. */
enum run {
	RUN_OTHER,
	RUN_SUBMIT,   /* takes one message, or several (-bs, -bS) */
	RUN_QUEUER,   /* the inner program that writes the queue: qmail-queue, postdrop,
			 nullmailer-queue */
	RUN_SMTPD,    /* speaks SMTP to a network client */
	RUN_DELIVERY, /* delivers what is queued (exim -Mc), may rename queue files: no new message
		       */
	RUN_BOUNCE,   /* submits a bounce (exim -E) */
	RUN_FORWARD,  /* local delivery that may submit again (qmail-local) */
	RUN_DAEMON,
	RUN_QUERY, /* -bp, mailq, newaliases, -bv ...: no message */
};

/* A program of an MTA that the kernel side should know, by path; relative ones are below the MTA's
 * home. */
struct mta_program {
	const char *path;
	uint32_t role;  /* enum st_role */
	uint32_t flags; /* enum st_program_flags */
};

/* What an operation in a queue directory means. */
enum queue_verb {
	QUEUE_NOTHING,
	QUEUE_COMMIT,  /* a message is in the queue: counts */
	QUEUE_PICKUP,  /* first id of a message that gets another one (Postfix maildrop, Sendmail
			  client queue): attributes */
	QUEUE_REMOVE,  /* a message left the queue */
	QUEUE_PICKED,  /* the first id is gone, because the message got its own, or was dropped */
	QUEUE_STARTED, /* a file that may become a message: in flight */
	QUEUE_ABORTED, /* and did not */
	QUEUE_MOVED,   /* within the queue: deferred, held, retried; no change of count */
};

struct queue_change {
	enum queue_verb verb;
	char id[QUEUE_ID_MAX]; /* the queue id as the MTA logs it */
	bool needs_run;        /* count as a commit only if the process is not a RUN_DELIVERY */
	unsigned int by; /* bits 1 << enum run: only such programs bring a message this way; 0: any
			  */
	bool incomplete; /* QUEUE_REMOVE: gone before the MTA had it whole, as a refused or broken
			    SMTP transaction leaves it */
	bool failed;     /* QUEUE_REMOVE: the MTA gave it up */
};

/* A queue found on this host. Strings are owned by the struct. */
struct mta_queue {
	const struct mta *mta;
	char directory[512]; /* the root as this process can open it */
	char inner[512];     /* the same as the MTA's own processes name it (chroot), else equal */
	int fd;              /* O_PATH | O_DIRECTORY of the root, -1: gone */
	unsigned split;      /* qmail conf-split; 0: not applicable */
	bool split_todo;     /* qmail with the big-todo patch: todo/ is split too */
	bool quick; /* set by the caller: count() may leave `partial` unknown where knowing it takes
		       a second scan */
	/* set by the caller: list() takes share `share` of the queue's `shares` only, which differ
	 * in their messages and are all of it together; shares 0: all. For threads, each with a
	 * copy of the struct. */
	unsigned share, shares;
	bool first; /* holds first ids only (Postfix maildrop is part of its queue; Sendmail
		       mqueue-client is a queue of its own) */
};

struct queue_counts {
	int64_t messages; /* as the MTA's own tool counts them; Sendmail's quarantined ones included
			   */
	int64_t unprocessed; /* of those: not yet preprocessed (qmail todo, Postfix maildrop and
				incoming) */
	int64_t held;        /* of those; COUNT_UNKNOWN: only the files tell (Exim) */
	int64_t partial;     /* files that are no message (yet): in flight or orphaned; qmail counts
				them in messages as qmail-qstat does; COUNT_UNKNOWN */
	int64_t garbage;     /* names that belong to no message */
};

/* What a queue file says about its message. Strings NUL-terminated, cut to their size, hostile. */
struct message_facts {
	char sender[320];  /* envelope sender; "" with has_sender: the null sender <> */
	char from[320];    /* From header's address */
	char subject[256]; /* RFC 2047 decoded to UTF-8 */
	char message_id[256];
	char auth_user[256];          /* authenticated SMTP */
	char client_ip[64];           /* SMTP */
	uint16_t client_port;         /* SMTP; 0: unknown */
	char helo[256];               /* SMTP */
	char login[64];               /* the injector's login name, as the MTA wrote it */
	char parent_id[QUEUE_ID_MAX]; /* the message it bounces, where the file says so */
	char first_id[QUEUE_ID_MAX];  /* the id that it had in the submission queue (Sendmail) */
	bool has_sender, from_network, bounce, local, held;
	bool authenticated; /* sent over SMTP after a login, where the file says so; Sendmail's
			       does not say whose */
	bool forward;       /* made by the MTA's local delivery, where the file says so (Postfix) */
	int64_t recipients; /* envelope recipients, Bcc included; COUNT_UNKNOWN */
	int64_t bytes;      /* message size; COUNT_UNKNOWN */
	int64_t uid;        /* the injector's, as the MTA wrote it; COUNT_UNKNOWN */
	int64_t pid;        /* of the program that wrote it (qmail-queue's qp); COUNT_UNKNOWN */
	uint64_t time_ns;   /* arrival, wall clock; 0: unknown */
	char php_script[256]; /* X-PHP-Originating-Script, as claimed */
};

/* All unknown. */
void message_facts_init(struct message_facts *facts);

/* One recipient of a queued message; return non-zero to stop. */
typedef int (*recipient_fn)(void *arg, const char *address);

/* One queued message of a listing, valid during the call. Return non-zero to stop. */
struct queue_entry {
	char id[QUEUE_ID_MAX];
	const char *state; /* "queued", "active", "deferred", "hold", "maildrop", ... */
	int fd; /* as open() gives it, closed by list(); negative errno: it cannot be read */
	uint64_t mtime_ns;
	int64_t bytes;
};
typedef int (*entry_fn)(void *arg, const struct queue_entry *entry);

struct mta {
	const char *name; /* "qmail", "postfix", "exim", "sendmail", "nullmailer" */
	/* Not NULL: its queue is not followed, and these words say what that means. discover()
	 * finds none then, and of the functions there is classify() only. */
	const char *unfollowed;
	const struct mta_program
		*programs; /* ends with path NULL; Debian, RHEL, Plesk and cPanel paths */

	/* Its program that takes local mail from under a first id and gives it the one that it
	 * keeps (Postfix pickup); NULL: local mail has one id. */
	const char *pickup;
	/* Which program's next removal tells what a bounce bounces, "": that of the process which
	 * wrote the bounce; NULL: the bounce's file names it, or its submission's arguments do. */
	const char *bounced_by;

	/* Whichever process puts a message of an SMTP client into the queue was started for that
	 * client's connection, while this was there; false: it may serve many. */
	bool one_client;

	/* Queues of this MTA on this host, or below `override` (--queue-dir) when not NULL. Appends
	 * to out[]; returns how many, or -errno. */
	int (*discover)(const char *override, struct mta_queue *out, size_t max);

	/* Which operations below the root matter; at most ST_MAX_RULES. Returns how many. Pure. */
	size_t (*rules)(const struct mta_queue *q, struct st_rule out[ST_MAX_RULES]);

	/* The meaning of an operation; name and old are relative to the root, normalised (no "//",
	 * no "./"); old may be NULL. `pid` is the actor's in its own namespace. Pure. */
	void (*interpret)(const struct mta_queue *q, uint32_t op, const char *name, const char *old,
			  uint32_t pid, struct queue_change *out);

	/* What a run of program `base` (base name of the executable) with these NUL separated
	 * arguments is for. Pure. */
	enum run (*classify)(const char *base, const char *args, size_t args_len);

	/* Counts now; -ENOENT or -ESTALE when the directory vanished. */
	int (*count)(struct mta_queue *q, struct queue_counts *out);

	/* Calls fn for each message (of q's share). Returns 0, what fn returned, or -errno. */
	int (*list)(struct mta_queue *q, entry_fn fn, void *arg);

	/*
	 * Opens the file that holds the headers of message `id` (O_NOFOLLOW, regular files only),
	 * so that it can be read after its name is gone. Returns a descriptor or -errno (-ENOENT:
	 * already gone).
	 */
	int (*open)(struct mta_queue *q, const char *id);

	/*
	 * Facts from a descriptor that open() gave; bounded reads, the file offset stays. `id` and
	 * `pid` (0: any; in the namespace of the MTA) are checked against what the file says:
	 * -ESTALE if it is another message. -EAGAIN: not written to its end yet, ask again (Postfix
	 * commits a name first and the message after it). Overwrites all of `out`.
	 */
	int (*facts)(struct mta_queue *q, int fd, const char *id, uint32_t pid,
		     struct message_facts *out);

	/*
	 * facts() with any pid, and fn (NULL: nothing) for each envelope recipient that is not done
	 * yet, of a file that open() or list() has opened; bounded. What fn returns only ends the
	 * recipients. Recipients that could not be read to their end leave the facts' count as it
	 * is.
	 */
	int (*describe)(struct mta_queue *q, int fd, const char *id, struct message_facts *out,
			recipient_fn fn, void *arg);

	/* The headers as the message has them, up to HEADERS_MAX bytes; returns how many, or
	 * -errno. */
	ssize_t (*headers)(int fd, char out[HEADERS_MAX]);

	/*
	 * Lines of commands for a person to run that `verb` ("hold", "release", "delete") message
	 * `id`; with id NULL: that do it to the ids which a pipe gives, one a line. Returns buf, or
	 * NULL: an unknown verb, an id that no MTA makes, no room.
	 */
	const char *(*howto)(const struct mta_queue *q, const char *verb, char *buf, size_t size,
			     const char *id);
};

extern const struct mta mta_qmail, mta_postfix, mta_exim, mta_sendmail, mta_nullmailer;
extern const struct mta mta_msmtp, mta_ssmtp, mta_dma, mta_opensmtpd; /* not followed */

/* Whose program /usr/sbin/sendmail is, if that one is not followed; else NULL. */
const struct mta *mta_unfollowed_sendmail(void);

/* All of them, those that are followed first; ends with NULL. */
extern const struct mta *const mta_all[];
const struct mta *mta_by_name(const char *name);

/* The queues of `only` (NULL: of every MTA), as discover() does. Returns how many; the caller
 * closes each one's fd. */
int mta_find_queues(const struct mta *only, const char *override, struct mta_queue *out,
		    size_t max);

#endif
