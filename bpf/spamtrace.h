/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The wire: every record that crosses from the kernel side to user space, and every value that
 * user space puts into a map. Both sides include this file; it holds layouts and nothing else.
 * Fixed widths, explicit padding, no pointers; times are CLOCK_BOOTTIME in nanoseconds.
 */
#ifndef SPAMTRACE_H
#define SPAMTRACE_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define ST_ABI 1

#define ST_MAX_FRAMES    16
#define ST_MAX_ANCESTORS 6
#define ST_MAX_RULES     10

/* A task is (tgid, start time): pids wrap within a minute at spam rates. */
struct st_task {
	__u64 start; /* task_struct.start_boottime of the group leader */
	__u32 tgid;  /* as the initial pid namespace sees it */
	__u32 pad;
};

/* A program is its inode, never its name: device and inode as the kernel holds them. */
struct st_inode {
	__u64 ino;
	__u32 dev;    /* super_block.s_dev: major << 20 | minor */
	__u32 subvol; /* btrfs, whose subvolumes share numbers: btrfs_root.anon_dev. Else 0 */
};

/* Where btrfs keeps a subvolume's number, which stat() shows as the device. Offsets in bytes. */
struct st_btrfs {
	__s64 root;     /* btrfs_inode.root, seen from the struct inode in it */
	__s64 anon_dev; /* in struct btrfs_root */
	__u64 known;    /* else st_inode.subvol is 0 in every record */
};

/* A string in the data that follows the record's struct; len has no NUL. cut: there was more. */
struct st_str {
	__u16 off;
	__u16 len : 15;
	__u16 cut : 1;
};

enum st_type {
	ST_ORIGIN = 1, /* what a PHP worker was doing when it forked, execed or connected */
	ST_FORK,       /* a task that carries an origin or an injection has a child */
	ST_EXEC,       /* a program with a role was executed */
	ST_EXIT,       /* the last thread of a carrying task is gone */
	ST_QUEUE,      /* a name landed in, or left, a queue directory */
	ST_CONNECT,    /* a TCP connection to a mail port */
	ST_OPEN,       /* a web worker opened a script file */
	ST_ENV,        /* a piece of the environment that a web server gave to a CGI program */
	ST_IMAGE, /* a program seen for the first time, or a web server whose PHP module's address
		     is not known */
	ST_TYPE_COUNT
};

struct st_header {
	__u16 type;
	__u16 abi;
	__u32 size; /* of the whole record */
	__u64 time;
	struct st_task task; /* who did it */
};

/* ---- origins ---- */

enum st_origin_why {
	ST_BY_FORK = 1,
	ST_BY_EXEC,
	ST_BY_CONNECT,
	ST_BY_CGI,    /* a child of a web server executes its first program; no engine is involved,
			 ST_ENV records follow */
	ST_BY_SERVER, /* what carries an origin executes a web server: what that serves is asked for
			 by others. No engine is involved */
};

enum st_sapi {
	ST_SAPI_NONE,
	ST_SAPI_APACHE2HANDLER,
	ST_SAPI_FPM,
	ST_SAPI_CGI, /* php-cgi, plain CGI or FastCGI: server_context tells */
	ST_SAPI_CLI,
	ST_SAPI_OTHER
};

