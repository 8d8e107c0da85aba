// SPDX-License-Identifier: GPL-2.0-only
#include "commands/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define BUFFER_SIZE (4 * (JSON_LINE_MAX + 1))
#define NS_PER_SEC  1000000000ULL

/* ---- lines ---- */

int recording_open(const char *path, struct recording_file *out)
{
	_close_ int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
					   : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	struct stat st;
	char *buffer;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	buffer = malloc(BUFFER_SIZE);
	if (!buffer)
		return -ENOMEM;
	*out = (struct recording_file){.fd = take_fd(fd), .buffer = buffer};
	return 0;
}

void recording_close(struct recording_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->buffer);
	*f = (struct recording_file){.fd = -1};
}

static int fill(struct recording_file *f)
{
	ssize_t n;

	memmove(f->buffer, f->buffer + f->start, f->end - f->start);
	f->end -= f->start;
	f->start = 0;
	do {
		n = read(f->fd, f->buffer + f->end, BUFFER_SIZE - f->end);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	f->end += (size_t)n;
	f->ended = !n;
	return 0;
}

int recording_next(struct recording_file *f, const char **line, size_t *len)
{
	bool skipping = false;

	for (;;) {
		char *from = f->buffer + f->start;
		size_t have = f->end - f->start;
		char *feed = memchr(from, '\n', have);
		int err;

		if (feed && !skipping && feed - from < JSON_LINE_MAX) {
			*line = from;
			*len = (size_t)(feed - from);
			f->start += *len + 1;
			return 1;
		}
		if (feed) { /* the end of a line that is too long */
			f->too_long++;
			skipping = false;
			f->start += (size_t)(feed - from) + 1;
			continue;
		}
		if (f->ended) {
			f->truncated |= have > 0 || skipping;
			*line = from;
			*len = have;
			f->start = f->end;
			return have > 0 ? 1 : 0;
		}
		if (skipping || have > JSON_LINE_MAX) {
			skipping = true;
			f->start = f->end;
		}
		err = fill(f);
		if (err)
			return err;
	}
}

/* ---- events ---- */

/* The value at "a.b.c", NULL where there is none. */
static json_t *at(json_t *object, const char *path)
{
	char name[64];

	for (const char *dot; object && (dot = strchr(path, '.')); path = dot + 1) {
		snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
		object = json_object_get(object, name);
	}
	return json_object_get(object, path);
}

static const char *text_at(json_t *object, const char *path)
{
	const char *text = json_string_value(at(object, path));

	return text && *text ? text : NULL;
}

static int64_t int_at(json_t *object, const char *path, int64_t absent)
{
	json_t *value = at(object, path);

	return json_is_integer(value) ? json_integer_value(value) : absent;
}

/* A count; negative ones are nobody's. */
static uint64_t count_at(json_t *object, const char *path)
{
	int64_t n = int_at(object, path, 0);

	return n < 0 ? 0 : (uint64_t)n;
}

static uint16_t port_at(json_t *object, const char *path)
{
	int64_t n = int_at(object, path, 0);

	return n < 0 || n > UINT16_MAX ? 0 : (uint16_t)n;
}

static uint32_t line_at(json_t *object, const char *path)
{
	int64_t n = int_at(object, path, 0);

	return n < 0 || n > UINT32_MAX ? 0 : (uint32_t)n;
}

/* Ids are strings. */
static int64_t id_at(json_t *object, const char *path)
{
	const char *text = text_at(object, path);
	char *end;
	long long n;

	if (!text)
		return COUNT_UNKNOWN;
	errno = 0;
	n = strtoll(text, &end, 10);
	return *end || errno || n < 0 ? COUNT_UNKNOWN : n;
}

/* RFC 3339 as clock_rfc3339() writes it; 0: not that. */
static uint64_t time_at(json_t *object, const char *path)
{
	const char *text = text_at(object, path), *rest;
	struct tm tm = {0};
	uint64_t ns = 0;
	time_t sec;

	rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	if (!rest)
		return 0;
	if (*rest == '.') {
		uint64_t digit = NS_PER_SEC;

		for (rest++; *rest >= '0' && *rest <= '9'; rest++) {
			digit /= 10;
			ns += digit * (uint64_t)(*rest - '0');
		}
	}
	sec = timegm(&tm);
	if (strcmp(rest, "Z") != 0 || sec < 0 || (uint64_t)sec > UINT64_MAX / NS_PER_SEC - 1)
		return 0;
	return (uint64_t)sec * NS_PER_SEC + ns;
}

static int action_at(json_t *object, enum action *out)
{
	const char *name = text_at(object, "event.action");

	for (unsigned a = 0; name && a < ACTION_COUNT; a++) {
		if (!strcmp(name, action_name(a))) {
			*out = a;
			return 0;
		}
	}
	return -EINVAL;
}

static uint32_t evidence_at(json_t *object)
{
	json_t *list = at(object, "spamtrace.evidence"), *item;
	uint32_t set = 0;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *name = json_string_value(item);

		for (unsigned e = 0; name && e < EVIDENCE_COUNT; e++)
			if (!strcmp(name, evidence_name(e)))
				set |= 1u << e;
	}
	return set;
}

