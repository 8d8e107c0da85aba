// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/php_walk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/php_walk_internal.h"

#define TRIES     4
#define MAX_CHAIN 64 /* execute_data records, of which some are no frames */

struct chain {
	unsigned count;
	bool cut;
	struct {
		uint64_t opline, func;
	} at[ST_MAX_FRAMES];
};

/* The execute_data records, innermost first; those without a function are no frames. */
static void read_chain(struct php_memory *m, struct chain *c)
{
	const struct st_php_layout *l = m->l;
	uint64_t ex =
		php_peek_pointer(m, m->base + m->st->executor_globals + l->eg_current_execute_data);

	memset(c, 0, sizeof(*c));
	for (unsigned i = 0; ex && i < MAX_CHAIN; i++) {
		uint64_t func = php_peek_pointer(m, ex + l->ex_func);

		if (func && c->count == ST_MAX_FRAMES)
			break;
		if (func) {
			c->at[c->count].func = func;
			c->at[c->count++].opline = php_peek_pointer(m, ex + l->ex_opline);
		}
		ex = php_peek_pointer(m, ex + l->ex_prev);
	}
	c->cut = ex != 0;
}

static bool known_type(uint8_t type)
{
	return type == ST_FRAME_INTERNAL || type == ST_FRAME_USER || type == ST_FRAME_EVAL;
}

static void read_frame(struct php_memory *m, struct php_walk_request *r, uint64_t func,
		       uint64_t opline, struct php_walk_frame *f)
{
	const struct st_php_layout *l = m->l;
	uint64_t scope = 0;

	memset(f, 0, sizeof(*f));
	if (php_peek(m, func + l->fn_type, &f->type, sizeof(f->type)) || !known_type(f->type)) {
		r->flags |= ST_O_FAULT;
		return;
	}
	php_peek_name(m, php_peek_pointer(m, func + l->fn_name), f->function, sizeof(f->function),
		      &r->cut);
	scope = php_peek_pointer(m, func + l->fn_scope);
	if (scope)
		php_peek_name(m, php_peek_pointer(m, scope + l->ce_name), f->scope,
			      sizeof(f->scope), &r->cut);
	if (f->type == ST_FRAME_INTERNAL)
		return;
	if (php_peek_name(m, php_peek_pointer(m, func + l->fn_filename), f->file, sizeof(f->file),
			  &r->cut) < 0 ||
	    !opline || php_peek(m, opline + l->op_lineno, &f->line, sizeof(f->line)))
		r->flags |= ST_O_FAULT;
}

static bool same_chain(const struct chain *a, const struct chain *b)
{
	if (a->count != b->count || a->cut != b->cut)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (a->at[i].opline != b->at[i].opline || a->at[i].func != b->at[i].func)
			return false;
	return true;
}

/* Returns whether the stack stayed the same while it was read. */
static bool read_stack(struct php_memory *m, struct php_walk *w)
{
	struct chain before, after;

	read_chain(m, &before);
	for (unsigned i = 0; i < before.count; i++)
		read_frame(m, &w->request, before.at[i].func, before.at[i].opline, &w->frame[i]);
	read_chain(m, &after);
	w->frames = before.count;
	if (before.cut)
		w->request.flags |= ST_O_STACK_CUT;
	return same_chain(&before, &after);
}

static bool same_request(const struct php_walk_request *a, const struct php_walk_request *b)
{
	return strcmp(a->script, b->script) == 0 && strcmp(a->uri, b->uri) == 0 &&
	       strcmp(a->host, b->host) == 0 && strcmp(a->client, b->client) == 0 &&
	       strcmp(a->server_name, b->server_name) == 0 && strcmp(a->docroot, b->docroot) == 0 &&
	       !(a->time < b->time || a->time > b->time);
}

/* 0: filled; 1: it changed meanwhile; or -errno. */
static int try_walk(struct php_memory *m, const struct php_layout_row *row, struct php_walk *w,
		    struct php_walk_request *again)
{
	uint64_t current = m->base + m->st->executor_globals + m->l->eg_current_execute_data,
		 ex = 0;
	bool still;
	int err;

	memset(w, 0, sizeof(*w));
	if ((err = php_read_sapi(m, &w->request)))
		return err;
	if (php_peek(m, current, &ex, sizeof(ex)))
		return m->error ? m->error : -EFAULT;
	if (!ex) {
		w->idle = true;
		return 0;
	}
	*again = w->request;
	php_read_request(m, row, &w->request);
	still = read_stack(m, w);
	php_read_request(m, row, again);
	if (m->error)
		return m->error;
	if (!same_request(&w->request, again) || w->frames == 0)
		return 1;
	w->torn = !still;
	return still ? 0 : 1;
}

static struct php_memory memory_of(pid_t pid, const struct php_image *image, uint64_t base)
{
	return (struct php_memory){
		.pid = pid, .st = &image->st, .l = &image->st.layout, .base = base};
}

int php_walk(pid_t pid, const struct php_image *image, uint64_t base, struct php_walk *out)
{
	struct php_memory m = memory_of(pid, image, base);
	_free_ struct php_walk *w = malloc(sizeof(*w));
	_free_ struct php_walk_request *again = malloc(sizeof(*again));
	int result = -EAGAIN;

	if (!image->st.usable)
		return -ENOTSUP;
	if (!w || !again)
		return -ENOMEM;
	for (unsigned i = 0; i < TRIES; i++) {
		result = try_walk(&m, image->row, w, again);
		if (result <= 0)
			break;
	}
	if (result == 1 && !w->torn)
		return -EAGAIN;
	if (result < 0)
		return result;
	memcpy(out, w, sizeof(*w));
	return 0;
}

__attribute__((format(printf, 3, 4))) static int unfit(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return -EFAULT;
}

/* Names that the engine gives to code without a file, beside absolute and relative paths:
 * Zend/zend_stream.c, main/main.c, sapi/cli */
static bool plausible_file(const char *file)
{
	for (const unsigned char *p = (const unsigned char *)file; *p; p++)
		if (*p < 0x20)
			return false;
	return file[0] != '\0';
}

static int judge_frames(const struct php_walk *w, char *why, size_t size)
{
	for (unsigned i = 0; i < w->frames; i++) {
		const struct php_walk_frame *f = &w->frame[i];

		if (!known_type(f->type))
			return unfit(why, size, "frame %u has no function type (%u)", i, f->type);
		if (f->type == ST_FRAME_INTERNAL)
			continue;
		if (!plausible_file(f->file))
			return unfit(why, size, "frame %u has no file name", i);
		if (f->line > 10000000)
			return unfit(why, size, "frame %u has line %u", i, f->line);
	}
	return 0;
}

int php_walk_selftest(pid_t pid, const struct php_image *image, uint64_t base, char *why,
		      size_t size)
{
	_free_ struct php_walk *w = malloc(sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	err = php_walk(pid, image, base, w);
	if (err == -EFAULT)
		return unfit(why, size, "sapi_module has no name where PHP %s has it",
			     image->version);
	if (err)
		return err;
	if (w->idle)
		return -ENODATA;
	return w->torn ? -ENODATA : judge_frames(w, why, size);
}
