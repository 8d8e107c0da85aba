/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What spamtrace says happened: the attributed events that outputs print and recordings keep.
 * Strings are NULL where unknown, hostile bytes unescaped, owned by whoever made the event and
 * valid only during the call that passes it on. JSON names: README, "The JSON".
 */
#ifndef ST_EVENT_H
#define ST_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum action {
	ACTION_TRACE_STARTED,
	ACTION_MAIL_QUEUED,
	ACTION_MAIL_ATTEMPTED,
	ACTION_SMTP_CONNECTED,
	ACTION_MAIL_REMOVED,
	ACTION_QUEUE_SAMPLED,
	ACTION_TRACE_ENDED,
	ACTION_COUNT
};

enum source {
	SOURCE_UNKNOWN, /* the injection began before tracing, its records were lost, or only a
			   queue file that was gone would tell */
	SOURCE_SCRIPT,  /* a script of a web server, or of PHP under cron */
	SOURCE_CLI,     /* a script run from a command line or by cron */
	SOURCE_USER,    /* a plain user or a program of the system */
	SOURCE_SMTP,
	SOURCE_SMTP_AUTH,
	SOURCE_BOUNCE,
	SOURCE_FORWARD,
	SOURCE_COUNT
};

enum attribution { ATTRIBUTION_NONE, ATTRIBUTION_INFERRED, ATTRIBUTION_EXACT, ATTRIBUTION_COUNT };

/* What an attribution rests on; spamtrace.evidence lists the names of the set bits. */
enum evidence {
	EVIDENCE_PHP_MEMORY,    /* the engine's memory at the fork, exec or connect */
	EVIDENCE_FORK_TREE,     /* the origin was inherited down the fork tree */
	EVIDENCE_EXEC,          /* the injector's exec: argv, cwd, uid */
	EVIDENCE_QUEUE_COMMIT,  /* the MTA's commit by a process of this injection */
	EVIDENCE_SMTP_REPLY,    /* the MTA's answer on the session carried the queue id */
	EVIDENCE_SMTP_PORT,     /* the session's client port */
	EVIDENCE_SERVER_MEMORY, /* the web server's own memory (ServerName of the chosen vhost) */
	EVIDENCE_SERVER_CONFIG, /* the web server's configuration maps the docroot */
	EVIDENCE_LAYOUT,        /* a hosting panel's directory layout */
	EVIDENCE_HOST_HEADER,   /* only what the client claimed */
	EVIDENCE_ARGV,          /* an interpreter's arguments at exec */
	EVIDENCE_FILE_OPENS,    /* script files that the worker opened */
	EVIDENCE_CWD,           /* a working directory */
	EVIDENCE_ENVIRONMENT,   /* a process environment */
	EVIDENCE_QUEUE_FILE,    /* what the queue file says: Received line, uid record */
	EVIDENCE_MAIL_LOG,      /* the MTA's log */
	EVIDENCE_PHP_CALL,      /* what php_execute_script() was called with */
	EVIDENCE_COUNT
};

#define EVENT_MAX_FRAMES 16

struct frame {
	const char *file;     /* NULL for an internal function */
	const char *function; /* "Class::method", NULL for the main script */
	uint32_t line;        /* 0: unknown */
	bool eval;            /* the code came from eval(); file is then the file that called it */
};

/* Sizes of unknown counts. */
#define COUNT_UNKNOWN (-1)

/*
 * The culprit file (the primary script, where there is no culprit) as it was when it sent: looked
 * at at its first message, and again when it changed. spamtrace.culprit.*: owner (a uid), size,
 * inode, mtime, sha256, deleted, kept, real_path, note; spamtrace.culprit.sha256 is marked as cut
 * when it is of the first 4 MiB only.
 */
struct file_facts {
	bool known;   /* false: no more than `note` */
	bool deleted; /* its name is gone */
	bool sha256_cut;
	bool kept;     /* a copy of it is in the --evidence directory */
	int64_t owner; /* uid; this and the next two: COUNT_UNKNOWN */
	int64_t size, inode;
	uint64_t mtime_ns;
	const char *sha256;    /* hex; NULL: not read, `note` says why */
	const char *real_path; /* when a directory of its path is a link */
	const char *note;      /* what is missing and why; NULL: nothing */
};

/* mail-queued, mail-attempted, smtp-connected, mail-removed. */
struct mail_event {
	enum action action;
	uint64_t sequence; /* 1 upwards, gaps mean loss */
	uint64_t wall_ns;

	enum source source;
	enum attribution attribution;
	uint32_t evidence;  /* 1 << enum evidence */
	const char *reason; /* why not exact, in words; NULL when exact */

	const char *script;       /* the primary script */
	const char *culprit_file; /* the frame to blame */
	const char *culprit_function;
	uint32_t culprit_line;
	struct file_facts culprit;
	const char *php_version, *php_sapi;
	const struct frame *frames; /* innermost first */
	size_t frame_count;
	bool stack_cut;

	const char *vhost, *url_path, *method, *client_ip, *host_header;
	const char *docroot;

