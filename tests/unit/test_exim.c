// SPDX-License-Identifier: GPL-2.0-only
#include "queue_fixture.h"

#define ID "1xUqI7-0007Dc-0z" /* of process 27752 */

static const struct interpret_case operations[] = {
	{ST_OP_RENAME, ID "-H", "hdr." ID, 27752, QUEUE_COMMIT, ID},
	{ST_OP_RENAME, "7/" ID "-H", "7/hdr." ID, 27752, QUEUE_COMMIT, ID},
	/* a deferral: another process renames again */
	{ST_OP_RENAME, ID "-H", "hdr." ID, 27754, QUEUE_MOVED, ID},
	{ST_OP_RENAME, ID "-H", "hdr." ID, 0, QUEUE_COMMIT, ID},
	{ST_OP_UNLINK, ID "-H", NULL, 27754, QUEUE_REMOVE, ID},
	{ST_OP_UNLINK, "7/" ID "-H", NULL, 27754, QUEUE_REMOVE, ID},
	/* 4.97's longer form: 6-11-4 */
	{ST_OP_RENAME, "1xUqI7-000000007Dc-0z0z-H", "hdr.1xUqI7-000000007Dc-0z0z", 27752,
	 QUEUE_COMMIT, "1xUqI7-000000007Dc-0z0z"},
	/* split spool switched on: moved into its directory */
	{ST_OP_RENAME, "7/" ID "-H", ID "-H", 1, QUEUE_MOVED, ID},
	{ST_OP_UNLINK, ID "-D", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, ID "-J", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "hdr." ID, NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, ID, NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, ID "-HH", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "ab/" ID "-H", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "7/7/" ID "-H", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "1xUqI7-0007Dc", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_RENAME, ID "-H", "other", 27752, QUEUE_NOTHING, NULL},
};

static void test_interpret(void **state)
{
	const struct mta_queue q = {.mta = &mta_exim};
	struct queue_change c;

	(void)state;
	check_interpret(&q, operations, sizeof(operations) / sizeof(operations[0]));
	mta_exim.interpret(&q, ST_OP_RENAME, ID "-H", "hdr." ID, 0, &c);
	assert_true(c.needs_run);
	mta_exim.interpret(&q, ST_OP_RENAME, ID "-H", "hdr." ID, 27752, &c);
	assert_false(c.needs_run);
}

static void test_classify(void **state)
{
	static const struct classify_case cases[] = {
		{"exim4", "/usr/sbin/sendmail|-t|-i", RUN_SUBMIT},
		{"exim4", "/usr/sbin/sendmail|-f|-bp|-t", RUN_SUBMIT},
		{"exim4", "sendmail|-oMr|-bp|-t", RUN_SUBMIT},
		{"exim4", "sendmail|-bs", RUN_SUBMIT},
		{"exim4", "sendmail|-bS", RUN_SUBMIT},
		{"exim4", "sendmail|-odq|a@b|-bp", RUN_SUBMIT},
		{"exim4", "/usr/sbin/exim4|-C|/etc/x|-oP|/run/exim4/exim.pid|-oPX", RUN_QUERY},
		{"exim4", "sendmail|-bp", RUN_QUERY},
		{"exim4", "exim4|-bpc", RUN_QUERY},
		{"exim4", "exim4|-bv|a@b", RUN_QUERY},
		{"exim4", "exim4|-bt|a@b", RUN_QUERY},
		{"exim4", "exim4|-bP|spool_directory", RUN_QUERY},
		{"exim4", "sendmail|-bi", RUN_QUERY},
		{"exim4", "mailq", RUN_QUERY},
		{"exim4", "/usr/bin/newaliases", RUN_QUERY},
		{"exim4", "/usr/sbin/exim4|-Mc|" ID, RUN_DELIVERY},
		{"exim4", "/usr/sbin/exim4|-M|" ID, RUN_DELIVERY},
		{"exim4", "/usr/sbin/exim4|-Mrm|" ID, RUN_QUERY},
		{"exim4", "/usr/sbin/exim4|-Mvh|" ID, RUN_QUERY},
		{"exim4", "/usr/sbin/exim4|-t|-oem|-oi|-f|<>|-E" ID, RUN_BOUNCE},
		{"exim4", "exim4|-bd|-q30m", RUN_DAEMON},
		{"exim4", "sendmail|-q", RUN_DAEMON},
		{"exim", "/usr/sbin/exim|-t", RUN_SUBMIT},
		{"procmail", "procmail", RUN_OTHER},
	};

	(void)state;
	check_classify(&mta_exim, cases, sizeof(cases) / sizeof(cases[0]));
}

