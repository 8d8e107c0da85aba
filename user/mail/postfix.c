// SPDX-License-Identifier: GPL-2.0-only
/*
 * Postfix. A local injection is a file in maildrop/ (postdrop renames maildrop/USEC.PID to
 * maildrop/ID); pickup hands it to cleanup, which every message passes: its rename of
 * incoming/USEC.PID to incoming/ID is the commit (global/mail_queue.c, mail_queue_enter(), and
 * traced). The id stays the same while qmgr moves the file among incoming, active and deferred, and
 * is the one in the log; the maildrop id is logged nowhere. All names may be below hash directories
 * of one character ("deferred/4/4274FA7E018"). QUEUE FILES: records "type, length, data"
 * (global/rec_type.h); user/mail/postfix_file.c reads them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "mail/args.h"
#include "mail/postfix_file.h"
#include "mail/spool.h"

/* hash_queue_depth is 1 by default; more than this nobody sets. */
#define HASH_DEPTH 3

static const struct mta_program programs[] = {
	{"/usr/sbin/sendmail", ST_ROLE_INJECTOR, 0},
	{"/usr/sbin/sendmail.postfix", ST_ROLE_INJECTOR, 0}, /* RHEL's alternatives */
	{"/usr/lib/sendmail", ST_ROLE_INJECTOR, 0},
	{"/usr/lib/sendmail.postfix", ST_ROLE_INJECTOR, 0},
	{"/usr/sbin/postdrop", ST_ROLE_INJECTOR, 0},
	{"/usr/sbin/postqueue", ST_ROLE_MTA, 0},
	{"/usr/sbin/postsuper", ST_ROLE_MTA, 0},
	{"/usr/lib/postfix/sbin/smtpd", ST_ROLE_SMTPD, 0}, /* Debian */
	{"/usr/lib/postfix/sbin/pickup", ST_ROLE_MTA, 0},
	{"/usr/lib/postfix/sbin/cleanup", ST_ROLE_MTA, 0},
	{"/usr/lib/postfix/sbin/qmgr", ST_ROLE_MTA, 0},
	{"/usr/lib/postfix/sbin/bounce", ST_ROLE_MTA, 0},
	{"/usr/lib/postfix/sbin/local", ST_ROLE_MTA, 0},
	{"/usr/lib/postfix/sbin/smtp", ST_ROLE_MTA, 0},
	{"/usr/libexec/postfix/smtpd", ST_ROLE_SMTPD, 0}, /* RHEL */
	{"/usr/libexec/postfix/pickup", ST_ROLE_MTA, 0},
	{"/usr/libexec/postfix/cleanup", ST_ROLE_MTA, 0},
	{"/usr/libexec/postfix/qmgr", ST_ROLE_MTA, 0},
	{"/usr/libexec/postfix/bounce", ST_ROLE_MTA, 0},
	{"/usr/libexec/postfix/local", ST_ROLE_MTA, 0},
	{"/usr/libexec/postfix/smtp", ST_ROLE_MTA, 0},
	{NULL, 0, 0},
};

/* The directories that hold messages, in the order in which a message goes through them. */
enum where { MAILDROP, INCOMING, ACTIVE, DEFERRED, HOLD, CORRUPT, WHERE_COUNT };

static const char *const directories[WHERE_COUNT] = {
	"maildrop", "incoming", "active", "deferred", "hold", "corrupt",
};

/* The tools list corrupt/ nowhere: what is moved there has left. */
#define LISTED CORRUPT

/* Short ids are hexadecimal (5 digits of microseconds, the inode), long ones base 52 with a 'z'
 * between; both are letters and digits. */
static bool is_id(const char *s)
{
	size_t n = strlen(s);

	return n >= 6 && n <= 32 && spool_is_word(s, n, "");
}

/* "USEC.PID", a file that has no id yet. */
static bool is_temporary(const char *s)
{
	return strchr(s, '.') && strspn(s, "0123456789.") == strlen(s);
}

/* Where a name stands, and its last component, behind any hash directories. WHERE_COUNT: nowhere.
 */
static enum where place_of(const char *name, const char **last)
{
	const char *slash;

