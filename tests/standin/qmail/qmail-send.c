// SPDX-License-Identifier: GPL-2.0-only
/*
 * qmail-send stand-in (qmails): preprocesses todo/, delivers, bounces, removes, and writes qmail's
 * log lines. fds as qmail-start gives them: 1/2 to and from qmail-lspawn, 3/4 qmail-rspawn,
 * 5/6 qmail-clean. Left out: retries (a deferred message stays), virtual domains, VERP, double
 * bounces (dropped, and logged so).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qmail.h"

enum channel { LOCAL, REMOTE, CHANNELS };

static const char *const channel_name[CHANNELS] = {"local", "remote"};
static const int limit[CHANNELS] = {10, 20};
static const int to_spawn[CHANNELS] = {1, 3}, from_spawn[CHANNELS] = {2, 4};

struct message {
	struct message *next;
	unsigned long id;
	char *sender;
	int pending; /* recipients that no attempt has been made for, or that one is running for */
	int left[CHANNELS]; /* recipients not yet done or failed */
	bool bounced;
};

struct delivery {
	struct delivery *next; /* while it waits */
	struct message *m;
	char *recipient;
	long at; /* its record's place in local/ID or remote/ID */
	unsigned long number;
};

static struct message *messages;
static struct delivery *waiting[CHANNELS], **tail[CHANNELS];
static struct delivery *running[CHANNELS][128];
static int used[CHANNELS];
static unsigned long deliveries;
static volatile sig_atomic_t exit_asap; /* SIGTERM: no new delivery; what runs is waited for */

#define note(...) mail_log("qmail", __VA_ARGS__)

static void clean(const char *what, unsigned long id)
{
	char request[64], answer;
	int n = snprintf(request, sizeof(request), "%s/%lu", what, id);

	if (write_all(5, request, (size_t)n + 1) < 0 || read(6, &answer, 1) != 1)
		fail(EXIT_SOFT, "qmail-send: lost qmail-clean");
	if (answer != '+')
		note("warning: qmail-clean unable to clean up %s", request);
}

static bool is_local(const char *address)
{
	const char *at = strrchr(address, '@');

	return !at || control_has("locals", at + 1, strlen(at + 1));
}

static void write_file(const char *name, const struct buf *b)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (fd < 0 || write_all(fd, b->p, b->len) < 0 || fsync(fd) < 0)
		fail(EXIT_SOFT, "qmail-send: unable to write %s: %s", name, strerror(errno));
	close(fd);
}

static void enqueue(struct message *m, enum channel c, const char *recipient, long at)
{
	struct delivery *d = calloc(1, sizeof(*d));

	if (!d)
		fail(EXIT_SOFT, "qmail-send: out of memory");
	d->m = m;
	d->recipient = strdup(recipient);
	d->at = at;
	m->left[c]++;
	m->pending++;
	*tail[c] = d;
	tail[c] = &d->next;
}

static void inject_bounce(struct message *m)
{
	struct buf text = {0}, message = {0}, envelope = {0};
	const char *name = queue_name("bounce", m->id, false);
	pid_t pid = 0;
	int fd = open(name, O_RDONLY);

	if (fd < 0 || read_all(fd, &text) < 0)
		fail(EXIT_SOFT, "qmail-send: unable to read %s", name);
	close(fd);
	if (*m->sender) {
		buf_fmt(&message,
			"Date: %s\nFrom: MAILER-DAEMON@%s\nTo: %s\nSubject: failure notice\n\n",
			date822(), host_name(), m->sender);
		buf_fmt(&message, "Hi. This is the qmail-send program at %s.\n", host_name());
		buf_str(&message,
			"I'm afraid I wasn't able to deliver your message to the following "
			"addresses.\n"
			"This is a permanent error; I've given up. Sorry it didn't work out.\n\n");
		buf_add(&message, text.p, text.len);
		buf_str(&message, "--- Below this line is a copy of the message.\n\n");
		fd = open(queue_name("mess", m->id, true), O_RDONLY);
		if (fd >= 0) {
			buf_fmt(&message, "Return-Path: <%s>\n", m->sender);
			read_all(fd, &message);
			close(fd);
		}
		buf_str(&envelope, "F");
		buf_add(&envelope, "", 1);
		buf_fmt(&envelope, "T%s", m->sender);
		buf_add(&envelope, "\0", 2);
		if (queue_message(&message, &envelope, &pid) != 0)
			note("warning: trouble injecting bounce message, will try later");
		else
			note("bounce msg %lu qp %d", m->id, pid);
		if (chdir(QMAIL_HOME "/queue") < 0)
			_exit(EXIT_SOFT);
	} else {
		note("double bounce: discarding bounce/%lu", m->id);
	}
	unlink(name);
	free(text.p);
	free(message.p);
	free(envelope.p);
}

