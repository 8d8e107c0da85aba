/* SPDX-License-Identifier: GPL-2.0-only */
/* Text of messages, copied up to a size and never cut inside a character. Pure. */
#ifndef ST_MESSAGE_TEXT_H
#define ST_MESSAGE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct writer {
	char *out;
	size_t size, len; /* size: without the NUL */
	bool cut;
};

void writer_put(struct writer *w, const char *s, size_t n);
/* A character up to U+FFFF, as UTF-8. */
void writer_put_unicode(struct writer *w, uint32_t c);
/* Ends the string; returns its length. */
size_t writer_finish(struct writer *w);

/* n bytes of s, cut to `size` and at a NUL. */
void message_copy_cut(char *out, size_t size, const char *s, size_t n);

#endif
