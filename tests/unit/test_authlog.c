// SPDX-License-Identifier: GPL-2.0-only
/* Log lines in, events and counts out. All times are UTC; the reference is 2026-11-21 20:00:00. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "mail/authcount.h"
#include "mail/authlog.h"
#include "mail/logfiles.h"
#include "mail/loglines.h"

#define REFERENCE 1795291200LL /* 2026-11-21 20:00:00 UTC */
#define T_185523  1795287323LL /* 2026-11-21 18:55:23 UTC */

static struct auth_event parse(const char *line, size_t len)
{
	struct auth_clock clock;
	struct auth_event e;

	memset(&e, 0xa5, sizeof(e));
	auth_clock_init(&clock, REFERENCE);
	authlog_parse(line, len, &clock, &e);
	return e;
}

static const char *client(const struct auth_event *e)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static char out[INET6_ADDRSTRLEN];

	if (!e->has_client)
		return "";
	if (memcmp(e->client, mapped, 12) == 0)
		inet_ntop(AF_INET, e->client + 12, out, sizeof(out));
	else
		inet_ntop(AF_INET6, e->client, out, sizeof(out));
	return out;
}

static const struct line_case {
	const char *line;
	enum auth_kind kind;
	enum auth_source source;
	const char *user, *client, *id;
	int64_t recipients;
	uint32_t attempts;
} lines[] = {
	/* Plesk */
	{"Nov 21 18:55:23 srv smtp_auth: SMTP connect from unknown@ [1.2.3.4]", AUTH_NONE,
	 AUTH_PLESK, "", "", "", -1, 1},
	{"Nov 21 18:55:23 srv smtp_auth: SMTP user test@dom.example : logged in from h.example "
	 "[1.2.3.4]",
	 AUTH_LOGIN, AUTH_PLESK, "test@dom.example", "1.2.3.4", "", -1, 1},
	{"Nov 21 18:55:23 srv smtp_auth: smtp_auth: SMTP user joe : "
	 "/var/qmail/mailnames/dom.example/joe "
	 "logged in from unknown@ [1.2.3.4]",
	 AUTH_LOGIN, AUTH_PLESK, "joe@dom.example", "1.2.3.4", "", -1, 1},
	{"Nov 21 18:55:23 srv smtp_auth[7]: SMTP user joe@dom.example : "
	 "/var/qmail/mailnames/dom.example/joe "
	 "logged in from (null)@(null) [1.2.3.4]",
	 AUTH_LOGIN, AUTH_PLESK, "joe@dom.example", "1.2.3.4", "", -1, 1},
	{"Nov 21 18:55:23 srv /var/qmail/bin/smtp_auth[7]: SMTP user a : logged in from b "
	 "[2001:db8::1]",
	 AUTH_LOGIN, AUTH_PLESK, "a", "2001:db8::1", "", -1, 1},
	{"Nov 21 18:55:23 srv smtp_auth: smtp_auth: FAILED: joe - password incorrect  from "
	 "unknown@ [1.2.3.4]",
	 AUTH_FAILED, AUTH_PLESK, "joe", "1.2.3.4", "", -1, 1},
	{"Nov 21 18:55:23 srv plesk_saslauthd[44]: failed mail authenticatication attempt for user "
	 "'m@x.example' (password len=6)",
	 AUTH_FAILED, AUTH_PLESK, "m@x.example", "", "", -1, 1},
	{"Nov 21 18:55:23 srv plesk_saslauthd[44]: No such user 'm@x.example' in mail "
	 "authorization database",
	 AUTH_NONE, AUTH_SOURCE_NONE, "", "", "", -1, 1},
	/* vpopmail */
	{"Nov 21 18:55:23 srv vpopmail[9]: vchkpw-smtp: (PLAIN) login success "
	 "joe@d.example:1.2.3.4",
	 AUTH_LOGIN, AUTH_VPOPMAIL, "joe@d.example", "1.2.3.4", "", -1, 1},
	{"Nov 21 18:55:23 srv vpopmail[9]: vchkpw-smtp: password fail (pass: 'a: login b') "
	 "j@d.example:1.2.3.4",
	 AUTH_FAILED, AUTH_VPOPMAIL, "j@d.example", "1.2.3.4", "", -1, 1},
	{"Nov 21 18:55:23 srv vchkpw-submission: vpopmail user not found j@d.example:2001:db8::1",
	 AUTH_FAILED, AUTH_VPOPMAIL, "j@d.example", "2001:db8::1", "", -1, 1},
	{"Nov 21 18:55:23 srv vpopmail[9]: vchkpw-pop3: (PLAIN) login success "
	 "joe@d.example:1.2.3.4",
	 AUTH_NONE, AUTH_SOURCE_NONE, "", "", "", -1, 1},
	/* Postfix */
	{"Nov 21 18:55:23 srv postfix/smtpd[32574]: C69A2A7E015: client=localhost[127.0.0.1], "
	 "sasl_method=LOGIN, sasl_username=vhostuser@postfix.example.test",
	 AUTH_MESSAGE, AUTH_POSTFIX, "vhostuser@postfix.example.test", "127.0.0.1", "C69A2A7E015",
	 -1, 1},
	{"Nov 21 18:55:23 srv postfix/submission/smtpd[1]: 4ZBJ2k3s1Vz1x: "
	 "client=h[2001:db8::7]:4000, "
	 "sasl_method=PLAIN, sasl_username=a b, c, sasl_sender=x@y, orig_client=z[9.9.9.9]",
	 AUTH_MESSAGE, AUTH_POSTFIX, "a b, c", "2001:db8::7", "4ZBJ2k3s1Vz1x", -1, 1},
	{"Nov 21 18:55:23 srv postfix/smtpd[1]: NOQUEUE: client=h[1.2.3.4], sasl_method=PLAIN, "
	 "sasl_username=u",
	 AUTH_MESSAGE, AUTH_POSTFIX, "u", "1.2.3.4", "", -1, 1},
	{"Nov 21 18:55:12 srv postfix/smtpd[1]: C990EA7E955: client=localhost[127.0.0.1]",
	 AUTH_NONE, AUTH_POSTFIX, "", "", "", -1, 1},
	{"Nov 21 18:55:12 srv postfix/smtpd[1]: NOQUEUE: reject: RCPT from h[1.2.3.4]: 554 <x>; "
	 "from=<C990EA7E955: client=h[1.1.1.1], sasl_username=boss> to=<y>",
	 AUTH_NONE, AUTH_POSTFIX, "", "", "", -1, 1},
	{"Nov 21 18:55:23 srv postfix/smtpd[1]: warning: unknown[74.201.28.248]: SASL LOGIN "
	 "authentication "
	 "failed: authentication failure",
	 AUTH_FAILED, AUTH_POSTFIX, "", "74.201.28.248", "", -1, 1},
	{"Nov 21 18:55:23 srv postfix/smtpd[1]: warning: unknown[74.201.28.248]: SASL PLAIN "
	 "authentication "
	 "failed: (reason unavailable), sasl_username=sales@x.example",
	 AUTH_FAILED, AUTH_POSTFIX, "sales@x.example", "74.201.28.248", "", -1, 1},
	{"Nov 21 18:55:23 srv postfix/qmgr[1]: C69A2A7E015: from=<r, nrcpt=9@x>, size=402, nrcpt=3 "
	 "(queue active)",
	 AUTH_SUBMITTED, AUTH_POSTFIX, "", "", "C69A2A7E015", 3, 1},
	{"Nov 21 18:55:23 srv postfix/qmgr[1]: C69A2A7E015: removed", AUTH_NONE, AUTH_SOURCE_NONE,
	 "", "", "", -1, 1},
	/* Exim */
	{"2026-11-21 18:55:23 [28028] 1xUqII-0007I4-21 <= r@e.test H=(c.test) [127.0.0.1] P=esmtpa "
	 "A=plain:vhostuser S=214 for x@relay.test y@relay.test",
	 AUTH_MESSAGE, AUTH_EXIM, "vhostuser", "127.0.0.1", "1xUqII-0007I4-21", 2, 1},
	{"2026-11-21 18:55:23.123 1xUqII-000000007I4-21Ab <= r@e.test H=h.example ([10.0.0.7]) "
	 "[1.2.3.4]:5000 "
	 "I=[5.6.7.8]:587 P=esmtpsa X=TLS1.3:X:256 CV=no SNI=\"a A=plain:boss\" "
	 "A=dovecot_login:u@d.example "
	 "S=9 id=A=plain:boss T=\"for you A=plain:boss\" for x@y.example",
	 AUTH_MESSAGE, AUTH_EXIM, "u@d.example", "1.2.3.4", "1xUqII-000000007I4-21Ab", 1, 1},
	{"2026-11-21 18:55:23 1xUqII-0007I4-21 <= \"x P=esmtpa A=plain:boss\"@e.test H=(c) "
	 "[1.2.3.4] P=esmtp "
	 "S=214 T=\"A=plain:boss\"",
	 AUTH_NONE, AUTH_EXIM, "", "", "1xUqII-0007I4-21", -1, 1},
	{"2026-11-21 19:55:23 +0100 1xUqII-0007I4-21 <= a@b.c H=h [1.2.3.4] P=esmtpsa "
	 "A=login:u@d:s@t.example S=1",
	 AUTH_MESSAGE, AUTH_EXIM, "u@d", "1.2.3.4", "1xUqII-0007I4-21", -1, 1},
	{"Nov 21 18:55:23 srv exim[5]: 1xUqII-0007I4-21 <= a@b.c H=h [1.2.3.4] P=esmtpsa A=login:u "
	 "S=1",
	 AUTH_MESSAGE, AUTH_EXIM, "u", "1.2.3.4", "1xUqII-0007I4-21", -1, 1},
	{"2026-11-21 18:55:23 1xUqII-0007I4-21 <= a@b.c H=h [1.2.3.4] P=esmtp S=9 id=x "
	 "A=plain:boss y@z",
	 AUTH_NONE, AUTH_EXIM, "", "", "1xUqII-0007I4-21", -1, 1},
	{"2026-11-21 18:55:23 1xUqII-0007I4-21 <= www-data@e.test U=www-data P=local S=400 for "
	 "n@e.test",
	 AUTH_NONE, AUTH_EXIM, "", "", "1xUqII-0007I4-21", -1, 1},
	{"2026-11-21 18:55:23 dovecot_login authenticator failed for h.example ([192.168.0.14]) "
	 "[85.170.90.200]:4444 I=[5.6.7.8]:25: 535 Incorrect authentication data "
	 "(set_id=d@m.example)",
	 AUTH_FAILED, AUTH_EXIM, "d@m.example", "85.170.90.200", "", -1, 1},
	{"2026-11-21 18:55:23 login authenticator failed for H=([58.1.1.1]) [58.252.212.231]: 535 "
	 "Incorrect "
	 "authentication data",
	 AUTH_FAILED, AUTH_EXIM, "", "58.252.212.231", "", -1, 1},
	{"2026-11-21 18:55:23 plain authenticator failed for h [1.2.3.4]: 435 Unable to "
	 "authenticate at present "
	 "(set_id=d): x",
	 AUTH_NONE, AUTH_EXIM, "", "", "", -1, 1},
	/* Sendmail */
	{"Nov 21 18:55:23 srv sm-mta[29813]: AUTH=server, relay=h.example [1.2.3.4], authid=augie, "
	 "mech=PLAIN, "
	 "bits=0",
	 AUTH_LOGIN, AUTH_SENDMAIL, "augie", "1.2.3.4", "", -1, 1},
	{"Nov 21 18:55:23 srv sendmail[29813]: 6ALIxnvF028821: AUTH=server, "
	 "relay=[IPv6:2001:db8::1], "
	 "authid=a, mech=x, mech=LOGIN, bits=0",
	 AUTH_LOGIN, AUTH_SENDMAIL, "a, mech=x", "2001:db8::1", "6ALIxnvF028821", -1, 1},
	{"Nov 21 18:55:23 srv sm-mta[29813]: 6ALIxnvF028821: from=<\"x, relay=h [9.9.9.9]\"@b>, "
	 "size=3, class=0, "
	 "nrcpts=4, msgid=<a@b>, proto=ESMTP, daemon=MTA, relay=h.example [1.2.3.4]",
	 AUTH_SUBMITTED, AUTH_SENDMAIL, "", "1.2.3.4", "6ALIxnvF028821", 4, 1},
	{"Nov 21 18:55:23 srv sm-mta[3]: 6ALIxnvF028821: AUTH failure (LOGIN): authentication "
	 "failure (-13) "
	 "SASL(-13): x, user=joe, relay=[1.2.3.4]",
	 AUTH_FAILED, AUTH_SENDMAIL, "joe", "1.2.3.4", "6ALIxnvF028821", -1, 1},
	/* Dovecot */
	{"Nov 21 18:55:23 srv dovecot: submission-login: Login: user=<joe@d.example>, "
	 "method=PLAIN, rip=1.2.3.4, "
	 "lip=5.6.7.8, mpid=7, TLS, session=<abc>",
	 AUTH_LOGIN, AUTH_DOVECOT, "joe@d.example", "1.2.3.4", "", -1, 1},
	{"Nov 21 18:55:23 srv dovecot[42]: submission-login: Disconnected (auth failed, 3 attempts "
	 "in 9 secs): "
	 "user=<z@y.example>, method=PLAIN, rip=8.8.8.8, lip=5.6.7.8",
	 AUTH_FAILED, AUTH_DOVECOT, "z@y.example", "8.8.8.8", "", -1, 3},
	{"Nov 21 18:55:23 srv dovecot: imap-login: Login: user=<joe>, method=PLAIN, rip=1.2.3.4, "
	 "lip=5.6.7.8",
	 AUTH_NONE, AUTH_SOURCE_NONE, "", "", "", -1, 1},
	/* other transports of the same lines */
	{"<22>Nov 21 18:55:23 srv postfix/smtpd[1]: C69A2A7E015: client=h[1.2.3.4], sasl_method=L, "
	 "sasl_username=u",
	 AUTH_MESSAGE, AUTH_POSTFIX, "u", "1.2.3.4", "C69A2A7E015", -1, 1},
	/* as Postfix 3.7.11 wrote it to /dev/log: no host */
	{"<22>Nov 21 18:55:23 postfix/smtpd[32574]: C69A2A7E015: client=localhost[127.0.0.1], "
	 "sasl_method=LOGIN, "
	 "sasl_username=vhostuser@postfix.example.test",
	 AUTH_MESSAGE, AUTH_POSTFIX, "vhostuser@postfix.example.test", "127.0.0.1", "C69A2A7E015",
	 -1, 1},
	{"Nov 21 18:55:23 smtp_auth: SMTP user u@d : logged in from h [1.2.3.4]", AUTH_LOGIN,
	 AUTH_PLESK, "u@d", "1.2.3.4", "", -1, 1},
	{"Nov 21 18:55:23 2001:db8:: smtp_auth: SMTP user u@d : logged in from h [1.2.3.4]",
	 AUTH_LOGIN, AUTH_PLESK, "u@d", "1.2.3.4", "", -1, 1},
	{"<22>1 2026-11-21T18:55:23.5Z srv postfix/smtpd 17 - - C69A2A7E015: client=h[1.2.3.4], "
	 "sasl_method=L, "
	 "sasl_username=u",
	 AUTH_MESSAGE, AUTH_POSTFIX, "u", "1.2.3.4", "C69A2A7E015", -1, 1},
	{"2026-11-21T18:55:23.123456+00:00 srv postfix/smtpd[1]: C69A2A7E015: client=h[1.2.3.4], "
	 "sasl_method=L, "
	 "sasl_username=u\r",
	 AUTH_MESSAGE, AUTH_POSTFIX, "u", "1.2.3.4", "C69A2A7E015", -1, 1},
};