static bool is_cut(json_t *object, const char *key)
{
	json_t *list = at(object, "spamtrace.cut"), *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *name = json_string_value(item);

		if (name && !strcmp(name, key))
			return true;
	}
	return false;
}

static void read_stack(struct recording_event *r)
{
	json_t *list = at(r->object, "spamtrace.php.stack"), *item;
	size_t i;

	json_array_foreach (list, i, item) {
		if (i >= EVENT_MAX_FRAMES)
			break;
		r->frames[i] = (struct frame){
			.file = text_at(item, "file"),
			.function = text_at(item, "function"),
			.line = line_at(item, "line"),
			.eval = json_is_true(json_object_get(item, "eval")),
		};
		r->mail.frame_count = i + 1;
	}
	r->mail.frames = r->frames;
	r->mail.stack_cut = is_cut(r->object, "spamtrace.php.stack");
}

/* process.args back to NUL-separated text. */
static int read_args(struct recording_event *r)
{
	json_t *list = at(r->object, "process.args"), *item;
	size_t i, size = 0, used = 0;

	json_array_foreach (list, i, item) {
		size += json_string_length(item) + 1;
	}
	if (!size)
		return 0;
	r->args = malloc(size);
	if (!r->args)
		return -ENOMEM;
	json_array_foreach (list, i, item) {
		size_t len = json_string_length(item);

		if (len)
			memcpy(r->args + used, json_string_value(item), len);
		used += len;
		r->args[used++] = '\0';
	}
	r->mail.args = r->args;
	r->mail.args_len = used;
	return 0;
}

static void read_culprit(json_t *o, struct mail_event *e)
{
	e->culprit_file = text_at(o, "spamtrace.culprit.file");
	e->culprit_function = text_at(o, "spamtrace.culprit.function");
	e->culprit_line = line_at(o, "spamtrace.culprit.line");
	e->culprit = (struct file_facts){
		.deleted = json_is_true(at(o, "spamtrace.culprit.deleted")),
		.owner = id_at(o, "spamtrace.culprit.owner"),
		.size = int_at(o, "spamtrace.culprit.size", COUNT_UNKNOWN),
		.inode = id_at(o, "spamtrace.culprit.inode"),
		.mtime_ns = time_at(o, "spamtrace.culprit.mtime"),
		.sha256 = text_at(o, "spamtrace.culprit.sha256"),
	};
	e->culprit.known = e->culprit.deleted || e->culprit.owner >= 0 || e->culprit.inode >= 0;
}

static void read_strings(json_t *o, struct mail_event *e)
{
	const struct {
		const char **field, *key;
	} fields[] = {
		{&e->reason, "spamtrace.reason"},
		{&e->script, "file.path"},
		{&e->php_version, "spamtrace.php.version"},
		{&e->php_sapi, "spamtrace.php.sapi"},
		{&e->vhost, "url.domain"},
		{&e->url_path, "url.path"},
		{&e->method, "http.request.method"},
		{&e->client_ip, "client.ip"},
		{&e->host_header, "spamtrace.host_header"},
		{&e->docroot, "spamtrace.docroot"},
		{&e->user_name, "user.name"},
		{&e->executable, "process.executable"},
		{&e->working_directory, "process.working_directory"},
		{&e->parent_executable, "process.parent.executable"},
		{&e->container, "container.id"},
		{&e->terminal, "spamtrace.terminal"},
		{&e->mta, "spamtrace.mta"},
		{&e->queue_id, "email.local_id"},
		{&e->parent_queue_id, "spamtrace.parent_queue_id"},
		{&e->sender, "email.sender.address"},
		{&e->from, "email.from.address"},
		{&e->subject, "email.subject"},
		{&e->message_id, "email.message_id"},
		{&e->auth_user, "spamtrace.auth_user"},
		{&e->destination_ip, "destination.ip"},
		{&e->remover, "spamtrace.remover"},
		{&e->unfollowed, "spamtrace.unfollowed"},
	};

	for (size_t i = 0; i < array_size(fields); i++)
		*fields[i].field = text_at(o, fields[i].key);
}

