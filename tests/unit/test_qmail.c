// SPDX-License-Identifier: GPL-2.0-only
#include "queue_fixture.h"

static const struct interpret_case operations[] = {
	/* one message: traced, facts of the stand-in and of notqmail 1.08 */
	{ST_OP_LINK, "mess/2/1114421", "pid/10239.1795287118.1", 10239, QUEUE_STARTED, "1114421"},
	{ST_OP_LINK, "todo/1114421", "intd/1114421", 10239, QUEUE_COMMIT, "1114421"},
	{ST_OP_UNLINK, "mess/2/1114421", NULL, 3115, QUEUE_REMOVE, "1114421"},
	/* the big-todo patch */
	{ST_OP_LINK, "todo/2/1114421", "intd/2/1114421", 1, QUEUE_COMMIT, "1114421"},
	/* the old name is not always known */
	{ST_OP_LINK, "todo/1114421", NULL, 1, QUEUE_COMMIT, "1114421"},
	/* no commits: another id, another source, no id */
	{ST_OP_LINK, "todo/1114421", "intd/1114422", 1, QUEUE_NOTHING, NULL},
	{ST_OP_LINK, "todo/1114421", "bounce/1114421", 1, QUEUE_NOTHING, NULL},
	{ST_OP_LINK, "todo/x", "intd/x", 1, QUEUE_NOTHING, NULL},
	{ST_OP_LINK, "todo/", "intd/", 1, QUEUE_NOTHING, NULL},
	{ST_OP_LINK, "todo/0", "intd/0", 1, QUEUE_NOTHING, NULL},
	{ST_OP_LINK, "todo/1/2/3", "intd/3", 1, QUEUE_NOTHING, NULL},
	{ST_OP_LINK, "todo/111111111111111111111111111111111111111111111111111111111111111111111",
	 NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_RENAME, "todo/1114421", "intd/1114421", 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "todo/1114421", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "intd/1114421", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "info/2/1114421", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "messy/2/1114421", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "mess/2/../1", NULL, 1, QUEUE_NOTHING, NULL},
};

static void test_interpret(void **state)
{
	const struct mta_queue q = {.mta = &mta_qmail, .split = 23};

	(void)state;
	check_interpret(&q, operations, sizeof(operations) / sizeof(operations[0]));
}

static void test_classify(void **state)
{
	static const struct classify_case cases[] = {
		{"sendmail", "/usr/sbin/sendmail|-t|-i", RUN_SUBMIT},
		{"sendmail", "/usr/sbin/sendmail|-bs", RUN_SUBMIT},
		{"sendmail", "/usr/sbin/sendmail|-bp", RUN_QUERY},
		{"sendmail", "/usr/sbin/sendmail|-b|p", RUN_QUERY},
		{"sendmail", "/usr/sbin/sendmail|-q", RUN_QUERY},
		/* not options: the argument of -f, and what follows the first recipient */
		{"sendmail", "/usr/sbin/sendmail|-f|-bp|-t", RUN_SUBMIT},
		{"sendmail", "/usr/sbin/sendmail|-f-bp|-t", RUN_SUBMIT},
		{"sendmail", "/usr/sbin/sendmail|a@b.test|-bp", RUN_SUBMIT},
		{"sendmail", "/usr/sbin/sendmail|--|-bp", RUN_SUBMIT},
		{"sendmail", "x", RUN_SUBMIT},
		{"qmail-inject", "bin/qmail-inject|-H|--", RUN_SUBMIT},
		{"qmail-queue", "[kworker/0:1]", RUN_QUEUER},
		{"qmail-queue.moved", "bin/qmail-queue", RUN_QUEUER},
		{"qmail-smtpd", "qmail-smtpd", RUN_SMTPD},
		{"qmail-local", "qmail-local", RUN_FORWARD},
		{"qmail-local.moved", "qmail-local", RUN_FORWARD},
		{"qmail-send", "qmail-send", RUN_BOUNCE},
		{"qmail-remote", "qmail-remote", RUN_DELIVERY},
		{"qmail-qread", "qmail-qread", RUN_QUERY},
		{"bash", "bash", RUN_OTHER},
	};

	(void)state;
	check_classify(&mta_qmail, cases, sizeof(cases) / sizeof(cases[0]));
	assert_int_equal(mta_qmail.classify("sendmail", "", 0), RUN_SUBMIT);
	/* an argument block that was cut has no NUL at its end */
	assert_int_equal(mta_qmail.classify("sendmail", "sendmail\0-bp", 12), RUN_QUERY);
	assert_int_equal(mta_qmail.classify("sendmail", "sendmail\0-b", 11), RUN_SUBMIT);
}