	if (!name)
		return WHERE_COUNT;
	for (int i = 0; i < WHERE_COUNT; i++) {
		size_t n = strlen(directories[i]);

		if (strncmp(name, directories[i], n) != 0 || name[n] != '/')
			continue;
		name += n + 1;
		while ((slash = strchr(name, '/')) && slash == name + 1)
			name = slash + 1;
		if (slash || !*name)
			return WHERE_COUNT;
		*last = name;
		return (enum where)i;
	}
	return WHERE_COUNT;
}

static size_t rules(const struct mta_queue *q, struct st_rule out[ST_MAX_RULES])
{
	(void)q;
	memset(out, 0, sizeof(*out) * ST_MAX_RULES);
	for (size_t i = 0; i < WHERE_COUNT; i++) {
		memcpy(out[i].top, directories[i], strnlen(directories[i], sizeof(out[i].top)));
		out[i].ops = ST_OP_RENAME | ST_OP_UNLINK;
	}
	out[CORRUPT].ops = ST_OP_RENAME;
	out[MAILDROP].commits = ST_OP_RENAME;
	return WHERE_COUNT;
}

static enum queue_verb renamed(enum where to, const char *name, const char *old)
{
	const char *from_name = NULL;
	enum where from = place_of(old, &from_name);

	if (!is_id(name) || from == WHERE_COUNT)
		return QUEUE_NOTHING;
	if (is_temporary(from_name)) {
		if (from == MAILDROP && to == MAILDROP)
			return QUEUE_PICKUP;
		return from == INCOMING && to == INCOMING ? QUEUE_COMMIT : QUEUE_NOTHING;
	}
	if (to == CORRUPT)
		return QUEUE_REMOVE;
	/* "postsuper -r" takes a message back to maildrop: pickup unlinks it there and cleanup
	 * commits it again, which balances. */
	return from == CORRUPT ? QUEUE_NOTHING : QUEUE_MOVED;
}

static void interpret(const struct mta_queue *q, uint32_t op, const char *name, const char *old,
		      uint32_t pid, struct queue_change *out)
{
	const char *last = NULL;
	enum where where = place_of(name, &last);

	(void)q;
	(void)pid;
	memset(out, 0, sizeof(*out));
	if (where == WHERE_COUNT || !is_id(last))
		return;
	memcpy(out->id, last, strlen(last) + 1);
	if (op == ST_OP_RENAME) {
		out->verb = renamed(where, last, old);
		/* postdrop.c and cleanup.c; the others have those two do it */
		if (out->verb == QUEUE_PICKUP)
			out->by = 1U << RUN_QUEUER;
		else if (out->verb == QUEUE_COMMIT)
			out->by = 1U << RUN_DAEMON;
	} else if (op == ST_OP_UNLINK && where == MAILDROP) {
		out->verb = QUEUE_PICKED;
	} else if (op == ST_OP_UNLINK && where < LISTED) {
		out->verb = QUEUE_REMOVE;
		/* cleanup takes back what it could not complete; qmgr removes from active only */
		out->incomplete = where == INCOMING;
	}
}

static enum run classify(const char *base, const char *args, size_t args_len)
{
	static const struct {
		const char *base;
		enum run run;
	} known[] = {
		{"postdrop", RUN_QUEUER},  {"postqueue", RUN_QUERY},  {"postsuper", RUN_QUERY},
		{"postcat", RUN_QUERY},    {"postalias", RUN_QUERY},  {"postmap", RUN_QUERY},
		{"mailq", RUN_QUERY},      {"newaliases", RUN_QUERY}, {"smtpd", RUN_SMTPD},
		{"qmqpd", RUN_SMTPD},      {"bounce", RUN_BOUNCE},    {"local", RUN_FORWARD},
		{"virtual", RUN_DELIVERY}, {"pipe", RUN_DELIVERY},    {"smtp", RUN_DELIVERY},
		{"lmtp", RUN_DELIVERY},    {"qmgr", RUN_DELIVERY},    {"nqmgr", RUN_DELIVERY},
		{"error", RUN_DELIVERY},   {"master", RUN_DAEMON},    {"pickup", RUN_DAEMON},
		{"cleanup", RUN_DAEMON},
	};
	char name[64];

