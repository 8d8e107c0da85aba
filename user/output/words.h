/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers, times and reasons in words, for people. Results are safe for a terminal. */
#ifndef ST_WORDS_H
#define ST_WORDS_H

#include "trace/event.h"

#define WORDS_COUNT_SIZE 32
#define WORDS_TIME_SIZE  32

/* "1,204"; with `sign` "+1,204". */
void words_count(char out[WORDS_COUNT_SIZE], int64_t n, bool sign);

/* "412 messages", "1 message". */
void words_number(char *out, size_t size, uint64_t n, const char *one, const char *many);

/* "2 h 5 min", "2 min 14 s", "14 s". */
void words_duration(char out[WORDS_TIME_SIZE], double seconds);

/* Local time: "14:03:22"; with `date` "2026-11-21 14:03:22". */
void words_time(char out[WORDS_TIME_SIZE], uint64_t wall_ns, bool date);

/* '=' exact, '~' inferred, '?' none. */
char words_mark(enum attribution a);

/* Bytes of a path that words_origin() shows, from its end; escaped they take up to four times that.
 */
#define WORDS_PATH_MAX    1024
#define WORDS_ORIGIN_SIZE (4 * WORDS_PATH_MAX + 64)

/* Where a message came from, as short as it gets: "/path/mailer.php:42", "smtp-auth joe", "bounce
 * of 4F3A21". */
void words_origin(char *out, size_t size, const struct mail_event *e);

/* What a loss reason means and what a person can do; both static, never NULL. */
void words_loss(const char *reason, const char **meaning, const char **advice);

#endif
