// SPDX-License-Identifier: GPL-2.0-only
/* Events into the recording and onto the screen, and what is said when one of them takes no more.
 */
#include <errno.h>
#include <inttypes.h>

#include "base/log.h"
#include "commands/session.h"

/* `before`: what the sink had not written before this event; UINT64_MAX: it was no event. */
static void wrote(struct session *s, struct sink *k, int err, uint64_t before)
{
	bool recording = k == s->recording;
	bool *failing = recording ? &s->recording_failing : &s->screen_failing;
	const char *what = recording ? s->options.write : "the output";

	if (err == -EPIPE && !recording) {
		s->reader_gone = true;
	} else if (err) {
		*failing = true;
		log_err(err,
			"%s cannot be written to; tracing goes on, and what is missing there is "
			"counted",
			what);
	} else if (*failing && k->unwritten == before) {
		*failing = false;
		log_info("%s can be written to again; %" PRIu64 " events are missing there", what,
			 k->unwritten);
	}
}

void session_put_mail(struct session *s, const struct mail_event *e)
{
	if (s->recording) {
		uint64_t before = s->recording->unwritten;

		wrote(s, s->recording, s->recording->mail(s->recording, e), before);
	}
}

void session_show_mail(struct session *s, const struct mail_event *e)
{
	uint64_t before = s->screen->unwritten;

	wrote(s, s->screen, s->screen->mail(s->screen, e), before);
}

void session_put_queue(struct session *s, const struct queue_event *e)
{
	struct sink *const sinks[] = {s->recording, s->screen};

	for (int i = 0; i < 2; i++) {
		uint64_t before = sinks[i] ? sinks[i]->unwritten : 0;

		if (sinks[i])
			wrote(s, sinks[i], sinks[i]->queue(sinks[i], e), before);
	}
}

void session_put_summary(struct session *s, const struct summary_event *e)
{
	struct sink *const sinks[] = {s->recording, s->screen};

	for (int i = 0; i < 2; i++) {
		uint64_t before = sinks[i] ? sinks[i]->unwritten : 0;
		int err;

		if (!sinks[i])
			continue;
		err = e->action == ACTION_TRACE_STARTED ? sinks[i]->started(sinks[i], e)
							: sinks[i]->ended(sinks[i], e);
		wrote(s, sinks[i], err, before);
	}
}

void session_tick_sinks(struct session *s, uint64_t wall_ns)
{
	struct sink *const sinks[] = {s->recording, s->screen};

	for (int i = 0; i < 2; i++)
		if (sinks[i])
			wrote(s, sinks[i], sinks[i]->tick(sinks[i], wall_ns), UINT64_MAX);
}
