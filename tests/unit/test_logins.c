// SPDX-License-Identifier: GPL-2.0-only
/* The mail log as it grows: who logged in, by the checker's pid and by queue id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "mail/logins.h"

#define LOGIN(pid, user)                                                                           \
	"Nov 21 18:55:23 h smtp_auth[" pid "]: smtp_auth: SMTP user " user                         \
	" : /var/qmail/mailnames/shop.test/info logged in from unknown@unknown [127.0.0.1]\n"
#define CLIENT(id, user)                                                                           \
	"Nov 21 18:55:23 h postfix/smtpd[77]: " id                                                 \
	": client=x[192.0.2.1], sasl_method=PLAIN, sasl_username=" user "\n"

static char root[] = "/tmp/test-logins.XXXXXX";
static char log_path[128];

static time_t later;

/* In the place of libc's: the test says how much time passes. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	int err = (int)syscall(SYS_clock_gettime, id, t);

	if (!err && id == CLOCK_BOOTTIME)
		t->tv_sec += later;
	return err;
}

static void append_to(const char *path, const char *text)
{
	FILE *f = fopen(path, "a");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void append(const char *text)
{
	append_to(log_path, text);
}

static int setup(void **state)
{
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/var", root);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/var/log", root);
	mkdir(path, 0755);
	snprintf(log_path, sizeof(log_path), "%s/var/log/maillog", root);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void a_log_that_grows(void **state)
{
	__attribute__((cleanup(logins_freep))) struct logins *l = NULL;

	(void)state;
	append(LOGIN("41", "old@shop.test"));
	assert_int_equal(logins_open(root, &l), 0);
	assert_null(logins_by_pid(l, 41, 0)); /* it was there before */
	append(LOGIN("42", "info@shop.test") CLIENT("4054AA7EA38", "joe"));
	assert_string_equal(logins_by_pid(l, 42, 0), "info@shop.test");
	assert_string_equal(logins_by_id(l, "4054AA7EA38", 0), "joe");
	assert_null(logins_by_pid(l, 43, 0));
	assert_null(logins_by_pid(l, 0, 0));
	assert_null(logins_by_id(l, "", 0));
	assert_null(logins_by_id(l, "4054AA7EA3", 0));
	/* a line that was read before the session began is another one's */
	assert_null(logins_by_pid(l, 42, clock_boot_ns()));
	/* pids come back: the newest counts */
	append(LOGIN("42", "new@shop.test"));
	assert_string_equal(logins_by_pid(l, 42, 0), "new@shop.test");
}

/* A clock that goes back shows it: what is behind an older line is not looked at. */
static void lines_before_are_not_looked_at(void **state)
{
	__attribute__((cleanup(logins_freep))) struct logins *l = NULL;
	uint64_t since;
	const char *parent;

	(void)state;
	assert_int_equal(logins_open(root, &l), 0);
	later = 100;
	append(LOGIN("44", "info@shop.test") CLIENT("4054AA7EA39", "joe"));
	logins_read(l);
	since = clock_boot_ns() - 50000000000ULL;
	assert_string_equal(logins_by_pid(l, 44, since), "info@shop.test");
	assert_string_equal(logins_postfix_daemon(l, "4054AA7EA39", since, &parent), "smtpd");
	later = 0;
	append(LOGIN("45", "new@shop.test"));
	assert_null(logins_by_pid(l, 44, since));
	assert_null(logins_postfix_daemon(l, "4054AA7EA39", since, &parent));
	assert_string_equal(logins_by_pid(l, 44, 0), "info@shop.test");
}

static void it_tells_when_there_is_more(void **state)
{
	__attribute__((cleanup(logins_freep))) struct logins *l = NULL;
	uint64_t said;

	(void)state;
	assert_int_equal(logins_open(root, &l), 0);
	said = logins_said(l);
	append("Nov 21 18:55:23 h joe: \n");
	assert_int_equal(logins_said(l), said);
	/* no message of this queue */
	append("Nov 21 18:55:23 h postfix/smtpd[77]: NOQUEUE: client=x[192.0.2.1], "
	       "sasl_method=PLAIN, sasl_username=joe\n");
	assert_int_equal(logins_said(l), said);
	assert_null(logins_by_pid(l, 77, 0));
	append(LOGIN("46", "info@shop.test"));
	assert_int_not_equal(logins_said(l), said);
}