/* Nothing is left of it: bounce, info, then qmail-clean takes the message. */
static void end_message(struct message *m)
{
	struct message **at;

	if (m->bounced)
		inject_bounce(m);
	unlink(queue_name("info", m->id, true));
	clean("foop", m->id);
	note("end msg %lu", m->id);
	for (at = &messages; *at != m; at = &(*at)->next)
		;
	*at = m->next;
	free(m->sender);
	free(m);
}

static void settle(struct message *m)
{
	if (!m->pending && !m->left[LOCAL] && !m->left[REMOTE])
		end_message(m);
}

static void preprocess(unsigned long id)
{
	struct buf todo = {0}, info = {0}, list[CHANNELS] = {{0}, {0}};
	unsigned long uid = 0, qp = 0;
	struct message *m = calloc(1, sizeof(*m));
	struct stat st;
	const char *p;
	int c, fd;

	fd = open(queue_name("todo", id, false), O_RDONLY | O_NONBLOCK);
	if (fd < 0 || !m || stat(queue_name("mess", id, true), &st) < 0)
		fail(EXIT_SOFT, "qmail-send: unable to read todo/%lu", id);
	note("new msg %lu", id);
	unlink(queue_name("local", id, true));
	unlink(queue_name("remote", id, true));
	unlink(queue_name("info", id, true));
	read_all(fd, &todo);
	close(fd);
	m->id = id;
	m->next = messages;
	messages = m;
	for (p = todo.p; p < todo.p + todo.len; p += strlen(p) + 1) {
		if (*p == 'u') {
			uid = strtoul(p + 1, NULL, 10);
		} else if (*p == 'p') {
			qp = strtoul(p + 1, NULL, 10);
		} else if (*p == 'F') {
			m->sender = strdup(p + 1);
			note("info msg %lu: bytes %lld from <%s> qp %lu uid %lu", id,
			     (long long)st.st_size, p + 1, qp, uid);
		} else if (*p == 'T') {
			enum channel to = is_local(p + 1) ? LOCAL : REMOTE;

			enqueue(m, to, p + 1, (long)list[to].len);
			buf_add(&list[to], p, strlen(p) + 1);
		}
	}
	if (!m->sender)
		fail(EXIT_SOFT, "qmail-send: todo/%lu has no sender", id);
	buf_fmt(&info, "F%s", m->sender);
	buf_add(&info, "", 1);
	write_file(queue_name("info", id, true), &info);
	for (c = 0; c < CHANNELS; c++) {
		if (list[c].len)
			write_file(queue_name(channel_name[c], id, true), &list[c]);
		free(list[c].p);
	}
	clean("todo", id);
	free(todo.p);
	free(info.p);
	settle(m);
}

static void scan_todo(void)
{
	DIR *dir = opendir("todo");
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			preprocess(strtoul(e->d_name, NULL, 10));
	if (dir)
		closedir(dir);
}

static void start_deliveries(enum channel c)
{
	while (!exit_asap && waiting[c] && used[c] < limit[c]) {
		struct delivery *d = waiting[c];
		struct buf request = {0};
		char slot = 0;

		waiting[c] = d->next;
		if (!waiting[c])
			tail[c] = &waiting[c];
		while (running[c][(int)slot])
			slot++;
		running[c][(int)slot] = d;
		used[c]++;
		d->number = ++deliveries;
		note("starting delivery %lu: msg %lu to %s %s", d->number, d->m->id,
		     channel_name[c], d->recipient);
		note("status: local %d/%d remote %d/%d", used[LOCAL], limit[LOCAL], used[REMOTE],
		     limit[REMOTE]);
		buf_add(&request, &slot, 1);
		buf_fmt(&request, "%lu/%lu", d->m->id % QMAIL_SPLIT, d->m->id);
		buf_add(&request, "", 1);
		buf_str(&request, d->m->sender);
		buf_add(&request, "", 1);
		buf_str(&request, d->recipient);
		buf_add(&request, "", 1);
		if (write_all(to_spawn[c], request.p, request.len) < 0)
			fail(EXIT_SOFT, "qmail-send: lost a spawner");
		free(request.p);
	}
}

