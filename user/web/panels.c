// SPDX-License-Identifier: GPL-2.0-only
#include "web/panels.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "trace/vhost_match.h"
#include "web/apache.h"

#define MAX_LINE 8192

struct panels {
	struct rootfs *fs;
	struct vhost_table *t;
	enum vhost_panel now;
};

/* One domain. `alias` may be NULL. What no panel would write is left out. */
static int add(struct panels *p, const char *name, const char *alias, const char *docroot)
{
	struct vhost_spec spec = {
		.software = VHOST_PANEL,
		.server = PANEL_SERVER + p->now,
		.name = name,
		.aliases = &alias,
		.alias_count = alias ? 1 : 0,
	};
	struct web_server server = {.number = spec.server};
	int v;

	if (!vhost_is_domain(name) || docroot[0] != '/')
		return 0;
	v = vhost_table_add(p->t, &spec);
	if (v < 0)
		return v == -ENOMEM ? v : 0;
	return web_add_dir(p->fs, p->t, v, &server, VHOST_DIR_DOCROOT, docroot);
}

/* Calls `each` with every line, blanks at its ends gone; longer ones are left out. */
static int each_line(struct panels *p, const char *path,
		     int (*each)(struct panels *, char *, void *), void *arg)
{
	_free_ char *text = NULL;
	char *line, *rest;
	size_t len;
	int err = rootfs_read(p->fs, path, &text, &len);

	if (err) {
		log_debug("%s: not read (%s), left out", path, strerror(-err));
		return err == -ENOMEM ? err : 0;
	}
	rest = text;
	while (!err && (line = strsep(&rest, "\n"))) {
		size_t n = strlen(line);

		if (n >= MAX_LINE)
			continue;
		while (n && isspace((unsigned char)line[n - 1]))
			line[--n] = '\0';
		err = each(p, line + strspn(line, " \t"), arg);
	}
	return err;
}

/*
 * cPanel, /etc/userdatadomains: "addon.test:
 * user==owner==addon==addon.main.test==/home/user/addon==IP:80==..."; the fourth field is the
 * ServerName, the key one of its names.
 */
static int cpanel_line(struct panels *p, char *line, void *arg)
{
	char *field[5] = {0}, *at;

	(void)arg;
	at = strstr(line, ": ");
	if (!at)
		return 0;
	*at = '\0';
	at += 2;
	for (size_t i = 0; at && i < array_size(field); i++) {
		char *next = strstr(at, "==");

		field[i] = at;
		if (next)
			*next = '\0';
		at = next ? next + 2 : NULL;
	}
	return field[4] ? add(p, field[3], line, field[4]) : 0;
}

/* "key: value" or "key=value" of a file, kept when it is one of the two that matter. */
struct pair {
	const char *name_key, *dir_key;
	char name[VHOST_NAME_SIZE], dir[4096];
};

static int pair_line(struct panels *p, char *line, void *arg)
{
	struct pair *pair = arg;
	size_t n = strcspn(line, ":=");
	const char *value;

	(void)p;
	if (!line[n])
		return 0;
	line[n] = '\0';
	value = line + n + 1;
	value += strspn(value, " \t");
	if (strcmp(line, pair->name_key) == 0 && strlen(value) < sizeof(pair->name))
		snprintf(pair->name, sizeof(pair->name), "%s", value);
	if (strcmp(line, pair->dir_key) == 0 && strlen(value) < sizeof(pair->dir))
		snprintf(pair->dir, sizeof(pair->dir), "%s", value);
	return 0;
}

static int read_pair(struct panels *p, const char *path, const char *name_key, const char *dir_key)
{
	struct pair pair = {.name_key = name_key, .dir_key = dir_key};
	int err = each_line(p, path, pair_line, &pair);

	return err ? err : pair.name[0] && pair.dir[0] ? add(p, pair.name, NULL, pair.dir) : 0;
}

/* Every file that a pattern finds, one domain each. */
static int read_pairs(struct panels *p, const char *pattern, const char *name_key,
		      const char *dir_key)
{
	_strlist_ struct strlist found = {0};
	int err = rootfs_glob(p->fs, pattern, &found);

	for (size_t i = 0; err != -ENOMEM && i < found.n; i++)
		err = read_pair(p, found.v[i], name_key, dir_key);
	return err == -ENOMEM ? err : 0;
}

