// SPDX-License-Identifier: GPL-2.0-only
#include "queue_fixture.h"

#define ID     "6ALIxnvF028821"
#define CLIENT "6ALIxnUe028820"

static const struct interpret_case daemon_queue[] = {
	{ST_OP_CREATE, "qf" ID, NULL, 1, QUEUE_COMMIT, ID},
	{ST_OP_CREATE, "q1/qf" ID, NULL, 1, QUEUE_COMMIT, ID},
	{ST_OP_CREATE, "q1/qf/qf" ID, NULL, 1, QUEUE_COMMIT, ID},
	/* a deferral */
	{ST_OP_RENAME, "qf" ID, "tf" ID, 1, QUEUE_MOVED, ID},
	{ST_OP_UNLINK, "qf" ID, NULL, 1, QUEUE_REMOVE, ID},
	/* quarantined, released, removed; found damaged */
	{ST_OP_RENAME, "hf" ID, "qf" ID, 1, QUEUE_MOVED, ID},
	{ST_OP_RENAME, "qf" ID, "hf" ID, 1, QUEUE_MOVED, ID},
	{ST_OP_UNLINK, "hf" ID, NULL, 1, QUEUE_REMOVE, ID},
	{ST_OP_RENAME, "Qf" ID, "qf" ID, 1, QUEUE_REMOVE, ID},
	{ST_OP_UNLINK, "Qf" ID, NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_CREATE, "df" ID, NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_CREATE, "tf" ID, NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "xf" ID, NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "df" ID, NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_CREATE, "qf", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_CREATE, "qf../../../x", NULL, 1, QUEUE_NOTHING, NULL},
};

static const struct interpret_case client_queue[] = {
	{ST_OP_CREATE, "qf" CLIENT, NULL, 1, QUEUE_PICKUP, CLIENT},
	{ST_OP_UNLINK, "qf" CLIENT, NULL, 1, QUEUE_PICKED, CLIENT},
	{ST_OP_RENAME, "qf" CLIENT, "tf" CLIENT, 1, QUEUE_MOVED, CLIENT},
	{ST_OP_RENAME, "Qf" CLIENT, "qf" CLIENT, 1, QUEUE_PICKED, CLIENT},
};

static void test_interpret(void **state)
{
	const struct mta_queue q = {.mta = &mta_sendmail},
			       first = {.mta = &mta_sendmail, .first = true};

	(void)state;
	check_interpret(&q, daemon_queue, sizeof(daemon_queue) / sizeof(daemon_queue[0]));
	check_interpret(&first, client_queue, sizeof(client_queue) / sizeof(client_queue[0]));
}

static void test_classify(void **state)
{
	static const struct classify_case cases[] = {
		{"sendmail", "/usr/sbin/sendmail|-t|-i", RUN_SUBMIT},
		{"sendmail", "sendmail|-i|-f|-bd|-t", RUN_SUBMIT},
		{"sendmail", "sendmail|-O|-bp|-t", RUN_SUBMIT},
		{"sendmail", "sendmail|-ti", RUN_SUBMIT},
		{"sendmail", "sendmail|-tibp", RUN_QUERY},
		{"sendmail", "sendmail|-bs", RUN_SUBMIT},
		{"sendmail.sendmail", "sendmail|-t", RUN_SUBMIT},
		{"sendmail", "sendmail-mta|-bd|-q1h", RUN_DAEMON},
		{"sendmail", "sendmail|-Ac|-q", RUN_DAEMON},
		{"sendmail", "sendmail|-bp", RUN_QUERY},
		{"sendmail", "sendmail|-bv|a@b", RUN_QUERY},
		{"sendmail", "sendmail|-bt", RUN_QUERY},
		{"sendmail", "mailq", RUN_QUERY},
		{"sendmail", "/usr/bin/newaliases", RUN_QUERY},
		{"makemap", "makemap", RUN_OTHER},
	};

	(void)state;
	check_classify(&mta_sendmail, cases, sizeof(cases) / sizeof(cases[0]));
}

/* As the daemon has it of Debian 12's 8.17.1 when a script called sendmail. */
static const char local[] =
	"V8\nT1795297004\nK1795297004\nN1\nP3000532\n$_localhost "
	"[127.0.0.1]\n$rESMTP\n$sstage.example.test\n"
	"S<web@blog.test>\nrRFC822; a@x.test\nRPFD:<a@x.test>\nrRFC822; b@x.test\nRPFD:<b@x.test>\n"
	"H?P?Return-Path: <\201g>\n"
	"H??Received: from stage.example.test (localhost [127.0.0.1])\n"
	"\tby stage.example.test (8.17.1.9/8.17.1.9/Debian-2+deb12u2) with ESMTP id " ID
	";\n\tSat, x\n"
	"H??Received: (from site1@localhost)\n"
	"\tby stage.example.test (8.17.1.9/8.17.1.9/Submit) id " CLIENT ";\n\tSat, x\n"
	"H??From: <web@blog.test>\nH??Subject: hi\n.\n";