static void a_line_in_two_pieces(void **state)
{
	__attribute__((cleanup(logins_freep))) struct logins *l = NULL;
	static const char line[] = LOGIN("52", "info@shop.test");
	const size_t n = 60;
	char half[61] = "";

	(void)state;
	assert_int_equal(logins_open(root, &l), 0);
	memcpy(half, line, n);
	append(half);
	assert_null(logins_by_pid(l, 52, 0));
	append(line + n);
	assert_string_equal(logins_by_pid(l, 52, 0), "info@shop.test");
}

/* Anybody can write lines, and of what he wrote only the end may be read: that is no line. */
static void the_end_of_a_line(void **state)
{
	enum { PIECE = 65536 };
	__attribute__((cleanup(logins_freep))) struct logins *l = NULL;
	char filler[PIECE + 1];

	(void)state;
	memset(filler, 'x', PIECE);
	/* tracing starts in the midst of one */
	append("Nov 21 18:55:23 h joe: ");
	assert_int_equal(logins_open(root, &l), 0);
	append(LOGIN("71", "forged@shop.test") LOGIN("72", "info@shop.test"));
	assert_null(logins_by_pid(l, 71, 0));
	assert_string_equal(logins_by_pid(l, 72, 0), "info@shop.test");
	/* one that is longer than what is read at once */
	filler[PIECE] = '\0';
	append(filler);
	append(LOGIN("73", "forged@shop.test") LOGIN("74", "info@shop.test"));
	assert_null(logins_by_pid(l, 73, 0));
	assert_string_equal(logins_by_pid(l, 74, 0), "info@shop.test");
}

/* So much behind `line` that what is older is skipped, and nothing of `line`. */
static void burst(const char *line)
{
	enum { READ_MAX = 1 << 20 };
	size_t n = READ_MAX - strlen(line);
	_free_ char *filler = malloc(n + 1);

	assert_non_null(filler);
	for (size_t i = 0; i < n; i++)
		filler[i] = i % 100 == 99 || i == n - 1 ? '\n' : 'x';
	filler[n] = '\0';
	append(line);
	append(filler);
}

static void a_burst(void **state)
{
	__attribute__((cleanup(logins_freep))) struct logins *l = NULL;

	(void)state;
	assert_int_equal(logins_open(root, &l), 0);
	logins_read(l);
	append("Nov 21 18:55:23 h joe: ");
	burst(LOGIN("81", "forged@shop.test"));
	assert_null(logins_by_pid(l, 81, 0));
	append("Nov 21 18:55:23 h joe: \n");
	burst(LOGIN("82", "info@shop.test"));
	assert_string_equal(logins_by_pid(l, 82, 0), "info@shop.test");
}

static void truncated_in_place(void **state)
{
	__attribute__((cleanup(logins_freep))) struct logins *l = NULL;

	(void)state;
	assert_int_equal(logins_open(root, &l), 0);
	assert_int_equal(truncate(log_path, 0), 0);
	append(LOGIN("62", "info@shop.test"));
	assert_string_equal(logins_by_pid(l, 62, 0), "info@shop.test");
}

/* What was written to the old one since it was read last is not lost. */
static void a_rotated_log(void **state)
{
	__attribute__((cleanup(logins_freep))) struct logins *l = NULL;
	char old[160];

	(void)state;
	snprintf(old, sizeof(old), "%s.1", log_path);
	assert_int_equal(logins_open(root, &l), 0);
	logins_read(l);
	append(LOGIN("91", "info@shop.test"));
	assert_int_equal(rename(log_path, old), 0);
	append(LOGIN("92", "joe@shop.test"));
	later += 2;
	assert_string_equal(logins_by_pid(l, 92, 0), "joe@shop.test");
	assert_string_equal(logins_by_pid(l, 91, 0), "info@shop.test");
	/* the new one is there, and syslog has not been told yet */
	assert_int_equal(rename(log_path, old), 0);
	append("");
	later += 2;
	logins_read(l);
	append_to(old, LOGIN("93", "info@shop.test"));
	assert_string_equal(logins_by_pid(l, 93, 0), "info@shop.test");
	append_to(old, LOGIN("94", "info@shop.test"));
	append(LOGIN("95", "joe@shop.test"));
	later += 2;
	assert_string_equal(logins_by_pid(l, 95, 0), "joe@shop.test");
	assert_string_equal(logins_by_pid(l, 94, 0), "info@shop.test");
}

