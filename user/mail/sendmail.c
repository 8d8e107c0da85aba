// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sendmail 8. A script's sendmail writes dfID and qfID into the client queue (mqueue-client,
 * clientmqueue) and delivers that to the daemon, which writes a df and a qf of its own into mqueue:
 * two ids, one message. The creation of qf in mqueue is the commit, that in the client queue
 * attributes. A deferral rewrites qf by renaming tf over it (queue.c, queueup(), and traced);
 * quarantine renames qf to hf, damage to Qf. With queue groups or
 * "QueueDirectory=/var/spool/mqueue/q*" the files stand in q1/, q2/ or in q1/qf/, q1/df/: the root
 * of such a queue here is the directory above.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mail/args.h"
#include "mail/sendmail_file.h"
#include "mail/spool.h"

static const struct mta_program programs[] = {
	{"/usr/sbin/sendmail", ST_ROLE_INJECTOR, 0},
	{"/usr/libexec/sendmail/sendmail", ST_ROLE_INJECTOR, 0}, /* Debian 12 */
	{"/usr/lib/sm.bin/sendmail", ST_ROLE_INJECTOR, 0},       /* Debian 10, 11 */
	{"/usr/sbin/sendmail.sendmail", ST_ROLE_INJECTOR, 0},    /* RHEL */
	{"/usr/sbin/sendmail-msp", ST_ROLE_INJECTOR, 0},
	{"/usr/lib/sendmail", ST_ROLE_INJECTOR, 0},
	{"/usr/lib/sendmail.sendmail", ST_ROLE_INJECTOR, 0},
	{NULL, 0, 0},
};

/* ---- names ---- */

static bool is_id(const char *s)
{
	size_t n = strlen(s);

	return n >= 8 && n <= 24 && spool_is_word(s, n, "");
}

/* The letter of "qfID", "dfID", "tfID", "hfID", "Qf" ..., 0: no such name. */
static char file_kind(const char *name, const char **id)
{
	if (!name[0] || name[1] != 'f' || !is_id(name + 2))
		return 0;
	*id = name + 2;
	return name[0];
}

static const char *last_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

static size_t rules(const struct mta_queue *q, struct st_rule out[ST_MAX_RULES])
{
	/* no `commits`: df and tf are created too */
	static const struct st_rule all = {.ops = ST_OP_CREATE | ST_OP_RENAME | ST_OP_UNLINK};

	(void)q;
	out[0] = all;
	return 1;
}

static enum queue_verb renamed(char from, char to)
{
	if (to == 'Q' && (from == 'q' || from == 'h'))
		return QUEUE_REMOVE;
	if ((to == 'q' && (from == 't' || from == 'h')) ||
	    (to == 'h' && (from == 'q' || from == 't')))
		return QUEUE_MOVED;
	return QUEUE_NOTHING;
}

static void interpret(const struct mta_queue *q, uint32_t op, const char *name, const char *old,
		      uint32_t pid, struct queue_change *out)
{
	const char *id = NULL, *old_id = NULL;
	char kind = file_kind(last_of(name), &id),
	     from = old ? file_kind(last_of(old), &old_id) : 0;

	(void)pid;
	memset(out, 0, sizeof(*out));
	if (kind != 'q' && kind != 'h' && kind != 'Q')
		return;
	memcpy(out->id, id, strlen(id) + 1);
	if (op == ST_OP_CREATE && kind == 'q')
		out->verb = q->first ? QUEUE_PICKUP : QUEUE_COMMIT;
	else if (op == ST_OP_UNLINK && kind != 'Q')
		out->verb = q->first ? QUEUE_PICKED : QUEUE_REMOVE;
	else if (op == ST_OP_RENAME && from)
		out->verb = renamed(from, kind);
	else if (op == ST_OP_RENAME && !old && kind == 'q')
		out->verb = QUEUE_MOVED;
	if (out->verb == QUEUE_REMOVE && q->first)
		out->verb = QUEUE_PICKED;
}

static enum run classify(const char *base, const char *args, size_t args_len)
{
	char name[64];

	if (strncmp(base, "sendmail", 8) != 0)
		return RUN_OTHER;
	args_name(args, args_len, name, sizeof(name));
	if (strncmp(name, "mailq", 5) == 0 || strncmp(name, "newaliases", 10) == 0 ||
	    strcmp(name, "hoststat") == 0 || strcmp(name, "purgestat") == 0)
		return RUN_QUERY;
	if (strcmp(name, "smtpd") == 0)
		return RUN_DAEMON;
	return args_sendmail_run(args, args_len);
}

/* ---- finding ---- */

static size_t add(const char *dir, bool first, struct mta_queue *out, size_t n, size_t max)
{
	size_t now = spool_add(&mta_sendmail, dir, out, n, max);

	if (now > n)
		out[n].first = first;
	return now;
}

