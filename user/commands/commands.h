/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The commands. Each takes its own arguments (argv[0] is its name, as it should appear in its
 * messages) and returns the program's exit status: 0 ok, 1 failed, 2 events were lost under
 * --strict, 64 usage, 69 the kernel lacks something, 77 no privilege.
 */
#ifndef ST_COMMANDS_H
#define ST_COMMANDS_H

int command_trace(int argc, char **argv);
int command_auth(int argc, char **argv);
int command_report(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_workers(int argc, char **argv);
int command_queue(int argc, char **argv);
int command_message(int argc, char **argv);

#endif
