// SPDX-License-Identifier: GPL-2.0-only
#include "commands/trace_options.h"

#include <argp.h>
#include <errno.h>
#include <string.h>

#include "commands/option_values.h"

enum {
	KEY_VHOST = 256,
	KEY_SCRIPT,
	KEY_BY,
	KEY_MTA,
	KEY_QUEUE_DIR,
	KEY_STRICT,
	KEY_REDACT,
	KEY_EVIDENCE,
	KEY_OPENS,
	KEY_RING
};

static const struct argp_option options[] = {
	{"output", 'o', "FORMAT", 0,
	 "table or json; default: table on a terminal, json lines otherwise", 0},
	{"write", 'w', "FILE", 0, "Write everything to FILE (JSON lines) for the postmortem", 0},
	{"redact", KEY_REDACT, NULL, 0, "In FILE, replace addresses and subjects by keyed hashes",
	 0},
	{"duration", 'd', "SECONDS", 0, "Stop after SECONDS", 1},
	{"count", 'n', "MESSAGES", 0, "Stop after MESSAGES messages", 1},
	{"uid", 'u', "USER", 0, "Show only messages of this uid or user", 2},
	{"vhost", KEY_VHOST, "NAME", 0, "Show only messages of this vhost", 2},
	{"script", KEY_SCRIPT, "TEXT", 0,
	 "Show only messages whose script or culprit contains TEXT", 2},
	{"by", KEY_BY, "KIND", 0, "First summary: script, uid, vhost, client or source", 3},
	{"interval", 'i', "SECONDS", 0, "Count the queues every SECONDS (default 1)", 3},
	{"mta", KEY_MTA, "NAME", 0,
	 "auto (default), qmail, postfix, exim, sendmail, nullmailer or none", 3},
	{"queue-dir", KEY_QUEUE_DIR, "DIR", 0,
	 "The MTA's queue, when it is not where its configuration says", 3},
	{"evidence", KEY_EVIDENCE, "DIR", 0, "Keep a copy of each culprit file in DIR", 3},
	{"opens", KEY_OPENS, NULL, 0,
	 "Also watch script files being opened (slows every system call a little)", 3},
	{"ring", KEY_RING, "MIB", 0, "Size of the ring buffer, a power of two (default 4)", 4},
	{"strict", KEY_STRICT, NULL, 0, "Exit with status 2 if any event was lost", 4},
	{"verbose", 'v', NULL, 0, "Print the PHP stack of each message, and diagnostics", 4},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct trace_options *o = state->input;
	double n;

	switch (key) {
	case 'o':
		o->output = option_json(state, arg) ? OUTPUT_JSON : OUTPUT_TABLE;
		return 0;
	case 'w':
		o->write = arg;
		return 0;
	case 'd':
		o->duration = option_number(state, arg, "seconds", 0.001, 1e9);
		return 0;
	case 'n':
		o->count = option_count(state, arg, "messages", 1, UINT64_MAX);
		return 0;
	case 'i':
		o->interval = option_number(state, arg, "seconds", 0.1, 1e9);
		return 0;
	case 'u':
		o->uid = option_uid(state, arg);
		return 0;
	case KEY_VHOST:
		o->vhost = arg;
		return 0;
	case KEY_SCRIPT:
		o->script = arg;
		return 0;
	case KEY_BY:
		if (tally_by_parse(arg, &o->by))
			argp_error(state,
				   "%s: summaries are by script, uid, vhost, client or source",
				   arg);
		return 0;
	case KEY_MTA:
		o->no_mta = !strcmp(arg, "none");
		o->mta = o->no_mta ? NULL : option_mta(state, arg);
		return 0;
	case KEY_QUEUE_DIR:
		o->queue_dir = arg;
		return 0;
	case KEY_STRICT:
		o->strict = true;
		return 0;
	case KEY_REDACT:
		o->redact = true;
		return 0;
	case KEY_EVIDENCE:
		o->evidence = arg;
		return 0;
	case KEY_OPENS:
		o->opens = true;
		return 0;
	case KEY_RING:
		n = option_number(state, arg, "MiB", 0.004, 1024);
		if (n < 1)
			o->ring_mib = 0; /* 4 KiB, for tests of a full ring */
		else if (((unsigned)n & ((unsigned)n - 1)) || n != (unsigned)n)
			argp_error(state, "%s: the ring's size must be a power of two up to 1024",
				   arg);
		else
			o->ring_mib = (unsigned)n;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: no such command or argument", arg);
		return 0;
	case ARGP_KEY_END:
		if (o->queue_dir && !o->mta)
			argp_error(state, "--queue-dir needs --mta: whose queue is it?");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

void trace_options_parse(int argc, char **argv, struct trace_options *out)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Traces which script, line, vhost, uid and client put each message into the "
		       "mail queue, until Ctrl-C.",
	};

	*out = (struct trace_options){.interval = 1, .uid = COUNT_UNKNOWN, .ring_mib = 4};
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, out);
}
