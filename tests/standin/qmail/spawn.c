// SPDX-License-Identifier: GPL-2.0-only
/*
 * qmail-lspawn and qmail-rspawn stand-in, one program by its name: reads deliveries from
 * qmail-send on fd 0 (number, "5/ID", sender, recipient, each ended by a NUL), runs qmail-local as
 * the recipient's user or qmail-remote as qmailr, and reports on fd 1 (number, text, NUL).
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qmail.h"

#define SLOTS 120

static struct slot {
	pid_t pid;
	int out;
	struct buf text;
} slots[SLOTS];

static bool remote;

static void become(uid_t uid, gid_t gid)
{
	if (setgroups(1, &gid) < 0 || setgid(gid) < 0 || setuid(uid) < 0 || getuid() == 0)
		_exit(EXIT_SOFT);
}

static void run_remote(const char *sender, const char *recipient) __attribute__((noreturn));
static void run_remote(const char *sender, const char *recipient)
{
	const char *at = strrchr(recipient, '@');

	become(uid_of("qmailr"), gid_of("qmail"));
	execl(QMAIL_HOME "/bin/qmail-remote", "qmail-remote", at ? at + 1 : "", sender, recipient,
	      (char *)NULL);
	_exit(EXIT_SOFT);
}

/* A user of the system by that name, else the user alias with the name as extension. */
static void run_local(const char *sender, const char *recipient) __attribute__((noreturn));
static void run_local(const char *sender, const char *recipient)
{
	char local[256];
	const char *at = strrchr(recipient, '@');
	struct passwd *pw;
	const char *dash = "", *ext = "";

	snprintf(local, sizeof(local), "%.*s", at ? (int)(at - recipient) : 255, recipient);
	if (chdir(QMAIL_HOME) < 0)
		_exit(EXIT_SOFT);
	pw = getpwnam(local);
	if (!pw || pw->pw_uid == 0 || access(pw->pw_dir, X_OK) < 0) {
		pw = getpwnam("alias");
		dash = "-";
		ext = local;
	}
	if (!pw)
		_exit(EXIT_SOFT);
	become(pw->pw_uid, pw->pw_gid);
	execl("bin/qmail-local", "bin/qmail-local", "--", pw->pw_name, pw->pw_dir, local, dash, ext,
	      at ? at + 1 : "", sender, "./Mailbox", (char *)NULL);
	_exit(EXIT_SOFT);
}

static void start(unsigned char n, const char *mess, const char *sender, const char *recipient)
{
	struct slot *s = &slots[n % SLOTS];
	int fd, out[2];

	fd = open(mess, O_RDONLY | O_NONBLOCK);
	if (fd < 0 || pipe2(out, O_CLOEXEC) < 0)
		fail(EXIT_SOFT, "spawn: cannot open %s", mess);
	s->pid = fork();
	if (s->pid == 0) {
		if (fcntl(fd, F_SETFL, O_RDONLY) < 0 || dup2(fd, 0) < 0 || dup2(out[1], 1) < 0 ||
		    dup2(out[1], 2) < 0)
			_exit(EXIT_SOFT);
		close(fd);
		if (remote)
			run_remote(sender, recipient);
		run_local(sender, recipient);
	}
	close(fd);
	close(out[1]);
	s->out = out[0];
	s->text.len = 0;
	buf_add(&s->text, "", 0);
}

/* K, Z or D: success, try again, never. qmail-remote says it in its text, after 'r' lines. */
static void report(unsigned char n)
{
	struct slot *s = &slots[n];
	struct buf line = {0};
	int status = 0;
	char verdict;

	close(s->out);
	waitpid(s->pid, &status, 0);
	s->pid = 0;
	buf_add(&line, &n, 1);
	if (remote && s->text.len > 1) {
		const char *second = s->text.p + strlen(s->text.p) + 1;

		buf_add(&line, second, strnlen(second, s->text.len));
	} else {
		verdict = !WIFEXITED(status)                 ? 'Z'
			  : WEXITSTATUS(status) == 0         ? 'K'
			  : WEXITSTATUS(status) == EXIT_HARD ? 'D'
							     : 'Z';
		buf_add(&line, &verdict, 1);
		buf_add(&line, s->text.p, s->text.len);
	}
	buf_add(&line, "", 1);
	if (write_all(1, line.p, line.len) < 0)
		_exit(0);
	free(line.p);
}

static void take_requests(struct buf *in)
{
	char block[1024];
	ssize_t n = read(0, block, sizeof(block));

	if (n == 0 || (n < 0 && errno != EINTR))
		_exit(0);
	if (n > 0)
		buf_add(in, block, (size_t)n);
	for (;;) {
		char *end = in->p + in->len, *field[3], *p = in->p + 1;
		int i;

		if (in->len < 2)
			return;
		for (i = 0; i < 3; i++) {
			char *nul = p < end ? memchr(p, '\0', (size_t)(end - p)) : NULL;

			if (!nul)
				return;
			field[i] = p;
			p = nul + 1;
		}
		start((unsigned char)in->p[0], field[0], field[1], field[2]);
		memmove(in->p, p, (size_t)(end - p));
		in->len = (size_t)(end - p);
	}
}

int main(int argc, char **argv)
{
	struct pollfd fds[SLOTS + 1];
	struct buf in = {0};
	const char *name = strrchr(argv[0], '/');

	name = name ? name + 1 : argv[0];
	version(argc, argv, name);
	remote = strcmp(name, "qmail-rspawn") == 0;
	if (chdir(QMAIL_HOME "/queue/mess") < 0)
		return EXIT_SOFT;
	buf_add(&in, "", 0);
	for (;;) {
		unsigned char which[SLOTS + 1];
		nfds_t n = 1, i;

		fds[0] = (struct pollfd){.fd = 0, .events = POLLIN};
		for (i = 0; i < SLOTS; i++) {
			if (!slots[i].pid)
				continue;
			which[n] = (unsigned char)i;
			fds[n++] = (struct pollfd){.fd = slots[i].out, .events = POLLIN};
		}
		if (poll(fds, n, -1) < 0)
			continue;
		for (i = 1; i < n; i++) {
			char block[1024];
			ssize_t got;

			if (!fds[i].revents)
				continue;
			got = read(fds[i].fd, block, sizeof(block));
			if (got > 0)
				buf_add(&slots[which[i]].text, block, (size_t)got);
			else if (got == 0 || errno != EINTR)
				report(which[i]);
		}
		if (fds[0].revents)
			take_requests(&in);
	}
}
