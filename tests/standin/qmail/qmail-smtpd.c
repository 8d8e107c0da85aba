// SPDX-License-Identifier: GPL-2.0-only
/*
 * qmail-smtpd stand-in: one SMTP session on fd 0/1. RELAYCLIENT, control/rcpthosts, AUTH PLAIN and
 * LOGIN by the checker named as argument (Plesk: smtp_auth .. true), one qmail-queue per message.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "qmail.h"

static struct buf rcpts;
static char helo[256], sender[512];
static bool have_mail;
static char **checker;

static void reply(const char *text)
{
	struct buf line = {0};

	/* One write: two would wait for each other's acknowledgement. */
	buf_fmt(&line, "%s\r\n", text);
	if (write_all(1, line.p, line.len) < 0)
		_exit(1);
	free(line.p);
}

static bool line(char *out, size_t size)
{
	static char in[4096];
	static size_t have, at;
	size_t len = 0;

	for (;;) {
		if (at == have) {
			ssize_t n = read(0, in, sizeof(in));

			if (n <= 0)
				return false;
			have = (size_t)n;
			at = 0;
		}
		if (in[at] == '\n') {
			at++;
			if (len && out[len - 1] == '\r')
				len--;
			out[len] = '\0';
			return true;
		}
		if (len < size - 1)
			out[len++] = in[at];
		at++;
	}
}

static const char *remote(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	return v ? v : otherwise;
}

static bool address(const char *from, char *out, size_t size)
{
	const char *open = strchr(from, '<'), *close = open ? strchr(open, '>') : NULL;

	if (!open || !close)
		return false;
	snprintf(out, size, "%.*s", (int)(close - open - 1), open + 1);
	return true;
}

static void take_rcpt(const char *arg)
{
	char addr[512];
	const char *at;

	if (!have_mail) {
		reply("503 MAIL first (#5.5.1)");
		return;
	}
	if (!address(arg, addr, sizeof(addr))) {
		reply("555 syntax error (#5.5.4)");
		return;
	}
	at = strrchr(addr, '@');
	if (!getenv("RELAYCLIENT") && (!at || !control_has("rcpthosts", at + 1, strlen(at + 1)))) {
		reply("553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)");
		return;
	}
	buf_fmt(&rcpts, "T%s", addr);
	buf_add(&rcpts, "", 1);
	reply("250 ok");
}

static void take_data(void)
{
	struct buf message = {0}, envelope = {0};
	char text[2048];
	pid_t pid = 0;
	int status;

	if (!have_mail || !rcpts.len) {
		reply(have_mail ? "503 RCPT first (#5.5.1)" : "503 MAIL first (#5.5.1)");
		return;
	}
	reply("354 go ahead");
	buf_fmt(&message, "Received: from %s (HELO %s) (%s)\n  by %s with SMTP; %s\n",
		remote("TCPREMOTEHOST", "unknown"), helo, remote("TCPREMOTEIP", "unknown"),
		host_name(), date822());
	for (;;) {
		if (!line(text, sizeof(text)))
			_exit(1);
		if (strcmp(text, ".") == 0)
			break;
		buf_fmt(&message, "%s\n", *text == '.' ? text + 1 : text);
	}
	buf_fmt(&envelope, "F%s", sender);
	buf_add(&envelope, "", 1);
	buf_add(&envelope, rcpts.p, rcpts.len);
	buf_add(&envelope, "", 1);
	status = queue_message(&message, &envelope, &pid);
	if (status == 0)
		snprintf(text, sizeof(text), "250 ok %lld qp %d", (long long)time(NULL), pid);
	else
		snprintf(text, sizeof(text), "451 qq trouble: exit status %d (#4.3.0)", status);
	reply(text);
	have_mail = false;
	rcpts.len = 0;
	free(message.p);
	free(envelope.p);
}

static size_t unbase64(const char *in, char *out, size_t size)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned int acc = 0;
	int bits = 0;
	size_t n = 0;

	for (; *in && *in != '='; in++) {
		const char *p = strchr(set, *in);

		if (!p)
			break;
		acc = acc << 6 | (unsigned int)(p - set);
		bits += 6;
		if (bits >= 8 && n + 1 < size) {
			bits -= 8;
			out[n++] = (char)(acc >> bits & 0xff);
		}
	}
	out[n] = '\0';
	return n;
}