static int read_cpanel(struct panels *p)
{
	if (rootfs_exists(p->fs, "/etc/userdatadomains"))
		return each_line(p, "/etc/userdatadomains", cpanel_line, NULL);
	return read_pairs(p, "/var/cpanel/userdata/*/*.*[a-z]", "servername", "documentroot");
}

/* Plesk's generated files: ServerName "example.com:443" and DocumentRoot "/var/www/..." in each
 * <VirtualHost>. */
static int plesk_line(struct panels *p, char *line, void *arg)
{
	char *name = arg, *value = line + strcspn(line, " \t");

	if (!*value)
		return 0;
	*value++ = '\0';
	value += strspn(value, " \t\"");
	value[strcspn(value, "\"")] = '\0';
	if (strcasecmp(line, "ServerName") == 0 && strlen(value) < VHOST_NAME_SIZE) {
		snprintf(name, VHOST_NAME_SIZE, "%s", value);
		name[strcspn(name, ":")] = '\0';
	}
	return strcasecmp(line, "DocumentRoot") == 0 && name[0] ? add(p, name, NULL, value) : 0;
}

static int read_plesk(struct panels *p)
{
	_strlist_ struct strlist found = {0};
	int err = rootfs_glob(p->fs, "/var/www/vhosts/system/*/conf/httpd.conf", &found);

	for (size_t i = 0; err != -ENOMEM && i < found.n; i++) {
		char name[VHOST_NAME_SIZE] = "";

		err = each_line(p, found.v[i], plesk_line, name);
	}
	return err == -ENOMEM ? err : 0;
}

/* ISPConfig: /var/www/DOMAIN is a link to /var/www/clients/clientN/webN; scripts are in its web/.
 */
static int read_ispconfig(struct panels *p)
{
	_strlist_ struct strlist names = {0};
	int err = rootfs_list(p->fs, "/var/www", &names);

	for (size_t i = 0; !err && i < names.n; i++) {
		char link[512], real[4096];

		if (!vhost_is_domain(names.v[i]))
			continue;
		snprintf(link, sizeof(link), "/var/www/%s", names.v[i]);
		if (rootfs_realpath(p->fs, link, real, sizeof(real)) ||
		    strncmp(real, "/var/www/clients/", 17) != 0)
			continue;
		snprintf(link, sizeof(link), "/var/www/%s/web", names.v[i]);
		err = add(p, names.v[i], NULL, link);
	}
	return err == -ENOMEM ? err : 0;
}

static int read_virtualmin(struct panels *p)
{
	return read_pairs(p, "/etc/webmin/virtual-server/domains/*", "dom", "public_html_path");
}

static const struct {
	const char *sign; /* a directory that only this panel makes */
	int (*read)(struct panels *p);
} panel[VHOST_PANEL_COUNT] = {
	[VHOST_PLESK] = {"/usr/local/psa", read_plesk},
	[VHOST_CPANEL] = {"/var/cpanel", read_cpanel},
	[VHOST_DIRECTADMIN] = {"/usr/local/directadmin", NULL},
	[VHOST_ISPCONFIG] = {"/usr/local/ispconfig", read_ispconfig},
	[VHOST_VIRTUALMIN] = {"/etc/webmin/virtual-server", read_virtualmin},
};

uint32_t panels_find(struct rootfs *fs)
{
	uint32_t mask = rootfs_is_dir(fs, "/opt/psa") ? 1U << VHOST_PLESK : 0;

	for (size_t i = 0; i < array_size(panel); i++)
		if (rootfs_is_dir(fs, panel[i].sign))
			mask |= 1U << i;
	return mask;
}

int panels_read(struct rootfs *fs, struct vhost_table *table)
{
	struct panels p = {.fs = fs, .t = table};
	size_t before = vhost_table_count(table);
	uint32_t mask = panels_find(fs);

	vhost_table_use_layouts(table, mask);
	for (size_t i = 0; i < array_size(panel); i++) {
		p.now = (enum vhost_panel)i;
		if ((mask & 1U << i) && panel[i].read && panel[i].read(&p))
			return -ENOMEM;
	}
	return (int)(vhost_table_count(table) - before);
}
