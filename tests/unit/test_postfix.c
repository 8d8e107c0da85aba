// SPDX-License-Identifier: GPL-2.0-only
#include "queue_fixture.h"

static const struct interpret_case operations[] = {
	/* one message: traced on Postfix 3.7 */
	{ST_OP_RENAME, "maildrop/29B2DA7E945", "maildrop/170752.27845", 1, QUEUE_PICKUP,
	 "29B2DA7E945"},
	{ST_OP_RENAME, "incoming/30747A7E947", "incoming/198395.27850", 1, QUEUE_COMMIT,
	 "30747A7E947"},
	{ST_OP_RENAME, "active/30747A7E947", "incoming/30747A7E947", 1, QUEUE_MOVED, "30747A7E947"},
	{ST_OP_UNLINK, "maildrop/29B2DA7E945", NULL, 1, QUEUE_PICKED, "29B2DA7E945"},
	{ST_OP_RENAME, "deferred/3/30747A7E947", "active/30747A7E947", 1, QUEUE_MOVED,
	 "30747A7E947"},
	{ST_OP_RENAME, "incoming/30747A7E947", "deferred/3/30747A7E947", 1, QUEUE_MOVED,
	 "30747A7E947"},
	{ST_OP_UNLINK, "active/30747A7E947", NULL, 1, QUEUE_REMOVE, "30747A7E947"},
	{ST_OP_UNLINK, "deferred/3/0/30747A7E947", NULL, 1, QUEUE_REMOVE, "30747A7E947"},
	{ST_OP_UNLINK, "hold/30747A7E947", NULL, 1, QUEUE_REMOVE, "30747A7E947"},
	{ST_OP_RENAME, "hold/30747A7E947", "incoming/30747A7E947", 1, QUEUE_MOVED, "30747A7E947"},
	/* long ids, hashed incoming */
	{ST_OP_RENAME, "incoming/4/4dNHLp3K3yz2sR", "incoming/2/272085.27850", 1, QUEUE_COMMIT,
	 "4dNHLp3K3yz2sR"},
	/* postsuper -r, and a queue file that is damaged */
	{ST_OP_RENAME, "maildrop/30747A7E947", "deferred/3/30747A7E947", 1, QUEUE_MOVED,
	 "30747A7E947"},
	{ST_OP_RENAME, "corrupt/30747A7E947", "active/30747A7E947", 1, QUEUE_REMOVE, "30747A7E947"},
	{ST_OP_UNLINK, "corrupt/30747A7E947", NULL, 1, QUEUE_NOTHING, NULL},
	/* no messages: logs of deliveries, temporary names, files from elsewhere */
	{ST_OP_UNLINK, "defer/3/30747A7E947", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "bounce/30747A7E947", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "trace/30747A7E947", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "incoming/198395.27850", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_RENAME, "incoming/30747A7E947", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_RENAME, "incoming/30747A7E947", "saved/30747A7E947", 1, QUEUE_NOTHING, NULL},
	{ST_OP_RENAME, "incoming/30747A7E947", "maildrop/198395.27850", 1, QUEUE_NOTHING, NULL},
	{ST_OP_RENAME, "incoming/ab/30747A7E947", "incoming/1.2", 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "active/", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "active/3/", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "active", NULL, 1, QUEUE_NOTHING, NULL},
	{ST_OP_UNLINK, "", NULL, 1, QUEUE_NOTHING, NULL},
};

static void test_interpret(void **state)
{
	const struct mta_queue q = {.mta = &mta_postfix};
	struct queue_change c;
	struct st_rule rules[ST_MAX_RULES];

	(void)state;
	check_interpret(&q, operations, sizeof(operations) / sizeof(operations[0]));
	/* cleanup takes back what a client did not finish */
	mta_postfix.interpret(&q, ST_OP_UNLINK, "incoming/30747A7E947", NULL, 1, &c);
	assert_true(c.verb == QUEUE_REMOVE && c.incomplete);
	mta_postfix.interpret(&q, ST_OP_UNLINK, "active/30747A7E947", NULL, 1, &c);
	assert_true(c.verb == QUEUE_REMOVE && !c.incomplete);
	assert_int_equal(mta_postfix.rules(&q, rules), 6);
	assert_memory_equal(rules[1].top, "incoming", 8);
}

