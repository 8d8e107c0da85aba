// SPDX-License-Identifier: GPL-2.0-only
#include "queue_fixture.h"

#include "mail/message.h"

static const struct {
	const char *in, *out;
} words[] = {
	{"plain text", "plain text"},
	{"=?utf-8?Q?Gr=C3=BC=C3=9Fe?= =?utf-8?B?IGF1cw==?= X", "Grüße aus X"},
	{"=?UTF-8?q?a_b?=", "a b"},
	{"=?utf-8?Q?a?=\n =?utf-8?Q?b?=", "ab"},
	{"=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"},
	/* a character in two words */
	{"=?utf-8?B?w7w=?= =?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "üü"},
	{"=?iso-8859-1?Q?=FC?=", "ü"},
	{"=?ISO-8859-15?Q?=A4_=FC?=", "€ ü"},
	{"=?windows-1252?B?gA==?=", "€"},
	{"=?us-ascii*en?Q?hi?=", "hi"},
	/* NUL must not hide what follows */
	{"=?utf-8?Q?a=00b?=", "a\xef\xbf\xbd"
			      "b"},
	/* left as they are */
	{"=?koi8-r?Q?=C1?=", "=?koi8-r?Q?=C1?="},
	{"=?utf-8?X?a?=", "=?utf-8?X?a?="},
	{"=?utf-8?Q?never closed", "=?utf-8?Q?never closed"},
	{"=?utf-8?Q", "=?utf-8?Q"},
	{"=?", "=?"},
	{"=??Q?x?=", "=??Q?x?="},
	{"=?utf-8?Q?=?=", "="},
	{"=?utf-8?Q?=F?=", "=F"},
	{"=?utf-8?Q?=ZZ?=", "=ZZ"},
	{"=?utf-8?B?!!!!?=", ""},
};

static void test_2047(void **state)
{
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = message_decode_2047(out, sizeof(out), words[i].in, strlen(words[i].in));

		assert_string_equal(out, words[i].out);
		assert_int_equal(n, strlen(out));
	}
}

/* Whatever the size, the result is whole characters, and a prefix of the whole. */
static void test_2047_cuts(void **state)
{
	static const char in[] = "a=?utf-8?B?w7zwn5iA4oKs?=\xe2\x82\xac";
	char whole[64], out[64];

	(void)state;
	message_decode_2047(whole, sizeof(whole), in, strlen(in));
	assert_string_equal(whole, "aü😀€€");
	for (size_t size = 1; size <= strlen(whole) + 1; size++) {
		size_t n;

		memset(out, 0x55, sizeof(out));
		n = message_decode_2047(out, size, in, strlen(in));
		assert_true(n < size);
		assert_int_equal(out[n], 0);
		assert_memory_equal(out, whole, n);
		assert_int_equal((unsigned char)out[size], 0x55);
		/* what follows the cut begins a character */
		assert_true(((unsigned char)whole[n] & 0xc0) != 0x80);
	}
}

static const struct {
	const char *in, *out;
} addresses[] = {
	{"a@b.test", "a@b.test"},
	{"\"Name\" <a@b.test> (comment)", "a@b.test"},
	{"a@b.test (Name)", "a@b.test"},
	{"(c) a@b.test", "a@b.test"},
	{"\"<x@y>\" <a@b.test>", "a@b.test"},
	{"(<x@y>(nested\\))) <a@b.test>", "a@b.test"},
	{"<a@b.test", "a@b.test"},
	{"a@b.test, c@d.test", "a@b.test"},
	{"\"un closed", "\"un closed"},
	{"", ""},
	{"<>", ""},
	{"\\", "\\"},
	{"(\\", ""},
};

static void test_address(void **state)
{
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		message_address(out, sizeof(out), addresses[i].in, strlen(addresses[i].in));
		assert_string_equal(out, addresses[i].out);
	}
	message_address(out, 4, "<abcdef>", 8);
	assert_string_equal(out, "abc");
}

