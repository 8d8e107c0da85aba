// SPDX-License-Identifier: GPL-2.0-only
#include "output/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "output/json_cache.h"
#include "output/line_writer.h"

struct json_sink {
	struct sink sink; /* first: what callers hold */
	struct line_writer writer;
	struct json_cache *cache;
	struct redactor redactor;
	bool redact;
	char *host;
};

static struct json_sink *from_sink(struct sink *s)
{
	return (struct json_sink *)s;
}

static struct json_context context_of(const struct json_sink *j)
{
	return (struct json_context){
		.host = j->host,
		.redactor = j->redact ? &j->redactor : NULL,
		.unwritten = j->writer.gap,
	};
}

/* Hands on a line that was made (err 0), or counts one that could not be. */
static int put_line(struct json_sink *j, int err, const char *line, size_t len)
{
	err = err ? line_lost(&j->writer, err) : line_write(&j->writer, line, len);
	j->sink.unwritten = j->writer.unwritten;
	return err;
}

static int json_summary(struct sink *s, const struct summary_event *e)
{
	struct json_sink *j = from_sink(s);
	struct json_context c = context_of(j);
	_free_ char *line = NULL;
	size_t len = 0;
	int err = json_summary_line(&c, e, &line, &len);

	return put_line(j, err, line, len);
}

static int json_mail(struct sink *s, const struct mail_event *e)
{
	struct json_sink *j = from_sink(s);
	struct json_context c = context_of(j);
	const char *line = NULL;
	size_t len = 0;
	int err = json_cache_mail_line(j->cache, &c, e, &line, &len);

	return put_line(j, err, line, len);
}

static int json_queue(struct sink *s, const struct queue_event *e)
{
	struct json_sink *j = from_sink(s);
	struct json_context c = context_of(j);
	_free_ char *line = NULL;
	size_t len = 0;
	int err = json_queue_line(&c, e, &line, &len);

	return put_line(j, err, line, len);
}

static int json_tick(struct sink *s, uint64_t wall_ns)
{
	(void)wall_ns;
	return line_flush(&from_sink(s)->writer);
}

static void json_free(struct sink *s)
{
	struct json_sink *j = from_sink(s);

	line_writer_close(&j->writer);
	redactor_wipe(&j->redactor);
	json_cache_free(j->cache);
	free(j->host);
	free(j);
}

int json_sink_create(int fd, const char *host_name, const struct redactor *redactor,
		     struct sink **ret)
{
	struct json_sink *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->host = host_name ? strdup(host_name) : NULL;
	if ((host_name && !j->host) || json_cache_new(&j->cache)) {
		free(j->host);
		free(j);
		return -ENOMEM;
	}
	line_writer_init(&j->writer, fd);
	if (redactor) {
		j->redactor = *redactor;
		j->redact = true;
	}
	j->sink = (struct sink){
		.started = json_summary,
		.mail = json_mail,
		.queue = json_queue,
		.ended = json_summary,
		.tick = json_tick,
		.free = json_free,
	};
	*ret = &j->sink;
	return 0;
}

int json_sink_new(int fd, const char *host_name, struct sink **ret)
{
	int err = json_sink_create(fd, host_name, NULL, ret);

	if (err)
		close(fd);
	return err;
}
