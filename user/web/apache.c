// SPDX-License-Identifier: GPL-2.0-only
#include "web/apache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/log.h"

/* The main server's vhosts answer when no <VirtualHost> has the address; no real address looks so.
 */
#define MAIN_ADDRESS "(main)"

enum userdir { USERDIR_UNSET, USERDIR_ON, USERDIR_OFF };

/* A <VirtualHost>, or the main server. */
struct scope {
	char *name, *docroot;
	struct strlist address, aliases, dirs, virtual_dirs, userdirs;
	enum userdir userdir;
	int canonical; /* -1: not said */
	bool any_address;
};

struct model {
	const struct apache_start *start;
	char *server_root;   /* as changed */
	struct strlist port; /* of Listen */
	struct scope *scope; /* [0] is the main server */
	size_t scopes;
	bool in_vhost;
};

static void model_clear(struct model *m)
{
	for (size_t i = 0; i < m->scopes; i++) {
		struct scope *s = &m->scope[i];

		free(s->name);
		free(s->docroot);
		strlist_clear(&s->address);
		strlist_clear(&s->aliases);
		strlist_clear(&s->dirs);
		strlist_clear(&s->virtual_dirs);
		strlist_clear(&s->userdirs);
	}
	strlist_clear(&m->port);
	free(m->scope);
	free(m->server_root);
}

static int new_scope(struct model *m)
{
	if (!(m->scopes & (m->scopes - 1))) {
		struct scope *more =
			reallocarray(m->scope, m->scopes ? m->scopes * 2 : 1, sizeof(*more));

		if (!more)
			return -ENOMEM;
		m->scope = more;
	}
	m->scope[m->scopes++] = (struct scope){.canonical = -1};
	return 0;
}

static const char *root_of(const struct model *m)
{
	return m->server_root ? m->server_root : m->start->server_root;
}