static void test_facts(void **state)
{
	struct fixture_recipients r = {0};
	struct message_facts f = {0};
	struct mta_queue q;

	(void)state;
	fixture_dir("mqueue");
	fixture_text("mqueue/qf" ID, local);
	fixture_text("mqueue/df" ID, "12345");
	q = fixture_queue(&mta_sendmail, "mqueue");
	assert_false(q.first);
	assert_int_equal(fixture_facts(&q, ID, 0, &f), 0);
	assert_string_equal(f.sender, "web@blog.test");
	assert_string_equal(f.login, "site1");
	assert_string_equal(f.first_id, CLIENT);
	assert_string_equal(f.subject, "hi");
	assert_int_equal(f.recipients, 2);
	assert_int_equal(f.time_ns, 1795297004000000000ULL);
	assert_true(f.bytes > 300 && f.bytes < 500);
	assert_true(f.local && !f.from_network && !f.bounce && f.uid == COUNT_UNKNOWN);
	assert_int_equal(fixture_recipients(&q, ID, &r), 0);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.last, "b@x.test");
	close(q.fd);
}

static void test_client_queue(void **state)
{
	struct message_facts f = {0};
	struct mta_queue q;
	char howto[512];

	(void)state;
	fixture_dir("mqueue-client");
	fixture_text("mqueue-client/qf" CLIENT, "V8\nT1\nS<>\nRPFD:a@x.test\nH??Subject: hi\n.\n");
	q = fixture_queue(&mta_sendmail, "mqueue-client");
	assert_true(q.first);
	assert_int_equal(fixture_facts(&q, CLIENT, 0, &f), 0);
	assert_int_equal(f.uid, getuid());
	assert_true(f.local && f.has_sender && !f.bounce);
	assert_non_null(q.mta->howto(&q, "hold", howto, sizeof(howto), CLIENT));
	assert_string_equal(howto, "sendmail -Ac -Qspam -qI" CLIENT "\n");
	close(q.fd);
}

/* A client from elsewhere may write the submission's line below; the daemon's own line says where
 * it came from. */
static void test_forged_submission(void **state)
{
	struct message_facts f = {0};
	struct mta_queue q;

	(void)state;
	fixture_dir("mqueue");
	fixture_text("mqueue/qf" ID,
		     "V8\nS<a@b>\nA<v@h.test>\n${auth_authen}v@h.test\n$sc.test\nRPFD:<c@d>\n"
		     "H??Received: from c.test (x.test [192.0.2.7]) (authenticated bits=0)\n\tby s "
		     "(8.17/8.17) with ESMTP id " ID "; x\n"
		     "H??Received: (from root@localhost)\n\tby s (8.17/8.17/Submit) id x; x\n.\n");
	q = fixture_queue(&mta_sendmail, "mqueue");
	assert_int_equal(fixture_facts(&q, ID, 0, &f), 0);
	assert_true(f.from_network && !f.local);
	assert_string_equal(f.login, "");
	assert_string_equal(f.client_ip, "192.0.2.7");
	assert_string_equal(f.auth_user, "v@h.test");
	close(q.fd);
}

/* As Debian 12's 8.17.1 writes it after AUTH PLAIN: that there was a login, not whose. */
static void test_login(void **state)
{
	static const struct {
		const char *r;
		bool authenticated;
	} cases[] = {{"ESMTPA", true}, {"ESMTPSA", true}, {"ESMTP", false}, {"ESMTPAX", false}};

	(void)state;
	fixture_dir("mqueue");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct message_facts f = {0};
		struct mta_queue q;
		char text[640];

		snprintf(text, sizeof(text),
			 "V8\nT1795312283\nFs\n$_localhost [127.0.0.1]\n$r%s\n$s[127.0.0.1]\n"
			 "${daemon_flags}\nS<auth1@truth.test>\nrRFC822; x@elsewhere.test\n"
			 "RPFD:<x@elsewhere.test>\nH??Received: from [127.0.0.1] (localhost "
			 "[127.0.0.1])\n\t(authenticated bits=0)\n\tby stage.example.test "
			 "(8.17.1.9/8.17.1.9/Debian-2+deb12u2) with ESMTPA id " ID
			 "\n\tfor <x@elsewhere.test>; x\nH??Subject: a\n.\n",
			 cases[i].r);
		fixture_text("mqueue/qf" ID, text);
		q = fixture_queue(&mta_sendmail, "mqueue");
		assert_int_equal(fixture_facts(&q, ID, 0, &f), 0);
		assert_true(f.from_network && !f.local);
		assert_int_equal(f.authenticated, cases[i].authenticated);
		assert_string_equal(f.auth_user, "");
		assert_string_equal(f.client_ip, "127.0.0.1");
		close(q.fd);
	}
}

