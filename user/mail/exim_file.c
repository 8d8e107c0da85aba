// SPDX-License-Identifier: GPL-2.0-only
/*
 * Format: Exim specification, chapter "Format of spool files", and spool_in.c of 4.96. Lines: name;
 * login uid gid; <sender>; time and count of warnings; "-name value" options (from 4.94 on "--name"
 * for tainted ones); the tree of addresses that are done, or "XX"; the number of recipients; the
 * recipients; an empty line; headers, each "NNNc " with its length and a type letter before it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "mail/exim_file.h"
#include "mail/message.h"
#include "mail/spool.h"

/* Blocks: the envelope of 30,000 recipients. */
#define FACTS_READS      256
#define RECIPIENTS_READS 4096
#define MAX_RECIPIENTS   10000000

struct head {
	struct spool_window w;
	off_t off;
	char line[2048];
	int64_t recipients;
	bool network;
};

static bool next_line(struct head *h)
{
	return spool_line(&h->w, &h->off, '\n', h->line, sizeof(h->line)) >= 0;
}

/* "www-data 33 33". Exim's own user for SMTP. */
static bool caller(struct head *h, struct message_facts *f)
{
	char *gid, *uid;
	unsigned long v;

	gid = strrchr(h->line, ' ');
	if (!gid)
		return false;
	*gid = '\0';
	uid = strrchr(h->line, ' ');
	if (!uid)
		return false;
	*uid++ = '\0';
	v = strtoul(uid, NULL, 10);
	if (v > UINT32_MAX)
		return false;
	f->uid = (int64_t)v;
	text_copy(f->login, sizeof(f->login), h->line);
	return true;
}

static bool sender(const struct head *h, struct message_facts *f)
{
	size_t n = strlen(h->line);

	if (n < 2 || h->line[0] != '<' || h->line[n - 1] != '>')
		return false;
	snprintf(f->sender, sizeof(f->sender), "%.*s",
		 (int)(n - 2 < sizeof(f->sender) ? n - 2 : sizeof(f->sender)), h->line + 1);
	f->has_sender = true;
	return true;
}

static uint16_t port_number(const char *s)
{
	unsigned long n = strtoul(s, NULL, 10);

	return n <= UINT16_MAX ? (uint16_t)n : 0;
}

/* "[127.0.0.1]:43210" from 4.96 on, before that "127.0.0.1.43210" with the port behind the last
 * dot; very old ones have none. */
static void host_address(struct head *h, const char *value, struct message_facts *f)
{
	size_t dots = 0, n = strlen(value);

	if (*value == '[') {
		value++;
		n = strcspn(value, "]");
		if (value[n] == ']' && value[n + 1] == ':')
			f->client_port = port_number(value + n + 2);
	} else {
		for (const char *p = value; *p; p++)
			dots += *p == '.';
		if (dots == 4 || (dots && strchr(value, ':'))) {
			n = (size_t)(strrchr(value, '.') - value);
			f->client_port = port_number(value + n + 1);
		}
	}
	if (n >= sizeof(f->client_ip))
		n = 0;
	memcpy(f->client_ip, value, n);
	f->client_ip[n] = '\0';
	h->network = true;
}

/* "-name value"; "--name value" when tainted, and from 4.97 on "--(quoter)name". */
static void option(struct head *h, struct message_facts *f)
{
	char *name = h->line + 1, *value;

	if (*name == '-')
		name++;
	if (*name == '(') {
		name = strchr(name, ')');
		if (!name)
			return;
		name++;
	}
	value = strchr(name, ' ');
	if (value)
		*value++ = '\0';
	if (strcmp(name, "frozen") == 0)
		f->held = true;
	if (!value)
		return;
	if (strcmp(name, "host_address") == 0)
		host_address(h, value, f);
	else if (strcmp(name, "auth_id") == 0)
		text_copy(f->auth_user, sizeof(f->auth_user), value);
	else if (strcmp(name, "received_time_usec") == 0 && value[0] == '.' && f->time_ns &&
		 f->time_ns % 1000000000 == 0 && strlen(value) == 7 &&
		 strspn(value + 1, "0123456789") == 6)
		f->time_ns += strtoul(value + 1, NULL, 10) * 1000;
	else if (strcmp(name, "helo_name") == 0)
		text_copy(f->helo, sizeof(f->helo), value);
}

/* The tree in preorder: each line "LR address" says which subtrees follow; "XX": there is none. */
static bool skip_tree(struct head *h)
{
	int64_t open = 1;

	if (strcmp(h->line, "XX") == 0)
		return true;
	while (open > 0) {
		const char *l = h->line;

		if ((l[0] != 'Y' && l[0] != 'N') || (l[1] != 'Y' && l[1] != 'N') || l[2] != ' ')
			return false;
		open += (l[0] == 'Y') + (l[1] == 'Y') - 1;
		if (open > MAX_RECIPIENTS || (open > 0 && !next_line(h)))
			return false;
	}
	return true;
}

