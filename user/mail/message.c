// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "mail/message.h"

/* One header field's value is read up to here, unfolded. */
#define VALUE_MAX 4096

/* ---- text that grows up to a size and never ends inside a character ---- */

struct writer {
	char *out;
	size_t size, len; /* size: without the NUL */
	bool cut;
};

static void put(struct writer *w, const char *s, size_t n)
{
	if (w->cut || n > w->size - w->len) {
		w->cut = true;
		return;
	}
	memcpy(w->out + w->len, s, n);
	w->len += n;
}

static void put_unicode(struct writer *w, uint32_t c)
{
	char s[3];

	if (c < 0x80) {
		s[0] = (char)c;
		put(w, s, 1);
	} else if (c < 0x800) {
		s[0] = (char)(0xc0 | c >> 6);
		s[1] = (char)(0x80 | (c & 0x3f));
		put(w, s, 2);
	} else {
		s[0] = (char)(0xe0 | c >> 12);
		s[1] = (char)(0x80 | (c >> 6 & 0x3f));
		s[2] = (char)(0x80 | (c & 0x3f));
		put(w, s, 3);
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

static size_t finish(struct writer *w)
{
	if (w->cut)
		w->len = whole_characters(w->out, w->len);
	w->out[w->len] = '\0';
	return w->len;
}

/* ---- RFC 2047 ---- */

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
		put_unicode(w, 0xfffd);
	else if (charset == CHARSET_UTF8)
		put(w, &byte, 1);
	else if (charset == CHARSET_LATIN9)
		put_unicode(w, latin9(c));
	else if (charset == CHARSET_CP1252 && c >= 0x80 && c < 0xa0)
		put_unicode(w, cp1252[c - 0x80]);
	else
		put_unicode(w, c);
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
	return finish(&w);
}

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

static void copy_cut(char *out, size_t size, const char *s, size_t n)
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

			put(&bare, in + i, end - i);
			i = end;
		} else if (in[i] == '<') {
			const char *close = memchr(in + i, '>', len - i);
			size_t end = close ? (size_t)(close - in) : len;

			copy_cut(out, size, in + i + 1, end - i - 1);
			return;
		} else if (in[i] == ',' || in[i] == ';') {
			break;
		} else {
			if (!isspace((unsigned char)in[i]) && in[i])
				put(&bare, in + i, 1);
			i++;
		}
	}
	finish(&bare);
}

/* ---- header blocks ---- */