/* "O QueueDirectory=/var/spool/mqueue/q*": up to the component with the wildcard. */
static size_t add_configured(const char *file, bool first, struct mta_queue *out, size_t n,
			     size_t max)
{
	char dir[PATH_MAX], *wild;

	if (spool_setting(file, "O QueueDirectory", dir, sizeof(dir)) < 0 || dir[0] != '/')
		return n;
	wild = strpbrk(dir, "*?[");
	if (wild) {
		*wild = '\0';
		wild = strrchr(dir, '/');
		if (wild == dir)
			return n;
		*wild = '\0';
	}
	return add(dir, first, out, n, max);
}

static int any_message(void *arg, int dirfd, const char *name, unsigned char type)
{
	const char *id;
	char kind = file_kind(name, &id);

	(void)arg;
	(void)dirfd;
	(void)type;
	return kind == 'q' || kind == 'd' || kind == 'h';
}

static bool is_client_name(const char *dir)
{
	const char *base = last_of(dir);

	return strcmp(base, "mqueue-client") == 0 || strcmp(base, "clientmqueue") == 0;
}

static int discover(const char *override, struct mta_queue *out, size_t max)
{
	size_t n = 0;

	if (override) {
		if (is_client_name(override) || strcmp(last_of(override), "mqueue") == 0 ||
		    spool_scan(AT_FDCWD, override, any_message, NULL) == 1)
			n = add(override, is_client_name(override), out, 0, max);
		return (int)n;
	}
	n = add_configured("/etc/mail/sendmail.cf", false, out, n, max);
	n = add_configured("/etc/sendmail.cf", false, out, n, max);
	n = add_configured("/etc/mail/submit.cf", true, out, n, max);
	n = add("/var/spool/mqueue", false, out, n, max);
	n = add("/var/spool/mqueue-client", true, out, n, max);
	n = add("/var/spool/clientmqueue", true, out, n, max);
	return (int)n;
}

/* ---- counting and listing ---- */

/* Scans the root, its sub-queues ("q1") and their qf/ and df/. */
struct walk {
	spool_fn fn;
	void *arg;
	int depth;
};

static int walk_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	const struct walk *w = arg;

	if (spool_is_dir(dirfd, name, type)) {
		struct walk below = {.fn = w->fn, .arg = w->arg, .depth = w->depth - 1};
		int r = w->depth > 0 ? spool_scan(dirfd, name, walk_entry, &below) : 0;

		return r == -ENOENT || r == -EACCES ? 0 : r;
	}
	return w->fn(w->arg, dirfd, name, type);
}

static int walk(const struct mta_queue *q, spool_fn fn, void *arg)
{
	struct walk w = {.fn = fn, .arg = arg, .depth = 2};

	return spool_scan(q->fd, ".", walk_entry, &w);
}

struct tally {
	int64_t queued, held, bodies, garbage;
};

static int count_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	struct tally *t = arg;
	const char *id;

	(void)dirfd;
	if (type == DT_LNK) {
		t->garbage++;
		return 0;
	}
	switch (file_kind(name, &id)) {
	case 'q':
		t->queued++;
		break;
	case 'h':
		t->held++;
		break;
	case 'd':
		t->bodies++;
		break;
	case 't': /* a qf that is being rewritten */
	case 'x': /* transcript of a session */
		break;
	default:
		t->garbage++;
	}
	return 0;
}

static int count(struct mta_queue *q, struct queue_counts *out)
{
	struct tally t = {0};
	int r = spool_gone(q);

	if (r == 0)
		r = walk(q, count_entry, &t);
	if (r < 0)
		return r;
	*out = (struct queue_counts){
		.messages = t.queued + t.held,
		.unprocessed = q->first ? t.queued : 0,
		.held = t.held,
		.partial = t.bodies > t.queued + t.held ? t.bodies - t.queued - t.held : 0,
		.garbage = t.garbage,
	};
	return 0;
}

static int list_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	struct spool_listing l = *(const struct spool_listing *)arg;
	const char *id;
	char kind = file_kind(name, &id);

	if (kind != 'q' && kind != 'h')
		return 0;
	if (kind == 'h')
		l.state = "quarantine";
	return spool_list_file(&l, dirfd, name, type, id);
}

static int list(struct mta_queue *q, entry_fn fn, void *arg)
{
	struct spool_listing l = {
		.q = q, .state = q->first ? "submission" : "queued", .fn = fn, .arg = arg};
	int r = spool_gone(q);

	return r < 0 ? r : walk(q, list_entry, &l);
}

/* Looks for one file through the sub-queues. */
struct search {
	char queued[QUEUE_ID_MAX + 4], held[QUEUE_ID_MAX + 4];
	int fd;
};

static int search_directory(void *arg, int dirfd, const char *name, unsigned char type)
{
	struct search *s = arg;

	(void)type;
	if (strcmp(name, s->queued) != 0 && strcmp(name, s->held) != 0)
		return 0;
	s->fd = spool_open(dirfd, name, NULL);
	return s->fd != -ENOENT;
}

