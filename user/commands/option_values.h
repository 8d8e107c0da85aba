/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Values of options that several commands take. Each ends the program with a usage error (status
 * 64, as argp does) when the text is no such value.
 */
#ifndef ST_COMMANDS_OPTION_VALUES_H
#define ST_COMMANDS_OPTION_VALUES_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mail/mta.h"

#define EXIT_USAGE 64

/* --output: "json" (true) or "table". */
bool option_json(const struct argp_state *state, const char *arg);

/* A number of `what` ("seconds") from `least` to `most`. */
double option_number(const struct argp_state *state, const char *arg, const char *what,
		     double least, double most);
/* The same, a whole one. */
uint64_t option_count(const struct argp_state *state, const char *arg, const char *what,
		      uint64_t least, uint64_t most);

/* A user by uid or name. */
int64_t option_uid(const struct argp_state *state, const char *arg);

/* --mta; NULL: "auto". */
const struct mta *option_mta(const struct argp_state *state, const char *arg);

/* One more of an option that may be repeated; the list is the caller's to free. 0 or ENOMEM. */
error_t option_append(char ***list, size_t *count, char *arg);

#endif