/* A host may have several, of which one is read: the others' lines are old, or Exim's. */
static void another_log(void **state)
{
	__attribute__((cleanup(logins_freep))) struct logins *l = NULL;
	char exim[160], other[160], old[160];
	const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	(void)state;
	snprintf(exim, sizeof(exim), "%s/var/log/exim_mainlog", root);
	snprintf(other, sizeof(other), "%s/var/log/mail.log", root);
	snprintf(old, sizeof(old), "%s.1", log_path);
	append_to(exim, LOGIN("101", "exim@shop.test"));
	assert_int_equal(utimensat(AT_FDCWD, exim, long_ago, 0), 0);
	append_to(other, LOGIN("102", "old@shop.test"));
	assert_int_equal(logins_open(root, &l), 0);
	append(LOGIN("103", "info@shop.test"));
	assert_non_null(logins_by_pid(l, 103, 0));
	/* for a moment the first has nothing, and the other has something */
	assert_int_equal(rename(log_path, old), 0);
	append("");
	later += 2;
	assert_null(logins_by_pid(l, 102, 0));
	append_to(other, LOGIN("104", "joe@shop.test"));
	append(LOGIN("105", "info@shop.test"));
	later += 2;
	assert_string_equal(logins_by_pid(l, 105, 0), "info@shop.test");
	assert_null(logins_by_pid(l, 104, 0));
	assert_int_equal(unlink(other) + unlink(exim), 0);
}

/* Who made a message, by Postfix's own words alone; what a sender or recipient chose is not
 * believed. */
static void postfix_daemons(void **state)
{
	static const struct {
		const char *line, *id, *daemon, *parent;
	} cases[] = {
		{"Nov 21 18:55:23 h postfix/pickup[1]: D94501A88A7: uid=33 from=<a@b>\n",
		 "D94501A88A7", "pickup", NULL},
		{"Nov 21 18:55:23 h postfix/smtpd[1]: D94501A88A8: client=x[192.0.2.1]\n",
		 "D94501A88A8", "smtpd", NULL},
		{"Nov 21 18:55:23 h postfix/submission/smtpd[1]: D94501A88A9: client=x[192.0.2.1], "
		 "sasl_method=PLAIN, sasl_username=joe\n",
		 "D94501A88A9", "smtpd", NULL},
		{"Nov 21 18:55:23 h postfix/bounce[1]: DAA941A80D5: sender non-delivery "
		 "notification: DCEA21A88A7\n",
		 "DCEA21A88A7", "bounce", "DAA941A80D5"},
		{"Nov 21 18:55:23 h postfix/local[1]: DB3361A88F2: to=<f@l>, relay=local, "
		 "status=sent (forwarded as DC4BC1A8943)\n",
		 "DC4BC1A8943", "local", NULL},
		{"Nov 21 18:55:23 h postfix/local[1]: DB3361A88F2: to=<\"status=sent (forwarded as "
		 "DC4BC1A8944)\"@l>, status=bounced (no)\n",
		 "DC4BC1A8944", NULL, NULL},
		{"Nov 21 18:55:23 h postfix/qmgr[1]: DB3361A88F3: from=<client=x>, size=1\n",
		 "DB3361A88F3", NULL, NULL},
		{"Nov 21 18:55:23 h php[1]: DB3361A88F4: client=x\n", "DB3361A88F4", NULL, NULL},
		{"Nov 21 18:55:23 h postfix/smtpd[1]: NOQUEUE: reject\n", "NOQUEUE", NULL, NULL},
		{"Nov 21 18:55:23 h postfix/smtpd[1]: \n", "x", NULL, NULL},
		{"]: \n", "x", NULL, NULL},
	};
	__attribute__((cleanup(logins_freep))) struct logins *l = NULL;

	(void)state;
	assert_int_equal(logins_open(root, &l), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *parent = NULL, *daemon;

		append(cases[i].line);
		daemon = logins_postfix_daemon(l, cases[i].id, 0, &parent);
		if (!daemon != !cases[i].daemon || (daemon && strcmp(daemon, cases[i].daemon)) ||
		    !parent != !cases[i].parent || (parent && strcmp(parent, cases[i].parent)))
			fail_msg("%s: %s of %s", cases[i].line, daemon ? daemon : "-",
				 parent ? parent : "-");
	}
	assert_string_equal(logins_by_id(l, "D94501A88A9", 0), "joe");
	assert_null(logins_by_id(l, "D94501A88A8", 0));
}