static void make_queue(unsigned split)
{
	char name[64];

	fixture_dir("todo");
	fixture_dir("intd");
	for (unsigned i = 0; i < split; i++) {
		static const char *const tops[] = {"mess", "info", "local", "remote"};

		for (int t = 0; t < 4; t++) {
			snprintf(name, sizeof(name), "%s/%u", tops[t], i);
			fixture_dir(name);
		}
	}
}

static const char head[] = "Received: (qmail 4373 invoked by uid 33); 21 Nov 2026 18:49:41 -0000\n"
			   "From: \"Web\" <web@example.test>\nSubject: hello\n\nbody\n";

static void test_facts(void **state)
{
	static const char todo[] = "u33\0p4373\0Fa@b.test\0Tc@d.test\0Te@f.test";
	struct fixture_recipients r = {0};
	struct message_facts f = {0};
	struct mta_queue q;

	(void)state;
	make_queue(23);
	fixture_text("mess/4/27", head);
	fixture_file("todo/27", todo, sizeof(todo), 0600);
	q = fixture_queue(&mta_qmail, "");
	assert_int_equal(q.split, 23);
	assert_int_equal(fixture_facts(&q, "27", 4373, &f), 0);
	assert_int_equal(f.uid, 33);
	assert_int_equal(f.pid, 4373);
	assert_int_equal(f.recipients, 2);
	assert_int_equal(f.bytes, (int)sizeof(head) - 1);
	assert_true(f.local && f.has_sender && !f.bounce && !f.from_network);
	assert_string_equal(f.sender, "a@b.test");
	assert_string_equal(f.subject, "hello");
	/* ids repeat: another message's file is not taken for this one */
	assert_int_equal(fixture_facts(&q, "27", 4374, &f), -ESTALE);
	assert_string_equal(f.sender, "a@b.test");
	assert_int_equal(fixture_facts(&q, "28", 0, &f), -ENOENT);
	assert_int_equal(fixture_facts(&q, "../27", 0, &f), -EINVAL);
	assert_int_equal(fixture_recipients(&q, "27", &r), 0);
	assert_int_equal(r.n, 2);
	close(q.fd);
}

/* After preprocessing; a recipient that is done counts, and is not listed. */
static void test_facts_preprocessed(void **state)
{
	struct fixture_recipients r = {0};
	struct message_facts f = {0};
	struct mta_queue q;
	char many[8192];
	size_t n = 0;

	(void)state;
	make_queue(23);
	fixture_text("mess/4/27",
		     "Received: (qmail 9 invoked from network); x\n"
		     "Received: from unknown (HELO c.test) (192.0.2.7)\n  by h with SMTP; x\n"
		     "Received: from forged (HELO f.test) (10.0.0.1)\n  by h with SMTP; x\n\n");
	fixture_file("info/4/27", "F", 2, 0600);
	fixture_file("local/4/27", "Dx@h.test", 10, 0600);
	for (int i = 0; i < 250; i++)
		n += (size_t)snprintf(many + n, sizeof(many) - n, "Tr%d@big.test", i) + 1;
	fixture_file("remote/4/27", many, n, 0600);
	q = fixture_queue(&mta_qmail, "");
	assert_int_equal(fixture_facts(&q, "27", 8, &f), -ESTALE);
	assert_int_equal(fixture_facts(&q, "27", 9, &f), 0);
	assert_int_equal(f.recipients, 251);
	assert_true(f.from_network && f.has_sender && !f.local);
	assert_string_equal(f.sender, "");
	assert_string_equal(f.client_ip, "192.0.2.7");
	assert_string_equal(f.helo, "c.test");
	assert_int_equal(fixture_recipients(&q, "27", &r), 0);
	assert_int_equal(r.n, 250);
	assert_string_equal(r.last, "r249@big.test");
	close(q.fd);
}

static void test_hostile_files(void **state)
{
	struct message_facts f = {0};
	struct mta_queue q;
	int listed = 0;

	(void)state;
	make_queue(23);
	q = fixture_queue(&mta_qmail, "");
	fixture_text("mess/1/1", "");
	assert_int_equal(fixture_facts(&q, "1", 0, &f), 0);
	assert_int_equal(f.recipients, COUNT_UNKNOWN);
	assert_int_equal(f.bytes, 0);
	assert_int_equal(symlink("/etc/passwd", fixture_path("mess/2/2")), 0);
	assert_int_equal(fixture_facts(&q, "2", 0, &f), -ELOOP);
	assert_int_equal(mkfifo(fixture_path("mess/3/3"), 0600), 0);
	assert_int_equal(fixture_facts(&q, "3", 0, &f), -EINVAL);
	fixture_dir("mess/4/4");
	assert_int_equal(fixture_facts(&q, "4", 0, &f), -EINVAL);
	/* 2 GB without a line's end */
	fixture_text("mess/5/5", "Received: x");
	assert_int_equal(truncate(fixture_path("mess/5/5"), 2LL << 30), 0);
	fixture_text("info/5/5", "F");
	assert_int_equal(truncate(fixture_path("info/5/5"), 2LL << 30), 0);
	assert_int_equal(fixture_facts(&q, "5", 0, &f), 0);
	assert_int_equal(f.bytes, 2LL << 30);
	assert_int_equal(q.mta->list(&q, fixture_count_entry, &listed), 0);
	assert_int_equal(listed, 2);
	close(q.fd);
}

