/* SPDX-License-Identifier: GPL-2.0-only */
/* Between authlog.c, which takes a line apart, and authlog_programs.c, which knows what each
 * program writes. */
#ifndef ST_AUTHLOG_INTERNAL_H
#define ST_AUTHLOG_INTERNAL_H

#include <string.h>

#include "mail/authlog.h"

/* A piece of the line; never NUL-terminated. */
struct span {
	const char *p;
	size_t n;
};

static inline bool span_is(struct span s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

static inline bool span_starts(struct span s, const char *text)
{
	size_t n = strlen(text);

	return s.n >= n && memcmp(s.p, text, n) == 0;
}

/* What follows the first n bytes; nothing when there are fewer. */
static inline struct span span_after(struct span s, size_t n)
{
	if (n > s.n)
		n = s.n;
	return (struct span){s.p + n, s.n - n};
}

static inline struct span span_head(struct span s, size_t n)
{
	return (struct span){s.p, n < s.n ? n : s.n};
}

/* Offset of `text`, or s.n. */
static inline size_t span_find(struct span s, const char *text)
{
	const char *at = s.n ? memmem(s.p, s.n, text, strlen(text)) : NULL;

	return at ? (size_t)(at - s.p) : s.n;
}

static inline size_t span_chr(struct span s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

	return at ? (size_t)(at - s.p) : s.n;
}

static inline size_t span_rchr(struct span s, char c)
{
	const char *at = s.n ? memrchr(s.p, c, s.n) : NULL;

	return at ? (size_t)(at - s.p) : s.n;
}

/* Offset of the last `text`, or s.n. */
size_t span_rfind(struct span s, const char *text);

/* Decimal number at the start; -1 if there is none or it is absurd. */
int64_t span_number(struct span s);

/* Copies a user's name, and says if it had to be cut; an address in text form. */
void auth_set_user(struct auth_event *e, struct span user);
void auth_set_client(struct auth_event *e, struct span address);

/* What program `tag` (its base name) wrote; fills kind and what belongs to it. `postfix`: the tag
 * has Postfix's form. */
void authlog_program(struct span tag, bool postfix, struct span body, struct auth_event *e);

/* A line of Exim's own log after its time stamp. */
void authlog_exim(struct span body, struct auth_event *e);

#endif
