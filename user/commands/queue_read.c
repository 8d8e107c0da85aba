// SPDX-License-Identifier: GPL-2.0-only
/* Reads a share of the queued messages into bounded tables; one message is in memory at a time. */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/users.h"
#include "commands/queue_internal.h"

#define OUTPUT_BLOCK 65536

void queue_origin(const struct message_facts *f, char *out, size_t size)
{
	if (f->bounce)
		snprintf(out, size, "bounce");
	else if (*f->auth_user)
		snprintf(out, size, "auth %s", f->auth_user);
	else if (f->from_network && f->authenticated)
		snprintf(out, size, "auth from %s", *f->client_ip ? f->client_ip : "unknown");
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
	static _Thread_local struct {
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
		r->queue.mta->describe(&r->queue, e->fd, e->id, &again, tally_recipient, r);
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

void queue_keep_big(struct queue_report *out, const struct queue_big *big)
{
	size_t at = out->big_count;

	while (at > 0 && out->big[at - 1].recipients < big->recipients)
		at--;
	if (at == QUEUE_BIG_LIST)
		return;
	if (out->big_count < QUEUE_BIG_LIST)
		out->big_count++;
	memmove(&out->big[at + 1], &out->big[at], (out->big_count - at - 1) * sizeof(*big));
	out->big[at] = *big;
}

static void note_big(struct reading *r, const struct message_facts *f, const char *id,
		     const char *origin)
{
	struct queue_big b = {.mta = r->queue.mta->name};

	if (f->recipients < QUEUE_BIG)
		return;
	b.recipients = (uint64_t)f->recipients;
	text_copy(b.id, sizeof(b.id), id);
	text_copy(b.sender, sizeof(b.sender), f->has_sender && !*f->sender ? "<>" : f->sender);
	text_copy(b.subject, sizeof(b.subject), f->subject);
	text_copy(b.origin, sizeof(b.origin), origin);
	queue_keep_big(r->report, &b);
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
	note_big(r, f, id, origin);
}

/* ---- messages ---- */

static int call(struct reading *r, struct queue_message *m)
{
	int err;

	m->out = r->out;
	err = r->fn(r->arg, m);
	if (!err && r->out && ftell(r->out) >= OUTPUT_BLOCK)
		err = queue_write_out(r);
	return err;
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

int queue_take(void *arg, const struct queue_entry *e)
{
	struct reading *r = arg;
	struct mta_queue *q = &r->queue;
	struct message_facts f;
	struct queue_message m = {.mta = q->mta, .id = e->id, .state = e->state, .facts = &f};
	/* a list of messages needs recipients only where they are asked for */
	recipient_fn note = r->o->domain || !r->fn ? note_recipient : NULL;
	char origin[320];
	int err;

	if (r->crew->stop)
		return 1;
	r->report->read++;
	queue_progress(r, ++r->crew->read);
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
		return call(r, &m);
	tally(r, &f, e->id, origin, m.source);
	tally_domains(r, e);
	return 0;
}
