/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who sent it: from an injection, its origin and the queue file's facts to an event with a script,
 * line, vhost, uid and client, each only as far as it can be proved. Pure; what needs the system is
 * asked through struct attribute_ops.
 */
#ifndef ST_ATTRIBUTE_H
#define ST_ATTRIBUTE_H

#include "trace/correlate.h"
#include "trace/vhost.h"

struct attribute_ops {
	/* Name of a uid, NULL if it has none. Valid until the next call. */
	const char *(*user)(void *arg, uint32_t uid);
	/* "8.2.36" of a PHP image, NULL. */
	const char *(*php_version)(void *arg, uint32_t image);
	/* Why the memory of a PHP image cannot be read, in words; NULL. May be NULL itself. */
	const char *(*php_reason)(void *arg, uint32_t image);
	/* Path and role of a program that is registered under this inode; NULL if it is not. */
	const char *(*program_at)(void *arg, const struct st_inode *exe, uint32_t *role);
	/* Why no program can be told from another for certain, in words; NULL: they can. May be
	 * NULL itself. */
	const char *(*programs_doubt)(void *arg);
	/* Path of a program by number. */
	const char *(*program)(void *arg, uint32_t program, const struct mta **mta);
	int (*vhost)(void *arg, const struct vhost_query *q, struct vhost_answer *out);
	/* An origin by id, for the parent of an origin; NULL if it is gone. */
	const struct origin *(*origin)(void *arg, uint64_t id);
	/* Id of the container that a mount namespace belongs to; NULL: the host. Valid until the
	 * next call. */
	const char *(*container)(void *arg, uint32_t mntns);
	/* The mailbox that logged in on the session that a message came over, by the mail log;
	 * NULL: none. NULL pointer: no log. */
	const char *(*login)(void *arg, const struct queued *q);
	/* The program that a process runs which is still there; false otherwise. May be NULL. */
	bool (*executable)(void *arg, const struct st_task *task, char *out, size_t size);
	/*
	 * The root directory of a process that is still there, "/srv/jail", when it is another than
	 * this one's; false otherwise. May be NULL.
	 */
	bool (*jail)(void *arg, const struct st_task *task, char *out, size_t size);
	/*
	 * A path of a process's, where its root is not this one's (chroot, mount namespace), as the
	 * host sees it, if that is proved to be the same file: 0; -ESRCH the process is gone,
	 * -ENOENT no name of the host leads there. May be NULL.
	 */
	int (*host_path)(void *arg, const struct st_task *task, const char *path, char *out,
			 size_t size);
	/* The mount namespace of the tracer; 0: unknown. */
	uint32_t own_mntns;
	void *arg;
};

/* Everything an event's strings point into. */
struct attribution_room {
	struct primary primary;
	struct vhost_answer vhost;
	char script[1024], user[64], executable[512], parent[512], terminal[32], url_path[1024],
		docroot[1024], client[64], host[256], destination[64], jail[1024], culprit[1024],
		reason[256], container[80];
	struct frame frames[EVENT_MAX_FRAMES];
};

/* sequence and wall_ns stay the caller's to set. The event points into room, q and what ops gave.
 */
void attribute_queued(const struct attribute_ops *ops, const struct queued *q,
		      struct attribution_room *room, struct mail_event *out);
void attribute_attempt(const struct attribute_ops *ops, const struct injection *i, const char *why,
		       struct attribution_room *room, struct mail_event *out);
void attribute_removed(const struct removed *r, bool by_mta, struct mail_event *out);
void attribute_connect(const struct attribute_ops *ops, const struct st_connect *k,
		       const struct origin *o, struct attribution_room *room,
		       struct mail_event *out);

/*
 * To be called when e->culprit is filled. A process chooses its arguments, and can have its
 * interpreter run something else than they seem to say (dash as "perl", perl -M, BASH_ENV): they
 * are believed as they are only of a file of that user's own, or of root.
 */
void attribute_file(struct mail_event *e);

/*
 * The script among an interpreter's NUL separated arguments: "/usr/bin/perl\0-w\0/home/x/a.pl".
 * NULL: it runs no file (-c, -e, standard input).
 */
const char *attribute_script_of(const char *args, size_t len);

#endif
