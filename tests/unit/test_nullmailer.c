// SPDX-License-Identifier: GPL-2.0-only
#include "queue_fixture.h"

#define ID "1795287642.29413"

static const struct interpret_case operations[] = {
	{ST_OP_LINK, "queue/" ID, "tmp/29413", 29413, QUEUE_COMMIT, ID},
	{ST_OP_UNLINK, "queue/" ID, NULL, 1, QUEUE_REMOVE, ID},
	{ST_OP_RENAME, "failed/" ID, "queue/" ID, 1, QUEUE_REMOVE, ID},
	{ST_OP_RENAME, "queue/" ID, "queue/1.1", 1, QUEUE_MOVED, ID},
	{ST_OP_LINK, "queue/" ID, "held/" ID, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "tmp/29413", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "queue/x.1", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "queue/", NULL, 1, QUEUE_NOTHING, NULL},
};

static void test_interpret(void **state)
{
	const struct mta_queue q = {.mta = &mta_nullmailer};

	(void)state;
	check_interpret(&q, operations, sizeof(operations) / sizeof(operations[0]));
}

static void test_classify(void **state)
{
	static const struct classify_case cases[] = {
		{"nullmailer-inject", "nullmailer-inject|-h", RUN_SUBMIT},
		{"nullmailer-queue", "/usr/sbin/nullmailer-queue", RUN_QUEUER},
		{"nullmailer-send", "nullmailer-send", RUN_DELIVERY},
		{"sendmail", "sendmail|-t", RUN_SUBMIT},
		{"mailq", "mailq", RUN_QUERY},
		{"cat", "cat", RUN_OTHER},
	};

	(void)state;
	check_classify(&mta_nullmailer, cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_facts(void **state)
{
	struct fixture_recipients r = {0};
	struct message_facts f = {0};
	struct mta_queue q;
	struct queue_counts c;

	(void)state;
	fixture_dir("queue");
	fixture_dir("tmp");
	q = fixture_queue(&mta_nullmailer, "");
	fixture_text("queue/" ID,
		     "web@blog.test\na@x.test\nd@y.test\n\n"
		     "Received: (nullmailer pid 29413 invoked by uid 10001);\n\tSat, x\n"
		     "Subject: hi\n\nbody\n");
	fixture_text("tmp/1", "");
	fixture_text("queue/core", "");
	assert_int_equal(fixture_facts(&q, ID, 29413, &f), 0);
	assert_int_equal(f.uid, 10001);
	assert_int_equal(f.recipients, 2);
	assert_string_equal(f.sender, "web@blog.test");
	assert_string_equal(f.subject, "hi");
	assert_true(f.local && !f.bounce);
	assert_int_equal(fixture_facts(&q, ID, 1, &f), -ESTALE);
	assert_int_equal(fixture_recipients(&q, ID, &r), 0);
	assert_int_equal(r.n, 2);
	assert_int_equal(q.mta->count(&q, &c), 0);
	assert_int_equal(c.messages, 1);
	assert_int_equal(c.partial, 1);
	assert_int_equal(c.garbage, 1);
	/* no envelope's end, nothing at all */
	fixture_text("queue/" ID, "a@b.test\n");
	assert_int_equal(truncate(fixture_path("queue/" ID), 2LL << 30), 0);
	assert_int_equal(fixture_facts(&q, ID, 0, &f), 0);
	assert_int_equal(f.recipients, COUNT_UNKNOWN);
	fixture_text("queue/" ID, "");
	assert_int_equal(fixture_facts(&q, ID, 0, &f), -EINVAL);
	close(q.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interpret),
		cmocka_unit_test(test_classify),
		cmocka_unit_test_setup_teardown(test_facts, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
