/* SPDX-License-Identifier: GPL-2.0-only */
/* What the reader of Apache's configuration keeps while it reads; shared by its files. */
#ifndef ST_WEB_APACHE_CONF_INTERNAL_H
#define ST_WEB_APACHE_CONF_INTERNAL_H

#include "web/apache_conf.h"

#define MAX_DEPTH   16 /* files in files, macros in macros */
#define MAX_NESTING 64 /* sections in sections */

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

/* apache_conf_words.c */
/* ${NAME} from Define, then from the environment; one that is not known stays as it is
 * (ap_resolve_env). 0 or -ENAMETOOLONG. */
int conf_expand(const struct conf *c, const char *in, char *out, size_t size);
/* Splits like ap_getword_conf(): blanks part, quotes hold together, a backslash saves a quote or
 * backslash. 0 or -ENOMEM. */
int conf_split(const char *in, struct strlist *out);

/* apache_conf_condition.c */
/* A LoadModule directive. 0 or -ENOMEM. */
int conf_load_module(struct conf *c, const struct strlist *words);
/* Does the content of this <If...> count? */
bool conf_condition_holds(struct conf *c, const char *name, const struct strlist *words);

#endif
