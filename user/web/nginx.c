// SPDX-License-Identifier: GPL-2.0-only
#include "web/nginx.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

#define MAX_DEPTH   16 /* files in files */
#define MAX_NESTING 64 /* blocks in blocks */
#define MAX_TOKENS  4000000
#define MAX_TOKEN   4096 /* as in ngx_conf_file.c */

enum block { MAIN, HTTP, SERVER, LOCATION, OTHER };

/* A directory of the server that is being read: a docroot or an alias, possibly with variables. */
struct dirs {
	struct strlist docroot, alias;
};

struct reader {
	struct rootfs *fs;
	const struct nginx_start *start;
	const struct web_server *server;
	struct vhost_table *table;
	char conf_dir[4096]; /* includes are relative to it */

	enum block block[MAX_NESTING];
	size_t nesting, too_deep;
	const char *open[MAX_DEPTH]; /* files that are being read, none within itself */
	unsigned depth;
	size_t tokens;

	char *http_root; /* inherited by servers without a root */
	bool has_root;   /* this server has its own */
	bool pending;    /* a server block is open */
	struct strlist names, listen;
	struct strlist defaults; /* "1" or "" for each listen */
	struct dirs dirs;
	struct strlist
		late; /* numbers of servers without a root, as text: http's root may follow */
};

struct conf_source {
	const char *p, *end, *name;
};

static void server_clear(struct reader *r)
{
	strlist_clear(&r->names);
	strlist_clear(&r->listen);
	strlist_clear(&r->defaults);
	strlist_clear(&r->dirs.docroot);
	strlist_clear(&r->dirs.alias);
	r->has_root = false;
	r->pending = false;
}

static void reader_clear(struct reader *r)
{
	server_clear(r);
	strlist_clear(&r->late);
	free(r->http_root);
}

static enum block now_in(const struct reader *r)
{
	return r->too_deep ? OTHER : r->nesting ? r->block[r->nesting - 1] : MAIN;
}

/* Past blanks and comments. */
static void skip_blank(struct conf_source *s)
{
	while (s->p < s->end) {
		if (*s->p == '#') {
			while (s->p < s->end && *s->p != '\n')
				s->p++;
		} else if (isspace((unsigned char)*s->p) || *s->p == '\0') {
			s->p++;
		} else {
			return;
		}
	}
}

/* A word with its quotes and backslashes taken away, as ngx_conf_read_token() does; ${var} keeps
 * its braces. */
static size_t read_word(struct conf_source *s, char *out, size_t size)
{
	char quote = 0;
	size_t n = 0;

	if (*s->p == '"' || *s->p == '\'')
		quote = *s->p++;
	for (; s->p < s->end; s->p++) {
		char c = *s->p;

		if (quote ? c == quote : isspace((unsigned char)c) || c == ';' || c == '{') {
			if (quote || c != '{' || n == 0 || out[n - 1] != '$')
				break;
		}
		if (c == '\\' && s->p + 1 < s->end) {
			if (!strchr("\"'\\", s->p[1]) && n + 1 < size)
				out[n++] = c;
			c = *++s->p;
		}
		if (n + 1 < size)
			out[n++] = c;
	}
	if (quote && s->p < s->end)
		s->p++;
	out[n] = '\0';
	return n;
}

/* Words up to ";", "{" or "}"; returns that byte, 0 at the end of the file, or -errno. */
static int read_statement(struct reader *r, struct conf_source *s, struct strlist *w)
{
	_free_ char *word = malloc(MAX_TOKEN);

	if (!word)
		return -ENOMEM;
	for (;;) {
		skip_blank(s);
		if (s->p >= s->end)
			return 0;
		if (++r->tokens > MAX_TOKENS)
			return -E2BIG;
		if (*s->p == ';' || *s->p == '{' || *s->p == '}')
			return *s->p++;
		if (strlist_add(w, word, read_word(s, word, MAX_TOKEN)))
			return -ENOMEM;
	}
}

/* Lua code has braces, quotes and comments of its own; its braces are balanced outside of quotes.
 */
