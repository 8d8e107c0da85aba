// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exim 4. A message is input/ID-H (envelope and headers) and input/ID-D (body), one level deeper
 * with split_spool_directory; its commit is the first rename of hdr.ID to ID-H (spool_out.c,
 * spool_write_header()). Every deferral renames again, by another process: the second part of an id
 * is the receiving process's pid in base 62, which tells them apart. The message has left when ID-H
 * is unlinked. Ids: 6-6-2 characters, from 4.97 on 6-11-4. The root of a queue here is the input
 * directory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "mail/args.h"
#include "mail/exim_file.h"
#include "mail/spool.h"

static const struct mta_program programs[] = {
	{"/usr/sbin/exim4", ST_ROLE_INJECTOR, 0}, /* Debian */
	{"/usr/sbin/exim", ST_ROLE_INJECTOR, 0},  /* RHEL, cPanel, DirectAdmin */
	{"/usr/sbin/sendmail", ST_ROLE_INJECTOR, 0},
	{"/usr/sbin/sendmail.exim", ST_ROLE_INJECTOR, 0},
	{"/usr/lib/sendmail", ST_ROLE_INJECTOR, 0},
	{"/usr/exim/bin/exim", ST_ROLE_INJECTOR, 0},
	{NULL, 0, 0},
};

/* ---- ids ---- */

static size_t id_length(const char *s)
{
	static const struct {
		size_t pid, fraction;
	} forms[] = {{6, 2}, {11, 4}};

	for (size_t i = 0; i < array_size(forms); i++) {
		size_t dash = 7 + forms[i].pid, end = dash + 1 + forms[i].fraction;

		if (strnlen(s, end) == end && s[6] == '-' && s[dash] == '-' &&
		    spool_is_word(s, 6, "") && spool_is_word(s + 7, forms[i].pid, "") &&
		    spool_is_word(s + dash + 1, forms[i].fraction, ""))
			return end;
	}
	return 0;
}

static bool is_id(const char *s)
{
	size_t n = id_length(s);

	return n && !s[n];
}

/* "ID-H", "ID-D" ...: the letter, 0: no such name. */
static char file_kind(const char *name, char id[QUEUE_ID_MAX])
{
	size_t n = id_length(name);

	if (!n || name[n] != '-' || !name[n + 1] || name[n + 2])
		return 0;
	memcpy(id, name, n);
	id[n] = '\0';
	return name[n + 1];
}

static int base62(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' ? c - 'a' + 36 : c - 'A' + 10;
}

static uint64_t id_pid(const char *id)
{
	uint64_t pid = 0;

	for (const char *p = id + 7; *p && *p != '-' && pid < 1ULL << 50; p++)
		pid = pid * 62 + (uint64_t)base62(*p);
	return pid;
}

/* The last component of a name in the input directory, or in one of its split directories. */
static const char *last_of(const char *name)
{
	const char *slash = strchr(name, '/');

	if (!slash)
		return name;
	return slash == name + 1 && !strchr(slash + 1, '/') ? slash + 1 : NULL;
}

static size_t rules(const struct mta_queue *q, struct st_rule out[ST_MAX_RULES])
{
	/* no `commits`: a name alone does not tell a commit from a deferral */
	static const struct st_rule all = {.ops = ST_OP_RENAME | ST_OP_UNLINK};

	(void)q;
	out[0] = all;
	return 1;
}

static void interpret(const struct mta_queue *q, uint32_t op, const char *name, const char *old,
		      uint32_t pid, struct queue_change *out)
{
	const char *last = last_of(name), *from = old ? last_of(old) : NULL;
	char from_id[QUEUE_ID_MAX];

	(void)q;
	memset(out, 0, sizeof(*out));
	if (!last || file_kind(last, out->id) != 'H')
		return;
	if (op == ST_OP_UNLINK) {
		out->verb = QUEUE_REMOVE;
	} else if (op == ST_OP_RENAME && (!old || (from && strncmp(from, "hdr.", 4) == 0))) {
		bool known = pid != 0;

		if (known && id_pid(out->id) != pid) {
			out->verb = QUEUE_MOVED;
			return;
		}
		out->verb = QUEUE_COMMIT;
		out->needs_run = !known;
	} else if (op == ST_OP_RENAME && from && file_kind(from, from_id) == 'H') {
		out->verb = QUEUE_MOVED;
	}
}

/* ---- what a run is for ---- */

/* exim.c's option loop: these take the next argument when nothing is attached; "-oM.", "-oP", "-oX"
 * too. */
static bool takes_next(const char *a, size_t len)
{
	if (len == 2)
		return strchr("fFrhCLX", a[1]) && a[1];
	if (len >= 3 && a[1] == 'o')
		return (a[2] == 'M' && len > 3) || (len == 3 && strchr("PX", a[2]));
	return false;
}

/* What "-M..." does: without a letter, and with these, it delivers; else it edits or shows the
 * queue. */
