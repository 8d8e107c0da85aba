/* SPDX-License-Identifier: GPL-2.0-only */
/* The one way into the ring, and into a record's data[]. What does not fit is counted by reason. */
#ifndef EMIT_BPF_H
#define EMIT_BPF_H

#include "maps.bpf.h"

static __always_inline void count_lost(enum st_lost reason)
{
	__sync_fetch_and_add(&lost[reason], 1);
}

/* What stays exact when the ring has no room; NULL (counted): there are more uids than the map
 * takes. */
static __always_inline struct st_uid_total *uid_total(__u32 uid)
{
	struct st_uid_total *t = bpf_map_lookup_elem(&uid_totals, &uid), zero = {};

	if (t)
		return t;
	bpf_map_update_elem(&uid_totals, &uid, &zero, BPF_NOEXIST);
	t = bpf_map_lookup_elem(&uid_totals, &uid);
	if (!t)
		count_lost(ST_LOST_UID_MAP);
	return t;
}

/* A record of constant size, or NULL (counted). The caller fills all of it and submits on every
 * path. */
static __always_inline void *reserve(__u64 size, enum st_lost reason)
{
	void *r = bpf_ringbuf_reserve(&events, size, 0);

	if (!r)
		count_lost(reason);
	return r;
}

/* The room of a program for a record of at most ROOM_SIZE bytes; never NULL, but the verifier
 * cannot know. */
static __always_inline void *enter_room(enum room room)
{
	__u32 key = room;

	return bpf_map_lookup_elem(&rooms, &key);
}

/* Into the ring; `size` is known to the verifier to be within the record's room. */
static __always_inline void send(void *record, __u64 size, __u64 wakeup, enum st_lost reason)
{
	if (bpf_ringbuf_output(&events, record, size, wakeup))
		count_lost(reason);
}

static __always_inline void fill_header(struct st_header *h, __u16 type, __u32 size,
					const struct st_task *task)
{
	h->type = type;
	h->abi = ST_ABI;
	h->size = size;
	h->time = bpf_ktime_get_boot_ns();
	h->task = *task;
}

/* Unique while the tracer runs: no two events of one CPU share a nanosecond. */
static __always_inline __u64 new_id(void)
{
	return bpf_ktime_get_boot_ns() << 8 | (bpf_get_smp_processor_id() & 0xff);
}

/*
 * Appends a NUL-terminated string to buf at *at, which stays at most `mask` (a power of two less
 * one); buf has `max` bytes of room behind that. Yields false if the read failed; str is then
 * empty.
 */
#define APPEND_STR(read, buf, at, mask, max, src, str)                                             \
	({                                                                                         \
		__u32 at_ = *(at) & (mask);                                                        \
		long n_ = read((buf) + at_, (max), (const void *)(src));                           \
		long got_ = n_ > 0 ? n_ : 1;                                                       \
		__u32 room_ = *(at) + (__u32)got_ <= (mask);                                       \
		__u32 len_ = room_ ? (__u32)got_ - 1 : 0;                                          \
		(str)->off = (__u16)at_;                                                           \
		(str)->len = (__u16)len_;                                                          \
		(str)->cut = got_ == (max) || (!room_ && got_ > 1);                                \
		*(at) += len_;                                                                     \
		n_ >= 0;                                                                           \
	})

#endif
