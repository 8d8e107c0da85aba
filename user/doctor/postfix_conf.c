// SPDX-License-Identifier: GPL-2.0-only
#include "doctor/postfix_conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "doctor/doctor.h"

#define DEPTH_MAX 16
#define VALUE_MAX 65536
#define STEPS_MAX 10000 /* empty variables of empty variables grow nothing, but take time */

/*
 * The next logical line: lines that start with white space continue the one before; comments and
 * empty lines in between do not end it (readlline(3) of Postfix). Joined in place.
 */
static char *logical_line(char **cursor)
{
	char *start = NULL, *end = NULL;

	while (*cursor && **cursor) {
		char *at = *cursor, *rest = *cursor, *line, *body;
		bool continues = *at == ' ' || *at == '\t';
		size_t n;

		body = at + strspn(at, " \t\r");
		if (start && !continues && *body != '#' && *body != '\n' && *body)
			break;
		line = doctor_line(&rest);
		*cursor = rest;
		body = line + strspn(line, " \t");
		if (!*body || *body == '#')
			continue;
		if (!start) {
			start = line;
			end = line + strlen(line);
			continue;
		}
		n = strlen(line);
		*end++ = ' ';
		memmove(end, line, n + 1);
		end += n;
	}
	return start;
}

static int add_setting(struct postfix_setting **v, size_t *n, char *text)
{
	struct postfix_setting *grown;
	char *equals = strchr(text, '=');

	if (!equals)
		return 0;
	grown = reallocarray(*v, *n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	*equals = '\0';
	*v = grown;
	grown[(*n)++] = (struct postfix_setting){doctor_trim(text), doctor_trim(equals + 1)};
	return 0;
}

int postfix_conf_parse(const char *text, struct postfix_conf *out)
{
	struct postfix_conf c = {.text = strdup(text)};
	char *cursor = c.text, *line;
	int err = c.text ? 0 : -ENOMEM;

	while (!err && (line = logical_line(&cursor)))
		err = add_setting(&c.v, &c.n, line);
	if (err)
		postfix_conf_free(&c);
	else
		*out = c;
	return err;
}

void postfix_conf_free(struct postfix_conf *c)
{
	free(c->text);
	free(c->v);
	*c = (struct postfix_conf){0};
}

char *postfix_item(char **cursor)
{
	char *p = *cursor, *start;
	int depth = 0;

	if (!p)
		return NULL;
	p += strspn(p, " \t\r\n,");
	if (!*p)
		return NULL;
	start = p;
	for (; *p && (depth > 0 || !strchr(" \t\r\n,", *p)); p++) {
		depth += *p == '{';
		depth -= *p == '}';
	}
	*cursor = *p ? p + 1 : NULL;
	*p = '\0';
	return start;
}

/* "name=value" or "{ name = value }" after -o */
static int add_override(struct postfix_service *s, char *arg)
{
	size_t n;

	if (*arg == '{') {
		n = strlen(++arg);
		if (n && arg[n - 1] == '}')
			arg[n - 1] = '\0';
	}
	return add_setting(&s->v, &s->n, arg);
}

static int parse_service(char *line, struct postfix_service *s)
{
	char *cursor = line, *item;
	int err = 0;

	/* service type private unpriv chroot wakeup maxproc command + args */
	for (int i = 0; i < 8; i++) {
		item = postfix_item(&cursor);
		if (!item)
			return 0;
		if (i == 0)
			s->name = item;
		else if (i == 1)
			s->type = item;
		else if (i == 7)
			s->command = item;
	}
	while (!err && (item = postfix_item(&cursor))) {
		if (strcmp(item, "-o") == 0) {
			item = postfix_item(&cursor);
			if (item)
				err = add_override(s, item);
		} else if (strncmp(item, "-o", 2) == 0) {
			err = add_override(s, item + 2);
		}
	}
	return err;
}

/* In master.cf a comma is part of a value; items are separated by white space only. */
static void hide_commas(char *line, char from, char to)
{
	for (; *line; line++)
		if (*line == from)
			*line = to;
}

int postfix_services_parse(const char *text, struct postfix_services *out)
{
	struct postfix_services list = {.text = strdup(text)};
	char *cursor = list.text, *line;
	int err = list.text ? 0 : -ENOMEM;

	while (!err && (line = logical_line(&cursor))) {
		struct postfix_service *grown = reallocarray(list.v, list.n + 1, sizeof(*grown));

		err = grown ? 0 : -ENOMEM;
		if (err)
			break;
		list.v = grown;
		grown[list.n] = (struct postfix_service){0};
		hide_commas(line, ',', '\x1f');
		err = parse_service(line, &grown[list.n]);
		for (size_t i = 0; i < grown[list.n].n; i++)
			hide_commas(grown[list.n].v[i].value, '\x1f', ',');
		if (grown[list.n].command)
			list.n++;
		else
			free(grown[list.n].v);
	}
	if (err)
		postfix_services_free(&list);
	else
		*out = list;
	return err;
}

void postfix_services_free(struct postfix_services *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].v);
	free(s->v);
	free(s->text);
	*s = (struct postfix_services){0};
}

