// SPDX-License-Identifier: GPL-2.0-only
/* Reads every queued message once into bounded tables; one message is in memory at a time. */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/users.h"
#include "commands/queue.h"

#define MAX_KEYS      16384
#define SECOND        1000000000ULL
#define PROGRESS_MASK 255

/*
 * The domains of the message at hand, in the order of its recipients, neighbours together. They
 * wait here for the filters; a message that has more is read a second time.
 */
#define DOMAINS_MAX   512
#define DOMAINS_BYTES 16384

struct domains {
	size_t n, used;
	bool overflow;
	struct {
		uint32_t at, recipients;
	} domain[DOMAINS_MAX];
	char text[DOMAINS_BYTES];
};

struct reading {
	const struct queue_options *o;
	const struct queue_join *join;
	queue_message_fn fn;
	void *arg;
	struct queue_report *report;
	struct mta_queue *queue;
	/* the message at hand */
	bool domain_matches;
	struct key_weight weight;
	struct domains domains;
	uint64_t expected; /* messages in all, for the progress line */
	uint64_t started, shown;
	bool terminal;
};

void queue_origin(const struct message_facts *f, char *out, size_t size)
{
	if (f->bounce)
		snprintf(out, size, "bounce");
	else if (*f->auth_user)
		snprintf(out, size, "auth %s", f->auth_user);
	else if (f->from_network)
		snprintf(out, size, "network %s", *f->client_ip ? f->client_ip : "unknown");
	else if (queue_uid(f) >= 0)
		snprintf(out, size, "uid %" PRId64, queue_uid(f));
	else if (*f->login)
		snprintf(out, size, "login %s", f->login);
	else
		snprintf(out, size, "unknown");
}

/* Sendmail and others write the login name only; the last few are remembered. */
int64_t queue_uid(const struct message_facts *f)
{
	static struct {
		char login[64];
		int64_t uid;
	} known[64];
	unsigned at = 0;
	const struct passwd *p;

	if (f->uid >= 0 || !*f->login)
		return f->from_network ? COUNT_UNKNOWN : f->uid;
	for (const char *s = f->login; *s; s++)
		at = at * 31 + (unsigned char)*s;
	at %= 64;
	if (strcmp(known[at].login, f->login) != 0) {
		p = user_by_name(f->login);
		text_copy(known[at].login, sizeof(known[at].login), f->login);
		known[at].uid = p ? (int64_t)p->pw_uid : COUNT_UNKNOWN;
	}
	return known[at].uid;
}

/* ---- recipients ---- */

static const char *domain_of(const char *address)
{
	const char *at = strrchr(address, '@');

	return at && at[1] ? at + 1 : "(local)";
}

static size_t lower(char *out, size_t size, const char *in)
{
	size_t n = 0;

	for (; in[n] && n + 1 < size; n++)
		out[n] = in[n] >= 'A' && in[n] <= 'Z' ? (char)(in[n] + 32) : in[n];
	out[n] = '\0';
	return n;
}

static int note_recipient(void *arg, const char *address)
{
	struct reading *r = arg;
	struct domains *d = &r->domains;
	char domain[256];
	size_t n = lower(domain, sizeof(domain), domain_of(address));

	if (r->o->domain && fnmatch(r->o->domain, domain, FNM_CASEFOLD) == 0)
		r->domain_matches = true;
	if (d->n && strcmp(d->text + d->domain[d->n - 1].at, domain) == 0) {
		d->domain[d->n - 1].recipients++;
	} else if (d->n < DOMAINS_MAX && d->used + n + 1 <= sizeof(d->text)) {
		d->domain[d->n].at = (uint32_t)d->used;
		d->domain[d->n++].recipients = 1;
		memcpy(d->text + d->used, domain, n + 1);
		d->used += n + 1;
	} else {
		d->overflow = true;
	}
	return 0;
}

/* A row knows the message that it counted last, so that a message counts once in each. */
static void tally_domain(struct reading *r, const char *domain, uint32_t recipients)
{
	struct key_row *row = key_table_row(r->report->by[QUEUE_BY_DOMAIN], domain, strlen(domain));

	if (row->last_message != r->report->read) {
		row->last_message = r->report->read;
		key_row_add(row, &r->weight);
	}
	row->recipients += recipients;
}

static int tally_recipient(void *arg, const char *address)
{
	char domain[256];

	lower(domain, sizeof(domain), domain_of(address));
	tally_domain(arg, domain, 1);
	return 0;
}

