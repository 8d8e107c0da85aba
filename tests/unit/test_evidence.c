// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "evidence/evidence.h"
#include "evidence/keep.h"
#include "kernel/procfs.h"
#include "output/json_event.h"

/* printf 'two' | sha256sum; of 4 MiB of NUL bytes */
#define SHA_TWO  "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"
#define SHA_ZERO "bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8"

#define SECOND 1000000000ULL

static char dir[64], script[128], kept[128];
static uint32_t mntns;

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/spamtrace-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(script, sizeof(script), "%s/script.php", dir);
	snprintf(kept, sizeof(kept), "%s/kept", dir);
	mntns = procfs_own_mntns();
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command); /* NOLINT(cert-env33-c): a name of our own making */
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static const char *slurp(const char *path)
{
	static char text[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	assert_true(n >= 0);
	close(fd);
	text[n] = '\0';
	return text;
}

/* This very process as the kernel side names it: its start, to the tick. */
static struct st_task self(void)
{
	char text[1024];
	unsigned long long ticks = 0;
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	char *p;

	assert_true(n > 0);
	close(fd);
	text[n] = '\0';
	p = strrchr(text, ')') + 2;
	for (int field = 3; field < 22; field++)
		p = strchr(p, ' ') + 1;
	ticks = strtoull(p, NULL, 10);
	return (struct st_task){.start = ticks * (SECOND / (unsigned)sysconf(_SC_CLK_TCK)),
				.tgid = (__u32)getpid()};
}

static struct evidence_subject subject(const char *path)
{
	return (struct evidence_subject){
		.path = path, .worker = self(), .uid = getuid(), .gid = getgid(), .mntns = mntns};
}

static struct evidence_occasion at(uint64_t seconds, const char *id)
{
	return (struct evidence_occasion){.boot_ns = seconds * SECOND,
					  .wall_ns = seconds * SECOND,
					  .queue_id = id,
					  .last = true};
}

static struct file_facts look_at(struct evidence_locker *l, const struct evidence_subject *s,
				 uint64_t second)
{
	struct evidence_occasion when = at(second, "4Xyz");
	struct file_facts f;

	evidence_look(l, s, &when, &f);
	return f;
}

static struct file_facts look(struct evidence_locker *l, const char *path, uint64_t second)
{
	struct evidence_subject s = subject(path);

	return look_at(l, &s, second);
}

static struct evidence_locker *locker(const char *to)
{
	struct evidence_locker *l = NULL;

	assert_int_equal(evidence_new(to, mntns, &l), 0);
	return l;
}

static uint64_t hashed(const struct evidence_locker *l)
{
	struct evidence_stats s;

	evidence_stats(l, &s);
	return s.hashed;
}

static void a_file_is_described(void **state)
{
	struct evidence_locker *l = locker(NULL);
	struct file_facts f;
	struct stat st;

	(void)state;
	put(script, "two");
	assert_int_equal(stat(script, &st), 0);
	f = look(l, script, 1);
	assert_true(f.known);
	assert_false(f.deleted);
	assert_int_equal(f.owner, st.st_uid);
	assert_int_equal(f.size, 3);
	assert_int_equal(f.inode, st.st_ino);
	assert_int_equal(f.mtime_ns / SECOND, st.st_mtim.tv_sec);
	assert_string_equal(f.sha256, SHA_TWO);
	assert_false(f.sha256_cut);
	assert_null(f.note);
	assert_null(f.real_path);
	evidence_free(l);
}

static void many_messages_are_one_reading(void **state)
{
	struct evidence_locker *l = locker(NULL);

	(void)state;
	put(script, "two");
	for (unsigned i = 0; i < 100000; i++)
		assert_string_equal(look(l, script, 1 + i / 10000).sha256, SHA_TWO);
	assert_int_equal(hashed(l), 1);
	evidence_free(l);
}

static void a_changed_file_is_read_again(void **state)
{
	struct evidence_locker *l = locker(NULL);
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct file_facts f;

	(void)state;
	put(script, "one");
	assert_int_equal(utimensat(AT_FDCWD, script, old, 0), 0);
	f = look(l, script, 1);
	assert_string_not_equal(f.sha256, SHA_TWO);
	put(script, "two"); /* the same size, the same inode, and the old time put back */
	assert_int_equal(utimensat(AT_FDCWD, script, old, 0), 0);
	assert_string_not_equal(look(l, script, 1).sha256, SHA_TWO);
	f = look(l, script, 2);
	assert_string_equal(f.sha256, SHA_TWO);
	assert_int_equal(f.mtime_ns, 1000 * SECOND);
	assert_int_equal(hashed(l), 2);
	evidence_free(l);
}

static void a_deleted_file_keeps_its_facts(void **state)
{
	struct evidence_locker *l = locker(NULL);
	struct file_facts f;

	(void)state;
	put(script, "two");
	look(l, script, 1);
	unlink(script);
	f = look(l, script, 2);
	assert_true(f.known && f.deleted);
	assert_int_equal(f.size, 3);
	assert_string_equal(f.sha256, SHA_TWO);
	evidence_free(l);
}

static void a_file_that_was_gone_is_only_that(void **state)
{
	struct evidence_locker *l = locker(NULL);
	struct file_facts f = look(l, script, 1);

	(void)state;
	assert_true(f.known && f.deleted);
	assert_int_equal(f.owner, COUNT_UNKNOWN);
	assert_int_equal(f.inode, COUNT_UNKNOWN);
	assert_null(f.sha256);
	put(script, "two"); /* it comes back */
	f = look(l, script, 2);
	assert_false(f.deleted);
	assert_string_equal(f.sha256, SHA_TWO);
	evidence_free(l);
}

static void a_file_still_open_is_found(void **state)
{
	struct evidence_locker *l = locker(NULL);
	struct file_facts f;
	int fd;

	(void)state;
	put(script, "two");
	fd = open(script, O_RDONLY | O_CLOEXEC);
	unlink(script);
	f = look(l, script, 1);
	assert_true(f.known && f.deleted);
	assert_string_equal(f.sha256, SHA_TWO);
	close(fd);
	evidence_free(l);
}

static void a_name_that_says_deleted_is_no_deleted_file(void **state)
{
	struct evidence_locker *l = locker(NULL);
	char decoy[160];
	struct file_facts f;
	int fd;

	(void)state;
	snprintf(decoy, sizeof(decoy), "%s (deleted)", script);
	put(decoy, "two");
	fd = open(decoy, O_RDONLY | O_CLOEXEC);
	f = look(l, script, 1);
	assert_true(f.deleted);
	assert_null(f.sha256);
	close(fd);
	evidence_free(l);
}

static void a_mapped_file_is_found(void **state)
{
	struct evidence_locker *l = locker(NULL);
	struct file_facts f;
	void *map;
	int fd;

	(void)state;
	if (geteuid() != 0) {
		print_message("skip: /proc/PID/map_files needs CAP_CHECKPOINT_RESTORE\n");
		evidence_free(l);
		skip();
	}
	put(script, "two");
	fd = open(script, O_RDONLY | O_CLOEXEC);
	map = mmap(NULL, 3, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(map != MAP_FAILED);
	close(fd);
	unlink(script);
	f = look(l, script, 1);
	assert_string_equal(f.sha256, SHA_TWO);
	munmap(map, 3);
	evidence_free(l);
}

static void what_is_no_regular_file_is_not_opened(void **state)
{
	struct evidence_locker *l = locker(NULL);
	char other[160];
	struct file_facts f;

	(void)state;
	snprintf(other, sizeof(other), "%s/other", dir);
	put(other, "two");
	assert_int_equal(symlink(other, script), 0);
	f = look(l, script, 1);
	assert_false(f.known);
	assert_non_null(strstr(f.note, "link"));
	unlink(script);
	assert_int_equal(mkfifo(script, 0666), 0);
	assert_non_null(look(l, script, 2).note); /* and it does not hang */
	assert_non_null(look(l, dir, 2).note);
	assert_non_null(look(l, "/dev/zero", 2).note);
	assert_null(look(l, "Command line code", 2).note);
	assert_false(look(l, "/..", 2).known);
	assert_false(look(l, "/proc/self/root/etc/passwd", 2).known);
	assert_int_equal(hashed(l), 0);
	evidence_free(l);
}

static void a_linked_directory_is_said(void **state)
{
	struct evidence_locker *l = locker(NULL);
	char real[160], link[160], through[192];
	struct file_facts f;

	(void)state;
	snprintf(real, sizeof(real), "%s/real", dir);
	snprintf(link, sizeof(link), "%s/link", dir);
	assert_int_equal(mkdir(real, 0755), 0);
	assert_int_equal(symlink("real", link), 0);
	snprintf(through, sizeof(through), "%s/x.php", real);
	put(through, "two");
	snprintf(through, sizeof(through), "%s/x.php", link);
	f = look(l, through, 1);
	assert_string_equal(f.sha256, SHA_TWO);
	snprintf(through, sizeof(through), "%s/x.php", real);
	assert_string_equal(f.real_path, through);
	evidence_free(l);
}

/* A stranger's process names files: what it may not read is not read for it. */
static void nobody_gets_what_it_may_not_read(void **state)
{
	const struct {
		mode_t file, top;
		uint32_t uid_more, gid_more;
		bool allowed;
	} cases[] = {
		{0600, 0755, 0, 0, true},  {0600, 0700, 0, 0, true},  {0600, 0755, 1, 1, false},
		{0640, 0755, 1, 1, false}, {0640, 0755, 1, 0, true},  {0604, 0755, 1, 1, true},
		{0604, 0755, 1, 0, false}, {0644, 0700, 1, 1, false}, {0644, 0710, 1, 0, true},
		{0644, 0711, 1, 1, true},
	};

	(void)state;
	put(script, "two");
	for (size_t i = 0; i < array_size(cases); i++) {
		struct evidence_locker *l = locker(kept);
		struct evidence_subject s = subject(script);
		struct evidence_stats stats;
		struct file_facts f;

		/* not a member of anything by its groups: a process that is gone has none */
		s.worker = (struct st_task){0};
		s.uid = 54321 * cases[i].uid_more + (cases[i].uid_more ? 0 : getuid());
		s.gid = getgid() + 54321 * cases[i].gid_more;
		assert_int_equal(chmod(script, cases[i].file), 0);
		assert_int_equal(chmod(dir, cases[i].top), 0);
		f = look_at(l, &s, 1);
		evidence_stats(l, &stats);
		assert_true(f.known);
		assert_int_equal(f.size, 3);
		if ((f.sha256 != NULL) != cases[i].allowed || f.kept != cases[i].allowed)
			fail_msg("case %zu: %s", i, f.sha256 ? "was read" : f.note);
		if (!cases[i].allowed)
			assert_non_null(strstr(f.note, "may not read"));
		evidence_free(l);
		chmod(dir, 0755);
	}
}

static void a_large_file_is_hashed_in_part(void **state)
{
	struct evidence_locker *l = locker(kept);
	struct evidence_stats stats;
	struct file_facts f;

	(void)state;
	put(script, "");
	assert_int_equal(truncate(script, 5 << 20), 0);
	f = look(l, script, 1);
	assert_int_equal(f.size, 5 << 20);
	assert_string_equal(f.sha256, SHA_ZERO);
	assert_true(f.sha256_cut);
	assert_false(f.kept);
	assert_non_null(strstr(f.note, "large"));
	evidence_stats(l, &stats);
	assert_int_equal(stats.unkept, 1);
	evidence_free(l);
}

static void what_is_too_much_is_left_out_and_made_up(void **state)
{
	struct evidence_locker *l = locker(NULL);
	struct evidence_stats stats;
	char name[160];
	struct file_facts f;

	(void)state;
	for (unsigned i = 0; i < EVIDENCE_FILES + 5; i++) {
		snprintf(name, sizeof(name), "%s/%u.php", dir, i);
		put(name, "two");
		f = look(l, name, 1);
		assert_int_equal(f.known, i < EVIDENCE_FILES);
		assert_int_equal(f.note != NULL, i >= EVIDENCE_FILES);
	}
	evidence_stats(l, &stats);
	assert_int_equal(stats.left_out, 5);
	assert_string_equal(look(l, name, 2).sha256, SHA_TWO);
	for (unsigned i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "%s/large%u", dir, i);
		put(name, "");
		assert_int_equal(truncate(name, EVIDENCE_FILE_MAX), 0);
		f = look(l, name, 3);
		assert_int_equal(f.sha256 != NULL, i < 4);
	}
	assert_non_null(look(l, name, 4).sha256);
	evidence_free(l);
}

static void memory_is_bounded(void **state)
{
	struct evidence_locker *l = locker(NULL);
	struct evidence_stats stats;
	char name[160];

	(void)state;
	for (unsigned i = 0; i < 40000; i++) { /* none of them exists */
		snprintf(name, sizeof(name), "%s/%u.php", dir, i);
		look(l, name, i / 100);
	}
	evidence_stats(l, &stats);
	assert_in_range(stats.cached, 1000, 20000);
	assert_true(look(l, name, 40000).deleted);
	evidence_free(l);
}

static void a_process_that_is_gone(void **state)
{
	struct evidence_locker *l = locker(NULL);
	struct evidence_subject s = subject(script);
	struct file_facts f;

	(void)state;
	put(script, "two");
	s.worker.start += SECOND; /* its pid is another's now */
	f = look_at(l, &s, 1);
	assert_string_equal(f.sha256, SHA_TWO);
	assert_non_null(strstr(f.note, "has ended"));
	s.mntns++; /* of a container: the name means nothing here */
	f = look_at(l, &s, 1);
	assert_false(f.known);
	assert_non_null(strstr(f.note, "has ended"));
	evidence_free(l);
}

/* ---- the directory ---- */

static void copies_are_kept_once(void **state)
{
	struct evidence_locker *l = locker(kept);
	char copy[320], index[160];
	json_auto_t *line = NULL;
	struct stat st;

	(void)state;
	put(script, "two");
	assert_true(look(l, script, 1).kept);
	look(l, script, 1);
	look(l, script, 2);
	evidence_free(l);
	assert_int_equal(stat(kept, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(copy, sizeof(copy), "%s/files/%s-script.php", kept, SHA_TWO);
	assert_int_equal(lstat(copy, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_string_equal(slurp(copy), "two");
	snprintf(index, sizeof(index), "%s/index.jsonl", kept);
	line = json_loads(slurp(index), 0, NULL); /* one line, or it is no JSON */
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "path")), script);
	assert_string_equal(json_string_value(json_object_get(line, "sha256")), SHA_TWO);
	assert_string_equal(json_string_value(json_object_get(line, "queue_id")), "4Xyz");
	assert_string_equal(json_string_value(json_object_get(line, "first_seen")),
			    "1970-01-01T00:00:01.000000000Z");
	l = locker(kept); /* another run: the copy is there */
	assert_true(look(l, script, 1).kept);
	evidence_free(l);
}

static void a_first_look_waits_for_its_queue_id(void **state)
{
	struct evidence_locker *l = locker(kept);
	struct evidence_subject s = subject(script);
	struct evidence_occasion early = at(1, NULL);
	struct file_facts f;
	char index[160];

	(void)state;
	put(script, "two");
	early.last = false;
	evidence_look(l, &s, &early, &f);
	unlink(script);
	snprintf(index, sizeof(index), "%s/index.jsonl", kept);
	assert_string_equal(slurp(index), "");
	f = look(l, script, 5);
	assert_true(f.deleted && f.kept);
	assert_string_equal(f.sha256, SHA_TWO);
	assert_non_null(strstr(slurp(index), "\"queue_id\":\"4Xyz\""));
	evidence_free(l);
}

static void a_directory_that_others_control_is_refused(void **state)
{
	struct evidence_locker *l = NULL;
	char link[160];

	(void)state;
	assert_int_equal(mkdir(kept, 0700), 0);
	assert_int_equal(chmod(kept, 0770), 0);
	assert_int_equal(evidence_new(kept, mntns, &l), -EPERM);
	assert_int_equal(chmod(kept, 0702), 0);
	assert_int_equal(evidence_new(kept, mntns, &l), -EPERM);
	assert_int_equal(chmod(kept, 0755), 0);
	snprintf(link, sizeof(link), "%s/link", dir);
	assert_int_equal(symlink(kept, link), 0);
	assert_true(evidence_new(link, mntns, &l) < 0);
	put(script, "two");
	assert_true(evidence_new(script, mntns, &l) < 0);
	snprintf(link, sizeof(link), "%s/files", kept);
	assert_int_equal(symlink("/tmp", link), 0);
	assert_true(evidence_new(kept, mntns, &l) < 0);
	unlink(link);
	snprintf(link, sizeof(link), "%s/index.jsonl", kept);
	assert_int_equal(symlink("/tmp/x", link), 0);
	assert_true(evidence_new(kept, mntns, &l) < 0);
	assert_null(l);
}

static void a_copy_goes_nowhere_else(void **state)
{
	struct evidence_locker *l = locker(kept);
	char copy[320], target[160];
	struct file_facts f;

	(void)state;
	put(script, "two");
	snprintf(target, sizeof(target), "%s/target", dir);
	put(target, "mine");
	snprintf(copy, sizeof(copy), "%s/files/%s-script.php", kept, SHA_TWO);
	assert_int_equal(symlink(target, copy), 0);
	f = look(l, script, 1);
	assert_string_equal(f.sha256, SHA_TWO);
	assert_string_equal(slurp(target), "mine");
	evidence_free(l);
}

static void a_full_disk_is_survived(void **state)
{
	struct rlimit old, none;
	struct evidence_locker *l;
	char copy[320];
	struct file_facts f;

	(void)state;
	l = locker(kept);
	put(script, "two");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = (struct rlimit){1, old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	f = look(l, script, 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_string_equal(f.sha256, SHA_TWO);
	assert_false(f.kept);
	snprintf(copy, sizeof(copy), "%s/files/%s-script.php", kept, SHA_TWO);
	assert_int_equal(access(copy, F_OK), -1); /* no part of it either */
	put(script, "one");
	assert_true(look(l, script, 2).kept);
	evidence_free(l);
}

static void names_are_harmless(void **state)
{
	static const struct {
		const char *path, *name;
	} cases[] = {
		{"/var/www/a.php", "a.php"},
		{"/var/www/a b;rm -rf.php", "a_b_rm_-rf.php"},
		{"/x/\x1b[2J\xff\n.php", "__2J__.php"},
		{"/x/..", ".."}, /* behind the hash and a dash */
		{"/x/", ""},
		{"/0123456789012345678901234567890123456789012345678901234567890123456789",
		 "0123456789012345678901234567890123456789012345678901234567890123"},
	};
	char name[KEEP_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		keep_name(name, cases[i].path);
		assert_string_equal(name, cases[i].name);
	}
}

static void events_tell_of_it(void **state)
{
	const struct json_context c = {.host = "h"};
	struct mail_event e = {.action = ACTION_MAIL_QUEUED,
			       .culprit_file = "/a.php",
			       .culprit = {.known = true,
					   .kept = true,
					   .sha256_cut = true,
					   .owner = 0,
					   .size = COUNT_UNKNOWN,
					   .inode = 7,
					   .sha256 = SHA_TWO,
					   .real_path = "/b.php",
					   .note = "cut short"}};
	_free_ char *line = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(json_mail_line(&c, &e, &line, &len), 0);
	assert_non_null(strstr(line, "\"owner\":\"0\""));
	assert_non_null(strstr(line, "\"kept\":true"));
	assert_non_null(strstr(line, "\"real_path\":\"/b.php\""));
	assert_non_null(strstr(line, "\"note\":\"cut short\""));
	assert_non_null(strstr(line, "[\"spamtrace.culprit.sha256\"]")); /* what was cut */
	assert_null(strstr(line, "\"size\""));
	free(take_ptr(line));
	e.culprit.known = false; /* only the reason is left */
	assert_int_equal(json_mail_line(&c, &e, &line, &len), 0);
	assert_null(strstr(line, "sha256"));
	assert_null(strstr(line, "owner"));
	assert_non_null(strstr(line, "\"note\":\"cut short\""));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_described),
		TEST(many_messages_are_one_reading),
		TEST(a_changed_file_is_read_again),
		TEST(a_deleted_file_keeps_its_facts),
		TEST(a_file_that_was_gone_is_only_that),
		TEST(a_file_still_open_is_found),
		TEST(a_name_that_says_deleted_is_no_deleted_file),
		TEST(a_mapped_file_is_found),
		TEST(what_is_no_regular_file_is_not_opened),
		TEST(a_linked_directory_is_said),
		TEST(nobody_gets_what_it_may_not_read),
		TEST(a_large_file_is_hashed_in_part),
		TEST(what_is_too_much_is_left_out_and_made_up),
		TEST(memory_is_bounded),
		TEST(a_process_that_is_gone),
		TEST(copies_are_kept_once),
		TEST(a_first_look_waits_for_its_queue_id),
		TEST(a_directory_that_others_control_is_refused),
		TEST(a_copy_goes_nowhere_else),
		TEST(a_full_disk_is_survived),
		TEST(names_are_harmless),
		TEST(events_tell_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