enum st_origin_flags {
	ST_O_REQUEST = 1 << 0,   /* EG(current_execute_data) was set: request data can be trusted */
	ST_O_FCGI = 1 << 1,      /* server_context is a fcgi_request */
	ST_O_STACK_CUT = 1 << 2, /* more than ST_MAX_FRAMES frames, or no room for their names */
	ST_O_FAULT = 1 << 3,     /* a read of the worker's memory failed; strings may be missing */
	ST_O_SCRIPT_SG = 1 << 4, /* script is sapi_globals.request_info.path_translated */
	ST_O_SCRIPT_ENV = 1 << 5,      /* script is SCRIPT_FILENAME of the FastCGI request */
	ST_O_SCRIPT_INCLUDED = 1 << 6, /* script is the first of EG(included_files) */
	ST_O_ENV_CUT = 1 << 7, /* a FastCGI variable's hash chain was longer than is walked */
	ST_O_UNREADABLE =
		1 << 8, /* the engine's memory is not trusted: no request data, no stack */
	ST_O_SCRIPT_CALL = 1 << 9,  /* script is what php_execute_script() was called with */
	ST_O_SCRIPT_OPEN = 1 << 10, /* script is one that the worker opened and whose directory it
				       then entered */
	ST_O_OWN_ROOT = 1 << 11,    /* its root directory is the tracer's; unset: another, or not
				       known */
};

enum st_frame_type { ST_FRAME_INTERNAL = 1, ST_FRAME_USER = 2, ST_FRAME_EVAL = 4 };

struct st_frame {
	struct st_str file;
	struct st_str function;
	struct st_str scope; /* class */
	__u32 line;
	__u8 type; /* zend_function.type: 1, 2 or 4 */
	__u8 pad[3];
};

struct st_origin {
	struct st_header h;   /* h.task is the worker */
	__u64 id;             /* unique while this tracer runs; 0 is never used */
	struct st_task child; /* the child that carries it; zero unless why is ST_BY_FORK */
	__u64 parent;         /* the origin that the worker itself carried, 0: none */
	struct st_inode exe;
	__u32 uid, euid;
	__u32 gid, mntns;
	__u32 image; /* index that user space gave this PHP build */
	__u32 flags; /* enum st_origin_flags */
	__u8 why;    /* enum st_origin_why */
	__u8 sapi;   /* enum st_sapi */
	__u8 frames; /* used entries of frame[], innermost first */
	__u8 pad[5];
	struct st_str script;   /* as the engine has it */
	struct st_str included; /* EG(included_files)[0] */
	struct st_str uri;      /* REQUEST_URI or request_rec.unparsed_uri */
	struct st_str method;
	struct st_str host;        /* what the client claimed: Host header */
	struct st_str server_name; /* what the server decided: server_rec.server_hostname (mod_php
				      only) */
	struct st_str docroot;     /* DOCUMENT_ROOT of the FastCGI request */
	struct st_str client;      /* useragent_ip or REMOTE_ADDR */
	struct st_str filename;    /* request_rec.filename (mod_php only) */
	struct st_str cwd;         /* of the worker */
	struct st_frame frame[ST_MAX_FRAMES];
};

/* One piece of an environment block, in order; a block is at most ST_ENV_PIECES of them. */
#define ST_ENV_PIECE  4095
#define ST_ENV_PIECES 16

struct st_env {
	struct st_header h;
	__u64 origin;
	__u32 at;    /* where in the block this piece starts */
	__u32 total; /* bytes of the whole block */
	struct st_str env;
	__u32 pad;
};

/* ---- lineage ---- */

struct st_fork {
	struct st_header h; /* h.task is the parent */
	struct st_task child;
	__u64 origin;    /* 0: none */
	__u64 injection; /* 0: none */
};

enum st_role {
	ST_ROLE_NONE,
	ST_ROLE_INJECTOR, /* sendmail, qmail-inject, qmail-queue, postdrop, exim ... */
	ST_ROLE_SMTPD,    /* a server process whose environment names the client (qmail-smtpd) */
	ST_ROLE_MTA,      /* other parts of an MTA */
	ST_ROLE_PHP,      /* an executable that is a PHP engine: php-fpm, php-cgi, php */
	ST_ROLE_HTTPD,    /* a web server that may have loaded libphp */
	ST_ROLE_SCRIPT,   /* an interpreter whose script is worth a name: perl, python, sh */
};

enum st_program_flags {
	ST_P_ENV = 1 << 0, /* the exec record carries the environment */
};

