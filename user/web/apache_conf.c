// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "web/apache_conf_internal.h"

#define MAX_LINE   65536   /* a logical line; httpd's own limit is 16 MB */
#define MAX_LINES  1000000 /* of all files and macros: ends what includes or expands itself */
#define FILE_LINES 20      /* what opening a file counts for */
#define MAX_MACROS 1000

static int conf_file(struct conf *c, const char *path);

static void conf_clear(struct conf *c)
{
	strlist_clear(&c->var);
	strlist_clear(&c->value);
	strlist_clear(&c->modules);
	for (size_t i = 0; i < c->macros; i++) {
		free(c->macro[i].name);
		strlist_clear(&c->macro[i].params);
		strlist_clear(&c->macro[i].body);
	}
	free(c->macro);
}

int apache_path(char *out, size_t size, const char *root, const char *path)
{
	int n = path[0] == '/' ? snprintf(out, size, "%s", path)
			       : snprintf(out, size, "%s/%s", root, path);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static bool skipping(const struct conf *c)
{
	return c->too_deep || (c->nesting && c->section[c->nesting - 1].skip);
}

static bool starts_with(const char *s, const char *prefix)
{
	return strncasecmp(s, prefix, strlen(prefix)) == 0;
}

static int begin_macro(struct conf *c, const struct strlist *w)
{
	struct macro *more, m = {0};

	c->in_macro = true;
	c->drop_macro = true;
	if (w->n < 2 || c->macros >= MAX_MACROS)
		return 0;
	more = reallocarray(c->macro, c->macros + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	c->macro = more;
	m.name = strdup(w->v[1]);
	for (size_t i = 2; m.name && i < w->n; i++) {
		if (strlist_add(&m.params, w->v[i], strlen(w->v[i]))) {
			free(m.name);
			strlist_clear(&m.params);
			m.name = NULL;
		}
	}
	if (!m.name)
		return -ENOMEM;
	c->macro[c->macros++] = m;
	c->drop_macro = false;
	return 0;
}

static int open_section(struct conf *c, const struct strlist *w)
{
	const char *name = w->v[0];
	struct section s = {.skip = skipping(c)};

	if (!s.skip && strcasecmp(name, "Macro") == 0)
		return begin_macro(c, w);
	if (c->nesting >= MAX_NESTING) {
		c->too_deep++;
		return 0;
	}
	snprintf(s.name, sizeof(s.name), "%s", name);
	if (s.skip) {
		/* only its end matters */
	} else if (starts_with(name, "If") && name[2]) {
		s.kind = CONDITION;
		s.skip = !conf_condition_holds(c, name, w);
	} else if (strcasecmp(name, "VirtualHost") == 0) {
		struct strlist address = {w->v + 1, w->n - 1};
		int err = c->h->vhost_begin(c->h->ctx, &address);

		if (err)
			return err;
		s.kind = VIRTUAL_HOST;
	} else if (strcasecmp(name, "Location") == 0 || strcasecmp(name, "LocationMatch") == 0) {
		s.kind = LOCATION;
	} else {
		s.skip = true;
	}
	c->section[c->nesting++] = s;
	return 0;
}

static void pop_section(struct conf *c)
{
	if (c->section[--c->nesting].kind == VIRTUAL_HOST)
		c->h->vhost_end(c->h->ctx);
}

/* An end without its beginning is left out; one that ends an outer section ends the inner ones too.
 */
static void close_section(struct conf *c, const char *name)
{
	size_t i = c->nesting;

	if (c->too_deep) {
		c->too_deep--;
		return;
	}
	while (i > 0 &&
	       strncasecmp(c->section[i - 1].name, name, sizeof(c->section->name) - 1) != 0)
		i--;
	if (i == 0)
		return;
	while (c->nesting >= i)
		pop_section(c);
}

static int conf_line(struct conf *c, const char *line);

/* The macro's parameters in `in` become the arguments; the longest name that fits is taken
 * (mod_macro). */
static int fill_macro(const struct macro *m, const struct strlist *w, const char *in, char *out,
		      size_t size)
{
	size_t n = 0;

	while (*in) {
		size_t len = 1, best = 0;
		const char *put = in;

		for (size_t i = 0; i < m->params.n; i++) {
			size_t k = strlen(m->params.v[i]);

			if (k > best && strncmp(in, m->params.v[i], k) == 0) {
				best = k;
				put = i + 2 < w->n ? w->v[i + 2] : "";
				len = strlen(put);
			}
		}
		in += best ? best : 1;
		if (n + len + 1 > size)
			return -ENAMETOOLONG;
		memcpy(out + n, put, len);
		n += len;
	}
	out[n] = '\0';
	return 0;
}

static int use_macro(struct conf *c, const struct strlist *w)
{
	const struct macro *m = NULL;
	_free_ char *line = NULL;
	int err = 0;

	for (size_t i = c->macros; w->n > 1 && i-- > 0 && !m;)
		if (strcasecmp(c->macro[i].name, w->v[1]) == 0)
			m = &c->macro[i];
	if (!m || c->depth >= MAX_DEPTH)
		return 0;
	line = malloc(MAX_LINE);
	if (!line)
		return -ENOMEM;
	c->depth++;
	/* A macro that defines macros moves them all: nothing of *m is kept over conf_line(). */
	for (size_t which = (size_t)(m - c->macro), i = 0; !err && i < c->macro[which].body.n; i++)
		if (fill_macro(&c->macro[which], w, c->macro[which].body.v[i], line, MAX_LINE) == 0)
			err = conf_line(c, line);
	c->depth--;
	return err;
}

static int include_dir(struct conf *c, const char *path, unsigned depth)
{
	_strlist_ struct strlist names = {0};
	char inner[4096];
	int err = rootfs_list(c->fs, path, &names);

	for (size_t i = 0; !err && i < names.n; i++) {
		if (snprintf(inner, sizeof(inner), "%s/%s", path, names.v[i]) >= (int)sizeof(inner))
			continue;
		if (!rootfs_is_dir(c->fs, inner))
			err = conf_file(c, inner);
		else if (depth < MAX_DEPTH)
			err = include_dir(c, inner, depth + 1);
	}
	return err == -ENOMEM ? err : 0;
}

static int include(struct conf *c, const char *arg)
{
	_strlist_ struct strlist found = {0};
	const char *root = c->h->server_root(c->h->ctx);
	char path[4096];
	int err = 0;

	if (apache_path(path, sizeof(path), root ? root : c->start->server_root, arg))
		return 0;
	if (!strpbrk(path, "*?["))
		return rootfs_is_dir(c->fs, path) ? include_dir(c, path, 0) : conf_file(c, path);
	if (rootfs_glob(c->fs, path, &found) == -ENOMEM)
		return -ENOMEM;
	for (size_t i = 0; !err && i < found.n; i++)
		err = rootfs_is_dir(c->fs, found.v[i]) ? include_dir(c, found.v[i], 0)
						       : conf_file(c, found.v[i]);
	return err;
}

static int define(struct conf *c, const struct strlist *w)
{
	const char *value = w->n > 2 ? w->v[2] : "";

	if (w->n < 2)
		return 0;
	if (strlist_add(&c->value, value, strlen(value)))
		return -ENOMEM;
	return strlist_add(&c->var, w->v[1], strlen(w->v[1]));
}

static void undefine(struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->var.n; i++)
		if (strcmp(c->var.v[i], name) == 0)
			c->var.v[i][0] = '\0';
}

static bool in_location(const struct conf *c)
{
	for (size_t i = 0; i < c->nesting; i++)
		if (c->section[i].kind == LOCATION)
			return true;
	return false;
}

static int conf_directive(struct conf *c, const struct strlist *w)
{
	const char *name = w->v[0];
	int err = 0;

	if (strcasecmp(name, "Include") == 0 || strcasecmp(name, "IncludeOptional") == 0) {
		for (size_t i = 1; !err && i < w->n; i++)
			err = include(c, w->v[i]);
		return err;
	}
	if (strcasecmp(name, "Define") == 0)
		return define(c, w);
	if (strcasecmp(name, "UnDefine") == 0) {
		if (w->n > 1)
			undefine(c, w->v[1]);
		return 0;
	}
	if (strcasecmp(name, "LoadModule") == 0)
		return conf_load_module(c, w);
	if (strcasecmp(name, "Use") == 0)
		return use_macro(c, w);
	return c->h->directive(c->h->ctx, w, in_location(c));
}

static int macro_line(struct conf *c, const char *line)
{
	if (starts_with(line, "</Macro")) {
		c->in_macro = false;
		return 0;
	}
	return c->drop_macro ? 0 : strlist_add(&c->macro[c->macros - 1].body, line, strlen(line));
}

/* One logical line, blanks at its ends gone. */
static int conf_line(struct conf *c, const char *line)
{
	_strlist_ struct strlist w = {0};
	_free_ char *text = NULL;
	char *end;

	if (++c->lines > MAX_LINES)
		return -E2BIG;
	if (*line == '\0' || *line == '#')
		return 0;
	if (c->in_macro)
		return macro_line(c, line);
	if (line[0] == '<' && line[1] == '/') {
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(line + 2, "> \t"), line + 2);
		close_section(c, name);
		return 0;
	}
	if (skipping(c) && *line != '<')
		return 0;
	text = malloc(MAX_LINE);
	if (!text)
		return -ENOMEM;
	if (conf_expand(c, line, text, MAX_LINE)) {
		log_debug("%s: a line is too long, left out", c->file);
		return 0;
	}
	if (*line != '<')
		return conf_split(text, &w) ? -ENOMEM : w.n ? conf_directive(c, &w) : 0;
	end = strrchr(text, '>');
	if (end)
		*end = '\0';
	if (conf_split(text + 1, &w))
		return -ENOMEM;
	return w.n ? open_section(c, &w) : 0;
}