	for (size_t i = 0; i < array_size(known); i++)
		if (strcmp(base, known[i].base) == 0)
			return known[i].run;
	if (strncmp(base, "sendmail", 8) != 0)
		return RUN_OTHER;
	args_name(args, args_len, name, sizeof(name));
	if (strncmp(name, "mailq", 5) == 0 || strncmp(name, "newaliases", 10) == 0)
		return RUN_QUERY;
	switch (args_sendmail_mode(args, args_len)) {
	case 'm':
	case 's':
	case 'v': /* queues a probe, and a report about it */
		return RUN_SUBMIT;
	case 'd':
	case 'l':
		return RUN_DAEMON;
	default:
		return RUN_QUERY;
	}
}

/* ---- finding ---- */

static bool looks_right(const char *dir)
{
	return spool_has_dir(dir, "incoming") && spool_has_dir(dir, "active") &&
	       spool_has_dir(dir, "deferred");
}

static size_t add(const char *dir, struct mta_queue *out, size_t n, size_t max)
{
	return looks_right(dir) ? spool_add(&mta_postfix, dir, out, n, max) : n;
}

static size_t add_instance(const char *config, struct mta_queue *out, size_t n, size_t max)
{
	char file[PATH_MAX], dir[PATH_MAX];

	if (snprintf(file, sizeof(file), "%s/main.cf", config) >= (int)sizeof(file))
		return n;
	if (spool_setting(file, "queue_directory", dir, sizeof(dir)) < 0 || dir[0] != '/')
		return n;
	return add(dir, out, n, max);
}

static int discover(const char *override, struct mta_queue *out, size_t max)
{
	char more[4096], *next = more;
	size_t n = 0;

	if (override)
		return (int)add(override, out, 0, max);
	n = add_instance("/etc/postfix", out, n, max);
	n = add("/var/spool/postfix", out, n, max);
	if (spool_setting("/etc/postfix/main.cf", "multi_instance_directories", more,
			  sizeof(more)) == 0)
		for (char *dir; (dir = strsep(&next, ", \t"));)
			if (dir[0] == '/')
				n = add_instance(dir, out, n, max);
	return (int)n;
}

/* ---- counting and listing ---- */

struct tally {
	struct queue_counts *counts;
	int64_t here;
};

static int count_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	struct tally *t = arg;

	bool file = !spool_is_dir(dirfd, name, type) && type != DT_LNK;

	if (file && is_id(name))
		t->here++;
	else if (file && is_temporary(name))
		t->counts->partial++;
	else
		t->counts->garbage++;
	return 0;
}

static int count(struct mta_queue *q, struct queue_counts *out)
{
	struct queue_counts c = {0};
	int r = spool_gone(q);

	if (r < 0)
		return r;
	for (int i = 0; i < LISTED; i++) {
		struct tally t = {.counts = &c};

		r = spool_scan_hashed(q->fd, directories[i], HASH_DEPTH, count_entry, &t);
		if (r < 0 && !(r == -ENOENT && (i == MAILDROP || i == HOLD)))
			return r;
		c.messages += t.here;
		if (i == MAILDROP || i == INCOMING)
			c.unprocessed += t.here;
		else if (i == HOLD)
			c.held += t.here;
	}
	*out = c;
	return 0;
}

static int list_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	return is_id(name) ? spool_list_file(arg, dirfd, name, type, name) : 0;
}

static int list(struct mta_queue *q, entry_fn fn, void *arg)
{
	int r = spool_gone(q);

	if (r < 0)
		return r;
	for (int i = 0; i < LISTED; i++) {
		/* qmgr sets the file's own time to that of the next attempt; the facts have the
		 * arrival */
		struct spool_listing l = {
			.q = q, .state = directories[i], .fn = fn, .arg = arg, .by_change = true};

		r = spool_scan_hashed(q->fd, directories[i], HASH_DEPTH, list_entry, &l);
		if (r && !(r == -ENOENT && (i == MAILDROP || i == HOLD)))
			return r;
	}
	return 0;
}

/*
 * Hash directories are named by the file's microseconds: the first digits of a short id; of a long
 * id, those of its 4 base-52 digits turned back into 5 hexadecimal ones, reversed order not being
 * used (global/mail_queue.c, mail_queue_dir()).
 */
