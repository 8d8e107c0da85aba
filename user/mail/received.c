// SPDX-License-Identifier: GPL-2.0-only
/* Received lines, as each MTA writes them. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "mail/message.h"
#include "mail/message_text.h"

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
	message_copy_cut(out, size, p, strcspn(p, ends));
	return *out != '\0';
}

/* An IP address in [brackets], "IPv6:" and a port behind it dropped. */
static bool bracket_ip(const char *s, char *out, size_t size)
{
	for (const char *p = s; (p = strchr(p, '[')); p++) {
		const char *ip = strncasecmp(p + 1, "IPv6:", 5) == 0 ? p + 6 : p + 1;
		size_t n = strspn(ip, "0123456789abcdefABCDEF.:");

		if (n >= 2 && ip[n] == ']' && n < size) {
			message_copy_cut(out, size, ip, n);
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
		message_copy_cut(out->auth_user, sizeof(out->auth_user), open, (size_t)(at - open));
		open = at + 1;
	}
	if (strspn(open, "0123456789abcdefABCDEF.:") == (size_t)(close - open))
		message_copy_cut(out->client_ip, sizeof(out->client_ip), open,
				 (size_t)(close - open));
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
	char s[HEADER_VALUE_MAX];
	struct received r = {.kind = RECEIVED_OTHER, .uid = COUNT_UNKNOWN, .pid = COUNT_UNKNOWN};

	if (!len)
		return -EINVAL;
	message_copy_cut(s, sizeof(s), line, len);
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