static void test_headers(void **state)
{
	static const char block[] = "Received: (qmail 1 invoked by uid 2); x\r\n"
				    "SUBJECT : folded\r\n\there =?utf-8?Q?=C3=BC?=\r\n"
				    "Subject: second\r\n"
				    "From: =?utf-8?Q?W?= <a@b.test>\r\n"
				    "Message-Id: <1@b>\r\n"
				    "no colon in this line\r\n"
				    "X-PHP-Originating-Script: 33:x.php\r\n"
				    "\r\n"
				    "From: body@c.test\r\n";
	struct message_facts f;

	(void)state;
	message_facts_init(&f);
	message_headers(block, sizeof(block) - 1, &f);
	assert_string_equal(f.subject, "folded here ü");
	assert_string_equal(f.from, "a@b.test");
	assert_string_equal(f.message_id, "<1@b>");
	assert_string_equal(f.php_script, "33:x.php");
	assert_int_equal(f.uid, COUNT_UNKNOWN);

	/* every cut of the block is read without a fault; ASan and valgrind see the rest */
	for (size_t n = 0; n < sizeof(block); n++) {
		char *copy = malloc(n ? n : 1);

		assert_non_null(copy);
		memcpy(copy, block, n);
		message_facts_init(&f);
		message_headers(copy, n, &f);
		assert_string_not_equal(f.from, "body@c.test");
		free(copy);
	}
}

static const struct received_case {
	const char *line;
	int kind;
	int64_t uid, pid;
	const char *ip, *helo, *auth, *login, *id;
} received[] = {
	{"(qmail 4373 invoked by uid 33); 21 Nov 2026 18:49:41 -0000", RECEIVED_LOCAL_UID, 33, 4373,
	 "", "", "", "", ""},
	{"(qmail 11026 invoked from network); x", RECEIVED_NETWORK, -1, 11026, "", "", "", "", ""},
	{"(qmail 7 invoked for bounce); x", RECEIVED_BOUNCE, -1, 7, "", "", "", "", ""},
	{"(qmail 7 invoked by alias); x", RECEIVED_ALIAS, -1, 7, "", "", "", "", ""},
	{"from unknown (HELO c.test) (127.0.0.1) by host with SMTP; x", RECEIVED_SMTP, -1, -1,
	 "127.0.0.1", "c.test", "", "", ""},
	{"from unknown (HELO c.test) (info@shop.test@192.0.2.7) by host with ESMTPA; x",
	 RECEIVED_AUTH, -1, -1, "192.0.2.7", "c.test", "info@shop.test", "", ""},
	/* a client's HELO that looks like the address */
	{"from unknown (HELO (10.9.8.7)) (192.0.2.7) by host with SMTP; x", RECEIVED_SMTP, -1, -1,
	 "192.0.2.7", "(10.9.8.7", "", "", ""},
	{"by stage.example.test (Postfix, from userid 10001) id 8202B14A10F; x", RECEIVED_LOCAL_UID,
	 10001, -1, "", "", "", "", "8202B14A10F"},
	{"from c.test (unknown [127.0.0.1]) (Authenticated sender: v@h.test) by s (Postfix) with "
	 "ESMTPSA id 8CB; x",
	 RECEIVED_AUTH, -1, -1, "127.0.0.1", "c.test", "v@h.test", "", "8CB"},
	{"from c.test (x [IPv6:2001:db8::1]) by s (Postfix) with ESMTP id 8CB; x", RECEIVED_SMTP,
	 -1, -1, "2001:db8::1", "c.test", "", "", "8CB"},
	{"from www-data by e.test with local (Exim 4.96) (envelope-from <w@e>) id "
	 "1xUqI7-0007Dc-0z; x",
	 RECEIVED_LOCAL_UID, -1, -1, "", "", "", "www-data", "1xUqI7-0007Dc-0z"},
	{"from [127.0.0.1] (helo=c.test) by e.test with esmtp (Exim 4.96) id 1xUqIC-0007G8-2U; x",
	 RECEIVED_SMTP, -1, -1, "127.0.0.1", "c.test", "", "", "1xUqIC-0007G8-2U"},
	{"from [127.0.0.1] (helo=c.test) by e.test with esmtpa (Exim 4.96) id 1xUqIC-0007G8-2U; x",
	 RECEIVED_AUTH, -1, -1, "127.0.0.1", "c.test", "", "", "1xUqIC-0007G8-2U"},
	{"(from www-data@localhost) by s (8.17.1.9/8.17.1.9/Submit) id 6ALLaiO5032321; x",
	 RECEIVED_LOCAL_UID, -1, -1, "", "", "", "www-data", "6ALLaiO5032321"},
	{"from localhost (localhost) by s (8.17.1.9/8.17.1.9/Submit) id 6ALLaiE4032351; x",
	 RECEIVED_BOUNCE, -1, -1, "", "", "", "", "6ALLaiE4032351"},
	{"from c.test (localhost [127.0.0.1]) (authenticated bits=0) by s (8.17/8.17) with ESMTP "
	 "id 6ALL; x",
	 RECEIVED_AUTH, -1, -1, "127.0.0.1", "c.test", "", "", "6ALL"},
	{"(nullmailer pid 29413 invoked by uid 33); x", RECEIVED_LOCAL_UID, 33, 29413, "", "", "",
	 "", ""},
	{"from www-data (uid 33) (envelope-from root@x) id 123 by h (DragonFly Mail Agent v0.13); "
	 "x",
	 RECEIVED_LOCAL_UID, 33, -1, "", "", "", "www-data", "123"},
	/* numbers that no kernel gives */
	{"(qmail 99999999999999999999 invoked by uid 4294967296); x", RECEIVED_OTHER, -1, -1, "",
	 "", "", "", ""},
};

