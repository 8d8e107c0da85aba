/* SPDX-License-Identifier: GPL-2.0-only */
/* One row of the table: which columns fit, and how wide. A row never takes more columns than the
 * page has. */
#ifndef ST_ROW_H
#define ST_ROW_H

#include "output/page.h"
#include "trace/event.h"

enum row_column {
	COLUMN_TIME,
	COLUMN_ID,
	COLUMN_USER,
	COLUMN_VHOST,
	COLUMN_ORIGIN, /* the mark of its attribution, a blank, the script and line */
	COLUMN_CLIENT,
	COLUMN_RECIPIENTS,
	COLUMN_SUBJECT,
	COLUMN_COUNT
};

struct row_layout {
	unsigned width[COLUMN_COUNT]; /* 0: left out */
	unsigned id_width;            /* of the longest queue id so far */
};

void row_layout_init(struct row_layout *l, unsigned columns, unsigned id_width);

/* Widens the id's column when this one is longer than those before; true when the layout changed.
 */
bool row_learn(struct row_layout *l, const struct mail_event *e, unsigned columns);

void row_header(const struct row_layout *l, const struct page *p);
void row_print(const struct row_layout *l, const struct page *p, const struct mail_event *e);

/* What -v adds below: the stack, what the attribution rests on, why it is not exact. */
void row_details(const struct page *p, const struct mail_event *e);

#endif
