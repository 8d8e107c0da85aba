// SPDX-License-Identifier: GPL-2.0-only
/* Which command: its name is the first argument, `trace` when there is none. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "commands/commands.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *does;
} commands[] = {
	{"trace", command_trace,
	 "trace which script, uid, vhost and client put each message into the queue"},
	{"workers", command_workers, "what every PHP worker is doing now"},
	{"queue", command_queue,
	 "what is in the queue now, by origin, sender, recipient domain and age"},
	{"message", command_message, "one queued message explained, and what to do about it"},
	{"auth", command_auth, "SMTP AUTH users by messages, from the mail log"},
	{"doctor", command_doctor, "can this host be traced, and is it open to abuse"},
	{"report", command_report, "the postmortem of a recording"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int help(void)
{
	puts("Usage: spamtrace [COMMAND] [OPTION...]\n\nTells, while a spam run is on, which "
	     "script put each message into the mail queue.\n");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-9s %s\n", commands[i].name, commands[i].does);
	puts("\nWithout a command: trace. 'spamtrace COMMAND --help' lists its options.");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 &&
	    (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
		return help();
	if (argc > 1 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))) {
		puts("spamtrace " SPAMTRACE_VERSION);
		return 0;
	}
	for (size_t i = 0; argc > 1 && i < COMMANDS; i++) {
		if (!strcmp(argv[1], commands[i].name)) {
			static char name[64];

			snprintf(name, sizeof(name), "spamtrace %s", commands[i].name);
			argv[1] = name;
			return commands[i].run(argc - 1, argv + 1);
		}
	}
	if (argc > 1 && argv[1][0] != '-') {
		log_warn("%s: no such command ('spamtrace help' lists them)", argv[1]);
		return 64;
	}
	return command_trace(argc, argv);
}
