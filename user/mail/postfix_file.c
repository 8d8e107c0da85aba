// SPDX-License-Identifier: GPL-2.0-only
/*
 * Record types: Postfix 3.7, src/global/rec_type.h, unchanged since 2.3. A length has 7 bits a
 * byte, the lowest first. Order: size record (not in maildrop), envelope up to M, the message's
 * lines up to X, what was taken from headers (recipients of "sendmail -t") up to E. A milter that
 * edits leaves pointer records, which say at which offset the file goes on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "mail/message.h"
#include "mail/postfix_file.h"
#include "mail/spool.h"

#define REC_SIZE      'C'
#define REC_TIME      'T'
#define REC_SENDER    'S'
#define REC_RECIPIENT 'R'
#define REC_DONE      'D'
#define REC_ATTRIBUTE 'A'
#define REC_MESSAGE   'M'
#define REC_LINE      'N'
#define REC_LINE_PART 'L' /* goes on in the next record */
#define REC_POINTER   'p'
#define REC_EXTRACTED 'X'
#define REC_END       'E'

/* Reads of one block each: facts need a few, a list of 100,000 recipients some hundred. */
#define FACTS_READS      256
#define RECIPIENTS_READS 4096
#define MAX_RECORDS      (1 << 22)
#define MAX_JUMPS        1000

struct reader {
	struct spool_window w;
	off_t off;
	unsigned records, jumps;
	/* the record */
	int type;
	size_t len;
	off_t data;
};

static void reader_init(struct reader *r, int fd, unsigned reads)
{
	r->off = 0;
	r->records = r->jumps = 0;
	spool_window_init(&r->w, fd, reads);
}

/* 1: a record, 0: the end of the file, -EINVAL: no record, or more of them than there can be. */
static int next_record(struct reader *r)
{
	unsigned shift = 0;
	size_t len = 0;
	int c = spool_byte(&r->w, r->off);

	if (c < 0)
		return r->w.reads_left ? 0 : -EFBIG;
	if (++r->records > MAX_RECORDS || c < ' ' || c > '~')
		return -EINVAL;
	r->type = c;
	r->off++;
	do {
		c = spool_byte(&r->w, r->off++);
		if (c < 0 || shift > 28)
			return -EINVAL;
		len |= (size_t)(c & 0x7f) << shift;
		shift += 7;
	} while (c & 0x80);
	if (len > INT32_MAX)
		return -EINVAL;
	r->len = len;
	r->data = r->off;
	r->off += (off_t)len;
	return 1;
}

/* The record's data as a string, cut. */
static void record_text(struct reader *r, char *out, size_t size)
{
	size_t n = spool_copy(&r->w, r->data, out, r->len < size - 1 ? r->len : size - 1);

	out[n] = '\0';
}

/* Follows a pointer; 0 as its value: not in use. */
static int jump(struct reader *r)
{
	char text[32];
	long long to;

	record_text(r, text, sizeof(text));
	to = strtoll(text, NULL, 10);
	if (to < 0 || (to && ++r->jumps > MAX_JUMPS))
		return -EINVAL;
	if (to)
		r->off = (off_t)to;
	return 0;
}

/* Attributes that smtpd and the others leave; "unknown" is Postfix's own word for nothing. */
static void attribute(struct reader *r, struct message_facts *f)
{
	char text[512], *value;
	static const struct {
		const char *name;
		size_t at, size;
	} known[] = {
#define FIELD(m) offsetof(struct message_facts, m), sizeof(((struct message_facts *)0)->m)
		{"sasl_username", FIELD(auth_user)},  {"log_client_address", FIELD(client_ip)},
		{"client_address", FIELD(client_ip)}, {"log_helo_name", FIELD(helo)},
		{"helo_name", FIELD(helo)},
#undef FIELD
	};

	record_text(r, text, sizeof(text));
	value = strchr(text, '=');
	if (!value)
		return;
	*value++ = '\0';
	if (strcmp(text, "log_message_origin") == 0 && strcmp(value, "local") != 0)
		f->from_network = true;
	if (!*value || strcmp(value, "unknown") == 0)
		return;
	/* smtpd.c writes both: of the client itself, and of whom XCLIENT or a proxy says it is */
	if (strcmp(text, "client_port") == 0 && strspn(value, "0123456789") == strlen(value) &&
	    strlen(value) < 6)
		f->client_port = (uint16_t)strtoul(value, NULL, 10);
	for (size_t i = 0; i < array_size(known); i++)
		if (strcmp(text, known[i].name) == 0)
			text_copy((char *)f + known[i].at, known[i].size, value);
}

