/* SPDX-License-Identifier: GPL-2.0-only */
/* What a command line as a record holds it says about a run of sendmail, whoever's. */
#ifndef ST_MAIL_ARGS_H
#define ST_MAIL_ARGS_H

#include <stddef.h>

#include "mail/mta.h"

/* The next of NUL separated arguments after `prev` (NULL: the first), NULL at the end. The last one
 * may be cut: it need not be NUL-terminated by the sender, *len tells. */
const char *args_next(const char *args, size_t args_len, const char *prev, size_t *len);

/* Base name of the first argument into out. */
void args_name(const char *args, size_t args_len, char *out, size_t size);

/*
 * The mode that sendmail's command line asks for: the letter after -b ('m' when there is none), 'q'
 * for a queue run. Options end at the first argument that is none, as in every sendmail. The
 * argument of -f and its kin is skipped, not read as an option.
 */
char args_sendmail_mode(const char *args, size_t args_len);

/* What Sendmail's own program, and those that imitate all of it, are for in that mode. */
enum run args_sendmail_run(const char *args, size_t args_len);

#endif
