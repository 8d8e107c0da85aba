/* SPDX-License-Identifier: GPL-2.0-only */
/* One run of `spamtrace trace`: everything that is wired together, and the callbacks between the
 * parts. */
#ifndef ST_SESSION_H
#define ST_SESSION_H

#include "commands/trace_options.h"
#include "evidence/evidence.h"
#include "kernel/probe.h"
#include "kernel/programs.h"
#include "output/sink.h"
#include "trace/attribute.h"
#include "trace/balance.h"
#include "trace/correlate.h"
#include "trace/tally.h"
#include "trace/vhost_memo.h"
#include "web/servers.h"

#define MAX_QUEUES   16
#define MAX_LOSSES   (ST_LOST_COUNT + 10)
#define MAX_ROWS     10
#define MAX_UID_ROWS 64

struct session {
	struct trace_options options;
	struct probe *probe;
	struct programs *programs;
	struct mta_queue queues[MAX_QUEUES];
	struct balance balances[MAX_QUEUES];
	struct st_inode roots[MAX_QUEUES];
	size_t queue_count;
	struct correlate *correlate;
	struct tally *tally;
	struct servers *servers;
	struct vhost_table *vhosts;
	struct vhost_memo vhost_memo; /* of that table */
	struct evidence_locker *evidence;
	struct logins *logins;
	struct containers *containers;
	struct sink *screen, *recording;
	bool commits_untold; /* the kernel side cannot tell a commit in one of the queues */
	struct late *late;   /* session_late.c; NULL unless fanotify is the queues' hook */

	uint64_t sequence, started_ns, started_boot;
	int64_t clock_offset;
	uint64_t shown; /* messages counted towards -n */
	uint64_t undecoded;
	uint32_t own_mntns;
	char host[256], kernel[128];
	bool stop, reader_gone, told_unfollowed;
	bool recording_failing, screen_failing; /* and it was said */
	int exit_status;

	/* answers of callbacks, valid until the next one */
	char user[64];
};

/* The callbacks of correlate and attribute. */
void session_callbacks(struct session *s, struct correlate_ops *correlate,
		       struct attribute_ops *attribute);

/* Finds the queues, and counts each once. */
int session_find_queues(struct session *s);
/* Counts all queues and sends queue-sampled events. */
void session_sample(struct session *s, bool emit);
/* Looks whether a queue's directory has gone or come back. */
void session_watch_queues(struct session *s);

/* Reads the ring empty. */
void session_drain(struct session *s);

/* Queue operations by fanotify (session_late.c). start: marks all queues; the hook's name, or NULL
 * where it does not work. */
const char *session_late_start(void *session);
void session_late_free(struct session *s);
int session_late_fd(const struct session *s); /* -1: not by fanotify */
/* Queue i is another directory now. */
void session_late_watch(struct session *s, size_t i);
/* Marks that a file system's unmounting took away. */
void session_late_refresh(struct session *s);
uint64_t session_late_lost(const struct session *s);
/* correlate_ops.actor */
void session_late_actor(void *session, struct actor *out);
/* The rest of a round, after the ring was read empty. */
void session_late_drain(struct session *s, probe_fn on_record);

/* Looks at the culprit's file when its injector starts: by the time its message is reported it may
 * be gone. */
void session_early_look(struct session *s, const struct record *r);
/* Sets e->culprit; the file is that of the origin, of the injection's when NULL, else of the
 * injection. */
void session_facts(struct session *s, const struct injection *i, const struct origin *o,
		   struct mail_event *e);

/* Events lost so far, over all reasons. */
uint64_t session_lost(struct session *s);

/* To the sinks; that one takes no more, or does again, is said once. */
void session_put_mail(struct session *s, const struct mail_event *e); /* into the recording */
void session_show_mail(struct session *s, const struct mail_event *e);
void session_put_queue(struct session *s, const struct queue_event *e);
void session_put_summary(struct session *s, const struct summary_event *e);
void session_tick_sinks(struct session *s, uint64_t wall_ns);

void session_send_mail(struct session *s, struct mail_event *e);
/* Sets the kernel_ fields; they stay as they are, unknown, when the kernel's map cannot be read. */
void session_kernel_totals(const struct session *s, struct summary_event *e,
			   struct uid_total rows[MAX_UID_ROWS]);
void session_summary(struct session *s, enum action action);

#endif