static int set(char **to, const char *text, size_t len)
{
	char *copy = strndup(text, len);

	if (!copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

/* "https://www.example.com:443" to "www.example.com" (set_server_name in httpd's server/core.c). */
static int set_name(struct scope *s, const char *text)
{
	const char *scheme = strstr(text, "://");
	size_t len;

	if (scheme)
		text = scheme + 3;
	len = *text == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":/");
	if (len > strlen(text) || len == 0)
		return 0;
	return set(&s->name, text, len);
}

static int add_path(struct strlist *to, const struct model *m, const char *path)
{
	char full[4096];

	if (apache_path(full, sizeof(full), root_of(m), path))
		return 0;
	return strlist_add(to, full, strlen(full));
}

/* UserDir: names below a home directory, paths with or without a star; "disabled" and "enabled"
 * with or without users. */
static int set_userdir(struct scope *s, const struct strlist *w)
{
	char pattern[4096];

	if (w->n > 1 && strcasecmp(w->v[1], "disabled") == 0) {
		if (w->n == 2)
			s->userdir = USERDIR_OFF;
		return 0;
	}
	if (w->n > 1 && strcasecmp(w->v[1], "enabled") == 0) {
		s->userdir = USERDIR_ON;
		return 0;
	}
	for (size_t i = 1; i < w->n; i++) {
		const char *p = w->v[i];
		int n;

		if (strstr(p, "://"))
			continue;
		if (*p != '/')
			n = snprintf(pattern, sizeof(pattern), "~/%s", p);
		else
			n = snprintf(pattern, sizeof(pattern), "%s%s", p,
				     strchr(p, '*') ? "" : "/*");
		if (n > 0 && (size_t)n < sizeof(pattern) &&
		    strlist_add(&s->userdirs, pattern, (size_t)n))
			return -ENOMEM;
	}
	return 0;
}

static int on_directive(void *ctx, const struct strlist *w, bool in_location)
{
	struct model *m = ctx;
	struct scope *s = &m->scope[m->in_vhost ? m->scopes - 1 : 0];
	const char *name = w->v[0];
	char full[4096];

	if (w->n < 2)
		return 0;
	if (strcasecmp(name, "ServerName") == 0)
		return set_name(s, w->v[1]);
	if (strcasecmp(name, "ServerAlias") == 0) {
		for (size_t i = 1; i < w->n; i++)
			if (strlist_add(&s->aliases, w->v[i], strlen(w->v[i])))
				return -ENOMEM;
		return 0;
	}
	if (strcasecmp(name, "DocumentRoot") == 0)
		return apache_path(full, sizeof(full), root_of(m), w->v[1])
			       ? 0
			       : set(&s->docroot, full, strlen(full));
	if (strcasecmp(name, "Alias") == 0 || strcasecmp(name, "ScriptAlias") == 0 ||
	    strcasecmp(name, "WSGIScriptAlias") == 0)
		return w->n > 2 || in_location
			       ? add_path(&s->dirs, m, w->v[in_location ? w->n - 1 : 2])
			       : 0;
	if (strcasecmp(name, "VirtualDocumentRoot") == 0 ||
	    strcasecmp(name, "VirtualScriptAlias") == 0)
		return strcasecmp(w->v[1], "none") == 0 ? 0
							: add_path(&s->virtual_dirs, m, w->v[1]);
	if (strcasecmp(name, "UserDir") == 0)
		return set_userdir(s, w);
	if (strcasecmp(name, "Listen") == 0) {
		const char *colon = strrchr(w->v[1], ':');

		return strlist_add(&m->port, colon ? colon + 1 : w->v[1],
				   strlen(colon ? colon + 1 : w->v[1]));
	}
	if (strcasecmp(name, "UseCanonicalName") == 0)
		s->canonical = strcasecmp(w->v[1], "on") == 0;
	if (strcasecmp(name, "ServerRoot") == 0)
		return apache_path(full, sizeof(full), root_of(m), w->v[1])
			       ? 0
			       : set(&m->server_root, full, strlen(full));
	return 0;
}

/* "_default_:443" and "*:443" are one; no port is any port. */
static int add_address(struct scope *s, const char *text)
{
	bool has_port = *text == '[' ? strstr(text, "]:") != NULL : strchr(text, ':') != NULL;
	bool is_default = strncasecmp(text, "_default_", 9) == 0;
	char address[300];
	int n = snprintf(address, sizeof(address), "%s%s%s", is_default ? "*" : "",
			 is_default ? text + 9 : text, has_port ? "" : ":*");

	if (n < 0 || (size_t)n >= sizeof(address))
		return 0;
	s->any_address |= address[0] == '*';
	return strlist_add(&s->address, address, (size_t)n);
}

static int on_vhost_begin(void *ctx, const struct strlist *address)
{
	struct model *m = ctx;

	if (new_scope(m))
		return -ENOMEM;
	m->in_vhost = true;
	for (size_t i = 0; i < address->n; i++)
		if (add_address(&m->scope[m->scopes - 1], address->v[i]))
			return -ENOMEM;
	return 0;
}

static void on_vhost_end(void *ctx)
{
	struct model *m = ctx;

	m->in_vhost = false;
}

static const char *on_server_root(void *ctx)
{
	struct model *m = ctx;

	return m->server_root;
}

int web_add_dir(struct rootfs *fs, struct vhost_table *t, int vhost,
		const struct web_server *server, enum vhost_dir_kind kind, const char *path)
{
	char form[2][4096], outside[8192];
	size_t forms = 1;
	uid_t owner;
	int err;

	if (snprintf(form[0], sizeof(form[0]), "%s", path) >= (int)sizeof(form[0]))
		return 0;
	if (kind == VHOST_DIR_DOCROOT || kind == VHOST_DIR_ALIAS)
		forms += rootfs_realpath(fs, path, form[1], sizeof(form[1])) == 0;
	if (kind == VHOST_DIR_DOCROOT && vhost >= 0 && !rootfs_owner(fs, path, &owner))
		vhost_table_set_owner(t, vhost, owner);
	for (size_t i = 0; i < forms; i++) {
		err = vhost_table_add_dir(t, vhost, server->number, kind, form[i]);
		if (err && err != -ENOMEM)
			log_debug("a vhost's directory is not understood and left out: %s", path);
		if (err == -ENOMEM)
			return err;
		if (!fs->prefix[0] || form[i][0] != '/')
			continue;
		if (snprintf(outside, sizeof(outside), "%s%s", fs->prefix, form[i]) >=
		    (int)sizeof(outside))
			continue;
		if (vhost_table_add_dir(t, vhost, server->number, kind, outside) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

static int add_dirs(struct rootfs *fs, struct vhost_table *t, int vhost,
		    const struct web_server *server, enum vhost_dir_kind kind,
		    const struct strlist *l)
{
	int err = 0;

	for (size_t i = 0; !err && i < l->n; i++)
		err = web_add_dir(fs, t, vhost, server, kind, l->v[i]);
	return err;
}

/*
 * A vhost on any address without a ServerName has the main server's; that one's is the machine's.
 * On a given address it would be the address's reverse name, which is not looked up
 * (ap_fini_vhost_config in server/vhost.c).
 */
static const char *name_of(const struct model *m, const struct scope *s,
			   const struct web_server *server, bool *guessed)
{
	*guessed = false;
	if (s->name)
		return s->name;
	if (s != &m->scope[0] && !s->any_address)
		return NULL;
	if (m->scope[0].name)
		return m->scope[0].name;
	*guessed = true;
	return server->hostname;
}

static bool covers(const struct scope *s, const char *port)
{
	for (size_t i = 0; i < s->address.n; i++)
		if (strncmp(s->address.v[i], "*:", 2) == 0 &&
		    (strcmp(s->address.v[i] + 2, "*") == 0 ||
		     strcmp(s->address.v[i] + 2, port) == 0))
			return true;
	return false;
}

/* The main server answers only on a port where no vhost takes any address. */
static bool main_is_reachable(const struct model *m)
{
	bool all = m->port.n > 0;

	for (size_t i = 0; all && i < m->port.n; i++) {
		all = false;
		for (size_t k = 1; !all && k < m->scopes; k++)
			all = covers(&m->scope[k], m->port.v[i]);
	}
	return !all;
}

static int emit(struct rootfs *fs, const struct model *m, const struct scope *s,
		const struct web_server *server, struct vhost_table *t)
{
	static const struct vhost_listen main_listen = {MAIN_ADDRESS, true};
	const struct scope *top = &m->scope[0];
	const char *docroot = s->docroot     ? s->docroot
			      : top->docroot ? top->docroot
					     : m->start->docroot;
	_free_ struct vhost_listen *listen = calloc(s->address.n + 1, sizeof(*listen));
	int canonical = s->canonical >= 0 ? s->canonical : top->canonical;
	struct vhost_spec spec = {
		.software = VHOST_APACHE,
		.server = server->number,
		.mntns = server->mntns,
		.canonical = canonical > 0,
		.aliases = (const char *const *)s->aliases.v,
		.alias_count = s->aliases.n,
		.listens = s == top ? &main_listen : listen,
		.listen_count = s == top ? 1 : s->address.n,
	};
	bool serves = s != top || main_is_reachable(m);
	int v = 0, err = 0;

	if (!listen)
		return -ENOMEM;
	for (size_t i = 0; i < s->address.n; i++)
		listen[i].address = s->address.v[i];
	spec.name = name_of(m, s, server, &spec.guessed);
	if (serves)
		v = vhost_table_add(t, &spec);
	if (v < 0)
		return v == -ENOMEM ? v : 0;
	/* VirtualDocumentRoot is used in place of DocumentRoot. */
	if (serves && docroot && !s->virtual_dirs.n)
		err = web_add_dir(fs, t, v, server, VHOST_DIR_DOCROOT, docroot);
	if (!err && serves)
		err = add_dirs(fs, t, v, server, VHOST_DIR_VIRTUAL,
			       s->virtual_dirs.n ? &s->virtual_dirs : &top->virtual_dirs);
	if (!err)
		err = add_dirs(fs, t, s == top ? VHOST_EVERY : v, server, VHOST_DIR_ALIAS,
			       &s->dirs);
	if (!err && s->userdir != USERDIR_OFF && s->userdirs.n)
		err = add_dirs(fs, t, s == top ? VHOST_EVERY : v, server, VHOST_DIR_USERDIR,
			       &s->userdirs);
	else if (!err && s != top && s->userdir == USERDIR_ON && top->userdir == USERDIR_OFF)
		err = add_dirs(fs, t, v, server, VHOST_DIR_USERDIR, &top->userdirs);
	return err;
}

int apache_read(struct rootfs *fs, const struct apache_start *start,
		const struct web_server *server, struct vhost_table *table)
{
	struct model m __attribute__((cleanup(model_clear))) = {.start = start};
	struct apache_handler handler = {
		.ctx = &m,
		.directive = on_directive,
		.vhost_begin = on_vhost_begin,
		.vhost_end = on_vhost_end,
		.server_root = on_server_root,
	};
	size_t before = vhost_table_count(table);
	int err;

	if (new_scope(&m))
		return -ENOMEM;
	err = apache_conf_read(fs, start, &handler);
	if (err)
		return err;
	for (size_t i = 1; i < m.scopes; i++) {
		err = emit(fs, &m, &m.scope[i], server, table);
		if (err)
			return err;
	}
	err = emit(fs, &m, &m.scope[0], server, table);
	return err ? err : (int)(vhost_table_count(table) - before);
}
