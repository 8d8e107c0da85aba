// SPDX-License-Identifier: GPL-2.0-only
/*
 * qmail, notqmail, netqmail and Plesk's qmail. A message is mess/S/N with S = N % conf-split and N
 * the inode of that file; its commit is the link of intd/N to todo/N by qmail-queue (qmail-queue.c,
 * and traced). qmail-send then writes info/S/N (sender), local/S/N and remote/S/N (recipients) and
 * has qmail-clean unlink todo/N; the message has left when mess/S/N is unlinked. qmail's INTERNALS
 * describes the states.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mail/args.h"
#include "mail/qmail_internal.h"
#include "mail/spool.h"

static const struct mta_program programs[] = {
	{"/var/qmail/bin/sendmail", ST_ROLE_INJECTOR, 0},
	{"/var/qmail/bin/qmail-inject", ST_ROLE_INJECTOR, 0},
	{"/var/qmail/bin/qmail-queue", ST_ROLE_INJECTOR, ST_P_ENV},
	{"/var/qmail/bin/qmail-queue.moved", ST_ROLE_INJECTOR,
	 ST_P_ENV}, /* Plesk's and others' wrapped one */
	{"/var/qmail/bin/qmail-queue.orig", ST_ROLE_INJECTOR, ST_P_ENV},
	{"/var/qmail/bin/new-inject", ST_ROLE_INJECTOR, 0},
	{"/var/qmail/bin/mailsubj", ST_ROLE_INJECTOR, 0},
	{"/var/qmail/bin/forward", ST_ROLE_MTA, 0},
	{"/var/qmail/bin/qmail-smtpd", ST_ROLE_SMTPD, ST_P_ENV},
	{"/var/qmail/bin/qmail-smtpd.moved", ST_ROLE_SMTPD, ST_P_ENV},
	{"/var/qmail/bin/qmail-qmtpd", ST_ROLE_SMTPD, ST_P_ENV},
	{"/var/qmail/bin/qmail-qmqpd", ST_ROLE_SMTPD, ST_P_ENV},
	{"/var/qmail/bin/qmail-send", ST_ROLE_MTA, 0},
	{"/var/qmail/bin/qmail-local", ST_ROLE_MTA, 0},
	{"/var/qmail/bin/qmail-local.moved", ST_ROLE_MTA, 0},
	{"/var/qmail/bin/qmail-remote", ST_ROLE_MTA, 0},
	{"/var/qmail/bin/qmail-remote.moved", ST_ROLE_MTA, 0},
	{"/var/qmail/bin/qmail-clean", ST_ROLE_MTA, 0},
	{"/var/qmail/bin/qmail-lspawn", ST_ROLE_MTA, 0},
	{"/var/qmail/bin/qmail-rspawn", ST_ROLE_MTA, 0},
	{"/usr/sbin/qmail-queue", ST_ROLE_INJECTOR, ST_P_ENV}, /* Debian */
	{"/usr/sbin/qmail-smtpd", ST_ROLE_SMTPD, ST_P_ENV},
	{"/usr/sbin/qmail-send", ST_ROLE_MTA, 0},
	{"/usr/sbin/qmail-local", ST_ROLE_MTA, 0},
	{"/usr/bin/qmail-inject", ST_ROLE_INJECTOR, 0},
	{"/usr/sbin/qmail-inject", ST_ROLE_INJECTOR, 0},
	{"/usr/sbin/sendmail", ST_ROLE_INJECTOR, 0},
	{"/usr/lib/sendmail", ST_ROLE_INJECTOR, 0},
	{NULL, 0, 0},
};

/* ---- names ---- */

/* "top/N" or "top/S/N": the id N in out. */
static bool id_below(const char *name, const char *top, char out[QUEUE_ID_MAX])
{
	size_t n = strlen(top);
	const char *rest, *slash;

	if (strncmp(name, top, n) != 0 || name[n] != '/')
		return false;
	rest = name + n + 1;
	slash = strchr(rest, '/');
	if (slash) {
		size_t digits = (size_t)(slash - rest);

		if (digits == 0 || digits > 6 || strspn(rest, "0123456789") != digits)
			return false;
		rest = slash + 1;
	}
	if (!qmail_is_id(rest, strlen(rest)))
		return false;
	memcpy(out, rest, strlen(rest) + 1);
	return true;
}