static const char local[] = ID "-H\n"
			       "site1 10001 10001\n"
			       "<site1@stage.example.test>\n"
			       "1795297000 0\n"
			       "-received_time_usec .790737\n"
			       "-ident site1\n"
			       "-received_protocol local\n"
			       "-auth_id site1\n"
			       "-local\n"
			       "XX\n"
			       "3\n"
			       "a@elsewhere.test\n"
			       "b@elsewhere.test\n"
			       "d@third.test\n"
			       "\n"
			       "016P Received: local\n"
			       "019F From: <web@blog.t>\n"
			       "018* Bcc: d@third.test\n"
			       "012  Subject: hi\n";

static void test_facts(void **state)
{
	struct fixture_recipients r = {0};
	struct message_facts f = {0};
	struct mta_queue q;

	(void)state;
	fixture_dir("input");
	fixture_text("input/" ID "-H", local);
	fixture_text("input/" ID "-D", ID "-D\n12345\n");
	q = fixture_queue(&mta_exim, "");
	assert_int_equal(fixture_facts(&q, ID, 27752, &f), 0);
	assert_int_equal(f.uid, 10001);
	assert_string_equal(f.login, "site1");
	assert_string_equal(f.sender, "site1@stage.example.test");
	assert_string_equal(f.auth_user, "");
	assert_int_equal(f.recipients, 3);
	assert_string_equal(f.from, "web@blog.t");
	assert_int_equal(f.time_ns, 1795297000790737000ULL);
	assert_int_equal(f.bytes, 16 + 19 + 12 + 6);
	assert_true(f.local && !f.from_network && !f.bounce && !f.held);
	assert_int_equal(fixture_facts(&q, ID, 27753, &f), -ESTALE);
	assert_int_equal(fixture_recipients(&q, ID, &r), 0);
	assert_int_equal(r.n, 3);
	assert_string_equal(r.last, "d@third.test");
	/* a file under another message's name */
	fixture_text("input/1xUqI7-0007Dc-0y-H", local);
	assert_int_equal(fixture_facts(&q, "1xUqI7-0007Dc-0y", 0, &f), -ESTALE);
	close(q.fd);
}

static void test_facts_smtp(void **state)
{
	static const struct {
		const char *host, *ip;
	} hosts[] = {
		{"[192.0.2.7]:55696", "192.0.2.7"},   {"192.0.2.7.55696", "192.0.2.7"},
		{"192.0.2.7", "192.0.2.7"},           {"[2001:db8::1]:25", "2001:db8::1"},
		{"2001:db8::1.55696", "2001:db8::1"}, {"", ""},
	};
	struct fixture_recipients r = {0};
	struct message_facts f = {0};
	struct mta_queue q;
	char text[1024];

	(void)state;
	fixture_dir("input/7");
	q = fixture_queue(&mta_exim, "input");
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		snprintf(text, sizeof(text),
			 ID "-H\nDebian-exim 100 102\n<>\n1795297000 0\n--helo_name c.test\n"
			    "-host_address %s\n-host_auth PLAIN\n-auth_id v@h.test\n-frozen "
			    "1795297001\n"
			    "YY b@x.test\nNN a@x.test\nNY c@x.test\nNN d@x.test\n2\n"
			    "a@x.test e@y.test 8,-1#1\n\"a b\"@x.test\n\n012  Subject: hi\n",
			 hosts[i].host);
		fixture_text("input/7/" ID "-H", text);
		assert_int_equal(fixture_facts(&q, ID, 0, &f), 0);
		assert_string_equal(f.client_ip, hosts[i].ip);
		assert_string_equal(f.auth_user, "v@h.test");
		assert_string_equal(f.helo, "c.test");
		assert_string_equal(f.subject, "hi");
		assert_int_equal(f.recipients, 2);
		assert_int_equal(f.bytes, COUNT_UNKNOWN); /* no -D */
		assert_true(f.from_network && f.held && !f.local && !f.bounce);
	}
	assert_int_equal(fixture_recipients(&q, ID, &r), 0);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.last, "\"a b\"@x.test");
	close(q.fd);
}

