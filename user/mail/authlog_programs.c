// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each program writes about authenticated mail. The forms, with their source:
 *   Plesk smtp_auth      lines of Plesk 8 to 12 servers, as administrators published them
 *   plesk_saslauthd      the same; the misspelling "authenticatication" is the older versions' own
 *   vpopmail vchkpw      vchkpw.c's syslog calls
 *   Postfix              smtpd.c smtpd_sasl_auth_cmd_wrapper(), mail_open_stream(); qmgr_active.c
 *   Sendmail             srvrsmtp.c "AUTH=server", "AUTH failure"; envelope logging in collect.c /
 * logsender() Exim                 receive.c's "<=" line, smtp_in.c's "authenticator failed"
 *   Dovecot              login-common/client-common.c
 */
#include "mail/authlog_internal.h"

#include <stdio.h>

/* The text between the last "[" and the "]" after it. */
static struct span bracketed(struct span s)
{
	struct span in = span_after(s, span_rchr(s, '[') + 1);

	return span_head(in, span_chr(in, ']'));
}

static struct span trim(struct span s)
{
	while (s.n && s.p[0] == ' ')
		s = span_after(s, 1);
	while (s.n && s.p[s.n - 1] == ' ')
		s.n--;
	return s;
}

static void set_id(struct auth_event *e, struct span id)
{
	if (id.n >= sizeof(e->id))
		return;
	memcpy(e->id, id.p, id.n);
	e->id[id.n] = '\0';
}

/* A queue id is letters and digits (Postfix short and long, Sendmail); its length, or 0. */
static size_t queue_id(struct span s)
{
	size_t n = 0;

	while (n < s.n && n < 31 &&
	       ((s.p[n] >= '0' && s.p[n] <= '9') || ((s.p[n] | 32) >= 'a' && (s.p[n] | 32) <= 'z')))
		n++;
	return n >= 4 && n + 2 < s.n && s.p[n] == ':' && s.p[n + 1] == ' ' ? n : 0;
}

/*
 * "SMTP user NAME : logged in from HOST [IP]"
 * "SMTP user NAME : /var/qmail/mailnames/DOMAIN/BOX logged in from HOST [IP]": NAME may lack its
 * domain, the path has it
 */
static void plesk_login(struct span s, struct auth_event *e)
{
	static const char mailnames[] = "/var/qmail/mailnames/";
	size_t from = span_rfind(s, "logged in from ");
	struct span head = span_head(s, from), user, path, domain;
	char full[2 * sizeof(e->user)];
	size_t at;
	int n;

	if (from == s.n)
		return;
	at = span_find(head, " : ");
	user = trim(span_head(head, at));
	path = trim(span_after(head, at + 3));
	e->kind = AUTH_LOGIN;
	auth_set_client(e, bracketed(span_after(s, from)));
	auth_set_user(e, user);
	if (span_chr(user, '@') < user.n || !span_starts(path, mailnames))
		return;
	domain = span_after(path, sizeof(mailnames) - 1);
	domain = span_head(domain, span_chr(domain, '/'));
	n = snprintf(full, sizeof(full), "%s@%.*s", e->user, (int)(domain.n & 0xff), domain.p);
	if (domain.n && domain.n < 256 && n > 0 && (size_t)n < sizeof(full))
		auth_set_user(e, (struct span){full, (size_t)n});
}

static void plesk_smtp_auth(struct span s, struct auth_event *e)
{
	size_t at;

	e->source = AUTH_PLESK;
	if (span_starts(s, "smtp_auth: "))
		s = span_after(s, 11);
	if (span_starts(s, "SMTP user ")) {
		plesk_login(span_after(s, 10), e);
	} else if (span_starts(s, "FAILED: ")) {
		s = span_after(s, 8);
		e->kind = AUTH_FAILED;
		at = span_rfind(s, " - ");
		auth_set_user(e, trim(span_head(s, at)));
		auth_set_client(e, bracketed(span_after(s, at)));
	}
}

static void plesk_saslauthd(struct span s, struct auth_event *e)
{
	size_t at;

	if (!span_starts(s, "failed mail authentic"))
		return;
	at = span_find(s, "attempt for user '");
	if (at == s.n)
		return;
	s = span_after(s, at + 18);
	e->source = AUTH_PLESK;
	e->kind = AUTH_FAILED;
	auth_set_user(e, span_head(s, span_rchr(s, '\'')));
}

