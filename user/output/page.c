// SPDX-License-Identifier: GPL-2.0-only
#include "output/page.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

static const char *const codes[PAINT_COUNT] = {
	[PAINT_NONE] = "",         [PAINT_BOLD] = "\x1b[1m",  [PAINT_DIM] = "\x1b[2m",
	[PAINT_GOOD] = "\x1b[32m", [PAINT_WARN] = "\x1b[33m", [PAINT_ALARM] = "\x1b[1;31m",
};

const char *page_on(const struct page *p, enum paint paint)
{
	return p->color ? codes[paint] : "";
}

const char *page_off(const struct page *p, enum paint paint)
{
	return p->color && paint != PAINT_NONE ? "\x1b[0m" : "";
}

void page_cell(const struct page *p, const char *text, size_t columns, bool keep_end, bool pad)
{
	size_t len = strlen(text), most = 20 * columns + 64, size;
	_free_ char *safe = NULL;
	char *cell;

	/* Each column takes a byte at least: what is far out of sight need not be escaped. */
	if (len > most) {
		text += keep_end ? len - most : 0;
		len = most;
	}
	size = 4 * len + 1;
	safe = malloc(size + size + most);
	if (!safe)
		return;
	cell = safe + size;
	text_for_terminal(safe, size, text, len);
	text_fit(cell, size + most, safe, columns, keep_end, pad);
	fputs(cell, p->out);
}

/* Prints the next word of `text`, hard-broken where it is wider than a whole line; the bytes taken.
 */
static size_t put_word(const struct page *p, const char *text, size_t indent, size_t *column)
{
	size_t len = strcspn(text, " "), room = p->columns > indent + 8 ? p->columns - indent : 8;
	char word[1024], part[1024];

	if (len >= sizeof(word))
		len = sizeof(word) - 1;
	snprintf(word, sizeof(word), "%.*s", (int)len, text);
	if (text_width(word) > room) { /* the ellipsis tells of the cut */
		text_fit(part, sizeof(part), word, room, 0, 0);
		memcpy(word, part, sizeof(word));
	}
	if (*column > indent) {
		if (*column + 1 + text_width(word) > p->columns) {
			fprintf(p->out, "\n%*s", (int)indent, "");
			*column = indent;
		} else {
			fputc(' ', p->out);
			(*column)++;
		}
	}
	fputs(word, p->out);
	*column += text_width(word);
	return strcspn(text, " ");
}

void page_paragraph(const struct page *p, const char *label, unsigned indent, const char *text)
{
	size_t len = strlen(text), size = 4 * len + 1, column = indent;
	_free_ char *safe = malloc(size);

	if (!safe)
		return;
	text_for_terminal(safe, size, text, len);
	fprintf(p->out, "%-*s", (int)indent, label);
	for (const char *s = safe; *(s += strspn(s, " "));)
		s += put_word(p, s, indent, &column);
	fputc('\n', p->out);
}
