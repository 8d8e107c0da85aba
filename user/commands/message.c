// SPDX-License-Identifier: GPL-2.0-only
/* `spamtrace message ID`: one queued message explained. Reads the queue and the user table; runs
 * nothing. */
#include "commands/message.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/users.h"
#include "commands/option_values.h"
#include "commands/commands.h"

enum { KEY_MTA = 256, KEY_DIR };

struct options {
	const char *id, *directory;
	const struct mta *mta;
	bool json;
	char **recordings;
	size_t recording_count;
};

static const struct argp_option keys[] = {
	{"output", 'o', "table|json", 0, "default: table (words)", 0},
	{"recording", 'w', "FILE", 0,
	 "A recording of a trace, which knows the script (may be repeated)", 0},
	{"mta", KEY_MTA, "NAME", 0,
	 "qmail, postfix, exim, sendmail or nullmailer (default: all that are found)", 0},
	{"queue-dir", KEY_DIR, "DIR", 0,
	 "Its directory, when it is not where its configuration says", 0},
	{0},
};

static error_t option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'o':
		o->json = option_json(state, arg);
		return 0;
	case 'w':
		return option_append(&o->recordings, &o->recording_count, arg);
	case KEY_MTA:
		o->mta = option_mta(state, arg);
		return 0;
	case KEY_DIR:
		o->directory = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (o->id)
			argp_error(state, "one message at a time");
		o->id = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which message? 'spamtrace queue --list' shows the ids");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp parser = {
	.options = keys,
	.parser = option,
	.args_doc = "ID",
	.doc = "One message of the queue explained: what its Received lines mean, whose it is, and "
	       "the commands to hold or "
	       "delete it and everything like it. It prints commands and runs none.",
};

static void keep_received(void *arg, const char *value, size_t len)
{
	struct message_view *m = arg;
	size_t i = m->received_count;

	if (i == MESSAGE_RECEIVED || message_received(value, len, &m->received[i]) < 0)
		return;
	snprintf(m->received_text[i], sizeof(m->received_text[i]), "%.*s",
		 (int)(len < sizeof(m->received_text[i]) ? len : sizeof(m->received_text[i])),
		 value);
	m->received_count++;
}

static int keep_recipient(void *arg, const char *address)
{
	struct message_view *m = arg;

	if (m->recipient_count < MESSAGE_RECIPIENTS)
		text_copy(m->recipients[m->recipient_count], sizeof(m->recipients[0]), address);
	m->recipient_count++;
	return 0;
}

/*
 * Every MTA writes the topmost line; qmail-smtpd's line below qmail-queue's, and that of Sendmail's
 * submission below the daemon's, are the host's own too.
 */
static size_t own_lines(const struct message_view *m)
{
	const struct received *r = m->received;

	if (m->received_count < 2)
		return m->received_count;
	if (m->queue->mta == &mta_qmail && r[0].kind == RECEIVED_NETWORK)
		return 2;
	if (m->queue->mta == &mta_sendmail && *m->facts.first_id)
		return 2;
	return 1;
}

static void look_up_user(struct message_view *m)
{
	const struct passwd *p;

	m->uid = queue_uid(&m->facts);
	p = m->uid >= 0 ? user_by_uid((uid_t)m->uid) : NULL;
	if (!p)
		return;
	text_copy(m->user, sizeof(m->user), p->pw_name);
	text_copy(m->home, sizeof(m->home), p->pw_dir);
}

static int read_message(struct mta_queue *q, int fd, const char *id, struct message_view *m)
{
	char head[HEADERS_MAX];
	ssize_t n;
	int r;

	m->queue = q;
	m->now_ns = clock_wall_ns();
	text_copy(m->id, sizeof(m->id), id);
	r = q->mta->describe(q, fd, id, &m->facts, keep_recipient, m);
	if (r < 0)
		return r;
	n = q->mta->headers(fd, head);
	if (n > 0)
		message_each_received(head, (size_t)n, keep_received, m);
	m->own = own_lines(m);
	look_up_user(m);
	return 0;
}

/* 0, -ENOENT: in none of the queues, or -errno. */
static int find(struct mta_queue *queues, int n, const char *id, struct message_view *m)
{
	int result = -ENOENT;

	for (int i = 0; i < n; i++) {
		_close_ int fd = queues[i].mta->open(&queues[i], id);
		int r;

		if (fd == -EINVAL || fd == -ENOENT)
			continue;
		r = fd < 0 ? fd : read_message(&queues[i], fd, id, m);
		if (r == 0)
			return 0;
		log_err(r, "%s cannot be read from %s", id, queues[i].directory);
		result = r;
	}
	return result;
}

/* One MTA may have several queues (Sendmail always has two), whose messages need different
 * commands. */
static bool is_one_of_many(const struct mta_queue *queues, int n, const struct mta_queue *q)
{
	int same = 0;

	for (int i = 0; i < n; i++)
		same += queues[i].mta == q->mta;
	return same > 1;
}

static void tell_absence(const struct options *o, int queues, int err)
{
	if (!queues)
		log_warn("no mail queue was found; name its directory with --queue-dir");
	else if (err == -ENOENT)
		log_warn("there is no message %s in %s: it may have been delivered, or removed "
			 "('spamtrace queue --list' "
			 "shows what there is)",
			 o->id, o->directory ? o->directory : "the queues of this host");
}

static int explain(const struct options *o, struct message_view *m, const struct queue_join *join)
{
	struct mta_queue queues[QUEUE_MAX];
	int n = mta_find_queues(o->mta, o->directory, queues, QUEUE_MAX);
	int r = find(queues, n, o->id, m);

	if (r < 0) {
		tell_absence(o, n, r);
	} else {
		if (join)
			m->source =
				queue_join_find(join, m->queue->mta->name, m->id, m->facts.time_ns);
		m->name_directory = o->directory || is_one_of_many(queues, n, m->queue);
		r = o->json ? message_print_json(stdout, m) : message_print_text(stdout, m);
	}
	for (int i = 0; i < n; i++)
		close(queues[i].fd);
	return r;
}

static int run(const struct options *o)
{
	struct queue_join *join = NULL;
	struct message_view *m;
	int r = 0;

	if (o->recording_count)
		r = queue_join_new(o->recordings, o->recording_count, &join);
	m = r ? NULL : calloc(1, sizeof(*m));
	if (m)
		r = explain(o, m, join);
	free(m);
	queue_join_free(join);
	return r || !m ? 1 : 0;
}

int command_message(int argc, char **argv)
{
	struct options o = {0};
	int status;

	if (argp_parse(&parser, argc, argv, 0, NULL, &o))
		return EXIT_USAGE;
	status = run(&o);
	free(o.recordings);
	return status;
}
