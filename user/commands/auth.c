// SPDX-License-Identifier: GPL-2.0-only
/* `spamtrace auth`: SMTP AUTH users by messages, from the mail log. Options, files, progress;
 * counting is mail/authcount. */
#include "commands/commands.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "commands/option_values.h"
#include "commands/auth_print.h"
#include "mail/logfiles.h"
#include "mail/loglines.h"

#define SECOND 1000000000ULL

/* The clock is asked once in so many lines. */
#define PROGRESS_LINES 65536

struct options {
	struct auth_view view;
	int64_t since, until; /* 0: open */
	bool json, output_set, rotated;
	char **files;
	int n_files;
};

struct reading {
	struct authcount *count;
	struct auth_totals totals;
	uint64_t started, shown; /* boot time; shown 0: no progress line yet */
	uint64_t bytes_total, bytes_before;
	bool terminal;
};

static const struct argp_option keys[] = {
	{"since", 's', "TIME", 0,
	 "only from this time on: 2026-11-21, '2026-11-21 18:55:00', RFC 3339", 0},
	{"until", 'e', "TIME", 0, "only before this time", 0},
	{"last", 'l', "HOURS", 0, "only the last so many hours", 0},
	{"top", 't', "N", 0, "show the N busiest users (default 20; 0: all)", 0},
	{"min", 'm', "N", 0, "only users with at least N messages or logins", 0},
	{"user", 'U', "NAME", 0, "only this user, with the addresses it was used from", 0},
	{"all", 'a', NULL, 0, "read rotated logs too (when no FILE is given)", 0},
	{"output", 'o', "table|json", 0, "default: table on a terminal, else json", 0},
	{0},
};

/* "2026-11-21" is midnight; else what log stamps look like. */
static bool time_argument(const char *arg, int64_t *out)
{
	struct auth_clock clock;
	char full[40];
	size_t used;

	auth_clock_init(&clock, (int64_t)time(NULL));
	if (strlen(arg) == 10)
		snprintf(full, sizeof(full), "%s 00:00:00", arg);
	else if (strlen(arg) == 16)
		snprintf(full, sizeof(full), "%s:00", arg);
	else if (strlen(arg) < sizeof(full))
		snprintf(full, sizeof(full), "%s", arg);
	else
		return false;
	return authlog_stamp(full, strlen(full), &clock, out, &used) && used == strlen(full);
}

static error_t option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 's':
		if (!time_argument(arg, &o->since))
			argp_error(state, "--since: '%s' is no time", arg);
		return 0;
	case 'e':
		if (!time_argument(arg, &o->until))
			argp_error(state, "--until: '%s' is no time", arg);
		return 0;
	case 'l': {
		uint64_t hours = option_count(state, arg, "hours", 0, 24 * 366 * 10);

		o->since = (int64_t)time(NULL) - (int64_t)hours * 3600;
		return 0;
	}
	case 't':
		o->view.top = option_count(state, arg, "rows", 0, UINT64_MAX);
		return 0;
	case 'm':
		o->view.min = option_count(state, arg, "messages", 0, UINT64_MAX);
		return 0;
	case 'U':
		o->view.user = arg;
		return 0;
	case 'a':
		o->rotated = true;
		return 0;
	case 'o':
		o->json = option_json(state, arg);
		o->output_set = true;
		return 0;
	case ARGP_KEY_ARGS:
		o->files = state->argv + state->next;
		o->n_files = state->argc - state->next;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp parser = {
	.options = keys,
	.parser = option,
	.args_doc = "[FILE...]",
	.doc = "SMTP AUTH users by number of messages and of addresses they came from, from the "
	       "mail log "
	       "of qmail, Plesk, Postfix, Exim, Sendmail or Dovecot. FILE may be gzip; - is "
	       "standard input; "
	       "without one the log is found.\vFrom the journal: journalctl -q -o short-iso "
	       "SYSLOG_FACILITY=2 | spamtrace auth -",
};

static void progress(struct reading *r, const struct loglines *lines, const char *name)
{
	uint64_t now = clock_boot_ns(), done = r->bytes_before + loglines_file_bytes(lines);
	double seconds = (double)(now - r->started) / 1e9;
	double mb = (double)(r->totals.text_bytes + loglines_text_bytes(lines)) / 1e6;

	if (!r->terminal || now - r->started < SECOND || now - r->shown < SECOND / 4)
		return;
	r->shown = now;
	fprintf(stderr, "\r\033[K%.0f MB, %.0f MB/s", mb, mb / seconds);
	if (r->bytes_total && strcmp(name, "-") != 0)
		fprintf(stderr, ", %.0f %%", 100.0 * (double)done / (double)r->bytes_total);
	fflush(stderr);
}

static void progress_end(struct reading *r)
{
	if (r->shown)
		fputs("\r\033[K", stderr);
	r->shown = 0;
}

static void take(struct reading *r, const struct options *o, const struct auth_event *e)
{
	if (e->kind == AUTH_NONE)
		return;
	if ((o->since && e->time < o->since) || (o->until && (e->time >= o->until || !e->time))) {
		r->totals.outside++;
		return;
	}
	if (e->time && (!r->totals.first || e->time < r->totals.first))
		r->totals.first = e->time;
	if (e->time > r->totals.last)
		r->totals.last = e->time;
	authcount_add(r->count, e);
}

