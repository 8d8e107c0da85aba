// SPDX-License-Identifier: GPL-2.0-only
/* The request that a worker is in, as each SAPI keeps it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/php_walk_internal.h"

#define MAX_BUCKETS 64 /* of one FastCGI hash chain */
#define MAX_ENVIRON (256u << 10)

static void text_at(struct php_memory *m, struct php_walk_request *r, uint64_t address, char *out,
		    size_t size)
{
	if (address && php_peek_string(m, address, out, size, &r->cut) < 0)
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
int php_read_sapi(struct php_memory *m, struct php_walk_request *r)
{
	bool cut = false;
	ssize_t len = php_peek_string(m, php_peek_pointer(m, m->base + m->st->sapi_module),
				      r->sapi_name, sizeof(r->sapi_name), &cut);

	if (len <= 0 || cut ||
	    strspn(r->sapi_name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != (size_t)len) {
		r->sapi_name[0] = '\0';
		return m->error ? m->error : -EFAULT;
	}
	r->sapi = sapi_of(r->sapi_name);
	return 0;
}

static void read_apache(struct php_memory *m, uint64_t context, struct php_walk_request *r)
{
	const struct st_php_layout *l = m->l;
	uint64_t request = php_peek_pointer(m, context + l->apache_request), server;
	int64_t microseconds = 0;

	if (!request) {
		r->flags |= ST_O_FAULT;
		return;
	}
	server = php_peek_pointer(m, request + l->req_server);
	text_at(m, r, php_peek_pointer(m, server + l->srv_hostname), r->server_name,
		sizeof(r->server_name));
	text_at(m, r, php_peek_pointer(m, request + l->req_hostname), r->host, sizeof(r->host));
	text_at(m, r, php_peek_pointer(m, request + l->req_method), r->method, sizeof(r->method));
	text_at(m, r, php_peek_pointer(m, request + l->req_unparsed_uri), r->uri, sizeof(r->uri));
	text_at(m, r, php_peek_pointer(m, request + l->req_filename), r->filename,
		sizeof(r->filename));
	text_at(m, r, php_peek_pointer(m, request + l->req_useragent_ip), r->client,
		sizeof(r->client));
	if (!php_peek(m, request + APACHE_REQUEST_TIME, &microseconds, sizeof(microseconds)) &&
	    microseconds > 0)
		r->time = (double)microseconds / 1e6;
}

/* A client can make names collide, so the whole name is compared and the chain is bounded. */
static void fcgi_variable(struct php_memory *m, uint64_t request, struct php_walk_request *r,
			  const char *name, char *out, size_t size)
{
	const struct st_php_layout *l = m->l;
	size_t len = strlen(name);
	uint32_t hash = php_fcgi_hash(name, len);
	uint64_t bucket =
		php_peek_pointer(m, request + l->fcgi_table + hash % PHP_FCGI_BUCKETS * 8ull);

	for (unsigned i = 0; bucket && i < MAX_BUCKETS; i++) {
		uint32_t its_hash = 0, its_len = 0;
		char its_name[32];

		if (!php_peek(m, bucket + l->fcgi_hash, &its_hash, sizeof(its_hash)) &&
		    its_hash == hash &&
		    !php_peek(m, bucket + l->fcgi_var_len, &its_len, sizeof(its_len)) &&
		    its_len == len && len <= sizeof(its_name) &&
		    !php_peek(m, php_peek_pointer(m, bucket + l->fcgi_var), its_name, len) &&
		    memcmp(its_name, name, len) == 0) {
			text_at(m, r, php_peek_pointer(m, bucket + l->fcgi_val), out, size);
			return;
		}
		bucket = php_peek_pointer(m, bucket + l->fcgi_next);
	}
	if (bucket)
		r->flags |= ST_O_ENV_CUT;
}

static void read_fcgi(struct php_memory *m, uint64_t request, struct php_walk_request *r)
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
static void read_cgi(struct php_memory *m, struct php_walk_request *r)
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

static void read_included(struct php_memory *m, struct php_walk_request *r)
{
	const struct st_php_layout *l = m->l;
	uint64_t table = m->base + m->st->executor_globals + l->eg_included_files;
	uint32_t used = 0;

	if (php_peek(m, table + l->ht_used, &used, sizeof(used)) || used == 0)
		return;
	php_peek_name(m,
		      php_peek_pointer(m, php_peek_pointer(m, table + l->ht_data) + l->bucket_key),
		      r->included, sizeof(r->included), &r->cut);
}

void php_read_request(struct php_memory *m, const struct php_layout_row *row,
		      struct php_walk_request *r)
{
	const struct st_php_layout *l = m->l;
	uint64_t sg = m->base + m->st->sapi_globals;
	uint64_t context = php_peek_pointer(m, sg + l->sg_server_context);

	r->flags |= ST_O_REQUEST;
	/* A mod_php worker without a server context keeps dangling pointers of its last request. */
	if (r->sapi != ST_SAPI_APACHE2HANDLER || context) {
		text_at(m, r, php_peek_pointer(m, sg + l->sg_path_translated), r->script,
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
		text_at(m, r, php_peek_pointer(m, sg + l->sg_uri), r->uri, sizeof(r->uri));
		text_at(m, r, php_peek_pointer(m, sg + l->sg_method), r->method, sizeof(r->method));
	}
	read_included(m, r);
	if (!r->script[0] && r->included[0]) {
		memcpy(r->script, r->included, sizeof(r->script));
		r->flags |= ST_O_SCRIPT_INCLUDED;
	}
	if (r->time == 0 && row && row->sg_request_time &&
	    (php_peek(m, sg + row->sg_request_time, &r->time, sizeof(r->time)) ||
	     !(r->time >= 1 && r->time < 1e11)))
		r->time = 0;
}
