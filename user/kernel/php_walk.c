// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/php_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "base/cleanup.h"

#define PAGE            4096u
#define TRIES           4
#define MAX_CHAIN       64 /* execute_data records, of which some are no frames */
#define MAX_BUCKETS     64 /* of one FastCGI hash chain */
#define MAX_ENVIRON     (256u << 10)
#define MAX_ZEND_STRING (1u << 20) /* of a name: longer is no name but garbage */

/* One worker's memory; `error` keeps the first failure that ends everything: -ESRCH or -EPERM. */
struct memory {
	pid_t pid;
	const struct st_php_image *st;
	const struct st_php_layout *l;
	uint64_t base;
	int error;
};

/* 0, or -EFAULT when any of it cannot be read. */
static int peek(struct memory *m, uint64_t address, void *buffer, size_t size)
{
	struct iovec local = {.iov_base = buffer, .iov_len = size};
	struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
	ssize_t n = process_vm_readv(m->pid, &local, 1, &remote, 1, 0);

	if (n == (ssize_t)size)
		return 0;
	if (n < 0 && (errno == ESRCH || errno == EPERM) && !m->error)
		m->error = -errno;
	return -EFAULT;
}

static uint64_t peek_pointer(struct memory *m, uint64_t address)
{
	uint64_t value;

	return address && !peek(m, address, &value, sizeof(value)) ? value : 0;
}

/* Up to size - 1 bytes and a NUL; *cut when there was more. Returns the length, or -EFAULT and "".
 */
static ssize_t peek_string(struct memory *m, uint64_t address, char *out, size_t size, bool *cut)
{
	size_t len = 0;

	while (address && len < size - 1) {
		size_t want = PAGE - (size_t)((address + len) % PAGE);
		const char *end;

		if (want > size - 1 - len)
			want = size - 1 - len;
		if (want > 256)
			want = 256;
		if (peek(m, address + len, out + len, want))
			break;
		end = memchr(out + len, '\0', want);
		if (end)
			return end - out;
		len += want;
	}
	if (len == size - 1) {
		out[len] = '\0';
		*cut = true;
		return (ssize_t)len;
	}
	out[0] = '\0';
	return -EFAULT;
}

static ssize_t peek_zend_string(struct memory *m, uint64_t address, char *out, size_t size,
				bool *cut)
{
	uint64_t len = 0;
	size_t want;

	out[0] = '\0';
	if (!address || peek(m, address + m->l->str_len, &len, sizeof(len)) ||
	    len > MAX_ZEND_STRING)
		return -EFAULT;
	want = len < size ? (size_t)len : size - 1;
	if (peek(m, address + m->l->str_val, out, want)) {
		out[0] = '\0';
		return -EFAULT;
	}
	out[want] = '\0';
	if (want < len)
		*cut = true;
	return (ssize_t)want;
}

static void text_at(struct memory *m, struct php_walk_request *r, uint64_t address, char *out,
		    size_t size)
{
	if (address && peek_string(m, address, out, size, &r->cut) < 0)
		r->flags |= ST_O_FAULT;
}

static uint8_t sapi_of(const char *name)
{
	static const struct {
		const char *name;
		uint8_t sapi;
	} names[] = {
		{"apache2handler", ST_SAPI_APACHE2HANDLER},
		{"fpm-fcgi", ST_SAPI_FPM},
		{"cgi-fcgi", ST_SAPI_CGI},
		{"cli", ST_SAPI_CLI},
	};

	for (size_t i = 0; i < array_size(names); i++)
		if (strcmp(name, names[i].name) == 0)
			return names[i].sapi;
	return ST_SAPI_OTHER;
}

/* sapi_module is the struct itself; its first member points to the name: "cli", "fpm-fcgi",
 * "litespeed". */