static void lines_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(lines); i++) {
		const struct line_case *c = &lines[i];
		struct auth_event e = parse(c->line, strlen(c->line));

		if (e.kind != c->kind)
			print_message("%s\n", c->line);
		assert_int_equal(e.kind, c->kind);
		if (e.kind == AUTH_NONE)
			continue;
		assert_int_equal(e.source, c->source);
		assert_string_equal(e.user, c->user);
		assert_string_equal(client(&e), c->client);
		assert_string_equal(e.id, c->id);
		assert_int_equal(e.recipients, c->recipients);
		assert_int_equal(e.attempts, c->attempts);
		assert_int_equal(e.time, T_185523);
	}
}

/* Sendmail's own word for a session with a login, and one that the sender chose. */
static void sendmail_says_authenticated(void **state)
{
	static const struct {
		const char *sender, *proto;
		bool authenticated;
	} cases[] = {
		{"<a@b>", "ESMTPA", true},
		{"<a@b>", "ESMTPSA", true},
		{"<a@b>", "ESMTP", false},
		{"<a@b>", "ESMTPAS", false},
		{"<\", proto=ESMTPA, \"@b>", "ESMTP", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct auth_event e;
		char line[512];
		int n = snprintf(line, sizeof(line),
				 "Nov 21 18:55:23 s sendmail[4703]: 6AM1ou0P004703: from=%s, "
				 "size=93, class=0, nrcpts=1, msgid=<1@s>, proto=%s, daemon=MTA, "
				 "relay=localhost [127.0.0.1]",
				 cases[i].sender, cases[i].proto);

		e = parse(line, (size_t)n);
		assert_int_equal(e.kind, AUTH_SUBMITTED);
		assert_int_equal(e.pid, 4703);
		assert_int_equal(e.authenticated, cases[i].authenticated);
	}
}

static void stamps_become_times(void **state)
{
	static const struct {
		const char *text;
		int64_t time; /* 0: refused */
	} cases[] = {
		{"Nov 21 18:55:23 x", T_185523},
		{"Nov  1 00:00:00 x", 1793491200},
		{"Nov 22 19:00:00 x", 1795374000}, /* less than a day ahead: this year */
		{"Nov 23 19:00:00 x", 1763924400}, /* else last year */
		{"Feb 29 12:00:00 x", 1709208000}, /* 2024 was the last leap year */
		{"Feb 30 12:00:00 x", 0},
		{"Nov 21 24:00:00 x", 0},
		{"nov 21 18:55:23 x", 0},
		{"2026-11-21T18:55:23Z", T_185523},
		{"2026-11-21T20:25:23.5+01:30", T_185523},
		{"2026-11-21 13:55:23 -0500 x", T_185523},
		{"2026-13-21T18:55:23Z", 0},
		{"2026-11-21", 0},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct auth_clock clock;
		int64_t t = 0;
		size_t used;

		auth_clock_init(&clock, REFERENCE);
		assert_int_equal(authlog_stamp(cases[i].text, strlen(cases[i].text), &clock, &t,
					       &used),
				 cases[i].time != 0);
		assert_int_equal(t, cases[i].time);
	}
}

/* Every line cut at every length, and with every byte damaged, is read without touching what is not
 * the line's. */
static void damaged_lines_do_no_harm(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(lines); i++) {
		size_t n = strlen(lines[i].line);

		for (size_t len = 0; len <= n; len++) {
			_free_ char *copy = malloc(
				len ? len : 1); /* exact: a sanitizer sees one byte too far */

			memcpy(copy, lines[i].line, len);
			parse(copy, len);
			for (size_t at = 0; at < len && len == n; at++) {
				static const char bytes[] = {'\0', '[', ']', ':', ' ', '"', '\xff'};

				for (size_t b = 0; b < sizeof(bytes); b++) {
					char kept = copy[at];

					copy[at] = bytes[b];
					parse(copy, len);
					copy[at] = kept;
				}
			}
		}
	}
}

