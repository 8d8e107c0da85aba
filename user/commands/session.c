// SPDX-License-Identifier: GPL-2.0-only
#include "commands/session.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* ---- events out ---- */

static bool wanted(const struct session *s, const struct mail_event *e)
{
	const struct trace_options *o = &s->options;

	if (o->uid != COUNT_UNKNOWN && e->uid != o->uid)
		return false;
	if (o->vhost && (!e->vhost || strcasecmp(e->vhost, o->vhost)))
		return false;
	if (o->script && !(e->script && strstr(e->script, o->script)) &&
	    !(e->culprit_file && strstr(e->culprit_file, o->script)))
		return false;
	return true;
}

void session_send_mail(struct session *s, struct mail_event *e)
{
	e->sequence = ++s->sequence;
	session_put_mail(s, e);
	if (!wanted(s, e))
		return;
	tally_add(s->tally, e);
	if (e->action == ACTION_MAIL_QUEUED)
		s->shown++;
	/* removals are for the recording and the books; on a screen they would bury the rest */
	if (e->action != ACTION_MAIL_REMOVED || s->options.output == OUTPUT_JSON)
		session_show_mail(s, e);
	if (s->options.count && s->shown >= s->options.count)
		s->stop = true;
}

/* ---- records in ---- */

static void on_record(void *arg, const void *bytes, size_t len)
{
	struct session *s = arg;
	struct record r;

	if (record_decode(bytes, len, &r)) {
		s->undecoded++;
		return;
	}
	if (r.h->type == ST_IMAGE) {
		const struct st_image *i = (const struct st_image *)r.h;

		programs_seen(s->programs, (pid_t)i->h.task.tgid, &i->exe, i->start_code);
		return;
	}
	if (log_verbose && r.h->type == ST_QUEUE) {
		const struct st_queue *q = (const struct st_queue *)r.h;
		char name[512] = "", old[512] = "";

		record_queue_name(&r, q->name, name, sizeof(name));
		record_queue_name(&r, q->old, old, sizeof(old));
		log_debug("queue %u: op %u %s -> %s by %s (%u)", q->queue, q->op, old, name,
			  q->comm, q->h.task.tgid);
	}
	if (log_verbose && r.h->type == ST_CONNECT) {
		const struct st_connect *k = (const struct st_connect *)r.h;

		log_debug("connection of %u: state %u, port %u to %u, injection %llx",
			  k->h.task.tgid, k->state, k->sport, k->dport,
			  (unsigned long long)k->injection);
	}
	correlate_record(s->correlate, &r);
	session_early_look(s, &r);
}

void session_drain(struct session *s)
{
	if (s->late)
		session_late_drain(s, on_record);
	else
		probe_read(s->probe, on_record, s);
}

/* ---- the end ---- */

static size_t collect_losses(struct session *s, struct loss out[MAX_LOSSES])
{
	uint64_t lost[ST_LOST_COUNT] = {0};
	struct correlate_stats stats;
	size_t n = 0;

	probe_lost(s->probe, lost);
	correlate_stats(s->correlate, &stats);
	for (int i = 0; i < ST_LOST_COUNT; i++)
		if (lost[i])
			out[n++] = (struct loss){probe_lost_name((enum st_lost)i), lost[i]};
	if (session_late_lost(s))
		out[n++] = (struct loss){"queue-watch", session_late_lost(s)};
	if (s->undecoded)
		out[n++] = (struct loss){"undecoded", s->undecoded};
	if (stats.bad)
		out[n++] = (struct loss){"inconsistent", stats.bad};
	if (stats.no_memory)
		out[n++] = (struct loss){"memory", stats.no_memory};
	if (stats.origins_lost)
		out[n++] = (struct loss){"origin-missing", stats.origins_lost};
	if (stats.first_ids_forgotten)
		out[n++] = (struct loss){"first-ids", stats.first_ids_forgotten};
	if (stats.sessions_forgotten)
		out[n++] = (struct loss){"connections", stats.sessions_forgotten};
	if (stats.orphans_forgotten)
		out[n++] = (struct loss){"orphans", stats.orphans_forgotten};
	if (s->recording && s->recording->unwritten)
		out[n++] = (struct loss){"recording-unwritten", s->recording->unwritten};
	if (s->screen->unwritten && !s->reader_gone) /* who goes away misses nothing */
		out[n++] = (struct loss){"output-unwritten", s->screen->unwritten};
	return n;
}

uint64_t session_lost(struct session *s)
{
	struct loss losses[MAX_LOSSES];
	size_t n = collect_losses(s, losses);
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += losses[i].count;
	return sum;
}

void session_summary(struct session *s, enum action action)
{
	static struct tally_row rows[BY_COUNT][MAX_ROWS]; /* one thread, one summary at a time */
	struct uid_total kernel_uids[MAX_UID_ROWS];
	struct loss losses[MAX_LOSSES];
	struct queue_event queues[MAX_QUEUES];
	char verdict[512];
	uint64_t now = clock_wall_ns();
	struct summary_event e = {
		.action = action,
		.sequence = ++s->sequence,
		.wall_ns = now,
		.version = SPAMTRACE_VERSION,
		.kernel = s->kernel,
		.host = s->host,
		.seconds = (double)(clock_boot_ns() - s->started_boot) / 1e9,
		.queues = queues,
		.queue_count = s->queue_count,
		.losses = losses,
	};

	e.hooks = probe_hooks(s->probe, &e.hook_count);
	e.notes = probe_notes(s->probe, &e.note_count);
	tally_summary(s->tally, &e);
	e.loss_count = collect_losses(s, losses);
	session_kernel_totals(s, &e, kernel_uids);
	for (int by = 0; by < BY_COUNT; by++) {
		e.rows[by] = rows[by];
		e.row_count[by] = tally_rows(s->tally, (enum tally_by)by, rows[by], MAX_ROWS,
					     &e.rows_more[by]);
	}
	for (size_t i = 0; i < s->queue_count; i++)
		balance_event(&s->balances[i], now, &queues[i]);
	balance_verdict(s->balances, s->queue_count, e.messages,
			e.by_attribution[ATTRIBUTION_EXACT], verdict, sizeof(verdict));
	e.verdict = action == ACTION_TRACE_ENDED ? verdict : NULL;
	session_put_summary(s, &e);
	if (action == ACTION_TRACE_ENDED && s->options.strict && e.loss_count)
		s->exit_status = 2;
}
