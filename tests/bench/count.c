// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counting a queue beside a bare scan of the directories that its messages are in, in turn:
 *
 *   count MTA ROUNDS DIRECTORY...
 *
 * Prints two numbers a round: nanoseconds of the scan with readdir() that looks at no name, and of
 * what spamtrace does. Status 1 where they count different messages.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "mail/mta.h"

/* Names in the directories, or -1. */
static int64_t scan(char **directories)
{
	int64_t names = 0;

	for (; *directories; directories++) {
		DIR *d = opendir(*directories);
		const struct dirent *e;

		if (!d)
			return -1;
		while ((e = readdir(d)))
			names += e->d_name[0] != '.';
		closedir(d);
	}
	return names;
}

int main(int argc, char **argv)
{
	struct mta_queue queues[4];
	const struct mta *mta = argc > 3 ? mta_by_name(argv[1]) : NULL;
	int n = mta ? mta_find_queues(mta, NULL, queues, 4) : 0;

	if (n < 1) {
		log_warn("usage: count MTA ROUNDS DIRECTORY...");
		return 64;
	}
	for (int round = atoi(argv[2]); round > 0; round--) {
		uint64_t start = clock_boot_ns(), middle, end;
		int64_t names = scan(argv + 3), messages = 0;

		middle = clock_boot_ns();
		for (int i = 0; i < n; i++) {
			struct queue_counts c;

			queues[i].quick = true;
			if (mta->count(&queues[i], &c))
				return 1;
			messages += c.messages;
		}
		end = clock_boot_ns();
		if (names < messages) {
			log_warn("%lld names, %lld messages", (long long)names,
				 (long long)messages);
			return 1;
		}
		printf("%llu %llu\n", (unsigned long long)(middle - start),
		       (unsigned long long)(end - middle));
	}
	return 0;
}