static void a_long_name_is_cut_and_marked(void **state)
{
	char line[2000];
	struct auth_event e;
	int n = snprintf(line, sizeof(line),
			 "Nov 21 18:55:23 s postfix/smtpd[1]: C69A2A7E015: client=h[1.2.3.4], "
			 "sasl_method=L, "
			 "sasl_username=%0600d",
			 0);

	(void)state;
	e = parse(line, (size_t)n);
	assert_int_equal(e.kind, AUTH_MESSAGE);
	assert_true(e.cut);
	assert_int_equal(strlen(e.user), sizeof(e.user) - 1);
}

static void add(struct authcount *c, const char *line)
{
	struct auth_event e = parse(line, strlen(line));

	authcount_add(c, &e);
}

static const struct auth_user *user(struct authcount *c, const char *name)
{
	size_t n;
	const struct auth_user *const *users = authcount_users(c, &n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(users[i]->name, name) == 0)
			return users[i];
	return NULL;
}

static void messages_are_counted_and_joined(void **state)
{
	__attribute__((cleanup(authcount_freep))) struct authcount *c = NULL;
	const struct auth_user *u;

	(void)state;
	assert_int_equal(authcount_new(NULL, &c), 0);
	add(c, "Nov 21 18:55:20 s postfix/smtpd[1]: AAAAAAAA: client=h[1.2.3.4], sasl_method=L, "
	       "sasl_username=u");
	add(c, "Nov 21 18:55:20 s postfix/qmgr[2]: AAAAAAAA: from=<x>, size=4, nrcpt=50 (queue "
	       "active)");
	/* retried: the same message; another host's, an unknown one: not this user's */
	add(c, "Nov 21 18:59:20 s postfix/qmgr[2]: AAAAAAAA: from=<x>, size=4, nrcpt=50 (queue "
	       "active)");
	add(c, "Nov 21 18:55:21 s postfix/smtpd[1]: BBBBBBBB: client=h[1.2.9.9], sasl_method=L, "
	       "sasl_username=u");
	add(c, "Nov 21 18:55:21 t postfix/qmgr[2]: BBBBBBBB: from=<x>, size=4, nrcpt=7 (queue "
	       "active)");
	add(c, "Nov 21 18:55:21 s postfix/qmgr[2]: CCCCCCCC: from=<x>, size=4, nrcpt=7 (queue "
	       "active)");
	u = user(c, "u");
	assert_non_null(u);
	assert_int_equal(u->messages, 2);
	assert_int_equal(u->recipients, 50);
	assert_int_equal(u->addresses, 2);
	assert_int_equal(u->networks, 1);
	assert_int_equal(u->last - u->first, 1);

	/* Sendmail: messages of a session belong to who logged in there, for as long as it can be
	 * the same session */
	add(c, "Nov 21 10:00:00 s sm-mta[77]: AUTH=server, relay=h [1.2.3.4], authid=joe, "
	       "mech=PLAIN, bits=0");
	add(c, "Nov 21 10:00:01 s sm-mta[77]: 6ALIxnvF028821: from=<a>, size=1, class=0, nrcpts=2, "
	       "relay=h [1.2.3.4]");
	add(c, "Nov 21 10:00:02 s sm-mta[77]: 6ALIxnvF028822: from=<a>, size=1, class=0, nrcpts=3, "
	       "relay=h [1.2.3.4]");
	add(c, "Nov 21 10:00:03 s sm-mta[77]: 6ALIxnvF028823: from=<a>, size=1, class=0, nrcpts=3, "
	       "relay=h [9.9.9.9]");
	add(c, "Nov 21 14:00:00 s sm-mta[77]: 6ALIxnvF028824: from=<a>, size=1, class=0, nrcpts=3, "
	       "relay=h [1.2.3.4]");
	u = user(c, "joe");
	assert_non_null(u);
	assert_int_equal(u->logins, 1);
	assert_int_equal(u->messages, 2);
	assert_int_equal(u->recipients, 5);
}

