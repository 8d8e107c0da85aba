// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "mail/message.h"

#include "mail/message_text.h"

/* ---- addresses ---- */

/* Moves behind a comment; nested ones and quoted pairs are RFC 5322's. */
static size_t skip_comment(const char *s, size_t i, size_t n)
{
	unsigned depth = 0;

	for (; i < n; i++) {
		if (s[i] == '\\')
			i++;
		else if (s[i] == '(')
			depth++;
		else if (s[i] == ')' && --depth == 0)
			return i + 1;
	}
	return n;
}

static size_t skip_quoted(const char *s, size_t i, size_t n)
{
	for (i++; i < n; i++) {
		if (s[i] == '\\')
			i++;
		else if (s[i] == '"')
			return i + 1;
	}
	return n;
}

void message_address(char *out, size_t size, const char *in, size_t len)
{
	struct writer bare = {.out = out, .size = size - 1};

	if (!size)
		return;
	for (size_t i = 0; i < len;) {
		if (in[i] == '(') {
			i = skip_comment(in, i, len);
		} else if (in[i] == '"') {
			size_t end = skip_quoted(in, i, len);

			writer_put(&bare, in + i, end - i);
			i = end;
		} else if (in[i] == '<') {
			const char *close = memchr(in + i, '>', len - i);
			size_t end = close ? (size_t)(close - in) : len;

			message_copy_cut(out, size, in + i + 1, end - i - 1);
			return;
		} else if (in[i] == ',' || in[i] == ';') {
			break;
		} else {
			if (!isspace((unsigned char)in[i]) && in[i])
				writer_put(&bare, in + i, 1);
			i++;
		}
	}
	writer_finish(&bare);
}

/* ---- header blocks ---- */

struct field {
	const char *name;
	size_t name_len;
	char value[HEADER_VALUE_MAX];
	size_t value_len;
};

/* The field at *pos, unfolded; false at the empty line, the end, or what is no header. */
static bool next_field(const char *block, size_t len, size_t *pos, struct field *out)
{
	size_t i = *pos;
	const char *colon, *eol;
	size_t line_end;

	if (i >= len || block[i] == '\n' || block[i] == '\r')
		return false;
	eol = memchr(block + i, '\n', len - i);
	line_end = eol ? (size_t)(eol - block) : len;
	colon = memchr(block + i, ':', line_end - i);
	out->name = block + i;
	out->name_len = colon ? (size_t)(colon - block) - i : 0;
	while (out->name_len && isspace((unsigned char)out->name[out->name_len - 1]))
		out->name_len--;
	out->value_len = 0;
	i = colon ? (size_t)(colon - block) + 1 : line_end;
	for (;;) {
		size_t end = line_end, part;

		while (i < end && (block[i] == ' ' || block[i] == '\t'))
			i++;
		while (end > i && (block[end - 1] == '\r' || block[end - 1] == ' '))
			end--;
		part = end - i;
		if (out->value_len && part && out->value_len < HEADER_VALUE_MAX)
			out->value[out->value_len++] = ' ';
		if (part > HEADER_VALUE_MAX - out->value_len)
			part = HEADER_VALUE_MAX - out->value_len;
		memcpy(out->value + out->value_len, block + i, part);
		out->value_len += part;
		i = line_end + 1;
		if (i >= len || (block[i] != ' ' && block[i] != '\t'))
			break;
		eol = memchr(block + i, '\n', len - i);
		line_end = eol ? (size_t)(eol - block) : len;
	}
	*pos = i < len ? i : len;
	return true;
}

static bool is_named(const struct field *f, const char *name)
{
	return strlen(name) == f->name_len && strncasecmp(name, f->name, f->name_len) == 0;
}

void message_headers(const char *block, size_t len, struct message_facts *out)
{
	struct field f;
	size_t pos = 0;
	bool subject = false, from = false;

	while (next_field(block, len, &pos, &f)) {
		if (!subject && is_named(&f, "Subject")) {
			message_decode_2047(out->subject, sizeof(out->subject), f.value,
					    f.value_len);
			subject = true;
		} else if (!from && is_named(&f, "From")) {
			message_address(out->from, sizeof(out->from), f.value, f.value_len);
			from = true;
		} else if (!*out->message_id && is_named(&f, "Message-ID")) {
			message_copy_cut(out->message_id, sizeof(out->message_id), f.value,
					 f.value_len);
		} else if (!*out->php_script && is_named(&f, "X-PHP-Originating-Script")) {
			message_copy_cut(out->php_script, sizeof(out->php_script), f.value,
					 f.value_len);
		}
	}
}

void message_each_received(const char *block, size_t len,
			   void (*fn)(void *arg, const char *value, size_t value_len), void *arg)
{
	struct field f;
	size_t pos = 0;

	while (next_field(block, len, &pos, &f))
		if (is_named(&f, "Received"))
			fn(arg, f.value, f.value_len);
}
