// SPDX-License-Identifier: GPL-2.0-only
/* The reading behind `spamtrace queue`, over a qmail queue of the test's own; and the joining with
 * recordings. */
#include "queue_fixture.h"

#include <sys/time.h>

#include "commands/queue.h"

static void message(unsigned id, const char *received, const char *subject, const char *sender,
		    const char *recipients, size_t recipients_len)
{
	char name[64], text[512];

	snprintf(name, sizeof(name), "mess/%u/%u", id % 4, id);
	snprintf(text, sizeof(text), "Received: %s\nFrom: <%s>\nSubject: %s\n\nx\n", received,
		 sender, subject);
	fixture_text(name, text);
	snprintf(name, sizeof(name), "info/%u/%u", id % 4, id);
	snprintf(text, sizeof(text), "F%s", sender);
	fixture_file(name, text, strlen(text) + 1, 0600);
	snprintf(name, sizeof(name), "remote/%u/%u", id % 4, id);
	fixture_file(name, recipients, recipients_len, 0600);
}

#define RECIPIENTS(s) s, sizeof(s)

static void make_queue(void)
{
	static const char *const tops[] = {"mess", "info", "local", "remote"};
	char name[64], many[16384];
	size_t n = 0;

	for (int t = 0; t < 4; t++) {
		for (int i = 0; i < 4; i++) {
			snprintf(name, sizeof(name), "%s/%d", tops[t], i);
			fixture_dir(name);
		}
	}
	fixture_dir("todo");
	/* domains in turn, more of them than are noted at once */
	for (int i = 0; i < 600; i++)
		n += (size_t)snprintf(many + n, sizeof(many) - n, "Ta@d%d.test", i % 2) + 1;
	message(10, "(qmail 1 invoked by uid 10001); x", "spam one", "a@x.test",
		RECIPIENTS("Tp@B.test\0Tq@b.test\0Tr@c.test"));
	message(11, "(qmail 2 invoked by uid 10001); x", "spam two", "b@x.test", many, n);
	message(12, "(qmail 3 invoked for bounce); x", "failure", "", RECIPIENTS("Tp@b.test"));
	message(13,
		"(qmail 4 invoked from network); x\nReceived: from unknown (HELO c) "
		"(u@h.test@192.0.2.7) by s "
		"with ESMTPA; x",
		"hello", "u@h.test", RECIPIENTS("Tp@b.test"));
}

struct seen {
	int n;
	char ids[256];
};

static int see(void *arg, const struct queue_message *m)
{
	struct seen *s = arg;

	s->n++;
	snprintf(s->ids + strlen(s->ids), sizeof(s->ids) - strlen(s->ids), "%s ", m->id);
	return 0;
}

static struct queue_options options(void)
{
	return (struct queue_options){
		.directory = fixture_root, .mta = &mta_qmail, .uid = COUNT_UNKNOWN};
}

static const struct key_row *row(struct queue_report *r, enum queue_by by, const char *key)
{
	const struct key_row *const *rows = key_table_sorted(r->by[by], false);

	for (size_t i = 0; i < key_table_count(r->by[by]); i++)
		if (strcmp(rows[i]->key, key) == 0)
			return rows[i];
	return NULL;
}

static void test_tables(void **state)
{
	struct queue_options o = options();
	struct queue_report r = {0};

	(void)state;
	make_queue();
	assert_int_equal(queue_read(&o, NULL, NULL, NULL, &r), 0);
	assert_int_equal(r.queue_count, 1);
	assert_int_equal(r.counts[0].messages, 4);
	assert_int_equal(r.read, 4);
	assert_int_equal(r.all.recipients, 605);
	assert_int_equal(row(&r, QUEUE_BY_ORIGIN, "uid 10001")->messages, 2);
	assert_int_equal(row(&r, QUEUE_BY_ORIGIN, "uid 10001")->most, 600);
	assert_int_equal(row(&r, QUEUE_BY_ORIGIN, "bounce")->messages, 1);
	assert_int_equal(row(&r, QUEUE_BY_ORIGIN, "auth u@h.test")->messages, 1);
	assert_int_equal(row(&r, QUEUE_BY_SENDER, "<>")->messages, 1);
	assert_int_equal(row(&r, QUEUE_BY_DOMAIN, "b.test")->messages, 3);
	assert_int_equal(row(&r, QUEUE_BY_DOMAIN, "b.test")->recipients, 4);
	assert_int_equal(row(&r, QUEUE_BY_DOMAIN, "d0.test")->messages, 1);
	assert_int_equal(row(&r, QUEUE_BY_DOMAIN, "d0.test")->recipients, 300);
	assert_int_equal(r.big_count, 1);
	assert_string_equal(r.big[0].id, "11");
	queue_report_clear(&r);
}

