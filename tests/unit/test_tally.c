// SPDX-License-Identifier: GPL-2.0-only
/* Counts: bounded keys, shares, order, what a row keeps. */
#include "trace_builders.h"

#include "trace/tally.h"

#define _tally_ struct tally *t __attribute__((cleanup(freep))) = tally_new()

static void freep(struct tally **t)
{
	tally_free(*t);
}

static struct mail_event mail(enum action action, const char *script, uint64_t when)
{
	return (struct mail_event){.action = action,
				   .script = script,
				   .source = SOURCE_SCRIPT,
				   .attribution = ATTRIBUTION_EXACT,
				   .wall_ns = when,
				   .uid = COUNT_UNKNOWN,
				   .recipients = COUNT_UNKNOWN,
				   .bytes = COUNT_UNKNOWN};
}

static void add(struct tally *t, enum action action, const char *script, unsigned n)
{
	static uint64_t now;

	while (n--) {
		struct mail_event e = mail(action, script, ++now);

		tally_add(t, &e);
	}
}

/* A message that waits for its file or the log comes after an attempt that is younger. */
static void times_in_any_order(void **state)
{
	static const uint64_t given[] = {5, 9, 3, 0, 7};
	_tally_;
	struct tally_row row;
	size_t more;

	(void)state;
	for (size_t i = 0; i < array_size(given); i++) {
		struct mail_event e = mail(i % 2 ? ACTION_MAIL_ATTEMPTED : ACTION_MAIL_QUEUED,
					   "/s.php", given[i]);

		tally_add(t, &e);
	}
	assert_int_equal(tally_rows(t, BY_SCRIPT, &row, 1, &more), 1);
	assert_int_equal(row.first_wall_ns, 3);
	assert_int_equal(row.last_wall_ns, 9);
}

/* Names of one user are not put beside the number of another. */
static void owners(void **state)
{
	static const struct {
		const char *script, *container, *vhost, *user;
		int64_t uid;
	} given[] = {
		{"/s.php", NULL, "a.test", "ann", 1},
		{"/s.php", NULL, "b.test", "bob", 2},
		{"/var/www/x.php", "c1", NULL, "ann", 1},
		{"/var/www/x.php", "c2", NULL, "bob", 2},
		{"/var/www/x.php", NULL, NULL, NULL, 3},
		{"\1c1\1/var/www/x.php", NULL, NULL, "eve", 4},
		{"/t.php", NULL, "a.test", "ann", 1},
		{"/t.php", NULL, "a.test", "ann", 1},
	};
	_tally_;
	struct tally_row rows[10];
	size_t more, n;

	(void)state;
	for (size_t i = 0; i < array_size(given); i++) {
		struct mail_event e = mail(ACTION_MAIL_QUEUED, given[i].script, i + 1);

		e.container = given[i].container;
		e.vhost = given[i].vhost;
		e.user_name = given[i].user;
		e.uid = given[i].uid;
		tally_add(t, &e);
	}
	n = tally_rows(t, BY_SCRIPT, rows, 10, &more);
	assert_int_equal(n, 6);
	for (size_t i = 0; i < n; i++) {
		const struct tally_row *r = &rows[i];
		bool shared = !strcmp(r->key, "/s.php");

		assert_int_equal(r->users, shared);
		assert_int_equal(r->vhosts, shared);
		assert_int_equal(r->messages, shared || !strcmp(r->key, "/t.php") ? 2 : 1);
		if (r->uid == 4)
			assert_string_equal(r->key, "\1c1\1/var/www/x.php");
		if (r->uid == 4 || r->uid == 3)
			assert_null(r->container);
		if (r->container)
			assert_string_equal(r->container, r->uid == 1 ? "c1" : "c2");
	}
}

static void every_action(void **state)
{
	_tally_;
	struct tally_totals totals;
	struct tally_row rows[4];
	size_t more;

	(void)state;
	add(t, ACTION_MAIL_QUEUED, "/a.php", 3);
	add(t, ACTION_MAIL_ATTEMPTED, "/a.php", 2);
	add(t, ACTION_SMTP_CONNECTED, "/a.php", 5);
	add(t, ACTION_MAIL_REMOVED, "/b.php", 7);
	add(t, ACTION_QUEUE_SAMPLED, "/b.php", 1);
	tally_totals(t, &totals);
	assert_int_equal(totals.messages, 3);
	assert_int_equal(totals.attempts, 2);
	assert_int_equal(totals.connects, 5);
	assert_int_equal(totals.removals, 7);
	assert_int_equal(totals.by_source[SOURCE_SCRIPT], 3);
	assert_int_equal(totals.by_attribution[ATTRIBUTION_EXACT], 3);
	assert_int_equal(tally_rows(t, BY_SCRIPT, rows, 4, &more), 1);
	assert_int_equal(more, 0);
	assert_string_equal(rows[0].key, "/a.php");
	assert_int_equal(rows[0].messages, 3);
	assert_int_equal(rows[0].attempts, 2);
	assert_int_equal(rows[0].connects, 5);
}

