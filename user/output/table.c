// SPDX-License-Identifier: GPL-2.0-only
/* The terminal: one row per message, a live status line below, the summary at the end. */
#include "output/sink.h"

#include <errno.h>
#include <signal.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "output/live.h"
#include "output/page.h"
#include "output/row.h"
#include "output/summary.h"
#include "output/words.h"

#define NS_PER_MS 1000000ULL

/* A burst of rows goes out together; a single row waits for the next idle tick at most. */
#define FLUSH_AFTER_NS (50 * NS_PER_MS)

struct table {
	struct sink sink; /* first: what callers hold */
	struct table_options options;
	struct page page;
	struct row_layout layout;
	struct live live;
	bool header_due, legend_shown;
	unsigned status_rows; /* rows of the status on the screen now */
	uint64_t flushed_ns;
	uint64_t waiting; /* events in the stream's buffer */
	int error;        /* reported already */
};

/* The table whose status line log messages must not run into. */
static struct table *on_screen;

/* stdout outlives the sink, so its buffer does too. */
static char terminal_buffer[32768];

static struct table *from_sink(struct sink *s)
{
	return (struct table *)s;
}

static unsigned ask_columns(FILE *out)
{
	struct winsize size = {0};

	if (fileno(out) >= 0 && !ioctl(fileno(out), TIOCGWINSZ, &size) && size.ws_col)
		return size.ws_col;
	return 120;
}

/* ---- the status at the bottom ---- */

/* The cursor stands at the start of the last status row. */
static void erase_status(struct table *t)
{
	if (!t->status_rows)
		return;
	if (t->status_rows > 1)
		fprintf(t->page.out, "\x1b[%uA", t->status_rows - 1);
	fputs("\r\x1b[J", t->page.out);
	t->status_rows = 0;
}

static void draw_status(struct table *t, uint64_t wall_ns)
{
	if (!t->options.terminal)
		return;
	erase_status(t);
	t->status_rows = live_print(&t->live, &t->page, wall_ns);
	fputc('\r', t->page.out);
}

static int flush(struct table *t)
{
	int err = 0;

	t->flushed_ns = clock_boot_ns();
	if (fflush(t->page.out) || ferror(t->page.out)) {
		err = errno ? -errno : -EIO;
		__fpurge(t->page.out);
		clearerr(t->page.out);
		t->sink.unwritten += t->waiting;
	}
	t->waiting = 0;
	if (err == t->error)
		return 0;
	t->error = err;
	return err;
}

/* After a row: show it now, or with the ones that follow at once. */
static int row_done(struct table *t, uint64_t wall_ns)
{
	t->waiting++;
	if (clock_boot_ns() - t->flushed_ns < FLUSH_AFTER_NS)
		return 0;
	draw_status(t, wall_ns);
	return flush(t);
}

static void make_way_for_message(void)
{
	if (on_screen && on_screen->status_rows) {
		erase_status(on_screen);
		flush(on_screen);
	}
}

/* ---- events ---- */

static int table_started(struct sink *s, const struct summary_event *e)
{
	struct table *t = from_sink(s);

	t->live.started_ns = e->wall_ns;
	t->header_due = true;
	return 0;
}

static void put_header(struct table *t)
{
	if (!t->header_due)
		return;
	t->header_due = false;
	if (!t->legend_shown)
		fprintf(t->page.out, "%s= exact   ~ inferred   ? no proof of the origin%s\n",
			page_on(&t->page, PAINT_DIM), page_off(&t->page, PAINT_DIM));
	t->legend_shown = true;
	row_header(&t->layout, &t->page);
}

static int table_mail(struct sink *s, const struct mail_event *e)
{
	struct table *t = from_sink(s);

	live_mail(&t->live, e);
	if (e->action == ACTION_MAIL_REMOVED && !t->options.verbose)
		return 0;
	erase_status(t);
	if (row_learn(&t->layout, e, t->page.columns))
		t->header_due = true;
	put_header(t);
	row_print(&t->layout, &t->page, e);
	if (t->options.verbose && e->action != ACTION_MAIL_REMOVED)
		row_details(&t->page, e);
	return row_done(t, e->wall_ns);
}

static int table_queue(struct sink *s, const struct queue_event *e)
{
	struct table *t = from_sink(s);

	if (live_queue(&t->live, e) && !t->options.terminal)
		log_warn("%s", t->live.note); /* without a status line this says it once */
	return 0;
}

static int table_ended(struct sink *s, const struct summary_event *e)
{
	struct table *t = from_sink(s);
	struct summary_style style = {
		.columns = t->page.columns,
		.color = t->page.color,
		.by = t->options.by,
	};
	int err;

	erase_status(t);
	t->options.terminal = false; /* the status line is over */
	summary_print(t->page.out, e, &style);
	t->waiting++;
	err = flush(t);
	return err;
}

static int table_tick(struct sink *s, uint64_t wall_ns)
{
	struct table *t = from_sink(s);

	if (t->options.terminal)
		draw_status(t, wall_ns);
	else if (!t->waiting)
		return 0;
	return flush(t);
}

static void table_free(struct sink *s)
{
	struct table *t = from_sink(s);

	erase_status(t);
	flush(t);
	if (on_screen == t) {
		on_screen = NULL;
		log_before = NULL;
	}
	free(t);
}

void table_resized(struct sink *s, unsigned columns)
{
	struct table *t = from_sink(s);
	unsigned width = columns ? columns : ask_columns(t->page.out);

	/* A narrower terminal has wrapped the status that is on it: each row takes several now. */
	if (t->status_rows && width < t->page.columns)
		t->status_rows *= (t->page.columns + width - 1) / width;
	t->page.columns = width;
	row_layout_init(&t->layout, width, t->layout.id_width);
	t->header_due = true;
}

void table_lost(struct sink *s, uint64_t lost)
{
	from_sink(s)->live.lost = lost;
}

int table_sink_new(FILE *out, const struct table_options *options, struct sink **ret)
{
	struct table *t = calloc(1, sizeof(*t));
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct sigaction old;

	if (!t)
		return -ENOMEM;
	if (!sigaction(SIGPIPE, NULL, &old) && old.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error, not the end */
	t->options = *options;
	if (term && !strcmp(term, "dumb"))
		t->options.terminal = false;
	t->page.out = out;
	t->page.columns = options->columns ? options->columns : ask_columns(out);
	t->page.color = t->options.terminal && !(no_color && *no_color);
	t->header_due = true;
	row_layout_init(&t->layout, t->page.columns, 0);
	if (t->options.terminal) {
		if (isatty(fileno(out)))
			setvbuf(out, terminal_buffer, _IOFBF, sizeof(terminal_buffer));
		on_screen = t;
		log_before = make_way_for_message;
	}
	t->sink = (struct sink){
		.started = table_started,
		.mail = table_mail,
		.queue = table_queue,
		.ended = table_ended,
		.tick = table_tick,
		.free = table_free,
	};
	*ret = &t->sink;
	return 0;
}
