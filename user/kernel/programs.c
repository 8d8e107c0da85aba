// SPDX-License-Identifier: GPL-2.0-only
/* The registry: what is known, by inode and by number. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kernel/programs_internal.h"

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

void programs_free(struct programs *p)
{
	struct node *n, *next;

	if (!p)
		return;
	HASH_ITER(hh, p->by_inode, n, next)
	{
		HASH_DEL(p->by_inode, n);
		free(n->program.path);
		free(n);
	}
	free(p->by_id);
	php_finder_free(p->finder);
	free(p);
}

void programs_prefer(struct programs *p, const struct mta *const *mtas, size_t count)
{
	p->preferred_count = count < MAX_PREFERRED ? count : MAX_PREFERRED;
	memcpy(p->preferred, mtas, p->preferred_count * sizeof(*mtas));
}

const struct program *programs_by_id(const struct programs *p, uint32_t id)
{
	return id && id <= p->count ? &p->by_id[id - 1]->program : NULL;
}

const struct program *programs_by_inode(const struct programs *p, const struct st_inode *inode)
{
	struct node *n = NULL;

	HASH_FIND(hh, p->by_inode, inode, sizeof(*inode), n);
	return n ? &n->program : NULL;
}

static int grow(struct programs *p)
{
	uint32_t room = p->room ? p->room * 2 : 128;
	struct node **bigger;

	if (p->count < p->room)
		return 0;
	bigger = realloc(p->by_id, room * sizeof(struct node *));
	if (!bigger)
		return -ENOMEM;
	p->by_id = bigger;
	p->room = room;
	return 0;
}

static int set_program(struct programs *p, struct node *n)
{
	const struct program *program = &n->program;
	int err = probe_set_program(p->probe, &program->inode, &program->value);

	/* those without a role are there only so that each is told of once */
	if (err == -E2BIG && program->value.role != ST_ROLE_NONE && probe_forget_programs(p->probe))
		err = probe_set_program(p->probe, &program->inode, &program->value);
	if (err && !n->refused)
		log_err(err, "%s cannot be watched until a later try", program->path);
	n->refused = err != 0;
	return err;
}

int programs_retry(struct programs *p)
{
	int found = 0;

	for (uint32_t i = 0; i < p->count; i++) {
		struct node *n = p->by_id[i];

		if (n->refused && n->program.value.role != ST_ROLE_NONE)
			found += set_program(p, n) == 0;
	}
	return found;
}

void programs_forgotten(struct programs *p, const struct st_inode *inode)
{
	struct node *n = NULL;

	HASH_FIND(hh, p->by_inode, inode, sizeof(*inode), n);
	if (n)
		set_program(p, n);
}

static struct node *new_node(struct programs *p, const struct st_inode *inode, const char *path)
{
	struct node *n;

	if (grow(p) || !(n = calloc(1, sizeof(*n))))
		return NULL;
	n->program.path = strdup(path);
	if (!n->program.path) {
		free(n);
		return NULL;
	}
	n->program.inode = *inode;
	n->program.id = p->count + 1;
	HASH_ADD(hh, p->by_inode, program.inode, sizeof(*inode), n);
	p->by_id[p->count++] = n;
	return n;
}

int programs_add(struct programs *p, const struct st_inode *inode, const char *path,
		 const struct mta *mta, uint32_t role, uint32_t flags, uint32_t image)
{
	struct node *n = NULL;
	int err;

	HASH_FIND(hh, p->by_inode, inode, sizeof(*inode), n);
	if (n && n->program.value.role != ST_ROLE_NONE &&
	    (n->program.value.role != ST_ROLE_SCRIPT || role == ST_ROLE_SCRIPT))
		return 0;
	if (n && role == ST_ROLE_NONE)
		return 0;
	if (!n && !(n = new_node(p, inode, path)))
		return -ENOMEM;
	n->program.mta = mta;
	n->program.value = (struct st_program){
		.role = role, .flags = flags, .id = n->program.id, .image = image};
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
