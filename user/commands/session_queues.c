// SPDX-License-Identifier: GPL-2.0-only
/* The queues of a session: found, registered with the kernel side, counted, watched for vanishing.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "commands/session.h"
#include "kernel/inode.h"

#define COUNT_TRIES 3

static void discover(struct session *s, const struct mta *mta)
{
	int n;

	if (s->queue_count == MAX_QUEUES)
		return;
	n = mta->discover(s->options.mta == mta ? s->options.queue_dir : NULL,
			  s->queues + s->queue_count, MAX_QUEUES - s->queue_count);
	if (n > 0)
		s->queue_count += (size_t)n;
	else if (n < 0 && (n != -ENOENT || s->options.mta))
		log_err(n, "%s: its queue could not be opened", mta->name);
}

int session_find_queues(struct session *s)
{
	const struct mta *found[MAX_QUEUES], *mta;
	size_t count = 0;

	if (s->options.no_mta)
		return 0;
	if (s->options.mta)
		discover(s, s->options.mta);
	else
		for (const struct mta *const *m = mta_all; *m; m++)
			discover(s, *m);
	for (size_t i = 0; i < s->queue_count; i++) {
		s->queues[i].quick = true;
		balance_init(&s->balances[i], s->queues[i].mta->name, s->queues[i].directory);
		found[count++] = s->queues[i].mta;
	}
	programs_prefer(s->programs, found, count);
	mta = s->options.mta && s->options.mta->unfollowed ? s->options.mta
							   : mta_unfollowed_sendmail();
	if (mta)
		log_warn("sendmail is %s here; %s; injections are shown with their origin, not "
			 "what becomes of them",
			 mta->name, mta->unfollowed);
	else if (!s->queue_count)
		log_warn("no mail queue was found (qmail, Postfix, Exim, Sendmail, nullmailer): "
			 "injections are traced, but nothing is counted; "
			 "name one with --mta and --queue-dir");
	return 0;
}

/*
 * For the syscall hooks an absolute name is only text until user space has seen it, and Exim writes
 * "/var/spool/exim4//input//": so the prefix is that of the directory above.
 */
static void watch_path(struct session *s, const char *directory, size_t i)
{
	char prefix[PATH_MAX];
	char *slash;

	snprintf(prefix, sizeof(prefix), "%s", directory);
	slash = strrchr(prefix, '/');
	if (slash && slash != prefix) {
		slash[1] = '\0';
		probe_set_queue_path(s->probe, prefix, (uint32_t)i);
	}
}

/* Nobody's total of commits is right where one queue's are not counted. */
static bool tells_commits(const struct st_queue_root *root)
{
	uint32_t commits = 0;

	for (uint32_t i = 0; i < root->rules; i++)
		commits |= root->rule[i].commits;
	return commits;
}

/* A queue named by /proc/PID/root is on a mount that perhaps only that process has. 0: of none. */
static pid_t seen_by(const struct mta_queue *q)
{
	int pid;

	return sscanf(q->directory, "/proc/%d/root/", &pid) == 1 ? pid : 0;
}

/* Tells the kernel side where the queue is. */
static int watch(struct session *s, size_t i)
{
	struct mta_queue *q = &s->queues[i];
	struct st_queue_root root = {.queue = (uint32_t)i};
	int err;

	if (q->fd < 0)
		return -ENOENT;
	err = inode_of_fd(q->fd, seen_by(q), &s->roots[i]);
	if (err)
		return err;
	root.rules = (uint32_t)q->mta->rules(q, root.rule);
	s->commits_untold |= !tells_commits(&root);
	err = probe_set_queue(s->probe, &s->roots[i], &root);
	if (err)
		return log_err(err, "%s: the queue cannot be watched", q->directory);
	watch_path(s, q->directory, i);
	if (strcmp(q->inner, q->directory))
		watch_path(s, q->inner, i);
	session_late_watch(s, i);
	return 0;
}

void session_watch_queues(struct session *s)
{
	session_late_refresh(s);
	for (size_t i = 0; i < s->queue_count; i++) {
		struct mta_queue *q = &s->queues[i], again;
		struct st_inode now;

		if (!s->roots[i].ino) {
			watch(s, i);
			continue;
		}
		if (inode_of_path(q->directory, seen_by(q), &now) ||
		    inode_equal(&now, &s->roots[i]))
			continue;
		/* another directory stands in its place: MTA reinstalled, file system mounted */
		if (q->mta->discover(q->directory, &again, 1) != 1)
			continue;
		log_warn("%s is another directory now; following it", q->directory);
		probe_unset_queue(s->probe, &s->roots[i]);
		if (q->fd >= 0)
			close(q->fd);
		q->fd = again.fd;
		balance_restart(&s->balances[i]);
		watch(s, i);
	}
}

/* Counts a queue, with the hooks' totals of the moment before. A queue in which everything moves is
 * not counted for ever. 0 or -errno. */
static int count(struct session *s, size_t i, struct balance_totals *before,
		 struct queue_counts *counts)
{
	struct balance *b = &s->balances[i];
	int err = 0;

	for (unsigned tries = 0; tries < COUNT_TRIES; tries++) {
		session_drain(s);
		*before = b->totals;
		err = s->queues[i].mta->count(&s->queues[i], counts);
		session_drain(s);
		if (err || !balance_blurred(b, before, counts))
			break;
	}
	return err;
}

void session_sample(struct session *s, bool emit)
{
	for (size_t i = 0; i < s->queue_count; i++) {
		struct balance *b = &s->balances[i];
		struct balance_totals before;
		struct queue_counts counts;
		struct queue_event e;
		bool was_missing = b->missing;
		int err = count(s, i, &before, &counts);

		balance_sample(b, &before, err ? NULL : &counts, err ? strerror(-err) : NULL,
			       clock_wall_ns(), &e);
		if (err && !was_missing)
			log_err(err, "%s cannot be counted; tracing goes on",
				s->queues[i].directory);
		else if (!err && was_missing)
			log_info("%s can be counted again", s->queues[i].directory);
		if (!emit)
			continue;
		e.sequence = ++s->sequence;
		session_put_queue(s, &e);
	}
}
