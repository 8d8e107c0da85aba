// SPDX-License-Identifier: GPL-2.0-only
#include "trace/vhost_match.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "trace/vhost.h"

int vhost_path_clean(char *out, size_t size, const char *in, bool *dotdot)
{
	size_t n = 0;

	if (!in || in[0] != '/' || size < 2)
		return -EINVAL;
	while (*in) {
		size_t len = strcspn(in, "/");

		if (len == 2 && in[0] == '.' && in[1] == '.') {
			if (dotdot)
				*dotdot = true;
			while (n > 0 && out[--n] != '/')
				;
		} else if (len > 1 || (len == 1 && in[0] != '.')) {
			if (n + len + 2 > size)
				return -ENAMETOOLONG;
			out[n++] = '/';
			memcpy(out + n, in, len);
			n += len;
		}
		in += len;
		in += strspn(in, "/");
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = '\0';
	return 0;
}

bool vhost_path_inside(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (n == 1)
		return true;
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

int vhost_host_clean(char *out, size_t size, const char *in)
{
	size_t n = 0;
	const char *p;

	if (!in)
		return -EINVAL;
	if (*in == '[') {
		const char *end = strchr(in, ']');

		n = end ? (size_t)(end - in) + 1 : 0;
	} else {
		n = strcspn(in, ":");
	}
	p = in + n;
	if (*p == ':')
		p += 1 + strspn(p + 1, "0123456789");
	while (n > 0 && in[n - 1] == '.')
		n--;
	if (*p || n == 0 || n + 1 > size)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)in[i]) && !strchr(".-_:[]", in[i]))
			return -EINVAL;
	for (size_t i = 0; i < n; i++)
		out[i] = (char)tolower((unsigned char)in[i]);
	out[n] = '\0';
	return 0;
}

/* "*" and "?" as in ap_strcasecmp_match(); iterative, so that no pattern makes it slow. */
static bool glob_fits(const char *pat, const char *s)
{
	const char *star = NULL, *back = s;

	while (*s) {
		if (*pat == '*') {
			star = ++pat;
			back = s;
		} else if (*pat == '?' ||
			   tolower((unsigned char)*pat) == tolower((unsigned char)*s)) {
			pat++;
			s++;
		} else if (star) {
			pat = star;
			s = ++back;
		} else {
			return false;
		}
	}
	return pat[strspn(pat, "*")] == '\0';
}

enum vhost_fit vhost_name_fits(const char *pattern, const char *host)
{
	size_t n = strlen(host), m = strlen(pattern);

	if (m == 0 || *pattern == '~')
		return VHOST_FIT_NONE;
	if (*pattern == '.') {
		if (strcasecmp(pattern + 1, host) == 0)
			return VHOST_FIT_EXACT;
		return n > m && strcasecmp(host + n - m, pattern) == 0 ? VHOST_FIT_HEAD_WILD
								       : VHOST_FIT_NONE;
	}
	if (!strpbrk(pattern, "*?"))
		return strcasecmp(pattern, host) == 0 ? VHOST_FIT_EXACT : VHOST_FIT_NONE;
	if (!glob_fits(pattern, host))
		return VHOST_FIT_NONE;
	return pattern[m - 1] == '*' && *pattern != '*' ? VHOST_FIT_TAIL_WILD : VHOST_FIT_HEAD_WILD;
}

struct piece {
	const char *at;
	size_t len;
};

/*
 * Part `n` of `whole` split at `sep` ('\0': single bytes): 0 all, 1 first, -1 last, `plus`: and all
 * after (or, for a negative number, before) it. Past the end it is "_", as mod_vhost_alias has it.
 */
static struct piece part_of(struct piece whole, char sep, int n, bool plus)
{
	static const struct piece missing = {"_", 1};
	struct piece part[128] = {{0}};
	size_t count = 0, start = 0, want;