/*
 * "vchkpw-smtp: (PLAIN) login success USER:IP", "vchkpw-submission: password fail (pass: 'x')
 * USER:IP", "... vpopmail user not found USER:IP". The password, which some versions log, is
 * stepped over: USER is the last word.
 */
static void vpopmail(struct span s, struct auth_event *e)
{
	size_t colon, space;

	if (!span_starts(s, "vchkpw-smtp") && !span_starts(s, "vchkpw-submission"))
		return;
	s = span_after(s, span_find(s, ": ") + 2);
	colon = span_find(s, "login success");
	if (colon < s.n)
		e->kind = AUTH_LOGIN;
	else if (span_find(s, "fail") < s.n || span_find(s, "not found") < s.n ||
		 span_starts(s, "null password"))
		e->kind = AUTH_FAILED;
	else
		return;
	e->source = AUTH_VPOPMAIL;
	space = span_rchr(s, ' ');
	if (space < s.n)
		s = span_after(s, space + 1);
	/* an IPv6 address has colons too: the name ends at the first one after its @ */
	space = span_chr(s, '@');
	colon = space < s.n ? space + span_chr(span_after(s, space), ':') : span_rchr(s, ':');
	auth_set_user(e, span_head(s, colon));
	auth_set_client(e, span_after(s, colon + 1));
}

/* "QID: client=NAME[IP](:port), sasl_method=M, sasl_username=USER(, sasl_sender=S)(, orig_...)" */
static void postfix_client(struct span s, size_t id_len, struct auth_event *e)
{
	static const char *const after[] = {", sasl_sender=", ", orig_queue_id=", ", orig_client="};
	struct span id = span_head(s, id_len), client, user;
	size_t at = span_find(s, ", sasl_username=");

	if (at == s.n)
		return;
	client = span_head(span_after(s, id_len + 9), at - id_len - 9);
	client = span_head(client, span_chr(client, ']'));
	user = span_after(s, at + 16);
	for (size_t i = 0; i < sizeof(after) / sizeof(*after); i++)
		user = span_head(user, span_find(user, after[i]));
	e->kind = AUTH_MESSAGE;
	auth_set_user(e, user);
	auth_set_client(e, span_after(client, span_rchr(client, '[') + 1));
	/* before-queue filters: the message has no id yet */
	if (!span_is(id, "NOQUEUE"))
		set_id(e, id);
}

/* "warning: NAME[IP]: SASL LOGIN authentication failed: REASON(, sasl_username=USER)" */
static void postfix_failure(struct span s, struct auth_event *e)
{
	size_t sasl = span_find(s, ": SASL "), at;

	if (sasl == s.n || span_find(s, " authentication failed") == s.n)
		return;
	e->kind = AUTH_FAILED;
	auth_set_client(e, bracketed(span_head(s, sasl)));
	at = span_rfind(s, ", sasl_username=");
	if (at < s.n)
		auth_set_user(e, span_after(s, at + 16));
}

static void postfix_smtpd(struct span s, struct auth_event *e)
{
	size_t id;

	e->source = AUTH_POSTFIX;
	if (span_starts(s, "warning: ")) {
		postfix_failure(span_after(s, 9), e);
		return;
	}
	id = queue_id(s);
	if (id && span_starts(span_after(s, id), ": client="))
		postfix_client(s, id, e);
}

/* "QID: from=<S>, size=N, nrcpt=N (queue active)": after cleanup expanded the recipients */
static void postfix_qmgr(struct span s, struct auth_event *e)
{
	size_t id = queue_id(s), at;

	if (!id || !span_starts(span_after(s, id), ": from=<"))
		return;
	at = span_rfind(s, ", nrcpt=");
	if (at == s.n)
		return;
	e->source = AUTH_POSTFIX;
	e->kind = AUTH_SUBMITTED;
	set_id(e, span_head(s, id));
	e->recipients = span_number(span_after(s, at + 8));
}

/* The address in "relay=NAME [IP]", "relay=[IP]", "relay=[IPv6:...] (may be forged)". */
static void sendmail_relay(struct span s, struct auth_event *e)
{
	size_t at = span_rfind(s, "relay=");

	if (at < s.n)
		auth_set_client(e, bracketed(span_after(s, at)));
}

