// SPDX-License-Identifier: GPL-2.0-only
/* `spamtrace doctor`: can this host be traced, and is it open to abuse. Options and output; the
 * looking is user/doctor/. */
#include "commands/commands.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "commands/option_values.h"
#include "commands/json_line.h"
#include "doctor/doctor.h"

/* "warning  postfix  " */
#define INDENT 18

struct options {
	bool json, output_set;
};

static const struct argp_option keys[] = {
	{"output", 'o', "table|json", 0, "default: table on a terminal, else json", 0},
	{0},
};

static error_t option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'o':
		o->json = option_json(state, arg);
		o->output_set = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "no argument is taken: '%s'", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp parser = {
	.options = keys,
	.parser = option,
	.doc = "Can this host be traced, and does a door stand open: one line each, ok, warning, "
	       "bad or "
	       "unknown, and what to do. Changes nothing. Exit status 1: something is bad.",
};

/* Words of `text` from column INDENT on, wrapped at `columns`. 0 columns: one line. */
static void wrap(const char *text, size_t columns, size_t at)
{
	while (*text) {
		size_t n = strcspn(text, " ");
		char word[4096];

		snprintf(word, sizeof(word), "%.*s", (int)n, text);
		if (columns && at > INDENT && at + text_width(word) + 1 > columns) {
			printf("\n%*s", INDENT, "");
			at = INDENT;
		}
		at += (size_t)printf("%s%s", at > INDENT ? " " : "", word);
		text += n + strspn(text + n, " ");
	}
}

static const char *color(enum doctor_level level)
{
	static const char *const colors[] = {
		[DOCTOR_OK] = "\033[32m",
		[DOCTOR_WARNING] = "\033[33m",
		[DOCTOR_BAD] = "\033[31;1m",
		[DOCTOR_UNKNOWN] = "\033[36m",
	};

	return colors[level];
}

static void print_table(const struct doctor *d, bool terminal, size_t columns)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct finding *f = &d->findings[i];
		char text[8192];
		size_t n = strlen(f->text);

		text_for_terminal(text, sizeof(text), f->text, n);
		printf("%s%-8s%s %-8s ", terminal ? color(f->level) : "",
		       doctor_level_name(f->level), terminal ? "\033[0m" : "", f->area);
		wrap(text, columns, INDENT);
		if (f->advice && terminal)
			printf("\n%*s", INDENT, "");
		else if (f->advice)
			fputs("; ", stdout);
		if (f->advice) {
			char advice[1024];

			snprintf(advice, sizeof(advice), "-> %s", f->advice);
			wrap(advice, columns, INDENT);
		}
		putchar('\n');
	}
}

static int print_json(const struct doctor *d)
{
	int err = 0;

	for (size_t i = 0; i < d->n && !err; i++) {
		const struct finding *f = &d->findings[i];
		json_t *line = json_line_new("doctor-finding");

		json_line_put(line, "spamtrace.doctor.level",
			      json_string(doctor_level_name(f->level)));
		json_line_put_text(line, "spamtrace.doctor.area", f->area);
		json_line_put_text(line, "spamtrace.doctor.check", f->check);
		json_line_put_text(line, "message", f->text);
		json_line_put_text(line, "spamtrace.doctor.advice", f->advice);
		if (f->names.n) {
			json_t *names = json_array();

			for (size_t k = 0; k < f->names.n; k++)
				json_array_append_new(names, json_line_text(f->names.v[k]));
			json_line_put(line, "spamtrace.doctor.names", names);
			if (f->names.all > f->names.n)
				json_line_put_count(line, "spamtrace.doctor.names_cut",
						    f->names.all - f->names.n);
		}
		err = json_line_write(stdout, line);
	}
	return err;
}

int command_doctor(int argc, char **argv)
{
	struct options o = {0};
	struct doctor d = {.root = "/"};
	struct winsize w = {0};
	size_t bad = 0, warnings = 0, unknown = 0;
	bool terminal = isatty(STDOUT_FILENO);
	int err = 0;

	if (argp_parse(&parser, argc, argv, 0, NULL, &o))
		return EXIT_USAGE;
	if (!o.output_set)
		o.json = !terminal;
	doctor_kernel(&d);
	doctor_php(&d);
	doctor_qmail(&d);
	doctor_postfix(&d);
	doctor_exim(&d);
	doctor_servers(&d);
	doctor_web(&d);
	for (size_t i = 0; i < d.n; i++) {
		bad += d.findings[i].level == DOCTOR_BAD;
		warnings += d.findings[i].level == DOCTOR_WARNING;
		unknown += d.findings[i].level == DOCTOR_UNKNOWN;
	}
	if (terminal && (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col < 40))
		w.ws_col = 80;
	if (o.json)
		err = print_json(&d);
	else
		print_table(&d, terminal, terminal ? w.ws_col : 0);
	if (!err && (fflush(stdout) != 0 || ferror(stdout)))
		err = errno ? -errno : -EIO;
	if (err && err != -EPIPE)
		log_err(err, "writing the result");
	if (d.no_memory)
		log_warn("out of memory: some findings are missing");
	if (!o.json)
		log_info("%zu bad, %zu warnings, %zu unknown of %zu checks", bad, warnings, unknown,
			 d.n);
	err |= d.no_memory;
	doctor_free(&d);
	return bad || err ? 1 : 0;
}
