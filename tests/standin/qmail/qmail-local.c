// SPDX-License-Identifier: GPL-2.0-only
/*
 * qmail-local stand-in: one local delivery, as the recipient's user. Lines of .qmail files:
 * "&address" or an address forwards through qmail-queue, "|command" runs a shell, "/..." or
 * "./..." appends to a mailbox. Left out: Maildir, lists, -owner, loop detection by Delivered-To.
 */
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "qmail.h"

static struct {
	const char *user, *home, *local, *dash, *ext, *host, *sender, *deflt;
} arg;

static int files, programs, forwards;

static void mailbox(const char *path)
{
	struct buf message = {0};
	time_t now = time(NULL);
	int fd;

	if (lseek(0, 0, SEEK_SET) < 0 || read_all(0, &message) < 0)
		fail(EXIT_SOFT, "Unable to read message. (#4.3.0)");
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
	if (fd < 0)
		fail(EXIT_SOFT, "Unable to open %s: access denied. (#4.2.1)", path);
	if (dprintf(fd, "From %s %.24s\nDelivered-To: %s@%s\n",
		    *arg.sender ? arg.sender : "MAILER-DAEMON", ctime(&now), arg.local,
		    arg.host) < 0 ||
	    write_all(fd, message.p, message.len) < 0 || write_all(fd, "\n", 1) < 0 ||
	    fsync(fd) < 0)
		fail(EXIT_SOFT, "Unable to write %s: disk full? (#4.3.0)", path);
	close(fd);
	files++;
}

static void program(const char *command)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (lseek(0, 0, SEEK_SET) < 0)
			_exit(EXIT_SOFT);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(EXIT_SOFT);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		_exit(EXIT_SOFT);
	if (WEXITSTATUS(status))
		_exit(WEXITSTATUS(status) == EXIT_HARD ? EXIT_HARD : EXIT_SOFT);
	programs++;
}

static pid_t forward(const struct buf *addresses)
{
	struct buf message = {0}, envelope = {0};
	pid_t pid = 0;
	int status;

	if (lseek(0, 0, SEEK_SET) < 0)
		_exit(EXIT_SOFT);
	buf_fmt(&message, "Delivered-To: %s@%s\n", arg.local, arg.host);
	if (read_all(0, &message) < 0)
		_exit(EXIT_SOFT);
	buf_fmt(&envelope, "F%s", arg.sender);
	buf_add(&envelope, "", 1);
	buf_add(&envelope, addresses->p, addresses->len);
	buf_add(&envelope, "", 1);
	status = queue_message(&message, &envelope, &pid);
	if (status)
		fail(EXIT_SOFT, "Unable to forward message: exit status %d.", status);
	return pid;
}

/* .qmail-EXT, then .qmail-default; for a user's own address .qmail, else the default delivery. */
static bool instructions(struct buf *out)
{
	char name[512];
	int fd;

	snprintf(name, sizeof(name), ".qmail%s%s", arg.dash, arg.ext);
	for (char *p = name + 6; *p; p++)
		*p = *p == '.' ? ':' : (char)tolower((unsigned char)*p);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && *arg.dash)
		fd = open(".qmail-default", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		buf_fmt(out, "%s\n", arg.deflt);
		return *arg.dash == '\0';
	}
	read_all(fd, out);
	close(fd);
	if (!out->len)
		buf_fmt(out, "%s\n", arg.deflt);
	return true;
}

int main(int argc, char **argv)
{
	struct buf todo = {0}, addresses = {0};
	char *line, *rest;
	pid_t pid = 0;

	version(argc, argv, "qmail-local");
	if (argc != 10)
		fail(EXIT_HARD, "qmail-local: usage: qmail-local -- user homedir local dash ext "
				"domain sender aliasempty");
	arg.user = argv[2];
	arg.home = argv[3];
	arg.local = argv[4];
	arg.dash = argv[5];
	arg.ext = argv[6];
	arg.host = argv[7];
	arg.sender = argv[8];
	arg.deflt = argv[9];
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	if (chdir(arg.home) < 0)
		fail(EXIT_SOFT, "Unable to switch to %s. (#4.3.0)", arg.home);
	if (!instructions(&todo))
		fail(EXIT_HARD, "Sorry, no mailbox here by that name. (#5.1.1)");
	buf_add(&addresses, "", 0);
	for (line = strtok_r(todo.p, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (*line == '#')
			continue;
		if (*line == '|') {
			program(line + 1);
		} else if (*line == '.' || *line == '/') {
			mailbox(line);
		} else {
			buf_fmt(&addresses, "T%s", line + (*line == '&'));
			buf_add(&addresses, "", 1);
			forwards++;
		}
	}
	if (forwards)
		pid = forward(&addresses);
	printf("did %d+%d+%d\n", files, forwards, programs);
	if (forwards)
		printf("qp %d\n", pid);
	return 0;
}
