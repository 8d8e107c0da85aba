// SPDX-License-Identifier: GPL-2.0-only
/* `spamtrace queue`: what is in the mail queue now, by origin, sender, recipient domain and age.
 * Options; queue_read.c reads. */
#include "commands/queue.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/users.h"
#include "commands/option_values.h"
#include "commands/commands.h"

enum {
	KEY_IDS = 256,
	KEY_SENDER,
	KEY_FROM,
	KEY_SUBJECT,
	KEY_OLDER,
	KEY_NEWER,
	KEY_DOMAIN,
	KEY_SCRIPT,
	KEY_MTA,
	KEY_DIR,
	KEY_AUTH,
	KEY_CLIENT
};

static const struct argp_option keys[] = {
	{"output", 'o', "table|json", 0, "default: table on a terminal, else json", 0},
	{"list", 'l', NULL, 0, "One line for each message instead of sums", 0},
	{"ids", KEY_IDS, NULL, 0, "Queue ids only, one a line, for a pipe", 0},
	{"top", 't', "N", 0, "Rows of each table (default 10; 0: all)", 0},
	{"recording", 'w', "FILE", 0,
	 "A recording of a trace, which knows the scripts (may be repeated)", 0},
	{NULL, 0, NULL, 0,
	 "Which messages (patterns as a shell's, upper and lower case alike):", 1},
	{"uid", 'u', "UID", 0, "Submitted by this user, number or name", 1},
	{"sender", KEY_SENDER, "PATTERN", 0, "Envelope sender; '' for bounces", 1},
	{"from", KEY_FROM, "PATTERN", 0, "Address in From", 1},
	{"subject", KEY_SUBJECT, "PATTERN", 0, "Decoded subject", 1},
	{"domain", KEY_DOMAIN, "PATTERN", 0, "Domain of a recipient", 1},
	{"auth", KEY_AUTH, "PATTERN", 0, "Mailbox that authenticated", 1},
	{"client", KEY_CLIENT, "PATTERN", 0, "Address of the SMTP client", 1},
	{"script", KEY_SCRIPT, "PATTERN", 0, "Script that submitted it; needs --recording", 1},
	{"older", KEY_OLDER, "TIME", 0, "In the queue for longer than 90s, 30m, 2h, 3d", 1},
	{"newer", KEY_NEWER, "TIME", 0, "In the queue for less than that", 1},
	{NULL, 0, NULL, 0, "Which queue:", 2},
	{"mta", KEY_MTA, "NAME", 0,
	 "qmail, postfix, exim, sendmail or nullmailer (default: all that are found)", 2},
	{"queue-dir", KEY_DIR, "DIR", 0,
	 "Its directory, when it is not where its configuration says", 2},
	{0},
};

/* "30m" in nanoseconds; 0: no time. */
static uint64_t time_span(const char *arg)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char *end;
	unsigned long long n;

	if (*arg < '0' || *arg > '9')
		return 0;
	n = strtoull(arg, &end, 10);
	for (size_t i = 0; i < array_size(units); i++)
		if (*end == units[i].unit && !end[1] && n <= UINT32_MAX)
			return n * units[i].seconds * 1000000000U;
	return 0;
}

static void check(const struct queue_options *o, struct argp_state *state)
{
	if (o->script && !o->recording_count)
		argp_error(state, "--script needs a recording of a trace: add -w FILE");
	if (o->ids && o->list)
		argp_error(state, "--ids and --list exclude each other");
}

