/* SPDX-License-Identifier: GPL-2.0-only */
/* Loads the kernel side, registers programs and a queue of the test's own, keeps the records that
 * arrive. */
#ifndef HARNESS_H
#define HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine.h"
#include "kernel/decode.h"
#include "kernel/probe.h"

struct harness {
	struct probe *probe;
	const char *programs_dir, *table;
	bool fexit;   /* the queue hooks are those; else the syscall tracepoints */
	char dir[64]; /* temporary, removed at the end */
	char sendmail[128], smtpd[128], perl[128], engine[128], none[128];
	char queue[128]; /* root of queue 5 */
	struct engine_symbols symbols;
	struct st_php_image image; /* the engine's, as it was set */
	struct st_inode engine_exe;
	size_t asked; /* how often user space was to look at it */
	char *record[8192];
	size_t records;
	uint64_t lost[ST_LOST_COUNT]; /* when the records were last dropped */
};

extern struct harness h;

/* 0 or -1. ring: bytes, 0: as usual. Sets h.fexit if `fexit` asks for it and the kernel allows it;
 * if it does not, no queue hook is there. */
int harness_start(size_t ring, bool fexit);
void harness_stop(void);
/* Temporary directory, programs. */
int harness_files(const char *programs_dir);
void harness_remove_files(void);

/* Takes what is in the ring; drop forgets what was taken so far. */
void drain(void);
void drop(void);

/* The n-th record of a type that a process made, 0 upwards; NULL. */
const struct record *nth(enum st_type type, pid_t pid, size_t n);
/* The first, which must be there. */
const struct record *first(enum st_type type, pid_t pid);
size_t how_many(enum st_type type, pid_t pid);
const struct record *origin_of(uint64_t id);

uint64_t lost_now(enum st_lost reason);

#define as(type, r) ((const struct type *)(r)->h)

/* The string as a C string, good until the fourth call after this. */
const char *str(const struct record *r, struct st_str s);

/* Runs fn in a child and waits for it; returns its pid. fn must not return. */
pid_t run(void (*fn)(const void *arg), const void *arg);
/* Runs a command of the shell to its end; its status, or -1. */
int shell(const char *command);
/* Executes the fake engine to its end. */
pid_t run_engine(const char *state, const char *child);

int kernel_tests(void);
int engine_tests(void);
int program_tests(void);
/* `fexit`: those hooks are what is tested; without them each test is skipped. */
int queue_tests(bool fexit);

#endif