static void tally_domains(struct reading *r, const struct queue_entry *e)
{
	struct message_facts again;

	r->weight.recipients = 0; /* those of this domain are added one by one */
	if (r->domains.overflow) {
		r->queue->mta->describe(r->queue, e->fd, e->id, &again, tally_recipient, r);
		return;
	}
	for (size_t i = 0; i < r->domains.n; i++)
		tally_domain(r, r->domains.text + r->domains.domain[i].at,
			     r->domains.domain[i].recipients);
}

/* ---- filters ---- */

static bool matches(const char *pattern, const char *text)
{
	return !pattern || fnmatch(pattern, text, FNM_CASEFOLD) == 0;
}

static bool wanted(const struct reading *r, const struct message_facts *f,
		   const struct queue_source *source)
{
	const struct queue_options *o = r->o;
	uint64_t age = r->report->now_ns > f->time_ns ? r->report->now_ns - f->time_ns : 0;
	int64_t uid = queue_uid(f);

	if (o->uid >= 0 && uid != o->uid && !(source && source->uid == o->uid))
		return false;
	if (o->sender && (!f->has_sender || !matches(o->sender, f->sender)))
		return false;
	if ((o->auth && (!*f->auth_user || !matches(o->auth, f->auth_user))) ||
	    (o->client && (!*f->client_ip || !matches(o->client, f->client_ip))))
		return false;
	if (!matches(o->from, f->from) || !matches(o->subject, f->subject))
		return false;
	if ((o->older_ns || o->newer_ns) && !f->time_ns)
		return false;
	if ((o->older_ns && age < o->older_ns) || (o->newer_ns && age > o->newer_ns))
		return false;
	if (o->script && (!source || !source->script || !matches(o->script, source->script)))
		return false;
	return !o->domain || r->domain_matches;
}

/* ---- tables ---- */

static void keep_big(struct reading *r, const struct message_facts *f, const char *id,
		     const char *origin)
{
	struct queue_report *out = r->report;
	uint64_t n = f->recipients > 0 ? (uint64_t)f->recipients : 0;
	size_t at = out->big_count;
	struct queue_big *b;

	if (n < QUEUE_BIG)
		return;
	while (at > 0 && out->big[at - 1].recipients < n)
		at--;
	if (at == QUEUE_BIG_LIST)
		return;
	if (out->big_count < QUEUE_BIG_LIST)
		out->big_count++;
	memmove(&out->big[at + 1], &out->big[at], (out->big_count - at - 1) * sizeof(*b));
	b = &out->big[at];
	b->recipients = n;
	b->mta = r->queue->mta->name;
	text_copy(b->id, sizeof(b->id), id);
	text_copy(b->sender, sizeof(b->sender), f->has_sender && !*f->sender ? "<>" : f->sender);
	text_copy(b->subject, sizeof(b->subject), f->subject);
	text_copy(b->origin, sizeof(b->origin), origin);
}

static void tally(struct reading *r, const struct message_facts *f, const char *id,
		  const char *origin, const struct queue_source *source)
{
	struct queue_report *out = r->report;
	const char *sender = f->has_sender ? (*f->sender ? f->sender : "<>") : "(unknown)";
	const char *script = source && source->script ? source->script : "(not in the recordings)";

	key_row_add(&out->all, &r->weight);
	key_row_add(key_table_row(out->by[QUEUE_BY_ORIGIN], origin, strlen(origin)), &r->weight);
	key_row_add(key_table_row(out->by[QUEUE_BY_SENDER], sender, strlen(sender)), &r->weight);
	if (out->by[QUEUE_BY_SCRIPT])
		key_row_add(key_table_row(out->by[QUEUE_BY_SCRIPT], script, strlen(script)),
			    &r->weight);
	keep_big(r, f, id, origin);
}

/* ---- messages ---- */

static void progress(struct reading *r)
{
	uint64_t now;

	if (!r->terminal || (r->report->read & PROGRESS_MASK))
		return;
	now = clock_boot_ns();
	if (now - r->started < SECOND || now - r->shown < SECOND / 4)
		return;
	r->shown = now;
	fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " messages read", r->report->read,
		r->expected > r->report->read ? r->expected : r->report->read);
	fflush(stderr);
}

static void progress_end(const struct reading *r)
{
	if (r->shown)
		fputs("\r\033[K", stderr);
}

/* A message that could not be read: gone, being written, or something for the administrator to see.
 */
static void count_failure(struct queue_report *out, int err)
{
	if (err == -ENOENT || err == -ESTALE) {
		out->vanished++;
	} else if (err == -EAGAIN) {
		out->incomplete++;
	} else {
		if (!out->unreadable++)
			out->unreadable_error = err;
	}
}