/* At the root first, where it nearly always is. */
static int open_message(struct mta_queue *q, const char *id)
{
	struct search s = {.fd = -ENOENT};
	int r;

	if (!is_id(id))
		return -EINVAL;
	snprintf(s.queued, sizeof(s.queued), "qf%s", id);
	snprintf(s.held, sizeof(s.held), "hf%s", id);
	if (search_directory(&s, q->fd, s.queued, DT_UNKNOWN) ||
	    search_directory(&s, q->fd, s.held, DT_UNKNOWN))
		return s.fd;
	r = walk(q, search_directory, &s);
	return r < 0 ? r : s.fd;
}

/* The df stands beside the qf, or in df/ beside its qf/: /proc tells where the open qf is. */
static int64_t body_size(const struct mta_queue *q, int fd, const char *id)
{
	char name[QUEUE_ID_MAX + 8], self[32], path[PATH_MAX], body[PATH_MAX + QUEUE_ID_MAX + 32];
	struct stat st;
	char *slash;
	ssize_t n;

	snprintf(name, sizeof(name), "df%s", id);
	if (fstatat(q->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISREG(st.st_mode) ? st.st_size : COUNT_UNKNOWN;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, path, sizeof(path) - 1);
	if (n <= 0)
		return COUNT_UNKNOWN;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return COUNT_UNKNOWN;
	*slash = '\0';
	snprintf(body, sizeof(body), "%s/%s", path, name);
	if (lstat(body, &st) < 0) {
		snprintf(body, sizeof(body), "%s/../df/%s", path, name);
		if (lstat(body, &st) < 0)
			return COUNT_UNKNOWN;
	}
	return S_ISREG(st.st_mode) ? st.st_size : COUNT_UNKNOWN;
}

static int facts(struct mta_queue *q, int fd, const char *id, uint32_t pid,
		 struct message_facts *out)
{
	struct message_facts f;
	struct stat st;
	int64_t body;
	int r;

	(void)pid;
	if (!is_id(id))
		return -EINVAL;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = sendmail_file_facts(fd, &f);
	if (r < 0)
		return r;
	if (q->first) {
		/* sendmail is set-group-id only: the file is the caller's */
		f.uid = st.st_uid;
		f.local = true;
		f.from_network = false;
	}
	body = body_size(q, fd, id);
	f.bytes = body >= 0 && f.bytes >= 0 ? f.bytes + body : COUNT_UNKNOWN;
	*out = f;
	return 0;
}

static int describe(struct mta_queue *q, int fd, const char *id, struct message_facts *out,
		    recipient_fn fn, void *arg)
{
	int r = facts(q, fd, id, 0, out);

	if (r == 0 && fn)
		sendmail_file_recipients(fd, fn, arg);
	return r;
}

/* Sendmail cannot delete one message; quarantine takes it out of every queue run, and then its
 * files can go (mailq(1), op.me 2.3). */
static const char *howto(const struct mta_queue *q, const char *verb, char *buf, size_t size,
			 const char *id)
{
	const char *client = q->first ? "-Ac " : "", *dir = q->directory;
	int n;

	if (id && !is_id(id))
		return NULL;
	if (strcmp(verb, "hold") == 0 && id)
		n = snprintf(buf, size, "sendmail %s-Qspam -qI%s\n", client, id);
	else if (strcmp(verb, "hold") == 0)
		n = snprintf(buf, size,
			     "while read -r id; do sendmail %s-Qspam -qI\"$id\" </dev/null; done\n",
			     client);
	else if (strcmp(verb, "release") == 0 && id)
		n = snprintf(buf, size, "sendmail %s-qQ -Q -qI%s\n", client, id);
	else if (strcmp(verb, "delete") == 0 && id)
		n = snprintf(buf, size,
			     "sendmail %s-Qspam -qI%s   # quarantined first, so that nobody has it "
			     "open\n"
			     "find '%s' -type f \\( -name hf%s -o -name df%s -o -name xf%s \\) "
			     "-delete\n",
			     client, id, dir, id, id, id);
	else if (strcmp(verb, "delete") == 0)
		n = snprintf(buf, size,
			     "while read -r id; do sendmail %s-Qspam -qI\"$id\" </dev/null; find "
			     "'%s' -type f \\( -name "
			     "\"hf$id\" -o -name \"df$id\" -o -name \"xf$id\" \\) -delete; done\n",
			     client, dir);
	else
		return NULL;
	return n > 0 && (size_t)n < size ? buf : NULL;
}

const struct mta mta_sendmail = {
	.name = "sendmail",
	.programs = programs,
	/* a bounce is made by the process that then drops the bounced envelope (envelope.c,
	 * dropenvelope()), unless its submission program sent it */
	.bounced_by = "",
	/* daemon.c, getrequests(): a child for each connection that was accepted */
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
	.headers = sendmail_file_headers,
	.howto = howto,
};