static void hash_digits(const char *id, char out[6])
{
	static const char base52[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
	unsigned long usec = 0;

	if (strspn(id, "0123456789ABCDEF") == strlen(id)) {
		snprintf(out, 6, "%.5s", id);
		return;
	}
	/* seconds take 6 digits or more, then microseconds take 4, then 'z' and the inode */
	if (strlen(id) >= 10)
		for (int i = 6; i < 10; i++) {
			const char *d = strchr(base52, id[i]);

			usec = usec * 52 + (d && *d ? (unsigned long)(d - base52) : 0);
		}
	snprintf(out, 6, "%05lX", usec & 0xfffff);
}

static int open_in(struct mta_queue *q, enum where where, int depth, const char *id,
		   const char *digits)
{
	char path[QUEUE_ID_MAX + 32], below[2 * HASH_DEPTH + 1] = "";

	for (int i = 0; i < depth; i++) {
		below[2 * i] = digits[i];
		below[2 * i + 1] = '/';
	}
	snprintf(path, sizeof(path), "%s/%s%s", directories[where], below, id);
	return spool_open(q->fd, path, NULL);
}

/* How many levels of hash directories there may be in it: none where its links are its name, "."
 * and no sub-directory's "..". Where a file system counts otherwise (btrfs: 1), all. */
static int hash_depth(const struct mta_queue *q, enum where where)
{
	struct stat st;

	return !fstatat(q->fd, directories[where], &st, 0) && st.st_nlink == 2 ? 0 : HASH_DEPTH;
}

/*
 * In which place the message is, or -errno. Messages move on while we look: twice round finds them.
 * The first time only where a default installation has it (hash_queue_names is "deferred, defer"):
 * most that are looked for in vain have been delivered, and each look costs.
 */
static int open_message(struct mta_queue *q, const char *id)
{
	char digits[6];
	int fd;

	if (!is_id(id))
		return -EINVAL;
	hash_digits(id, digits);
	for (int n = 0; n < LISTED; n++) {
		/* on their way; what lies in maildrop is asked for least */
		enum where i = (enum where)((n + INCOMING) % LISTED);

		fd = open_in(q, i, i == DEFERRED, id, digits);
		if (fd != -ENOENT && fd != -ENOTDIR)
			return fd;
	}
	for (int i = 0; i < LISTED; i++) {
		int most = hash_depth(q, (enum where)i);

		for (int depth = 0; depth <= most; depth++) {
			fd = open_in(q, (enum where)i, depth, id, digits);
			if (fd != -ENOENT && fd != -ENOTDIR)
				return fd;
		}
	}
	return -ENOENT;
}

static int facts(struct mta_queue *q, int fd, const char *id, uint32_t pid,
		 struct message_facts *out)
{
	(void)q;
	(void)pid;
	return is_id(id) ? postfix_file_facts(fd, out) : -EINVAL;
}

static int describe(struct mta_queue *q, int fd, const char *id, struct message_facts *out,
		    recipient_fn fn, void *arg)
{
	int r = facts(q, fd, id, 0, out);

	if (r == 0 && fn)
		postfix_file_recipients(fd, fn, arg);
	return r;
}

static const char *howto(const struct mta_queue *q, const char *verb, char *buf, size_t size,
			 const char *id)
{
	static const struct {
		const char *verb, *option;
	} known[] = {{"hold", "-h"}, {"release", "-H"}, {"delete", "-d"}, {"requeue", "-r"}};

	(void)q;
	if (id && !is_id(id))
		return NULL;
	for (size_t i = 0; i < array_size(known); i++) {
		int n;

		if (strcmp(verb, known[i].verb) != 0)
			continue;
		n = snprintf(buf, size, "postsuper %s %s\n", known[i].option, id ? id : "-");
		return n > 0 && (size_t)n < size ? buf : NULL;
	}
	return NULL;
}

const struct mta mta_postfix = {
	.name = "postfix",
	.programs = programs,
	.pickup = "pickup",
	.discover = discover,
	.rules = rules,
	.interpret = interpret,
	.classify = classify,
	.count = count,
	.list = list,
	.open = open_message,
	.facts = facts,
	.describe = describe,
	.headers = postfix_file_headers,
	.howto = howto,
};
