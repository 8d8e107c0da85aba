/* SPDX-License-Identifier: GPL-2.0-only */
/* How `spamtrace auth` shows its counts. */
#ifndef ST_AUTH_PRINT_H
#define ST_AUTH_PRINT_H

#include <stdio.h>

#include "mail/authcount.h"

struct auth_view {
	size_t top;       /* users shown; 0: all */
	uint64_t min;     /* of messages or logins; users with failures only are shown when 0 */
	const char *user; /* NULL: all; else this one, with its addresses */
	unsigned columns;
};

struct auth_totals {
	uint64_t lines, text_bytes, cut_lines, outside, files;
	int64_t first, last;
};

/* Both return 0 or -errno (what `out` failed with). */
int auth_print_table(FILE *out, struct authcount *c, const struct auth_view *view,
		     const struct auth_totals *totals);

/* One JSON object a line: `auth-user` each, then `auth-ended`. */
int auth_print_json(FILE *out, struct authcount *c, const struct auth_view *view,
		    const struct auth_totals *totals);

#endif