static void skip_lua(struct conf_source *s)
{
	size_t open = 1;

	for (; s->p < s->end && open; s->p++) {
		if (*s->p == '"' || *s->p == '\'') {
			const char quote = *s->p++;

			while (s->p < s->end && *s->p != quote && *s->p != '\n')
				s->p += *s->p == '\\' && s->p + 1 < s->end ? 2 : 1;
			if (s->p >= s->end)
				return;
		} else if (s->p[0] == '-' && s->p + 1 < s->end && s->p[1] == '-') {
			while (s->p + 1 < s->end && *s->p != '\n')
				s->p++;
		} else {
			open += *s->p == '{';
			open -= *s->p == '}';
		}
	}
}

/* "80", "[::]:80", "192.0.2.1", "localhost:80", "unix:/x" to one spelling each
 * (ngx_http_core_listen). */
static int add_listen(struct reader *r, const struct strlist *w)
{
	const char *a = w->v[1];
	const char *is_default = "";
	char address[300];
	int n;

	for (size_t i = 2; i < w->n; i++)
		if (strcmp(w->v[i], "default_server") == 0 || strcmp(w->v[i], "default") == 0)
			is_default = "1";
	if (a[strspn(a, "0123456789")] == '\0')
		n = snprintf(address, sizeof(address), "*:%s", a);
	else if (strncmp(a, "unix:", 5) == 0 || (*a == '[' ? strstr(a, "]:") : strchr(a, ':')))
		n = snprintf(address, sizeof(address), "%s", a);
	else
		n = snprintf(address, sizeof(address), "%s:80", a);
	if (n < 0 || (size_t)n >= sizeof(address))
		return 0;
	if (strlist_add(&r->defaults, is_default, strlen(is_default)))
		return -ENOMEM;
	return strlist_add(&r->listen, address, (size_t)n);
}

/* Absolute, without variables that only repeat what is known. NULL-free text; "" when it says
 * nothing. */
static int root_path(const struct reader *r, const char *text, char *out, size_t size)
{
	char joined[4096];

	if (strncmp(text, "$document_root", 14) == 0 || strncmp(text, "$realpath_root", 14) == 0 ||
	    apache_path(joined, sizeof(joined), r->start->prefix, text))
		return -EINVAL;
	return snprintf(out, size, "%s", joined) < (int)size ? 0 : -ENAMETOOLONG;
}

static int set_root(struct reader *r, const char *text)
{
	enum block b = now_in(r);
	char path[4096];

	if (root_path(r, text, path, sizeof(path)))
		return 0;
	if (b == HTTP) {
		char *copy = strdup(path);

		if (!copy)
			return -ENOMEM;
		free(r->http_root);
		r->http_root = copy;
		return 0;
	}
	r->has_root |= b == SERVER;
	return r->pending ? strlist_add(&r->dirs.docroot, path, strlen(path)) : 0;
}

/* What PHP is told to be the docroot, where that is not nginx's own: a chroot pool's inner path. */
static int set_param(struct reader *r, const struct strlist *w)
{
	if (w->n < 3 || strcmp(w->v[1], "DOCUMENT_ROOT") != 0 || w->v[2][0] != '/')
		return 0;
	return strlist_add(&r->dirs.docroot, w->v[2], strlen(w->v[2]));
}

static int include(struct reader *r, const char *arg);

static int on_directive(struct reader *r, const struct strlist *w)
{
	enum block b = now_in(r);
	const char *name = w->v[0];
	char path[4096];

	if (w->n < 2)
		return 0;
	if (strcmp(name, "include") == 0)
		return include(r, w->v[1]);
	if (strcmp(name, "root") == 0 && (b == HTTP || r->pending))
		return set_root(r, w->v[1]);
	if (!r->pending)
		return 0;
	if (strcmp(name, "fastcgi_param") == 0)
		return set_param(r, w);
	if (strcmp(name, "alias") == 0 && !root_path(r, w->v[1], path, sizeof(path)))
		return strlist_add(&r->dirs.alias, path, strlen(path));
	if (b != SERVER)
		return 0;
	if (strcmp(name, "listen") == 0)
		return add_listen(r, w);
	if (strcmp(name, "server_name") == 0)
		for (size_t i = 1; i < w->n; i++)
			if (strlist_add(&r->names, w->v[i], strlen(w->v[i])))
				return -ENOMEM;
	return 0;
}

