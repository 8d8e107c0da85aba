/* SPDX-License-Identifier: GPL-2.0-only */
/* Text for people on a page of so many columns: colours, cut and wrapped text. Escapes what it is
 * given. */
#ifndef ST_PAGE_H
#define ST_PAGE_H

#include <stdbool.h>
#include <stdio.h>

enum paint { PAINT_NONE, PAINT_BOLD, PAINT_DIM, PAINT_GOOD, PAINT_WARN, PAINT_ALARM, PAINT_COUNT };

struct page {
	FILE *out;
	unsigned columns;
	bool color;
};

/* Between these everything is painted; nothing without colour. */
const char *page_on(const struct page *p, enum paint paint);
const char *page_off(const struct page *p, enum paint paint);

/* `text` escaped, cut to `columns` (at the start with keep_end), padded to it with `pad`. */
void page_cell(const struct page *p, const char *text, size_t columns, bool keep_end, bool pad);

/* A paragraph: `label`, then `text` wrapped at blanks, all lines but the first indented by
 * `indent`. The label is trusted. */
void page_paragraph(const struct page *p, const char *label, unsigned indent, const char *text);

#endif
