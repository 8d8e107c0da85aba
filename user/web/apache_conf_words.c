// SPDX-License-Identifier: GPL-2.0-only
/* Lines of Apache's configuration into words, with their variables filled in. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "web/apache_conf_internal.h"

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

int conf_expand(const struct conf *c, const char *in, char *out, size_t size)
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

int conf_split(const char *in, struct strlist *out)
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