static void stolen_accounts_are_marked(void **state)
{
	__attribute__((cleanup(authcount_freep))) struct authcount *c = NULL;
	char line[256];

	(void)state;
	assert_int_equal(authcount_new(NULL, &c), 0);
	for (int i = 0; i < AUTH_NETWORKS_HOUR; i++) {
		/* many networks in one hour; as many, but an hour apart each; many addresses of one
		 * network */
		snprintf(line, sizeof(line),
			 "Nov 21 18:%02d:00 s smtp_auth: SMTP user many : logged in from h "
			 "[10.%d.0.1]",
			 i, i);
		add(c, line);
		snprintf(line, sizeof(line),
			 "Nov 21 1%d:00:00 s smtp_auth: SMTP user slow : logged in from h "
			 "[10.%d.0.1]",
			 i, i);
		add(c, line);
		snprintf(line, sizeof(line),
			 "Nov 21 18:00:00 s smtp_auth: SMTP user home : logged in from h "
			 "[10.0.%d.1]",
			 i);
		add(c, line);
	}
	for (int i = 0; i < AUTH_BURST; i++) {
		add(c,
		    "Nov 21 18:00:30 s smtp_auth: SMTP user burst : logged in from h [10.0.0.1]");
		snprintf(line, sizeof(line),
			 "Nov 21 18:%02d:00 s smtp_auth: SMTP user even : logged in from h "
			 "[10.0.0.1]",
			 i);
		add(c, line);
	}
	for (int i = 0; i < AUTH_GUESSES; i++) {
		add(c, "Nov 21 18:00:30 s smtp_auth: smtp_auth: FAILED: weak - password incorrect "
		       "from h [10.0.0.1]");
		add(c, "Nov 21 18:00:30 s smtp_auth: smtp_auth: FAILED: firm - password incorrect "
		       "from h [10.0.0.2]");
	}
	add(c, "Nov 21 18:00:31 s smtp_auth: SMTP user weak : logged in from h [10.0.0.1]");
	add(c, "Nov 21 18:00:31 s smtp_auth: SMTP user firm : logged in from h [10.0.0.1]");
	assert_int_equal(user(c, "many")->signs, AUTH_SIGN_NETWORKS);
	assert_int_equal(user(c, "many")->peak_networks, AUTH_NETWORKS_HOUR);
	assert_int_equal(user(c, "slow")->signs, 0);
	assert_int_equal(user(c, "home")->signs, 0);
	assert_int_equal(user(c, "home")->addresses, AUTH_NETWORKS_HOUR);
	assert_int_equal(user(c, "burst")->signs, AUTH_SIGN_BURST);
	assert_int_equal(user(c, "even")->signs, 0);
	assert_int_equal(user(c, "weak")->signs, AUTH_SIGN_GUESSED);
	assert_int_equal(user(c, "weak")->failures, AUTH_GUESSES);
	assert_int_equal(user(c, "firm")->signs, 0);
}