static size_t rules(const struct mta_queue *q, struct st_rule out[ST_MAX_RULES])
{
	static const struct st_rule all[] = {
		{.top = "todo", .ops = ST_OP_LINK, .commits = ST_OP_LINK},
		{.top = "mess", .ops = ST_OP_LINK | ST_OP_UNLINK},
	};

	(void)q;
	memcpy(out, all, sizeof(all));
	return array_size(all);
}

static void interpret(const struct mta_queue *q, uint32_t op, const char *name, const char *old,
		      uint32_t pid, struct queue_change *out)
{
	char from[QUEUE_ID_MAX];

	(void)q;
	(void)pid;
	memset(out, 0, sizeof(*out));
	if (op == ST_OP_LINK && id_below(name, "todo", out->id)) {
		/* a repair tool may link todo from elsewhere: only intd/N -> todo/N is
		 * qmail-queue's */
		if (!old || (id_below(old, "intd", from) && strcmp(from, out->id) == 0))
			out->verb = QUEUE_COMMIT;
	} else if (op == ST_OP_LINK && id_below(name, "mess", out->id)) {
		out->verb = QUEUE_STARTED;
	} else if (op == ST_OP_UNLINK && id_below(name, "mess", out->id)) {
		out->verb = QUEUE_REMOVE;
	}
	/* qmail-queue.c, which all others run */
	if (out->verb == QUEUE_COMMIT || out->verb == QUEUE_STARTED)
		out->by = 1U << RUN_QUEUER;
}

static enum run classify(const char *base, const char *args, size_t args_len)
{
	static const struct {
		const char *base;
		enum run run;
	} known[] = {
		{"qmail-inject", RUN_SUBMIT},   {"new-inject", RUN_SUBMIT},
		{"mailsubj", RUN_SUBMIT},       {"qmail-qmqpc", RUN_SUBMIT},
		{"qmail-smtpd", RUN_SMTPD},     {"qmail-qmtpd", RUN_SMTPD},
		{"qmail-qmqpd", RUN_SMTPD},     {"qmail-local", RUN_FORWARD},
		{"forward", RUN_FORWARD},       {"condredirect", RUN_FORWARD},
		{"qmail-send", RUN_BOUNCE}, /* the only messages that it submits are bounces */
		{"qmail-lspawn", RUN_DELIVERY}, {"qmail-rspawn", RUN_DELIVERY},
		{"qmail-remote", RUN_DELIVERY}, {"qmail-clean", RUN_DELIVERY},
		{"qmail-qread", RUN_QUERY},     {"qmail-qstat", RUN_QUERY},
	};

	if (strncmp(base, "qmail-queue", 11) == 0) /* .moved, .orig and what wrappers call it */
		return RUN_QUEUER;
	if (strcmp(base, "sendmail") == 0) {
		char mode = args_sendmail_mode(args, args_len);

		return mode == 'm' || mode == 's' ? RUN_SUBMIT : RUN_QUERY;
	}
	for (size_t i = 0; i < array_size(known); i++) {
		size_t n = strlen(known[i].base);

		if (strncmp(base, known[i].base, n) == 0 && (!base[n] || base[n] == '.'))
			return known[i].run;
	}
	return RUN_OTHER;
}

/* ---- finding ---- */

static int count_split(void *arg, int dirfd, const char *name, unsigned char type)
{
	unsigned *n = arg;

	if (strspn(name, "0123456789") == strlen(name) && spool_is_dir(dirfd, name, type))
		(*n)++;
	return 0;
}