static void test_classify(void **state)
{
	static const struct classify_case cases[] = {
		{"sendmail", "/usr/sbin/sendmail|-t|-i", RUN_SUBMIT},
		{"sendmail", "sendmail|-i|-f|-bp|--|a@b", RUN_SUBMIT},
		{"sendmail", "sendmail|-oi|-odb|-t", RUN_SUBMIT},
		{"sendmail", "sendmail|-bs", RUN_SUBMIT},
		{"sendmail", "sendmail|-bv|a@b", RUN_SUBMIT},
		{"sendmail.postfix", "sendmail|-t", RUN_SUBMIT},
		{"sendmail", "sendmail|-bp", RUN_QUERY},
		{"sendmail", "sendmail|-q", RUN_QUERY},
		{"sendmail", "sendmail|-I", RUN_SUBMIT},
		{"sendmail", "sendmail|-bi", RUN_QUERY},
		{"sendmail", "/usr/bin/mailq", RUN_QUERY},
		{"sendmail", "/usr/bin/newaliases", RUN_QUERY},
		{"sendmail", "sendmail|-bd", RUN_DAEMON},
		{"postdrop", "/usr/sbin/postdrop|-r", RUN_QUEUER},
		{"postqueue", "/usr/sbin/postqueue|-p", RUN_QUERY},
		{"smtpd", "smtpd|-n|smtp", RUN_SMTPD},
		{"bounce", "bounce", RUN_BOUNCE},
		{"local", "local", RUN_FORWARD},
		{"cleanup", "cleanup", RUN_DAEMON},
	};

	(void)state;
	check_classify(&mta_postfix, cases, sizeof(cases) / sizeof(cases[0]));
}

/* Queue files are made of records here as rec_type.h has them. */
struct file {
	char data[65536];
	size_t len;
};

static void record(struct file *f, char type, const char *text)
{
	size_t n = strlen(text), left = n;

	f->data[f->len++] = type;
	do {
		f->data[f->len++] = (char)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
		left >>= 7;
	} while (left);
	memcpy(f->data + f->len, text, n);
	f->len += n;
}

