// SPDX-License-Identifier: GPL-2.0-only
#include "base/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text_ranges.h"

#define ELLIPSIS    "\xe2\x80\xa6"
#define REPLACEMENT "\xef\xbf\xbd"

/* More marks than any script stacks on one letter; further ones climb over the rows above. */
#define MAX_COMBINING 4

/* One code point of strict UTF-8 (no overlong form, no surrogate); its length, 0 when invalid. */
static size_t decode(const char *text, size_t len, uint32_t *ret)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *s = (const unsigned char *)text;
	uint32_t cp;
	size_t need;

	if (!len)
		return 0;
	if (s[0] < 0x80) {
		*ret = s[0];
		return 1;
	}
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		need = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		need = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		need = 4;
	else
		return 0;
	if (len < need)
		return 0;
	cp = s[0] & (0x7fu >> need);
	for (size_t i = 1; i < need; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3fu);
	}
	if (cp < smallest[need] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*ret = cp;
	return need;
}

static bool in_ranges(const struct range *ranges, size_t n, uint32_t cp)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (cp > ranges[mid].last)
			low = mid + 1;
		else if (cp < ranges[mid].first)
			high = mid;
		else
			return true;
	}
	return false;
}

static unsigned char_width(uint32_t cp)
{
	if (cp < 0x300)
		return 1;
	if (in_ranges(zero_width, array_size(zero_width), cp))
		return 0;
	return in_ranges(double_width, array_size(double_width), cp) ? 2 : 1;
}

/*
 * What may drive a terminal, reorder a line or hide in it: C0, DEL, C1; bidi and zero-width
 * controls (Unicode general category Cf, which covers U+200B-F, U+202A-E, U+2066-9, U+FEFF and the
 * tags), line and paragraph separators, blank fillers, noncharacters.
 */
static bool is_hostile(uint32_t cp)
{
	static const struct range hostile[] = {
		{0x00, 0x1f},       {0x7f, 0x9f},       {0xad, 0xad},       {0x34f, 0x34f},
		{0x600, 0x605},     {0x61c, 0x61c},     {0x6dd, 0x6dd},     {0x70f, 0x70f},
		{0x890, 0x891},     {0x8e2, 0x8e2},     {0x115f, 0x1160},   {0x17b4, 0x17b5},
		{0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},
		{0x3164, 0x3164},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},
		{0xfffe, 0xffff},   {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f},
		{0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
	};

	return (cp & 0xfffe) == 0xfffe || in_ranges(hostile, array_size(hostile), cp);
}

size_t text_for_terminal(char *out, size_t size, const char *in, size_t len)
{
	size_t done = 0, used = 0;
	unsigned marks = 0;

	if (!size)
		return 0;
	while (done < len) {
		char piece[16];
		uint32_t cp = 0;
		size_t taken = decode(in + done, len - done, &cp), n;

		marks = taken && !char_width(cp) ? marks + 1 : 0;
		if (!taken || is_hostile(cp) || marks > MAX_COMBINING) {
			if (!taken || cp < 0x80)
				n = (size_t)snprintf(piece, sizeof(piece), "\\x%02x",
						     (unsigned char)in[done]);
			else
				n = (size_t)snprintf(piece, sizeof(piece), "\\u{%04x}", cp);
		} else {
			n = taken;
			memcpy(piece, in + done, n);
		}
		if (n >= size - used)
			break;
		memcpy(out + used, piece, n);
		used += n;
		done += taken ? taken : 1;
	}
	out[used] = '\0';
	return used;
}

size_t text_utf8(char *out, size_t size, const char *in, size_t len)
{
	size_t done = 0, used = 0;

	if (!size)
		return 0;
	while (done < len) {
		uint32_t cp = 0;
		size_t taken = decode(in + done, len - done, &cp);
		bool bad = !taken || !cp;
		size_t n = bad ? strlen(REPLACEMENT) : taken;

		if (n >= size - used)
			break;
		memcpy(out + used, bad ? REPLACEMENT : in + done, n);
		used += n;
		done += bad ? 1 : taken;
	}
	out[used] = '\0';
	return used;
}

