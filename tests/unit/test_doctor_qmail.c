// SPDX-License-Identifier: GPL-2.0-only
#include "doctor_fixture.h"

#include "doctor/nets.h"

static void widths_of_networks(void **state)
{
	static const struct {
		const char *text;
		enum net_width width;
	} cases[] = {
		{"127.0.0.0/8", NET_PRIVATE},    {"[::1]/128", NET_PRIVATE},
		{"10.1.2.3", NET_PRIVATE},       {"172.16.0.0/12", NET_PRIVATE},
		{"172.0.0.0/8", NET_HUGE},       {"192.168.0.0/16", NET_PRIVATE},
		{"192.0.0.0/8", NET_HUGE},       {"0.0.0.0/0", NET_HUGE},
		{"203.0.113.7", NET_NARROW},     {"203.0.113.0/24", NET_NARROW},
		{"203.0.112.0/23", NET_WIDE},    {"203.0.0.0/16", NET_WIDE},
		{"203.0.0.0/15", NET_HUGE},      {"::/0", NET_HUGE},
		{"2001:db8::/48", NET_NARROW},   {"[2001:db8::]/32", NET_WIDE},
		{"2000::/3", NET_HUGE},          {"fe80::/10", NET_PRIVATE},
		{"fc00::/7", NET_PRIVATE},       {"::ffff:10.0.0.0/104", NET_PRIVATE},
		{"::ffff:0.0.0.0/96", NET_HUGE}, {"example.org", NET_NONE},
		{"1.2.3.4/33", NET_NONE},        {"1.2.3.4/", NET_NONE},
		{"1.2.3.4/-1", NET_NONE},        {"", NET_NONE},
	};
	static const struct {
		const char *text;
		enum net_width width;
	} rules[] = {
		{"", NET_HUGE},          {"127.", NET_PRIVATE},         {"127.0.0.1", NET_PRIVATE},
		{"10.", NET_PRIVATE},    {"203.0.113.", NET_NARROW},    {"203.0.", NET_WIDE},
		{"203.", NET_HUGE},      {"203.0.113.4-9", NET_NARROW}, {"203.0.1-9.", NET_WIDE},
		{"=.example", NET_NONE}, {"2001:db8::1", NET_NARROW},   {"300.", NET_NONE},
		{"1.2.3.4.5", NET_NONE},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++)
		if (net_width(cases[i].text) != cases[i].width)
			fail_msg("%s: %d", cases[i].text, net_width(cases[i].text));
	for (size_t i = 0; i < array_size(rules); i++)
		if (net_width_tcprules(rules[i].text) != rules[i].width)
			fail_msg("rule %s: %d", rules[i].text, net_width_tcprules(rules[i].text));
}

static void no_qmail_no_findings(void **state)
{
	struct tree t;

	(void)state;
	tree_make(&t);
	doctor_qmail(&t.d);
	assert_int_equal(t.d.n, 0);
	tree_remove(&t);
}

static void relaying(void **state)
{
	struct tree t;

	(void)state;
	tree_make(&t);
	tree_put(&t, "/var/qmail/control/me", "host.example\n", 0644);
	tree_put(&t, "/etc/tcp.smtp",
		 "# comment "
		 ":allow,RELAYCLIENT=\"\"\n127.:allow,RELAYCLIENT=\"\"\n203.0.113.:allow,"
		 "RELAYCLIENT=\"\"\n"
		 "2001:db8::1:allow,RELAYCLIENT=\"\"\n:allow\n",
		 0644);
	doctor_qmail(&t.d);
	assert_found(&t, DOCTOR_BAD, "open-relay", "rcpthosts is missing");
	assert_found(&t, DOCTOR_OK, "relay-networks", "3 relay rules");

	forget(&t);
	tree_put(&t, "/var/qmail/control/rcpthosts", "a.example\n", 0644);
	tree_put(&t, "/var/qmail/control/morercpthosts", "b.example\n", 0644);
	tree_put(&t, "/etc/tcp.smtp",
		 "203.0.:allow,RELAYCLIENT=\"\"\n=.isp.example:allow,RELAYCLIENT=\"\"\n:allow,"
		 "RELAYCLIENT=\"\"\n",
		 0644);
	tree_put(&t, "/etc/xinetd.d/smtp_psa",
		 "service smtp\n{\n\tenv = SMTPAUTH=1 RELAYCLIENT=\n}\n", 0644);
	doctor_qmail(&t.d);
	assert_found(&t, DOCTOR_OK, "open-relay", "rcpthosts limits");
	assert_found(&t, DOCTOR_WARNING, "morercpthosts", "");
	assert_found(&t, DOCTOR_WARNING, "relay-networks", "203.0.");
	assert_found(&t, DOCTOR_BAD, "relay-networks", "everybody");
	assert_found(&t, DOCTOR_WARNING, "relay-names", "=.isp.example");
	assert_not_found(&t, DOCTOR_OK, "relay-networks");
	assert_found(&t, DOCTOR_BAD, "open-relay", "smtp_psa");
	tree_remove(&t);
}