static void make_queue(void)
{
	static const char *const names[] = {"maildrop", "incoming", "active", "deferred/3", "hold"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		fixture_dir(names[i]);
}

#define SIZE                                                                                       \
	"            440             191             250               0             440         " \
	"      0"

static void test_facts_smtp(void **state)
{
	static struct file f;
	struct fixture_recipients r = {0};
	struct message_facts m = {0};
	struct mta_queue q;
	char address[32];

	(void)state;
	make_queue();
	f.len = 0;
	record(&f, 'C', SIZE);
	record(&f, 'T', "1795296997 576306");
	record(&f, 'S', "r@elsewhere.test");
	record(&f, 'A', "log_client_address=192.0.2.7");
	record(&f, 'A', "log_message_origin=unknown[192.0.2.7]");
	record(&f, 'A', "helo_name=c.test");
	record(&f, 'A', "client_name=unknown");
	record(&f, 'A', "sasl_username=v@h.test");
	for (int i = 0; i < 250; i++) {
		snprintf(address, sizeof(address), "r%d@big.test", i);
		record(&f, 'O', address);
		record(&f, i ? 'R' : 'D', address);
	}
	record(&f, 'M', "");
	record(&f, 'N', "Received: from c.test (unknown [192.0.2.7])");
	record(&f, 'N', "\tby s (Postfix) with ESMTPSA id 30747A7E947; x");
	record(&f, 'L', "Subject: a long ");
	record(&f, 'N', "line");
	record(&f, 'N', "");
	record(&f, 'N', "Subject: body");
	record(&f, 'X', "");
	record(&f, 'E', "");
	fixture_file("deferred/3/30747A7E947", f.data, f.len, 0700);
	q = fixture_queue(&mta_postfix, "");
	assert_int_equal(fixture_facts(&q, "30747A7E947", 0, &m), 0);
	assert_int_equal(m.recipients, 250);
	assert_int_equal(m.bytes, 440);
	assert_int_equal(m.time_ns, 1795296997576306000ULL);
	assert_true(m.from_network && !m.local && !m.bounce);
	assert_string_equal(m.sender, "r@elsewhere.test");
	assert_string_equal(m.auth_user, "v@h.test");
	assert_string_equal(m.client_ip, "192.0.2.7");
	assert_string_equal(m.helo, "c.test");
	assert_string_equal(m.subject, "a long line");
	assert_int_equal(fixture_recipients(&q, "30747A7E947", &r), 0);
	assert_int_equal(r.n, 249);
	close(q.fd);
}

static void test_facts_local(void **state)
{
	static struct file f;
	struct message_facts m = {0};
	struct mta_queue q;

	(void)state;
	make_queue();
	f.len = 0;
	record(&f, 'C', SIZE);
	record(&f, 'A', "rewrite_context=local");
	record(&f, 'S', "web@blog.test");
	record(&f, 'M', "");
	record(&f, 'N', "Received: by s (Postfix, from userid 10001)");
	record(&f, 'N', "\tid 30747A7E947; x");
	record(&f, 'N', "Received: by s (Postfix, from userid 0)"); /* forged */
	record(&f, 'N', "");
	fixture_file("active/30747A7E947", f.data, f.len, 0700);
	q = fixture_queue(&mta_postfix, "");
	assert_int_equal(fixture_facts(&q, "30747A7E947", 0, &m), 0);
	assert_int_equal(m.uid, 10001);
	assert_true(m.local && !m.from_network);

	/* cleanup is still at it */
	fixture_file("incoming/40747A7E947", f.data, 40, 0600);
	assert_int_equal(fixture_facts(&q, "40747A7E947", 0, &m), -EAGAIN);
	close(q.fd);
}

/* hash_queue_names and hash_queue_depth may be anything, and be set anew while messages are there.
 */
static void test_open_hashed(void **state)
{
	static const struct {
		const char *dir, *id;
	} cases[] = {
		{"active", "7A1B22C0D3"},       {"active/8", "8A1B22C0D3"},
		{"incoming/7/A", "7A1B22C0D4"}, {"hold/7/A/1", "7A1B22C0D5"},
		{"deferred/3", "3A1B22C0D6"},   {"deferred", "4A1B22C0D7"},
		{"maildrop/5", "5A1B22C0D8"},
	};
	struct mta_queue q;

	(void)state;
	make_queue();
	q = fixture_queue(&mta_postfix, "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[64];
		int fd;

		snprintf(name, sizeof(name), "%s/%s", cases[i].dir, cases[i].id);
		assert_int_equal(q.mta->open(&q, cases[i].id), -ENOENT);
		fixture_dir(cases[i].dir);
		fixture_file(name, "x", 1, 0700);
		fd = q.mta->open(&q, cases[i].id);
		assert_true(fd >= 0);
		close(fd);
	}
	close(q.fd);
}

/* What postdrop leaves: no size record, recipients of "sendmail -t" behind the message, the
 * injector is the owner. */
static void test_facts_maildrop(void **state)
{
	static struct file f;
	struct message_facts m = {0};
	struct mta_queue q;

	(void)state;
	make_queue();
	f.len = 0;
	record(&f, 'T', "1795287402 264307");
	record(&f, 'A', "rewrite_context=local");
	record(&f, 'S', "");
	record(&f, 'M', "");
	record(&f, 'N', "From: a@b.test");
	record(&f, 'N', "");
	record(&f, 'N', "Rbody that is no recipient");
	record(&f, 'X', "");
	record(&f, 'R', "a@b.test");
	record(&f, 'R', "c@d.test");
	record(&f, 'E', "");
	fixture_file("maildrop/29B2DA7E945", f.data, f.len, 0744);
	q = fixture_queue(&mta_postfix, "");
	assert_int_equal(fixture_facts(&q, "29B2DA7E945", 0, &m), 0);
	assert_int_equal(m.recipients, 2);
	assert_int_equal(m.uid, getuid());
	assert_true(m.has_sender && !m.bounce);
	assert_string_equal(m.from, "a@b.test");
	close(q.fd);
}

static void test_facts_bounce(void **state)
{
	static struct file f;
	struct message_facts m = {0};
	struct mta_queue q;

	(void)state;
	make_queue();
	f.len = 0;
	record(&f, 'C', SIZE);
	record(&f, 'A', "log_message_origin=local");
	record(&f, 'S', "");
	record(&f, 'M', "");
	record(&f, 'N', "Received: by s (Postfix)");
	record(&f, 'N', "\tid 8FF9014A11E; x");
	record(&f, 'N', "Content-Type: multipart/report;");
	record(&f, 'N', "\tboundary=\"8EC1E14A11B.1795296997/stage.example.test\"");
	record(&f, 'N', "");
	fixture_file("active/8FF9014A11E", f.data, f.len, 0700);
	q = fixture_queue(&mta_postfix, "");
	assert_int_equal(fixture_facts(&q, "8FF9014A11E", 0, &m), 0);
	assert_true(m.bounce && !m.local && !m.from_network);
	assert_string_equal(m.parent_id, "8EC1E14A11B");
	close(q.fd);
}

/* local(8)'s forward, and what only looks like one: a header of the message itself. */
static void test_facts_forward(void **state)
{
	static const struct {
		const char *top, *next, *sender;
		bool forward, bounce;
	} cases[] = {
		{"Received: by s (Postfix)", "Delivered-To: fwd@s", "a@b.test", true, false},
		{"Received: by s (Postfix)", "Delivered-To: fwd@s", "", true, false},
		{"Received: by s (Postfix)", "Subject: x", "a@b.test", false, false},
		{"Received: by s (Postfix)", "Subject: x", "", false, true},
		{"Received: by s (Postfix, from userid 33)", "Delivered-To: fwd@s", "a@b.test",
		 false, false},
		{"Received: from c (c [192.0.2.1])", "Delivered-To: fwd@s", "a@b.test", false,
		 false},
		{"Subject: Received: by s", "Delivered-To: fwd@s", "a@b.test", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		static struct file f;
		struct message_facts m = {0};
		struct mta_queue q;

		make_queue();
		f.len = 0;
		record(&f, 'C', SIZE);
		record(&f, 'A', "log_message_origin=local");
		record(&f, 'S', cases[i].sender);
		record(&f, 'M', "");
		record(&f, 'N', cases[i].top);
		record(&f, 'N', "\tid 8FF9014A11E; x");
		record(&f, 'N', cases[i].next);
		record(&f, 'N', "");
		fixture_file("active/8FF9014A11E", f.data, f.len, 0700);
		q = fixture_queue(&mta_postfix, "");
		assert_int_equal(fixture_facts(&q, "8FF9014A11E", 0, &m), 0);
		if (m.forward != cases[i].forward || m.bounce != cases[i].bounce)
			fail_msg("%s, %s: forward %d, bounce %d", cases[i].top, cases[i].next,
				 m.forward, m.bounce);
		close(q.fd);
	}
}

/* Milters leave pointers: the reader follows them, and no circle. */
static void test_pointers(void **state)
{
	static struct file f;
	struct message_facts m = {0};
	struct mta_queue q;
	char to[32];

	(void)state;
	make_queue();
	q = fixture_queue(&mta_postfix, "");
	f.len = 0;
	record(&f, 'S', "a@b.test");
	record(&f, 'M', "");
	record(&f, 'p', "              0");
	/* over the record that follows: 17 bytes of this one, 2 + 14 of that one */
	snprintf(to, sizeof(to), "%15zu", f.len + 17 + 16);
	record(&f, 'p', to);
	record(&f, 'N', "Subject: wrong");
	record(&f, 'N', "Subject: right");
	record(&f, 'N', "");
	record(&f, 'X', "");
	record(&f, 'E', "");
	fixture_file("active/30747A7E947", f.data, f.len, 0700);
	assert_int_equal(fixture_facts(&q, "30747A7E947", 0, &m), 0);
	assert_string_equal(m.subject, "right");
	f.len = 0;
	record(&f, 'S', "a@b.test");
	record(&f, 'p', "              10");
	fixture_file("active/30747A7E947", f.data, f.len, 0700);
	assert_int_equal(fixture_facts(&q, "30747A7E947", 0, &m), -EINVAL);
	close(q.fd);
}

static void test_hostile(void **state)
{
	static struct file f;
	struct message_facts m = {0};
	struct mta_queue q;

	(void)state;
	make_queue();
	q = fixture_queue(&mta_postfix, "");
	fixture_file("active/AAAAAA", "", 0, 0700);
	assert_int_equal(fixture_facts(&q, "AAAAAA", 0, &m), -EINVAL);
	assert_int_equal(fixture_facts(&q, "../etc/passwd", 0, &m), -EINVAL);
	/* a length that never ends, one of 2 GB, a NUL as a type */
	fixture_file("active/AAAAAA", "S\xff\xff\xff\xff\xff\xff\xff", 8, 0700);
	assert_int_equal(fixture_facts(&q, "AAAAAA", 0, &m), -EINVAL);
	fixture_file("active/AAAAAA", "S\xff\xff\xff\xff\x07x", 7, 0700);
	assert_int_equal(fixture_facts(&q, "AAAAAA", 0, &m), 0);
	fixture_file("active/AAAAAA", "\0\0\0\0", 4, 0700);
	assert_int_equal(fixture_facts(&q, "AAAAAA", 0, &m), -EINVAL);
	fixture_file("active/AAAAAA", "S\001a", 3, 0700);
	assert_int_equal(truncate(fixture_path("active/AAAAAA"), 2LL << 30), 0);
	assert_int_equal(fixture_facts(&q, "AAAAAA", 0, &m), -EINVAL);
	/* every cut of a good file */
	f.len = 0;
	record(&f, 'C', SIZE);
	record(&f, 'A', "sasl_username=v@h.test");
	record(&f, 'S', "a@b.test");
	record(&f, 'M', "");
	record(&f, 'N', "Subject: x");
	for (size_t n = 0; n < f.len; n++) {
		int r;

		fixture_file("active/AAAAAA", f.data, n, 0700);
		r = fixture_facts(&q, "AAAAAA", 0, &m);
		assert_true(r == 0 || r == -EINVAL);
	}
	close(q.fd);
}

static void test_count(void **state)
{
	struct queue_counts c;
	struct mta_queue q;
	int listed = 0;

	(void)state;
	make_queue();
	q = fixture_queue(&mta_postfix, "");
	fixture_text("maildrop/29B2DA7E945", "");
	fixture_text("incoming/30747A7E947", "");
	fixture_text("incoming/198395.27850", "");
	fixture_text("active/30747A7E948", "");
	fixture_text("deferred/3/30747A7E949", "");
	fixture_text("deferred/3/30747A7E950", "");
	fixture_text("hold/4dNHLp3K3yz2sR", "");
	fixture_text("active/core.~1~", "");
	assert_int_equal(q.mta->count(&q, &c), 0);
	assert_int_equal(c.messages, 6);
	assert_int_equal(c.unprocessed, 2);
	assert_int_equal(c.held, 1);
	assert_int_equal(c.partial, 1);
	assert_int_equal(c.garbage, 1);
	assert_int_equal(q.mta->list(&q, fixture_count_entry, &listed), 0);
	assert_int_equal(listed, 6);
	close(q.fd);
}

#define WITH_QUEUE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interpret), cmocka_unit_test(test_classify),
		WITH_QUEUE(test_facts_smtp),      WITH_QUEUE(test_facts_local),
		WITH_QUEUE(test_open_hashed),     WITH_QUEUE(test_facts_maildrop),
		WITH_QUEUE(test_facts_bounce),    WITH_QUEUE(test_facts_forward),
		WITH_QUEUE(test_pointers),        WITH_QUEUE(test_hostile),
		WITH_QUEUE(test_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