/* Shares are all of the queue, and their sums its tables. */
static void test_threads(void **state)
{
	struct queue_options o = options();
	struct queue_report r = {0};

	(void)state;
	make_queue();
	o.threads = 3;
	assert_int_equal(queue_read(&o, NULL, NULL, NULL, &r), 0);
	assert_int_equal(r.read, 4);
	assert_int_equal(r.matched, 4);
	assert_int_equal(r.all.messages, 4);
	assert_int_equal(r.all.recipients, 605);
	assert_int_equal(r.all.most, 600);
	assert_int_equal(key_table_count(r.by[QUEUE_BY_ORIGIN]), 3);
	assert_int_equal(row(&r, QUEUE_BY_ORIGIN, "uid 10001")->messages, 2);
	assert_int_equal(row(&r, QUEUE_BY_ORIGIN, "uid 10001")->ages[0], 2);
	assert_true(*row(&r, QUEUE_BY_ORIGIN, "uid 10001")->sample_id);
	assert_int_equal(row(&r, QUEUE_BY_DOMAIN, "b.test")->messages, 3);
	assert_int_equal(row(&r, QUEUE_BY_DOMAIN, "b.test")->recipients, 4);
	assert_int_equal(r.big_count, 1);
	assert_string_equal(r.big[0].id, "11");
	queue_report_clear(&r);
}

static int print_id(void *arg, const struct queue_message *m)
{
	(void)arg;
	return fprintf(m->out, "%s\n", m->id) < 0 ? -EIO : 0;
}

static void test_threads_print(void **state)
{
	struct queue_options o = options();
	struct queue_report r = {0};
	char *text = NULL;
	size_t len = 0;

	(void)state;
	make_queue();
	o.threads = 4;
	o.out = open_memstream(&text, &len);
	assert_int_equal(queue_read(&o, NULL, print_id, NULL, &r), 0);
	fclose(o.out);
	assert_int_equal(len, 4 * 3);
	for (int id = 10; id < 14; id++) {
		char line[8];

		snprintf(line, sizeof(line), "%d\n", id);
		assert_non_null(strstr(text, line));
	}
	free(text);
	queue_report_clear(&r);
	/* an output that takes nothing ends the reading */
	o.out = fopen("/dev/full", "w");
	assert_non_null(o.out);
	setbuf(o.out, NULL);
	assert_int_equal(queue_read(&o, NULL, print_id, NULL, &r), -ENOSPC);
	fclose(o.out);
	queue_report_clear(&r);
}

static void check_filter(const struct queue_options *o, const char *ids)
{
	struct queue_report r = {0};
	struct seen s = {0};

	assert_int_equal(queue_read(o, NULL, see, &s, &r), 0);
	assert_string_equal(s.ids, ids);
	queue_report_clear(&r);
}

static void test_filters(void **state)
{
	struct queue_options o;

	(void)state;
	make_queue();
	/* in the order of the split directories */
	o = options(), check_filter(&o, "12 13 10 11 ");
	o = options(), o.uid = 10001, check_filter(&o, "10 11 ");
	o = options(), o.sender = "", check_filter(&o, "12 ");
	o = options(), o.sender = "*@X.test", check_filter(&o, "10 11 ");
	o = options(), o.from = "u@*", check_filter(&o, "13 ");
	o = options(), o.subject = "SPAM*", check_filter(&o, "10 11 ");
	o = options(), o.domain = "d1.*", check_filter(&o, "11 ");
	o = options(), o.domain = "B.TEST", check_filter(&o, "12 13 10 ");
	o = options(), o.auth = "*", check_filter(&o, "13 ");
	o = options(), o.client = "192.0.2.*", check_filter(&o, "13 ");
	o = options(), o.older_ns = 3600000000000, check_filter(&o, "");
	o = options(), o.newer_ns = 3600000000000, check_filter(&o, "12 13 10 11 ");
}

static void test_unreadable(void **state)
{
	struct queue_options o = options();
	struct queue_report r = {0};
	struct seen s = {0};

	(void)state;
	make_queue();
	assert_int_equal(unlink(fixture_path("mess/2/10")), 0);
	assert_int_equal(symlink("/etc/passwd", fixture_path("mess/2/10")), 0);
	assert_int_equal(queue_read(&o, NULL, see, &s, &r), 0);
	assert_string_equal(s.ids, "12 13 11 ");
	assert_int_equal(r.counts[0].garbage, 1);
	queue_report_clear(&r);
	o.directory = "/nonexistent";
	assert_int_equal(queue_read(&o, NULL, see, &s, &r), -ENOENT);
	queue_report_clear(&r);
}

