// SPDX-License-Identifier: GPL-2.0-only
/* What `spamtrace message` says, and that what it tells people to paste is safe. */
#include "queue_fixture.h"

#include "commands/message.h"

static struct mta_queue qmail = {.mta = &mta_qmail}, postfix = {.mta = &mta_postfix};

static struct message_view view(int64_t uid, const char *user, const char *home)
{
	struct message_view m = {.queue = &postfix, .uid = uid};

	message_facts_init(&m.facts);
	m.facts.uid = uid;
	m.facts.local = uid >= 0;
	snprintf(m.user, sizeof(m.user), "%s", user);
	snprintf(m.home, sizeof(m.home), "%s", home);
	return m;
}

static void says(const struct message_view *m, const char *words)
{
	char text[2048];

	message_explain(m, text, sizeof(text));
	if (!strstr(text, words))
		fail_msg("\"%s\" does not say \"%s\"", text, words);
}

static void test_explain(void **state)
{
	struct message_view m;

	(void)state;
	m = view(10001, "site1", "/var/www/vhosts/shop.test");
	says(&m, "uid 10001, user site1,");
	says(&m, "the customer of shop.test");
	m = view(10001, "site1", "/home/site1");
	says(&m, "an ordinary user");
	m = view(33, "www-data", "/var/www");
	says(&m, "the web server's own user");
	m = view(0, "root", "/root");
	says(&m, "That is root");
	m = view(101, "backup", "/var/backups");
	says(&m, "a system user");
	m = view(12345, "", "");
	says(&m, "which has no name");
	m = view(-1, "", "");
	says(&m, "Nothing in the file");
	m.facts.from_network = true;
	snprintf(m.facts.client_ip, sizeof(m.facts.client_ip), "192.0.2.7");
	says(&m, "without authentication");
	m.queue = &qmail;
	says(&m, "qmail does not record");
	snprintf(m.facts.auth_user, sizeof(m.facts.auth_user), "v@h.test");
	says(&m, "logged in as v@h.test");
	m = view(-1, "", "");
	m.facts.bounce = true;
	snprintf(m.facts.parent_id, sizeof(m.facts.parent_id), "8EC1E14A11B");
	says(&m, "The message was 8EC1E14A11B");
}

static void like(const struct message_view *m, const char *expected)
{
	char text[512];

	message_like(m, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void test_like(void **state)
{
	struct message_view m;
	struct queue_source source = {.script = "/var/www/vhosts/shop.test/httpdocs/x.php"};

	(void)state;
	m = view(10001, "site1", "");
	like(&m, "--uid 10001");
	m.source = &source;
	like(&m, "-w RECORDING --script /var/www/vhosts/shop.test/httpdocs/x.php");
	source.script = "/x;reboot.php";
	like(&m, "--uid 10001");
	source.script = "(smtp-auth)";
	like(&m, "--uid 10001");
	/* everybody's user: the sender narrows it, if it means nothing to a shell */
	m = view(33, "www-data", "");
	snprintf(m.facts.sender, sizeof(m.facts.sender), "a@b.test");
	like(&m, "--uid 33 --sender a@b.test");
	snprintf(m.facts.sender, sizeof(m.facts.sender), "$(reboot)@b.test");
	like(&m, "--uid 33");
	snprintf(m.facts.sender, sizeof(m.facts.sender), "*@b.test");
	like(&m, "--uid 33");
	snprintf(m.facts.sender, sizeof(m.facts.sender), "--ids@b.test");
	like(&m, "--uid 33");
	m = view(-1, "", "");
	like(&m, "");
	m.facts.from_network = true;
	snprintf(m.facts.auth_user, sizeof(m.facts.auth_user), "v@h.test");
	like(&m, "--auth v@h.test");
	snprintf(m.facts.auth_user, sizeof(m.facts.auth_user), "v'`id`");
	like(&m, "");
	snprintf(m.facts.client_ip, sizeof(m.facts.client_ip), "192.0.2.7");
	like(&m, "--client 192.0.2.7");
	m = view(-1, "", "");
	m.facts.bounce = true;
	like(&m, "--sender ''");
}

static void test_received_words(void **state)
{
	static const struct {
		const char *line, *words;
	} cases[] = {
		{"(qmail 4373 invoked by uid 33); x",
		 "submitted on the host by uid 33, process 4373"},
		{"from unknown (HELO c.test) (192.0.2.7) by h with SMTP; x",
		 "h took it from 192.0.2.7, which called itself c.test"},
		{"from c (x [192.0.2.7]) (Authenticated sender: v@h) by s (Postfix) with ESMTPA id "
		 "A1; x",
		 "s took it from 192.0.2.7, which called itself c, logged in as v@h (its id there: "
		 "A1)"},
		{"(from bob@localhost) by s (8/8/Submit) id X1; x",
		 "submitted on the host s by user bob (its id there: X1)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct received r;
		char words[512];

		assert_int_equal(message_received(cases[i].line, strlen(cases[i].line), &r), 0);
		message_received_words(&r, words, sizeof(words));
		assert_string_equal(words, cases[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_like),
		cmocka_unit_test(test_received_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
