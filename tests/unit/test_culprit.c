// SPDX-License-Identifier: GPL-2.0-only
/* The frame to blame: libraries skipped, eval unwrapped. */
#include "trace_builders.h"

#include "trace/culprit.h"

static void eval_names(void **state)
{
	static const struct {
		const char *in;
		bool eval;
		const char *file;
		uint32_t line; /* 99: as it was */
	} cases[] = {
		{"/a/b.php", false, "/a/b.php", 99},
		{"", false, "", 99},
		{"/a/b.php(12) : eval()'d code", true, "/a/b.php", 12},
		{"/a/b.php(12) : eval()'d code(3) : eval()'d code", true, "/a/b.php", 12},
		{"/a/b.php(7) : runtime-created function", true, "/a/b.php", 7},
		{"/a/b.php(7) : assert code", true, "/a/b.php", 7},
		{"/a/b.php(7) : regexp code", true, "/a/b.php", 7},
		{"/a/b.php(5) : eval()'d code(1) : runtime-created function", true, "/a/b.php", 5},
		{"/a(1)/b (2).php(30) : eval()'d code", true, "/a(1)/b (2).php", 30},
		/* names that only look so stay as they are */
		{") : eval()'d code", false, ") : eval()'d code", 99},
		{"(3) : eval()'d code", false, "(3) : eval()'d code", 99},
		{"/a/b.php) : eval()'d code", false, "/a/b.php) : eval()'d code", 99},
		{"/a/b.php() : eval()'d code", false, "/a/b.php() : eval()'d code", 99},
		{"/a/b.php(x) : eval()'d code", false, "/a/b.php(x) : eval()'d code", 99},
		{"/a/b.php(-1) : eval()'d code", false, "/a/b.php(-1) : eval()'d code", 99},
		{"/a/b(1.php/x) : eval()'d code", false, "/a/b(1.php/x) : eval()'d code", 99},
		{"/a/b.php(4) : eval()'d codes", false, "/a/b.php(4) : eval()'d codes", 99},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		char file[128];
		uint32_t line = 99;

		strcpy(file, cases[i].in);
		if (culprit_unwrap_eval(file, &line) != cases[i].eval ||
		    strcmp(file, cases[i].file) || line != cases[i].line)
			fail_msg("%s: became %s, line %u", cases[i].in, file, line);
	}
}

static void libraries(void **state)
{
	static const struct {
		const char *file;
		bool library;
	} cases[] = {
		{NULL, false},
		{"", false},
		{"/srv/a/contact.php", false},
		{"/srv/a/wp-includes/pluggable.php", true},
		{"/srv/a/wp-includes/PHPMailer/PHPMailer.php", true},
		{"/srv/a/wp-includes/class-wp-hook.php", true},
		{"/srv/a/wp-content/plugins/form/send.php", false},
		{"/srv/a/vendor/phpmailer/phpmailer/src/PHPMailer.php", true},
		{"/srv/a/vendor/symfony/mailer/Transport/SendmailTransport.php", true},
		{"/srv/a/vendor/swiftmailer/swiftmailer/lib/x.php", true},
		{"/usr/share/php/Mail/sendmail.php", true},
		{"/usr/share/php/Net/SMTP.php", true},
		{"/srv/a/vendor/laravel/framework/src/Illuminate/Mail/Mailer.php", true},
		{"/srv/a/myphpmailer.php", false},
		{"/srv/a/phpmailer.php.txt", false},
		{"/srv/a/phpmailer", false}, /* no directory of that name above it */
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++)
		if (culprit_is_library(cases[i].file, NULL) != cases[i].library)
			fail_msg("%s", cases[i].file);
}

#define LIB "/srv/a/vendor/phpmailer/phpmailer/src/PHPMailer.php"

static void frames(void **state)
{
	static const struct {
		const char *name;
		struct frame frame[5];
		size_t count;
		int expect;
		bool library;
	} cases[] = {
		{"none", {{0}}, 0, -1, false},
		{"internal functions only",
		 {{.function = "mail"}, {.function = "f"}},
		 2,
		 -1,
		 false},
		{"mail() in the script",
		 {{.function = "mail"}, {.file = "/a.php", .line = 3}},
		 2,
		 1,
		 false},
		{"a library between",
		 {{.function = "mail"},
		  {.file = LIB},
		  {.file = LIB},
		  {.file = "/a.php"},
		  {.file = "/b.php"}},
		 5,
		 3,
		 false},
		{"nothing but a library: its outermost frame",
		 {{.function = "mail"}, {.file = LIB}, {.file = LIB}},
		 3,
		 2,
		 true},
		{"internal frames in between",
		 {{.file = LIB}, {.function = "array_map"}, {.file = "/a.php"}},
		 3,
		 2,
		 false},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		bool library = false;
		int got = culprit_find(cases[i].frame, cases[i].count, &library);

		if (got != cases[i].expect || library != cases[i].library)
			fail_msg("%s: frame %d", cases[i].name, got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eval_names),
		cmocka_unit_test(libraries),
		cmocka_unit_test(frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
