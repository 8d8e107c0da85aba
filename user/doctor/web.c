// SPDX-License-Identifier: GPL-2.0-only
/*
 * The web side: what PHP's own configuration says about mail, what stands behind sendmail, and
 * document roots that strangers can write to. Walks are bounded: a document root's own directory,
 * and WordPress's uploads.
 */
#include "doctor/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define AREA        "web"
#define FILES_MAX   2000
#define ROOTS_MAX   20000
#define ENTRIES_MAX 10000

/* Debian, RHEL, built from source, Plesk, cPanel, CloudLinux. */
static const char *const ini_files[] = {
	"/etc/php/*/*/php.ini",         "/etc/php.ini",
	"/usr/local/lib/php.ini",       "/usr/local/etc/php.ini",
	"/opt/plesk/php/*/etc/php.ini", "/opt/cpanel/ea-php*/root/etc/php.ini",
	"/opt/alt/php*/etc/php.ini",    NULL};
static const char *const pool_files[] = {"/etc/php/*/fpm/pool.d/*.conf", "/etc/php-fpm.d/*.conf",
					 "/opt/plesk/php/*/etc/php-fpm.d/*.conf",
					 "/opt/cpanel/ea-php*/root/etc/php-fpm.d/*.conf", NULL};
static const char *const document_roots[] = {"/var/www/vhosts/*/httpdocs",
					     "/home/*/public_html",
					     "/var/www/html",
					     "/var/www/*/public_html",
					     "/var/www/*/htdocs",
					     "/srv/www/*/htdocs",
					     NULL};
static const char *const sendmails[] = {"/usr/sbin/sendmail", "/usr/lib/sendmail",
					"/var/qmail/bin/sendmail", NULL};

struct web {
	struct doctor *d;
	struct doctor_names without_header, wrappers;
	size_t ini, with_header;
	struct doctor_names writable, uploads;
	size_t roots;
	bool cut;
};

/* Is the file a script (starts with "#!")? */
static bool is_script(const struct doctor *d, const char *path)
{
	char full[PATH_MAX], head[2];
	_close_ int fd = -1;
	struct stat st;

	if (!doctor_path(d, path, full, sizeof(full)))
		return false;
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && read(fd, head, 2) == 2 &&
	       head[0] == '#' && head[1] == '!';
}

/* The value of an ini line "name = value" without its quotes, or NULL if it sets another name. */
static char *ini_value(char *line, const char *name)
{
	size_t n = strlen(name);
	char *value, quote;

	line = doctor_trim(line);
	if (strncmp(line, name, n) != 0)
		return NULL;
	value = doctor_trim(line + n);
	if (*value != '=')
		return NULL;
	value = doctor_trim(value + 1);
	quote = *value;
	if (quote == '"' || quote == '\'') {
		value++;
		value[strcspn(value, quote == '"' ? "\"" : "'")] = '\0';
	} else {
		value[strcspn(value, ";")] = '\0';
	}
	return doctor_trim(value);
}

static bool ini_true(const char *value)
{
	return strcasecmp(value, "on") == 0 || strcasecmp(value, "yes") == 0 ||
	       strcasecmp(value, "true") == 0 || strtol(value, NULL, 10) != 0;
}

/* "/usr/sbin/sendmail -t -i": a script there stands between PHP and the mail server. */
static void sendmail_path(struct web *w, const char *value, const char *where)
{
	char program[512], text[1200];

	snprintf(program, sizeof(program), "%.*s", (int)strcspn(value, " \t"), value);
	if (*program != '/' || !is_script(w->d, program))
		return;
	snprintf(text, sizeof(text), "%s (%s)", program, where);
	doctor_name(&w->wrappers, text);
}

static void ini_file(void *arg, const char *path)
{
	struct web *w = arg;
	_free_ char *text = NULL;
	char *cursor, *line, *value;
	bool header = false;

	if (doctor_read(w->d, path, &text, NULL) != 0)
		return;
	cursor = text;
	while ((line = doctor_line(&cursor))) {
		value = ini_value(line, "mail.add_x_header");
		if (value)
			header = ini_true(value);
		value = value ? NULL : ini_value(line, "sendmail_path");
		if (value)
			sendmail_path(w, value, path);
	}
	w->ini++;
	w->with_header += header;
	if (!header)
		doctor_name(&w->without_header, path);
}

static void pool_file(void *arg, const char *path)
{
	static const char *const names[] = {"php_admin_value[sendmail_path]",
					    "php_value[sendmail_path]"};
	struct web *w = arg;
	_free_ char *text = NULL;
	char *cursor, *line;

	if (doctor_read(w->d, path, &text, NULL) != 0)
		return;
	cursor = text;
	while ((line = doctor_line(&cursor)))
		for (size_t i = 0; i < array_size(names); i++) {
			char *value = ini_value(line, names[i]);

			if (value)
				sendmail_path(w, value, path);
			if (value)
				break;
		}
}