static const char *last(const struct postfix_setting *v, size_t n, const char *name, size_t len)
{
	for (size_t i = n; i-- > 0;)
		if (strlen(v[i].name) == len && memcmp(v[i].name, name, len) == 0)
			return v[i].value;
	return NULL;
}

static const char *raw_value(const struct postfix_conf *c, const struct postfix_service *s,
			     const char *name, size_t len)
{
	const char *value = s ? last(s->v, s->n, name, len) : NULL;

	return value ? value : last(c->v, c->n, name, len);
}

struct expansion {
	const struct postfix_conf *c;
	const struct postfix_service *s;
	char *out;
	size_t n;
	unsigned steps;
};

static void put(struct expansion *x, const char *text, size_t n)
{
	if (n > VALUE_MAX - x->n)
		n = VALUE_MAX - x->n;
	memcpy(x->out + x->n, text, n);
	x->n += n;
}

static void expand(struct expansion *x, const char *text, size_t len, int depth);

/* "name", "name?text", "name:text" of ${...}; "name" of $name */
static void expand_name(struct expansion *x, const char *text, size_t len, int depth)
{
	size_t n = 0;
	const char *value;

	while (n < len && (isalnum((unsigned char)text[n]) || text[n] == '_'))
		n++;
	value = raw_value(x->c, x->s, text, n);
	if (n == len) {
		if (value)
			expand(x, value, strlen(value), depth + 1);
		return;
	}
	if ((text[n] == '?' && value && *value) || (text[n] == ':' && (!value || !*value))) {
		const char *then = text + n + 1;
		size_t then_len = len - n - 1;

		if (then_len >= 2 && *then == '{') { /* ${name?{text}:{other}}: the first group */
			const char *close = memchr(then, '}', then_len);

			then++;
			then_len = close ? (size_t)(close - then) : then_len - 1;
		}
		expand(x, then, then_len, depth + 1);
	}
}

static void expand(struct expansion *x, const char *text, size_t len, int depth)
{
	if (depth >= DEPTH_MAX || ++x->steps > STEPS_MAX)
		return;
	for (size_t i = 0; i < len && x->n < VALUE_MAX;) {
		size_t n = 0;
		int open = 0;

		if (text[i] != '$' || i + 1 >= len) {
			put(x, text + i++, 1);
			continue;
		}
		i++;
		if (text[i] == '$') {
			put(x, text + i++, 1);
		} else if (text[i] == '{' || text[i] == '(') {
			char left = text[i], right = left == '{' ? '}' : ')';

			for (; i + n < len; n++) {
				open += text[i + n] == left;
				open -= text[i + n] == right;
				if (!open)
					break;
			}
			expand_name(x, text + i + 1, n ? n - 1 : 0, depth);
			i += n + (i + n < len);
		} else {
			while (i + n < len &&
			       (isalnum((unsigned char)text[i + n]) || text[i + n] == '_'))
				n++;
			expand_name(x, text + i, n, depth);
			i += n;
		}
	}
}

char *postfix_value(const struct postfix_conf *c, const struct postfix_service *s, const char *name)
{
	const char *value = raw_value(c, s, name, strlen(name));
	struct expansion x = {.c = c, .s = s};

	if (!value)
		return NULL;
	x.out = malloc(VALUE_MAX + 1);
	if (!x.out)
		return NULL;
	expand(&x, value, strlen(value), 0);
	x.out[x.n] = '\0';
	return x.out;
}
