// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queue operations by fanotify, where the kernel refuses fexit: the queues' directories are marked,
 * and what is read from there is joined with the lineage from the ring in rounds, as
 * correlate_set_late() has it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "commands/session.h"
#include "kernel/procfs.h"
#include "kernel/queue_watch.h"

/* Processes that were asked for, so that a daemon is read once, and known for a moment after its
 * end. */
#define MAX_WHO     1024
#define KEEP_WHO_NS 2000000000ULL
/* Who was there a moment ago is not looked up again: pids go round once all others have been used.
 */
#define SURE_WHO_NS 20000000ULL

struct who {
	uint32_t tgid;
	struct procfs_process process;
	uint64_t seen; /* boot ns, alive */
	UT_hash_handle hh;
};

struct late {
	struct queue_watch *watch;
	struct who *who;
	uint32_t own_netns;
	uint64_t unread; /* reads that failed */
};

static void forget(struct late *l, struct who *w)
{
	HASH_DEL(l->who, w);
	free(w);
}

void session_late_free(struct session *s)
{
	struct late *l = s->late;

	if (!l)
		return;
	while (l->who)
		forget(l, l->who);
	queue_watch_free(l->watch);
	free(l);
	s->late = NULL;
}

static int watch_queue(struct session *s, struct late *l, size_t i)
{
	struct mta_queue *q = &s->queues[i];
	struct st_queue_root root = {.queue = (uint32_t)i};

	if (q->fd < 0)
		return 0; /* it is watched when it comes back */
	root.rules = (uint32_t)q->mta->rules(q, root.rule);
	return queue_watch_add(l->watch, q->fd, &root);
}

const char *session_late_start(void *arg)
{
	struct session *s = arg;
	struct late *l = calloc(1, sizeof(*l));
	int err = l ? queue_watch_new(&l->watch) : -ENOMEM;

	s->late = l;
	for (size_t i = 0; !err && i < s->queue_count; i++) {
		err = watch_queue(s, l, i);
		if (err)
			log_debug("%s: fanotify does not do for it: %s", s->queues[i].directory,
				  strerror(-err));
	}
	if (err || !s->queue_count) {
		session_late_free(s);
		return NULL;
	}
	l->own_netns = procfs_own_netns();
	correlate_set_late(s->correlate);
	log_debug("fanotify: %zu directories marked", queue_watch_marks(l->watch));
	return "queue (fanotify)";
}

int session_late_fd(const struct session *s)
{
	return s->late ? queue_watch_fd(s->late->watch) : -1;
}

void session_late_watch(struct session *s, size_t i)
{
	int err = s->late ? watch_queue(s, s->late, i) : 0;

	if (err)
		log_err(err,
			"%s: the queue cannot be watched by fanotify; its messages are not seen",
			s->queues[i].directory);
}

void session_late_refresh(struct session *s)
{
	if (s->late)
		queue_watch_refresh(s->late->watch);
}

uint64_t session_late_lost(const struct session *s)
{
	return s->late ? queue_watch_lost(s->late->watch) + s->late->unread : 0;
}

/* What is known of a process; NULL: it is gone, and was not asked for in its last moments. */
static const struct procfs_process *ask(struct late *l, uint32_t tgid)
{
	uint64_t now = clock_boot_ns(), start;
	struct who *w = NULL;

	HASH_FIND(hh, l->who, &tgid, sizeof(tgid), w);
	if (w && now - w->seen < SURE_WHO_NS)
		return &w->process;
	start = procfs_start(tgid);
	if (w && (start ? w->process.start != start : now - w->seen > KEEP_WHO_NS)) {
		forget(l, w);
		w = NULL;
	}
	if (!w && start) {
		struct procfs_process process;

		if (procfs_process(tgid, &process))
			return NULL;
		if (HASH_COUNT(l->who) >= MAX_WHO)
			forget(l, l->who);
		w = calloc(1, sizeof(*w));
		if (!w)
			return NULL;
		w->tgid = tgid;
		w->process = process;
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it is in no bucket */
		HASH_ADD(hh, l->who, tgid, sizeof(w->tgid), w);
	}
	if (w && start)
		w->seen = now;
	return w ? &w->process : NULL;
}

void session_late_actor(void *arg, struct actor *out)
{
	struct session *s = arg;
	const struct procfs_process *p = ask(s->late, out->task.tgid);

	out->netns = p && p->netns ? p->netns : s->late->own_netns;
	if (!p)
		return;
	out->uid = p->uid;
	out->euid = p->euid;
	out->nspid = p->nspid;
	out->exe = p->exe;
	memcpy(out->comm, p->comm, sizeof(p->comm));
}

static void foresee(void *arg, const void *bytes, size_t len)
{
	struct session *s = arg;
	struct record r;

	if (!record_decode(bytes, len, &r))
		correlate_foresee(s->correlate, &r);
}

void session_late_drain(struct session *s, probe_fn on_record)
{
	struct late *l = s->late;
	int all = queue_watch_read(l->watch);

	if (all < 0)
		l->unread++;
	probe_read(s->probe, on_record, s);
	queue_watch_removals(l->watch, foresee, s);
	queue_watch_take(l->watch, clock_boot_ns(), on_record, s);
	if (all == 1)
		correlate_settle(s->correlate);
}
