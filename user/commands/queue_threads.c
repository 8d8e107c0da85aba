// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds and counts the queues, and shares large ones out among some threads, each with a report of
 * its own: half of the work is the kernel's, opening files.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "commands/queue_internal.h"

#define MAX_KEYS      16384
#define SECOND        1000000000ULL
#define PROGRESS_MASK 255
#define THREADS_MAX   8
#define SHARE_MIN     1000 /* messages: fewer are not worth a thread */

/* The first thread speaks for all. */
void queue_progress(const struct reading *r, uint64_t read)
{
	struct crew *c = r->crew;
	uint64_t now;

	if (!c->terminal || r->share || (r->report->read & PROGRESS_MASK))
		return;
	now = clock_boot_ns();
	if (now - c->started < SECOND || now - c->shown < SECOND / 4)
		return;
	c->shown = now;
	fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " messages read", read,
		c->expected > read ? c->expected : read);
	fflush(stderr);
}

/* Writes what fn has printed. 0 or -errno. */
int queue_write_out(struct reading *r)
{
	int err = 0;

	if (!r->out || fflush(r->out) || !r->text_len)
		return 0;
	pthread_mutex_lock(&r->crew->write);
	errno = 0;
	if (fwrite(r->text, 1, r->text_len, r->o->out) != r->text_len)
		err = errno ? -errno : -EIO;
	pthread_mutex_unlock(&r->crew->write);
	rewind(r->out);
	return err;
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

/* Returns how many messages there are. */
static uint64_t count_all(struct queue_report *out)
{
	uint64_t messages = 0;

	for (size_t i = 0; i < out->queue_count; i++) {
		struct mta_queue *q = &out->queues[i];
		int err = q->mta->count(q, &out->counts[i]);

		out->count_errors[i] = err;
		if (err == 0)
			messages += (uint64_t)out->counts[i].messages;
		else
			log_err(err, "%s cannot be counted", q->directory);
	}
	return messages;
}

/* ---- threads ---- */

/* A thread's share of every queue. */
static void *read_share(void *arg)
{
	struct reading *r = arg;
	struct queue_report *out = r->report;

	for (size_t i = 0; i < out->queue_count && !r->error; i++) {
		int err;

		if (out->count_errors[i])
			continue;
		r->queue = out->queues[i];
		r->queue.share = r->share;
		r->queue.shares = r->shares;
		err = r->queue.mta->list(&r->queue, queue_take, r);
		if (err == -ENOENT || err == -ESTALE)
			out->count_errors[i] = err;
		else
			r->error = err;
	}
	if (!r->error)
		r->error = queue_write_out(r);
	if (r->error)
		r->crew->stop = true;
	return NULL;
}

/* With a descriptor table of its own: threads that open and close 100,000 files would wait for each
 * other at the lock of theirs. */
static void *read_in_thread(void *arg)
{
	(void)unshare(CLONE_FILES);
	return read_share(arg);
}

static int reading_init(struct reading *r, const struct reading *first)
{
	int err = 0;

	if (r != first) {
		r->report = calloc(1, sizeof(*r->report));
		if (!r->report)
			return -ENOMEM;
		memcpy(r->report->queues, first->report->queues, sizeof(r->report->queues));
		memcpy(r->report->count_errors, first->report->count_errors,
		       sizeof(r->report->count_errors));
		r->report->queue_count = first->report->queue_count;
		r->report->now_ns = first->report->now_ns;
		err = make_tables(r->report, r->join != NULL);
	}
	if (!err && r->fn && r->o->out) {
		r->out = open_memstream(&r->text, &r->text_len);
		err = r->out ? 0 : -ENOMEM;
	}
	return err;
}

/* The queues of a further report are the first one's: nothing of them is closed. */
static void reading_end(struct reading *r, bool first)
{
	if (r->out)
		fclose(r->out);
	free(r->text);
	if (first || !r->report)
		return;
	r->report->queue_count = 0;
	queue_report_clear(r->report);
	free(r->report);
}

static void merge(struct queue_report *out, const struct queue_report *more)
{
	out->read += more->read;
	out->matched += more->matched;
	out->vanished += more->vanished;
	out->incomplete += more->incomplete;
	if (!out->unreadable)
		out->unreadable_error = more->unreadable_error;
	out->unreadable += more->unreadable;
	key_row_merge(&out->all, &more->all);
	for (int i = 0; i < QUEUE_BY_COUNT; i++)
		if (out->by[i])
			key_table_merge(out->by[i], more->by[i]);
	for (size_t i = 0; i < more->big_count; i++)
		queue_keep_big(out, &more->big[i]);
	for (size_t i = 0; i < out->queue_count; i++)
		if (!out->count_errors[i])
			out->count_errors[i] = more->count_errors[i];
}

/* Several for each processor: what is not in memory is waited for. Of a queue that is in memory it
 * makes little difference. */
static unsigned threads_for(const struct queue_options *o, uint64_t messages)
{
	uint64_t n = messages / SHARE_MIN, max = o->threads;
	cpu_set_t cpus;

	if (!max) {
		max = sched_getaffinity(0, sizeof(cpus), &cpus) ? 1
								: 4 * (uint64_t)CPU_COUNT(&cpus);
		max = n < max ? n : max;
	}
	return max > THREADS_MAX ? THREADS_MAX : max ? (unsigned)max : 1;
}

/* All of the shares; the first one by the caller's own thread. */
static int read_shares(struct reading *all, unsigned n)
{
	unsigned ready = 0, running = 1;
	int err = 0;

	while (ready < n && !err)
		err = reading_init(&all[ready++], all);
	if (err)
		return err;
	while (running < n &&
	       pthread_create(&all[running].thread, NULL, read_in_thread, &all[running]) == 0)
		running++;
	read_share(&all[0]);
	/* shares for which there was no thread */
	for (unsigned i = running; i < n; i++)
		read_share(&all[i]);
	for (unsigned i = 1; i < running; i++)
		pthread_join(all[i].thread, NULL);
	/* the thread that had an error, not those that it stopped */
	for (unsigned i = 0; i < n; i++)
		if (all[i].error < 0 || !err)
			err = all[i].error;
	for (unsigned i = 1; i < n; i++)
		merge(all[0].report, all[i].report);
	return err;
}

static int read_queues(const struct reading *model, uint64_t messages)
{
	unsigned n = threads_for(model->o, messages);
	struct reading *all = calloc(n, sizeof(*all));
	int err;

	if (!all)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		all[i] = *model;
		all[i].share = i;
		all[i].shares = n;
		if (i)
			all[i].report = NULL;
	}
	err = read_shares(all, n);
	for (unsigned i = 0; i < n; i++)
		reading_end(&all[i], i == 0);
	free(all);
	return err;
}

