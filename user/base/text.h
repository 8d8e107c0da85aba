/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hostile bytes made safe. Everything a script, a client or a customer's file can choose passes
 * through one of these before it meets a terminal or a JSON document.
 */
#ifndef ST_TEXT_H
#define ST_TEXT_H

#include <stddef.h>
#include <stdio.h>

/*
 * Writes at most `size` bytes (NUL included) of `in` to `out` for a terminal: C0, C1, DEL, bidi and
 * zero-width controls and invalid UTF-8 bytes become \xNN or \u{NNNN}; the result is valid UTF-8.
 * Returns the number of bytes written without the NUL. Never cuts inside an escape or a character.
 */
size_t text_for_terminal(char *out, size_t size, const char *in, size_t len);

/*
 * Copies `in` to `out` as valid UTF-8 for JSON: invalid bytes become U+FFFD, NUL becomes U+FFFD;
 * controls stay (the JSON library escapes them). Same size rules. An output three times the input's
 * size plus one always suffices.
 */
size_t text_utf8(char *out, size_t size, const char *in, size_t len);

/*
 * JSON text (valid UTF-8, controls escaped) with what text_for_terminal() would escape as \uNNNN:
 * the same document, and a terminal that shows it stays calm. malloc'd, one line feed appended,
 * `*ret_len` bytes with it; NULL: no memory.
 */
char *text_json_line(const char *json, size_t len, size_t *ret_len);

/* Columns that valid UTF-8 text takes on a terminal (wcwidth-like, locale independent). */
size_t text_width(const char *s);

/*
 * Cuts valid, terminal-safe UTF-8 `s` to `columns` into `out`; a cut is marked with "…" (at the
 * end, or at the start with `keep_end`, which is what paths want). Pads with spaces to exactly
 * `columns` when `pad`.
 */
size_t text_fit(char *out, size_t size, const char *s, size_t columns, int keep_end, int pad);

/* Copies with guaranteed NUL; returns 0 or -ENAMETOOLONG (out then holds the cut string). */
int text_copy(char *out, size_t size, const char *in);

#endif