struct field {
	const char *name;
	size_t name_len;
	char value[VALUE_MAX];
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
		if (out->value_len && part && out->value_len < VALUE_MAX)
			out->value[out->value_len++] = ' ';
		if (part > VALUE_MAX - out->value_len)
			part = VALUE_MAX - out->value_len;
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
			copy_cut(out->message_id, sizeof(out->message_id), f.value, f.value_len);
		} else if (!*out->php_script && is_named(&f, "X-PHP-Originating-Script")) {
			copy_cut(out->php_script, sizeof(out->php_script), f.value, f.value_len);
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

/* ---- Received ---- */

/* A NUL-terminated Received value that is searched. Hostile: every number is checked. */
static int64_t number_after(const char *s, const char *before)
{
	const char *p = strstr(s, before);
	int64_t v = 0;
	size_t digits = 0;

	if (!p)
		return COUNT_UNKNOWN;
	for (p += strlen(before); *p >= '0' && *p <= '9'; p++, digits++) {
		if (digits == 10)
			return COUNT_UNKNOWN;
		v = v * 10 + (*p - '0');
	}
	return digits && v <= UINT32_MAX ? v : COUNT_UNKNOWN;
}

/* Copies what follows `before` up to one of `ends`. */
static bool word_after(const char *s, const char *before, const char *ends, char *out, size_t size)
{
	const char *p = strstr(s, before);

	if (!p)
		return false;
	p += strlen(before);
	copy_cut(out, size, p, strcspn(p, ends));
	return *out != '\0';
}

/* An IP address in [brackets], "IPv6:" and a port behind it dropped. */
static bool bracket_ip(const char *s, char *out, size_t size)
{
	for (const char *p = s; (p = strchr(p, '[')); p++) {
		const char *ip = strncasecmp(p + 1, "IPv6:", 5) == 0 ? p + 6 : p + 1;
		size_t n = strspn(ip, "0123456789abcdefABCDEF.:");

		if (n >= 2 && ip[n] == ']' && n < size) {
			copy_cut(out, size, ip, n);
			return true;
		}
	}
	return false;
}

/* The daemons of qmail: the last "(...)" before "by" is [user@]ip (qmail-smtpd.c, received.c:
 * safeput of remoteinfo and remoteip). */
static void qmail_client(const char *s, struct received *out)
{
	const char *by = strstr(s, " by "), *open = NULL, *close, *at;

	for (const char *p = s; (p = strchr(p, '(')) && (!by || p < by); p++)
		if (p[1] >= '0')
			open = p + 1;
	if (!open || !(close = strchr(open, ')')))
		return;
	at = memrchr(open, '@', (size_t)(close - open));
	if (at && strspn(at + 1, "0123456789abcdefABCDEF.:") == (size_t)(close - at - 1)) {
		copy_cut(out->auth_user, sizeof(out->auth_user), open, (size_t)(at - open));
		open = at + 1;
	}
	if (strspn(open, "0123456789abcdefABCDEF.:") == (size_t)(close - open))
		copy_cut(out->client_ip, sizeof(out->client_ip), open, (size_t)(close - open));
}

static void read_qmail(const char *s, struct received *out)
{
	out->pid = number_after(s, "(qmail ");
	if (strstr(s, " invoked by uid ")) {
		out->uid = number_after(s, " invoked by uid ");
		if (out->uid >= 0)
			out->kind = RECEIVED_LOCAL_UID;
	} else if (strstr(s, " invoked from network)")) {
		out->kind = RECEIVED_NETWORK;
	} else if (strstr(s, " invoked for bounce)")) {
		out->kind = RECEIVED_BOUNCE;
	} else if (strstr(s, " invoked by alias)")) {
		out->kind = RECEIVED_ALIAS;
	}
}

/* "(user@host)" of Sendmail's submission, and the id in its client queue. */
static void read_sendmail_local(const char *s, struct received *out)
{
	word_after(s, "(from ", "@) ", out->login, sizeof(out->login));
	if (*out->login)
		out->kind = RECEIVED_LOCAL_UID;
}

static bool has_auth_protocol(const char *s)
{
	static const char *const protocols[] = {" with ESMTPA ", " with ESMTPSA ",
						" with esmtpa ", " with esmtpsa ",
						" with esmtpa;", " with ESMTPSA;",
						" with ESMTPA;", " with LMTPA "};

	for (size_t i = 0; i < array_size(protocols); i++)
		if (strstr(s, protocols[i]))
			return true;
	return strstr(s, "(authenticated") != NULL;
}

static void read_smtp(const char *s, struct received *out)
{
	out->kind = RECEIVED_SMTP;
	if (!bracket_ip(s, out->client_ip, sizeof(out->client_ip)))
		qmail_client(s, out);
	if (!word_after(s, "(HELO ", ")", out->helo, sizeof(out->helo)) &&
	    !word_after(s, "helo=", ") ", out->helo, sizeof(out->helo)))
		word_after(s, "from ", " ;(", out->helo, sizeof(out->helo));
	/* Postfix smtpd_sasl_authenticated_header; the smtp-auth patches of qmail; Exim when its
	 * configuration says so. */
	if (!word_after(s, "(Authenticated sender: ", ")", out->auth_user,
			sizeof(out->auth_user)) &&
	    !word_after(s, "(smtp-auth username ", ",)", out->auth_user, sizeof(out->auth_user)))
		word_after(s, "auth=yes user=", " ;)", out->auth_user, sizeof(out->auth_user));
	if (*out->auth_user || has_auth_protocol(s))
		out->kind = RECEIVED_AUTH;
}

/* "from www-data by host with local": Exim's local submission, no address. Also local-esmtp and
 * local-bsmtp (-bs, -bS). */
static bool is_exim_local(const char *s)
{
	return strstr(s, " with local (Exim ") || strstr(s, " with local-") ||
	       strstr(s, " with local;");
}

int message_received(const char *line, size_t len, struct received *out)
{
	char s[VALUE_MAX];
	struct received r = {.kind = RECEIVED_OTHER, .uid = COUNT_UNKNOWN, .pid = COUNT_UNKNOWN};

	if (!len)
		return -EINVAL;
	copy_cut(s, sizeof(s), line, len);
	if (strncmp(s, "(qmail ", 7) == 0) {
		read_qmail(s, &r);
	} else if (strncmp(s, "(nullmailer pid ", 16) == 0) {
		r.pid = number_after(s, "(nullmailer pid ");
		r.uid = number_after(s, " invoked by uid ");
		if (r.uid >= 0)
			r.kind = RECEIVED_LOCAL_UID;
	} else if (strncmp(s, "(from ", 6) == 0) {
		read_sendmail_local(s, &r);
	} else if (strncmp(s, "from localhost (localhost) by ", 30) == 0) {
		r.kind = RECEIVED_BOUNCE; /* Sendmail's own messages */
	} else if (strncmp(s, "by ", 3) == 0 && strstr(s, "(Postfix, from userid ")) {
		r.uid = number_after(s, "(Postfix, from userid ");
		if (r.uid >= 0)
			r.kind = RECEIVED_LOCAL_UID;
	} else if (strncmp(s, "from ", 5) == 0 && is_exim_local(s)) {
		word_after(s, "from ", " ", r.login, sizeof(r.login));
		r.kind = RECEIVED_LOCAL_UID;
	} else if (strncmp(s, "from ", 5) == 0 && strstr(s, "(DragonFly Mail Agent")) {
		word_after(s, "from ", " ", r.login, sizeof(r.login));
		r.uid = number_after(s, " (uid ");
		if (r.uid >= 0)
			r.kind = RECEIVED_LOCAL_UID;
	} else if (strncmp(s, "from ", 5) == 0) {
		read_smtp(s, &r);
	}
	/* "invoked by uid 33" names no host */
	if (s[0] == '(' && s[1] != 'f')
		r.by[0] = '\0';
	else if (strncmp(s, "by ", 3) == 0)
		word_after(s, "by ", " ;", r.by, sizeof(r.by));
	else
		word_after(s, " by ", " ;", r.by, sizeof(r.by));
	word_after(s, " id ", " ;\t", r.id, sizeof(r.id));
	if (r.kind == RECEIVED_OTHER && !*r.by)
		return -EINVAL;
	*out = r;
	return 0;
}
