// SPDX-License-Identifier: GPL-2.0-only
/*
 * nullmailer: a relay-only queue. nullmailer-queue writes tmp/PID and links it to queue/TIME.PID
 * (src/queue.cc, and traced); nullmailer-send unlinks it when it is sent, or renames it to failed/.
 * A queue file is the envelope sender's line, the recipients' lines, an empty line and the message.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "mail/args.h"
#include "mail/message.h"
#include "mail/spool.h"

#define ENVELOPE_READS 1024

static const struct mta_program programs[] = {
	{"/usr/bin/nullmailer-inject", ST_ROLE_INJECTOR, 0},
	{"/usr/sbin/nullmailer-queue", ST_ROLE_INJECTOR, 0},
	{"/usr/sbin/nullmailer-inject", ST_ROLE_INJECTOR, 0},
	{"/usr/sbin/nullmailer-send", ST_ROLE_MTA, 0},
	{"/usr/sbin/nullmailer-smtpd", ST_ROLE_SMTPD, 0},
	{"/usr/bin/nullmailer-dsn", ST_ROLE_MTA, 0},
	{"/usr/sbin/sendmail", ST_ROLE_INJECTOR, 0},
	{"/usr/lib/sendmail", ST_ROLE_INJECTOR, 0},
	{NULL, 0, 0},
};

/* "1795287642.29413"; a counter may follow. */
static bool is_id(const char *s)
{
	size_t n = strlen(s);

	return n < QUEUE_ID_MAX && strspn(s, "0123456789.") == n && s[0] != '.' && strchr(s, '.');
}

static size_t rules(const struct mta_queue *q, struct st_rule out[ST_MAX_RULES])
{
	static const struct st_rule all[] = {
		{.top = "queue",
		 .ops = ST_OP_LINK | ST_OP_UNLINK | ST_OP_RENAME,
		 .commits = ST_OP_LINK},
		{.top = "failed", .ops = ST_OP_RENAME},
	};

	(void)q;
	memcpy(out, all, sizeof(all));
	return array_size(all);
}

static void interpret(const struct mta_queue *q, uint32_t op, const char *name, const char *old,
		      uint32_t pid, struct queue_change *out)
{
	const char *id = NULL;
	bool in_queue = strncmp(name, "queue/", 6) == 0;

	(void)q;
	(void)pid;
	memset(out, 0, sizeof(*out));
	if (in_queue)
		id = name + 6;
	else if (op == ST_OP_RENAME && strncmp(name, "failed/", 7) == 0 && old &&
		 strncmp(old, "queue/", 6) == 0)
		id = old + 6;
	if (!id || !is_id(id))
		return;
	memcpy(out->id, id, strlen(id) + 1);
	if (op == ST_OP_LINK)
		out->verb = !old || strncmp(old, "tmp/", 4) == 0 ? QUEUE_COMMIT : QUEUE_NOTHING;
	else if (op == ST_OP_UNLINK || !in_queue)
		out->verb = QUEUE_REMOVE, out->failed = !in_queue;
	else if (op == ST_OP_RENAME && old && strncmp(old, "queue/", 6) == 0)
		out->verb = QUEUE_MOVED;
}

static enum run classify(const char *base, const char *args, size_t args_len)
{
	char name[64];

	args_name(args, args_len, name, sizeof(name));
	if (strcmp(base, "nullmailer-queue") == 0)
		return RUN_QUEUER;
	if (strcmp(base, "nullmailer-inject") == 0)
		return RUN_SUBMIT;
	if (strcmp(base, "nullmailer-smtpd") == 0)
		return RUN_SMTPD;
	if (strcmp(base, "nullmailer-dsn") == 0)
		return RUN_BOUNCE;
	if (strcmp(base, "nullmailer-send") == 0)
		return RUN_DELIVERY;
	if (strcmp(base, "mailq") == 0 || strcmp(name, "mailq") == 0)
		return RUN_QUERY;
	if (strcmp(base, "sendmail") == 0) {
		char mode = args_sendmail_mode(args, args_len);

		return mode == 'm' || mode == 's' ? RUN_SUBMIT : RUN_QUERY;
	}
	return RUN_OTHER;
}