static int take(void *arg, const struct queue_entry *e)
{
	struct reading *r = arg;
	struct mta_queue *q = r->queue;
	struct message_facts f;
	struct queue_message m = {.mta = q->mta, .id = e->id, .state = e->state, .facts = &f};
	/* a list of messages needs recipients only where they are asked for */
	recipient_fn note = r->o->domain || !r->fn ? note_recipient : NULL;
	char origin[320];
	int err;

	r->report->read++;
	progress(r);
	r->domain_matches = false;
	r->domains.n = r->domains.used = 0;
	r->domains.overflow = false;
	err = e->fd < 0 ? e->fd : q->mta->describe(q, e->fd, e->id, &f, note, r);
	if (err) {
		count_failure(r->report, err);
		return 0;
	}
	if (!f.time_ns)
		f.time_ns = e->mtime_ns;
	if (r->join)
		m.source = queue_join_find(r->join, q->mta->name, e->id, f.time_ns);
	if (!wanted(r, &f, m.source))
		return 0;
	r->report->matched++;
	queue_origin(&f, origin, sizeof(origin));
	m.origin = origin;
	m.now_ns = r->report->now_ns;
	r->weight = (struct key_weight){
		.recipients = f.recipients > 0 ? (uint64_t)f.recipients : 0,
		.bytes = f.bytes > 0 ? (uint64_t)f.bytes : 0,
		.time_ns = f.time_ns,
		.now_ns = r->report->now_ns,
		.id = e->id,
		.subject = f.subject,
	};
	if (r->fn)
		return r->fn(r->arg, &m);
	tally(r, &f, e->id, origin, m.source);
	tally_domains(r, e);
	return 0;
}

static int make_tables(struct queue_report *out, bool scripts)
{
	for (int i = 0; i < QUEUE_BY_COUNT; i++) {
		if (i == QUEUE_BY_SCRIPT && !scripts)
			continue;
		out->by[i] = key_table_new(MAX_KEYS);
		if (!out->by[i])
			return -ENOMEM;
	}
	return 0;
}

static void count_all(struct reading *r)
{
	struct queue_report *out = r->report;

	for (size_t i = 0; i < out->queue_count; i++) {
		struct mta_queue *q = &out->queues[i];
		int err = q->mta->count(q, &out->counts[i]);

		out->count_errors[i] = err;
		if (err == 0)
			r->expected += (uint64_t)out->counts[i].messages;
		else
			log_err(err, "%s cannot be counted", q->directory);
	}
}

int queue_read(const struct queue_options *o, const struct queue_join *join, queue_message_fn fn,
	       void *arg, struct queue_report *out)
{
	struct reading r = {.o = o,
			    .join = join,
			    .fn = fn,
			    .arg = arg,
			    .report = out,
			    .started = clock_boot_ns(),
			    .terminal = isatty(STDERR_FILENO) == 1};
	int found, err = make_tables(out, join != NULL);

	if (err)
		return log_err(err, "the queue");
	found = mta_find_queues(o->mta, o->directory, out->queues, QUEUE_MAX);
	out->queue_count = found > 0 ? (size_t)found : 0;
	out->now_ns = clock_wall_ns();
	if (!out->queue_count) {
		if (o->directory)
			log_warn("%s is no queue of %s", o->directory,
				 o->mta ? o->mta->name : "an MTA that spamtrace knows");
		else
			log_warn("no mail queue was found: qmail, Postfix, Exim, Sendmail and "
				 "nullmailer are "
				 "known; name its directory with --queue-dir");
		return -ENOENT;
	}
	count_all(&r);
	for (size_t i = 0; i < out->queue_count && !err; i++) {
		r.queue = &out->queues[i];
		if (out->count_errors[i])
			continue;
		err = r.queue->mta->list(r.queue, take, &r);
		if (err == -ENOENT || err == -ESTALE) {
			log_warn("%s vanished while it was read: what is shown is a part of it",
				 r.queue->directory);
			out->count_errors[i] = err;
			err = 0;
		}
	}
	progress_end(&r);
	if (err < 0 && !fn)
		log_err(err, "%s cannot be read", r.queue->directory);
	return err;
}

void queue_report_clear(struct queue_report *r)
{
	for (size_t i = 0; i < r->queue_count; i++)
		if (r->queues[i].fd >= 0)
			close(r->queues[i].fd);
	for (int i = 0; i < QUEUE_BY_COUNT; i++)
		key_table_free(r->by[i]);
	memset(r, 0, sizeof(*r));
}
