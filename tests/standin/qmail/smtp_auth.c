// SPDX-License-Identifier: GPL-2.0-only
/*
 * smtp_auth stand-in (Plesk's checkpassword for SMTP AUTH): user and password on fd 3,
 * "user:password" lines in control/smtp-users. Right: logs as Plesk does and becomes its argument
 * ("true").
 */
#include <string.h>
#include <unistd.h>
#include <stdlib.h>

#include "qmail.h"

int main(int argc, char **argv)
{
	struct buf in = {0}, pair = {0};
	const char *user, *password, *at, *ip = getenv("TCPREMOTEIP");
	char tag[32], home[600];

	version(argc, argv, "smtp_auth");
	if (argc < 2 || read_all(3, &in) < 0)
		return 2;
	user = in.p;
	password = user + strlen(user) + 1;
	if (password >= in.p + in.len)
		return 2;
	buf_fmt(&pair, "%s:%s", user, password);
	snprintf(tag, sizeof(tag), "smtp_auth[%d]", getpid());
	mail_log(tag, "SMTP connect from unknown@unknown [%s]", ip ? ip : "unknown");
	at = strrchr(user, '@');
	snprintf(home, sizeof(home), "/var/qmail/mailnames/%s/%.*s", at ? at + 1 : "",
		 at ? (int)(at - user) : 255, user);
	if (!control_has("smtp-users", pair.p, pair.len)) {
		mail_log(tag,
			 "smtp_auth: FAILED: %s - password incorrect from unknown@unknown [%s]",
			 user, ip ? ip : "unknown");
		return 1;
	}
	mail_log(tag, "smtp_auth: SMTP user %s : %s logged in from unknown@unknown [%s]", user,
		 home, ip ? ip : "unknown");
	execvp(argv[1], argv + 1);
	return EXIT_SOFT;
}
