// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes a log line apart: time stamp, host, program, pid, text. Forms: classic syslog, RFC 3339
 * (rsyslog's file format), RFC 5424, all with or without <PRI>, and Exim's own log. What programs
 * write stands in authlog_programs.c.
 */
#include "mail/authlog_internal.h"

#include <arpa/inet.h>
#include <time.h>

#define DAY 86400

void auth_clock_init(struct auth_clock *clock, int64_t reference)
{
	time_t t = (time_t)reference;
	struct tm tm = {0};

	localtime_r(&t, &tm);
	*clock = (struct auth_clock){
		.reference = reference, .year = tm.tm_year + 1900, .hour_key = -1};
}

const char *auth_source_name(enum auth_source source)
{
	static const char *const names[] = {
		[AUTH_SOURCE_NONE] = "none", [AUTH_PLESK] = "plesk", [AUTH_VPOPMAIL] = "vpopmail",
		[AUTH_POSTFIX] = "postfix",  [AUTH_EXIM] = "exim",   [AUTH_SENDMAIL] = "sendmail",
		[AUTH_DOVECOT] = "dovecot",
	};

	return names[source];
}

size_t span_rfind(struct span s, const char *text)
{
	size_t n = strlen(text);

	for (size_t i = s.n; i >= n && n > 0; i--)
		if (s.p[i - n] == *text && memcmp(s.p + i - n, text, n) == 0)
			return i - n;
	return s.n;
}

int64_t span_number(struct span s)
{
	int64_t v = 0;
	size_t i = 0;

	for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
		if (i >= 10)
			return -1;
		v = v * 10 + (s.p[i] - '0');
	}
	return i ? v : -1;
}

void auth_set_user(struct auth_event *e, struct span user)
{
	size_t n = user.n < sizeof(e->user) ? user.n : sizeof(e->user) - 1;

	e->cut = n < user.n;
	memcpy(e->user, user.p, n);
	e->user[n] = '\0';
	/* a NUL in a name would make two names one */
	for (size_t i = 0; i < n; i++)
		if (!e->user[i])
			e->user[i] = '\x01';
}

void auth_set_client(struct auth_event *e, struct span address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char text[INET6_ADDRSTRLEN];
	size_t zone;

	if (span_starts(address, "IPv6:"))
		address = span_after(address, 5);
	zone = span_chr(address, '%');
	address = span_head(address, zone);
	if (!address.n || address.n >= sizeof(text))
		return;
	memcpy(text, address.p, address.n);
	text[address.n] = '\0';
	if (inet_pton(AF_INET, text, e->client + 12) == 1) {
		memcpy(e->client, mapped, sizeof(mapped));
		e->has_client = true;
	} else {
		e->has_client = inet_pton(AF_INET6, text, e->client) == 1;
	}
}

/* Two digits (or a space and one) at p, or -1. */
static int two(const char *p)
{
	int tens = p[0] == ' ' ? 0 : p[0] - '0';
	int ones = p[1] - '0';

	return tens < 0 || tens > 9 || ones < 0 || ones > 9 ? -1 : tens * 10 + ones;
}

static bool clock_text(const char *p, int *h, int *m, int *s)
{
	*h = two(p);
	*m = two(p + 3);
	*s = two(p + 6);
	return p[2] == ':' && p[5] == ':' && *h >= 0 && *h < 24 && *m >= 0 && *m < 60 && *s >= 0 &&
	       *s <= 60;
}

/* Days since 1970 of a civil date (proleptic Gregorian; Howard Hinnant's formula). */
static int64_t days(int64_t y, int m, int d)
{
	int64_t era, doe;
	int yoe, doy;

	y -= m <= 2;
	era = y / 400;
	yoe = (int)(y - era * 400);
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	doe = (int64_t)yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + doe - 719468;
}

