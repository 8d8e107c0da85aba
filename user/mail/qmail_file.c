// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files of one message: mess/S/N with its Received lines, and the envelope, which is todo/N
 * first, then info/S/N, local/S/N and remote/S/N.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "mail/message.h"
#include "mail/qmail_internal.h"
#include "mail/spool.h"

/* Envelope files are read up to reads of SPOOL_BLOCK: 200,000 recipients of 20 bytes. */
#define ENVELOPE_READS 1024

bool qmail_is_id(const char *s, size_t n)
{
	if (n == 0 || n > 20 || s[0] == '0')
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

void qmail_path(const struct mta_queue *q, const char *top, const char *id, char *out, size_t size)
{
	unsigned split = q->split ? q->split : 23;

	snprintf(out, size, "%s/%llu/%s", top, strtoull(id, NULL, 10) % split, id);
}

static void todo_path(const struct mta_queue *q, const char *id, char *out, size_t size)
{
	if (q->split_todo)
		qmail_path(q, "todo", id, out, size);
	else
		snprintf(out, size, "todo/%s", id);
}

/* What goes through the records of todo ("u33", "p4373", "F<sender>", "T<rcpt>"), info ("F"), local
 * and remote ("T", "D": done). */
struct envelope {
	struct message_facts *facts;
	recipient_fn fn;
	void *arg;
	int64_t recipients, uid, pid;
	bool stopped; /* fn wants no more */
};

/* 0, -errno (-ENOENT: no such file), or what fn returned. */
static int read_envelope(int at, const char *path, struct envelope *e)
{
	struct spool_window w;
	char record[1024];
	off_t off = 0;
	_close_ int fd = spool_open(at, path, NULL);

	if (fd < 0)
		return fd;
	spool_window_init(&w, fd, ENVELOPE_READS);
	while (spool_line(&w, &off, '\0', record, sizeof(record)) >= 0) {
		int r = 0;

		switch (record[0]) {
		case 'u':
			e->uid = strtoll(record + 1, NULL, 10);
			break;
		case 'p':
			e->pid = strtoll(record + 1, NULL, 10);
			break;
		case 'F':
			if (e->facts &&
			    text_copy(e->facts->sender, sizeof(e->facts->sender), record + 1) <= 0)
				e->facts->has_sender = true;
			break;
		case 'T':
			if (e->fn && !e->stopped)
				r = e->fn(e->arg, record + 1);
			/* with facts, the count goes on */
			e->stopped |= r != 0;
			if (e->facts)
				r = 0;
			e->recipients++;
			break;
		case 'D':
			e->recipients++;
			break;
		}
		if (r)
			return r;
	}
	return w.reads_left ? 0 : -EFBIG;
}

/* todo/N while it is there, for it is whole; else info, local and remote, which qmail-send
 * completes before it lets todo go. */
static int read_envelopes(struct mta_queue *q, const char *id, struct envelope *e)
{
	char path[64];
	int r;

	todo_path(q, id, path, sizeof(path));
	r = read_envelope(q->fd, path, e);
	if (r != -ENOENT)
		return r;
	qmail_path(q, "info", id, path, sizeof(path));
	r = read_envelope(q->fd, path, e);
	if (r)
		return r;
	qmail_path(q, "local", id, path, sizeof(path));
	r = read_envelope(q->fd, path, e);
	if (r && r != -ENOENT)
		return r;
	qmail_path(q, "remote", id, path, sizeof(path));
	r = read_envelope(q->fd, path, e);
	return r == -ENOENT ? 0 : r;
}

/* The topmost line is qmail-queue's, the next one qmail-smtpd's; what is further down, the client
 * wrote. */
struct received_lines {
	int seen;
	struct received queue, smtpd;
	bool has_queue, has_smtpd;
};

static void received_line(void *arg, const char *value, size_t len)
{
	struct received_lines *l = arg;

	if (l->seen == 0)
		l->has_queue = message_received(value, len, &l->queue) == 0 &&
			       strncmp(value, "(qmail ", 7) == 0;
	else if (l->seen == 1 && l->has_queue && l->queue.kind == RECEIVED_NETWORK)
		l->has_smtpd = message_received(value, len, &l->smtpd) == 0;
	l->seen++;
}

static void facts_of_received(const struct received_lines *l, struct message_facts *f)
{
	if (!l->has_queue)
		return;
	f->pid = l->queue.pid;
	f->uid = l->queue.uid;
	f->local = l->queue.kind == RECEIVED_LOCAL_UID || l->queue.kind == RECEIVED_ALIAS;
	f->bounce = l->queue.kind == RECEIVED_BOUNCE;
	f->from_network = l->queue.kind == RECEIVED_NETWORK;
	if (l->has_smtpd) {
		text_copy(f->client_ip, sizeof(f->client_ip), l->smtpd.client_ip);
		text_copy(f->helo, sizeof(f->helo), l->smtpd.helo);
		text_copy(f->auth_user, sizeof(f->auth_user), l->smtpd.auth_user);
	}
}

int qmail_message(struct mta_queue *q, int fd, const char *id, uint32_t pid,
		  struct message_facts *out, recipient_fn fn, void *arg)
{
	char head[SPOOL_HEADERS_MAX];
	struct received_lines lines = {0};
	struct message_facts f;
	struct message_facts sender;
	struct envelope e = {
		.facts = &sender, .fn = fn, .arg = arg, .uid = COUNT_UNKNOWN, .pid = COUNT_UNKNOWN};
	struct stat st;
	ssize_t n;
	int r;

	if (!qmail_is_id(id, strlen(id)))
		return -EINVAL;
	if (fstat(fd, &st) < 0)
		return -errno;
	n = spool_headers(fd, head, 0);
	if (n < 0)
		return (int)n;
	message_facts_init(&f);
	message_facts_init(&sender);
	message_each_received(head, (size_t)n, received_line, &lines);
	message_headers(head, (size_t)n, &f);
	facts_of_received(&lines, &f);
	f.bytes = st.st_size;
	f.time_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000U + (uint64_t)st.st_mtim.tv_nsec;
	if (pid && f.pid >= 0 && f.pid != (int64_t)pid)
		return -ESTALE;
	r = read_envelopes(q, id, &e);
	/*
	 * The id is the inode of mess/S/N, and fd keeps that inode from being used again, so an
	 * envelope of this id is this message's; but the one of a message that has left meanwhile
	 * may have been seen in part.
	 */
	if ((r == 0 || r == -EFBIG) && fstat(fd, &st) == 0 && st.st_nlink) {
		memcpy(f.sender, sender.sender, sizeof(f.sender));
		f.has_sender = sender.has_sender;
		f.recipients = r == 0 ? e.recipients : COUNT_UNKNOWN;
		if (f.pid < 0 && e.pid >= 0)
			f.pid = e.pid;
		if (pid && e.pid >= 0 && e.pid != (int64_t)pid)
			return -ESTALE;
	}
	*out = f;
	return 0;
}