/* One code point as JSON escapes it: one or two UTF-16 units. */
static size_t json_escape(char *out, uint32_t cp)
{
	const size_t room = sizeof("\\ud800\\udc00");

	if (cp < 0x10000)
		return (size_t)snprintf(out, room, "\\u%04x", cp);
	cp -= 0x10000;
	return (size_t)snprintf(out, room, "\\u%04x\\u%04x", 0xd800 + (cp >> 10),
				0xdc00 + (cp & 0x3ff));
}

/* Bytes at the start that are harmless ASCII: nearly all of every line. */
static size_t plain_run(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len && (unsigned char)s[i] < 0x7f)
		i++;
	return i;
}

char *text_json_line(const char *json, size_t len, size_t *ret_len)
{
	size_t size = len + 2, done = plain_run(json, len), used = done;
	char *out;

	for (size_t i = done; i < len; i++) /* two bytes may become six, four twelve */
		size += (unsigned char)json[i] >= 0x7f ? 5 : 0;
	out = malloc(size);
	if (!out)
		return NULL;
	memcpy(out, json, done);
	while (done < len) {
		uint32_t cp = 0;
		size_t n = decode(json + done, len - done, &cp);

		if (n && is_hostile(cp)) {
			used += json_escape(out + used, cp);
		} else {
			n = n ? n : 1;
			memcpy(out + used, json + done, n);
			used += n;
		}
		done += n;
		n = plain_run(json + done, len - done);
		memcpy(out + used, json + done, n);
		used += n;
		done += n;
	}
	out[used++] = '\n';
	out[used] = '\0';
	*ret_len = used;
	return out;
}

/* The next character of text that should be valid UTF-8: its bytes (at least 1) and columns. */
static size_t next_char(const char *s, size_t len, unsigned *columns)
{
	uint32_t cp = 0;
	size_t n = decode(s, len, &cp);

	*columns = n ? char_width(cp) : 1;
	return n ? n : 1;
}

size_t text_width(const char *s)
{
	size_t len = strlen(s), columns = 0;
	unsigned w;

	for (size_t i = 0; i < len; columns += w)
		i += next_char(s + i, len - i, &w);
	return columns;
}

/* Bytes of the longest head of `s` that takes at most `columns` and `bytes`. */
static size_t head_bytes(const char *s, size_t len, size_t columns, size_t bytes, size_t *used)
{
	size_t i = 0, n;
	unsigned w;

	*used = 0;
	for (; i < len; i += n, *used += w) {
		n = next_char(s + i, len - i, &w);
		if (*used + w > columns || i + n > bytes)
			break;
	}
	return i;
}

/* Where the longest tail of `s` starts that takes at most `columns` and `bytes`; not at a mark. */
static size_t tail_start(const char *s, size_t len, size_t total, size_t columns, size_t bytes,
			 size_t *used)
{
	size_t i = 0;

	for (*used = total; i < len;) {
		unsigned w;
		size_t n = next_char(s + i, len - i, &w);

		if (*used <= columns && len - i <= bytes && w)
			break;
		i += n;
		*used -= w;
	}
	return i;
}

size_t text_fit(char *out, size_t size, const char *s, size_t columns, int keep_end, int pad)
{
	size_t len = strlen(s), total = text_width(s), used = 0, n = 0, from = 0;

	if (!size)
		return 0;
	if (total <= columns && len < size) {
		memcpy(out, s, len);
		n = len;
		used = total;
	} else if (columns && size > strlen(ELLIPSIS)) {
		size_t room = size - 1 - strlen(ELLIPSIS);

		if (keep_end) {
			memcpy(out, ELLIPSIS, strlen(ELLIPSIS));
			n = strlen(ELLIPSIS);
			from = tail_start(s, len, total, columns - 1, room, &used);
			memcpy(out + n, s + from, len - from);
			n += len - from;
		} else {
			n = head_bytes(s, len, columns - 1, room, &used);
			memcpy(out, s, n);
			memcpy(out + n, ELLIPSIS, strlen(ELLIPSIS));
			n += strlen(ELLIPSIS);
		}
		used++;
	}
	for (; pad && used < columns && n + 1 < size; used++)
		out[n++] = ' ';
	out[n] = '\0';
	return n;
}

int text_copy(char *out, size_t size, const char *in)
{
	size_t len = strlen(in), n = len < size ? len : size - 1;

	if (!size)
		return -ENAMETOOLONG;
	memcpy(out, in, n);
	out[n] = '\0';
	return len < size ? 0 : -ENAMETOOLONG;
}
