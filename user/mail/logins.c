// SPDX-License-Identifier: GPL-2.0-only
#include "mail/logins.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "mail/authlog.h"
#include "mail/logfiles.h"

/* A session logs in shortly before its mail comes; older ones are forgotten. */
#define LOGINS_MAX 4096
/* How much of a log is read at once; of a burst that is longer the older part is skipped. */
#define READ_MAX (1 << 20)
/* How often the log is looked for again. */
#define LOOK_NS 1000000000ULL

struct login {
	uint32_t pid;
	char id[32], user[256];
	const char *daemon; /* Postfix: that made the message `id`; a line of its own */
	char parent[32];
	enum auth_source session;
	uint64_t host; /* as auth_event has it: a log may be of more than one */
	uint64_t seen; /* boot ns */
};

struct logins {
	char *root;
	size_t rank; /* of the log: what others of this host have is old, or repeats it */
	int fd;
	dev_t dev;
	ino_t ino;
	off_t off;
	uint64_t looked;
	bool within;                    /* off is in the midst of a line, whose rest is no line */
	bool begun;                     /* a log that appears later is new from its start */
	struct login login[LOGINS_MAX]; /* in order of seen */
	size_t next;
	struct auth_clock clock;
};

/* The syslog file comes first; Exim's own says nothing that its queue files do not. */
static int open_log(struct logins *l, struct stat *st)
{
	_free_ char *path = NULL;
	int fd;

	if (logfiles_find_first(l->root, &l->rank, &path))
		return -ENOENT;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, st) || !S_ISREG(st->st_mode))) {
		close(fd);
		fd = -1;
	}
	return fd < 0 ? -ENOENT : fd;
}

/* Whoever writes to the log can end a long line like a line of Postfix: what is read begins behind
 * the end of a line. */
static void begin_at(struct logins *l, off_t off)
{
	l->off = off > 0 ? off - 1 : 0;
	l->within = off > 0;
}

static struct login *add(struct logins *l)
{
	struct login *to = &l->login[l->next++ % LOGINS_MAX];

	memset(to, 0, sizeof(*to));
	to->seen = clock_boot_ns();
	return to;
}

/* The queue id at p, which `end` is to follow; its length, or 0. */
static size_t id_at(const char *p, size_t len, const char *end)
{
	size_t n = 0;

	while (n < len && n < 31 &&
	       ((p[n] >= '0' && p[n] <= '9') || ((p[n] | 32) >= 'a' && (p[n] | 32) <= 'z')))
		n++;
	if (n < 6 || len - n < strlen(end) || memcmp(p + n, end, strlen(end)) != 0)
		return 0;
	/* what Postfix says of a session that has no message */
	return n == 7 && !memcmp(p, "NOQUEUE", 7) ? 0 : n;
}

static bool starts(const char *p, size_t len, const char *text)
{
	return len >= strlen(text) && !memcmp(p, text, strlen(text));
}

/*
 * "... postfix/pickup[1]: ID: uid=33 from=<..>", "smtpd: ID: client=..", "bounce: PARENT: sender
 * non-delivery notification: ID", "local: PARENT: .. (forwarded as ID)": pickup.c, smtpd.c,
 * bounce_notify_service.c, forward.c. Only what Postfix itself puts first or last is believed.
 */
static void take_postfix(struct logins *l, const char *line, size_t len)
{
	static const char notification[] = " notification: ",
			  forwarded[] = "status=sent (forwarded as ";
	const char *tag = memmem(line, len, "]: ", 3), *name = tag, *rest, *made;
	struct login *to;
	size_t left, n, m;

	if (!tag)
		return;
	while (name > line && name[-1] != ' ')
		name--;
	if (!starts(name, (size_t)(tag - name), "postfix"))
		return;
	rest = tag + 3;
	left = (size_t)(line + len - rest);
	n = id_at(rest, left, ": ");
	if (!n)
		return;
	name = memrchr(name, '/', (size_t)(tag - name));
	if (!name)
		return;
	name++;
	rest += n + 2;
	left -= n + 2;
	if (starts(name, 7, "pickup[") && starts(rest, left, "uid=")) {
		to = add(l);
		to->daemon = "pickup";
		memcpy(to->id, rest - n - 2, n);
	} else if (starts(name, 6, "smtpd[") && starts(rest, left, "client=")) {
		to = add(l);
		to->daemon = "smtpd";
		memcpy(to->id, rest - n - 2, n);
	} else if (starts(name, 7, "bounce[") && starts(rest, left, "sender ") &&
		   (made = memmem(rest, left, notification, sizeof(notification) - 1))) {
		made += sizeof(notification) - 1;
		m = id_at(made, (size_t)(line + len - made), "");
		if (!m)
			return;
		to = add(l);
		to->daemon = "bounce";
		memcpy(to->id, made, m);
		memcpy(to->parent, rest - n - 2, n);
	} else if (starts(name, 6, "local[") && left && rest[left - 1] == ')' &&
		   (made = memrchr(rest, ' ', left))) {
		made++;
		m = id_at(made, (size_t)(line + len - made), ")");
		if (!m || (size_t)(made - rest) < sizeof(forwarded) - 1 ||
		    memcmp(made - (sizeof(forwarded) - 1), forwarded, sizeof(forwarded) - 1))
			return;
		to = add(l);
		to->daemon = "local";
		memcpy(to->id, made, m);
	}
}

/*
 * Sendmail names the user once, by the pid of the session, and each message by pid and id. A later
 * process with that pid has a login of its own before it says that there was one.
 */