/* Up to the number of recipients. */
static int read_top(struct head *h, const char *id, struct message_facts *f)
{
	size_t n;
	long long count, when;

	if (!next_line(h))
		return -EINVAL;
	n = strlen(h->line);
	if (n < 3 || strcmp(h->line + n - 2, "-H") != 0)
		return -EINVAL;
	if (id && (n - 2 != strlen(id) || strncmp(h->line, id, n - 2) != 0))
		return -ESTALE;
	if (!next_line(h) || !caller(h, f) || !next_line(h) || !sender(h, f) || !next_line(h))
		return -EINVAL;
	when = strtoll(h->line, NULL, 10);
	if (when > 0 && when < 1LL << 33)
		f->time_ns = (uint64_t)when * 1000000000U;
	while (next_line(h) && h->line[0] == '-')
		option(h, f);
	if (!skip_tree(h) || !next_line(h))
		return -EINVAL;
	count = strtoll(h->line, NULL, 10);
	if (count < 0 || count > MAX_RECIPIENTS)
		return -EINVAL;
	h->recipients = count;
	return 0;
}

/* The address of a recipient's line: "address [errors_to len,parent]#N" when it carries more
 * (spool_in.c). */
static char *address_of(char *line)
{
	size_t n = strlen(line);

	if (n > 2 && line[n - 2] == '#' && strchr("0123", line[n - 1])) {
		char *space = strchr(line, ' ');

		if (space)
			*space = '\0';
	}
	return line;
}

/* "226P Received: ...": the headers as text, those that Exim deleted ('*') left out. Returns the
 * bytes of all of them, or -1. */
static int64_t read_headers(struct head *h, char *out, size_t *len)
{
	int64_t bytes = 0;
	char prefix[16];

	*len = 0;
	for (;;) {
		size_t n = spool_copy(&h->w, h->off, prefix, sizeof(prefix) - 1), digits, take;
		unsigned long size;
		char type;

		if (n == 0)
			return h->w.reads_left ? bytes : -1;
		prefix[n] = '\0';
		digits = strspn(prefix, "0123456789");
		if (digits < 3 || digits > 9 || digits + 2 > n || prefix[digits + 1] != ' ')
			return -1;
		size = strtoul(prefix, NULL, 10);
		type = prefix[digits];
		h->off += (off_t)digits + 2;
		take = SPOOL_HEADERS_MAX - *len < size ? SPOOL_HEADERS_MAX - *len : size;
		if (type != '*') {
			*len += spool_copy(&h->w, h->off, out + *len, take);
			bytes += (int64_t)size;
		}
		h->off += (off_t)size;
	}
}

/* All of the file; h->w says where it stopped. */
static int read_file(int fd, const char *id, struct head *h, struct message_facts *f, char *text,
		     size_t *len)
{
	int r;

	h->off = 0;
	h->network = false;
	spool_window_init(&h->w, fd, FACTS_READS);
	r = read_top(h, id, f);
	if (r < 0)
		return r;
	f->recipients = h->recipients;
	for (int64_t i = 0; i < h->recipients; i++)
		if (!next_line(h))
			return h->w.reads_left ? -EINVAL : -EFBIG;
	if (!next_line(h) || *h->line)
		return -EINVAL;
	f->bytes = read_headers(h, text, len);
	return 0;
}

int exim_file_facts(int fd, const char *id, struct message_facts *out)
{
	char text[SPOOL_HEADERS_MAX];
	struct message_facts f;
	struct head h;
	struct stat st;
	size_t len;
	int r;

	message_facts_init(&f);
	r = read_file(fd, id, &h, &f, text, &len);
	if (r < 0)
		return r;
	message_headers(text, len, &f);
	f.from_network = h.network;
	f.local = !h.network;
	/* auth_id is the caller's login where nobody authenticated; a bounce is what Exim's own
	 * user, who owns the file, submits */
	if (f.local)
		f.auth_user[0] = '\0';
	f.bounce = !*f.sender && !h.network && fstat(fd, &st) == 0 && f.uid == (int64_t)st.st_uid;
	*out = f;
	return 0;
}

ssize_t exim_file_headers(int fd, char out[HEADERS_MAX])
{
	struct message_facts f;
	struct head h;
	size_t len;
	int r;

	message_facts_init(&f);
	r = read_file(fd, NULL, &h, &f, out, &len);
	return r < 0 ? r : (ssize_t)len;
}

int exim_file_recipients(int fd, recipient_fn fn, void *arg)
{
	struct message_facts f;
	struct head h = {.off = 0};
	int r;

	message_facts_init(&f);
	spool_window_init(&h.w, fd, RECIPIENTS_READS);
	r = read_top(&h, NULL, &f);
	if (r < 0)
		return r;
	for (int64_t i = 0; i < h.recipients; i++) {
		if (!next_line(&h))
			return -EINVAL;
		r = fn(arg, address_of(h.line));
		if (r)
			return r;
	}
	return 0;
}