/* checkpassword: "user\0password\0timestamp\0" on fd 3; it execs its argument when right. */
static bool check(const char *user, const char *password)
{
	struct buf secret = {0};
	int fds[2], status = 1;
	pid_t pid;

	if (pipe(fds) < 0)
		return false;
	buf_str(&secret, user);
	buf_add(&secret, "", 1);
	buf_str(&secret, password);
	buf_add(&secret, "\0", 2);
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		if (dup2(fds[0], 3) < 0)
			_exit(1);
		execvp(checker[0], checker);
		_exit(1);
	}
	close(fds[0]);
	(void)!write_all(fds[1], secret.p, secret.len);
	close(fds[1]);
	free(secret.p);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       !WEXITSTATUS(status);
}

static void take_auth(const char *arg)
{
	char text[1024], user[512] = "", password[512] = "";

	if (!checker || !*checker) {
		reply("502 unimplemented (#5.5.1)");
		return;
	}
	if (strncasecmp(arg, "plain", 5) == 0) {
		size_t n;

		if (arg[5] == ' ') {
			n = unbase64(arg + 6, text, sizeof(text));
		} else {
			char in[1024];

			reply("334 ");
			if (!line(in, sizeof(in)))
				_exit(1);
			n = unbase64(in, text, sizeof(text));
		}
		if (strlen(text) + 1 < n) {
			const char *u = text + strlen(text) + 1;

			snprintf(user, sizeof(user), "%s", u);
			if (u + strlen(u) + 1 <= text + n)
				snprintf(password, sizeof(password), "%s", u + strlen(u) + 1);
		}
	} else if (strncasecmp(arg, "login", 5) == 0) {
		reply("334 VXNlcm5hbWU6");
		if (!line(text, sizeof(text)))
			_exit(1);
		unbase64(text, user, sizeof(user));
		reply("334 UGFzc3dvcmQ6");
		if (!line(text, sizeof(text)))
			_exit(1);
		unbase64(text, password, sizeof(password));
	}
	if (!*user || !check(user, password)) {
		reply("535 authentication failed (#5.7.1)");
		return;
	}
	setenv("RELAYCLIENT", "", 1);
	reply("235 ok, go ahead (#2.0.0)");
}

int main(int argc, char **argv)
{
	char text[1024], greeting[512];

	version(argc, argv, "qmail-smtpd");
	signal(SIGPIPE, SIG_IGN);
	checker = argv + 1;
	if (chdir(QMAIL_HOME) < 0)
		return 1;
	buf_add(&rcpts, "", 0);
	snprintf(greeting, sizeof(greeting), "220 %s ESMTP", host_name());
	reply(greeting);
	while (line(text, sizeof(text))) {
		char *arg = text + strcspn(text, " ");

		arg += strspn(arg, " ");
		if (strncasecmp(text, "helo", 4) == 0 || strncasecmp(text, "ehlo", 4) == 0) {
			snprintf(helo, sizeof(helo), "%s", arg);
			snprintf(greeting, sizeof(greeting), "250%c%s",
				 *text == 'e' || *text == 'E' ? '-' : ' ', host_name());
			reply(greeting);
			if (*text == 'e' || *text == 'E')
				reply("250-AUTH LOGIN PLAIN\r\n250-PIPELINING\r\n250 8BITMIME");
		} else if (strncasecmp(text, "mail", 4) == 0) {
			have_mail = address(arg, sender, sizeof(sender));
			rcpts.len = 0;
			reply(have_mail ? "250 ok" : "555 syntax error (#5.5.4)");
		} else if (strncasecmp(text, "rcpt", 4) == 0) {
			take_rcpt(arg);
		} else if (strcasecmp(text, "data") == 0) {
			take_data();
		} else if (strncasecmp(text, "auth", 4) == 0) {
			take_auth(arg);
		} else if (strcasecmp(text, "rset") == 0) {
			have_mail = false;
			rcpts.len = 0;
			reply("250 flushed");
		} else if (strcasecmp(text, "noop") == 0) {
			reply("250 ok");
		} else if (strcasecmp(text, "quit") == 0) {
			snprintf(greeting, sizeof(greeting), "221 %s", host_name());
			reply(greeting);
			return 0;
		} else {
			reply("502 unimplemented (#5.5.1)");
		}
	}
	return 1;
}
