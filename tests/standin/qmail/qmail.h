/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * qmail stand-in: what its programs share. Not qmail: own code that makes the system calls, files
 * and log lines that qmail was measured to make (README.md says which and what is left out).
 */
#ifndef STANDIN_QMAIL_H
#define STANDIN_QMAIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define QMAIL_HOME  "/var/qmail"
#define QMAIL_SPLIT 23 /* conf-split */
/*
 * Users of the installation that was measured. qmail-queue has them compiled in, as qmail's has:
 * it reads no passwd.
 */
enum {
	UID_ALIAS = 1001,
	UID_QMAILD,
	UID_QMAILL,
	UID_QMAILP,
	UID_QMAILQ,
	UID_QMAILR,
	UID_QMAILS,
	GID_NOFILES = 1001,
	GID_QMAIL,
};

#define MAIL_LOG "/var/log/maillog"

/* Exit codes of qmail's programs. */
#define EXIT_HARD 100
#define EXIT_SOFT 111

/* A growing buffer; .p is never NULL after the first call and always ends with a NUL byte. */
struct buf {
	char *p;
	size_t len;
	size_t size;
};

void buf_add(struct buf *b, const void *p, size_t len);
void buf_str(struct buf *b, const char *s);
void buf_fmt(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --version: every program says that it is a stand-in. Ends the process when asked to. */
void version(int argc, char **argv, const char *name);

void fail(int status, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* All of a descriptor; 0 or -errno. */
int read_all(int fd, struct buf *out);
int write_all(int fd, const void *p, size_t len);

/* "21 Nov 2026 18:49:41 -0000" */
const char *date822(void);
const char *host_name(void);

/* The uid of a qmail user; fails the program when there is none. */
uid_t uid_of(const char *user);
gid_t gid_of(const char *group);

/* Does control/FILE hold LINE? Lines of a control file compare without case. */
bool control_has(const char *file, const char *line, size_t len);

/*
 * Hands a message to qmail-queue (or $QMAILQUEUE) as qmail does: a fork, chdir(QMAIL_HOME), the
 * relative exec "bin/qmail-queue", the message on fd 0 and the envelope on fd 1.
 * Returns qmail-queue's exit status, or -1; *pid is its process, the "qp" of the log.
 */
int queue_message(const struct buf *message, const struct buf *envelope, pid_t *pid);

/* One line in MAIL_LOG as syslog would write it. */
void mail_log(const char *tag, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "mess/5/1114424": a file of the queue, relative to it. */
const char *queue_name(const char *dir, unsigned long id, bool split);

#endif