static void what_a_row_keeps(void **state)
{
	_tally_;
	struct mail_event e = mail(ACTION_MAIL_ATTEMPTED, "/a.php", 10);
	struct tally_row rows[1];
	size_t more;

	(void)state;
	tally_add(t, &e);
	e = mail(ACTION_MAIL_QUEUED, "/a.php", 20);
	e.uid = 33;
	e.recipients = 4;
	e.queue_id = "ID1";
	e.subject = "one";
	e.vhost = "a.test";
	e.user_name = "www-data";
	e.culprit_file = "/lib.php";
	e.culprit_line = 12;
	tally_add(t, &e);
	e.wall_ns = 30;
	e.recipients = COUNT_UNKNOWN;
	e.queue_id = "ID2";
	e.subject = "two";
	e.culprit_line = 99;
	e.attribution = ATTRIBUTION_INFERRED;
	tally_add(t, &e);
	e.attribution = ATTRIBUTION_EXACT;
	e.recipients = 1;
	tally_add(t, &e);
	assert_int_equal(tally_rows(t, BY_SCRIPT, rows, 1, &more), 1);
	assert_int_equal(rows[0].first_wall_ns, 10);
	assert_int_equal(rows[0].last_wall_ns, 30);
	assert_int_equal(rows[0].recipients, 5);
	assert_int_equal(rows[0].uid, 33);
	assert_int_equal(rows[0].attribution, ATTRIBUTION_INFERRED); /* the weakest */
	assert_string_equal(rows[0].sample_id, "ID1");
	assert_string_equal(rows[0].sample_subject, "one");
	assert_string_equal(rows[0].vhost, "a.test");
	assert_string_equal(rows[0].user_name, "www-data");
	assert_string_equal(rows[0].culprit_file, "/lib.php");
	assert_int_equal(rows[0].culprit_line, 12);
}

static void every_kind_of_key(void **state)
{
	static const char *const keys[BY_COUNT] = {"/a.php", "0", "a.test", "192.0.2.1", "script"};
	_tally_;
	struct mail_event e = mail(ACTION_MAIL_QUEUED, "/a.php", 1);
	struct tally_row rows[2];
	size_t more;

	(void)state;
	e.uid = 0;
	e.vhost = "a.test";
	e.client_ip = "192.0.2.1";
	tally_add(t, &e);
	for (int by = 0; by < BY_COUNT; by++) {
		assert_int_equal(tally_rows(t, (enum tally_by)by, rows, 2, &more), 1);
		assert_string_equal(rows[0].key, keys[by]);
		assert_true(rows[0].share > 0.999 && rows[0].share < 1.001);
	}
}

static void unknown_keys_share_a_row(void **state)
{
	_tally_;
	struct tally_row rows[4];
	size_t more;

	(void)state;
	add(t, ACTION_MAIL_QUEUED, NULL, 2);
	add(t, ACTION_MAIL_QUEUED, "/a.php", 1);
	assert_int_equal(tally_rows(t, BY_SCRIPT, rows, 4, &more), 2);
	assert_null(rows[0].key);
	assert_int_equal(rows[0].messages, 2);
	assert_int_equal(tally_rows(t, BY_UID, rows, 4, &more), 1);
	assert_null(rows[0].key);
}