	int64_t uid, euid; /* COUNT_UNKNOWN: unknown */
	const char *user_name;
	int64_t pid, parent_pid; /* COUNT_UNKNOWN: unknown */
	const char *executable, *args,
		*working_directory; /* args: separated by NUL, args_len bytes */
	size_t args_len;
	const char *parent_executable;
	const char *container; /* id of the container, when it is not the tracer's own namespace */
	const char *terminal;  /* "pts/3" of a plain user */

	const char *mta, *queue_id;
	const char *parent_queue_id; /* of a bounce or forward */
	const char *sender, *from, *subject, *message_id, *auth_user;
	int64_t recipients, bytes; /* COUNT_UNKNOWN: unknown */

	const char *destination_ip; /* smtp-connected */
	uint16_t destination_port, client_port;

	/* mail-attempted: by an MTA whose queue is not followed, and what that means; else NULL */
	const char *unfollowed;
	int exit_code;       /* mail-attempted: of the injector; -1: unknown */
	int exit_signal;     /* mail-attempted: 0: none */
	const char *remover; /* mail-removed: "delivered", "bounced", "administrator", "aborted" or
				NULL */
};

/* An attempt that ended well, as far as can be seen. */
static inline bool event_handed(const struct mail_event *e)
{
	return e->unfollowed && e->exit_code == 0 && !e->exit_signal;
}

/* An attempt whose injector says that it succeeded: the queue that it wrote to is not followed. */
static inline bool event_unsettled(const struct mail_event *e)
{
	return e->action == ACTION_MAIL_ATTEMPTED && !e->exit_code && !e->exit_signal &&
	       !event_handed(e);
}

/* queue-sampled; per queue, and one with mta == NULL for all together. */
struct queue_event {
	uint64_t sequence, wall_ns;
	const char *mta, *directory;
	int64_t messages,
		unprocessed;        /* unprocessed: qmail's todo, Postfix's maildrop + incoming */
	int64_t growth;             /* since the trace began */
	double growth_per_minute;   /* over the last minute */
	uint64_t queued, removed;   /* by the hooks, since the trace began */
	int64_t in_flight, orphans; /* files that are no message yet, or never will be */
	int64_t unexplained;        /* growth - (queued - removed) - in-flight changes */
	const char *note; /* what the difference is, in words; NULL when the books agree */
	uint64_t by_source[SOURCE_COUNT]; /* queued, by source */
	bool missing;                     /* the directory could not be read this time */
};

/* A line of the summary: one script, vhost, uid, client or source. */
struct tally_row {
	const char *key; /* NULL: unknown */
	const char *sample_id, *sample_subject, *vhost, *user_name, *culprit_file, *container;
	uint32_t culprit_line;
	int64_t uid;        /* of user_name */
	bool users, vhosts; /* there are others besides uid, vhost */
	uint64_t unsettled; /* of the attempts */
	enum source source;
	enum attribution attribution; /* the weakest of its messages */
	uint64_t messages, attempts, recipients, connects;
	uint64_t handed; /* of the attempts: taken by an MTA whose queue is not followed */
	uint64_t first_wall_ns, last_wall_ns;
	double share; /* of all messages, 0..1 */
};

enum tally_by { BY_SCRIPT, BY_UID, BY_VHOST, BY_CLIENT, BY_SOURCE, BY_COUNT };

struct loss {
	const char *reason; /* "ring-origin", ... */
	uint64_t count;
};

/* What the kernel side counted for one uid; exact even when events were lost. */
struct uid_total {
	uint32_t uid;
	uint64_t injections, commits; /* first injector execs; names that landed in the queue */
};

/* trace-started and trace-ended; and what the terminal's summary prints. */
struct summary_event {
	enum action action;
	uint64_t sequence, wall_ns;
	const char *version, *kernel, *host;
	double seconds;
	uint64_t messages, attempts, connects, removals;
	uint64_t by_source[SOURCE_COUNT], by_attribution[ATTRIBUTION_COUNT];
	const struct loss *losses;
	size_t loss_count;
	const struct uid_total *kernel_uids; /* most injections first; NULL: not known */
	size_t kernel_uid_count, kernel_uids_more;
	uint64_t kernel_injections, kernel_commits; /* of all uids */
	bool kernel_no_commits; /* they are not counted there: the queues' hook is fanotify, or a
				   name in a queue does not tell a commit */
	const struct tally_row *rows[BY_COUNT]; /* most messages first */
	size_t row_count[BY_COUNT],
		rows_more[BY_COUNT]; /* rows_more: further keys that are not listed */
	const struct queue_event *queues;
	size_t queue_count;
	const char *verdict;      /* the cross-check in one sentence */
	const char *const *hooks; /* names of what is attached: "fork", "queue (fexit)", ... */
	size_t hook_count;
	const char *const *notes; /* what does not work here and why */
	size_t note_count;
};

const char *action_name(enum action a);           /* "mail-queued" */
const char *source_name(enum source s);           /* "smtp-auth" */
const char *attribution_name(enum attribution a); /* "exact" */
const char *evidence_name(enum evidence e);       /* "php-memory" */
const char *tally_by_name(enum tally_by by);      /* "script" */

/* The other way; -EINVAL for an unknown name. */
int source_parse(const char *name, enum source *out);
int attribution_parse(const char *name, enum attribution *out);
int tally_by_parse(const char *name, enum tally_by *out);

#endif