static enum run run_of_M(const char *a, size_t len)
{
	if (len == 2 || a[2] == 'c' || a[2] == 'C' || (len == 3 && a[2] == 'g'))
		return RUN_DELIVERY;
	return RUN_QUERY;
}

static enum run run_of_b(const char *a, size_t len)
{
	char letter = len > 2 ? a[2] : 'm';

	switch (letter) {
	case 'd':
	case 'w':
		return RUN_DAEMON;
	case 's':
	case 'S':
	case 'm':
		return RUN_SUBMIT;
	default: /* p, P, i, v, t, h, e, f, F, V, r, I, n */
		return RUN_QUERY;
	}
}

static enum run classify(const char *base, const char *args, size_t args_len)
{
	enum run run = RUN_SUBMIT;
	char name[64];
	size_t len;
	const char *a;

	if (strncmp(base, "exim", 4) != 0 && strncmp(base, "sendmail", 8) != 0)
		return RUN_OTHER;
	args_name(args, args_len, name, sizeof(name));
	if (strcmp(name, "mailq") == 0 || strcmp(name, "newaliases") == 0)
		return RUN_QUERY;
	if (strcmp(name, "runq") == 0)
		return RUN_DAEMON;
	a = args_len ? args_next(args, args_len, NULL, &len) : NULL;
	while (a && (a = args_next(args, args_len, a, &len)) && len >= 2 && a[0] == '-') {
		if (len == 2 && a[1] == '-')
			break;
		if (a[1] == 'E')
			return RUN_BOUNCE;
		if (a[1] == 'M')
			return run_of_M(a, len);
		/* a daemon that ends has its pid file removed by another run (daemon.c) */
		if (len == 4 && memcmp(a, "-oPX", 4) == 0)
			return RUN_QUERY;
		if (a[1] == 'q' || (a[1] == 'R' || a[1] == 'S'))
			run = RUN_DAEMON;
		else if (a[1] == 'b' && run != RUN_DAEMON)
			run = run_of_b(a, len);
		if (takes_next(a, len))
			a = args_next(args, args_len, a, &len);
	}
	return run;
}

/* ---- finding ---- */

static size_t add(const char *dir, struct mta_queue *out, size_t n, size_t max)
{
	return spool_add(&mta_exim, dir, out, n, max);
}

static size_t add_spool(const char *spool, struct mta_queue *out, size_t n, size_t max)
{
	char input[PATH_MAX];

	if (snprintf(input, sizeof(input), "%s/input", spool) >= (int)sizeof(input))
		return n;
	return add(input, out, n, max);
}

/* spool_directory of a configuration file; one level of macro, as Debian writes it (SPOOLDIR). */
static size_t add_configured(const char *file, struct mta_queue *out, size_t n, size_t max)
{
	char value[PATH_MAX], macro[PATH_MAX], *dir = value;

	if (spool_setting(file, "spool_directory", value, sizeof(value)) < 0)
		return n;
	if (*dir == '"') {
		dir++;
		dir[strcspn(dir, "\"")] = '\0';
	}
	if (*dir >= 'A' && *dir <= 'Z') {
		if (spool_setting(file, dir, macro, sizeof(macro)) < 0)
			return n;
		dir = macro;
	}
	return dir[0] == '/' ? add_spool(dir, out, n, max) : n;
}

static int any_message(void *arg, int dirfd, const char *name, unsigned char type)
{
	char id[QUEUE_ID_MAX];

	(void)arg;
	(void)dirfd;
	(void)type;
	return file_kind(name, id) ? 1 : 0;
}

static int discover(const char *override, struct mta_queue *out, size_t max)
{
	static const char *const files[] = {
		"/etc/exim4/exim4.conf", "/var/lib/exim4/config.autogenerated",
		"/etc/exim.conf",        "/etc/exim/exim.conf",
		"/etc/exim4.conf",       "/usr/exim/configure",
	};
	size_t n = 0;

	if (override) {
		const char *base = strrchr(override, '/');

		base = base ? base + 1 : override;
		if (spool_has_dir(override, "input"))
			n = add_spool(override, out, 0, max);
		else if (strcmp(base, "input") == 0 ||
			 spool_scan_hashed(AT_FDCWD, override, 1, any_message, NULL) == 1)
			n = add(override, out, 0, max);
		return (int)n;
	}
	for (size_t i = 0; i < array_size(files); i++)
		n = add_configured(files[i], out, n, max);
	n = add_spool("/var/spool/exim4", out, n, max);
	n = add_spool("/var/spool/exim", out, n, max);
	return (int)n;
}

/* ---- counting and listing ---- */

struct tally {
	int64_t headers, bodies, garbage;
};

