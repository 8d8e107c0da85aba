/* SPDX-License-Identifier: GPL-2.0-only */
/* main.cf and master.cf as text in, values out (postconf(5), master(5)). Pure: no files. */
#ifndef ST_POSTFIX_CONF_H
#define ST_POSTFIX_CONF_H

#include <stdbool.h>
#include <stddef.h>

struct postfix_setting {
	char *name, *value; /* point into the text */
};

struct postfix_conf {
	char *text; /* owned; taken apart in place */
	struct postfix_setting *v;
	size_t n;
};

/* One service of master.cf with its own settings (-o). Strings point into `text` of its list. */
struct postfix_service {
	char *name, *type, *command;
	struct postfix_setting *v;
	size_t n;
};

struct postfix_services {
	char *text;
	struct postfix_service *v;
	size_t n;
};

/* Both take a copy of `text`; 0 or -ENOMEM. Lines that are no settings are passed over. */
int postfix_conf_parse(const char *text, struct postfix_conf *out);
int postfix_services_parse(const char *text, struct postfix_services *out);
void postfix_conf_free(struct postfix_conf *c);
void postfix_services_free(struct postfix_services *s);

/*
 * The value of `name` with its $variables expanded, or NULL when it is not set (by the service,
 * which may be NULL, or in main.cf: the last setting wins). Owned by the caller. What refers to
 * itself, or grows beyond 64 KiB, is cut.
 */
char *postfix_value(const struct postfix_conf *c, const struct postfix_service *s,
		    const char *name);

/* The next item of a list separated by commas and white space, a { group } as one, cut out in
 * place; NULL at the end. */
char *postfix_item(char **cursor);

#endif
