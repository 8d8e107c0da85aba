// SPDX-License-Identifier: GPL-2.0-only
/*
 * qmail-queue stand-in (setuid qmailq): message on fd 0, envelope on fd 1. The order of its
 * system calls is the one that facts were measured for: pid/ -> mess/ by link, intd/ -> todo/ by
 * link (the commit), then the trigger. Exit codes are qmail's.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "qmail.h"

static char mess_name[64], intd_name[64];

static void cleanup_exit(int status)
{
	if (intd_name[0])
		unlink(intd_name);
	if (mess_name[0])
		unlink(mess_name);
	_exit(status);
}

static void on_alarm(int sig)
{
	(void)sig;
	cleanup_exit(52);
}

static int open_pid_file(unsigned long *id)
{
	char name[64];
	struct stat st;
	int fd, seq;

	for (seq = 1; seq < 10; seq++) {
		snprintf(name, sizeof(name), "pid/%d.%lld.%d", getpid(), (long long)time(NULL),
			 seq);
		fd = open(name, O_WRONLY | O_EXCL | O_CREAT, 0644);
		if (fd < 0)
			continue;
		if (fstat(fd, &st) < 0)
			_exit(63);
		*id = (unsigned long)st.st_ino;
		snprintf(mess_name, sizeof(mess_name), "%s", queue_name("mess", *id, true));
		if (link(name, mess_name) < 0)
			_exit(64);
		if (unlink(name) < 0)
			cleanup_exit(64);
		return fd;
	}
	_exit(63);
}

static void received_line(struct buf *line, uid_t uid)
{
	buf_fmt(line, "Received: (qmail %d ", getpid());
	if (uid == UID_ALIAS)
		buf_str(line, "invoked by alias");
	else if (uid == UID_QMAILD)
		buf_str(line, "invoked from network");
	else if (uid == UID_QMAILS)
		buf_str(line, "invoked for bounce");
	else
		buf_fmt(line, "invoked by uid %u", uid);
	buf_fmt(line, "); %s\n", date822());
}

static void copy_message(int fd, uid_t uid)
{
	struct buf line = {0};
	char block[2048];
	ssize_t n;

	received_line(&line, uid);
	if (write_all(fd, line.p, line.len) < 0)
		cleanup_exit(53);
	for (;;) {
		n = read(0, block, sizeof(block));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			cleanup_exit(54);
		if (n == 0)
			break;
		if (write_all(fd, block, (size_t)n) < 0)
			cleanup_exit(53);
	}
	if (fsync(fd) < 0)
		cleanup_exit(53);
}

/* The envelope must be F<sender>\0 { T<recipient>\0 } \0: qmail-inject that died sends less. */
static bool complete(const struct buf *e)
{
	const char *p = e->p, *end = e->p + e->len;

	if (e->len < 2 || *p != 'F')
		return false;
	for (;;) {
		p += strlen(p) + 1;
		if (p >= end)
			return false;
		if (*p == '\0')
			return p + 1 == end;
		if (*p != 'T')
			return false;
	}
}

static void write_envelope(int fd, uid_t uid)
{
	struct buf in = {0}, out = {0};
	size_t at, piece;

	buf_fmt(&out, "u%u%cp%d%c", uid, 0, getpid(), 0);
	if (read_all(1, &in) < 0)
		cleanup_exit(54);
	if (!complete(&in))
		cleanup_exit(91);
	buf_add(&out, in.p, in.len - 1);
	for (at = 0; at < out.len; at += piece) {
		piece = out.len - at < 256 ? out.len - at : 256;
		if (write_all(fd, out.p + at, piece) < 0)
			cleanup_exit(53);
	}
	if (fsync(fd) < 0)
		cleanup_exit(53);
}

static void pull_trigger(void)
{
	int fd = open("lock/trigger", O_WRONLY | O_NONBLOCK);

	if (fd < 0)
		return;
	(void)!write(fd, "", 1);
	close(fd);
}

int main(int argc, char **argv)
{
	unsigned long id = 0;
	char todo[64];
	uid_t uid;
	int mess, intd;

	version(argc, argv, "qmail-queue");
	umask(033);
	if (chdir(QMAIL_HOME) < 0)
		_exit(61);
	if (chdir("queue") < 0)
		_exit(62);
	uid = getuid();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, on_alarm);
	signal(SIGSEGV, SIG_DFL);
	alarm(86400);

	mess = open_pid_file(&id);
	copy_message(mess, uid);
	snprintf(intd_name, sizeof(intd_name), "%s", queue_name("intd", id, false));
	intd = open(intd_name, O_WRONLY | O_EXCL | O_CREAT, 0644);
	if (intd < 0) {
		intd_name[0] = '\0';
		cleanup_exit(65);
	}
	write_envelope(intd, uid);
	snprintf(todo, sizeof(todo), "%s", queue_name("todo", id, false));
	if (link(intd_name, todo) < 0)
		cleanup_exit(66);
	pull_trigger();
	return 0;
}
