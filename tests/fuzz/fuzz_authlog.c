// SPDX-License-Identifier: GPL-2.0-only
/* Lines of a mail log, read and counted; the whole once more as a file that may be compressed. */
#include "fuzz.h"

#include "mail/authcount.h"
#include "mail/authlog.h"
#include "mail/loglines.h"

static void one(struct authcount *c, struct auth_clock *clock, const char *line, size_t len)
{
	/* exactly as long as it is, for the sanitizer */
	char *copy = malloc(len ? len : 1);
	struct auth_event e;

	must(copy);
	memcpy(copy, line, len);
	authlog_parse(copy, len, clock, &e);
	free(copy);
	must(memchr(e.user, 0, sizeof(e.user)) && memchr(e.id, 0, sizeof(e.id)));
	if (e.kind != AUTH_NONE)
		authcount_add(c, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct auth_limits limits = {.users = 64, .addresses = 256};
	struct auth_address addresses[16];
	struct authcount *c = NULL;
	struct auth_clock clock;
	struct loglines *lines = NULL;
	const char *line;
	size_t len, n;

	auth_clock_init(&clock, 1795287642);
	must(authcount_new(&limits, &c) == 0);
	if (loglines_open(memory_file((struct input){data, size}), &lines) == 0) {
		while (loglines_next(lines, &line, &len) > 0)
			one(c, &clock, line, len);
		loglines_free(lines);
	}
	{
		const struct auth_user *const *users = authcount_users(c, &n);

		for (size_t i = 0; i < n; i++)
			must(authcount_addresses(c, users[i], addresses, 16) <= 16);
	}
	authcount_free(c);
	return 0;
}
