// SPDX-License-Identifier: GPL-2.0-only
/* qmail-remote stand-in: nothing leaves the stage, every recipient is deferred. */
#include <string.h>
#include <unistd.h>

#include "qmail.h"

int main(int argc, char **argv)
{
	/* Per recipient 's' (try again), then the verdict on the message. */
	static const char answer[] =
		"s\0ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n";

	version(argc, argv, "qmail-remote");
	if (chdir(QMAIL_HOME) < 0)
		return EXIT_SOFT;
	return write_all(1, answer, sizeof(answer)) < 0 ? EXIT_SOFT : 0;
}
