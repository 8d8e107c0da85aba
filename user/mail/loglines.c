// SPDX-License-Identifier: GPL-2.0-only
#include "mail/loglines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define BUFFER (256 * 1024)

struct loglines {
	gzFile gz;
	size_t start, end; /* what is unread of buf */
	uint64_t text_bytes, cut;
	bool eof, skipping; /* skipping: the rest of a line that was too long */
	char buf[BUFFER];
};

int loglines_open(int fd, struct loglines **ret)
{
	struct loglines *l = malloc(sizeof(*l));

	if (!l) {
		close(fd);
		return -ENOMEM;
	}
	memset(l, 0, offsetof(struct loglines, buf));
	l->gz = gzdopen(fd, "rb");
	if (!l->gz) {
		close(fd);
		free(l);
		return -ENOMEM;
	}
	gzbuffer(l->gz, BUFFER);
	*ret = l;
	return 0;
}

/* Moves what is unread to the front and reads more behind it. */
static int fill(struct loglines *l)
{
	int n, err;

	memmove(l->buf, l->buf + l->start, l->end - l->start);
	l->end -= l->start;
	l->start = 0;
	n = gzread(l->gz, l->buf + l->end, (unsigned)(BUFFER - l->end));
	if (n < 0) {
		gzerror(l->gz, &err);
		return err == Z_ERRNO && errno ? -errno : -EBADMSG;
	}
	if (n == 0) {
		gzerror(l->gz, &err);
		l->eof = true;
		return err == Z_BUF_ERROR ? -EBADMSG : 0;
	}
	l->end += (size_t)n;
	l->text_bytes += (size_t)n;
	return 0;
}

int loglines_next(struct loglines *l, const char **line, size_t *len)
{
	for (;;) {
		char *at = l->buf + l->start, *nl;
		size_t have = l->end - l->start;
		int err;

		nl = have ? memchr(at, '\n', have) : NULL;
		if (l->skipping) {
			l->start = nl ? (size_t)(nl - l->buf) + 1 : l->end;
			l->skipping = !nl;
			if (nl)
				continue;
		} else if (nl || have >= LOGLINE_MAX || (l->eof && have)) {
			size_t n = nl ? (size_t)(nl - at) : have;

			l->start += nl ? n + 1 : n;
			l->skipping = !nl && !l->eof;
			l->cut += n > LOGLINE_MAX || l->skipping;
			*line = at;
			*len = n < LOGLINE_MAX ? n : LOGLINE_MAX;
			return 1;
		}
		if (l->eof)
			return 0;
		err = fill(l);
		if (err)
			return err;
	}
}

uint64_t loglines_file_bytes(const struct loglines *l)
{
	z_off_t at = gzoffset(l->gz);

	return at > 0 ? (uint64_t)at : 0;
}

uint64_t loglines_text_bytes(const struct loglines *l)
{
	return l->text_bytes;
}

uint64_t loglines_cut(const struct loglines *l)
{
	return l->cut;
}

void loglines_free(struct loglines *l)
{
	if (!l)
		return;
	gzclose(l->gz);
	free(l);
}