static int count_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	struct tally *t = arg;
	char id[QUEUE_ID_MAX];

	if (spool_is_dir(dirfd, name, type) || type == DT_LNK) {
		t->garbage++;
		return 0;
	}
	switch (file_kind(name, id)) {
	case 'H':
		t->headers++;
		break;
	case 'D':
		t->bodies++;
		break;
	case 'J': /* journal of a delivery that is under way */
	case 'K': /* body as it goes to a transport filter */
		break;
	default:
		if (strncmp(name, "hdr.", 4) != 0)
			t->garbage++;
	}
	return 0;
}

static int count(struct mta_queue *q, struct queue_counts *out)
{
	struct tally t = {0};
	int r = spool_gone(q);

	if (r == 0)
		r = spool_scan_hashed(q->fd, ".", 1, count_entry, &t);
	if (r < 0)
		return r;
	*out = (struct queue_counts){
		.messages = t.headers,
		.held = COUNT_UNKNOWN, /* "-frozen" in the files */
		.partial = t.bodies > t.headers ? t.bodies - t.headers : 0,
		.garbage = t.garbage,
	};
	return 0;
}

static int list_entry(void *arg, int dirfd, const char *name, unsigned char type)
{
	char id[QUEUE_ID_MAX];

	return file_kind(name, id) == 'H' ? spool_list_file(arg, dirfd, name, type, id) : 0;
}

static int list(struct mta_queue *q, entry_fn fn, void *arg)
{
	struct spool_listing l = {.q = q, .state = "queued", .fn = fn, .arg = arg};
	int r = spool_gone(q);

	return r < 0 ? r : spool_scan_hashed(q->fd, ".", 1, list_entry, &l);
}

/* A split spool's directory is the sixth character of the id; a spool that has just been switched
 * has both forms. */
static int open_kind(struct mta_queue *q, const char *id, char kind, struct stat *st)
{
	char path[QUEUE_ID_MAX + 8];
	int fd;

	if (!is_id(id))
		return -EINVAL;
	snprintf(path, sizeof(path), "%s-%c", id, kind);
	fd = spool_open(q->fd, path, st);
	if (fd != -ENOENT)
		return fd;
	snprintf(path, sizeof(path), "%c/%s-%c", id[5], id, kind);
	return spool_open(q->fd, path, st);
}

static int open_message(struct mta_queue *q, const char *id)
{
	return open_kind(q, id, 'H', NULL);
}

static int64_t body_size(struct mta_queue *q, const char *id)
{
	char path[QUEUE_ID_MAX + 8];
	struct stat st;

	snprintf(path, sizeof(path), "%s-D", id);
	if (fstatat(q->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		snprintf(path, sizeof(path), "%c/%s-D", id[5], id);
		if (fstatat(q->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return COUNT_UNKNOWN;
	}
	/* its first line is its name */
	return S_ISREG(st.st_mode) && st.st_size >= (off_t)strlen(id) + 3
		       ? st.st_size - (off_t)strlen(id) - 3
		       : COUNT_UNKNOWN;
}

static int facts(struct mta_queue *q, int fd, const char *id, uint32_t pid,
		 struct message_facts *out)
{
	struct message_facts f;
	int64_t body;
	int r;

	if (!is_id(id))
		return -EINVAL;
	/* pid is that of whoever renamed; deliveries do, so only the id itself says who received */
	if (pid && id_pid(id) != pid)
		return -ESTALE;
	r = exim_file_facts(fd, id, &f);
	if (r < 0)
		return r;
	f.pid = (int64_t)id_pid(id);
	body = body_size(q, id);
	f.bytes = body >= 0 && f.bytes >= 0 ? f.bytes + body : COUNT_UNKNOWN;
	*out = f;
	return 0;
}

static int describe(struct mta_queue *q, int fd, const char *id, struct message_facts *out,
		    recipient_fn fn, void *arg)
{
	int r = facts(q, fd, id, 0, out);

	if (r == 0 && fn)
		exim_file_recipients(fd, fn, arg);
	return r;
}

static const char *howto(const struct mta_queue *q, const char *verb, char *buf, size_t size,
			 const char *id)
{
	static const struct {
		const char *verb, *option;
	} known[] = {{"hold", "-Mf"}, {"release", "-Mt"}, {"delete", "-Mrm"}};

	(void)q;
	if (id && !is_id(id))
		return NULL;
	for (size_t i = 0; i < array_size(known); i++) {
		int n;

		if (strcmp(verb, known[i].verb) != 0)
			continue;
		if (id)
			n = snprintf(buf, size, "exim %s %s\n", known[i].option, id);
		else
			n = snprintf(buf, size, "xargs -r -n 100 exim %s\n", known[i].option);
		return n > 0 && (size_t)n < size ? buf : NULL;
	}
	return NULL;
}

const struct mta mta_exim = {
	.name = "exim",
	.programs = programs,
	/* daemon.c, handle_smtp_call(): a child for each connection that was accepted, which writes
	 * the spool itself */
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
	.headers = exim_file_headers,
	.howto = howto,
};
