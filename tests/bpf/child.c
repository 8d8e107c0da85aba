// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program of a mail server, or an interpreter, as far as the kernel side can tell: it ends in the
 * way that its last argument names. "fork=A;B" runs A with the arguments "sendmail" and "fork=B" in
 * a child, "exec=A" executes A in its place.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[argc - 1] : "";

	if (!strcmp(how, "killed"))
		kill(getpid(), SIGKILL);
	if (!strncmp(how, "exec=", 5))
		return execl(how + 5, "sendmail", (char *)NULL);
	if (!strncmp(how, "fork=", 5) && how[5]) {
		char *program = strdup(how + 5), *rest = strchr(program, ';');
		char next[1024] = "fork=";

		if (rest) {
			*rest++ = '\0';
			strncat(next, rest, sizeof(next) - 6);
		}
		if (!fork())
			return execl(program, strrchr(program, '/') + 1, "/inner.pl", next,
				     (char *)NULL);
		wait(NULL);
		return 0;
	}
	if (!strncmp(how, "exit=", 5))
		return atoi(how + 5);
	return 0;
}
