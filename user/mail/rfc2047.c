// SPDX-License-Identifier: GPL-2.0-only
/* Encoded words of headers to UTF-8 (RFC 2047). */
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "mail/message.h"
#include "mail/message_text.h"

enum charset { CHARSET_OTHER, CHARSET_UTF8, CHARSET_LATIN1, CHARSET_LATIN9, CHARSET_CP1252 };

static enum charset charset_of(const char *name, size_t len)
{
	static const struct {
		const char *name;
		enum charset charset;
	} known[] = {
		{"utf-8", CHARSET_UTF8},          {"utf8", CHARSET_UTF8},
		{"us-ascii", CHARSET_UTF8},       {"ascii", CHARSET_UTF8},
		{"iso-8859-1", CHARSET_LATIN1},   {"iso8859-1", CHARSET_LATIN1},
		{"latin1", CHARSET_LATIN1},       {"iso-8859-15", CHARSET_LATIN9},
		{"iso8859-15", CHARSET_LATIN9},   {"latin-9", CHARSET_LATIN9},
		{"windows-1252", CHARSET_CP1252}, {"cp1252", CHARSET_CP1252},
	};
	const char *language = memchr(name, '*', len); /* RFC 2231, section 5 */

	if (language)
		len = (size_t)(language - name);
	for (size_t i = 0; i < array_size(known); i++)
		if (strlen(known[i].name) == len && strncasecmp(known[i].name, name, len) == 0)
			return known[i].charset;
	return CHARSET_OTHER;
}

/* Where ISO 8859-15 differs from 8859-1 (ISO/IEC 8859-15:1999, table 2). */
static uint32_t latin9(unsigned char c)
{
	switch (c) {
	case 0xa4:
		return 0x20ac;
	case 0xa6:
		return 0x160;
	case 0xa8:
		return 0x161;
	case 0xb4:
		return 0x17d;
	case 0xb8:
		return 0x17e;
	case 0xbc:
		return 0x152;
	case 0xbd:
		return 0x153;
	case 0xbe:
		return 0x178;
	default:
		return c;
	}
}

/* 0x80..0x9f of Windows code page 1252, as the WHATWG Encoding Standard has it (unassigned ones are
 * C1 controls). */
static const uint16_t cp1252[32] = {
	0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
	0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
	0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178,
};

/* A NUL would end the string, and hide what follows it. */
static void put_decoded(struct writer *w, enum charset charset, unsigned char c)
{
	char byte = (char)c;

	if (c == 0)
		writer_put_unicode(w, 0xfffd);
	else if (charset == CHARSET_UTF8)
		writer_put(w, &byte, 1);
	else if (charset == CHARSET_LATIN9)
		writer_put_unicode(w, latin9(c));
	else if (charset == CHARSET_CP1252 && c >= 0x80 && c < 0xa0)
		writer_put_unicode(w, cp1252[c - 0x80]);
	else
		writer_put_unicode(w, c);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static void decode_q(struct writer *w, enum charset charset, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int hi = s[i] == '=' && i + 2 < n ? hex_value(s[i + 1]) : -1;
		int lo = hi >= 0 ? hex_value(s[i + 2]) : -1;

		if (lo >= 0) {
			put_decoded(w, charset, (unsigned char)(hi << 4 | lo));
			i += 2;
		} else {
			put_decoded(w, charset, s[i] == '_' ? ' ' : (unsigned char)s[i]);
		}
	}
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static void decode_b(struct writer *w, enum charset charset, const char *s, size_t n)
{
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < n && s[i] != '='; i++) {
		int v = base64_value(s[i]);

		if (v < 0)
			continue;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			put_decoded(w, charset, (unsigned char)(bits >> have));
		}
	}
}

/* "=?charset?B?text?=": its length, 0: there is none at the start of s. Decodes it into w when `w`
 * is not NULL. */
static size_t encoded_word(struct writer *w, const char *s, size_t n)
{
	const char *end = s + n, *charset, *text, *close;
	enum charset known;

	if (n < 8 || s[0] != '=' || s[1] != '?')
		return 0;
	charset = s + 2;
	text = memchr(charset, '?', (size_t)(end - charset));
	if (!text || text == charset || end - text < 5 || text[2] != '?')
		return 0;
	known = charset_of(charset, (size_t)(text - charset));
	if (known == CHARSET_OTHER || !strchr("bBqQ", text[1]) || !text[1])
		return 0;
	for (close = text + 3; (close = memchr(close, '?', (size_t)(end - close))); close++)
		if (close + 1 < end && close[1] == '=')
			break;
	if (!close)
		return 0;
	if (w && (text[1] == 'b' || text[1] == 'B'))
		decode_b(w, known, text + 3, (size_t)(close - text - 3));
	else if (w)
		decode_q(w, known, text + 3, (size_t)(close - text - 3));
	return (size_t)(close + 2 - s);
}

size_t message_decode_2047(char *out, size_t size, const char *in, size_t len)
{
	struct writer w = {.out = out, .size = size - 1};
	size_t i = 0;

	if (!size)
		return 0;
	while (i < len && !w.cut) {
		size_t word = in[i] == '=' ? encoded_word(&w, in + i, len - i) : 0, space = 0;

		if (!word) {
			put_decoded(&w, CHARSET_UTF8, (unsigned char)in[i]);
			i++;
			continue;
		}
		i += word;
		/* White space between two encoded words is no text (RFC 2047, section 6.2). */
		while (i + space < len && strchr(" \t\r\n", in[i + space]) && in[i + space])
			space++;
		if (space && i + space < len && in[i + space] == '=' &&
		    encoded_word(NULL, in + i + space, len - i - space))
			i += space;
	}
	return writer_finish(&w);
}