struct st_program {
	__u32 role;  /* enum st_role */
	__u32 flags; /* enum st_program_flags */
	__u32 id;    /* user space's index of the program */
	__u32 image; /* ST_ROLE_PHP: index into php_images */
};

struct st_ancestor {
	struct st_task task;
	struct st_inode exe;
	char comm[16];
};

struct st_exec {
	struct st_header h;
	struct st_inode exe;
	__u64 origin;    /* 0: none */
	__u64 injection; /* the first injector exec of this line of descent; unique, never 0 */
	__u64 cgroup;
	__u32 uid, euid;
	__u32 gid, egid;
	__u32 loginuid, session;
	__u32 role, program; /* enum st_role, st_program.id */
	__u32 mntns, netns;
	__u32 nspid;      /* pid in the task's own namespace */
	__u32 tty;        /* device number of the controlling terminal, 0: none */
	__u32 argc_total; /* bytes of the whole argument block */
	__u8 ancestors;
	__u8 pad[3];
	struct st_str filename; /* as given to execve, may be relative */
	struct st_str args;     /* NUL separated */
	struct st_str env;      /* NUL separated, only under ST_P_ENV */
	struct st_str cwd;
	struct st_str script; /* arguments of the outermost interpreter that it descends from (Perl,
				 sh ...) */
	struct st_str script_inner;                    /* of the innermost, when it is another */
	struct st_ancestor ancestor[ST_MAX_ANCESTORS]; /* parent first */
};

struct st_exit {
	struct st_header h;
	__u64 origin;
	__u64 injection;
	__u32 code; /* task_struct.exit_code: status << 8 | signal */
	__u32 pad;
};

/* ---- queues ---- */

enum st_op { ST_OP_LINK = 1, ST_OP_RENAME = 2, ST_OP_UNLINK = 4, ST_OP_CREATE = 8 };

enum st_queue_flags {
	ST_Q_ABSOLUTE = 1 << 0,    /* name is an absolute path, to be matched against the roots */
	ST_Q_OLD_FOREIGN = 1 << 1, /* the old name was not below this queue's root */
	ST_Q_FOUND_NEW = 1 << 2, /* not seen: found in a new directory; the task is that which made
				    the directory */
};

struct st_queue {
	struct st_header h;
	__u64 origin;
	__u64 injection;
	__u64 ino;   /* of the file, 0 where the hook cannot know */
	__u64 size;  /* of the file, 0 where the hook cannot know */
	__u32 op;    /* enum st_op */
	__u32 queue; /* index that user space gave this queue */
	__u32 flags;
	__u32 uid, euid;
	__u32 nspid, netns;
	__u16 peer_port;  /* files created in place: remote end of the TCP connection that the
			     process holds; 0: none, several */
	__u8 peer_family; /* 4 or 6 */
	__u8 pad;
	__u8 peer_addr[16]; /* IPv4 in the first four bytes */
	struct st_inode exe;
	struct st_str
		name; /* relative to the queue's root: of the new name, or of what was removed */
	struct st_str old; /* link, rename */
	char comm[16];
	char peer[16]; /* Postfix's cleanup, rename: the process that it takes the message from; "":
			  unknown */
};

/* In map `queues`, keyed by the inode of a queue's root. */
struct st_rule {
	char top[8];   /* first bytes of the first component below the root; all zero: any */
	__u32 ops;     /* which operations matter there */
	__u32 commits; /* which of them end an injection: counted by uid in the kernel */
};

struct st_queue_root {
	__u32 queue;
	__u32 rules;
	struct st_rule rule[ST_MAX_RULES];
};

/* ---- connections ---- */

struct st_connect {
	struct st_header h;
	__u64 origin;
	__u64 injection;
	__u64 sock; /* the same for all records of one connection */
	__u32 uid, netns;
	__u8 saddr[16], daddr[16]; /* IPv4 in the first four bytes */
	__u16 sport, dport;
	__u8 family; /* 4 or 6 */
	__u8 state;  /* enum tcp state entered: 1 established, 2 SYN sent, 7 closed */
	__u8 pad[2];
};