static void order_and_shares(void **state)
{
	_tally_;
	struct tally_row rows[8];
	size_t more, n;
	double sum = 0;

	(void)state;
	add(t, ACTION_MAIL_QUEUED, "/tie1.php", 2);
	add(t, ACTION_MAIL_QUEUED, "/tie2.php", 2);
	add(t, ACTION_MAIL_QUEUED, "/few.php", 1);
	add(t, ACTION_MAIL_QUEUED, "/many.php", 5);
	add(t, ACTION_SMTP_CONNECTED, "/connects.php", 3);
	add(t, ACTION_MAIL_ATTEMPTED, "/attempts.php", 9);
	add(t, ACTION_MAIL_ATTEMPTED, "/attempts2.php", 10);
	n = tally_rows(t, BY_SCRIPT, rows, 8, &more);
	assert_int_equal(n, 7);
	assert_string_equal(rows[0].key, "/many.php");
	assert_string_equal(rows[1].key, "/connects.php");
	assert_string_equal(rows[2].key, "/tie1.php"); /* who came first */
	assert_string_equal(rows[3].key, "/tie2.php");
	assert_string_equal(rows[4].key, "/few.php");
	assert_string_equal(rows[5].key, "/attempts2.php");
	assert_string_equal(rows[6].key, "/attempts.php");
	for (size_t i = 0; i < n; i++)
		sum += rows[i].share;
	assert_true(sum > 0.999 && sum < 1.001);
	assert_true(rows[0].share > 0.499 && rows[0].share < 0.501);
	assert_int_equal(tally_rows(t, BY_SCRIPT, rows, 3, &more), 3);
	assert_int_equal(more, 4);
	assert_int_equal(tally_rows(t, BY_SCRIPT, rows, 0, &more), 0);
	assert_int_equal(more, 7);
}

static void many_ties_keep_their_order(void **state)
{
	_tally_;
	static struct tally_row rows[3000];
	size_t more;
	char key[32];

	(void)state;
	for (int i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "/%d.php", i);
		add(t, ACTION_MAIL_QUEUED, key, 1);
	}
	assert_int_equal(tally_rows(t, BY_SCRIPT, rows, 3000, &more), 3000);
	for (int i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "/%d.php", i);
		assert_string_equal(rows[i].key, key);
	}
}

static void keys_are_bounded(void **state)
{
	_tally_;
	struct tally_row rows[3];
	struct tally_totals totals;
	size_t more;
	char key[32];

	(void)state;
	for (int i = 0; i < TALLY_MAX_KEYS + 5000; i++) {
		snprintf(key, sizeof(key), "/%d.php", i);
		add(t, ACTION_MAIL_QUEUED, key, 1);
	}
	add(t, ACTION_MAIL_QUEUED, "/0.php", 1); /* a known one still counts as itself */
	assert_int_equal(tally_rows(t, BY_SCRIPT, rows, 3, &more), 3);
	assert_string_equal(rows[0].key, "(others)");
	assert_int_equal(rows[0].messages, 5000);
	assert_string_equal(rows[1].key, "/0.php");
	assert_int_equal(rows[1].messages, 2);
	assert_int_equal(more, TALLY_MAX_KEYS + 1 - 3);
	tally_totals(t, &totals);
	assert_int_equal(totals.messages, TALLY_MAX_KEYS + 5001);
}

static void a_script_that_is_called_like_the_rest(void **state)
{
	_tally_;
	struct tally_row rows[3];
	size_t more;
	char key[32];

	(void)state;
	add(t, ACTION_MAIL_QUEUED, "(others)", 3);
	add(t, ACTION_MAIL_QUEUED, "",
	    1); /* an empty name is not an unknown one, but shares its row */
	for (int i = 0; i < TALLY_MAX_KEYS; i++) {
		snprintf(key, sizeof(key), "/%d.php", i);
		add(t, ACTION_MAIL_QUEUED, key, 1);
	}
	assert_int_equal(tally_rows(t, BY_SCRIPT, rows, 3, &more), 3);
	assert_int_equal(rows[0].messages, 3);
	assert_int_equal(rows[1].messages, 2);
	assert_ptr_not_equal(rows[0].key, rows[1].key);
}

static void empty(void **state)
{
	_tally_;
	struct tally_row rows[1];
	size_t more = 9;

	(void)state;
	assert_int_equal(tally_rows(t, BY_SCRIPT, rows, 1, &more), 0);
	assert_int_equal(more, 0);
	add(t, ACTION_MAIL_ATTEMPTED, "/a.php", 1);
	assert_int_equal(tally_rows(t, BY_SCRIPT, rows, 1, &more), 1);
	assert_true(rows[0].share == 0); /* of no message at all */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_in_any_order),
		cmocka_unit_test(every_action),
		cmocka_unit_test(what_a_row_keeps),
		cmocka_unit_test(every_kind_of_key),
		cmocka_unit_test(unknown_keys_share_a_row),
		cmocka_unit_test(order_and_shares),
		cmocka_unit_test(many_ties_keep_their_order),
		cmocka_unit_test(keys_are_bounded),
		cmocka_unit_test(a_script_that_is_called_like_the_rest),
		cmocka_unit_test(empty),
		cmocka_unit_test(owners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