static void measure(struct mta_queue *q)
{
	struct stat st;

	q->split = 0;
	spool_scan(q->fd, "mess", count_split, &q->split);
	q->split_todo =
		fstatat(q->fd, "todo/0", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static size_t add(const char *dir, struct mta_queue *out, size_t n, size_t max)
{
	size_t now;

	if (!spool_has_dir(dir, "mess") || !spool_has_dir(dir, "todo"))
		return n;
	now = spool_add(&mta_qmail, dir, out, n, max);
	if (now > n)
		measure(&out[n]);
	return now;
}

static int discover(const char *override, struct mta_queue *out, size_t max)
{
	glob_t found = {0};
	size_t n = 0;

	if (override) {
		char below[PATH_MAX];

		n = add(override, out, 0, max);
		if (!n && snprintf(below, sizeof(below), "%s/queue", override) < (int)sizeof(below))
			n = add(below, out, 0, max);
		return (int)n;
	}
	n = add("/var/qmail/queue", out, n, max);
	n = add("/var/lib/qmail/queue", out, n, max);
	/* further instances stand beside the first: /var/qmail2, /var/qmail-out */
	if (glob("/var/qmail*/queue", GLOB_NOSORT, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			n = add(found.gl_pathv[i], out, n, max);
	globfree(&found);
	return (int)n;
}

/* 0 or -errno: it is there, and its layout known, if it has one. */
static int ready(struct mta_queue *q)
{
	int r = spool_gone(q);

	if (!r && !q->split)
		measure(q);
	return r;
}

/* ---- reading ---- */

static int count(struct mta_queue *q, struct queue_counts *out)
{
	int r = ready(q);

	return r ? r : qmail_count(q, out);
}

static int list_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	return qmail_is_id(name, strlen(name)) ? spool_list_file(arg, dirfd, name, type, name) : 0;
}

static int list(struct mta_queue *q, entry_fn fn, void *arg)
{
	struct spool_listing l = {.q = q, .state = "queued", .fn = fn, .arg = arg};
	int r = ready(q);

	if (r)
		return r;
	for (unsigned s = 0; s < q->split; s++) {
		char path[32];

		snprintf(path, sizeof(path), "mess/%u", s);
		r = spool_scan(q->fd, path, list_entry, &l);
		if (r && r != -ENOENT)
			return r;
	}
	return 0;
}

static int open_message(struct mta_queue *q, const char *id)
{
	char path[64];

	if (!qmail_is_id(id, strlen(id)))
		return -EINVAL;
	qmail_path(q, "mess", id, path, sizeof(path));
	return spool_open(q->fd, path, NULL);
}

static int facts(struct mta_queue *q, int fd, const char *id, uint32_t pid,
		 struct message_facts *out)
{
	return qmail_message(q, fd, id, pid, out, NULL, NULL);
}

static int describe(struct mta_queue *q, int fd, const char *id, struct message_facts *out,
		    recipient_fn fn, void *arg)
{
	return qmail_message(q, fd, id, 0, out, fn, arg);
}

static ssize_t headers(int fd, char out[HEADERS_MAX])
{
	return spool_headers(fd, out, 0);
}

/* ---- what a person can do ---- */

/*
 * qmail has no tool of its own for any of this; its queue may only be changed while qmail-send is
 * down (INTERNALS). Held messages are moved, not copied: an id is an inode number, which the moved
 * file keeps from being used again.
 */
static const char *howto(const struct mta_queue *q, const char *verb, char *buf, size_t size,
			 const char *id)
{
	static const char stop[] =
		"# qmail has no tool for this. Stop qmail-send first and wait for its deliveries "
		"to end:\n"
		"systemctl stop qmail        # or: svc -d /service/qmail-send; qmailctl stop\n"
		"while pgrep -x qmail-send >/dev/null; do sleep 1; done\n";
	static const char start[] =
		"systemctl start qmail       # or: svc -u /service/qmail-send; qmailctl start\n";
	static const char each[] = "while read -r id; do ";
	bool delete = strcmp(verb, "delete") == 0, release = strcmp(verb, "release") == 0;
	const char *dir = q->directory, *name = id ? id : "\"$id\"";
	int n;

	if ((id && !qmail_is_id(id, strlen(id))) ||
	    (!delete &&!release && strcmp(verb, "hold") != 0))
		return NULL;
	if (delete)
		n = snprintf(buf, size, "%s%sfind '%s' -type f -name %s -delete%s\n%s", stop,
			     id ? "" : each, dir, name, id ? "" : "; done", start);
	else
		n = snprintf(
			buf, size,
			"%scd '%s%s' && %sfind . -type f -name %s | while read -r f; do install -d "
			"'%s%s'/\"${f%%/*}\" && mv -- \"$f\" '%s%s'/\"$f\"; done%s\n%s",
			stop, dir, release ? ".held" : "", id ? "" : each, name, dir,
			release ? "" : ".held", dir, release ? "" : ".held", id ? "" : "; done",
			start);
	return n > 0 && (size_t)n < size ? buf : NULL;
}

const struct mta mta_qmail = {
	.name = "qmail",
	.programs = programs,
	/* qmail-send does one thing at a time, and has it unlink the bounced message right after
	 * (qmail-send.c, messdone_do()) */
	.bounced_by = "qmail-clean",
	/* tcp-environ(5): a qmail-smtpd for each connection, and a qmail-queue for each message */
	.one_client = true,
	.discover = discover,
	.rules = rules,
	.interpret = interpret,
	.classify = classify,
	.count = count,
	.list = list,
	.open = open_message,
	.facts = facts,
	.describe = describe,
	.headers = headers,
	.howto = howto,
};
