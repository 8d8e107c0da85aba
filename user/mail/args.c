// SPDX-License-Identifier: GPL-2.0-only
#include "mail/args.h"

#include <stdio.h>
#include <string.h>

const char *args_next(const char *args, size_t args_len, const char *prev, size_t *len)
{
	const char *end = args + args_len, *p = args;

	if (prev) {
		p = memchr(prev, '\0', (size_t)(end - prev));
		if (!p)
			return NULL;
		p++;
	}
	if (p >= end)
		return NULL;
	*len = strnlen(p, (size_t)(end - p));
	return p;
}

void args_name(const char *args, size_t args_len, char *out, size_t size)
{
	size_t len, base = 0;
	const char *a = args_len ? args_next(args, args_len, NULL, &len) : NULL;

	out[0] = '\0';
	if (!a)
		return;
	for (size_t i = 0; i < len; i++)
		if (a[i] == '/')
			base = i + 1;
	snprintf(out, size, "%.*s", (int)(len - base < 4096 ? len - base : 4096), a + base);
}

/*
 * Letters whose argument may follow as an argument of its own: the union of Sendmail 8 (conf.c
 * OPTIONS), Postfix (sendmail.c GETOPT) and qmail (sendmail.c). -q and -d take theirs attached
 * only.
 */
#define WITH_ARGUMENT "ABCDFLMNORVXefhopr"

char args_sendmail_mode(const char *args, size_t args_len)
{
	char mode = 'm';
	size_t len;
	const char *a = args_len ? args_next(args, args_len, NULL, &len) : NULL;

	while (a && (a = args_next(args, args_len, a, &len)) && len >= 2 && a[0] == '-') {
		if (a[1] == '-')
			break;
		for (size_t i = 1; i < len; i++) {
			if (a[i] == 'b') {
				size_t n = 0;
				const char *v =
					i + 1 < len ? a + i + 1 : args_next(args, args_len, a, &n);

				if (i + 1 >= len && v)
					a = v;
				if (v && (i + 1 < len || n))
					mode = *v;
				break;
			}
			if (a[i] == 'q') {
				if (mode == 'm')
					mode = 'q';
				break;
			}
			if (a[i] == 'd')
				break;
			if (strchr(WITH_ARGUMENT, a[i])) {
				if (i + 1 == len)
					a = args_next(args, args_len, a, &len);
				break;
			}
		}
		if (!a)
			break;
	}
	return mode;
}

enum run args_sendmail_run(const char *args, size_t args_len)
{
	switch (args_sendmail_mode(args, args_len)) {
	case 'm':
	case 's':
	case 'a':
		return RUN_SUBMIT;
	case 'd':
	case 'D':
	case 'q':
		return RUN_DAEMON;
	default: /* p, P, i, t, v, h, H, C */
		return RUN_QUERY;
	}
}
