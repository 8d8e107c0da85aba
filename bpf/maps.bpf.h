/* SPDX-License-Identifier: GPL-2.0-only */
/* Every map and every tunable, on one page. Sizes are upper bounds on what is in flight at one
 * time. */
#ifndef MAPS_BPF_H
#define MAPS_BPF_H

#include <bpf/bpf_helpers.h>

#include "spamtrace.h"

/*
 * Tables have their memory from the start; two that are large, seldom full and used by tp_btf
 * programs alone take it as they need it (of other types 5.10 warns in its log).
 */
#define MAX_TASKS   32768 /* tasks that carry an origin, an injection or a script */
#define MAX_CALLS   8192  /* queue syscalls between entry and exit */
#define MAX_SCRIPTS 8192  /* processes that descend from a Perl, Python or shell script */
#define MAX_RUNNING 4096  /* threads of engines that are not trusted, in a request */
#define MAX_SOCKS   16384 /* connections to mail ports */
#define MAX_UIDS    16384

/* Why an origin may be of no request. */
enum weak {
	WEAK_ENGINE = 1, /* its engine could not be read */
	WEAK_SERVER,     /* it is that of a web server, see ST_BY_SERVER */
};

/* What a task carries down the fork tree. */
struct task_state {
	__u64 origin;    /* 0: none */
	__u64 injection; /* 0: none */
	__u32 uid;       /* real uid of the first injector exec */
	__u32 forked;    /* since its origin was taken at a fork it has not execed */
	__u64 exec;   /* task_struct.self_exec_id of the last exec that was dealt with, see AGAIN */
	__u32 weak;   /* enum weak: a CGI start takes the place of its origin */
	__u32 engine; /* its origin is of an engine in a request: no argument and no ancestor of it
			 can say more */
	__u32 scripted; /* it descends from a script, which is in `scripts` */
	__u32 pad;
};

/* The scripts a task descends from; NUL separated argument blocks as they were at exec. */
#define SCRIPT_ARGS 192
struct script_state {
	__u16 outer_len, inner_len;
	__u32 exec; /* as in struct task_state */
	char outer[SCRIPT_ARGS];
	char inner[SCRIPT_ARGS];
};

/* Opened by an engine that changed into its directory next: that is how FPM and FastCGI start a
 * request. */
enum running_opened { OPENED_ONLY = 1, OPENED_AND_ENTERED = 2 };

/* The script that a thread of an engine runs whose memory is not trusted. */
#define RUNNING_PATH 512
struct running_script {
	__u32 opened; /* enum running_opened; 0: known from php_execute_script() */
	char path[RUNNING_PATH];
};

/* A queue syscall between entry and exit: user pointers to the names. */
struct call_state {
	__u64 name, old;
	__s32 name_dir, old_dir;
	__u32 op, pad;
};

/* The old name of a rename between entry and exit of vfs_rename(): d_move() overwrites it. */
#define RENAME_OLD 160
struct rename_state {
	__u32 len, cut;
	char old[RENAME_OLD];
};

/*
 * AGAIN: the kernel never lets a program run twice on one CPU at a time; who comes second is
 * skipped. From 7.0 on programs of tracepoints can be preempted, so that happens to whoever forks
 * or execs while another task is in the middle of the program, and what it did would be lost
 * (measured on an emulated 7.3: one message in ten). There user space attaches every one of these
 * programs a second time, as NAME_again, and each finds out by what it left behind whether the
 * first has run.
 */
struct sock_state {
	__u64 origin, injection;
	struct st_task task;
	__u32 uid, pad;
};

struct queue_path {
	__u32 bits; /* of prefix */
	char prefix[124];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} events __weak SEC(".maps");

/*
 * Rooms: a record whose length is not known before it is written is put together here and goes into
 * the ring at its real length. Per CPU and per program, so nobody else can be in the same room: the
 * kernel does not run a program twice on one CPU at a time (before 5.12 and 6.1 because it does not
 * preempt it, later by a check of its own).
 */