static void full_tables_are_counted(void **state)
{
	static const struct auth_limits limits = {.users = 100, .addresses = 300};
	__attribute__((cleanup(authcount_freep))) struct authcount *c = NULL;
	char line[256];
	size_t n;

	(void)state;
	assert_int_equal(authcount_new(&limits, &c), 0);
	for (int i = 0; i < 500; i++) {
		snprintf(line, sizeof(line),
			 "Nov 21 18:00:00 s smtp_auth: SMTP user u%d : logged in from h [10.0.0.1]",
			 i % 120);
		add(c, line);
		snprintf(
			line, sizeof(line),
			"Nov 21 18:00:00 s smtp_auth: SMTP user u0 : logged in from h [10.1.%d.%d]",
			i / 250, i % 250);
		add(c, line);
	}
	authcount_users(c, &n);
	assert_int_equal(n, 100);
	assert_int_equal(authcount_lost(c)->users, 80); /* 20 users, 4 lines each */
	assert_true(authcount_lost(c)->addresses > 0);
	assert_int_equal(user(c, "u0")->logins, 505);
}

static void addresses_are_ordered(void **state)
{
	__attribute__((cleanup(authcount_freep))) struct authcount *c = NULL;
	struct auth_address a[3];

	(void)state;
	assert_int_equal(authcount_new(NULL, &c), 0);
	for (int i = 0; i < 10; i++) {
		char line[256];

		for (int k = 0; k <= i; k++) {
			snprintf(line, sizeof(line),
				 "Nov 21 18:00:00 s smtp_auth: SMTP user u : logged in from h "
				 "[10.0.0.%d]",
				 i);
			add(c, line);
		}
	}
	assert_int_equal(authcount_addresses(c, user(c, "u"), a, 3), 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(a[i].uses, 10 - i);
		assert_int_equal(a[i].client[15], 9 - i);
	}
}