static size_t add(const char *dir, struct mta_queue *out, size_t n, size_t max)
{
	if (!spool_has_dir(dir, "queue") || !spool_has_dir(dir, "tmp"))
		return n;
	return spool_add(&mta_nullmailer, dir, out, n, max);
}

static int discover(const char *override, struct mta_queue *out, size_t max)
{
	size_t n = 0;

	if (override)
		return (int)add(override, out, 0, max);
	n = add("/var/spool/nullmailer", out, n, max);
	n = add("/var/nullmailer", out, n, max);
	return (int)n;
}

static int count_queue(void *arg, int dirfd, const char *name, unsigned char type)
{
	struct queue_counts *c = arg;

	if (is_id(name) && !spool_is_dir(dirfd, name, type))
		c->messages++;
	else
		c->garbage++;
	return 0;
}

static int count_tmp(void *arg, int dirfd, const char *name, unsigned char type)
{
	struct queue_counts *c = arg;

	(void)dirfd;
	(void)name;
	(void)type;
	c->partial++;
	return 0;
}

static int count(struct mta_queue *q, struct queue_counts *out)
{
	struct queue_counts c = {0};
	int r = spool_gone(q);

	if (r == 0)
		r = spool_scan(q->fd, "queue", count_queue, &c);
	if (r < 0)
		return r;
	r = spool_scan(q->fd, "tmp", count_tmp, &c);
	if (r < 0 && r != -ENOENT)
		return r;
	*out = c;
	return 0;
}

static int list_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	return is_id(name) ? spool_list_file(arg, dirfd, name, type, name) : 0;
}

static int list(struct mta_queue *q, entry_fn fn, void *arg)
{
	struct spool_listing l = {.q = q, .state = "queued", .fn = fn, .arg = arg};
	int r = spool_gone(q);

	return r < 0 ? r : spool_scan(q->fd, "queue", list_entry, &l);
}

static int open_message(struct mta_queue *q, const char *id)
{
	char path[QUEUE_ID_MAX + 8];

	if (!is_id(id))
		return -EINVAL;
	snprintf(path, sizeof(path), "queue/%s", id);
	return spool_open(q->fd, path, NULL);
}

/* The envelope's lines; *off ends behind the empty one. -EFBIG: they never end. */
static int read_envelope(struct spool_window *w, off_t *off, struct message_facts *f,
			 recipient_fn fn, void *arg)
{
	char line[1024];
	int64_t recipients = 0;

	if (spool_line(w, off, '\n', line, sizeof(line)) < 0)
		return -EINVAL;
	if (f) {
		text_copy(f->sender, sizeof(f->sender), line);
		f->has_sender = true;
	}
	for (;;) {
		ssize_t n = spool_line(w, off, '\n', line, sizeof(line));
		int r;

		if (n < 0)
			return -EFBIG;
		if (n == 0)
			break;
		recipients++;
		r = fn ? fn(arg, line) : 0;
		if (r)
			return r;
	}
	if (f)
		f->recipients = recipients;
	return 0;
}

static void first_received(void *arg, const char *value, size_t len)
{
	struct received *r = arg;

	if (r->pid == COUNT_UNKNOWN && r->kind == RECEIVED_OTHER)
		message_received(value, len, r);
}

static int facts(struct mta_queue *q, int fd, const char *id, uint32_t pid,
		 struct message_facts *out)
{
	char head[SPOOL_HEADERS_MAX];
	struct received r = {.kind = RECEIVED_OTHER, .pid = COUNT_UNKNOWN, .uid = COUNT_UNKNOWN};
	struct spool_window w;
	struct message_facts f;
	struct stat st;
	off_t off = 0;
	ssize_t n;
	int err;

