// SPDX-License-Identifier: GPL-2.0-only
/*
 * Format: "Sendmail Installation and Operation Guide" (op.me), appendix B.2, and queue.c of 8.17
 * (readqf(), QF_VERSION 8). A line is a letter and its value; continued lines start with white
 * space. Used here: V version, T time, A authenticated sender, S sender, R[flags:]recipient,
 * H[?flags?]header, $macro, q quarantine reason; "." ends it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "mail/message.h"
#include "mail/sendmail_file.h"
#include "mail/spool.h"

#define FACTS_READS      1024
#define RECIPIENTS_READS 4096

struct qf {
	struct message_facts f;
	char head[SPOOL_HEADERS_MAX];
	size_t head_len;
	char relay[256]; /* $_ */
	bool in_header;
	long version;
};

/* "<a@b>" without its brackets. */
static void bare_address(char *out, size_t size, const char *s)
{
	size_t n = strlen(s);

	if (n >= 2 && s[0] == '<' && s[n - 1] == '>') {
		s++;
		n -= 2;
	}
	snprintf(out, size, "%.*s", (int)(n < size ? n : size), s);
}

/* "RPFD:<a@b>": the flags end with a colon; version 0 had none. */
static const char *recipient_of(const char *line)
{
	const char *s = line + 1;
	size_t flags = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return s[flags] == ':' ? s + flags + 1 : s;
}

static void add_header(struct qf *qf, const char *text, size_t n)
{
	size_t room = sizeof(qf->head) - qf->head_len;

	if (n + 1 > room)
		return;
	memcpy(qf->head + qf->head_len, text, n);
	qf->head_len += n;
	qf->head[qf->head_len++] = '\n';
}

/* "H?P?Return-Path: <g>". "<g>" and the like are Sendmail's macros, and no message has that
 * Return-Path. */
static void header_line(struct qf *qf, const char *s, size_t full)
{
	const char *flags = *s == '?' ? strchr(s + 1, '?') : NULL;

	if (flags) {
		full -= (size_t)(flags + 1 - s);
		s = flags + 1;
	}
	qf->in_header = true;
	if (strncasecmp(s, "Return-Path:", 12) == 0)
		return;
	if (qf->f.bytes < 0)
		qf->f.bytes = 0;
	qf->f.bytes += (int64_t)full + 1;
	add_header(qf, s, strlen(s));
}

static void macro_line(struct qf *qf, const char *s)
{
	if (*s == '_')
		text_copy(qf->relay, sizeof(qf->relay), s + 1);
	else if (*s == 'r') /* RFC 3848; an older Sendmail has ESMTP here and names nobody */
		qf->f.authenticated = strcmp(s + 1, "ESMTPA") == 0 || strcmp(s + 1, "ESMTPSA") == 0;
	else if (*s == 's')
		text_copy(qf->f.helo, sizeof(qf->f.helo), s + 1);
	else if (strncmp(s, "{auth_authen}", 13) == 0)
		text_copy(qf->f.auth_user, sizeof(qf->f.auth_user), s + 13);
	else if (strncmp(s, "{client_addr}", 13) == 0)
		text_copy(qf->f.client_ip, sizeof(qf->f.client_ip), s + 13);
}

/* 1: the end, 0: go on, -EINVAL. */
static int line(struct qf *qf, const char *s, size_t full)
{
	long long when;

	if (*s == ' ' || *s == '\t') {
		if (qf->in_header) {
			qf->f.bytes += (int64_t)full + 1;
			add_header(qf, s, strlen(s));
		}
		return 0;
	}
	qf->in_header = false;
	switch (*s) {
	case 'V':
		qf->version = strtol(s + 1, NULL, 10);
		return qf->version > 0 && qf->version < 100 ? 0 : -EINVAL;
	case 'T':
		when = strtoll(s + 1, NULL, 10);
		if (when > 0 && when < 1LL << 33)
			qf->f.time_ns = (uint64_t)when * 1000000000U;
		return 0;
	case 'S':
		bare_address(qf->f.sender, sizeof(qf->f.sender), s + 1);
		qf->f.has_sender = true;
		return 0;
	case 'R':
		qf->f.recipients = qf->f.recipients < 0 ? 1 : qf->f.recipients + 1;
		return 0;
	case 'q':
		qf->f.held = true;
		return 0;
	case '$':
		macro_line(qf, s + 1);
		return 0;
	case 'H':
		header_line(qf, s + 1, full - 1);
		return 0;
	case '.':
		return full == 1;
	default:
		return 0;
	}
}

struct received_lines {
	int seen;
	struct received top, below;
};