static int read_sapi(struct memory *m, struct php_walk_request *r)
{
	bool cut = false;
	ssize_t len = peek_string(m, peek_pointer(m, m->base + m->st->sapi_module), r->sapi_name,
				  sizeof(r->sapi_name), &cut);

	if (len <= 0 || cut ||
	    strspn(r->sapi_name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != (size_t)len) {
		r->sapi_name[0] = '\0';
		return m->error ? m->error : -EFAULT;
	}
	r->sapi = sapi_of(r->sapi_name);
	return 0;
}

static void read_apache(struct memory *m, uint64_t context, struct php_walk_request *r)
{
	const struct st_php_layout *l = m->l;
	uint64_t request = peek_pointer(m, context + l->apache_request), server;
	int64_t microseconds = 0;

	if (!request) {
		r->flags |= ST_O_FAULT;
		return;
	}
	server = peek_pointer(m, request + l->req_server);
	text_at(m, r, peek_pointer(m, server + l->srv_hostname), r->server_name,
		sizeof(r->server_name));
	text_at(m, r, peek_pointer(m, request + l->req_hostname), r->host, sizeof(r->host));
	text_at(m, r, peek_pointer(m, request + l->req_method), r->method, sizeof(r->method));
	text_at(m, r, peek_pointer(m, request + l->req_unparsed_uri), r->uri, sizeof(r->uri));
	text_at(m, r, peek_pointer(m, request + l->req_filename), r->filename, sizeof(r->filename));
	text_at(m, r, peek_pointer(m, request + l->req_useragent_ip), r->client, sizeof(r->client));
	if (!peek(m, request + APACHE_REQUEST_TIME, &microseconds, sizeof(microseconds)) &&
	    microseconds > 0)
		r->time = (double)microseconds / 1e6;
}

/* A client can make names collide, so the whole name is compared and the chain is bounded. */
static void fcgi_variable(struct memory *m, uint64_t request, struct php_walk_request *r,
			  const char *name, char *out, size_t size)
{
	const struct st_php_layout *l = m->l;
	size_t len = strlen(name);
	uint32_t hash = php_fcgi_hash(name, len);
	uint64_t bucket = peek_pointer(m, request + l->fcgi_table + hash % PHP_FCGI_BUCKETS * 8ull);

	for (unsigned i = 0; bucket && i < MAX_BUCKETS; i++) {
		uint32_t its_hash = 0, its_len = 0;
		char its_name[32];

		if (!peek(m, bucket + l->fcgi_hash, &its_hash, sizeof(its_hash)) &&
		    its_hash == hash &&
		    !peek(m, bucket + l->fcgi_var_len, &its_len, sizeof(its_len)) &&
		    its_len == len && len <= sizeof(its_name) &&
		    !peek(m, peek_pointer(m, bucket + l->fcgi_var), its_name, len) &&
		    memcmp(its_name, name, len) == 0) {
			text_at(m, r, peek_pointer(m, bucket + l->fcgi_val), out, size);
			return;
		}
		bucket = peek_pointer(m, bucket + l->fcgi_next);
	}
	if (bucket)
		r->flags |= ST_O_ENV_CUT;
}

static void read_fcgi(struct memory *m, uint64_t request, struct php_walk_request *r)
{
	char script[PHP_WALK_PATH] = "";

	r->flags |= ST_O_FCGI;
	fcgi_variable(m, request, r, "REQUEST_URI", r->uri, sizeof(r->uri));
	fcgi_variable(m, request, r, "REQUEST_METHOD", r->method, sizeof(r->method));
	fcgi_variable(m, request, r, "HTTP_HOST", r->host, sizeof(r->host));
	fcgi_variable(m, request, r, "DOCUMENT_ROOT", r->docroot, sizeof(r->docroot));
	fcgi_variable(m, request, r, "REMOTE_ADDR", r->client, sizeof(r->client));
	if (r->script[0])
		return;
	fcgi_variable(m, request, r, "SCRIPT_FILENAME", script, sizeof(script));
	if (script[0]) {
		memcpy(r->script, script, sizeof(script));
		r->flags |= ST_O_SCRIPT_ENV;
	}
}

static char *read_environ(pid_t pid, size_t *size)
{
	char path[64];
	_close_ int fd = -1;
	_free_ char *text = malloc(MAX_ENVIRON + 1);
	size_t len = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !text)
		return NULL;
	while (len < MAX_ENVIRON && (n = read(fd, text + len, MAX_ENVIRON - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	*size = len;
	return take_ptr(text);
}

static void environ_variable(const char *text, size_t size, struct php_walk_request *r,
			     const char *name, char *out, size_t room)
{
	size_t name_len = strlen(name);

	for (const char *p = text; p < text + size; p += strlen(p) + 1) {
		if (strncmp(p, name, name_len) != 0 || p[name_len] != '=')
			continue;
		if (snprintf(out, room, "%s", p + name_len + 1) >= (int)room)
			r->cut = true;
		return;
	}
}

/*
 * Plain CGI: the request is the environment that the process was started with. SCRIPT_FILENAME is
 * the handler there (Action), PATH_TRANSLATED the script.
 */
static void read_cgi(struct memory *m, struct php_walk_request *r)
{
	size_t size = 0;
	_free_ char *text = read_environ(m->pid, &size);

	if (!text)
		return;
	environ_variable(text, size, r, "REQUEST_URI", r->uri, sizeof(r->uri));
	environ_variable(text, size, r, "REQUEST_METHOD", r->method, sizeof(r->method));
	environ_variable(text, size, r, "HTTP_HOST", r->host, sizeof(r->host));
	environ_variable(text, size, r, "DOCUMENT_ROOT", r->docroot, sizeof(r->docroot));
	environ_variable(text, size, r, "REMOTE_ADDR", r->client, sizeof(r->client));
	if (!r->script[0]) {
		environ_variable(text, size, r, "PATH_TRANSLATED", r->script, sizeof(r->script));
		if (r->script[0])
			r->flags |= ST_O_SCRIPT_ENV;
	}
}

static void read_included(struct memory *m, struct php_walk_request *r)
{
	const struct st_php_layout *l = m->l;
	uint64_t table = m->base + m->st->executor_globals + l->eg_included_files;
	uint32_t used = 0;

	if (peek(m, table + l->ht_used, &used, sizeof(used)) || used == 0)
		return;
	peek_zend_string(m, peek_pointer(m, peek_pointer(m, table + l->ht_data) + l->bucket_key),
			 r->included, sizeof(r->included), &r->cut);
}

/* Everything but the stack. The caller knows that a request is running. */
static void read_request(struct memory *m, const struct php_layout_row *row,
			 struct php_walk_request *r)
{
	const struct st_php_layout *l = m->l;
	uint64_t sg = m->base + m->st->sapi_globals;
	uint64_t context = peek_pointer(m, sg + l->sg_server_context);

	r->flags |= ST_O_REQUEST;
	/* A mod_php worker without a server context keeps dangling pointers of its last request. */
	if (r->sapi != ST_SAPI_APACHE2HANDLER || context) {
		text_at(m, r, peek_pointer(m, sg + l->sg_path_translated), r->script,
			sizeof(r->script));
		if (r->script[0])
			r->flags |= ST_O_SCRIPT_SG;
	}
	if (r->sapi == ST_SAPI_APACHE2HANDLER && context)
		read_apache(m, context, r);
	else if ((r->sapi == ST_SAPI_FPM || r->sapi == ST_SAPI_CGI) && context > 1)
		read_fcgi(m, context, r);
	else if (r->sapi == ST_SAPI_CGI)
		read_cgi(m, r);
	else if (r->sapi == ST_SAPI_OTHER && context) {
		text_at(m, r, peek_pointer(m, sg + l->sg_uri), r->uri, sizeof(r->uri));
		text_at(m, r, peek_pointer(m, sg + l->sg_method), r->method, sizeof(r->method));
	}
	read_included(m, r);
	if (!r->script[0] && r->included[0]) {
		memcpy(r->script, r->included, sizeof(r->script));
		r->flags |= ST_O_SCRIPT_INCLUDED;
	}
	if (r->time == 0 && row && row->sg_request_time &&
	    (peek(m, sg + row->sg_request_time, &r->time, sizeof(r->time)) ||
	     !(r->time >= 1 && r->time < 1e11)))
		r->time = 0;
}

struct chain {
	unsigned count;
	bool cut;
	struct {
		uint64_t opline, func;
	} at[ST_MAX_FRAMES];
};

/* The execute_data records, innermost first; those without a function are no frames. */
static void read_chain(struct memory *m, struct chain *c)
{
	const struct st_php_layout *l = m->l;
	uint64_t ex =
		peek_pointer(m, m->base + m->st->executor_globals + l->eg_current_execute_data);

	memset(c, 0, sizeof(*c));
	for (unsigned i = 0; ex && i < MAX_CHAIN; i++) {
		uint64_t func = peek_pointer(m, ex + l->ex_func);

		if (func && c->count == ST_MAX_FRAMES)
			break;
		if (func) {
			c->at[c->count].func = func;
			c->at[c->count++].opline = peek_pointer(m, ex + l->ex_opline);
		}
		ex = peek_pointer(m, ex + l->ex_prev);
	}
	c->cut = ex != 0;
}

static bool known_type(uint8_t type)
{
	return type == ST_FRAME_INTERNAL || type == ST_FRAME_USER || type == ST_FRAME_EVAL;
}

static void read_frame(struct memory *m, struct php_walk_request *r, uint64_t func, uint64_t opline,
		       struct php_walk_frame *f)
{
	const struct st_php_layout *l = m->l;
	uint64_t scope = 0;

	memset(f, 0, sizeof(*f));
	if (peek(m, func + l->fn_type, &f->type, sizeof(f->type)) || !known_type(f->type)) {
		r->flags |= ST_O_FAULT;
		return;
	}
	peek_zend_string(m, peek_pointer(m, func + l->fn_name), f->function, sizeof(f->function),
			 &r->cut);
	scope = peek_pointer(m, func + l->fn_scope);
	if (scope)
		peek_zend_string(m, peek_pointer(m, scope + l->ce_name), f->scope, sizeof(f->scope),
				 &r->cut);
	if (f->type == ST_FRAME_INTERNAL)
		return;
	if (peek_zend_string(m, peek_pointer(m, func + l->fn_filename), f->file, sizeof(f->file),
			     &r->cut) < 0 ||
	    !opline || peek(m, opline + l->op_lineno, &f->line, sizeof(f->line)))
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
static bool read_stack(struct memory *m, struct php_walk *w)
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
static int try_walk(struct memory *m, const struct php_layout_row *row, struct php_walk *w,
		    struct php_walk_request *again)
{
	uint64_t current = m->base + m->st->executor_globals + m->l->eg_current_execute_data,
		 ex = 0;
	bool still;
	int err;

	memset(w, 0, sizeof(*w));
	if ((err = read_sapi(m, &w->request)))
		return err;
	if (peek(m, current, &ex, sizeof(ex)))
		return m->error ? m->error : -EFAULT;
	if (!ex) {
		w->idle = true;
		return 0;
	}
	*again = w->request;
	read_request(m, row, &w->request);
	still = read_stack(m, w);
	read_request(m, row, again);
	if (m->error)
		return m->error;
	if (!same_request(&w->request, again) || w->frames == 0)
		return 1;
	w->torn = !still;
	return still ? 0 : 1;
}

static struct memory memory_of(pid_t pid, const struct php_image *image, uint64_t base)
{
	return (struct memory){.pid = pid, .st = &image->st, .l = &image->st.layout, .base = base};
}

int php_walk(pid_t pid, const struct php_image *image, uint64_t base, struct php_walk *out)
{
	struct memory m = memory_of(pid, image, base);
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

ssize_t php_walk_string(pid_t pid, uint64_t address, const struct st_php_layout *layout, char *out,
			size_t size)
{
	struct memory m = {.pid = pid, .l = layout};
	bool cut = false;
	ssize_t n;

	if (size == 0)
		return -EFAULT;
	n = layout ? peek_zend_string(&m, address, out, size, &cut)
		   : peek_string(&m, address, out, size, &cut);
	return n < 0 && m.error ? m.error : n;
}