/* One line of a recording, as the JSON sink writes it. */
static size_t line(char *out, size_t size, const char *action, const char *id, const char *script,
		   const char *time)
{
	return (size_t)snprintf(out, size,
				"{\"@timestamp\":\"%s\",\"event\":{\"id\":\"1-1\",\"sequence\":1,"
				"\"action\":\"%s\"},"
				"\"host\":{\"name\":\"h\"},\"spamtrace\":{\"schema\":1,\"source\":"
				"\"script\",\"attribution\":"
				"\"exact\",\"mta\":\"qmail\"},\"file\":{\"path\":\"%s\"},\"user\":{"
				"\"id\":\"10001\"},"
				"\"email\":{\"local_id\":\"%s\"}}\n",
				time, action, script, id);
}

#define AT(s) (1795287300000000000ULL + (s)*1000000000ULL) /* 2026-11-21T18:55:00Z */

static void test_join(void **state)
{
	struct queue_join *j = NULL;
	char text[8192], path[256];
	char *paths[] = {path};
	size_t n = 0;

	(void)state;
	n += line(text + n, sizeof(text) - n, "mail-queued", "10", "/old.php",
		  "2026-11-21T18:55:01Z");
	n += line(text + n, sizeof(text) - n, "mail-removed", "10", "/old.php",
		  "2026-11-21T18:55:02Z");
	n += line(text + n, sizeof(text) - n, "mail-queued", "10", "/new.php",
		  "2026-11-21T18:55:03Z");
	n += line(text + n, sizeof(text) - n, "mail-queued", "11", "/gone.php",
		  "2026-11-21T18:55:03Z");
	n += line(text + n, sizeof(text) - n, "mail-removed", "11", "/gone.php",
		  "2026-11-21T18:55:04Z");
	fixture_file("rec", text, n, 0600);
	snprintf(path, sizeof(path), "%s", fixture_path("rec"));
	assert_int_equal(queue_join_new(paths, 1, &j), 0);
	assert_string_equal(queue_join_find(j, "qmail", "10", AT(3))->script, "/new.php");
	assert_int_equal(queue_join_find(j, "qmail", "10", AT(3))->uid, 10001);
	assert_null(queue_join_find(j, "qmail", "11", AT(3)));
	assert_null(queue_join_find(j, "postfix", "10", AT(3)));
	/* the id was used again after the recording */
	assert_null(queue_join_find(j, "qmail", "10", AT(60)));
	assert_null(queue_join_find(j, "qmail", "10", AT(0) - 7200000000000ULL));
	queue_join_free(j);

	fixture_text("rec", "no recording\n");
	assert_int_equal(queue_join_new(paths, 1, &j), -EINVAL);
}

/* More ids than the table begins with; those that were removed make room. */
static void test_join_grows(void **state)
{
	struct queue_join *j = NULL;
	char path[256], text[1024], id[16];
	char *paths[] = {path};
	FILE *f = fopen(fixture_path("rec"), "w");

	(void)state;
	assert_non_null(f);
	for (int i = 1; i <= 5000; i++) {
		snprintf(id, sizeof(id), "%d", i);
		line(text, sizeof(text), "mail-queued", id, "/s.php", "2026-11-21T18:55:01Z");
		fputs(text, f);
		line(text, sizeof(text), "mail-removed", id, "/s.php", "2026-11-21T18:55:01Z");
		if (i % 5)
			fputs(text, f);
	}
	fclose(f);
	snprintf(path, sizeof(path), "%s", fixture_path("rec"));
	assert_int_equal(queue_join_new(paths, 1, &j), 0);
	for (int i = 1; i <= 5000; i++) {
		snprintf(id, sizeof(id), "%d", i);
		assert_true((queue_join_find(j, "qmail", id, 0) != NULL) == (i % 5 == 0));
	}
	queue_join_free(j);
}

static void test_age_text(void **state)
{
	char text[24];

	(void)state;
	queue_age_text(text, sizeof(text), AT(0), AT(59));
	assert_string_equal(text, "59s");
	queue_age_text(text, sizeof(text), AT(0), AT(3900));
	assert_string_equal(text, "1h05m");
	queue_age_text(text, sizeof(text), AT(0), AT(90000));
	assert_string_equal(text, "1d01h");
	queue_age_text(text, sizeof(text), AT(5), AT(0));
	assert_string_equal(text, "0s");
	queue_age_text(text, sizeof(text), 0, AT(0));
	assert_string_equal(text, "-");
}

#define WITH_QUEUE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_QUEUE(test_tables),        WITH_QUEUE(test_threads),
		WITH_QUEUE(test_threads_print), WITH_QUEUE(test_filters),
		WITH_QUEUE(test_unreadable),    WITH_QUEUE(test_join),
		WITH_QUEUE(test_join_grows),    cmocka_unit_test(test_age_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