static bool leap(int y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static bool date_valid(int y, int m, int d)
{
	static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return y >= 1970 && m >= 1 && m <= 12 && d >= 1 &&
	       d <= length[m - 1] + (m == 2 && leap(y) ? 1 : 0);
}

/* Local time to seconds since 1970. mktime() is slow: one call for each hour that occurs, not for
 * each line. */
static int64_t local_time(struct auth_clock *clock, int y, int m, int d, int h)
{
	int64_t key = (((int64_t)y * 16 + m) * 32 + d) * 32 + h;
	struct tm tm = {.tm_year = y - 1900, .tm_mon = m - 1, .tm_mday = d, .tm_hour = h};

	if (key != clock->hour_key) {
		tm.tm_isdst = -1;
		clock->hour_time = (int64_t)mktime(&tm);
		clock->hour_key = key;
	}
	return clock->hour_time;
}

static int month_number(const char *p)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++)
		if (memcmp(p, names + 3 * i, 3) == 0)
			return i + 1;
	return 0;
}

static bool syslog_stamp(const char *p, struct auth_clock *clock, int64_t *time)
{
	int mon = month_number(p), day = two(p + 4), h, m, s;

	if (!mon || p[3] != ' ' || p[6] != ' ' || !clock_text(p + 7, &h, &m, &s))
		return false;
	/* nine years reach every 29 February */
	for (int y = clock->year + 1; y >= clock->year - 8 && y >= 1970; y--) {
		if (!date_valid(y, mon, day))
			continue;
		/* a year too many is told without asking for the zone */
		if (days(y, mon, day) * DAY > clock->reference + 3 * DAY)
			continue;
		*time = local_time(clock, y, mon, day, h) + m * 60 + s;
		if (*time <= clock->reference + DAY)
			return true;
	}
	return false;
}

/* "Z", "+01:00", "+0100": seconds east, and how long it was; 0 bytes: none. */
static size_t zone_text(struct span s, int64_t *east)
{
	size_t colon = s.n >= 6 && s.p[3] == ':';
	int h, m;

	if (s.n && (s.p[0] == 'Z' || s.p[0] == 'z')) {
		*east = 0;
		return 1;
	}
	if (s.n < 5 || (s.p[0] != '+' && s.p[0] != '-'))
		return 0;
	h = two(s.p + 1);
	m = two(s.p + 3 + colon);
	if (h < 0 || m < 0 || h > 14 || m > 59 || s.p[1] == ' ' || s.p[3 + colon] == ' ')
		return 0;
	*east = (h * 3600 + m * 60) * (s.p[0] == '-' ? -1 : 1);
	return 5 + colon;
}

/* "2026-11-21T18:55:23.123456+01:00", "2026-11-21 18:55:23[.123] [+0100]" */
static bool iso_stamp(struct span s, struct auth_clock *clock, int64_t *time, size_t *used)
{
	int century = two(s.p), y = two(s.p + 2), mon = two(s.p + 5), day = two(s.p + 8), h, m, sec;
	int64_t east = 0;
	size_t at = 19, zone;

	if (century < 0 || y < 0 || s.p[4] != '-' || s.p[7] != '-' ||
	    (s.p[10] != 'T' && s.p[10] != ' ') || !clock_text(s.p + 11, &h, &m, &sec))
		return false;
	y += century * 100;
	if (!date_valid(y, mon, day))
		return false;
	if (at < s.n && (s.p[at] == '.' || s.p[at] == ','))
		for (at++; at < s.n && s.p[at] >= '0' && s.p[at] <= '9';)
			at++;
	zone = zone_text(span_after(s, at), &east);
	if (!zone && at + 1 < s.n && s.p[at] == ' ' && (s.p[at + 1] == '+' || s.p[at + 1] == '-')) {
		zone = zone_text(span_after(s, at + 1), &east);
		zone += zone != 0;
	}
	if (zone)
		*time = days(y, mon, day) * DAY + h * 3600 + m * 60 + sec - east;
	else
		*time = local_time(clock, y, mon, day, h) + m * 60 + sec;
	*used = at + zone;
	return true;
}

bool authlog_stamp(const char *text, size_t len, struct auth_clock *clock, int64_t *time,
		   size_t *used)
{
	struct span s = {text, len};
	int64_t t = 0;
	size_t n = 15;

	if (len < 15)
		return false;
	if (text[0] >= '0' && text[0] <= '9') {
		if (len < 19 || !iso_stamp(s, clock, &t, &n))
			return false;
	} else if (!syslog_stamp(text, clock, &t)) {
		return false;
	}
	while (n < len && text[n] == ' ')
		n++;
	*time = t;
	*used = n;
	return true;
}

