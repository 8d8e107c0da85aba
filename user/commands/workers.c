// SPDX-License-Identifier: GPL-2.0-only
/* `spamtrace workers`: what every PHP worker of this host is doing now. Options and the loop; see
 * workers_read.c, workers_print.c. */
#include "commands/workers.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "commands/commands.h"
#include "commands/option_values.h"
#include "output/page.h"
#include "web/servers.h"

#define EXIT_NO_PRIVILEGE 77

/* CPU is measured over this long before the first page. */
#define FIRST_LOOK_NS 200000000L

struct options {
	struct workers_view view;
	double interval; /* 0: one look */
	long count;      /* looks; 0: until interrupted */
	bool json, output_set;
};

static const struct argp_option keys[] = {
	{"interval", 'i', "SECONDS", 0, "look again and again, like top", 0},
	{"count", 'n', "N", 0, "with -i: end after N looks", 0},
	{"all", 'a', NULL, 0, "idle workers, masters and those that cannot be read too", 0},
	{"user", 'u', "USER", 0, "only this user (name or uid)", 0},
	{"vhost", 'V', "NAME", 0, "only this vhost; may hold * and ?", 0},
	{"script", 's', "PATH", 0, "only scripts whose path contains this; may hold * and ?", 0},
	{"verbose", 'v', NULL, 0, "the PHP call stack below each worker", 0},
	{"output", 'o', "table|json", 0, "default: table", 0},
	{0},
};

static error_t option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'i':
		o->interval = option_number(state, arg, "seconds", 0.1, 86400);
		return 0;
	case 'n':
		o->count = (long)option_count(state, arg, "looks", 1, INT32_MAX);
		return 0;
	case 'a':
		o->view.all = true;
		return 0;
	case 'u':
		o->view.user = arg;
		return 0;
	case 'V':
		o->view.vhost = arg;
		return 0;
	case 's':
		o->view.script = arg;
		return 0;
	case 'v':
		o->view.stack = true;
		return 0;
	case 'o':
		o->json = option_json(state, arg);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is one argument too many", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp parser = {
	.options = keys,
	.parser = option,
	.doc = "What every PHP worker on this host is doing now, read from its memory: Apache's "
	       "module, FPM, "
	       "FastCGI, CGI and command line, with opcache warm or not.\v"
	       "SINCE is how long the request has been running; '<4m10' means that only the age of "
	       "its process is "
	       "known. VHOST is the server's own word for it where that can be read; with '?' it "
	       "is only what the "
	       "client claims. CPU% is of one CPU since the last look. S is the state: R runs, S "
	       "waits, D waits for a disk.",
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

static void wait_seconds(double seconds)
{
	struct timespec t = {.tv_sec = (time_t)seconds,
			     .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

	while (!interrupted && nanosleep(&t, &t) && errno == EINTR)
		;
}

/* Both 0 when it is no terminal. */
static void terminal_size(unsigned *columns, unsigned *rows)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};

	*columns = *rows = 0;
	if (!isatty(STDOUT_FILENO))
		return;
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*columns = size.ws_col < 40 ? 80 : size.ws_col;
	*rows = size.ws_row < 8 ? 24 : size.ws_row;
}

/* Lines of the head of a page, so that the rows below know their room. */
static unsigned explained;

static void explain_on_stdout(const char *fmt, ...)
{
	char text[1024];
	struct page p = {.out = stdout};
	unsigned rows;
	va_list ap;

	terminal_size(&p.columns, &rows);
	explained++;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	page_cell(&p, text, p.columns ? p.columns : sizeof(text), false, false);
	fputc('\n', stdout);
}

/* A page of its own on a terminal, else one page after the other. */
static int show(const struct options *o, const struct workers *w)
{
	struct workers_view v = o->view;
	bool page = o->interval > 0 && isatty(STDOUT_FILENO);
	int err;

	if (o->json)
		return workers_print_json(stdout, &v, w);
	terminal_size(&v.columns, &v.rows);
	explained = 0;
	v.color = v.columns != 0;
	if (page) {
		fputs("\033[H\033[2J", stdout);
		workers_explain(w, explain_on_stdout);
		fputc('\n', stdout);
		v.rows = v.rows > explained + 6 ? v.rows - explained - 2 : 4;
	} else {
		v.rows = 0;
	}
	err = workers_print_table(stdout, &v, w);
	if (!page)
		workers_explain(w, log_info);
	return err;
}

static int look_and_show(const struct options *o, struct php_finder *finder,
			 struct servers *servers)
{
	__attribute__((cleanup(vhost_table_freep))) struct vhost_table *vhosts = NULL;
	struct workers before = {0}, now;
	int err = servers_read(servers, &vhosts);

	if (!err)
		err = workers_read(finder, vhosts, NULL, &before);
	if (!err)
		wait_seconds((double)FIRST_LOOK_NS / 1e9);
	for (long n = 0; !err; n++) {
		err = workers_read(finder, vhosts, &before, &now);
		if (err)
			break;
		workers_free(&before);
		before = now;
		err = show(o, &now);
		/* what is there could not be read: no privilege, and nothing to wait for */
		if (!err && geteuid() && !now.busy && !now.idle && (now.denied || now.unread))
			err = -EPERM;
		if (err || !(o->interval > 0) || interrupted || (o->count && n + 1 >= o->count))
			break;
		wait_seconds(o->interval);
		if (interrupted)
			break;
		if (servers_changed(servers)) {
			vhost_table_free(vhosts);
			vhosts = NULL;
			err = servers_read(servers, &vhosts);
		}
	}
	workers_free(&before);
	return err;
}

int command_workers(int argc, char **argv)
{
	struct options o = {0};
	struct sigaction action = {.sa_handler = on_signal};
	__attribute__((cleanup(php_finder_freep))) struct php_finder *finder = NULL;
	__attribute__((cleanup(servers_freep))) struct servers *servers = NULL;
	int err;

	if (argp_parse(&parser, argc, argv, 0, NULL, &o))
		return EXIT_USAGE;
	finder = php_finder_new(NULL, NULL);
	servers = servers_new("/proc");
	if (!finder || !servers) {
		log_err(ENOMEM, "workers");
		return 1;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	err = look_and_show(&o, finder, servers);
	if (err == -EPERM)
		return EXIT_NO_PRIVILEGE; /* workers_explain() has said what to do */
	if (err == -EIO)
		log_err(err, "the output could not be written");
	else if (err)
		log_err(err, "the workers could not be read");
	return err ? 1 : 0;
}