/* ---- opens ---- */

struct st_open {
	struct st_header h;
	__u32 uid, pad;
	struct st_str path; /* as given */
	struct st_str cwd;
};

struct st_image {
	struct st_header h;
	struct st_inode exe;
	__u64 start_code;
};

/* ---- PHP builds ---- */

/*
 * Where things stand in one PHP build, from user/kernel/php_layouts.c. Offsets in bytes. Addresses
 * are relative to the load base of the ELF file that holds the engine.
 */
struct st_php_layout {
	/* zend_executor_globals */
	__u16 eg_current_execute_data, eg_included_files;
	/* zend_execute_data */
	__u16 ex_opline, ex_func, ex_prev;
	/* zend_function */
	__u16 fn_type, fn_name, fn_scope, fn_filename;
	/* zend_op, zend_string, zend_class_entry */
	__u16 op_lineno, str_len, str_val, ce_name;
	/* HashTable (zend_array) and Bucket */
	__u16 ht_used, ht_data, bucket_key;
	/* sapi_globals_struct */
	__u16 sg_server_context, sg_method, sg_uri, sg_path_translated;
	/* php_struct of the Apache SAPI */
	__u16 apache_request;
	/* fcgi_request: hash_table, and its buckets */
	__u16 fcgi_table, fcgi_hash, fcgi_var_len, fcgi_var, fcgi_val_len, fcgi_val, fcgi_next;
	/* request_rec and server_rec of the Apache that loaded the module */
	__u16 req_server, req_hostname, req_method, req_unparsed_uri, req_filename,
		req_useragent_ip;
	__u16 srv_hostname;
	__u16 bucket_size; /* sizeof(Bucket) of a hash, 32 */
};

/* A container has its own PHP, of several programs. */
#define ST_MAX_IMAGES 512

struct st_php_image {
	struct st_php_layout layout;
	__u64 executor_globals, sapi_globals, sapi_module; /* st_value of the symbols */
	__u64 text_vaddr; /* p_vaddr of the first executable segment: base = mm->start_code - it */
	/* the first bytes of its build ID, and where they are; 0: it has none. What has others
	 * there is not this file */
	__u64 build_id_at, build_id;
	__u32 version; /* 80229 = 8.2.29 */
	__u32 usable;  /* 0: known but not trusted; no walk */
	__u32 called;  /* not usable, but calls of its php_execute_script() are seen */
	__u32 pad;
};

/* Key of map `php_bases`: children of one web server exec share their module's address. */
struct st_base_key {
	struct st_inode exe;
	__u64 start_code;
};

struct st_base {
	__u64 base; /* load base of libphp */
	__u32 image;
	__u32 pad;
};

/* ---- loss ---- */

enum st_lost {
	ST_LOST_RING_ORIGIN, /* the ring was full, by record type */
	ST_LOST_RING_LINEAGE,
	ST_LOST_RING_EXEC,
	ST_LOST_RING_QUEUE,
	ST_LOST_RING_CONNECT,
	ST_LOST_RING_OPEN,
	ST_LOST_TASK_MAP, /* in-flight maps were full */
	ST_LOST_CALL_MAP,
	ST_LOST_SOCK_MAP,
	ST_LOST_SCRIPT_MAP,
	ST_LOST_PROGRAM_MAP, /* a program seen for the first time could not be noted */
	ST_LOST_UID_MAP,     /* an injection or a commit that no uid's total has */
	ST_LOST_SKIPPED, /* the kernel did not run a program because another task was in the middle
			    of it; counted by the kernel */
	ST_LOST_READ,    /* a name or argument block could not be read */
	ST_LOST_COUNT
};

/* Per-uid totals that stay exact when the ring is full; map `uid_totals`. */
struct st_uid_total {
	__u64 injections; /* first injector execs */
	__u64 commits;
};

#endif
