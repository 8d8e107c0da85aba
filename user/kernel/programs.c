// SPDX-License-Identifier: GPL-2.0-only
/* The registry: what is known, by inode and by number. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/programs_internal.h"

#define PROVED_AT_ONCE 64

int programs_new(struct probe *probe, struct programs **out)
{
	struct programs *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->probe = probe;
	p->finder = php_finder_new(NULL, NULL);
	if (!p->finder) {
		free(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

static void let_go(struct programs *p, struct node *n)
{
	if (n->hold < 0)
		return;
	close(n->hold);
	n->hold = -1;
	p->held--;
}

void programs_free(struct programs *p)
{
	struct node *n, *next;

	if (!p)
		return;
	HASH_CLEAR(hh, p->by_inode);
	HASH_ITER(hh_id, p->by_id, n, next)
	{
		HASH_DELETE(hh_id, p->by_id, n);
		let_go(p, n);
		free(n->program.path);
		free(n);
	}
	php_finder_free(p->finder);
	programs_free_others(p);
	free(p);
}

void programs_prefer(struct programs *p, const struct mta *const *mtas, size_t count)
{
	p->preferred_count = count < MAX_PREFERRED ? count : MAX_PREFERRED;
	memcpy(p->preferred, mtas, p->preferred_count * sizeof(*mtas));
}

static struct node *with_id(const struct programs *p, uint32_t id)
{
	struct node *n = NULL;

	HASH_FIND(hh_id, p->by_id, &id, sizeof(id), n);
	return n;
}

static struct node *node_of(const struct programs *p, const struct st_inode *inode)
{
	struct node *n = NULL;

	HASH_FIND(hh, p->by_inode, inode, sizeof(*inode), n);
	return n;
}

const struct program *programs_by_id(const struct programs *p, uint32_t id)
{
	const struct node *n = with_id(p, id);

	return n ? &n->program : NULL;
}

const struct program *programs_by_inode(const struct programs *p, const struct st_inode *inode)
{
	const struct node *n = node_of(p, inode);

	return n ? &n->program : NULL;
}

/* A full table is told of once: whoever fills it would fill the screen. */
static void tell_refused(struct programs *p, const char *path, int err)
{
	if (err != -E2BIG)
		log_err(err, "%s cannot be watched until a later try", path);
	else if (!p->full)
		log_warn("%s and others cannot be watched: there is room for %d programs", path,
			 MAX_PROGRAMS);
	p->full |= err == -E2BIG;
}

static int set_program(struct programs *p, struct node *n)
{
	const struct program *program = &n->program;
	int err = probe_set_program(p->probe, &program->inode, &program->value);

	/* those without a role are there only so that each is told of once */
	if (err == -E2BIG && program->value.role != ST_ROLE_NONE && probe_forget_programs(p->probe))
		err = probe_set_program(p->probe, &program->inode, &program->value);
	if (err && !n->refused)
		tell_refused(p, program->path, err);
	if (!err)
		p->full = false;
	n->refused = err != 0;
	return err;
}

int programs_retry(struct programs *p)
{
	int found = 0;

	for (struct node *n = p->by_id; n; n = n->hh_id.next)
		if (n->refused && n->program.value.role != ST_ROLE_NONE)
			found += set_program(p, n) == 0;
	return found;
}

void programs_forgotten(struct programs *p, const struct st_inode *inode)
{
	struct node *n = node_of(p, inode);

	if (n)
		set_program(p, n);
}

/* Its number and name stay while there is room, for what it did before. */
static void retire(struct programs *p, struct node *n)
{
	HASH_DEL(p->by_inode, n);
	n->forgotten = true;
	n->refused = false;
	let_go(p, n);
	log_debug("program %u: %s is another file now", n->program.id, n->program.path);
}

static void forget(struct programs *p, struct node *n)
{
	retire(p, n);
	probe_unset_program(p->probe, &n->program.inode);
}

