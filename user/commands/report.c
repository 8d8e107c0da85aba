// SPDX-License-Identifier: GPL-2.0-only
/* `spamtrace report FILE`: the summary of a recording. Options here; the counting is
 * report_read.c's. */
#include "commands/commands.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "commands/option_values.h"
#include "commands/report.h"
#include "output/html.h"
#include "output/json_event.h"
#include "output/line_writer.h"
#include "output/summary.h"

struct options {
	struct report_filter filter;
	enum tally_by by;
	unsigned top;
	bool json;
	const char *html; /* where the page goes */
	const char *file;
};

static const struct argp_option keys[] = {
	{"json", 'j', NULL, 0, "one JSON object instead of text", 0},
	{"html", 'H', "OUT", 0, "one HTML page into OUT, a new file (0600), instead of text", 0},
	{"by", 'b', "script|uid|vhost|client|source", 0, "which list comes first", 0},
	{"top", 't', "N", 0, "show the first N of each list (default 10)", 0},
	{"uid", 'u', "UID|NAME", 0, "only messages of this user", 0},
	{"vhost", 'V', "PATTERN", 0, "only messages of these vhosts ('*' and '?' match)", 0},
	{"script", 's', "PATTERN", 0,
	 "only messages of these scripts, by path or by the file to blame ('*' and '?' match)", 0},
	{0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case 'H':
		o->html = arg;
		return 0;
	case 'b':
		if (tally_by_parse(arg, &o->by))
			argp_error(state, "--by takes script, uid, vhost, client or source");
		return 0;
	case 't':
		o->top = (unsigned)option_count(state, arg, "rows", 1, REPORT_ROWS);
		return 0;
	case 'u':
		o->filter.user = arg;
		return 0;
	case 'V':
		o->filter.vhost = arg;
		return 0;
	case 's':
		o->filter.script = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (o->file)
			argp_error(state, "one recording at a time");
		o->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->file)
			argp_error(state, "which recording? Name the FILE of trace's -w, or - for "
					  "standard input");
		if (o->json && o->html)
			argp_error(state, "--json or --html, not both");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int print_json(const struct summary_event *e)
{
	struct json_context c = {.host = e->host};
	struct line_writer w;
	_free_ char *line = NULL;
	size_t len = 0;
	int err = json_summary_line(&c, e, &line, &len);

	if (err)
		return err;
	line_writer_init(&w, STDOUT_FILENO);
	return line_write(&w, line, len);
}

/* Subjects and addresses are in it: for its owner only, and never over something. */
static int print_html(const struct summary_event *e, const struct options *o)
{
	_close_ int fd = open(o->html, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *out;
	int err;

	if (fd < 0)
		return -errno;
	out = fdopen(fd, "w");
	if (!out)
		return -errno;
	(void)take_fd(fd);
	html_print(out, e, o->top);
	errno = EIO;
	err = ferror(out) ? -errno : 0;
	return fclose(out) ? -errno : err;
}

static int print_text(const struct summary_event *e, const struct options *o)
{
	const char *no_color = getenv("NO_COLOR");
	struct winsize size = {0};
	struct summary_style style = {
		.columns = 120,
		.color = isatty(STDOUT_FILENO) && !(no_color && *no_color),
		.by = o->by,
		.top = o->top,
	};

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		style.columns = size.ws_col;
	summary_print(stdout, e, &style);
	return fflush(stdout) || ferror(stdout) ? -EIO : 0;
}

int command_report(int argc, char **argv)
{
	static const struct argp argp = {
		keys,
		parse_option,
		"FILE",
		"The summary of a recording (trace -w FILE): who sent, whether the queue's books "
		"balance, what was lost.",
		NULL,
		NULL,
		NULL};
	struct options o = {.by = BY_SCRIPT, .top = 10};
	struct report *report = NULL;
	struct summary_event e;
	int err;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return EXIT_USAGE;
	err = report_read(o.file, &o.filter, &report);
	if (err == -ENODATA) {
		log_warn("%s is no recording of spamtrace: not one of its lines is an event",
			 o.file);
		return 1;
	}
	if (err) {
		log_err(err, "cannot read %s", o.file);
		return 1;
	}
	report_summary(report, &e);
	err = o.json ? print_json(&e) : o.html ? print_html(&e, &o) : print_text(&e, &o);
	if (err)
		log_err(err, "cannot write the report%s%s", o.html ? " into " : "",
			o.html ? o.html : "");
	report_free(report);
	return err ? 1 : 0;
}
