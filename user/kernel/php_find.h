/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PHP engines of this host: the files that hold one, and the processes that run one. An engine is
 * known by the inode of its file, whatever its path or the process's name; what an inode holds is
 * read again when the file is another (struct file_stamp). Never executes anything.
 */
#ifndef ST_PHP_FIND_H
#define ST_PHP_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/inode.h"
#include "kernel/php_image.h"
#include "spamtrace.h"

/* A file that holds an engine, usable or not. */
struct php_engine {
	unsigned index; /* 0 upwards, in order of discovery; never changes */
	struct st_inode inode;
	struct file_stamp stamp; /* of the file when it was read */
	bool shared;             /* as in struct file_id */
	struct php_image image;
	unsigned revision; /* grows when another file has the inode, or other content */
	bool gone;         /* that file holds no engine, and this one is nobody's */
	bool proved; /* a living process of it, with a request running, was read and made sense */
	char *path;  /* where it was found, as that process or this one sees it */
};

/* A process that runs an engine. */
struct php_process {
	pid_t pid;
	const struct php_engine *engine; /* owned by the finder */
	struct st_base_key
		key;   /* its program and where that was loaded; children made by fork share it */
	uint64_t base; /* load base of the engine's file: address = base + st_value */
};

struct php_finder;

/*
 * `found` (may be NULL) is told of every engine when it is first seen, and of what replaces it.
 * NULL when there is no memory.
 */
struct php_finder *php_finder_new(void (*found)(const struct php_engine *e, void *ctx), void *ctx);
void php_finder_free(struct php_finder *f);
static inline void php_finder_freep(struct php_finder **f)
{
	php_finder_free(*f);
}

/* Looks at the paths where distributions and panels put PHP. Returns how many engines are known
 * now, or -ENOMEM. */
int php_finder_scan_paths(struct php_finder *f);

/*
 * Looks at every process; calls `each` for those that run an engine; a return value that is not 0
 * ends the scan and is returned. *denied (may be NULL): processes whose program could not be looked
 * at for lack of privilege.
 */
int php_finder_scan_processes(struct php_finder *f,
			      int (*each)(const struct php_process *p, void *ctx), void *ctx,
			      unsigned *denied);

/*
 * One process: an exec of a program that is not known yet, or a web server whose module's address
 * is asked for. `fresh`: reread its mappings even if another process of the same exec was seen (a
 * server that reloaded the module has it elsewhere). 0, -ENOENT: runs no PHP engine; -ESRCH: gone;
 * -EACCES and others.
 */
int php_finder_process(struct php_finder *f, pid_t pid, bool fresh, struct php_process *out);

/* A file: 0, -ENOENT when it holds no engine, or another -errno. *out is owned by the finder. Of
 * files that are not root's 128 engines are remembered; what is said of the others is -ENOENT, and
 * that once to the person. */
int php_finder_path(struct php_finder *f, const char *path, const struct php_engine **out);
/* The same, of a file that is open, O_PATH will do: `path` is what `pid`, in whose root it is,
 * calls it. */
int php_finder_fd(struct php_finder *f, int fd, const char *path, pid_t pid,
		  const struct php_engine **out);

/* Patterns (glob(3)) of the programs among those paths that are run for a single script, so that
 * none may be running: by number, NULL behind the last. */
const char *php_finder_short_lived(size_t number);

/*
 * Tries every usable engine's layout on the processes that run it now (php_walk_selftest). An
 * engine that some process contradicts and none confirms is no longer usable: image.st.usable is 0
 * and image.reason says what did not fit. Nobody is believed alone against others: a customer's
 * process can put anything into its own memory. Returns how many engines were refused, or -errno.
 */
int php_finder_prove(struct php_finder *f);

/* Another file has this inode: an engine that is remembered by it is gone. */
void php_finder_replaced(struct php_finder *f, const struct file_id *now);

size_t php_finder_count(const struct php_finder *f);
const struct php_engine *php_finder_engine(const struct php_finder *f, size_t index);

#endif