void programs_hold(struct programs *p, int fd, const struct st_inode *inode)
{
	struct node *n = node_of(p, inode);

	if (!n || n->hold >= 0 || n->program.value.role == ST_ROLE_NONE)
		return;
	n->elsewhere = !inode_is_here(fd);
	if (n->elsewhere)
		return;
	n->hold = p->held < MAX_HELD ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	p->held += n->hold >= 0;
	if (n->hold < 0 && !p->hold_refused) {
		p->hold_refused = true;
		log_warn("%s and perhaps others cannot be held open: when such a program is "
			 "deleted, "
			 "another file can get its inode number and pass for it",
			 n->program.path);
	}
}

void programs_hold_at(struct programs *p, const char *path, pid_t pid, const struct st_inode *inode)
{
	const struct node *n = node_of(p, inode);
	_close_ int fd = n && n->hold < 0 && !n->elsewhere ? open(path, O_PATH | O_CLOEXEC) : -1;
	struct st_inode now;

	if (fd >= 0 && !inode_of_fd(fd, pid, &now) && inode_equal(&now, inode))
		programs_hold(p, fd, inode);
}

static void drop(struct programs *p, struct node *n)
{
	if (p->to_prove == n)
		p->to_prove = n->hh_id.next;
	if (!n->forgotten)
		forget(p, n);
	HASH_DELETE(hh_id, p->by_id, n);
	free(n->program.path);
	free(n);
}

enum worth {
	WORTH_FORGOTTEN,
	WORTH_NAME, /* names messages of its children */
	WORTH_GONE,
	WORTH_WATCHED
};

static enum worth worth(const struct node *n)
{
	if (n->forgotten)
		return WORTH_FORGOTTEN;
	if (n->program.value.role == ST_ROLE_NONE)
		return WORTH_NAME;
	/* of all that has a role, anybody can make as many injectors as he likes */
	return n->gone && n->program.value.role == ST_ROLE_INJECTOR ? WORTH_GONE : WORTH_WATCHED;
}

static int make_room(struct programs *p, uint32_t role)
{
	enum worth limit = role == ST_ROLE_NONE ? WORTH_NAME : WORTH_WATCHED;
	struct node *least = NULL;

	if (HASH_CNT(hh_id, p->by_id) < MAX_PROGRAMS)
		return 0;
	for (struct node *n = p->by_id; n && limit > WORTH_FORGOTTEN; n = n->hh_id.next)
		if (worth(n) < limit) {
			limit = worth(n);
			least = n;
		}
	if (!least)
		return -E2BIG;
	drop(p, least);
	return 0;
}

static int new_node(struct programs *p, const struct file_id *file, const char *path, uint32_t role,
		    struct node **out)
{
	int err = make_room(p, role);
	struct node *n;

	if (err)
		return err;
	n = calloc(1, sizeof(*n));
	if (!n || !(n->program.path = strdup(path))) {
		free(n);
		return -ENOMEM;
	}
	n->program.inode = file->inode;
	n->hold = -1;
	do
		n->program.id = ++p->last_id; /* 0 is nobody */
	while (!n->program.id || with_id(p, n->program.id));
	n->stamp = file->stamp;
	HASH_ADD(hh, p->by_inode, program.inode, sizeof(file->inode), n);
	HASH_ADD(hh_id, p->by_id, program.id, sizeof(n->program.id), n);
	*out = n;
	return 0;
}

bool programs_knows(const struct programs *p, const struct file_id *file)
{
	const struct node *n = node_of(p, &file->inode);

	return n && file_stamp_equal(&n->stamp, &file->stamp);
}

const struct program *programs_prove(struct programs *p, const struct file_id *now)
{
	struct node *n = node_of(p, &now->inode);

	if (!n || file_stamp_equal(&n->stamp, &now->stamp))
		return n ? &n->program : NULL;
	forget(p, n);
	php_finder_replaced(p->finder, now);
	return NULL;
}

void programs_forget_engine(struct programs *p, const struct php_engine *e)
{
	struct node *n = node_of(p, &e->inode);

	if (n && n->program.value.role == ST_ROLE_PHP && n->program.value.image == e->index)
		forget(p, n);
}