/* Up to n numbers with blanks between; returns how many there are. */
static int numbers(const char *s, long long *out, int n)
{
	for (int i = 0; i < n; i++) {
		char *end;

		errno = 0;
		out[i] = strtoll(s, &end, 10);
		if (end == s || errno)
			return i;
		s = end;
	}
	return n;
}

struct scan {
	struct message_facts *f;
	char *head;
	size_t head_len;
	bool in_message, head_done, sized, sender, continued;
	int64_t recipients;
};

static void content(struct reader *r, struct scan *s)
{
	size_t room = SPOOL_HEADERS_MAX - s->head_len, n;

	if (s->head_done)
		return;
	if (r->type == REC_LINE && r->len == 0 && !s->continued) {
		s->head_done = true;
		return;
	}
	n = spool_copy(&r->w, r->data, s->head + s->head_len, r->len < room ? r->len : room);
	s->head_len += n;
	s->continued = r->type == REC_LINE_PART;
	if (!s->continued && s->head_len < SPOOL_HEADERS_MAX)
		s->head[s->head_len++] = '\n';
	if (s->head_len == SPOOL_HEADERS_MAX)
		s->head_done = true;
}

/* "data size, data offset, recipients, qmgr flags, message size": all 0 until cleanup has finished.
 */
static void size_record(struct reader *r, struct scan *s)
{
	char text[128];
	long long n[3];

	record_text(r, text, sizeof(text));
	if (numbers(text, n, 3) != 3 || n[1] <= 0 || n[0] < 0 || n[2] < 0)
		return;
	s->f->bytes = n[0];
	s->f->recipients = n[2];
	s->sized = true;
}

static void envelope(struct reader *r, struct scan *s)
{
	struct message_facts *f = s->f;
	char text[64];
	long long n[2] = {0};

	switch (r->type) {
	case REC_SIZE:
		size_record(r, s);
		break;
	case REC_TIME:
		record_text(r, text, sizeof(text));
		if (numbers(text, n, 2) >= 1 && n[0] > 0 && n[0] < 1LL << 33)
			f->time_ns = (uint64_t)n[0] * 1000000000U +
				     (n[1] > 0 && n[1] < 1000000 ? (uint64_t)n[1] * 1000U : 0);
		break;
	case REC_SENDER:
		record_text(r, f->sender, sizeof(f->sender));
		f->has_sender = true;
		break;
	case REC_RECIPIENT:
	case REC_DONE:
		s->recipients++;
		break;
	case REC_ATTRIBUTE:
		attribute(r, f);
		break;
	}
}

/* One record; 1: enough has been seen, 0: go on, -errno. */
static int step(struct reader *r, struct scan *s)
{
	switch (r->type) {
	case REC_POINTER:
		return jump(r);
	case REC_MESSAGE:
		s->in_message = true;
		return 0;
	case REC_EXTRACTED:
		s->in_message = false;
		return 0;
	case REC_END:
		return 1;
	case REC_LINE:
	case REC_LINE_PART:
		if (s->in_message)
			content(r, s);
		return s->head_done && s->sized ? 1 : 0;
	default:
		if (!s->in_message)
			envelope(r, s);
		return 0;
	}
}

static void first_received(void *arg, const char *value, size_t len)
{
	struct received *r = arg;

	if (r->kind == RECEIVED_OTHER && !*r->by)
		message_received(value, len, r);
}

/* The topmost Received line is Postfix's own. */
static void from_received(const char *head, size_t len, struct message_facts *f)
{
	struct received r = {.kind = RECEIVED_OTHER, .uid = COUNT_UNKNOWN, .pid = COUNT_UNKNOWN};

	message_each_received(head, len, first_received, &r);
	if (r.kind == RECEIVED_LOCAL_UID && !f->from_network)
		f->uid = r.uid;
}

/* bounce(8) makes its MIME boundary of the bounced message's id:
 * boundary="8EC1E14A11B.1795296997/host" (bounce_notify_util.c). */
static void bounced_id(const char *head, size_t len, struct message_facts *f)
{
	static const char mark[] = "boundary=\"";
	const char *at = memmem(head, len, mark, sizeof(mark) - 1);
	size_t n = 0;

	if (!at)
		return;
	at += sizeof(mark) - 1;
	while (at + n < head + len && spool_is_word(at + n, 1, ""))
		n++;
	if (n < 6 || n >= sizeof(f->parent_id) || at + n >= head + len || at[n] != '.')
		return;
	memcpy(f->parent_id, at, n);
	f->parent_id[n] = '\0';
}

