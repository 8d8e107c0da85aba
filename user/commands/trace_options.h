/* SPDX-License-Identifier: GPL-2.0-only */
/* What `spamtrace trace` was asked to do. */
#ifndef ST_TRACE_OPTIONS_H
#define ST_TRACE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "mail/mta.h"
#include "trace/event.h"

struct trace_options {
	enum { OUTPUT_AUTO, OUTPUT_TABLE, OUTPUT_JSON } output;
	const char *write; /* recording, NULL: none */
	bool redact, strict, verbose, opens;
	double duration; /* seconds, 0: until interrupted */
	uint64_t count;  /* messages, 0: no limit */
	double interval; /* of queue counts, seconds */
	enum tally_by by;
	int64_t uid; /* filter; COUNT_UNKNOWN: none */
	const char *vhost, *script;
	const struct mta *mta; /* NULL: all */
	bool no_mta;
	const char *queue_dir;
	const char *evidence; /* directory for copies of culprit files */
	unsigned ring_mib;
};

/* Parses argv; exits as argp does on --help and on a usage error (64). */
void trace_options_parse(int argc, char **argv, struct trace_options *out);

#endif
