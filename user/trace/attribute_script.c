// SPDX-License-Identifier: GPL-2.0-only
/* Which of an interpreter's arguments is the script. Knows the options that take code or another
 * argument instead. */
#include "trace/attribute.h"

#include <string.h>

struct language {
	const char
		*name; /* the program's base name starts with it; NULL: a shell, or anything else */
	const char *code;   /* with one of these no file is run */
	const char *next;   /* these take the next argument when they end theirs */
	const char *values; /* the rest of the argument is theirs */
};

/* perlrun(1), python(1), ruby(1), node(1), dash(1), bash(1) */
static const struct language languages[] = {
	{"perl", "eE", "I", "IMmFDxCiV"},
	{"python", "cm", "WXQ", "WXQ"},
	{"ruby", "e", "IrCE", "IrCEFKTWxi"},
	{"node", "epi", "rC", ""},
	{NULL, "cs", "oO", ""},
};

static const struct language *language_of(const char *base)
{
	const struct language *l = languages;

	while (l->name && strncmp(base, l->name, strlen(l->name)) != 0)
		l++;
	return l;
}

/* How many arguments after this one belong to it; -1: no file is run. */
static int option(const struct language *l, const char *p)
{
	static const char *const with_value[] = {"--rcfile", "--init-file", "--require",
						 "--import"};
	int more = 0;

	if (p[1] == '-') {
		if (!strcmp(p, "--eval") || !strcmp(p, "--print"))
			return -1;
		for (size_t i = 0; i < sizeof(with_value) / sizeof(with_value[0]); i++)
			if (!strcmp(p, with_value[i]))
				return 1;
		return 0;
	}
	for (p++; *p; p++) {
		if (strchr(l->code, *p))
			return -1;
		if (strchr(l->next, *p) && (!l->name || !p[1]))
			more++; /* a shell's "-euo pipefail" */
		if (strchr(l->values, *p))
			break;
	}
	return more;
}

const char *attribute_script_of(const char *args, size_t len)
{
	const char *p, *end, *base;
	const struct language *l;

	if (!args || !len || !memchr(args, '\0', len))
		return NULL;
	end = args + len;
	base = strrchr(args, '/') ? strrchr(args, '/') + 1 : args;
	l = language_of(base);
	p = args + strlen(args) + 1;
	while (p < end && (*p == '-' || (!l->name && *p == '+'))) {
		int more;

		if (!p[1])
			return NULL; /* standard input */
		more = strcmp(p, "--") ? option(l, p) : 0;
		if (more < 0)
			return NULL;
		if (!strcmp(p, "--")) {
			p += 3;
			break;
		}
		for (; more >= 0 && p < end; more--)
			p += strnlen(p, (size_t)(end - p)) + 1;
	}
	return p < end && *p ? p : NULL;
}