/* The recipient's record becomes 'D' in place; the file goes with its last one. */
static void mark_done(struct delivery *d, enum channel c)
{
	const char *name = queue_name(channel_name[c], d->m->id, true);
	int fd = open(name, O_WRONLY | O_NONBLOCK);

	if (fd < 0 || lseek(fd, d->at, SEEK_SET) < 0 || write(fd, "D", 1) != 1)
		note("warning: unable to mark %s", name);
	if (fd >= 0)
		close(fd);
	if (--d->m->left[c] == 0)
		unlink(name);
}

static void add_bounce(struct delivery *d, const char *reason)
{
	int fd = open(queue_name("bounce", d->m->id, false), O_WRONLY | O_APPEND | O_CREAT, 0600);

	if (fd < 0 || dprintf(fd, "<%s>:\n%s\n", d->recipient, reason) < 0)
		fail(EXIT_SOFT, "qmail-send: unable to write bounce/%lu", d->m->id);
	close(fd);
	d->m->bounced = true;
}

static void finish(enum channel c, int slot, const char *report)
{
	struct delivery *d = running[c][slot];
	char text[512];
	size_t i;

	if (!d)
		return;
	snprintf(text, sizeof(text), "%s", *report ? report + 1 : "");
	for (i = 0; text[i]; i++)
		text[i] = text[i] == ' ' ? '_' : text[i] == '\n' ? '/' : text[i];
	note("delivery %lu: %s: %s", d->number,
	     *report == 'K'   ? "success"
	     : *report == 'D' ? "failure"
			      : "deferral",
	     text);
	running[c][slot] = NULL;
	used[c]--;
	d->m->pending--;
	if (*report == 'D')
		add_bounce(d, report + 1);
	if (*report == 'K' || *report == 'D')
		mark_done(d, c);
	note("status: local %d/%d remote %d/%d", used[LOCAL], limit[LOCAL], used[REMOTE],
	     limit[REMOTE]);
	settle(d->m);
	free(d->recipient);
	free(d);
}

static void take_reports(enum channel c)
{
	static struct buf in[CHANNELS];
	char block[512];
	ssize_t n = read(from_spawn[c], block, sizeof(block));

	if (n == 0)
		fail(EXIT_SOFT, "qmail-send: lost a spawner");
	if (n > 0)
		buf_add(&in[c], block, (size_t)n);
	while (in[c].len > 1) {
		char *nul = memchr(in[c].p + 1, '\0', in[c].len - 1);
		size_t used_len;

		if (!nul)
			return;
		used_len = (size_t)(nul + 1 - in[c].p);
		finish(c, (unsigned char)in[c].p[0], in[c].p + 1);
		memmove(in[c].p, in[c].p + used_len, in[c].len - used_len);
		in[c].len -= used_len;
	}
}

static void on_term(int sig)
{
	(void)sig;
	exit_asap = 1;
}

static int open_trigger(void)
{
	int fd = open("lock/trigger", O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		fail(EXIT_SOFT, "qmail-send: unable to open lock/trigger");
	return fd;
}

int main(int argc, char **argv)
{
	struct sigaction term = {.sa_handler = on_term};
	sigset_t none, blocked;
	int trigger, c;

	version(argc, argv, "qmail-send");
	umask(077);
	/* taken while it waits, and nowhere else */
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	sigaction(SIGTERM, &term, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (chdir(QMAIL_HOME "/queue") < 0)
		return EXIT_SOFT;
	for (c = 0; c < CHANNELS; c++)
		tail[c] = &waiting[c];
	note("status: local 0/%d remote 0/%d", limit[LOCAL], limit[REMOTE]);
	trigger = open_trigger();
	scan_todo();
	while (!exit_asap || used[LOCAL] || used[REMOTE]) {
		struct pollfd fds[3] = {{.fd = trigger, .events = POLLIN},
					{.fd = from_spawn[LOCAL], .events = POLLIN},
					{.fd = from_spawn[REMOTE], .events = POLLIN}};

		for (c = 0; c < CHANNELS; c++)
			start_deliveries((enum channel)c);
		if (ppoll(fds, 3, NULL, &none) < 0)
			continue;
		for (c = 0; c < CHANNELS; c++)
			if (fds[1 + c].revents)
				take_reports((enum channel)c);
		if (fds[0].revents && !exit_asap) {
			/* Reopened before the scan: what is pulled from here on is seen. */
			close(trigger);
			trigger = open_trigger();
			scan_todo();
		}
	}
	note("status: exiting");
	return 0;
}