/* Joins continued lines and trims; what is longer than MAX_LINE is left out. */
static int conf_text(struct conf *c, const char *text, size_t len)
{
	_free_ char *line = malloc(MAX_LINE);
	const char *p = text, *end = text + len;
	size_t n = 0;
	bool cut = false;

	if (!line)
		return -ENOMEM;
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t k = (size_t)((nl ? nl : end) - p);
		bool more;
		int err;

		if (k && p[k - 1] == '\r')
			k--;
		more = k && p[k - 1] == '\\' && nl;
		k -= more;
		cut |= n + k + 1 > MAX_LINE;
		if (!cut) {
			memcpy(line + n, p, k);
			n += k;
		}
		p = nl ? nl + 1 : end;
		if (more)
			continue;
		while (n && isspace((unsigned char)line[n - 1]))
			n--;
		line[n] = '\0';
		if (cut)
			log_debug("%s: a line is too long, left out", c->file);
		err = cut ? 0 : conf_line(c, line + strspn(line, " \t\v\f"));
		if (err)
			return err;
		n = 0;
		cut = false;
	}
	return 0;
}

/* Sections end with their file, whatever it forgot. Only errors that end everything are returned.
 */
static int conf_file(struct conf *c, const char *path)
{
	size_t nesting = c->nesting, too_deep = c->too_deep, len;
	const char *outer = c->file;
	_free_ char *text = NULL;
	int err;

	for (unsigned i = 0; i < c->files; i++)
		if (strcmp(c->open[i], path) == 0)
			return 0;
	if (c->depth >= MAX_DEPTH) {
		log_debug("%s: included too deeply, left out", path);
		return 0;
	}
	err = rootfs_read(c->fs, path, &text, &len);
	if (err) {
		log_debug("%s: not read (%s), left out", path, strerror(-err));
		return err == -ENOMEM ? err : 0;
	}
	c->depth++;
	c->lines += FILE_LINES;
	c->open[c->files++] = path;
	c->file = path;
	err = conf_text(c, text, len);
	c->file = outer;
	c->files--;
	c->depth--;
	while (c->nesting > nesting)
		pop_section(c);
	c->too_deep = too_deep;
	c->in_macro = false;
	return err;
}

static int conf_lines(struct conf *c, const struct strlist *l)
{
	int err = 0;

	for (size_t i = 0; !err && i < l->n; i++)
		err = conf_text(c, l->v[i], strlen(l->v[i]));
	return err;
}

int apache_conf_read(struct rootfs *fs, const struct apache_start *start,
		     const struct apache_handler *handler)
{
	struct conf c __attribute__((cleanup(conf_clear))) = {
		.fs = fs, .start = start, .h = handler, .file = "command line"};
	char path[4096];
	int err;

	err = apache_path(path, sizeof(path), start->server_root, start->config);
	if (err)
		return err;
	if (!rootfs_exists(fs, path))
		return -ENOENT;
	err = conf_lines(&c, &start->before);
	if (!err)
		err = conf_file(&c, path);
	if (!err)
		err = conf_lines(&c, &start->after);
	while (c.nesting)
		pop_section(&c);
	if (err == -E2BIG) {
		log_warn("%s: the configuration is too large, the rest is left out", path);
		err = 0;
	}
	return err;
}