enum room {
	ROOM_FORK,
	ROOM_FORK_AGAIN,
	ROOM_EXEC,
	ROOM_EXEC_AGAIN,
	ROOM_PREPARE,
	ROOM_PREPARE_AGAIN,
	ROOM_CONNECT,
	ROOM_COUNT
};

#define ROOM_SIZE 6144
struct room_bytes {
	__u64 words[ROOM_SIZE / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ROOM_COUNT);
	__type(key, __u32);
	__type(value, struct room_bytes);
} rooms __weak SEC(".maps");

/* The same for queue operations, whose records are smaller. */
enum queue_room {
	ROOM_LINK,
	ROOM_LINK_AGAIN,
	ROOM_UNLINK,
	ROOM_UNLINK_AGAIN,
	ROOM_RENAME,
	ROOM_RENAME_AGAIN,
	ROOM_CALL,
	ROOM_CREATE,
	ROOM_QUEUE_COUNT
};

#define ROOM_QUEUE_SIZE 1280
struct queue_room_bytes {
	__u64 words[ROOM_QUEUE_SIZE / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ROOM_QUEUE_COUNT);
	__type(key, __u32);
	__type(value, struct queue_room_bytes);
} queue_rooms __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries,
	       16384); /* every program of the machine ends up here, most with no role */
	__type(key, struct st_inode);
	__type(value, struct st_program);
} programs __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ST_MAX_IMAGES);
	__type(key, __u32);
	__type(value, struct st_php_image);
} php_images __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct st_base_key);
	__type(value, struct st_base);
} php_bases __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_TASKS);
	__type(key, struct st_task);
	__type(value, struct task_state);
} tasks __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SCRIPTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct st_task);
	__type(value, struct script_state);
} scripts __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_CALLS);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct call_state);
} calls __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct rename_state);
} renames __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64); /* pid_tgid of who is between a queue program and the same AGAIN */
	__type(value, __u8);
} reported __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SOCKS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64); /* struct sock * */
	__type(value, struct sock_state);
} socks __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct st_inode);
	__type(value, struct st_queue_root);
} queues __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 128);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct queue_path);
	__type(value, __u32); /* any queue below that prefix; user space tells which */
} queue_paths __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_UIDS);
	__type(key, __u32);
	__type(value, struct st_uid_total);
} uid_totals __weak SEC(".maps");

/* By enum st_lost. User space sees this memory: it looks often, and nearly always at zeros. */
__u64 lost[ST_LOST_COUNT] __weak = {};

/* User space reads what happens in the queues in its own time; nothing there is to wake it. */
volatile __u32 queues_rest __weak = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_RUNNING);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct running_script);
} running __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct running_script);
} running_room __weak SEC(".maps");

/* Is there anything in it, or was there ever? Most hosts have no such engine, and every look into a
 * table at the end of every process costs a cache miss. */
volatile __u32 running_used __weak = 0;

/* Set before load: names of FastCGI variables with the hash that PHP's fcgi_hash gives them. */
enum { FCGI_SCRIPT, FCGI_DOCROOT, FCGI_HOST, FCGI_CLIENT, FCGI_URI, FCGI_KEYS };
const volatile __u32 fcgi_hash[FCGI_KEYS] __weak;
const volatile __u32 fcgi_len[FCGI_KEYS] __weak;
const volatile __u64 fcgi_word[FCGI_KEYS * 2] __weak; /* zero padded to 16 bytes */
const volatile __u32 own_tgid __weak;                 /* the tracer itself is not traced */
const volatile struct st_inode own_root __weak;       /* the tracer's root directory ... */
const volatile __u32 own_root_mount __weak;           /* ... and its mount's id; 0: not known */
const volatile struct st_btrfs btrfs __weak;          /* where a file's subvolume is found */
const volatile bool again __weak; /* every program is attached twice, see AGAIN */

#endif