static void received_line(void *arg, const char *value, size_t len)
{
	struct received_lines *l = arg;

	if (l->seen == 0)
		message_received(value, len, &l->top);
	else if (l->seen == 1)
		message_received(value, len, &l->below);
	l->seen++;
}

static bool is_loopback(const char *ip)
{
	return strncmp(ip, "127.", 4) == 0 || strcmp(ip, "::1") == 0;
}

/*
 * Submission passes the loopback: the daemon's line is on top, that of the set-group-id sendmail,
 * with the caller's login and the id in the client queue, below. Whoever speaks SMTP to the
 * loopback can forge the lower one; from elsewhere it counts for nothing.
 */
static void from_received(struct qf *qf)
{
	struct received_lines l = {.top = {.kind = RECEIVED_OTHER},
				   .below = {.kind = RECEIVED_OTHER}};
	struct message_facts *f = &qf->f;
	const struct received *local = NULL;

	message_each_received(qf->head, qf->head_len, received_line, &l);
	if (l.top.kind == RECEIVED_LOCAL_UID)
		local = &l.top;
	else if (is_loopback(l.top.client_ip) && l.below.kind == RECEIVED_LOCAL_UID)
		local = &l.below;
	if (l.top.kind == RECEIVED_BOUNCE || l.below.kind == RECEIVED_BOUNCE) {
		const struct received *own = l.top.kind == RECEIVED_BOUNCE ? &l.top : &l.below;

		/* The process that gives up a message writes its bounce itself, with its own name
		 * for the null sender (envelope.c); one that was submitted needs <> to be credible.
		 */
		if (own == &l.top && strcasecmp(f->sender, "MAILER-DAEMON") == 0)
			f->sender[0] = '\0';
		if (f->has_sender && !*f->sender &&
		    (own == &l.top || is_loopback(l.top.client_ip))) {
			f->bounce = true;
			if (own == &l.below)
				text_copy(f->first_id, sizeof(f->first_id), own->id);
			return;
		}
	}
	if (local) {
		text_copy(f->login, sizeof(f->login), local->login);
		if (local == &l.below)
			text_copy(f->first_id, sizeof(f->first_id), local->id);
		f->local = true;
		return;
	}
	f->from_network = l.top.kind == RECEIVED_SMTP || l.top.kind == RECEIVED_AUTH;
	if (f->from_network && !*f->client_ip)
		text_copy(f->client_ip, sizeof(f->client_ip), l.top.client_ip);
}

static int read_qf(int fd, struct qf *qf)
{
	struct spool_window w;
	char text[2048];
	off_t off = 0;
	ssize_t n;
	int r = 0;

	spool_window_init(&w, fd, FACTS_READS);
	while (r == 0 && (n = spool_line(&w, &off, '\n', text, sizeof(text))) >= 0) {
		if (!qf->version && text[0] != 'V')
			return -EINVAL;
		r = line(qf, text, (size_t)n);
	}
	if (r < 0)
		return r;
	if (!w.reads_left)
		return -EFBIG;
	/* without its "." it is not written to its end yet; a commit is the creation of the empty
	 * file */
	if (r == 0)
		return -EAGAIN;
	return 0;
}

int sendmail_file_facts(int fd, struct message_facts *out)
{
	_free_ struct qf *qf = calloc(1, sizeof(*qf));
	int r;

	if (!qf)
		return -ENOMEM;
	message_facts_init(&qf->f);
	r = read_qf(fd, qf);
	if (r < 0)
		return r;
	if (qf->f.recipients < 0)
		qf->f.recipients = 0;
	message_headers(qf->head, qf->head_len, &qf->f);
	from_received(qf);
	*out = qf->f;
	return 0;
}

ssize_t sendmail_file_headers(int fd, char out[HEADERS_MAX])
{
	_free_ struct qf *qf = calloc(1, sizeof(*qf));
	int r;

	if (!qf)
		return -ENOMEM;
	message_facts_init(&qf->f);
	r = read_qf(fd, qf);
	if (r < 0)
		return r;
	memcpy(out, qf->head, qf->head_len);
	return (ssize_t)qf->head_len;
}

int sendmail_file_recipients(int fd, recipient_fn fn, void *arg)
{
	struct spool_window w;
	char text[2048], address[1024];
	off_t off = 0;

	spool_window_init(&w, fd, RECIPIENTS_READS);
	while (spool_line(&w, &off, '\n', text, sizeof(text)) >= 0) {
		int r;

		if (text[0] == '.' && !text[1])
			return 0;
		if (text[0] != 'R')
			continue;
		bare_address(address, sizeof(address), recipient_of(text));
		r = fn(arg, address);
		if (r)
			return r;
	}
	return w.reads_left ? 0 : -EFBIG;
}
