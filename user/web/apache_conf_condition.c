// SPDX-License-Identifier: GPL-2.0-only
/* Which parts of Apache's configuration count: modules, definitions, versions. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "web/apache_conf_internal.h"

/* What <IfVersion> compares with; no condition seen in the wild tells 2.4 releases apart. */
#define ASSUMED_VERSION                                                                            \
	{                                                                                          \
		2, 4, 62                                                                           \
	}

static bool listed(const struct strlist *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcasecmp(l->v[i], s) == 0)
			return true;
	return false;
}

/* ssl_module from mod_ssl.so may be asked for as ssl_module or mod_ssl.c; php_module from
 * libphp8.2.so as mod_php.c. */
int conf_load_module(struct conf *c, const struct strlist *w)
{
	const char *base, *dot, *suffix;
	char name[128];

	if (w->n < 3)
		return 0;
	base = strrchr(w->v[2], '/');
	base = base ? base + 1 : w->v[2];
	dot = strrchr(base, '.');
	suffix = strstr(w->v[1], "_module");
	if (strlist_add(&c->modules, w->v[1], strlen(w->v[1])))
		return -ENOMEM;
	snprintf(name, sizeof(name), "%.*s.c", dot ? (int)(dot - base) : (int)strlen(base), base);
	if (strlist_add(&c->modules, name, strlen(name)))
		return -ENOMEM;
	snprintf(name, sizeof(name), "mod_%.*s.c", suffix ? (int)(suffix - w->v[1]) : 100, w->v[1]);
	return strlist_add(&c->modules, name, strlen(name));
}

/*
 * Modules that neither a LoadModule nor the binary shows are absent. Where the binary is not known,
 * only when something else was loaded: a server with none has all of them linked in.
 */
static bool has_module(const struct conf *c, const char *name)
{
	char source[128];
	size_t len = strlen(name);

	if (listed(&c->modules, name))
		return true;
	if (!c->start->has_module)
		return true;
	if (len > 7 && strcmp(name + len - 7, "_module") == 0)
		snprintf(source, sizeof(source), "mod_%.*s.c", (int)(len - 7), name);
	else
		snprintf(source, sizeof(source), "%s", name);
	return c->start->has_module(c->start->has_module_arg, source);
}

static bool version_fits(const struct strlist *w)
{
	static const int have[3] = ASSUMED_VERSION;
	const char *op = w->n > 2 ? w->v[1] : "=", *p = w->n > 2 ? w->v[2] : w->v[1];
	bool negate = *op == '!';
	int order = 0;
	bool fits;

	if (!isdigit((unsigned char)*p))
		return true;
	for (size_t i = 0; i < 3 && order == 0 && isdigit((unsigned char)*p); i++) {
		long want = strtol(p, (char **)&p, 10);

		order = have[i] < want ? -1 : have[i] > want;
		p += *p == '.';
	}
	op += negate;
	fits = (order < 0 && strchr(op, '<')) || (order > 0 && strchr(op, '>')) ||
	       (order == 0 && (strchr(op, '=') || !*op));
	return fits != negate;
}

bool conf_condition_holds(struct conf *c, const char *name, const struct strlist *w)
{
	char path[4096];
	bool negate, holds = true;
	const char *arg;

	if (w->n < 2)
		return true;
	arg = w->v[1];
	if (strcasecmp(name, "IfVersion") == 0)
		return version_fits(w);
	negate = *arg == '!';
	arg += negate;
	if (strcasecmp(name, "IfModule") == 0)
		holds = has_module(c, arg);
	else if (strcasecmp(name, "IfDefine") == 0)
		holds = listed(&c->start->defines, arg) || listed(&c->var, arg);
	else if (strcasecmp(name, "IfFile") == 0)
		holds = apache_path(path, sizeof(path), c->start->server_root, arg) == 0 &&
			rootfs_exists(c->fs, path);
	else
		return true; /* IfDirective, IfSection: what they ask about is nothing that names a
				vhost */
	return holds != negate;
}
