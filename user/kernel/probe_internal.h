/* SPDX-License-Identifier: GPL-2.0-only */
/* What probe's files share: loading (probe.c), attaching (probe_attach.c), maps (probe_maps.c). */
#ifndef ST_KERNEL_PROBE_INTERNAL_H
#define ST_KERNEL_PROBE_INTERNAL_H

#include <bpf/libbpf.h>

#include "kernel/probe.h"

/* generated: bpftool's code is not ours to mend */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include "spamtrace.skel.h"
#pragma GCC diagnostic pop

/* of hooks: half of them are used where most are attached */
#define MAX_LINKS 64
/* of engines, two each: anybody's may be watched, so that they take no hook's place */
#define MAX_ENGINE_LINKS 128
#define MAX_TEXTS        16
/* more than there are programs */
#define MAX_ATTACHED  64
#define LOOK_SKIPS_NS 100000000ULL

struct probe {
	struct spamtrace *skel;
	struct ring_buffer *ring;
	struct bpf_link *link[MAX_LINKS]; /* of hooks */
	size_t links;
	struct engine_link {
		struct bpf_link *link;
		uint32_t index; /* of the engine */
	} engine_link[MAX_ENGINE_LINKS];
	size_t engine_links;
	const struct bpf_program *attached[MAX_ATTACHED]; /* each once */
	size_t attached_count;
	uint64_t skips, skips_at; /* boot ns */
	uint64_t no_room;         /* ST_LOST_PROGRAM_MAP when it was asked for last */
	const char
		*fexit[10]; /* names of the fexit programs that fit this kernel, ends with NULL */
	bool again;         /* AGAIN of bpf/maps.bpf.h */
	struct st_btrfs btrfs;
	bool engines; /* calls of some are watched */
	bool opens;   /* script opens are wanted */
	const char *hooks[MAX_TEXTS], *notes[MAX_TEXTS];
	size_t hook_count, note_count;
	const char *(*queue_hook)(void *arg);
	void *queue_arg;
	bool no_syscalls;
	probe_fn fn;
	void *arg;
	uint64_t until; /* boot ns: what is newer waits for the next probe_read() */
};

/* Programs put their records in with the time at which they began: no later than this after it. */
#define READ_SLACK_NS 1000000ULL

/* Names of the programs of each hook, ending with NULL; "again": their second copies. */
extern const char *const probe_lineage[];
extern const char *const probe_lineage_again[];
extern const char *const probe_prepare_again[];
extern const char *const probe_connect[];
extern const char *const probe_open[];
extern const char *const probe_prepare[];
extern const char *const probe_engine[];
extern const char *const probe_create[];
extern const char *const probe_syscall[];

/* Something for the person to know; `text` is static. */
void probe_note(struct probe *p, const char *text);

#endif
