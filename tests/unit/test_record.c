// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/redact.h"
#include "output/sink.h"
#include "samples.h"

static char dir[64], path[96];

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/spamtrace-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/run.jsonl", dir);
	return 0;
}

static int tear_down(void **state)
{
	char other[96];

	(void)state;
	unlink(path);
	snprintf(other, sizeof(other), "%s/other", dir);
	unlink(other);
	return rmdir(dir);
}

static char *slurp(void)
{
	static char data[1 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, data, sizeof(data) - 1);

	assert_true(n >= 0);
	close(fd);
	data[n] = '\0';
	return data;
}

static void made_private(void **state)
{
	struct mail_event m = sample_mail(NULL);
	struct sink *s;
	struct stat st;
	mode_t mask = umask(0);

	(void)state;
	assert_int_equal(record_sink_new(path, "web1", false, &s), 0);
	umask(mask);
	assert_int_equal(s->mail(s, &m), 0);
	s->free(s);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_non_null(strstr(slurp(), "Cheap pills"));
	/* Recording again into the same file would mix two traces. */
	assert_int_equal(record_sink_new(path, "web1", false, &s), -EEXIST);
}

static void empty_file_is_taken(void **state)
{
	struct sink *s;
	struct stat st;
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	(void)state;
	close(fd);
	assert_int_equal(record_sink_new(path, "web1", false, &s), 0);
	s->free(s);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0077, 0);
}

static void refused_places(void **state)
{
	char other[96];
	struct sink *s;

	(void)state;
	snprintf(other, sizeof(other), "%s/other", dir);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(record_sink_new(path, "web1", false, &s), -ELOOP);
	assert_int_equal(access(other, F_OK), -1);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(record_sink_new(path, "web1", false, &s) < 0);
	unlink(path);
	close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(link(other, path), 0);
	assert_int_equal(record_sink_new(path, "web1", false, &s), -EMLINK);
	assert_true(record_sink_new(dir, "web1", false, &s) < 0);
	assert_true(record_sink_new("/dev/null", "web1", false, &s) < 0);
}

/* A line that only partly fits is finished once there is room, and the next one tells of the gap.
 */
static void room_again(void **state)
{
	struct rlimit old, tight;
	struct mail_event m = sample_mail(NULL);
	struct sink *s;
	char *data, *second;
	json_t *o;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(record_sink_new(path, "web1", false, &s), 0);
	tight = old;
	tight.rlim_cur = 1000; /* less than a line; EFBIG as ENOSPC would */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	assert_int_equal(s->mail(s, &m), -EFBIG);
	assert_int_equal(s->mail(s, &m), 0);
	assert_int_equal(s->mail(s, &m), 0);
	assert_int_equal(s->unwritten, 2);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(s->mail(s, &m), 0);
	s->free(s);
	data = slurp();
	second = strchr(data, '\n');
	assert_non_null(second);
	o = json_loadb(data, (size_t)(second - data), 0, NULL);
	assert_non_null(o);
	json_decref(o);
	o = json_loads(second + 1, 0, NULL);
	assert_non_null(o);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(o, "spamtrace"), "unwritten")),
		2);
	json_decref(o);
}

static void redacted(void **state)
{
	static const char *const secrets[] = {"bounce@", "Sales", "sales@",
					      "Cheap",   "joe",   "victim.example"};
	struct mail_event m = sample_mail(NULL);
	struct summary_event e = sample_summary(NULL);
	struct sink *s;
	char *data;
	json_t *o, *email;
	const char *sender, *from;

	(void)state;
	m.auth_user = "joe@victim.example";
	assert_int_equal(record_sink_new(path, "web1", true, &s), 0);
	s->mail(s, &m);
	s->ended(s, &e);
	s->free(s);
	data = slurp();
	for (size_t i = 0; i < array_size(secrets); i++)
		assert_null(strstr(data, secrets[i]));
	assert_non_null(strstr(data, SAMPLE_MAILER));
	assert_non_null(strstr(data, "\"-t\""));
	o = json_loads(data, JSON_DISABLE_EOF_CHECK, NULL);
	email = json_object_get(o, "email");
	sender = json_string_value(json_object_get(json_object_get(email, "sender"), "address"));
	from = json_string_value(json_object_get(json_object_get(email, "from"), "address"));
	assert_non_null(strchr(sender, '@'));
	assert_string_equal(strchr(sender, '@'), strchr(from, '@')); /* one domain */
	assert_string_not_equal(sender, from);
	json_decref(o);
}

static void redactor_cases(void **state)
{
	/* RFC 4231 test case 1 has a key of 20 bytes 0x0b; zeros up to 32 are the same HMAC key. */
	struct redactor r = {{0}}, other = {{1}};
	char a[REDACTED_SIZE], b[REDACTED_SIZE], arg[256];

	(void)state;
	memset(r.key, 0x0b, 20);
	redact_text(&r, a, "Hi There", 8);
	assert_string_equal(a, "h-b0344c61d8db3853");
	redact_address(&r, a, "Joe@Example.COM", 15);
	redact_address(&r, b, "joe@example.com", 15);
	assert_string_equal(a, b);
	redact_address(&other, b, "joe@example.com", 15);
	assert_string_not_equal(a, b);
	redact_argument(&r, arg, sizeof(arg), "-oi", 3);
	assert_string_equal(arg, "-oi");
	redact_argument(&r, arg, sizeof(arg), "-fjoe@example.com", 17);
	assert_memory_equal(arg, "-fh-", 4);
	redact_argument(&r, arg, sizeof(arg), "joe", 3);
	assert_memory_equal(arg, "h-", 2);
	assert_null(strstr(arg, "joe"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(made_private, set_up, tear_down),
		cmocka_unit_test_setup_teardown(empty_file_is_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refused_places, set_up, tear_down),
		cmocka_unit_test_setup_teardown(room_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(redacted, set_up, tear_down),
		cmocka_unit_test(redactor_cases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
