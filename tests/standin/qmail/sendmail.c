// SPDX-License-Identifier: GPL-2.0-only
/* sendmail wrapper stand-in: turns sendmail's options into an exec in place of one of qmail's. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qmail.h"

static void run(char **argv) __attribute__((noreturn));
static void run(char **argv)
{
	execv(argv[0], argv);
	fail(EXIT_SOFT, "sendmail: fatal: unable to run %s", argv[0]);
}

/* -fADDRESS: qmail-inject takes the sender from -f and the default From from the environment. */
static void set_sender(char *sender)
{
	char user[256], *at = strrchr(sender, '@');

	if (at && at - sender < (long)sizeof(user)) {
		memcpy(user, sender, (size_t)(at - sender));
		user[at - sender] = '\0';
		setenv("QMAILUSER", user, 1);
		setenv("QMAILHOST", at + 1, 1);
	} else {
		setenv("QMAILUSER", sender, 1);
	}
}

int main(int argc, char **argv)
{
	char *qread[] = {"bin/qmail-qread", NULL};
	char *smtpd[] = {"bin/qmail-smtpd", NULL};
	char **inject = calloc((size_t)argc + 6, sizeof(*inject));
	const char *base = strrchr(argv[0], '/');
	bool from_header = false;
	int n = 0, opt;
	char mode = 'm';
	char *sender = NULL;

	version(argc, argv, "sendmail");
	if (chdir(QMAIL_HOME) < 0 || !inject)
		fail(EXIT_SOFT, "sendmail: fatal: unable to switch to the qmail home directory");
	base = base ? base + 1 : argv[0];
	if (strcmp(base, "mailq") == 0)
		run(qread);
	if (strcmp(base, "newaliases") == 0)
		fail(EXIT_HARD, "sendmail: fatal: please use fastforward/newaliases instead");

	while ((opt = getopt(argc, argv, "vimte:f:p:o:B:F:EJxb:q::r:h:C:d:M:O:N:R:UV:X:A:GIns")) >=
	       0) {
		switch (opt) {
		case 't':
			from_header = true;
			break;
		case 'b':
			mode = optarg[0];
			break;
		case 'f':
		case 'r':
			sender = optarg;
			break;
		case 'F':
			setenv("MAILNAME", optarg, 1);
			break;
		case 'q':
			mode = 'q';
			break;
		case '?':
			fail(EXIT_HARD, "sendmail: usage: sendmail [ -t ] [ -fsender ] [ -bp ] [ "
					"-bs ] [ arg ... ]");
		default:
			break;
		}
	}
	if (mode == 'p')
		run(qread);
	if (mode == 's')
		run(smtpd);
	if (mode != 'm')
		fail(EXIT_HARD,
		     "sendmail: usage: sendmail [ -t ] [ -fsender ] [ -bp ] [ -bs ] [ arg ... ]");

	inject[n++] = "bin/qmail-inject";
	inject[n++] = from_header ? "-H" : "-a";
	if (sender) {
		set_sender(sender);
		inject[n++] = "-f";
		inject[n++] = sender;
	}
	inject[n++] = "--";
	while (optind < argc)
		inject[n++] = argv[optind++];
	run(inject);
}