static int read_mail(struct recording_event *r)
{
	struct mail_event *e = &r->mail;
	json_t *o = r->object;
	const char *name;
	int64_t n;

	*e = (struct mail_event){.action = r->action, .sequence = r->sequence};
	e->wall_ns = r->wall_ns;
	name = text_at(o, "spamtrace.source");
	if (!name || source_parse(name, &e->source))
		e->source = SOURCE_UNKNOWN;
	name = text_at(o, "spamtrace.attribution");
	if (!name || attribution_parse(name, &e->attribution))
		e->attribution = ATTRIBUTION_NONE;
	e->evidence = evidence_at(o);
	read_strings(o, e);
	read_culprit(o, e);
	e->uid = id_at(o, "user.id");
	e->euid = id_at(o, "user.effective.id");
	e->pid = int_at(o, "process.pid", COUNT_UNKNOWN);
	e->parent_pid = int_at(o, "process.parent.pid", COUNT_UNKNOWN);
	e->recipients = int_at(o, "spamtrace.recipients", COUNT_UNKNOWN);
	e->bytes = int_at(o, "spamtrace.bytes", COUNT_UNKNOWN);
	e->destination_port = port_at(o, "destination.port");
	e->client_port = port_at(o, "source.port");
	n = int_at(o, "process.exit_code", -1);
	e->exit_code = n < 0 || n > INT_MAX ? -1 : (int)n;
	n = int_at(o, "spamtrace.exit_signal", 0);
	e->exit_signal = n < 0 || n > INT_MAX ? 0 : (int)n;
	read_stack(r);
	return read_args(r);
}

static void read_queue(struct recording_event *r)
{
	json_t *q = at(r->object, "spamtrace.queue"), *by_source = at(q, "by_source");

	r->queue = (struct queue_event){
		.sequence = r->sequence,
		.wall_ns = r->wall_ns,
		.mta = text_at(r->object, "spamtrace.mta"),
		.directory = text_at(q, "directory"),
		.messages = int_at(q, "messages", COUNT_UNKNOWN),
		.unprocessed = int_at(q, "unprocessed", COUNT_UNKNOWN),
		.growth = int_at(q, "growth", 0),
		.growth_per_minute = json_number_value(at(q, "growth_per_minute")),
		.queued = count_at(q, "queued"),
		.removed = count_at(q, "removed"),
		.in_flight = int_at(q, "in_flight", COUNT_UNKNOWN),
		.orphans = int_at(q, "orphans", COUNT_UNKNOWN),
		.unexplained = int_at(q, "unexplained", 0),
		.note = text_at(q, "note"),
		.missing = json_is_true(at(q, "missing")),
	};
	for (unsigned s = 0; s < SOURCE_COUNT; s++)
		r->queue.by_source[s] = count_at(by_source, source_name(s));
}

int recording_parse(const char *line, size_t len, struct recording_event *out)
{
	json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	struct recording_event *r = out;
	enum action action;
	int err = 0;

	if (!json_is_object(object) || int_at(object, "spamtrace.schema", 0) != 1 ||
	    action_at(object, &action)) {
		json_decref(object);
		return -EINVAL;
	}
	*r = (struct recording_event){
		.object = object,
		.action = action,
		.sequence = count_at(object, "event.sequence"),
		.wall_ns = time_at(object, "@timestamp"),
		.unwritten = count_at(object, "spamtrace.unwritten"),
		.host = text_at(object, "host.name"),
	};
	if (action >= ACTION_MAIL_QUEUED && action <= ACTION_MAIL_REMOVED)
		err = read_mail(r);
	else if (action == ACTION_QUEUE_SAMPLED)
		read_queue(r);
	if (err)
		recording_event_clear(r);
	return err;
}

void recording_event_clear(struct recording_event *e)
{
	json_decref(e->object);
	e->object = NULL;
	free(e->args);
	e->args = NULL;
}