static error_t option(int key, char *arg, struct argp_state *state)
{
	struct queue_options *o = state->input;

	switch (key) {
	case 'o':
		o->json = option_json(state, arg);
		return 0;
	case 'l':
		o->list = true;
		return 0;
	case KEY_IDS:
		o->ids = true;
		return 0;
	case 't':
		o->top = option_count(state, arg, "rows", 0, UINT64_MAX);
		return 0;
	case 'w':
		return option_append(&o->recordings, &o->recording_count, arg);
	case 'u':
		o->uid = option_uid(state, arg);
		return 0;
	case KEY_SENDER:
		o->sender = strcmp(arg, "<>") == 0 ? "" : arg;
		return 0;
	case KEY_FROM:
		o->from = arg;
		return 0;
	case KEY_SUBJECT:
		o->subject = arg;
		return 0;
	case KEY_AUTH:
		o->auth = arg;
		return 0;
	case KEY_CLIENT:
		o->client = arg;
		return 0;
	case KEY_DOMAIN:
		o->domain = arg;
		return 0;
	case KEY_SCRIPT:
		o->script = arg;
		return 0;
	case KEY_OLDER:
	case KEY_NEWER:
		*(key == KEY_OLDER ? &o->older_ns : &o->newer_ns) = time_span(arg);
		if (!time_span(arg))
			argp_error(state, "'%s' is no time span like 90s, 30m, 2h or 3d", arg);
		return 0;
	case KEY_MTA:
		o->mta = option_mta(state, arg);
		return 0;
	case KEY_DIR:
		o->directory = arg;
		return 0;
	case ARGP_KEY_END:
		check(o, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp parser = {
	.options = keys,
	.parser = option,
	.doc = "What is in the mail queue now: counts, and messages by origin, sender, recipient "
	       "domain and age.\v"
	       "MOST is the number of recipients of the message that has most of them.\n\n"
	       "To act on what is found, pipe ids into the MTA's own tool, after a look at the "
	       "list:\n"
	       "  spamtrace queue --ids --uid site7 | postsuper -h -\n"
	       "'spamtrace message ID' prints the commands for every MTA.",
};

static int print_message(void *arg, const struct queue_message *m)
{
	const struct queue_options *o = arg;

	if (o->ids)
		return fprintf(m->out, "%s\n", m->id) < 0 ? -EIO : 0;
	return o->json ? queue_json_message(m->out, m) : queue_print_message(m->out, o, m);
}

static void tell_failures(const struct queue_report *r)
{
	if (r->unreadable)
		log_err(r->unreadable_error, "%" PRIu64 " messages could not be read; the first",
			r->unreadable);
	if (r->vanished)
		log_info("%" PRIu64 " messages left the queue while it was read", r->vanished);
	if (r->incomplete)
		log_info("%" PRIu64 " messages are just being written and are not shown",
			 r->incomplete);
}

static unsigned columns(void)
{
	struct winsize w = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col)
		return w.ws_col;
	return isatty(STDOUT_FILENO) ? 80 : 120;
}

static int print_report(const struct queue_options *o, struct queue_report *r)
{
	int err = o->json ? queue_print_json(stdout, o, r) : queue_print_table(stdout, o, r);

	if (err && err != -EPIPE)
		log_err(err, "the report could not be written");
	return err;
}

static int run(const struct queue_options *o)
{
	struct queue_report report __attribute__((cleanup(queue_report_clear))) = {0};
	struct queue_join *join __attribute__((cleanup(queue_join_freep))) = NULL;
	bool each = o->ids || o->list;
	int r;

	if (o->recording_count && queue_join_new(o->recordings, o->recording_count, &join) < 0)
		return 1;
	r = queue_read(o, join, each ? print_message : NULL, (void *)o, &report);
	if (r < 0)
		return 1;
	if (each)
		r = fflush(stdout) ? -errno : 0;
	else
		r = print_report(o, &report);
	tell_failures(&report);
	for (size_t i = 0; i < report.queue_count; i++)
		r |= report.count_errors[i];
	return r || report.unreadable ? 1 : 0;
}

int command_queue(int argc, char **argv)
{
	struct queue_options o = {.uid = COUNT_UNKNOWN,
				  .top = 10,
				  .out = stdout,
				  .json = !isatty(STDOUT_FILENO),
				  .columns = columns()};
	int status;

	if (argp_parse(&parser, argc, argv, 0, NULL, &o))
		return EXIT_USAGE;
	/* a pipe that ends is an error of the write, not a signal */
	signal(SIGPIPE, SIG_IGN);
	status = run(&o);
	free(o.recordings);
	return status;
}