	if (n == 0)
		return whole;
	for (size_t i = 0; i <= whole.len && count < 128; i++) {
		if (sep ? i == whole.len || whole.at[i] == sep : i > 0) {
			part[count++] = (struct piece){whole.at + start, i - start};
			start = sep ? i + 1 : i;
		}
	}
	want = (size_t)(n < 0 ? -n : n);
	if (want > count)
		return missing;
	if (n > 0) {
		struct piece p = part[want - 1];

		if (plus)
			p.len = (size_t)(whole.at + whole.len - p.at);
		return p;
	}
	if (plus) {
		struct piece p = part[count - want];

		return (struct piece){whole.at, (size_t)(p.at + p.len - whole.at)};
	}
	return part[count - want];
}

/* "-2+" at *p; false when there is no number. */
static bool read_number(const char **p, int *n, bool *plus)
{
	const char *s = *p;
	bool minus = *s == '-';

	s += minus;
	if (!isdigit((unsigned char)*s))
		return false;
	*n = minus ? -(*s - '0') : *s - '0';
	s++;
	*plus = *s == '+';
	s += *plus;
	*p = s;
	return true;
}

int vhost_interpolate(char *out, size_t size, const char *pattern, const char *host, uint16_t port,
		      bool *whole)
{
	size_t n = 0;

	while (*pattern) {
		struct piece p = {pattern, 1};
		char digits[8];

		if (*pattern++ == '%') {
			int num = 0;
			bool plus = false;

			if (*pattern == '%') {
				pattern++;
			} else if (*pattern == 'p') {
				p.at = digits;
				p.len = (size_t)snprintf(digits, sizeof(digits), "%u", port);
				pattern++;
			} else if (read_number(&pattern, &num, &plus)) {
				p = part_of((struct piece){host, strlen(host)}, '.', num, plus);
				if (*pattern == '.' && pattern[1] &&
				    strchr("-0123456789", pattern[1])) {
					pattern++;
					if (!read_number(&pattern, &num, &plus))
						return -EINVAL;
					p = part_of(p, '\0', num, plus);
				}
				if (p.at == host && p.len == strlen(host) && whole)
					*whole = true;
			} else {
				return -EINVAL;
			}
		}
		if (!p.at || n + p.len + 1 > size)
			return -ENAMETOOLONG;
		memcpy(out + n, p.at, p.len);
		n += p.len;
	}
	if (size == 0)
		return -ENAMETOOLONG;
	out[n] = '\0';
	return 0;
}

/* The shortest match of each star, tried from the left: what follows a star in a layout is a "/" or
 * the end. */
static const char *pattern_at(const char *path, const char *pattern, struct piece *first)
{
	const char *end;

	for (; *pattern && *pattern != '*'; pattern++, path++)
		if (*pattern != *path)
			return NULL;
	if (!*pattern)
		return *path == '\0' || *path == '/' ? path : NULL;
	pattern++;
	for (end = path; *end && *end != '/';) {
		struct piece inner = {NULL, 0};
		const char *rest;

		end++;
		if (strchr("/", *pattern) && *end && *end != '/')
			continue;
		rest = pattern_at(end, pattern, &inner);
		if (rest) {
			*first = (struct piece){path, (size_t)(end - path)};
			return rest;
		}
	}
	return NULL;
}

int vhost_pattern_inside(const char *path, const char *pattern, char *taken, size_t size)
{
	struct piece first = {"", 0};

	if (!pattern_at(path, pattern, &first))
		return -ENOENT;
	if (!taken)
		return 0;
	if (first.len + 1 > size)
		return -ENAMETOOLONG;
	memcpy(taken, first.at, first.len);
	taken[first.len] = '\0';
	return 0;
}

