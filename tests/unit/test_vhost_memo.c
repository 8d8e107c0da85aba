// SPDX-License-Identifier: GPL-2.0-only
#include "web_fixture.h"

#include "base/cleanup.h"
#include "trace/vhost_memo.h"

static struct vhost_table *table_of(const char *name, const char *docroot)
{
	struct vhost_table *t = vhost_table_new();
	struct vhost_spec spec = {.software = VHOST_APACHE, .name = name};
	int v = vhost_table_add(t, &spec);

	assert_int_equal(vhost_table_add_dir(t, v, 0, VHOST_DIR_DOCROOT, docroot), 0);
	return t;
}

/* Every answer, also one that is remembered, is what vhost_resolve() says: also when questions
 * differ in one part only. */
static void answers_are_the_same(void **state)
{
	struct vhost_table *t __attribute__((cleanup(vhost_table_freep))) =
		table_of("a.test", "/srv/a");
	const struct vhost_spec other = {.name = "o.test"};
	struct vhost_memo m = {0};
	const struct vhost_query queries[] = {
		{.docroot = "/srv/a"},
		{.docroot = "/srv/a", .script = "/srv/a/x.php"},
		{.script = "/srv/a"},
		{.script = "/srv/b/x.php"},
		{.script = "/srv/b/x.php", .host_header = "b.test"},
		{.script = "/srv/b/x.php", .host_header = "c.test"},
		{.host_script = "/srv/a/x.php", .script = "/x.php", .host_header = "c.test"},
		{.script = "/a/x.php", .chroot = "/srv"},
		{.script = "/a/x.php"},
		{.script = "/a/x.php", .server_name_from_memory = "d.test"},
		{.script = "", .host_header = ""},
		{.docroot = "/srv/a", .uid = 10001},
		{.docroot = "/srv/a", .uid = 10002},
		{.docroot = "/srv/a", .server_name_from_memory = "d.test"},
		{.docroot = "/srv/a", .server_name_from_memory = "d.test", .culprit = "/srv/a/y"},
	};

	(void)state;
	vhost_table_set_owner(t, 0, 10001);
	vhost_table_set_owner(t, vhost_table_add(t, &other), 10002);
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < array_size(queries); i++) {
			struct vhost_answer want = {0}, have = {0};
			int err = vhost_resolve(t, &queries[i], &want);

			assert_int_equal(vhost_memo_resolve(&m, t, &queries[i], &have), err);
			assert_string_equal(have.name, want.name);
			assert_int_equal(have.evidence, want.evidence);
			assert_int_equal(have.exact, want.exact);
			assert_ptr_equal(have.reason, want.reason);
		}
	vhost_memo_clear(&m);
}

static void a_remembered_answer_needs_no_table(void **state)
{
	struct vhost_table *t __attribute__((cleanup(vhost_table_freep))) =
		table_of("a.test", "/srv/a");
	struct vhost_table *other __attribute__((cleanup(vhost_table_freep))) =
		table_of("b.test", "/srv/a");
	const struct vhost_query q = {.docroot = "/srv/a"};
	struct vhost_memo m = {0};
	struct vhost_answer have;

	(void)state;
	assert_int_equal(vhost_memo_resolve(&m, t, &q, &have), 0);
	assert_int_equal(vhost_memo_resolve(&m, other, &q, &have), 0);
	assert_string_equal(have.name, "a.test");
	vhost_memo_clear(&m);
	assert_int_equal(vhost_memo_resolve(&m, other, &q, &have), 0);
	assert_string_equal(have.name, "b.test");
	vhost_memo_clear(&m);
}

/* The same directory in two containers. */
static void containers_are_told_apart(void **state)
{
	struct vhost_table *t __attribute__((cleanup(vhost_table_freep))) = vhost_table_new();
	struct vhost_memo m = {0};

	(void)state;
	for (uint32_t i = 1; i <= 2; i++) {
		struct vhost_spec spec = {
			.software = VHOST_APACHE, .name = i == 1 ? "a.test" : "b.test", .mntns = i};
		int v = vhost_table_add(t, &spec);

		assert_int_equal(vhost_table_add_dir(t, v, 0, VHOST_DIR_DOCROOT, "/srv/a"), 0);
	}
	for (uint32_t i = 1; i <= 2; i++) {
		struct vhost_query q = {.docroot = "/srv/a", .mntns = i};
		struct vhost_answer have;

		assert_int_equal(vhost_memo_resolve(&m, t, &q, &have), 0);
		assert_string_equal(have.name, i == 1 ? "a.test" : "b.test");
	}
	vhost_memo_clear(&m);
}

static void a_question_too_long_is_answered(void **state)
{
	struct vhost_table *t __attribute__((cleanup(vhost_table_freep))) =
		table_of("a.test", "/srv/a");
	struct vhost_memo m = {0};
	struct vhost_answer have;
	char host[9000];

	(void)state;
	memset(host, 'x', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	assert_int_equal(
		vhost_memo_resolve(&m, t,
				   &(struct vhost_query){.docroot = "/srv/a", .host_header = host},
				   &have),
		0);
	assert_string_equal(have.name, "a.test");
	vhost_memo_clear(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_the_same),
		cmocka_unit_test(a_remembered_answer_needs_no_table),
		cmocka_unit_test(containers_are_told_apart),
		cmocka_unit_test(a_question_too_long_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