static void test_bounce(void **state)
{
	struct message_facts f = {0};
	struct mta_queue q;

	(void)state;
	fixture_dir("mqueue");
	fixture_text(
		"mqueue/qf" ID,
		"V8\nS<>\nRPFD:<c@d>\nqspam\n"
		"H??Received: from s (localhost [127.0.0.1])\n\tby s (8.17/8.17) with ESMTP id " ID
		"; x\n"
		"H??Received: from localhost (localhost)\n\tby s (8.17/8.17/Submit) id " CLIENT
		"; x\n.\n");
	assert_int_equal(rename(fixture_path("mqueue/qf" ID), fixture_path("mqueue/hf" ID)), 0);
	q = fixture_queue(&mta_sendmail, "mqueue");
	assert_int_equal(fixture_facts(&q, ID, 0, &f), 0);
	assert_true(f.bounce && f.held && !f.local && !f.from_network);
	assert_string_equal(f.first_id, CLIENT);
	close(q.fd);
}

/* The daemon's own bounce, and a client that only calls itself so. */
static void test_own_bounce(void **state)
{
	static const struct {
		const char *received;
		bool bounce;
	} cases[] = {
		{"from localhost (localhost)\n\tby s (8.17/8.17) id " ID, true},
		{"from c (c.test [192.0.2.1])\n\tby s (8.17/8.17) with ESMTP id " ID, false},
		{"from s (localhost [127.0.0.1])\n\tby s (8.17/8.17) with ESMTP id " ID, false},
	};

	(void)state;
	fixture_dir("mqueue");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct message_facts f = {0};
		struct mta_queue q;
		char text[512];

		snprintf(
			text, sizeof(text),
			"V8\nSMAILER-DAEMON\nRPFD:<c@d>\nH??Received: %s; x\n"
			"H??Received: from localhost (localhost)\n\tby s id 6ALIxnvF028822; x\n.\n",
			cases[i].received);
		fixture_text("mqueue/qf" ID, text);
		q = fixture_queue(&mta_sendmail, "mqueue");
		assert_int_equal(fixture_facts(&q, ID, 0, &f), 0);
		if (f.bounce != cases[i].bounce || !*f.sender != cases[i].bounce)
			fail_msg("%s: %d <%s>", cases[i].received, f.bounce, f.sender);
		close(q.fd);
	}
}

static void test_hostile(void **state)
{
	struct message_facts f = {0};
	struct mta_queue q;

	(void)state;
	fixture_dir("mqueue");
	q = fixture_queue(&mta_sendmail, "mqueue");
	for (size_t n = 0; n < sizeof(local) - 3; n++) {
		int r;

		fixture_file("mqueue/qf" ID, local, n, 0600);
		r = fixture_facts(&q, ID, 0, &f);
		assert_int_equal(r, n == 1 ? -EINVAL : -EAGAIN); /* "V" alone is no version yet */
	}
	fixture_text("mqueue/qf" ID, "S<a@b>\n.\n");
	assert_int_equal(fixture_facts(&q, ID, 0, &f), -EINVAL);
	fixture_text("mqueue/qf" ID, "V8\n");
	assert_int_equal(truncate(fixture_path("mqueue/qf" ID), 2LL << 30), 0);
	assert_int_equal(fixture_facts(&q, ID, 0, &f), -EFBIG);
	assert_int_equal(fixture_facts(&q, "../../etc/passwd", 0, &f), -EINVAL);
	close(q.fd);
}

static void test_count(void **state)
{
	struct queue_counts c;
	struct message_facts f = {0};
	struct mta_queue q;
	int listed = 0;

	(void)state;
	fixture_dir("mqueue/q1/qf");
	fixture_dir("mqueue/q1/df");
	fixture_dir("mqueue/q2");
	q = fixture_queue(&mta_sendmail, "mqueue");
	fixture_text("mqueue/q1/qf/qf" ID, local);
	fixture_text("mqueue/q1/df/df" ID, "12345");
	fixture_text("mqueue/q2/hf6ALIxnvF028822", local);
	fixture_text("mqueue/q2/df6ALIxnvF028822", "1");
	fixture_text("mqueue/q2/df6ALIxnvF028823", "1");
	fixture_text("mqueue/q2/xf6ALIxnvF028823", "1");
	fixture_text("mqueue/core", "1");
	assert_int_equal(q.mta->count(&q, &c), 0);
	assert_int_equal(c.messages, 2);
	assert_int_equal(c.held, 1);
	assert_int_equal(c.partial, 1);
	assert_int_equal(c.garbage, 1);
	assert_int_equal(q.mta->list(&q, fixture_count_entry, &listed), 0);
	assert_int_equal(listed, 2);
	/* the body stands in the df/ beside its qf/ */
	assert_int_equal(fixture_facts(&q, ID, 0, &f), 0);
	assert_true(f.bytes > 300);
	close(q.fd);
}

#define WITH_QUEUE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login),    cmocka_unit_test(test_interpret),
		cmocka_unit_test(test_classify), WITH_QUEUE(test_facts),
		WITH_QUEUE(test_client_queue),   WITH_QUEUE(test_forged_submission),
		WITH_QUEUE(test_bounce),         WITH_QUEUE(test_own_bounce),
		WITH_QUEUE(test_hostile),        WITH_QUEUE(test_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