bool vhost_is_domain(const char *s)
{
	const char *dot = strrchr(s, '.');
	size_t label = 0;

	if (!dot || dot == s || strlen(dot + 1) < 2 || strlen(s) >= VHOST_NAME_SIZE)
		return false;
	for (const char *p = dot + 1; *p; p++)
		if (!isalpha((unsigned char)*p) && strncasecmp(dot + 1, "xn--", 4) != 0)
			return false;
	for (const char *p = s; *p; p++) {
		if (*p == '.' ? label == 0 : !isalnum((unsigned char)*p) && *p != '-' && *p != '_')
			return false;
		label = *p == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	return true;
}

/*
 * Where panels put a domain's scripts; "*" is the domain, unless `how` says that the second star
 * is. Plesk: docs.plesk.com "Virtual Host Structure" (Linux); DirectAdmin: docs.directadmin.com
 * "Directory layout"; ISPConfig: /var/www/DOMAIN is a link to clients/clientN/webN; Virtualmin:
 * sub-servers live in ~/domains/DOMAIN. cPanel's public_html names a user, not a domain: its
 * userdata files are read instead.
 */
static const struct layout {
	const char *pattern;
	enum vhost_panel panel;
	enum { STAR_IS_DOMAIN, SUB_DOT_DOMAIN, LAST_STAR_IS_DOMAIN, BOTH_ARE_DOMAINS } how;
} layouts[] = {
	{"/var/www/vhosts/*/subdomains/*/httpdocs", VHOST_PLESK, SUB_DOT_DOMAIN},
	{"/var/www/vhosts/*/subdomains/*/httpsdocs", VHOST_PLESK, SUB_DOT_DOMAIN},
	{"/var/www/vhosts/*/httpdocs", VHOST_PLESK, STAR_IS_DOMAIN},
	{"/var/www/vhosts/*/httpsdocs", VHOST_PLESK, STAR_IS_DOMAIN},
	{"/var/www/vhosts/*/cgi-bin", VHOST_PLESK, STAR_IS_DOMAIN},
	{"/var/www/vhosts/*/*", VHOST_PLESK, BOTH_ARE_DOMAINS},
	{"/home/*/domains/*/public_html", VHOST_DIRECTADMIN, LAST_STAR_IS_DOMAIN},
	{"/home/*/domains/*/private_html", VHOST_DIRECTADMIN, LAST_STAR_IS_DOMAIN},
	{"/var/www/*/web", VHOST_ISPCONFIG, STAR_IS_DOMAIN},
	{"/home/*/domains/*/public_html", VHOST_VIRTUALMIN, LAST_STAR_IS_DOMAIN},
};

/* Text of star number two: the pattern up to it is matched again with the first star's text in
 * place. */
static int second_star(const char *path, const char *pattern, const char *first, char *out,
		       size_t size)
{
	const char *star = strchr(pattern, '*');
	char filled[VHOST_PATH_SIZE];
	int n = snprintf(filled, sizeof(filled), "%.*s%s%s", (int)(star - pattern), pattern, first,
			 star + 1);

	if (n < 0 || (size_t)n >= sizeof(filled))
		return -ENAMETOOLONG;
	return vhost_pattern_inside(path, filled, out, size);
}

static int layout_fits(const struct layout *l, const char *path, char *out, size_t size)
{
	char first[VHOST_NAME_SIZE], second[VHOST_NAME_SIZE];
	int n;

	if (vhost_pattern_inside(path, l->pattern, first, sizeof(first)) || strchr(first, '*'))
		return -ENOENT;
	if (l->how == STAR_IS_DOMAIN) {
		n = snprintf(out, size, "%s", first);
	} else {
		if (second_star(path, l->pattern, first, second, sizeof(second)) ||
		    (l->how == BOTH_ARE_DOMAINS && !vhost_is_domain(first)))
			return -ENOENT;
		n = l->how == SUB_DOT_DOMAIN ? snprintf(out, size, "%s.%s", second, first)
					     : snprintf(out, size, "%s", second);
	}
	return n > 0 && (size_t)n < size && vhost_is_domain(out) ? 0 : -ENOENT;
}

int vhost_layout_domain(uint32_t panels, const char *path, char *out, size_t size)
{
	char name[VHOST_NAME_SIZE];

	for (size_t i = 0; i < array_size(layouts); i++) {
		if (!(panels & 1U << layouts[i].panel) ||
		    layout_fits(&layouts[i], path, name, sizeof(name)))
			continue;
		if (strlen(name) + 1 > size)
			return -ENOENT;
		for (size_t k = 0; name[k]; k++)
			out[k] = (char)tolower((unsigned char)name[k]);
		out[strlen(name)] = '\0';
		return 0;
	}
	return -ENOENT;
}