static void prove_by_path(struct programs *p, struct node *n)
{
	const struct php_engine *e;
	struct file_stamp stamp;
	struct file_id now;

	/* the stamp alone costs little, and hardly two files have the same */
	if (!file_stamp_at(AT_FDCWD, n->program.path, 0, &stamp) &&
	    file_stamp_equal(&stamp, &n->stamp)) {
		n->gone = false;
		return;
	}
	n->gone = file_id_of_path(n->program.path, 0, &now) ||
		  !inode_equal(&now.inode, &n->program.inode);
	if (n->gone) {
		/* perhaps another file has its number soon: its next exec is told of again. One
		 * with a role may still be run by those who started it */
		if (n->program.value.role == ST_ROLE_NONE)
			probe_unset_program(p->probe, &n->program.inode);
	} else if (n->program.value.role == ST_ROLE_PHP) {
		php_finder_path(p->finder, n->program.path, &e); /* for add_engines() */
	} else {
		programs_prove(p, &now);
	}
}

void programs_prove_some(struct programs *p)
{
	unsigned count = HASH_CNT(hh_id, p->by_id);

	for (unsigned i = 0; i < count && i < PROVED_AT_ONCE; i++) {
		struct node *n = p->to_prove ? p->to_prove : p->by_id;

		p->to_prove = n->hh_id.next;
		if (!n->forgotten)
			prove_by_path(p, n);
	}
}

/* Another file has the inode of `n`. NULL, or `n` itself where nothing was said of it that is wrong
 * now. */
static struct node *replaced(struct programs *p, struct node *n, const struct file_id *file,
			     const char *path, const struct mta *mta,
			     const struct st_program *value)
{
	const struct st_program *old = &n->program.value;
	char *copy;

	php_finder_replaced(p->finder, file);
	if (old->role != value->role || n->program.mta != mta || old->flags != value->flags ||
	    old->image != value->image ||
	    (value->role != ST_ROLE_NONE && strcmp(n->program.path, path) != 0) ||
	    !(copy = strdup(path))) {
		retire(p, n);
		return NULL;
	}
	free(n->program.path);
	n->program.path = copy;
	n->stamp = file->stamp;
	set_program(p, n); /* a role that was not there may have been told of as new */
	return n;
}

static void note_shared(struct programs *p, const char *path)
{
	if (!p->shared)
		log_warn("%s is on btrfs, where files of two subvolumes can have the same number, "
			 "and its subvolume is deleted, or not told by this kernel, or btrfs was "
			 "loaded after this start (start again): nothing is told as exact",
			 path);
	p->shared = true;
}

const char *programs_doubt(const struct programs *p)
{
	return p->shared ? "on btrfs a file of another subvolume can pass for a program of this "
			   "host"
			 : NULL;
}

int programs_add(struct programs *p, const struct file_id *file, const char *path,
		 const struct mta *mta, uint32_t role, uint32_t flags, uint32_t image)
{
	struct st_program value = {.role = role, .flags = flags, .image = image};
	struct node *n = node_of(p, &file->inode);
	int err;

	if (n && !file_stamp_equal(&n->stamp, &file->stamp))
		n = replaced(p, n, file, path, mta, &value);
	if (n && n->program.value.role != ST_ROLE_NONE &&
	    (n->program.value.role != ST_ROLE_SCRIPT || role == ST_ROLE_SCRIPT))
		return 0;
	if (n && role == ST_ROLE_NONE)
		return 0;
	if (file->shared && role != ST_ROLE_NONE)
		note_shared(p, path);
	if (!n && (err = new_node(p, file, path, role, &n))) {
		if (role != ST_ROLE_NONE)
			tell_refused(p, path, err);
		return err;
	}
	value.id = n->program.id;
	n->program.mta = mta;
	n->program.value = value;
	if ((err = set_program(p, n)))
		return err;
	log_debug("program %u: %s%s%s", n->program.id, path, mta ? " of " : "",
		  mta ? mta->name : "");
	return 1;
}

const struct php_engine *programs_engine(const struct programs *p, uint32_t image)
{
	for (size_t i = 0; i < php_finder_count(p->finder); i++)
		if (php_finder_engine(p->finder, i)->index == image)
			return php_finder_engine(p->finder, i);
	return NULL;
}

int programs_process(struct programs *p, pid_t pid, struct php_process *out)
{
	return php_finder_process(p->finder, pid, false, out);
}

bool programs_untrusted_engine(const struct programs *p)
{
	return p->untrusted;
}