static void sendmail_programs(struct web *w)
{
	for (const char *const *p = sendmails; *p; p++)
		if (is_script(w->d, *p))
			doctor_name(&w->wrappers, *p);
}

static bool ends_with_php(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && (strncasecmp(dot, ".php", 4) == 0 || strcasecmp(dot, ".phtml") == 0);
}

/* One directory: is it writable for everybody, and are its entries? */
static void walk(struct web *w, const char *path, bool uploads)
{
	char full[PATH_MAX], name[PATH_MAX + 300];
	_closedir_ DIR *dir = NULL;
	const struct dirent *e;
	struct stat st;
	size_t entries = 0;
	int fd;

	if (!doctor_path(w->d, path, full, sizeof(full)))
		return;
	/* customers own what is in there: no link of theirs is followed */
	fd = open(full, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	if (fstat(fd, &st) == 0 && (st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
		doctor_name(&w->writable, path);
	while ((e = readdir(dir))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (++entries > ENTRIES_MAX) {
			w->cut = true;
			return;
		}
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || S_ISLNK(st.st_mode))
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
			doctor_name(&w->writable, name);
		if (uploads && S_ISREG(st.st_mode) && ends_with_php(e->d_name) &&
		    strcasecmp(e->d_name, "index.php") != 0)
			doctor_name(&w->uploads, name);
	}
}

static void document_root(void *arg, const char *path)
{
	struct web *w = arg;
	char uploads[PATH_MAX];

	if (w->roots++ >= ROOTS_MAX) {
		w->cut = true;
		return;
	}
	walk(w, path, false);
	if (snprintf(uploads, sizeof(uploads), "%s/wp-content/uploads", path) <
	    (int)sizeof(uploads))
		walk(w, uploads, true);
}

static void say_php(struct web *w)
{
	if (w->without_header.all)
		doctor_say(w->d, DOCTOR_WARNING, AREA, "add-x-header",
			   "set mail.add_x_header = On: each message then names the script that "
			   "sent it",
			   &w->without_header,
			   "mail.add_x_header is off in %zu of %zu php.ini files",
			   w->without_header.all, w->ini);
	else if (w->ini)
		doctor_say(w->d, DOCTOR_OK, AREA, "add-x-header", NULL, NULL,
			   "mail.add_x_header is on in all %zu php.ini files", w->ini);
	if (w->wrappers.all)
		doctor_say(w->d, DOCTOR_WARNING, AREA, "sendmail-wrapper",
			   "read it: what it adds or logs is only the current directory, and mail "
			   "that "
			   "does not pass through it (SMTP, other paths) goes unseen",
			   &w->wrappers,
			   "sendmail is a script, which hides the caller from the mail server");
	else
		doctor_say(w->d, DOCTOR_OK, AREA, "sendmail-wrapper", NULL, NULL,
			   "no script stands in for sendmail");
}

static void say_roots(struct web *w)
{
	if (w->uploads.all)
		doctor_say(w->d, DOCTOR_WARNING, AREA, "php-in-uploads",
			   "look at these files; forbid PHP below wp-content/uploads", &w->uploads,
			   "%zu PHP files lie directly in upload directories", w->uploads.all);
	if (w->writable.all)
		doctor_say(w->d, DOCTOR_WARNING, AREA, "world-writable",
			   "chmod o-w: any customer's script can drop a mailer there", &w->writable,
			   "%zu files or directories of %zu document roots can be written by "
			   "everybody",
			   w->writable.all, w->roots);
	else if (w->roots)
		doctor_say(w->d, DOCTOR_OK, AREA, "world-writable", NULL, NULL,
			   "%zu document roots looked at (their top directory and uploads): none "
			   "can be "
			   "written by everybody",
			   w->roots);
	if (w->cut)
		doctor_say(w->d, DOCTOR_UNKNOWN, AREA, "world-writable", NULL, NULL,
			   "there was more than is looked at: %d roots, %d entries each", ROOTS_MAX,
			   ENTRIES_MAX);
}

void doctor_web(struct doctor *d)
{
	struct web w = {.d = d};

	for (const char *const *p = ini_files; *p; p++)
		doctor_glob(d, *p, FILES_MAX, ini_file, &w);
	for (const char *const *p = pool_files; *p; p++)
		doctor_glob(d, *p, FILES_MAX, pool_file, &w);
	sendmail_programs(&w);
	say_php(&w);
	for (const char *const *p = document_roots; *p; p++)
		doctor_glob(d, *p, ROOTS_MAX + 1, document_root, &w);
	say_roots(&w);
	doctor_names_clear(&w.without_header);
	doctor_names_clear(&w.wrappers);
	doctor_names_clear(&w.writable);
	doctor_names_clear(&w.uploads);
}
