// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcpserver stand-in: tcpserver [-x RULES] [-u UID] [-g GID] HOST PORT PROGRAM [ARG]...
 * RULES is text, "IP-prefix:allow[,NAME="VALUE"]" or "IP-prefix:deny" a line, first match wins.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qmail.h"

static const char *rules;

static void set_port(const char *name, const struct sockaddr_in *a)
{
	char port[8];

	snprintf(port, sizeof(port), "%u", ntohs(a->sin_port));
	setenv(name, port, 1);
}

static bool allowed(const char *ip)
{
	char line[512];
	FILE *f = rules ? fopen(rules, "re") : NULL;
	bool yes = true, found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':'), *name, *value;

		line[strcspn(line, "\n")] = '\0';
		if (!colon || *line == '#' || strncmp(ip, line, (size_t)(colon - line)) != 0)
			continue;
		found = true;
		yes = strncmp(colon + 1, "allow", 5) == 0;
		name = strchr(colon, ',');
		value = name ? strchr(name, '=') : NULL;
		if (value) {
			*value++ = '\0';
			if (*value == '"') {
				value++;
				value[strcspn(value, "\"")] = '\0';
			}
			setenv(name + 1, value, 1);
		}
	}
	if (f)
		fclose(f);
	return yes;
}

static void serve(int fd, const struct sockaddr_in *peer, char **argv) __attribute__((noreturn));
static void serve(int fd, const struct sockaddr_in *peer, char **argv)
{
	struct sockaddr_in local;
	socklen_t len = sizeof(local);
	char ip[INET_ADDRSTRLEN];

	setenv("PROTO", "TCP", 1);
	inet_ntop(AF_INET, &peer->sin_addr, ip, sizeof(ip));
	setenv("TCPREMOTEIP", ip, 1);
	set_port("TCPREMOTEPORT", peer);
	if (!allowed(ip))
		_exit(0);
	if (getsockname(fd, (struct sockaddr *)&local, &len) == 0) {
		inet_ntop(AF_INET, &local.sin_addr, ip, sizeof(ip));
		setenv("TCPLOCALIP", ip, 1);
		set_port("TCPLOCALPORT", &local);
	}
	signal(SIGCHLD, SIG_DFL);
	if (dup2(fd, 0) < 0 || dup2(fd, 1) < 0)
		_exit(EXIT_SOFT);
	execvp(argv[0], argv);
	_exit(EXIT_SOFT);
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = {.sin_family = AF_INET}, peer;
	int opt, fd, one = 1;
	uid_t uid = 0;
	gid_t gid = 0;

	version(argc, argv, "tcpserver");
	while ((opt = getopt(argc, argv, "+x:u:g:")) >= 0) {
		if (opt == 'x')
			rules = optarg;
		else if (opt == 'u')
			uid = (uid_t)strtoul(optarg, NULL, 10);
		else if (opt == 'g')
			gid = (gid_t)strtoul(optarg, NULL, 10);
		else
			fail(EXIT_HARD, "tcpserver: usage: tcpserver [-x rules] [-u uid] [-g gid] "
					"host port program");
	}
	if (argc - optind < 3 || inet_pton(AF_INET, argv[optind], &addr.sin_addr) != 1)
		fail(EXIT_HARD,
		     "tcpserver: usage: tcpserver [-x rules] [-u uid] [-g gid] host port program");
	addr.sin_port = htons((uint16_t)strtoul(argv[optind + 1], NULL, 10));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 128) < 0)
		fail(EXIT_SOFT, "tcpserver: fatal: unable to bind: %s", strerror(errno));
	if (gid && (setgroups(1, &gid) < 0 || setgid(gid) < 0))
		return EXIT_SOFT;
	if (uid && setuid(uid) < 0)
		return EXIT_SOFT;
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		socklen_t len = sizeof(peer);
		int c = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);

		if (c < 0)
			continue;
		if (fork() == 0)
			serve(c, &peer, argv + optind + 2);
		close(c);
	}
}
