/* SPDX-License-Identifier: GPL-2.0-only */
/* The summary as one HTML page without scripts, links or fonts: it opens from a mail attachment or
 * a ticket. */
#ifndef ST_HTML_H
#define ST_HTML_H

#include <stdio.h>

#include "trace/event.h"

/* At most `top` rows of each list. The stream's errors are the caller's to ask for. */
void html_print(FILE *out, const struct summary_event *e, unsigned top);

#endif
