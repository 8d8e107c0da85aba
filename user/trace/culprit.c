// SPDX-License-Identifier: GPL-2.0-only
#include "trace/culprit.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*
 * Mail libraries: code that sends on behalf of its caller; a plugin or theme that calls it is to
 * blame. A frame is a library's only if three things agree: the code runs in a function of the
 * library's class, the file is the one where that library keeps that class (autoloaders find it by
 * the same rule), and no directory of its path is one that visitors write to. So a file called
 * PHPMailer.php among the uploads, or code at the top of such a file, is blamed itself. Paths were
 * read in the packages of Composer and Debian 12 (libphp-phpmailer, php-symfony-mailer,
 * php-swiftmailer, php-illuminate-mail, php-mail, php-net-smtp).
 */
struct library {
	const char *prefix; /* of the class; what follows it, with / for \ and _, is the rest of the
			       file's name */
	const char *dirs[4]; /* that name's directory, at a '/' */
};

static const struct library autoloaded[] = {
	{"PHPMailer\\PHPMailer\\", {"/"}}, /* bundled in every place */
	{"Symfony\\Component\\Mailer\\", {"/symfony/mailer/", "/Symfony/Component/Mailer/"}},
	{"Symfony\\Component\\Mime\\", {"/symfony/mime/", "/Symfony/Component/Mime/"}},
	{"Symfony\\Component\\EventDispatcher\\",
	 {"/symfony/event-dispatcher/", "/Symfony/Component/EventDispatcher/"}},
	{"Swift_", {"/Swift/"}},
	{"Laminas\\Mail\\", {"/laminas-mail/src/"}},
	{"Zend\\Mail\\", {"/zend-mail/src/", "/Zend/Mail/"}},
	{"Zend_Mail_", {"/Zend/Mail/"}},
	{"Illuminate\\Mail\\", {"/Illuminate/Mail/", "/illuminate/mail/"}},
	{"Illuminate\\Notifications\\Channels\\", {"/Illuminate/Notifications/Channels/"}},
	{"Nette\\Mail\\", {"/nette/mail/src/Mail/"}},
	{"Joomla\\CMS\\Mail\\", {"/libraries/src/Mail/"}},
	{"Drupal\\Core\\Mail\\", {"/core/lib/Drupal/Core/Mail/"}},
	{"yii\\mail\\", {"/yii2/mail/"}},
	{"yii\\swiftmailer\\", {"/yii2-swiftmailer/src/", "/yii2-swiftmailer/"}},
	{"yii\\symfonymailer\\", {"/yii2-symfonymailer/src/"}},
	{"CodeIgniter\\Email\\", {"/system/Email/"}},
	{"Mail_", {"/Mail/"}}, /* PEAR */
};

/* Whole names, of classes or functions, and the end of the file's path. */
static const struct {
	const char *name, *file;
} single[] = {
	{"PHPMailer", "/class.phpmailer.php"}, /* PHPMailer 5 */
	{"PHPMailer", "/class-phpmailer.php"}, /* WordPress before 5.5 */
	{"PHPMailer", "/PHPMailer.php"},
	{"SMTP", "/class.smtp.php"},
	{"SMTP", "/class-smtp.php"},
	{"WP_PHPMailer", "/wp-includes/class-wp-phpmailer.php"},
	{"WP_Hook", "/wp-includes/class-wp-hook.php"},
	{"wp_mail", "/wp-includes/pluggable.php"},
	{"do_action", "/wp-includes/plugin.php"},
	{"do_action_ref_array", "/wp-includes/plugin.php"},
	{"apply_filters", "/wp-includes/plugin.php"},
	{"apply_filters_ref_array", "/wp-includes/plugin.php"},
	{"Zend_Mail", "/Zend/Mail.php"},
	{"Mail", "/Mail.php"},
	{"Net_SMTP", "/Net/SMTP.php"},
	{"Net_Socket", "/Net/Socket.php"},
	{"CI_Email", "/system/libraries/Email.php"},
	{"drupal_mail", "/includes/mail.inc"},
	{"DefaultMailSystem", "/modules/system/system.mail.inc"},
};

/* Where visitors and strangers put files: nothing there is a library. */
static const char *const written[] = {"uploads", "upload", "tmp", "temp", "cache"};

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

static bool among_uploads(const char *file)
{
	for (const char *p = file; (p = strchr(p, '/')); p++) {
		size_t n = strcspn(p + 1, "/");

		if (p[1] == '.' && p[1 + n])
			return true; /* a hidden directory */
		for (size_t i = 0; p[1 + n] && i < sizeof(written) / sizeof(written[0]); i++)
			if (strlen(written[i]) == n && !strncasecmp(p + 1, written[i], n))
				return true;
	}
	return false;
}

/* Does `file` end with dir, `rest` as a path, and ".php"? */
static bool holds_class(const char *file, const char *dir, const char *rest, size_t len)
{
	size_t n = strlen(file), m = strlen(dir), tail = m + len + 4;
	const char *p;

	if (n < tail || !len || strcmp(file + n - 4, ".php") || strncmp(file + n - tail, dir, m))
		return false;
	p = file + n - tail + m;
	for (size_t i = 0; i < len; i++)
		if (p[i] != (rest[i] == '\\' || rest[i] == '_' ? '/' : rest[i]) && p[i] != rest[i])
			return false;
	return true;
}

bool culprit_is_library(const char *file, const char *function)
{
	const char *method = function ? strstr(function, "::") : NULL;
	size_t len;

	if (!file || !function || among_uploads(file))
		return false;
	len = method ? (size_t)(method - function) : strlen(function);
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
		if (strlen(single[i].name) == len && !strncmp(function, single[i].name, len) &&
		    ends_with(file, single[i].file))
			return true;
	for (size_t i = 0; method && i < sizeof(autoloaded) / sizeof(autoloaded[0]); i++) {
		const struct library *l = &autoloaded[i];
		size_t n = strlen(l->prefix);

		if (len <= n || strncmp(function, l->prefix, n))
			continue;
		for (size_t k = 0; k < sizeof(l->dirs) / sizeof(l->dirs[0]) && l->dirs[k]; k++)
			if (holds_class(file, l->dirs[k], function + n, len - n))
				return true;
	}
	return false;
}

int culprit_find(const struct frame *frames, size_t count, bool *library)
{
	int last = -1;

	for (size_t i = 0; i < count; i++) {
		if (!frames[i].file)
			continue;
		last = (int)i;
		if (!culprit_is_library(frames[i].file, frames[i].function)) {
			*library = false;
			return (int)i;
		}
	}
	*library = last >= 0;
	return last;
}

bool culprit_unwrap_eval(char *file, uint32_t *line)
{
	static const char *const tails[] = {") : eval()'d code", ") : runtime-created function",
					    ") : assert code", ") : regexp code"};
	bool any = false, found;

	do {
		found = false;
		for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
			size_t n = strlen(file), m = strlen(tails[i]), open;

			if (n <= m || strcmp(file + n - m, tails[i]))
				continue;
			open = n - m;
			while (open && file[open - 1] >= '0' && file[open - 1] <= '9')
				open--;
			/* a file may be called so: without a number and a name before it, it is one
			 */
			if (open == n - m || open < 2 || file[open - 1] != '(')
				return any;
			*line = (uint32_t)strtoul(file + open, NULL, 10);
			file[open - 1] = '\0';
			any = found = true;
			break;
		}
	} while (found);
	return any;
}