/* A word up to a space; moves past it and the spaces after it. */
static struct span word(struct span *s)
{
	size_t n = span_chr(*s, ' ');
	struct span w = span_head(*s, n);

	*s = span_after(*s, n);
	while (s->n && s->p[0] == ' ')
		*s = span_after(*s, 1);
	return w;
}

static uint64_t fnv(struct span s)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3ULL;
	return h;
}

/* "postfix/submission/smtpd[123]: text": the base name, the pid, and the text after the colon. */
static bool take_tag(struct span *s, struct span *tag, uint32_t *pid)
{
	size_t n = 0, slash;
	int64_t v;

	while (n < s->n && n < 80 && s->p[n] != ':' && s->p[n] != '[' && s->p[n] != ' ')
		n++;
	*tag = span_head(*s, n);
	*s = span_after(*s, n);
	if (s->n && s->p[0] == '[') {
		v = span_number(span_after(*s, 1));
		*pid = v > 0 && v < UINT32_MAX ? (uint32_t)v : 0;
		*s = span_after(*s, span_chr(*s, ']') + 1);
	}
	if (!s->n || s->p[0] != ':')
		return false;
	*s = span_after(*s, s->n > 1 && s->p[1] == ' ' ? 2 : 1);
	slash = span_rchr(*tag, '/');
	if (slash < tag->n)
		*tag = span_after(*tag, slash + 1);
	return tag->n > 0;
}

/* RFC 5424 after the stamp: HOST APP PROCID MSGID SD MSG */
static void parse_5424(struct span s, struct auth_event *e)
{
	struct span tag, pid;
	bool postfix;
	int64_t v;
	size_t slash;

	e->host = fnv(word(&s));
	tag = word(&s);
	pid = word(&s);
	word(&s);
	if (s.n && s.p[0] == '[')
		s = span_after(s, span_find(s, "] ") + 1);
	else
		word(&s);
	while (s.n && s.p[0] == ' ')
		s = span_after(s, 1);
	v = span_number(pid);
	e->pid = v > 0 && v < UINT32_MAX ? (uint32_t)v : 0;
	postfix = span_starts(tag, "postfix");
	slash = span_rchr(tag, '/');
	authlog_program(slash < tag.n ? span_after(tag, slash + 1) : tag, postfix, s, e);
}

/*
 * Lines as programs hand them to /dev/log have no host: the tag follows the stamp at once, and ends
 * in a colon. So may an IPv6 host, but in two.
 */
static bool lacks_host(struct span s)
{
	struct span w = span_head(s, span_chr(s, ' '));

	return w.n > 1 && w.p[w.n - 1] == ':' && w.p[w.n - 2] != ':';
}

static void parse_syslog(struct span s, struct auth_event *e)
{
	struct span tag;
	bool postfix;

	if (!lacks_host(s))
		e->host = fnv(word(&s));
	postfix = span_starts(s, "postfix");
	if (take_tag(&s, &tag, &e->pid))
		authlog_program(tag, postfix, s, e);
}

void authlog_parse(const char *line, size_t len, struct auth_clock *clock, struct auth_event *out)
{
	struct span s = {line, len};
	bool rfc5424 = false;
	size_t used, close;

	/* the strings are only ever read up to their NUL: no need to clear all of them for each
	 * line */
	memset(out, 0, offsetof(struct auth_event, user));
	out->user[0] = out->id[0] = '\0';
	out->has_client = out->cut = false;
	out->pid = 0;
	out->host = 0;
	out->attempts = 1;
	out->recipients = -1;
	while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
		s.n--;
	if (s.n > 4 && s.p[0] == '<') {
		close = span_chr(span_head(s, 6), '>');
		s = span_after(s, close + 1);
		rfc5424 = s.n > 2 && s.p[0] == '1' && s.p[1] == ' ';
		if (rfc5424)
			s = span_after(s, 2);
	}
	if (!authlog_stamp(s.p, s.n, clock, &out->time, &used))
		return;
	/* Exim's own log has a space where RFC 3339 has a T, and no host */
	if (s.p[0] <= '9' && s.p[10] == ' ') {
		authlog_exim(span_after(s, used), out);
		return;
	}
	s = span_after(s, used);
	if (rfc5424)
		parse_5424(s, out);
	else
		parse_syslog(s, out);
}