/* ", proto=ESMTPA" of a session with a login (RFC 3848), after all that the client chose. */
static bool sendmail_authenticated(struct span s)
{
	size_t at = span_rfind(s, ", proto=");
	struct span proto;

	if (at == s.n)
		return false;
	proto = span_after(s, at + 8);
	return span_starts(proto, "ESMTPA,") || span_starts(proto, "ESMTPSA,");
}

static void sendmail(struct span s, struct auth_event *e)
{
	size_t id = queue_id(s), at;
	struct span rest;

	if (id) {
		set_id(e, span_head(s, id));
		s = span_after(s, id + 2);
	}
	e->source = AUTH_SENDMAIL;
	if (span_starts(s, "AUTH=server, relay=")) {
		at = span_find(s, ", authid=");
		if (at == s.n)
			return;
		e->kind = AUTH_LOGIN;
		auth_set_client(e, bracketed(span_head(s, at)));
		rest = span_after(s, at + 9);
		auth_set_user(e, span_head(rest, span_rfind(rest, ", mech=")));
	} else if (span_starts(s, "AUTH failure (")) {
		e->kind = AUTH_FAILED;
		sendmail_relay(s, e);
		at = span_rfind(s, ", user=");
		if (at == s.n)
			return;
		rest = span_after(s, at + 7);
		auth_set_user(e, span_head(rest, span_rfind(rest, ", relay=")));
	} else if (id && span_starts(s, "from=")) {
		e->kind = AUTH_SUBMITTED;
		sendmail_relay(s, e);
		at = span_find(s, ", nrcpts=");
		e->recipients = at < s.n ? span_number(span_after(s, at + 9)) : -1;
		e->authenticated = sendmail_authenticated(s);
	}
}

/* "submission-login: Login: user=<U>, method=M, rip=IP, lip=IP, ..."; failures "(auth failed, N
 * attempts in S secs): user=<U>, ..." */
static void dovecot(struct span s, struct auth_event *e)
{
	size_t user = span_find(s, "user=<"), rip = span_rfind(s, ", rip="), tries, end;
	struct span rest;

	if (user == s.n || rip == s.n || rip < user)
		return;
	tries = span_find(span_head(s, user), "auth failed");
	if (span_starts(s, "Login: ") || span_starts(s, "Logged in: "))
		e->kind = AUTH_LOGIN;
	else if (tries < user)
		e->kind = AUTH_FAILED;
	else
		return;
	e->source = AUTH_DOVECOT;
	if (e->kind == AUTH_FAILED && span_starts(span_after(s, tries), "auth failed, ")) {
		int64_t n = span_number(span_after(s, tries + 13));

		e->attempts = n > 0 && n < 1000 ? (uint32_t)n : 1;
	}
	rest = span_head(span_after(s, user + 6), rip - user - 6);
	end = span_rfind(rest, ">, method=");
	auth_set_user(e, span_head(rest, end < rest.n ? end : span_rchr(rest, '>')));
	rest = span_after(s, rip + 6);
	auth_set_client(e, span_head(rest, span_chr(rest, ',')));
}

/* A field of Exim's line: up to a space; a quoted part keeps its spaces. */
static struct span exim_field(struct span *s)
{
	bool quoted = false;
	struct span field;
	size_t n = 0;

	while (s->n && s->p[0] == ' ')
		*s = span_after(*s, 1);
	for (; n < s->n && (quoted || s->p[n] != ' '); n++) {
		if (s->p[n] == '\\' && quoted && n + 1 < s->n)
			n++;
		else if (s->p[n] == '"')
			quoted = !quoted;
	}
	field = span_head(*s, n);
	*s = span_after(*s, n);
	return field;
}

/* "plain:USER", "dovecot_login:USER", with +smtp_mailauth "plain:USER:SENDER@DOMAIN" */
static void exim_user(struct span s, struct auth_event *e)
{
	size_t at = span_chr(s, ':'), sender;

	if (at == s.n)
		return;
	s = span_after(s, at + 1);
	sender = span_rchr(s, ':');
	if (sender < s.n && span_chr(span_after(s, sender), '@') < s.n - sender)
		s = span_head(s, sender);
	e->kind = AUTH_MESSAGE;
	auth_set_user(e, s);
}

/*
 * "ID <= SENDER H=NAME (HELO) [IP]:PORT I=[IP]:PORT P=esmtpa X=... A=AUTH:USER S=N id=... T="..."
 * for RCPT RCPT". The client chooses SENDER and HELO, so A= counts only after P=, and the address
 * is the last one in brackets before " P=" that is not I='s.
 */