static void unknown_users(void **state)
{
	static const struct {
		const char *domain, *text; /* NULL: no file */
	} plesk[] = {
		{"bounce.example", "| bouncesaying 'This address no longer accepts mail.'\n"},
		{"bounce2.example", "# Plesk\n|/var/qmail/bin/bouncesaying 'no'\n"},
		{"forward.example", "&boss@elsewhere.example\n"},
		{"forward2.example", "boss@elsewhere.example\n"},
		{"kept.example", "./Maildir/\n"},
		{"empty.example", ""},
		{"dropped.example", "#\n"},
		{"program.example", "|/usr/local/bin/own-filter\n"},
		{"none.example", NULL},
	};
	struct tree t;
	char path[256];

	(void)state;
	tree_make(&t);
	tree_put(&t, "/var/qmail/control/rcpthosts", "a.example\n", 0644);
	for (size_t i = 0; i < array_size(plesk); i++) {
		snprintf(path, sizeof(path), "/var/qmail/mailnames/%s", plesk[i].domain);
		tree_put(&t, path, NULL, 0755);
		strcat(path, "/.qmail-default");
		if (plesk[i].text)
			tree_put(&t, path, plesk[i].text, 0600);
	}
	/* Plesk's domains stand in virtualdomains too, and count once */
	tree_put(&t, "/var/qmail/control/virtualdomains",
		 "kept.example:1\nassign.example:7\nuser.example:joe\nalias.example:x.y\nsome@one."
		 "example:joe\n",
		 0644);
	tree_put(&t, "/var/qmail/users/assign",
		 "+1-:popuser:110:31:/var/qmail/mailnames/kept.example:-::\n"
		 "+7-:popuser:110:31:/srv/mail/assign.example:-::\n.\n",
		 0644);
	tree_put(&t, "/srv/mail/assign.example/.qmail-default", "&a@b.example\n", 0600);
	tree_put(&t, "/etc/passwd", "root:x:0:0::/root:/bin/sh\njoe:x:5:5::/home/joe:/bin/sh\n",
		 0644);
	tree_put(&t, "/home/joe/.qmail-default", "&a@b.example\n", 0600);
	tree_put(&t, "/var/qmail/alias/.qmail-x:y-default",
		 "|/home/vpopmail/bin/vdelivermail '' delete\n", 0600);
	tree_put(&t, "/home/vpopmail/domains/vp.example/.qmail-default",
		 "| /home/vpopmail/bin/vdelivermail '' bounce-no-mailbox\n", 0600);
	tree_put(&t, "/home/vpopmail/domains/vpc.example/.qmail-default",
		 "| /home/vpopmail/bin/vdelivermail '' catch@vpc.example\n", 0600);
	doctor_qmail(&t.d);
	assert_found(&t, DOCTOR_WARNING, "bounce-unknown", "3 of 14 domains accept");
	assert_found(&t, DOCTOR_WARNING, "forward-unknown", "5 of 14 domains forward");
	assert_found(&t, DOCTOR_WARNING, "catch-all", "2 of 14 domains deliver");
	assert_found(&t, DOCTOR_OK, "drop-unknown", "2 of 14");
	assert_found(&t, DOCTOR_UNKNOWN, "program-unknown", "program.example");
	assert_found(&t, DOCTOR_OK, "no-default", "1 of 14");
	assert_int_equal(found(&t, DOCTOR_WARNING, "forward-unknown", "")->names.n, 5);
	tree_remove(&t);
}

/* What a customer can put where a file is expected does not stop the look: a FIFO, a directory, a
 * file without end, NUL bytes. */
static void hostile_files(void **state)
{
	struct tree t;
	char path[128];
	_free_ char *text = NULL;
	bool cut = false;
	int fd;

	(void)state;
	tree_make(&t);
	tree_put(&t, "/var/qmail/control/rcpthosts", "a.example\n", 0644);
	tree_put(&t, "/var/qmail/mailnames/fifo.example", NULL, 0755);
	tree_put(&t, "/var/qmail/mailnames/dir.example/.qmail-default", NULL, 0755);
	tree_put(&t, "/var/qmail/mailnames/big.example/.qmail-default", "&a@b.example\n", 0600);
	snprintf(path, sizeof(path), "%s/var/qmail/mailnames/fifo.example/.qmail-default", t.root);
	assert_int_equal(mkfifo(path, 0666), 0);
	snprintf(path, sizeof(path), "%s/var/qmail/mailnames/big.example/.qmail-default", t.root);
	fd = open(path, O_WRONLY);
	assert_int_equal(ftruncate(fd, 1LL << 40), 0);
	close(fd);
	assert_int_equal(doctor_read(&t.d, "/var/qmail/mailnames/big.example/.qmail-default", &text,
				     &cut),
			 0);
	assert_true(cut);
	assert_int_equal(strlen(text), DOCTOR_FILE_MAX);
	doctor_qmail(&t.d);
	assert_found(&t, DOCTOR_WARNING, "forward-unknown", "1 of 3");
	assert_found(&t, DOCTOR_OK, "no-default", "2 of 3");
	tree_remove(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(widths_of_networks), cmocka_unit_test(no_qmail_no_findings),
		cmocka_unit_test(relaying),           cmocka_unit_test(unknown_users),
		cmocka_unit_test(hostile_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
