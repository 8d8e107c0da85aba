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
		const char *file, *function;
		bool library;
	} cases[] = {
		{NULL, NULL, false},
		{"", "", false},
		{"/srv/a/contact.php", "send", false},
		/* as the packages have them */
		{"/srv/a/wp-includes/pluggable.php", "wp_mail", true},
		{"/srv/a/wp-includes/PHPMailer/PHPMailer.php",
		 "PHPMailer\\PHPMailer\\PHPMailer::send", true},
		{"/srv/a/wp-includes/class-wp-hook.php", "WP_Hook::apply_filters", true},
		{"/usr/share/php/libphp-phpmailer/src/PHPMailer.php",
		 "PHPMailer\\PHPMailer\\PHPMailer::mailSend", true},
		{"/usr/share/php/libphp-phpmailer/src/SMTP.php",
		 "PHPMailer\\PHPMailer\\SMTP::connect", true},
		{"/srv/a/vendor/phpmailer/phpmailer/src/PHPMailer.php",
		 "PHPMailer\\PHPMailer\\PHPMailer::{closure}", true},
		{"/srv/a/inc/class.phpmailer.php", "PHPMailer::Send", true},
		{"/srv/a/vendor/symfony/mailer/Transport/SendmailTransport.php",
		 "Symfony\\Component\\Mailer\\Transport\\SendmailTransport::doSend", true},
		{"/usr/share/php/Symfony/Component/Mailer/Transport/Smtp/Stream/ProcessStream.php",
		 "Symfony\\Component\\Mailer\\Transport\\Smtp\\Stream\\ProcessStream::initialize",
		 true},
		{"/usr/share/php/Swift/classes/Swift/Transport/StreamBuffer.php",
		 "Swift_Transport_StreamBuffer::initialize", true},
		{"/usr/share/php/Mail/sendmail.php", "Mail_sendmail::send", true},
		{"/usr/share/php/Net/SMTP.php", "Net_SMTP::connect", true},
		{"/srv/a/vendor/laravel/framework/src/Illuminate/Mail/Mailer.php",
		 "Illuminate\\Mail\\Mailer::send", true},
		{"/srv/a/Zend/Mail/Transport/Sendmail.php",
		 "Zend_Mail_Transport_Sendmail::_sendMail", true},
		{"/srv/a/vendor/laminas/laminas-mail/src/Transport/Sendmail.php",
		 "Laminas\\Mail\\Transport\\Sendmail::send", true},
		/* callers and lookalikes */
		{"/srv/a/wp-content/plugins/form/send.php", "wp_mail", false},
		{"/srv/a/wp-includes/pluggable.php", "wp_login", false},
		{"/srv/a/wp-includes/pluggable.php", NULL, false},
		{"/srv/a/myphpmailer.php", "PHPMailer::send", false},
		{"/srv/a/phpmailer.php.txt", "PHPMailer::send", false},
		{"/srv/a/phpmailer/x.php", "send", false},
		{"/srv/a/phpmailer/PHPMailer.php", NULL, false},
		{"/srv/a/phpmailer/x.php", "PHPMailer\\PHPMailer\\PHPMailer::send", false},
		{"/srv/a/phpmailer/PHPMailer.php", "Evil::send", false},
		{"/srv/a/PHPMailer.php", "PHPMailer\\PHPMailer\\::send", false},
		{"/srv/a/symfony/mailer/evil.php", "Symfony\\Component\\Mailer\\Mailer::send",
		 false},
		/* a library among the uploads is nobody's library */
		{"/srv/a/wp-content/uploads/phpmailer/src/PHPMailer.php",
		 "PHPMailer\\PHPMailer\\PHPMailer::send", false},
		{"/srv/a/wp-content/Uploads/2026/PHPMailer.php",
		 "PHPMailer\\PHPMailer\\PHPMailer::send", false},
		{"/srv/a/.x/PHPMailer.php", "PHPMailer\\PHPMailer\\PHPMailer::send", false},
		{"/tmp/PHPMailer.php", "PHPMailer\\PHPMailer\\PHPMailer::send", false},
		{"/srv/uploads.test/PHPMailer.php", "PHPMailer\\PHPMailer\\PHPMailer::send", true},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++)
		if (culprit_is_library(cases[i].file, cases[i].function) != cases[i].library)
			fail_msg("%s %s", cases[i].file, cases[i].function);
}

#define LIB                                                                                        \
	.file = "/srv/a/vendor/phpmailer/phpmailer/src/PHPMailer.php",                             \
	.function = "PHPMailer\\PHPMailer\\PHPMailer::send"
#define UPLOAD                                                                                     \
	.file = "/srv/a/uploads/phpmailer/src/PHPMailer.php",                                      \
	.function = "PHPMailer\\PHPMailer\\PHPMailer::send"

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
		 {{.function = "mail"}, {LIB}, {LIB}, {.file = "/a.php"}, {.file = "/b.php"}},
		 5,
		 3,
		 false},
		{"nothing but a library: its outermost frame",
		 {{.function = "mail"}, {LIB}, {LIB}},
		 3,
		 2,
		 true},
		{"an upload that calls itself a library, run by an innocent file",
		 {{.function = "mail"}, {UPLOAD}, {.file = "/srv/a/index.php"}},
		 3,
		 1,
		 false},
		{"code at the top of a library's file",
		 {{.function = "mail"},
		  {.file = "/srv/a/phpmailer/PHPMailer.php"},
		  {.file = "/srv/a/index.php"}},
		 3,
		 1,
		 false},
		{"internal frames in between",
		 {{LIB}, {.function = "array_map"}, {.file = "/a.php"}},
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