static void take_sendmail(struct logins *l, const struct auth_event *e)
{
	size_t have = l->next < LOGINS_MAX ? l->next : LOGINS_MAX;
	struct login *to;

	if (!e->authenticated || !e->pid || !e->id[0])
		return;
	for (size_t i = 1; i <= have; i++) {
		const struct login *at = &l->login[(l->next - i) % LOGINS_MAX];
		struct login again;

		if (at->session != AUTH_SENDMAIL || at->pid != e->pid || at->host != e->host)
			continue;
		/* again, so that a long session's is never too old; it may take its own place */
		again = *at;
		to = add(l);
		again.seen = to->seen;
		*to = again;
		text_copy(to->id, sizeof(to->id), e->id);
		return;
	}
}

static void take_line(struct logins *l, const char *line, size_t len)
{
	struct auth_event e;
	struct login *to;

	take_postfix(l, line, len);
	authlog_parse(line, len, &l->clock, &e);
	if (e.source == AUTH_SENDMAIL && e.kind == AUTH_SUBMITTED)
		take_sendmail(l, &e);
	if (!e.user[0] || (e.kind != AUTH_LOGIN && e.kind != AUTH_MESSAGE))
		return;
	if (e.kind == AUTH_MESSAGE) /* its session's pid is no checker's */
		e.pid = 0;
	if (!e.pid && !e.id[0])
		return; /* "NOQUEUE: client=.., sasl_username=..": no message of this queue */
	to = add(l);
	to->pid = e.pid;
	to->session = e.source;
	to->host = e.host;
	text_copy(to->id, sizeof(to->id), e.id);
	text_copy(to->user, sizeof(to->user), e.user);
}

/* What has come since it was read last. */
static void read_log(struct logins *l)
{
	char buf[65536];
	struct stat st;
	ssize_t n;

	if (l->fd < 0 || fstat(l->fd, &st))
		return;
	if (st.st_size < l->off)
		begin_at(l, 0); /* truncated in place */
	if (st.st_size - l->off > READ_MAX)
		begin_at(l, st.st_size - READ_MAX);
	if (st.st_size == l->off)
		return;
	while ((n = pread(l->fd, buf, sizeof(buf), l->off)) > 0) {
		const char *p = buf, *end = buf + n, *nl;

		while ((nl = memchr(p, '\n', (size_t)(end - p)))) {
			if (!l->within)
				take_line(l, p, (size_t)(nl - p));
			l->within = false;
			p = nl + 1;
		}
		if (p == buf && n < (ssize_t)sizeof(buf))
			return;        /* the rest of the line is still to come */
		l->within |= p == buf; /* longer than any line of a mail server */
		l->off += p == buf ? n : p - buf;
	}
}

/* Finds the log, or the one that has taken its place. */
static void look(struct logins *l)
{
	uint64_t now = clock_boot_ns();
	struct stat st;
	int fd;

	if (l->begun && now - l->looked < LOOK_NS)
		return;
	l->looked = now;
	fd = open_log(l, &st);
	if (fd >= 0 && l->fd >= 0 && st.st_dev == l->dev && st.st_ino == l->ino) {
		close(fd);
		return;
	}
	if (fd < 0)
		return;
	if (l->fd >= 0) {
		read_log(l); /* what came between the last look and the rotation */
		close(l->fd);
	}
	l->fd = fd;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	begin_at(l, l->begun ? 0 : st.st_size);
}

void logins_read(struct logins *l)
{
	look(l);
	read_log(l);
}

uint64_t logins_said(struct logins *l)
{
	logins_read(l);
	return l->next;
}

int logins_open(const char *root, struct logins **out)
{
	struct logins *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->fd = -1;
	l->rank = SIZE_MAX;
	l->root = strdup(root);
	if (!l->root) {
		free(l);
		return -ENOMEM;
	}
	auth_clock_init(&l->clock, (int64_t)time(NULL));
	look(l);
	l->begun = true;
	*out = l;
	return 0;
}

void logins_free(struct logins *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	free(l->root);
	free(l);
}

/* The nth, newest first, because pids and ids are used again; NULL: all since then were told. */
static const struct login *newest(const struct logins *l, size_t n, uint64_t since)
{
	const struct login *at;

	if (n >= l->next || n >= LOGINS_MAX)
		return NULL;
	at = &l->login[(l->next - 1 - n) % LOGINS_MAX];
	return at->seen >= since ? at : NULL;
}

static const char *find(struct logins *l, uint32_t pid, const char *id, uint64_t since)
{
	const struct login *at;

	logins_read(l);
	for (size_t n = 0; (at = newest(l, n, since)); n++)
		if (!at->daemon && (pid ? at->pid == pid : id[0] && !strcmp(at->id, id)))
			return at->user;
	return NULL;
}

const char *logins_postfix_daemon(struct logins *l, const char *id, uint64_t since,
				  const char **parent)
{
	const struct login *at;

	logins_read(l);
	for (size_t n = 0; (at = newest(l, n, since)); n++)
		if (at->daemon && !strcmp(at->id, id)) {
			*parent = at->parent[0] ? at->parent : NULL;
			return at->daemon;
		}
	return NULL;
}

const char *logins_by_pid(struct logins *l, uint32_t pid, uint64_t since)
{
	return pid ? find(l, pid, "", since) : NULL;
}

const char *logins_by_id(struct logins *l, const char *id, uint64_t since)
{
	return find(l, 0, id, since);
}
