/* SPDX-License-Identifier: GPL-2.0-only */
/* Loads and attaches the kernel side, fills its maps, reads its ring. The only file that sees the
 * skeleton. */
#ifndef ST_PROBE_H
#define ST_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spamtrace.h"

struct probe;

struct probe_options {
	size_t ring_bytes; /* a power of two; 0: 4 MiB */
	bool opens;   /* attach script file opens, which costs every syscall of the machine a little
		       */
	bool creates; /* a queue's commit is a file created in place (Sendmail) */
	bool no_queue;    /* --mta none */
	bool no_fexit;    /* for tests */
	bool no_syscalls; /* for tests: of the queue hooks */
	/*
	 * A hook for the queues that is not BPF, for kernels that refuse fexit: asked before the
	 * syscall tracepoints are attached, which every system call of the machine pays for. Its
	 * name as probe_hooks() gives it, or NULL: it does not work here. NULL: there is none.
	 */
	const char *(*queue_hook)(void *arg);
	void *arg;
};

/* Exit statuses that say why tracing is impossible. */
enum { PROBE_EXIT_KERNEL = 69, PROBE_EXIT_PRIVILEGE = 77 };

/*
 * Opens and loads. On failure says in one sentence what is missing and what can be done, and
 * returns -errno; *exit_status then is 1, PROBE_EXIT_KERNEL or PROBE_EXIT_PRIVILEGE.
 */
int probe_new(const struct probe_options *options, struct probe **out, int *exit_status);
void probe_free(struct probe *p);

/* Attaches. What is refused is named in probe_notes() and the rest goes on; fails only if fork,
 * exec or exit are refused. */
int probe_attach(struct probe *p, int *exit_status);

/*
 * Watches the calls of an engine whose memory is not trusted. `index`: of its image. `path`: its
 * file, for the time of the call; where in it php_execute_script() and php_request_shutdown() are,
 * 0 for what is not known. 0, -ENOENT (one of them is not known, or uprobes were refused), -ENOSPC
 * (64 are watched) or -errno.
 */
int probe_attach_engine(struct probe *p, uint32_t index, const char *path, uint64_t execute_script,
			uint64_t request_shutdown);

/* Watches them no longer: another file has what was at `path`. `index`: as it was attached with. */
void probe_detach_engine(struct probe *p, uint32_t index);

/* Script opens are attached, too, when probe_attach() is called after this. */
void probe_want_opens(struct probe *p);
const char *const *probe_hooks(const struct probe *p, size_t *count);
const char *const *probe_notes(const struct probe *p, size_t *count);

/* 0 or -errno, for each. */
int probe_set_program(struct probe *p, const struct st_inode *exe,
		      const struct st_program *program);
/* Its next exec is told of again. */
int probe_unset_program(struct probe *p, const struct st_inode *exe);
/* Room for others: programs without a role are forgotten, and told of again when they are executed
 * again. How many they were. */
size_t probe_forget_programs(struct probe *p);
/* Was there a new program without room (ST_LOST_PROGRAM_MAP) since the last call? */
bool probe_had_no_room(struct probe *p);
int probe_set_image(struct probe *p, uint32_t index, const struct st_php_image *image);
int probe_set_base(struct probe *p, const struct st_base_key *key, const struct st_base *base);
int probe_unset_base(struct probe *p, const struct st_base_key *key);
/* All of them: web servers that fork are asked about again. */
void probe_forget_bases(struct probe *p);
int probe_set_queue(struct probe *p, const struct st_inode *root,
		    const struct st_queue_root *value);
int probe_unset_queue(struct probe *p, const struct st_inode *root);
int probe_set_queue_path(struct probe *p, const char *prefix, uint32_t queue);

/* Becomes readable when records are there. */
int probe_fd(const struct probe *p);

/* Whether what happens in a queue wakes who waits for probe_fd(); if not, it is there to be read.
 */
void probe_let_queues_wake(struct probe *p, bool yes);

/*
 * Calls fn with every record that is there when it is called, and hardly more: under a load that
 * puts records in faster than they are read it ends all the same. Bytes are mapped read-only and
 * gone afterwards. Returns 0 or more, or -errno.
 */
typedef void (*probe_fn)(void *arg, const void *bytes, size_t len);
int probe_read(struct probe *p, probe_fn fn, void *arg);

/* Losses by enum st_lost since the start; skipped programs as they were up to 100 ms ago, on
 * kernels that do not preempt fork and exec hooks. Cheap. */
void probe_lost(struct probe *p, uint64_t out[ST_LOST_COUNT]);
const char *probe_lost_name(enum st_lost reason);

/* Per-uid totals that the kernel kept; fn per uid. */
int probe_uid_totals(const struct probe *p,
		     void (*fn)(void *arg, uint32_t uid, const struct st_uid_total *t), void *arg);

/* Run time of the programs, from the kernel's own statistics (kernel.bpf_stats_enabled); for the
 * benchmark. */
struct probe_cost {
	const char *name;
	uint64_t runs, ns;
	uint32_t insns;    /* as loaded, after the verifier's rewriting */
	uint32_t verified; /* instructions that the verifier walked; 0 before 5.16 */
};
size_t probe_costs(const struct probe *p, struct probe_cost *out, size_t max);

#endif