int queue_read(const struct queue_options *o, const struct queue_join *join, queue_message_fn fn,
	       void *arg, struct queue_report *out)
{
	struct crew crew = {.started = clock_boot_ns(),
			    .write = PTHREAD_MUTEX_INITIALIZER,
			    .terminal = isatty(STDERR_FILENO) == 1};
	struct reading first = {
		.o = o, .join = join, .fn = fn, .arg = arg, .report = out, .crew = &crew};
	int found, uncounted[QUEUE_MAX], err = make_tables(out, join != NULL);

	if (err)
		return log_err(err, "the queue");
	found = mta_find_queues(o->mta, o->directory, out->queues, QUEUE_MAX);
	out->queue_count = found > 0 ? (size_t)found : 0;
	out->now_ns = clock_wall_ns();
	if (!out->queue_count) {
		const struct mta *unfollowed =
			o->mta && o->mta->unfollowed ? o->mta : mta_unfollowed_sendmail();

		if (o->directory)
			log_warn("%s is no queue of %s", o->directory,
				 o->mta ? o->mta->name : "an MTA that spamtrace knows");
		else if (unfollowed)
			log_warn("sendmail is %s here; %s: there is no queue to read",
				 unfollowed->name, unfollowed->unfollowed);
		else
			log_warn("no mail queue was found: qmail, Postfix, Exim, Sendmail and "
				 "nullmailer are "
				 "known; name its directory with --queue-dir");
		return -ENOENT;
	}
	crew.expected = count_all(out);
	memcpy(uncounted, out->count_errors, sizeof(uncounted));
	err = read_queues(&first, crew.expected);
	if (crew.shown)
		fputs("\r\033[K", stderr);
	for (size_t i = 0; i < out->queue_count; i++)
		if (out->count_errors[i] && !uncounted[i])
			log_warn("%s vanished while it was read: what is shown is a part of it",
				 out->queues[i].directory);
	if (err < 0 && !fn)
		log_err(err, "the queue cannot be read");
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
