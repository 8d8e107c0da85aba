// SPDX-License-Identifier: GPL-2.0-only
#include "commands/option_values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/users.h"

bool option_json(const struct argp_state *state, const char *arg)
{
	bool json = strcmp(arg, "json") == 0;

	if (!json && strcmp(arg, "table") != 0)
		argp_error(state, "--output is table or json, not '%s'", arg);
	return json;
}

double option_number(const struct argp_state *state, const char *arg, const char *what,
		     double least, double most)
{
	char *end;
	double n;

	errno = 0;
	n = strtod(arg, &end);
	if (errno || end == arg || *end || !(n >= least && n <= most))
		argp_error(state, "'%s' is no number of %s from %g to %g", arg, what, least, most);
	return n;
}

uint64_t option_count(const struct argp_state *state, const char *arg, const char *what,
		      uint64_t least, uint64_t most)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(arg, &end, 10);
	if (errno || *arg < '0' || *arg > '9' || *end || n < least || n > most) {
		if (most == UINT64_MAX)
			argp_error(state, "'%s' is no number of %s from %ju", arg, what,
				   (uintmax_t)least);
		else
			argp_error(state, "'%s' is no number of %s from %ju to %ju", arg, what,
				   (uintmax_t)least, (uintmax_t)most);
	}
	return n;
}

int64_t option_uid(const struct argp_state *state, const char *arg)
{
	const struct passwd *pw;
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(arg, &end, 10);
	if (!errno && *arg >= '0' && *arg <= '9' && !*end && n < UINT32_MAX)
		return (int64_t)n;
	pw = user_by_name(arg);
	if (!pw)
		argp_error(state, "there is no user '%s'", arg);
	return pw ? (int64_t)pw->pw_uid : COUNT_UNKNOWN;
}

const struct mta *option_mta(const struct argp_state *state, const char *arg)
{
	const struct mta *mta = strcmp(arg, "auto") == 0 ? NULL : mta_by_name(arg);

	if (!mta && strcmp(arg, "auto") != 0)
		argp_error(state,
			   "--mta: spamtrace cannot read the queue of '%s'; it knows qmail, "
			   "postfix, exim, sendmail and nullmailer",
			   arg);
	return mta;
}

error_t option_append(char ***list, size_t *count, char *arg)
{
	char **grown = reallocarray(*list, *count + 1, sizeof(*grown));

	if (!grown)
		return ENOMEM;
	grown[(*count)++] = arg;
	*list = grown;
	return 0;
}