static int read_lines(struct reading *r, const struct options *o, struct loglines *lines,
		      const char *name, int64_t reference)
{
	struct auth_clock clock;
	struct auth_event e;
	const char *line;
	size_t len;
	int got;

	auth_clock_init(&clock, reference);
	while ((got = loglines_next(lines, &line, &len)) > 0) {
		authlog_parse(line, len, &clock, &e);
		take(r, o, &e);
		if (++r->totals.lines % PROGRESS_LINES == 0)
			progress(r, lines, name);
	}
	progress_end(r);
	return got;
}

static int read_file(struct reading *r, const struct options *o, const char *name)
{
	__attribute__((cleanup(loglines_freep))) struct loglines *lines = NULL;
	_close_ int fd = -1;
	bool standard = strcmp(name, "-") == 0;
	struct stat st;
	int err;

	fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
		      : open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) != 0)
		return log_err(errno, "%s", name);
	if (S_ISDIR(st.st_mode))
		return log_err(EISDIR, "%s", name);
	log_info("reading %s", standard ? "standard input" : name);
	err = loglines_open(take_fd(fd), &lines);
	if (err)
		return log_err(err, "%s", name);
	err = read_lines(r, o, lines, name,
			 S_ISREG(st.st_mode) ? (int64_t)st.st_mtime : (int64_t)time(NULL));
	r->totals.files++;
	r->totals.text_bytes += loglines_text_bytes(lines);
	r->totals.cut_lines += loglines_cut(lines);
	r->bytes_before += S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	if (err == -EBADMSG)
		log_warn(
			"%s: the compressed data is damaged or cut; what came before it is counted",
			name);
	else if (err)
		log_err(err, "%s", name);
	return err;
}

static void tell_losses(const struct reading *r)
{
	const struct auth_lost *lost = authcount_lost(r->count);

	if (r->totals.cut_lines)
		log_warn("%" PRIu64
			 " lines were longer than %d bytes: only their beginning was read",
			 r->totals.cut_lines, LOGLINE_MAX);
	if (lost->users)
		log_warn("%" PRIu64
			 " events belong to users that did not fit into the table: read a "
			 "shorter time with --since",
			 lost->users);
	if (lost->addresses)
		log_warn("%" PRIu64
			 " uses came from addresses that did not fit into the table: ADDRS and "
			 "NETS are too low",
			 lost->addresses);
	if (lost->joins)
		log_warn("%" PRIu64
			 " messages were given up before their second line came: RCPTS is too low",
			 lost->joins);
	if (!r->totals.last && !r->totals.outside)
		log_info("no authenticated mail in %" PRIu64 " lines", r->totals.lines);
	if (r->totals.outside)
		log_debug("%" PRIu64 " events lie outside the time asked for", r->totals.outside);
}

static unsigned columns(void)
{
	struct winsize w = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col)
		return w.ws_col;
	return 120;
}

static int read_all(struct reading *r, const struct options *o, char **files, size_t n)
{
	int failed = 0;
	struct stat st;

	for (size_t i = 0; i < n; i++)
		if (stat(files[i], &st) == 0 && S_ISREG(st.st_mode))
			r->bytes_total += (uint64_t)st.st_size;
	for (size_t i = 0; i < n; i++)
		failed |= read_file(r, o, files[i]) < 0;
	return failed;
}

static int find_and_read(struct reading *r, const struct options *o)
{
	char **files = NULL;
	size_t n = 0, skipped = 0;
	int failed, err = logfiles_find("/", o->rotated, &files, &n, &skipped);

	if (err) {
		log_err(err, "looking for the mail log");
		return 1;
	}
	if (skipped)
		log_warn("%zu rotated parts are compressed with xz, bzip2 or zstd: unpack them "
			 "through a pipe "
			 "to 'spamtrace auth -'",
			 skipped);
	if (!n)
		log_warn("no mail log found (looked in /var/log and Plesk's and Exim's places); "
			 "name it, or "
			 "run: journalctl -q -o short-iso SYSLOG_FACILITY=2 | spamtrace auth -");
	failed = !n || read_all(r, o, files, n);
	logfiles_free(files, n);
	return failed;
}

int command_auth(int argc, char **argv)
{
	struct options o = {.view = {.top = 20}};
	__attribute__((cleanup(authcount_freep))) struct authcount *count = NULL;
	struct reading r = {.started = clock_boot_ns(), .terminal = isatty(STDERR_FILENO)};
	int err, failed;

	if (argp_parse(&parser, argc, argv, 0, NULL, &o))
		return EXIT_USAGE;
	if (!o.output_set)
		o.json = !isatty(STDOUT_FILENO);
	o.view.columns = columns();
	err = authcount_new(NULL, &count);
	if (err) {
		log_err(err, "auth");
		return 1;
	}
	r.count = count;
	failed = o.n_files ? read_all(&r, &o, o.files, (size_t)o.n_files) : find_and_read(&r, &o);
	if (!r.totals.files)
		return 1;
	err = (o.json ? auth_print_json : auth_print_table)(stdout, count, &o.view, &r.totals);
	tell_losses(&r);
	log_debug("%" PRIu64 " lines, %.1f MB in %.2f s", r.totals.lines,
		  (double)r.totals.text_bytes / 1e6, (double)(clock_boot_ns() - r.started) / 1e9);
	if (err && err != -EPIPE)
		log_err(err, "writing the result");
	return failed || err ? 1 : 0;
}