/* The block that a statement opens, by where it stands: a map's or an upstream's "server" is none.
 */
static enum block block_of(const struct reader *r, const char *name)
{
	switch (now_in(r)) {
	case MAIN:
		return strcmp(name, "http") == 0 ? HTTP : OTHER;
	case HTTP:
		return strcmp(name, "server") == 0 ? SERVER : OTHER;
	case SERVER:
	case LOCATION:
		return strcmp(name, "location") == 0 || strcmp(name, "if") == 0 ||
				       strcmp(name, "limit_except") == 0
			       ? LOCATION
			       : OTHER;
	default:
		return OTHER;
	}
}

/* The first plain name of server_name; ".x" stands for "x" (ngx_http_core_merge_srv_conf). */
static const char *plain_name(const struct strlist *names)
{
	for (size_t i = 0; i < names->n; i++) {
		const char *s = names->v[i];

		if (*s && *s != '~' && !strpbrk(s, "*$"))
			return s + (*s == '.');
	}
	return NULL;
}

static int add_dir(struct reader *r, int v, enum vhost_dir_kind kind, const char *path)
{
	char cut[4096];
	const char *dollar = strchr(path, '$');

	if (!dollar)
		return web_add_dir(r->fs, r->table, v, r->server, kind, path);
	if (kind == VHOST_DIR_DOCROOT)
		return web_add_dir(r->fs, r->table, v, r->server, VHOST_DIR_NGINX, path);
	/* An alias with a variable: what is before it, when that is a directory of its own. */
	while (dollar > path && *dollar != '/')
		dollar--;
	if (dollar == path ||
	    snprintf(cut, sizeof(cut), "%.*s", (int)(dollar - path), path) >= (int)sizeof(cut))
		return 0;
	return web_add_dir(r->fs, r->table, v, r->server, kind, cut);
}

/* The end of a server block. */
static int emit(struct reader *r)
{
	static const struct vhost_listen any = {"*:80", false};
	_free_ struct vhost_listen *listen = calloc(r->listen.n + 1, sizeof(*listen));
	struct vhost_spec spec = {
		.software = VHOST_NGINX,
		.server = r->server->number,
		.mntns = r->server->mntns,
		.name = plain_name(&r->names),
		.aliases = (const char *const *)r->names.v,
		.alias_count = r->names.n,
		.listens = r->listen.n ? listen : &any,
		.listen_count = r->listen.n ? r->listen.n : 1,
	};
	char number[16];
	int v, err = 0;

	if (!listen)
		return -ENOMEM;
	for (size_t i = 0; i < r->listen.n; i++)
		listen[i] = (struct vhost_listen){r->listen.v[i], r->defaults.v[i][0] == '1'};
	v = vhost_table_add(r->table, &spec);
	if (v == -ENOMEM)
		return v;
	for (size_t i = 0; v >= 0 && !err && i < r->dirs.docroot.n; i++)
		err = add_dir(r, v, VHOST_DIR_DOCROOT, r->dirs.docroot.v[i]);
	for (size_t i = 0; v >= 0 && !err && i < r->dirs.alias.n; i++)
		err = add_dir(r, v, VHOST_DIR_ALIAS, r->dirs.alias.v[i]);
	if (v >= 0 && !err && !r->has_root) {
		snprintf(number, sizeof(number), "%d", v);
		err = strlist_add(&r->late, number, strlen(number));
	}
	server_clear(r);
	return err;
}

static int close_block(struct reader *r)
{
	if (r->too_deep) {
		r->too_deep--;
		return 0;
	}
	if (r->nesting == 0)
		return 0;
	return r->block[--r->nesting] == SERVER ? emit(r) : 0;
}

