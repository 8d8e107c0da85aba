// SPDX-License-Identifier: GPL-2.0-only
/* What user space tells the programs, and reads back: tables, records, losses, costs. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "kernel/probe_internal.h"

static int update(const struct bpf_map *map, const void *key, const void *value)
{
	return bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY) ? -errno : 0;
}

int probe_set_program(struct probe *p, const struct st_inode *exe, const struct st_program *program)
{
	return update(p->skel->maps.programs, exe, program);
}

int probe_unset_program(struct probe *p, const struct st_inode *exe)
{
	return bpf_map_delete_elem(bpf_map__fd(p->skel->maps.programs), exe) ? -errno : 0;
}

size_t probe_forget_programs(struct probe *p)
{
	int fd = bpf_map__fd(p->skel->maps.programs);
	struct st_inode key, next;
	bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;
	size_t count = 0;

	while (more) {
		struct st_program program;

		/* before it goes: the walk would begin anew */
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, &program) == 0 && program.role == ST_ROLE_NONE)
			count += bpf_map_delete_elem(fd, &key) == 0;
	}
	return count;
}

bool probe_had_no_room(struct probe *p)
{
	uint64_t now = __atomic_load_n(&p->skel->bss->lost[ST_LOST_PROGRAM_MAP], __ATOMIC_RELAXED);
	bool more = now != p->no_room;

	p->no_room = now;
	return more;
}

int probe_set_image(struct probe *p, uint32_t index, const struct st_php_image *image)
{
	return update(p->skel->maps.php_images, &index, image);
}

int probe_set_base(struct probe *p, const struct st_base_key *key, const struct st_base *base)
{
	return update(p->skel->maps.php_bases, key, base);
}

int probe_set_queue(struct probe *p, const struct st_inode *root, const struct st_queue_root *value)
{
	return update(p->skel->maps.queues, root, value);
}

int probe_unset_base(struct probe *p, const struct st_base_key *key)
{
	return bpf_map_delete_elem(bpf_map__fd(p->skel->maps.php_bases), key) ? -errno : 0;
}

void probe_forget_bases(struct probe *p)
{
	int fd = bpf_map__fd(p->skel->maps.php_bases);
	struct st_base_key key;

	while (!bpf_map_get_next_key(fd, NULL, &key) && !bpf_map_delete_elem(fd, &key))
		;
}

int probe_unset_queue(struct probe *p, const struct st_inode *root)
{
	return bpf_map_delete_elem(bpf_map__fd(p->skel->maps.queues), root) ? -errno : 0;
}

int probe_set_queue_path(struct probe *p, const char *prefix, uint32_t queue)
{
	struct {
		__u32 bits;
		char prefix[124];
	} key = {0}; /* struct queue_path of bpf/maps.bpf.h */
	size_t n = strlen(prefix);

	if (n >= sizeof(key.prefix))
		return -ENAMETOOLONG;
	memcpy(key.prefix, prefix, n);
	key.bits = (__u32)n * 8;
	return update(p->skel->maps.queue_paths, &key, &queue);
}

int probe_fd(const struct probe *p)
{
	return ring_buffer__epoll_fd(p->ring);
}

void probe_let_queues_wake(struct probe *p, bool yes)
{
	__atomic_store_n(&p->skel->bss->queues_rest, !yes, __ATOMIC_RELAXED);
}

int probe_read(struct probe *p, probe_fn fn, void *arg)
{
	int n;

	p->fn = fn;
	p->arg = arg;
	p->until = clock_boot_ns() + READ_SLACK_NS;
	n = ring_buffer__consume(p->ring);
	return n == -ECANCELED ? 0 : n;
}

static uint64_t skips_of(const struct bpf_program *prog)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_program__fd(prog) < 0 || bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
		return 0;
	return info.recursion_misses;
}

/* How often something may have been missed because neither a program nor its AGAIN was run. The
 * kernel counts from 5.12 on. */
static uint64_t skipped(const struct probe *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->attached_count; i++) {
		const char *name = bpf_program__name(p->attached[i]);
		uint64_t n = strstr(name, "_again") ? 0 : skips_of(p->attached[i]), other;
		char twin[64];

		if (!n)
			continue;
		snprintf(twin, sizeof(twin), "%s_again", name);
		for (size_t j = 0; j < p->attached_count; j++)
			if (!strcmp(bpf_program__name(p->attached[j]), twin)) {
				other = skips_of(p->attached[j]);
				n = other < n ? other : n;
			}
		sum += n;
	}
	return sum;
}

void probe_lost(struct probe *p, uint64_t out[ST_LOST_COUNT])
{
	uint64_t now = clock_boot_ns();

	for (int reason = 0; reason < ST_LOST_COUNT; reason++)
		out[reason] = __atomic_load_n(&p->skel->bss->lost[reason], __ATOMIC_RELAXED);
	/* a system call for each program; where forks and execs are not preempted, none is skipped
	 */
	if (p->again || now - p->skips_at >= LOOK_SKIPS_NS) {
		p->skips = skipped(p);
		p->skips_at = now;
	}
	out[ST_LOST_SKIPPED] = p->skips;
}

const char *probe_lost_name(enum st_lost reason)
{
	static const char *const names[ST_LOST_COUNT] = {
		[ST_LOST_RING_ORIGIN] = "ring-origin",   [ST_LOST_RING_LINEAGE] = "ring-lineage",
		[ST_LOST_RING_EXEC] = "ring-exec",       [ST_LOST_RING_QUEUE] = "ring-queue",
		[ST_LOST_RING_CONNECT] = "ring-connect", [ST_LOST_RING_OPEN] = "ring-open",
		[ST_LOST_TASK_MAP] = "task-map",         [ST_LOST_CALL_MAP] = "call-map",
		[ST_LOST_SOCK_MAP] = "sock-map",         [ST_LOST_SCRIPT_MAP] = "script-map",
		[ST_LOST_PROGRAM_MAP] = "program-map",   [ST_LOST_UID_MAP] = "uid-map",
		[ST_LOST_SKIPPED] = "program-skipped",   [ST_LOST_READ] = "read",
	};

	return names[reason];
}

int probe_uid_totals(const struct probe *p,
		     void (*fn)(void *arg, uint32_t uid, const struct st_uid_total *t), void *arg)
{
	int fd = bpf_map__fd(p->skel->maps.uid_totals);
	__u32 key = 0, next;
	void *at = NULL;

	while (bpf_map_get_next_key(fd, at, &next) == 0) {
		struct st_uid_total total;

		if (bpf_map_lookup_elem(fd, &next, &total) == 0)
			fn(arg, next, &total);
		key = next;
		at = &key;
	}
	return errno == ENOENT ? 0 : -errno;
}

size_t probe_costs(const struct probe *p, struct probe_cost *out, size_t max)
{
	struct bpf_program *prog;
	size_t n = 0;

	bpf_object__for_each_program(prog, p->skel->obj)
	{
		struct bpf_prog_info info = {0};
		__u32 len = sizeof(info);
		int fd = bpf_program__fd(prog);

		if (n == max)
			break;
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
			continue;
		out[n++] = (struct probe_cost){.name = bpf_program__name(prog),
					       .runs = info.run_cnt,
					       .ns = info.run_time_ns,
					       .insns = info.xlated_prog_len / 8,
					       .verified = info.verified_insns};
	}
	return n;
}