/*
 * A forward of local(8) begins with "Received: by HOST (Postfix)", which has neither a client nor a
 * uid, and "Delivered-To:" (local/forward.c). What comes in by smtpd or pickup gets a line of
 * theirs on top, so nobody else can write this.
 */
static bool is_forward(const char *head, size_t len)
{
	static const char by[] = "Received: by ", to[] = "\nDelivered-To: ", from[] = "from ";
	const char *end = head;

	if (len < sizeof(by) || memcmp(head, by, sizeof(by) - 1))
		return false;
	do {
		end = memchr(end, '\n', (size_t)(head + len - end));
	} while (end && ++end < head + len && (*end == ' ' || *end == '\t'));
	if (!end || (size_t)(head + len - end) < sizeof(to) - 2)
		return false;
	return !memcmp(end - 1, to, sizeof(to) - 1) &&
	       !memmem(head, (size_t)(end - head), from, sizeof(from) - 1);
}

/* Reads the file into s; 1: to its end or as far as is needed, 0: it ends before that, -errno. */
static int scan_file(int fd, struct scan *s)
{
	struct reader r;
	struct stat st;
	int more, done = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	/* MAIL_QUEUE_STAT_READY: the execute bit says that the file is whole (global/mail_queue.h)
	 */
	if (!(st.st_mode & S_IXUSR))
		return -EAGAIN;
	reader_init(&r, fd, FACTS_READS);
	while ((more = next_record(&r)) == 1 && (done = step(&r, s)) == 0)
		;
	if (more == -EINVAL || done < 0 || (!s->sized && !s->f->has_sender))
		return -EINVAL;
	if (!s->sized) {
		/* in maildrop: recipients are known when the end was seen, and the file is the
		 * injector's */
		s->f->recipients = done == 1 ? s->recipients : COUNT_UNKNOWN;
		s->f->uid = st.st_uid;
		s->f->bytes = st.st_size;
	}
	return done;
}

int postfix_file_facts(int fd, struct message_facts *out)
{
	char head[SPOOL_HEADERS_MAX];
	struct message_facts f;
	struct scan s = {.f = &f, .head = head};
	int r;

	message_facts_init(&f);
	r = scan_file(fd, &s);
	if (r < 0)
		return r;
	if (*f.client_ip)
		f.from_network = true;
	message_headers(head, s.head_len, &f);
	from_received(head, s.head_len, &f);
	f.local = f.uid >= 0;
	f.forward = !f.from_network && !f.local && is_forward(head, s.head_len);
	f.bounce = f.has_sender && !*f.sender && !f.from_network && !f.local && !f.forward;
	if (f.bounce)
		bounced_id(head, s.head_len, &f);
	*out = f;
	return 0;
}

ssize_t postfix_file_headers(int fd, char out[HEADERS_MAX])
{
	struct message_facts f;
	struct scan s = {.f = &f, .head = out};
	int r;

	message_facts_init(&f);
	r = scan_file(fd, &s);
	return r < 0 ? r : (ssize_t)s.head_len;
}

/* Over the message to where the size record says that the extracted records begin, if they do. */
static void skip_message(struct reader *r, off_t message_end)
{
	off_t here = r->off;

	r->off = message_end;
	if (message_end < here || next_record(r) != 1 || r->type != REC_EXTRACTED)
		r->off = here;
	else
		r->off = message_end;
	r->type = REC_MESSAGE;
}

int postfix_file_recipients(int fd, recipient_fn fn, void *arg)
{
	char address[1024];
	struct reader r;
	bool in_message = false;
	long long n[2] = {0};
	int more, err;

	reader_init(&r, fd, RECIPIENTS_READS);
	while ((more = next_record(&r)) == 1 && r.type != REC_END) {
		if (r.type == REC_POINTER) {
			err = jump(&r);
		} else if (r.type == REC_MESSAGE || r.type == REC_EXTRACTED) {
			in_message = r.type == REC_MESSAGE;
			if (in_message && n[0] > 0)
				skip_message(&r, (off_t)(n[0] + n[1]));
			err = 0;
		} else if (r.type == REC_SIZE) {
			record_text(&r, address, sizeof(address));
			if (numbers(address, n, 2) != 2 || n[0] < 0 || n[1] < 0 ||
			    n[0] > INT32_MAX || n[1] > INT32_MAX)
				n[0] = 0;
			err = 0;
		} else if (r.type == REC_RECIPIENT && !in_message) {
			record_text(&r, address, sizeof(address));
			err = fn(arg, address);
		} else {
			err = 0;
		}
		if (err)
			return err;
	}
	return more < 0 ? more : 0;
}