static struct loglines *lines_of(const void *data, size_t len, bool gz)
{
	char path[] = "/tmp/test_authlogXXXXXX";
	struct loglines *l = NULL;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	if (gz) {
		gzFile g = gzdopen(dup(fd), "wb");

		assert_int_equal(gzwrite(g, data, (unsigned)len), len);
		gzclose(g);
	} else {
		assert_int_equal(write(fd, data, len), len);
	}
	lseek(fd, 0, SEEK_SET);
	unlink(path);
	assert_int_equal(loglines_open(fd, &l), 0);
	return l;
}

static void lines_are_bounded(void **state)
{
	const size_t big = 1 << 20;
	_free_ char *text = malloc(big + 64);

	(void)state;
	memset(text, 'x', big);
	memcpy(text, "one\n\n", 5);
	memcpy(text + big, "\nlast\0one\nno newline", 20);
	for (int gz = 0; gz < 2; gz++) {
		__attribute__((cleanup(loglines_freep))) struct loglines *l =
			lines_of(text, big + 20, gz);
		static const size_t expect[] = {3, 0, LOGLINE_MAX, 8, 10};
		const char *line;
		size_t len;

		for (size_t i = 0; i < array_size(expect); i++) {
			assert_int_equal(loglines_next(l, &line, &len), 1);
			assert_int_equal(len, expect[i]);
		}
		assert_memory_equal(line, "no newline", 10);
		assert_int_equal(loglines_next(l, &line, &len), 0);
		assert_int_equal(loglines_cut(l), 1);
		assert_int_equal(loglines_text_bytes(l), big + 20);
	}
}