static void test_received(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(received) / sizeof(received[0]); i++) {
		const struct received_case *c = &received[i];
		struct received r;
		int err = message_received(c->line, strlen(c->line), &r);

		if (c->kind == RECEIVED_OTHER) {
			assert_true(err == -EINVAL || r.kind == RECEIVED_OTHER);
			continue;
		}
		if (err || (int)r.kind != c->kind)
			fail_msg("%s: %d, kind %d", c->line, err, err ? 0 : (int)r.kind);
		assert_int_equal(r.uid, c->uid);
		assert_int_equal(r.pid, c->pid);
		assert_string_equal(r.client_ip, c->ip);
		assert_string_equal(r.helo, c->helo);
		assert_string_equal(r.auth_user, c->auth);
		assert_string_equal(r.login, c->login);
		assert_string_equal(r.id, c->id);
	}
}

static void test_received_hostile(void **state)
{
	char line[8192];
	struct received r;

	(void)state;
	assert_int_equal(message_received("", 0, &r), -EINVAL);
	assert_int_equal(message_received("x", 1, &r), -EINVAL);
	memset(line, '(', sizeof(line));
	assert_int_equal(message_received(line, sizeof(line), &r), -EINVAL);
	memset(line, 'a', sizeof(line));
	for (size_t i = 0; i < 5; i++)
		line[i] = "from "[i];
	assert_int_equal(message_received(line, sizeof(line), &r), 0);
	assert_int_equal(strlen(r.helo), sizeof(r.helo) - 1);
	for (size_t i = 0; i < sizeof(received) / sizeof(received[0]); i++)
		for (size_t n = 0; n <= strlen(received[i].line); n++)
			message_received(received[i].line, n, &r);
}

static void count_received(void *arg, const char *value, size_t len)
{
	int *n = arg;

	if (++*n == 1)
		assert_memory_equal(value, "one two", len);
}

static void test_each_received(void **state)
{
	static const char block[] =
		"Received: one\n\ttwo\nX: y\nreceived: three\n\nReceived: body\n";
	int n = 0;

	(void)state;
	message_each_received(block, sizeof(block) - 1, count_received, &n);
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_2047),          cmocka_unit_test(test_2047_cuts),
		cmocka_unit_test(test_address),       cmocka_unit_test(test_headers),
		cmocka_unit_test(test_received),      cmocka_unit_test(test_received_hostile),
		cmocka_unit_test(test_each_received),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