static void open_block(struct reader *r, const char *name)
{
	enum block b = block_of(r, name);

	if (r->nesting >= MAX_NESTING) {
		r->too_deep++;
		return;
	}
	if (b == SERVER) {
		server_clear(r);
		r->pending = true;
	}
	r->block[r->nesting++] = b;
}

static bool is_lua(const char *name)
{
	size_t n = strlen(name);

	return n > 13 && strcmp(name + n - 13, "_by_lua_block") == 0;
}

static int read_text(struct reader *r, struct conf_source *s)
{
	for (;;) {
		_strlist_ struct strlist w = {0};
		int end = read_statement(r, s, &w);
		int err = 0;

		if (end <= 0)
			return end;
		if (end == '}')
			err = close_block(r);
		else if (end == '{' && w.n && is_lua(w.v[0]))
			skip_lua(s);
		else if (end == '{')
			open_block(r, w.n ? w.v[0] : "");
		else if (w.n)
			err = on_directive(r, &w);
		if (err)
			return err;
	}
}

/* Blocks end with their file. Only what ends everything is returned. */
static int read_conf(struct reader *r, const char *path)
{
	size_t nesting = r->nesting, len;
	_free_ char *text = NULL;
	struct conf_source s;
	int err;

	for (unsigned i = 0; i < r->depth; i++)
		if (strcmp(r->open[i], path) == 0)
			return 0;
	if (r->depth >= MAX_DEPTH) {
		log_debug("%s: included too deeply, left out", path);
		return 0;
	}
	err = rootfs_read(r->fs, path, &text, &len);
	if (err) {
		log_debug("%s: not read (%s), left out", path, strerror(-err));
		return err == -ENOMEM ? err : 0;
	}
	s = (struct conf_source){text, text + len, path};
	r->open[r->depth++] = path;
	err = read_text(r, &s);
	r->depth--;
	while (!err && r->nesting > nesting)
		err = close_block(r);
	return err;
}

static int include(struct reader *r, const char *arg)
{
	_strlist_ struct strlist found = {0};
	char path[4096];
	int err = 0;

	if (apache_path(path, sizeof(path), r->conf_dir, arg))
		return 0;
	if (!strpbrk(path, "*?["))
		return read_conf(r, path);
	if (rootfs_glob(r->fs, path, &found) == -ENOMEM)
		return -ENOMEM;
	for (size_t i = 0; !err && i < found.n; i++)
		err = read_conf(r, found.v[i]);
	return err;
}

/* Servers without a root have http's, else "html" below the prefix. */
static int add_late_roots(struct reader *r)
{
	char path[4096];
	int err = 0;

	if (r->http_root)
		err = snprintf(path, sizeof(path), "%s", r->http_root) >= (int)sizeof(path);
	else
		err = apache_path(path, sizeof(path), r->start->prefix, "html");
	if (err)
		return 0;
	for (size_t i = 0; !err && i < r->late.n; i++)
		err = add_dir(r, (int)strtol(r->late.v[i], NULL, 10), VHOST_DIR_DOCROOT, path);
	return err;
}

int nginx_read(struct rootfs *fs, const struct nginx_start *start, const struct web_server *server,
	       struct vhost_table *table)
{
	struct reader r __attribute__((cleanup(reader_clear))) = {
		.fs = fs, .start = start, .server = server, .table = table};
	size_t before = vhost_table_count(table);
	char path[4096], *slash;
	int err = apache_path(path, sizeof(path), start->prefix, start->config);

	if (err)
		return err;
	if (!rootfs_exists(fs, path))
		return -ENOENT;
	memcpy(r.conf_dir, path, sizeof(path));
	slash = strrchr(r.conf_dir, '/');
	*slash = '\0';
	err = read_conf(&r, path);
	if (err == -E2BIG) {
		log_warn("%s: the configuration is too large, the rest is left out", path);
		err = 0;
	}
	if (!err)
		err = add_late_roots(&r);
	return err ? err : (int)(vhost_table_count(table) - before);
}
