// SPDX-License-Identifier: GPL-2.0-only
#include "mail/message_text.h"

#include <string.h>

void writer_put(struct writer *w, const char *s, size_t n)
{
	if (w->cut || n > w->size - w->len) {
		w->cut = true;
		return;
	}
	memcpy(w->out + w->len, s, n);
	w->len += n;
}

void writer_put_unicode(struct writer *w, uint32_t c)
{
	char s[3];

	if (c < 0x80) {
		s[0] = (char)c;
		writer_put(w, s, 1);
	} else if (c < 0x800) {
		s[0] = (char)(0xc0 | c >> 6);
		s[1] = (char)(0x80 | (c & 0x3f));
		writer_put(w, s, 2);
	} else {
		s[0] = (char)(0xe0 | c >> 12);
		s[1] = (char)(0x80 | (c >> 6 & 0x3f));
		s[2] = (char)(0x80 | (c & 0x3f));
		writer_put(w, s, 3);
	}
}

/* Takes back a UTF-8 sequence at the end that a cut left without its last bytes. */
static size_t whole_characters(const char *s, size_t len)
{
	size_t back = 0;

	while (back < 3 && back < len && ((unsigned char)s[len - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back < len) {
		unsigned char lead = (unsigned char)s[len - 1 - back];
		size_t want = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;

		if (want > back)
			return len - 1 - back;
	}
	return len;
}

size_t writer_finish(struct writer *w)
{
	if (w->cut)
		w->len = whole_characters(w->out, w->len);
	w->out[w->len] = '\0';
	return w->len;
}

void message_copy_cut(char *out, size_t size, const char *s, size_t n)
{
	size_t part = n < size ? n : size - 1;
	const char *nul;

	if (!size)
		return;
	nul = memchr(s, '\0', part);
	if (nul)
		n = part = (size_t)(nul - s);
	memcpy(out, s, part);
	if (part < n)
		part = whole_characters(out, part);
	out[part] = '\0';
}
