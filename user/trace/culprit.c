// SPDX-License-Identifier: GPL-2.0-only
#include "trace/culprit.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*
 * Mail libraries by the end of a file's path, or by a directory in it. Only code that sends on behalf of its caller; a plugin or
 * theme that calls it is to blame. A script that names itself so gains nothing: its caller, the primary script, is printed too.
 */
static const struct {
	const char *dir;  /* "/x/" anywhere in the path, or NULL */
	const char *file; /* the path's end, or NULL */
} libraries[] = {
	{"/phpmailer/", NULL},
	{NULL, "/class.phpmailer.php"},
	{NULL, "/class-phpmailer.php"},
	{NULL, "/class.smtp.php"},
	{NULL, "/class-smtp.php"},
	{NULL, "/PHPMailer.php"},
	{NULL, "/wp-includes/pluggable.php"},
	{NULL, "/wp-includes/class-wp-phpmailer.php"},
	{NULL, "/wp-includes/class-wp-hook.php"},
	{NULL, "/wp-includes/plugin.php"},
	{"/swiftmailer/", NULL},
	{"/Swift/", NULL},
	{"/symfony/mailer/", NULL},
	{"/Symfony/Component/Mailer/", NULL},
	{"/symfony/mime/", NULL},
	{"/Symfony/Component/Mime/", NULL},
	{"/laminas-mail/", NULL},
	{"/zend-mail/", NULL},
	{"/Zend/Mail/", NULL},
	{"/Illuminate/Mail/", NULL},
	{"/illuminate/mail/", NULL},
	{"/nette/mail/", NULL},
	{NULL, "/system/libraries/Email.php"},	 /* CodeIgniter 3 */
	{NULL, "/system/Email/Email.php"},	 /* CodeIgniter 4 */
	{NULL, "/Mail/mail.php"},		 /* PEAR Mail drivers */
	{NULL, "/Mail/sendmail.php"},
	{NULL, "/Mail/smtp.php"},
	{NULL, "/Net/SMTP.php"},
	{NULL, "/Net/Socket.php"},
	{"/yiisoft/yii2-swiftmailer/", NULL},
	{NULL, "/yii2/mail/BaseMailer.php"},
	{"/libphp-phpmailer/", NULL},
};

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcasecmp(s + n - m, end);
}

bool culprit_is_library(const char *file, const char *function)
{
	(void)function;
	if (!file)
		return false;
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		if (libraries[i].dir && strcasestr(file, libraries[i].dir))
			return true;
		if (libraries[i].file && ends_with(file, libraries[i].file))
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
			/* a file may be called so: without a number and a name before it, it is one */
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
