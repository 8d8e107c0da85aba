// SPDX-License-Identifier: GPL-2.0-only
/*
 * qmail-inject stand-in: reads a message, completes its header, and hands it to qmail-queue.
 * Left out: QMAILINJECT, Mail-Followup-To, Resent-*, address rewriting beyond the default host.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "qmail.h"

struct letter {
	struct buf header; /* what is written out */
	struct buf rcpts;  /* T<address>\0 ... */
	bool date, msgid, from;
	bool use_header; /* recipients come from To, Cc and Bcc too */
	const char *body;
	size_t body_len;
};

static const char *default_sender(void)
{
	static const char *const names[] = {"QMAILUSER", "MAILUSER", "USER", "LOGNAME"};
	static char sender[512];
	const char *user = NULL, *host = getenv("QMAILHOST");
	size_t i;

	for (i = 0; !user && i < sizeof(names) / sizeof(names[0]); i++)
		user = getenv(names[i]);
	if (!host)
		host = getenv("MAILHOST");
	snprintf(sender, sizeof(sender), "%s@%s", user ? user : "anonymous",
		 host ? host : host_name());
	return sender;
}

static void add_recipient(struct letter *l, const char *addr, size_t len)
{
	while (len && strchr(" \t\r\n", *addr)) {
		addr++;
		len--;
	}
	while (len && strchr(" \t\r\n", addr[len - 1]))
		len--;
	if (!len)
		return;
	buf_str(&l->rcpts, "T");
	buf_add(&l->rcpts, addr, len);
	if (!memchr(addr, '@', len))
		buf_fmt(&l->rcpts, "@%s", host_name());
	buf_add(&l->rcpts, "", 1);
}

/* The addresses of one header field; comments and quoted names are stepped over. */
static void parse_addresses(struct letter *l, const char *p, const char *end)
{
	const char *start = p, *angle = NULL, *close = NULL;
	int comment = 0;
	bool quoted = false;

	for (;; p++) {
		if (p == end || (*p == ',' && !quoted && !comment)) {
			if (angle && close && close > angle)
				add_recipient(l, angle, (size_t)(close - angle));
			else if (!angle)
				add_recipient(l, start, (size_t)(p - start));
			if (p == end)
				return;
			start = p + 1;
			angle = close = NULL;
		} else if (*p == '"') {
			quoted = !quoted;
		} else if (!quoted && (*p == '(' || *p == ')')) {
			comment += *p == '(' ? 1 : -1;
		} else if (!quoted && *p == '<') {
			angle = p + 1;
		} else if (!quoted && *p == '>') {
			close = p;
		}
	}
}

static bool is_field(const char *line, const char *name)
{
	size_t len = strlen(name);

	return strncasecmp(line, name, len) == 0 && line[len] == ':';
}

static void take_field(struct letter *l, const char *p, const char *end)
{
	const char *value = memchr(p, ':', (size_t)(end - p));
	bool keep = true;

	l->date |= is_field(p, "Date");
	l->msgid |= is_field(p, "Message-ID");
	l->from |= is_field(p, "From");
	if (is_field(p, "To") || is_field(p, "Cc") || is_field(p, "Bcc")) {
		if (l->use_header && value)
			parse_addresses(l, value + 1, end);
		keep = !is_field(p, "Bcc");
	} else if (is_field(p, "Return-Path") || is_field(p, "Content-Length")) {
		keep = false;
	}
	if (keep)
		buf_add(&l->header, p, (size_t)(end - p));
}

/* Every field with its continuation lines; a line that is no field begins the body. */
static void parse_message(struct letter *l, const struct buf *in)
{
	const char *p = in->p, *end = in->p + in->len;

	while (p < end && *p != '\n') {
		const char *next = p;
		size_t name = strcspn(p, ": \t\n");

		if (p[name] != ':' || name == 0)
			break;
		do {
			next = memchr(next, '\n', (size_t)(end - next));
			next = next ? next + 1 : end;
		} while (next < end && (*next == ' ' || *next == '\t'));
		take_field(l, p, next);
		p = next;
	}
	if (l->header.len && l->header.p[l->header.len - 1] != '\n')
		buf_str(&l->header, "\n");
	if (p < end && *p == '\n')
		p++;
	l->body = p;
	l->body_len = (size_t)(end - p);
}

static void build(const struct letter *l, struct buf *out)
{
	if (!l->date)
		buf_fmt(out, "Date: %s\n", date822());
	if (!l->msgid) {
		char when[32];
		time_t now = time(NULL);
		struct tm tm;

		gmtime_r(&now, &tm);
		strftime(when, sizeof(when), "%Y%m%d%H%M%S", &tm);
		buf_fmt(out, "Message-ID: <%s.%d.qmail@%s>\n", when, getpid(), host_name());
	}
	if (!l->from)
		buf_fmt(out, "From: %s\n", default_sender());
	buf_add(out, l->header.p, l->header.len);
	buf_str(out, "\n");
	buf_add(out, l->body, l->body_len);
}

int main(int argc, char **argv)
{
	struct buf in = {0}, message = {0}, envelope = {0};
	struct letter l = {0};
	const char *sender = NULL;
	char strategy = 'A';
	int opt, status;
	pid_t pid;

	version(argc, argv, "qmail-inject");
	signal(SIGPIPE, SIG_IGN);
	while ((opt = getopt(argc, argv, "aAhHnNf:F:")) >= 0) {
		if (strchr("aAhH", opt))
			strategy = (char)opt;
		else if (opt == 'f')
			sender = optarg;
		else if (opt == '?')
			fail(EXIT_HARD, "qmail-inject: fatal: wrong option");
	}
	if (chdir(QMAIL_HOME) < 0)
		fail(EXIT_SOFT, "qmail-inject: fatal: unable to chdir to the qmail home");
	/* -A: the arguments if there are any, else the header; -H: both. */
	l.use_header = strategy == 'h' || strategy == 'H' || (strategy == 'A' && optind == argc);
	buf_add(&l.rcpts, "", 0);
	buf_add(&l.header, "", 0);
	if (strategy != 'h')
		while (optind < argc)
			parse_addresses(&l, argv[optind], argv[optind] + strlen(argv[optind])),
				optind++;
	if (read_all(0, &in) < 0)
		fail(EXIT_SOFT, "qmail-inject: fatal: read error");
	parse_message(&l, &in);
	build(&l, &message);

	buf_str(&envelope, "F");
	if (sender) {
		buf_str(&envelope, sender);
		if (*sender && !strchr(sender, '@'))
			buf_fmt(&envelope, "@%s", host_name());
	} else {
		buf_str(&envelope, default_sender());
	}
	buf_add(&envelope, "", 1);
	buf_add(&envelope, l.rcpts.p, l.rcpts.len);
	buf_add(&envelope, "", 1);
	status = queue_message(&message, &envelope, &pid);
	if (status == 0)
		return 0;
	if (status > 10 && status < 41) /* qmail.c: a permanent refusal by a queue program */
		fail(EXIT_HARD,
		     "qmail-inject: fatal: mail server permanently rejected message (#5.3.0)");
	fail(EXIT_SOFT, "qmail-inject: fatal: qq trouble: exit status %d (#4.3.0)", status);
}
