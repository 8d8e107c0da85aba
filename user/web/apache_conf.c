// SPDX-License-Identifier: GPL-2.0-only
#include "web/apache_conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/log.h"

#define MAX_DEPTH   16      /* files in files, macros in macros */
#define MAX_NESTING 64      /* sections in sections */
#define MAX_LINE    65536   /* a logical line; httpd's own limit is 16 MB */
#define MAX_LINES   4000000 /* of all files and macros: ends what includes or expands itself */
#define MAX_MACROS  1000

/* What <IfVersion> compares with; no condition seen in the wild tells 2.4 releases apart. */
#define ASSUMED_VERSION                                                                            \
	{                                                                                          \
		2, 4, 62                                                                           \
	}

enum section_kind { OTHER, CONDITION, VIRTUAL_HOST, LOCATION };

struct section {
	char name[32];
	enum section_kind kind;
	bool skip; /* its content does not count */
};

struct macro {
	char *name;
	struct strlist params, body;
};

struct conf {
	struct rootfs *fs;
	const struct apache_start *start;
	const struct apache_handler *h;
	struct section section[MAX_NESTING];
	size_t nesting, too_deep;
	struct strlist var, value; /* Define */
	struct strlist modules;    /* names under which loaded modules may be asked for */
	struct macro *macro;
	size_t macros;
	bool in_macro, drop_macro;   /* lines go to the last macro, or nowhere */
	const char *open[MAX_DEPTH]; /* files that are being read, none within itself */
	unsigned files;
	unsigned depth;
	size_t lines;
	const char *file;
};

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

static const char *env_of(const struct apache_start *s, const char *name, size_t len)
{
	const char *p = s->env, *end = p ? p + s->env_len : p;

	while (p && p < end) {
		size_t n = strnlen(p, (size_t)(end - p));

		if (n > len && p[len] == '=' && memcmp(p, name, len) == 0 && p + n < end)
			return p + len + 1;
		p += n + 1;
	}
	return NULL;
}

static const char *value_of(const struct conf *c, const char *name, size_t len)
{
	for (size_t i = c->var.n; i-- > 0;)
		if (strlen(c->var.v[i]) == len && memcmp(c->var.v[i], name, len) == 0)
			return c->value.v[i];
	return env_of(c->start, name, len);
}

/* ${NAME} from Define, then from the environment; one that is not known stays as it is
 * (ap_resolve_env). */
static int expand(const struct conf *c, const char *in, char *out, size_t size)
{
	size_t n = 0;

	while (*in) {
		const char *put = in, *end;
		size_t len = 1;

		if (in[0] == '$' && in[1] == '{' && (end = strchr(in, '}'))) {
			const char *v = value_of(c, in + 2, (size_t)(end - in) - 2);

			len = v ? strlen(v) : (size_t)(end - in) + 1;
			put = v ? v : in;
			in = end;
		}
		in++;
		if (n + len + 1 > size)
			return -ENAMETOOLONG;
		memcpy(out + n, put, len);
		n += len;
	}
	out[n] = '\0';
	return 0;
}

/* Splits like ap_getword_conf(): blanks part, quotes hold together, a backslash saves a quote or
 * backslash. */
static int split(const char *in, struct strlist *out)
{
	_free_ char *word = malloc(strlen(in) + 1);

	if (!word)
		return -ENOMEM;
	for (;;) {
		char quote = 0;
		size_t n = 0;

		while (isspace((unsigned char)*in))
			in++;
		if (!*in)
			return 0;
		if (*in == '"' || *in == '\'')
			quote = *in++;
		while (*in && (quote ? *in != quote : !isspace((unsigned char)*in))) {
			if (quote && *in == '\\' && (in[1] == quote || in[1] == '\\'))
				in++;
			word[n++] = *in++;
		}
		if (quote && *in)
			in++;
		if (strlist_add(out, word, n))
			return -ENOMEM;
	}
}

static bool skipping(const struct conf *c)
{
	return c->too_deep || (c->nesting && c->section[c->nesting - 1].skip);
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
static int load_module(struct conf *c, const struct strlist *w)
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

static bool condition_holds(struct conf *c, const char *name, const struct strlist *w)
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
		s.skip = !condition_holds(c, name, w);
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
		return load_module(c, w);
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
	if (expand(c, line, text, MAX_LINE)) {
		log_debug("%s: a line is too long, left out", c->file);
		return 0;
	}
	if (*line != '<')
		return split(text, &w) ? -ENOMEM : w.n ? conf_directive(c, &w) : 0;
	end = strrchr(text, '>');
	if (end)
		*end = '\0';
	if (split(text + 1, &w))
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