	(void)q;
	if (!is_id(id))
		return -EINVAL;
	if (fstat(fd, &st) < 0)
		return -errno;
	message_facts_init(&f);
	spool_window_init(&w, fd, ENVELOPE_READS);
	err = read_envelope(&w, &off, &f, NULL, NULL);
	if (err && err != -EFBIG)
		return err;
	n = err ? 0 : spool_headers(fd, head, off);
	if (n < 0)
		return (int)n;
	message_headers(head, (size_t)n, &f);
	message_each_received(head, (size_t)n, first_received, &r);
	f.uid = r.uid;
	f.pid = r.pid;
	f.local = r.uid >= 0;
	/* nullmailer-send runs as the owner of the queue: what that user submits with a null sender
	 * is a bounce */
	f.bounce = f.has_sender && !*f.sender && r.uid == (int64_t)st.st_uid;
	f.bytes = st.st_size - off;
	f.time_ns = strtoull(id, NULL, 10) * 1000000000U;
	if (pid && f.pid >= 0 && f.pid != (int64_t)pid)
		return -ESTALE;
	*out = f;
	return 0;
}

static int describe(struct mta_queue *q, int fd, const char *id, struct message_facts *out,
		    recipient_fn fn, void *arg)
{
	struct spool_window w;
	off_t off = 0;
	int r = facts(q, fd, id, 0, out);

	if (r == 0 && fn) {
		spool_window_init(&w, fd, ENVELOPE_READS);
		read_envelope(&w, &off, NULL, fn, arg);
	}
	return r;
}

static ssize_t headers(int fd, char out[HEADERS_MAX])
{
	struct spool_window w;
	off_t off = 0;
	int r;

	spool_window_init(&w, fd, ENVELOPE_READS);
	r = read_envelope(&w, &off, NULL, NULL, NULL);
	return r ? r : spool_headers(fd, out, off);
}

/* nullmailer has no tool but mailq; its queue may be changed at any time between two runs of
 * nullmailer-send. */
static const char *howto(const struct mta_queue *q, const char *verb, char *buf, size_t size,
			 const char *id)
{
	const char *d = q->directory;
	int n;

	if (id && !is_id(id))
		return NULL;
	if (strcmp(verb, "delete") == 0 && id)
		n = snprintf(buf, size,
			     "systemctl stop nullmailer\nrm -- '%s/queue/%s'\nsystemctl start "
			     "nullmailer\n",
			     d, id);
	else if (strcmp(verb, "delete") == 0)
		n = snprintf(buf, size,
			     "systemctl stop nullmailer\nwhile read -r id; do rm -- "
			     "'%s'/queue/\"$id\"; done\n"
			     "systemctl start nullmailer\n",
			     d);
	else if (strcmp(verb, "hold") == 0 && id)
		n = snprintf(buf, size,
			     "systemctl stop nullmailer\ninstall -d -m 0700 '%s/held'; mv -- "
			     "'%s/queue/%s' '%s/held/'\n"
			     "systemctl start nullmailer\n",
			     d, d, id, d);
	else if (strcmp(verb, "hold") == 0)
		n = snprintf(buf, size,
			     "systemctl stop nullmailer\ninstall -d -m 0700 '%s/held'; while read "
			     "-r id; do mv -- "
			     "'%s'/queue/\"$id\" '%s/held/'; done\nsystemctl start nullmailer\n",
			     d, d, d);
	else if (strcmp(verb, "release") == 0 && id)
		n = snprintf(buf, size, "mv -- '%s/held/%s' '%s/queue/'\n", d, id, d);
	else
		return NULL;
	return n > 0 && (size_t)n < size ? buf : NULL;
}

const struct mta mta_nullmailer = {
	.name = "nullmailer",
	.programs = programs,
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
