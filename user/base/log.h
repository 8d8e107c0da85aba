/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages for people, on stderr, one line each, prefixed "spamtrace: ". */
#ifndef ST_LOG_H
#define ST_LOG_H

#include <stdarg.h>
#include <stdbool.h>

/* Raised by -v; debug lines appear only then. */
extern bool log_verbose;

/* Called before each message, when set: a live status line gets out of the way. */
extern void (*log_before)(void);

/* Control and bidi bytes in the formatted text are escaped; a newline is added. errno is kept. */
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Like log_warn, appends ": " and the text of err (a positive or negative errno); returns -|err|.
 */
int log_err(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
