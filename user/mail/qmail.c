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
#include "base/text.h"
#include "mail/message.h"
#include "mail/spool.h"

/* Envelope files are read up to reads of SPOOL_BLOCK: 200,000 recipients of 20 bytes. */
#define ENVELOPE_READS 1024

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

/* A queue id: decimal, an inode number, no leading zero. */
static bool is_id(const char *s, size_t n)
{
	if (n == 0 || n > 20 || s[0] == '0')
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

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
	if (!is_id(rest, strlen(rest)))
		return false;
	memcpy(out, rest, strlen(rest) + 1);
	return true;
}

static void path_of(const struct mta_queue *q, const char *top, const char *id, char *out,
		    size_t size)
{
	unsigned split = q->split ? q->split : 23;

	snprintf(out, size, "%s/%llu/%s", top, strtoull(id, NULL, 10) % split, id);
}

static void todo_path(const struct mta_queue *q, const char *id, char *out, size_t size)
{
	if (q->split_todo)
		path_of(q, "todo", id, out, size);
	else
		snprintf(out, size, "todo/%s", id);
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

/* ---- counting ---- */

/* Ids in todo/, sorted, to tell which of them have been preprocessed already. */
struct todo_ids {
	uint64_t *id;
	bool *seen;
	size_t n, room;
};

struct tally {
	struct queue_counts *counts;
	struct todo_ids *todo;
	unsigned split, bucket;
	int64_t files;
};

static int todo_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	struct tally *t = arg;
	struct todo_ids *todo = t->todo;

	if (!is_id(name, strlen(name)) || spool_is_dir(dirfd, name, type)) {
		t->counts->garbage++;
		return 0;
	}
	t->counts->unprocessed++;
	if (!todo)
		return 0;
	if (todo->n == todo->room) {
		size_t room = todo->room ? todo->room * 2 : 256;
		uint64_t *grown = reallocarray(todo->id, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		todo->id = grown;
		todo->room = room;
	}
	todo->id[todo->n++] = strtoull(name, NULL, 10);
	return 0;
}

static int todo_split_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	int r;

	if (!spool_is_dir(dirfd, name, type))
		return 0;
	r = spool_scan(dirfd, name, todo_entry, arg);
	return r == -ENOENT ? 0 : r;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int mess_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	struct tally *t = arg;

	/* qmail-qstat counts every name; a name that no qmail-queue makes is no message */
	if (!is_id(name, strlen(name)) || (type != DT_REG && type != DT_UNKNOWN) ||
	    strtoull(name, NULL, 10) % t->split != t->bucket) {
		t->counts->garbage++;
		return 0;
	}
	(void)dirfd;
	t->files++;
	return 0;
}

static int info_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	struct tally *t = arg;
	struct todo_ids *todo = t->todo;
	uint64_t id = strtoull(name, NULL, 10);
	const uint64_t *hit;

	(void)dirfd;
	(void)type;
	if (!is_id(name, strlen(name)))
		return 0;
	t->files++;
	hit = todo->n ? bsearch(&id, todo->id, todo->n, sizeof(id), by_id) : NULL;
	if (hit)
		todo->seen[hit - todo->id] = true;
	return 0;
}

/* Files of mess/ in this split directory that have neither info nor todo: in flight, or orphans. */
static int partial_in(struct mta_queue *q, struct tally *t, int64_t mess)
{
	char path[32];
	int64_t whole;
	int r;

	snprintf(path, sizeof(path), "info/%u", t->bucket);
	t->files = 0;
	r = spool_scan(q->fd, path, info_entry, t);
	if (r < 0 && r != -ENOENT)
		return r;
	whole = t->files;
	for (size_t i = 0; i < t->todo->n; i++)
		if (t->todo->id[i] % t->split == t->bucket && !t->todo->seen[i])
			whole++;
	if (mess > whole)
		t->counts->partial += mess - whole;
	return 0;
}

static int count_todo(struct mta_queue *q, struct tally *t, struct todo_ids *todo)
{
	int r = spool_scan(q->fd, "todo", q->split_todo ? todo_split_entry : todo_entry, t);

	if (r < 0)
		return r;
	todo->seen = calloc(todo->n + 1, sizeof(*todo->seen));
	if (!todo->seen)
		return -ENOMEM;
	if (todo->n)
		qsort(todo->id, todo->n, sizeof(*todo->id), by_id);
	return 0;
}

static int count_mess(struct mta_queue *q, struct tally *t)
{
	for (t->bucket = 0; t->bucket < t->split; t->bucket++) {
		char path[32];
		int r;

		snprintf(path, sizeof(path), "mess/%u", t->bucket);
		t->files = 0;
		r = spool_scan(q->fd, path, mess_entry, t);
		if (r < 0)
			return r;
		t->counts->messages += t->files;
		if (!q->quick)
			r = partial_in(q, t, t->files);
		if (r < 0)
			return r;
	}
	return 0;
}

static int count(struct mta_queue *q, struct queue_counts *out)
{
	struct queue_counts c = {.partial = q->quick ? COUNT_UNKNOWN : 0};
	struct todo_ids todo = {0};
	struct tally t = {.counts = &c, .todo = q->quick ? NULL : &todo};
	int r = spool_gone(q);

	if (r < 0)
		return r;
	if (!q->split)
		measure(q);
	if (!q->split)
		return -ENOENT;
	t.split = q->split;
	r = count_todo(q, &t, &todo);
	if (r == 0)
		r = count_mess(q, &t);
	free(todo.id);
	free(todo.seen);
	if (r == 0)
		*out = c;
	return r;
}

/* ---- reading ---- */

static int list_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	return is_id(name, strlen(name)) ? spool_list_file(arg, dirfd, name, type, name) : 0;
}

static int list(struct mta_queue *q, entry_fn fn, void *arg)
{
	struct spool_listing l = {.q = q, .state = "queued", .fn = fn, .arg = arg};
	int r = spool_gone(q);

	if (r < 0)
		return r;
	if (!q->split)
		measure(q);
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

	if (!is_id(id, strlen(id)))
		return -EINVAL;
	path_of(q, "mess", id, path, sizeof(path));
	return spool_open(q->fd, path, NULL);
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
	path_of(q, "info", id, path, sizeof(path));
	r = read_envelope(q->fd, path, e);
	if (r)
		return r;
	path_of(q, "local", id, path, sizeof(path));
	r = read_envelope(q->fd, path, e);
	if (r && r != -ENOENT)
		return r;
	path_of(q, "remote", id, path, sizeof(path));
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

static int read_message(struct mta_queue *q, int fd, const char *id, uint32_t pid,
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

	if (!is_id(id, strlen(id)))
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

static int facts(struct mta_queue *q, int fd, const char *id, uint32_t pid,
		 struct message_facts *out)
{
	return read_message(q, fd, id, pid, out, NULL, NULL);
}

static int describe(struct mta_queue *q, int fd, const char *id, struct message_facts *out,
		    recipient_fn fn, void *arg)
{
	return read_message(q, fd, id, 0, out, fn, arg);
}

static ssize_t headers(int fd, char out[HEADERS_MAX])
{
	return spool_headers(fd, out, 0);
}

static int recipients(struct mta_queue *q, const char *id, recipient_fn fn, void *arg)
{
	struct envelope e = {.fn = fn, .arg = arg};

	return is_id(id, strlen(id)) ? read_envelopes(q, id, &e) : -EINVAL;
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

	if ((id && !is_id(id, strlen(id))) || (!delete &&!release && strcmp(verb, "hold") != 0))
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
	.recipients = recipients,
	.howto = howto,
};