static void test_count(void **state)
{
	struct queue_counts c;
	struct mta_queue q;

	(void)state;
	make_queue(23);
	q = fixture_queue(&mta_qmail, "");
	fixture_text("mess/4/27", head); /* preprocessed */
	fixture_text("info/4/27", "F");
	fixture_text("mess/4/50", head); /* committed */
	fixture_text("todo/50", "F");
	fixture_text("mess/4/73", head); /* being preprocessed: both */
	fixture_text("todo/73", "F");
	fixture_text("info/4/73", "F");
	fixture_text("mess/4/96", head); /* in flight, or an orphan */
	fixture_text("mess/4/97", head); /* in another bucket than its number's */
	fixture_text("mess/4/core", "");
	assert_int_equal(symlink("gone", fixture_path("mess/4/4")), 0);
	assert_int_equal(q.mta->count(&q, &c), 0);
	assert_int_equal(c.messages, 4);
	assert_int_equal(c.unprocessed, 2);
	assert_int_equal(c.partial, 1);
	assert_int_equal(c.garbage, 3);
	q.quick = true;
	assert_int_equal(q.mta->count(&q, &c), 0);
	assert_int_equal(c.messages, 4);
	assert_int_equal(c.partial, COUNT_UNKNOWN);
	close(q.fd);
}

static void test_vanished(void **state)
{
	struct queue_counts c;
	struct mta_queue q;

	(void)state;
	fixture_dir("queue");
	fixture_dir("queue/mess/0");
	fixture_dir("queue/todo");
	q = fixture_queue(&mta_qmail, "queue");
	assert_int_equal(q.split, 1);
	assert_int_equal(rename(fixture_path("queue"), fixture_path("aside")), 0);
	fixture_dir("queue");
	assert_int_equal(q.mta->count(&q, &c), -ESTALE);
	assert_int_equal(rmdir(fixture_path("queue")), 0);
	assert_int_equal(rename(fixture_path("aside"), fixture_path("queue")), 0);
	assert_int_equal(q.mta->count(&q, &c), 0);
	assert_int_equal(rmdir(fixture_path("queue/mess/0")), 0);
	assert_int_equal(rmdir(fixture_path("queue/mess")), 0);
	assert_int_equal(rmdir(fixture_path("queue/todo")), 0);
	assert_int_equal(q.mta->count(&q, &c), -ENOENT);
	assert_int_equal(rmdir(fixture_path("queue")), 0);
	assert_int_equal(q.mta->count(&q, &c), -ENOENT);
	close(q.fd);
}

static void test_split_todo(void **state)
{
	struct queue_counts c;
	struct message_facts f = {0};
	struct mta_queue q;

	(void)state;
	make_queue(23);
	fixture_dir("todo/0");
	fixture_dir("todo/4");
	fixture_text("mess/4/27", head);
	fixture_file("todo/4/27", "Fa@b\0Tc@d\0", 10, 0600);
	q = fixture_queue(&mta_qmail, "");
	assert_true(q.split_todo);
	assert_int_equal(q.mta->count(&q, &c), 0);
	assert_int_equal(c.unprocessed, 1);
	assert_int_equal(c.garbage, 0);
	assert_int_equal(fixture_facts(&q, "27", 0, &f), 0);
	assert_int_equal(f.recipients, 1);
	close(q.fd);
}

static void test_howto(void **state)
{
	const struct mta_queue q = {.mta = &mta_qmail, .directory = "/var/qmail/queue"};
	char buf[1024], small[16];

	(void)state;
	assert_non_null(mta_qmail.howto(&q, "delete", buf, sizeof(buf), "27"));
	assert_non_null(strstr(buf, "-name 27 -delete"));
	assert_non_null(mta_qmail.howto(&q, "hold", buf, sizeof(buf), NULL));
	assert_null(mta_qmail.howto(&q, "delete", buf, sizeof(buf), "27;reboot"));
	assert_null(mta_qmail.howto(&q, "delete", small, sizeof(small), "27"));
	assert_null(mta_qmail.howto(&q, "paint", buf, sizeof(buf), "27"));
}

#define WITH_QUEUE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interpret),
		cmocka_unit_test(test_classify),
		cmocka_unit_test(test_howto),
		WITH_QUEUE(test_facts),
		WITH_QUEUE(test_facts_preprocessed),
		WITH_QUEUE(test_hostile_files),
		WITH_QUEUE(test_count),
		WITH_QUEUE(test_vanished),
		WITH_QUEUE(test_split_todo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