static void damaged_gzip_is_told(void **state)
{
	static const unsigned char cut[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b, 0x4c};
	__attribute__((cleanup(loglines_freep))) struct loglines *l =
		lines_of(cut, sizeof(cut), false);
	const char *line;
	size_t len;
	int got;

	(void)state;
	while ((got = loglines_next(l, &line, &len)) > 0)
		;
	assert_int_equal(got, -EBADMSG);
}

static void touch(const char *root, const char *name, time_t mtime)
{
	struct timespec times[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s%s", root, name);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x\n", 2), 2);
	futimens(fd, times);
	close(fd);
}

static void logs_are_found_oldest_first(void **state)
{
	char root[] = "/tmp/test_authlogXXXXXX", command[64];
	char **files;
	size_t n, skipped;

	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(command, sizeof(command), "mkdir -p %s/var/log/exim4", root);
	assert_int_equal(system(command), 0);
	touch(root, "/var/log/mail.log", 5000);
	touch(root, "/var/log/mail.info", 5000); /* says the same as mail.log: not read */
	touch(root, "/var/log/mail.log.1", 4000);
	touch(root, "/var/log/mail.log.2.gz", 3000);
	touch(root, "/var/log/mail.log.3.xz", 2000);
	touch(root, "/var/log/exim4/mainlog", 4500);
	assert_int_equal(logfiles_find(root, false, &files, &n, &skipped), 0);
	assert_int_equal(n, 2);
	assert_string_equal(files[0] + strlen(root), "/var/log/exim4/mainlog");
	assert_string_equal(files[1] + strlen(root), "/var/log/mail.log");
	logfiles_free(files, n);
	assert_int_equal(logfiles_find(root, true, &files, &n, &skipped), 0);
	assert_int_equal(n, 4);
	assert_int_equal(skipped, 1);
	assert_string_equal(files[0] + strlen(root), "/var/log/mail.log.2.gz");
	assert_string_equal(files[3] + strlen(root), "/var/log/mail.log");
	logfiles_free(files, n);
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sendmail_says_authenticated),
		cmocka_unit_test(lines_are_read),
		cmocka_unit_test(stamps_become_times),
		cmocka_unit_test(damaged_lines_do_no_harm),
		cmocka_unit_test(a_long_name_is_cut_and_marked),
		cmocka_unit_test(messages_are_counted_and_joined),
		cmocka_unit_test(stolen_accounts_are_marked),
		cmocka_unit_test(full_tables_are_counted),
		cmocka_unit_test(addresses_are_ordered),
		cmocka_unit_test(lines_are_bounded),
		cmocka_unit_test(damaged_gzip_is_told),
		cmocka_unit_test(logs_are_found_oldest_first),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
