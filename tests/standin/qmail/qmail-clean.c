// SPDX-License-Identifier: GPL-2.0-only
/* qmail-clean stand-in (qmailq): removes what qmail-send names on fd 0, answers on fd 1. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qmail.h"

static char clean(const char *request)
{
	unsigned long id = 0;

	if (sscanf(request, "foop/%lu", &id) == 1) {
		unlink(queue_name("intd", id, false));
		return unlink(queue_name("mess", id, true)) == 0 ? '+' : '!';
	}
	if (sscanf(request, "todo/%lu", &id) == 1) {
		unlink(queue_name("intd", id, false));
		return unlink(queue_name("todo", id, false)) == 0 ? '+' : '!';
	}
	return 'x';
}

int main(int argc, char **argv)
{
	char request[256], answer;
	size_t len = 0;

	version(argc, argv, "qmail-clean");
	if (chdir(QMAIL_HOME "/queue") < 0)
		return EXIT_SOFT;
	for (;;) {
		char c;

		if (read(0, &c, 1) != 1)
			return 0;
		if (len == sizeof(request) - 1)
			return EXIT_HARD;
		request[len++] = c;
		if (c)
			continue;
		len = 0;
		answer = clean(request);
		if (write(1, &answer, 1) != 1)
			return 0;
	}
}