static void exim_arrival(struct span s, struct auth_event *e)
{
	struct span field, client = span_head(s, 0), head;
	bool protocol = false, host = false, past = false;

	field = exim_field(&s); /* the sender */
	while (s.n) {
		field = exim_field(&s);
		if (!protocol && span_starts(field, "H="))
			host = true;
		if (!protocol && host && (span_starts(field, "[") || span_starts(field, "H=[")))
			client = field;
		if (!protocol && span_starts(field, "P="))
			protocol = true;
		else if (protocol && !past && span_starts(field, "A="))
			exim_user(span_after(field, 2), e);
		/* what follows the size is the message's own: its id, its subject */
		past |= protocol && (span_starts(field, "S=") || span_starts(field, "id="));
		if (past && span_is(field, "for"))
			break;
	}
	if (e->kind != AUTH_MESSAGE)
		return;
	head = span_after(client, span_chr(client, '[') + 1);
	auth_set_client(e, span_head(head, span_chr(head, ']')));
	if (span_is(field, "for"))
		for (e->recipients = 0; s.n;)
			e->recipients += exim_field(&s).n != 0;
}

/* "NAME authenticator failed for HOST (HELO) [IP]:PORT I=[IP]:PORT: 535 Incorrect authentication
 * data (set_id=USER)" */
static void exim_failure(struct span s, struct auth_event *e)
{
	size_t code = span_find(s, ": 535 "), at;
	struct span head;

	/* 435: the server itself could not check; not the client's failure */
	if (code == s.n)
		return;
	e->kind = AUTH_FAILED;
	head = span_head(s, code);
	head = span_head(head, span_rfind(head, " I=["));
	auth_set_client(e, bracketed(head));
	at = span_rfind(s, "(set_id=");
	if (at == s.n || at < code)
		return;
	head = span_after(s, at + 8);
	auth_set_user(e, span_head(head, span_rchr(head, ')')));
}

void authlog_exim(struct span s, struct auth_event *e)
{
	size_t at;

	e->source = AUTH_EXIM;
	if (s.n && s.p[0] == '[' && span_number(span_after(s, 1)) >= 0) /* +pid */
		s = span_after(s, span_find(s, "] ") + 2);
	/* ids are 16 or 23 characters (4.97) of letters, digits and "-" */
	at = span_chr(span_head(s, 32), ' ');
	if (at == 16 || at == 23) {
		if (!span_starts(span_after(s, at), " <= "))
			return;
		set_id(e, span_head(s, at));
		exim_arrival(span_after(s, at + 4), e);
		return;
	}
	at = span_find(span_head(s, 120), " authenticator failed for ");
	if (at < s.n && at < 120)
		exim_failure(span_after(s, at + 26), e);
}

void authlog_program(struct span tag, bool postfix, struct span body, struct auth_event *e)
{
	struct auth_clock none = {0};
	int64_t time;
	size_t used;

	if (postfix) {
		if (span_is(tag, "smtpd"))
			postfix_smtpd(body, e);
		else if (span_is(tag, "qmgr"))
			postfix_qmgr(body, e);
	} else if (span_is(tag, "smtp_auth")) {
		plesk_smtp_auth(body, e);
	} else if (span_is(tag, "plesk_saslauthd")) {
		plesk_saslauthd(body, e);
	} else if (span_is(tag, "vpopmail")) {
		vpopmail(body, e);
	} else if (span_starts(tag, "vchkpw-")) {
		/* tag and text are one string there */
		vpopmail((struct span){tag.p, (size_t)(body.p + body.n - tag.p)}, e);
	} else if (span_is(tag, "sendmail") || span_is(tag, "sm-mta") ||
		   span_is(tag, "sendmail-mta")) {
		sendmail(body, e);
	} else if (span_is(tag, "exim") || span_is(tag, "exim4")) {
		/* syslog_timestamp: Exim's own stamp may stand before the text */
		if (body.n && body.p[0] == '[' && span_find(span_head(body, 16), "] ") < 16)
			body = span_after(body, span_find(body, "] ") + 2);
		if (authlog_stamp(body.p, body.n, &none, &time, &used))
			body = span_after(body, used);
		authlog_exim(body, e);
	} else if (span_is(tag, "submission-login")) {
		dovecot(body, e);
	} else if (span_is(tag, "dovecot") && span_starts(body, "submission-login: ")) {
		dovecot(span_after(body, 18), e);
	}
}
