// SPDX-License-Identifier: GPL-2.0-only
#include "output/line_writer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long a full non-blocking pipe may hold the tracer up before its reader loses lines. */
#define PIPE_PATIENCE_MS 100

void line_writer_init(struct line_writer *w, int fd)
{
	struct sigaction old;

	if (!sigaction(SIGPIPE, NULL, &old) && old.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
	*w = (struct line_writer){.fd = fd};
}

/* Writes what it can; `*done` bytes went out. */
static int write_some(int fd, const char *data, size_t len, size_t *done)
{
	*done = 0;
	while (*done < len) {
		ssize_t n = write(fd, data + *done, len - *done);

		if (n > 0) {
			*done += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = {.fd = fd, .events = POLLOUT};

			if (poll(&p, 1, PIPE_PATIENCE_MS) > 0)
				continue;
			return -EAGAIN;
		}
		return n < 0 ? -errno : -EIO;
	}
	return 0;
}

static int report(struct line_writer *w, int err)
{
	if (w->error == err)
		return 0;
	w->error = err;
	return err;
}

int line_lost(struct line_writer *w, int err)
{
	w->unwritten++;
	w->gap++;
	return report(w, err);
}

static int flush_rest(struct line_writer *w)
{
	size_t done = 0;
	int err;

	if (!w->rest)
		return 0;
	err = write_some(w->fd, w->rest, w->rest_len, &done);
	w->rest_len -= done;
	memmove(w->rest, w->rest + done, w->rest_len);
	if (err)
		return err;
	free(w->rest);
	w->rest = NULL;
	return 0;
}

int line_flush(struct line_writer *w)
{
	int err = flush_rest(w);

	return err ? report(w, err) : 0;
}

int line_write(struct line_writer *w, const char *line, size_t len)
{
	size_t done = 0;
	int err = flush_rest(w);

	if (err)
		return line_lost(w, err);
	err = write_some(w->fd, line, len, &done);
	if (!err) {
		w->error = 0;
		w->gap = 0;
		return 0;
	}
	if (!done)
		return line_lost(w, err);
	w->rest = malloc(len - done);
	if (!w->rest)
		return line_lost(w, err);
	w->rest_len = len - done;
	memcpy(w->rest, line + done, w->rest_len);
	w->gap = 0; /* the line that tells of the gap is on its way */
	return report(w, err);
}

int line_writer_close(struct line_writer *w)
{
	int err = flush_rest(w);

	if (w->rest)
		w->unwritten++;
	free(w->rest);
	w->rest = NULL;
	if (w->fd >= 0 && close(w->fd) && !err)
		err = -errno;
	w->fd = -1;
	return err;
}
