// SPDX-License-Identifier: GPL-2.0-only
/*
 * What correlate holds while it lets go of something else: records that come twice, and memory that
 * is not there. Stories as in correlate_world.h.
 */
#include "correlate_world.h"

/* ---- records that come twice ---- */

/* Tells `before`, whose last record comes again after `between`. */
static struct world *told_again(const struct mta *mta, const char *before, const char *between)
{
	struct world *w = world_new(mta);
	_free_ struct rec *last = malloc(sizeof(*last));

	assert_non_null(last);
	tell(w, before);
	*last = w->sim.rec;
	tell(w, between);
	world_record(w, last);
	return w;
}

static void a_fork_is_told_again(void **state)
{
	struct world *w =
		told_again(&mta_qmail, "php 100 202 /a.php\nfork 202 203\n", "exit 202\n");

	(void)state;
	tell(w, "exec 203 qmail-queue\nlink 203 mess/1/55\nlink 203 todo/55\nexit 203\nidle\n");
	assert_string_equal(w->log, "queued 55 /a.php\n");
	world_free(w);
}

static void a_first_id_is_told_again(void **state)
{
	struct world *w = told_again(&mta_postfix,
				     "php 100 202 /a.php\nexec 202 postdrop -r\n"
				     "rename 202 maildrop/6F3D2A0C1 maildrop/1234.202\n",
				     "exit 202\n");

	(void)state;
	tell(w, "comm 300 pickup\nfile 7A1B22C0D3 local uid 33\nrename 400 incoming/7A1B22C0D3 "
		"incoming/99.400\nunlink 300 maildrop/6F3D2A0C1\nidle\n");
	assert_string_equal(w->log, "queued 7A1B22C0D3 first 6F3D2A0C1 /a.php\n");
	world_free(w);
}

/* ---- memory that is not there ---- */

void *__libc_calloc(size_t n, size_t size);
static unsigned until_none; /* 0: there always is */

void *calloc(size_t n, size_t size)
{
	if (until_none && !--until_none)
		return NULL;
	return __libc_calloc(n, size);
}

/* Every allocation of a story fails once: what is missing then is counted. */
static void what_there_is_no_memory_for_is_counted(void **state)
{
	static const struct {
		const struct mta *mta;
		const char *story;
	} cases[] = {
		{&mta_qmail, "php 100 202 /a.php\nexec 202 sendmail -t\nfork 202 203\n"
			     "exec 203 qmail-queue\nlink 203 mess/1/55\nlink 203 todo/55\n"
			     "exit 203\nexit 202\n"},
		{&mta_postfix, "php 100 202 /a.php\nexec 202 postdrop -r\n"
			       "rename 202 maildrop/6F3D2A0C1 maildrop/1234.202\nexit 202\n"
			       "comm 300 pickup\nfile 7A1B22C0D3 local uid 33\n"
			       "rename 400 incoming/7A1B22C0D3 incoming/99.400\n"
			       "unlink 300 maildrop/6F3D2A0C1\n"},
		{&mta_postfix, "connect 100 40000 2 /a.php\nconnect 100 40000 1\n"
			       "file 7A1B22C0D3 network port 40000\n"
			       "rename 400 incoming/7A1B22C0D3 incoming/99.400\n"
			       "connect 100 40000 7\n"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct world *whole = world_new(cases[i].mta);
		bool refused = true;

		tell(whole, cases[i].story);
		for (unsigned n = 1; refused; n++) {
			struct world *w = world_new(cases[i].mta);
			struct correlate_stats s;

			until_none = n;
			tell(w, cases[i].story);
			refused = !until_none;
			until_none = 0;
			correlate_stats(w->c, &s);
			if (strcmp(w->log, whole->log) && !s.no_memory)
				fail_msg("story %zu, allocation %u: %s", i, n, w->log);
			/* no message is taken for an attempt */
			if (strstr(w->log, "attempted"))
				fail_msg("story %zu, allocation %u: %s", i, n, w->log);
			assert_true(refused || !s.no_memory);
			world_free(w);
		}
		world_free(whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fork_is_told_again),
		cmocka_unit_test(a_first_id_is_told_again),
		cmocka_unit_test(what_there_is_no_memory_for_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
