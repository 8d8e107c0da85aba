// SPDX-License-Identifier: GPL-2.0-only
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

bool log_verbose;
void (*log_before)(void);

static void say(const char *fmt, va_list ap, const char *tail)
{
	char raw[2048], safe[4096];
	int saved = errno;
	int n = vsnprintf(raw, sizeof(raw), fmt, ap);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof(raw) ? (size_t)n : sizeof(raw) - 1;

	text_for_terminal(safe, sizeof(safe), raw, len);
	if (log_before)
		log_before();
	fprintf(stderr, "spamtrace: %s%s%s\n", safe, tail ? ": " : "", tail ? tail : "");
	errno = saved;
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap, NULL);
	va_end(ap);
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap, NULL);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	if (!log_verbose)
		return;
	va_start(ap, fmt);
	say(fmt, ap, NULL);
	va_end(ap);
}

int log_err(int err, const char *fmt, ...)
{
	int code = err < 0 ? -err : err;
	char text[128];
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap, strerror_r(code, text, sizeof(text)));
	va_end(ap);
	return -code;
}