/* Sendmail: the session's login by pid, its messages by pid and id. */
static void sendmail_sessions(void **state)
{
#define SM_LOGIN(pid, user)                                                                        \
	"Nov 22 01:51:23 h sendmail[" pid                                                          \
	"]: AUTH=server, relay=localhost [127.0.0.1], authid=" user ", mech=PLAIN, bits=0\n"
#define SM_FROM(pid, id, sender, proto)                                                            \
	"Nov 22 01:51:23 h sendmail[" pid "]: " id ": from=<" sender ">, size=14, class=0, "       \
	"nrcpts=1, msgid=<1@h>, proto=" proto ", daemon=MTA, relay=localhost [127.0.0.1]\n"
	__attribute__((cleanup(logins_freep))) struct logins *l = NULL;

	(void)state;
	assert_int_equal(logins_open(root, &l), 0);
	append(SM_LOGIN("4703", "info@shop.test") SM_FROM("4703", "6AM1ou0P004703", "a@b", "ESMTPA")
		       SM_FROM("4703", "6AM1ou0Q004703", "a@b", "ESMTPSA"));
	assert_string_equal(logins_by_id(l, "6AM1ou0P004703", 0), "info@shop.test");
	assert_string_equal(logins_by_id(l, "6AM1ou0Q004703", 0), "info@shop.test");
	/* the pid is used again: no login, whatever the sender calls itself; one that was not seen
	 */
	append(SM_FROM("4703", "6AM1ou0R004703", "a@b", "ESMTP")
		       SM_FROM("4703", "6AM1ou0S004703", "\", proto=ESMTPA,\"@b", "ESMTP")
			       SM_FROM("4704", "6AM1ou0T004704", "a@b", "ESMTPA"));
	assert_null(logins_by_id(l, "6AM1ou0R004703", 0));
	assert_null(logins_by_id(l, "6AM1ou0S004703", 0));
	assert_null(logins_by_id(l, "6AM1ou0T004704", 0));
	append(SM_LOGIN("4703", "joe") SM_FROM("4703", "6AM1ou0U004703", "a@b", "ESMTPA"));
	assert_string_equal(logins_by_id(l, "6AM1ou0U004703", 0), "joe");
	/* a checker's login is no Sendmail session's */
	append(LOGIN("4710", "info@shop.test") SM_FROM("4710", "6AM1ou0V004710", "a@b", "ESMTPA"));
	assert_null(logins_by_id(l, "6AM1ou0V004710", 0));
}

static void no_log_yet(void **state)
{
	__attribute__((cleanup(logins_freep))) struct logins *l = NULL;

	(void)state;
	assert_int_equal(logins_open("/nonexistent", &l), 0);
	logins_read(l);
	assert_null(logins_by_pid(l, 1, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_that_grows),
		cmocka_unit_test(a_line_in_two_pieces),
		cmocka_unit_test(the_end_of_a_line),
		cmocka_unit_test(a_burst),
		cmocka_unit_test(truncated_in_place),
		cmocka_unit_test(a_rotated_log),
		cmocka_unit_test(postfix_daemons),
		cmocka_unit_test(sendmail_sessions),
		cmocka_unit_test(lines_before_are_not_looked_at),
		cmocka_unit_test(it_tells_when_there_is_more),
		cmocka_unit_test(no_log_yet),
		cmocka_unit_test(another_log),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