static void test_hostile(void **state)
{
	static const char *const bad[] = {
		"",
		"x\n",
		ID "-H\n",
		ID "-H\nno numbers\n<>\n1 0\nXX\n0\n\n",
		ID "-H\na 1 1\nno sender\n1 0\nXX\n0\n\n",
		ID "-H\na 1 1\n<>\n1 0\nYY x\n0\n\n",
		ID "-H\na 1 1\n<>\n1 0\nXX\n-1\n\n",
		ID "-H\na 1 1\n<>\n1 0\nXX\n99999999999\n\n",
		ID "-H\na 1 1\n<>\n1 0\nXX\n5\na@b\n\n",
	};
	struct message_facts f = {0};
	struct mta_queue q;

	(void)state;
	fixture_dir("input");
	q = fixture_queue(&mta_exim, "");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fixture_text("input/" ID "-H", bad[i]);
		assert_int_equal(fixture_facts(&q, ID, 0, &f), -EINVAL);
	}
	for (size_t n = 0; n < sizeof(local); n++) {
		int r;

		fixture_file("input/" ID "-H", local, n, 0600);
		r = fixture_facts(&q, ID, 0, &f);
		assert_true(r == 0 || r == -EINVAL || r == -ESTALE);
	}
	fixture_text("input/" ID "-H", local);
	assert_int_equal(truncate(fixture_path("input/" ID "-H"), 2LL << 30), 0);
	assert_int_equal(fixture_facts(&q, ID, 0, &f), 0);
	assert_int_equal(f.bytes, COUNT_UNKNOWN);
	assert_int_equal(fixture_facts(&q, "../x", 0, &f), -EINVAL);
	close(q.fd);
}

static void test_count(void **state)
{
	struct queue_counts c;
	struct mta_queue q;
	int listed = 0;

	(void)state;
	fixture_dir("input/7");
	q = fixture_queue(&mta_exim, "");
	fixture_text("input/" ID "-H", local);
	fixture_text("input/" ID "-D", "");
	fixture_text("input/" ID "-J", "");
	fixture_text("input/7/1xUqI7-0007Dc-1z-H", local);
	fixture_text("input/7/1xUqI7-0007Dc-1z-D", "");
	fixture_text("input/7/1xUqI7-0007Dc-2z-D", "");
	fixture_text("input/7/hdr.1xUqI7-0007Dc-2z", "");
	fixture_text("input/core", "");
	assert_int_equal(q.mta->count(&q, &c), 0);
	assert_int_equal(c.messages, 2);
	assert_int_equal(c.partial, 1);
	assert_int_equal(c.garbage, 1);
	assert_int_equal(c.held, COUNT_UNKNOWN);
	assert_int_equal(q.mta->list(&q, fixture_count_entry, &listed), 0);
	assert_int_equal(listed, 2);
	close(q.fd);
}

#define WITH_QUEUE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interpret), cmocka_unit_test(test_classify),
		WITH_QUEUE(test_facts),           WITH_QUEUE(test_facts_smtp),
		WITH_QUEUE(test_hostile),         WITH_QUEUE(test_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
