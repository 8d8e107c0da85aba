// SPDX-License-Identifier: GPL-2.0-only
#include "web/process.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"

#define MAX_PROC_FILE  (1U << 20)
#define MAX_IMAGE      (256U << 20)
#define MAX_CANDIDATES 65536 /* processes of web servers, workers included */

/* Names of the programs, as Debian, RHEL, SUSE, cPanel, Plesk and OpenResty have them. */
static const struct {
	const char *name;
	enum vhost_software software;
} programs[] = {
	{"apache2", VHOST_APACHE},       {"httpd", VHOST_APACHE},
	{"httpd.worker", VHOST_APACHE},  {"httpd.event", VHOST_APACHE},
	{"httpd-prefork", VHOST_APACHE}, {"httpd-worker", VHOST_APACHE},
	{"httpd-event", VHOST_APACHE},   {"httpd2", VHOST_APACHE},
	{"litespeed", VHOST_APACHE},     {"lshttpd", VHOST_APACHE},
	{"nginx", VHOST_NGINX},          {"openresty", VHOST_NGINX},
	{"sw-nginx", VHOST_NGINX},       {"angie", VHOST_NGINX},
};

/* Where the binary does not say: Debian, RHEL, cPanel (also for LiteSpeed), upstream. */
static const struct {
	const char *root, *config;
} apache_places[] = {
	{"/etc/apache2", "apache2.conf"},         {"/etc/httpd", "conf/httpd.conf"},
	{"/etc/apache2", "conf/httpd.conf"},      {"/usr/local/apache2", "conf/httpd.conf"},
	{"/usr/local/apache", "conf/httpd.conf"},
};

static const struct {
	const char *prefix, *config;
} nginx_places[] = {
	{"/usr/share/nginx", "/etc/nginx/nginx.conf"},
	{"/usr/local/nginx", "/usr/local/nginx/conf/nginx.conf"},
	{"/usr/local/openresty/nginx", "/usr/local/openresty/nginx/conf/nginx.conf"},
};

struct candidate {
	struct master m;
	pid_t parent;
	bool root;
};

/* A small file of /proc, whole, with a NUL. The size of such files is not known beforehand. */
static int read_proc(const char *proc, pid_t pid, const char *name, char **out, size_t *len)
{
	_free_ char *buf = malloc(MAX_PROC_FILE + 1);
	char path[4096];
	int fd _close_ = -1;
	size_t got = 0;
	char *fit;

	if (!buf)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/%d/%s", proc, pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	while (got < MAX_PROC_FILE) {
		ssize_t n = read(fd, buf + got, MAX_PROC_FILE - got);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	buf[got] = '\0';
	fit = realloc(buf, got + 1);
	if (fit) {
		take_ptr(buf);
		buf = fit;
	}
	*len = got;
	*out = take_ptr(buf);
	return 0;
}

static bool program_of(const char *proc, pid_t pid, char *exe, size_t size,
		       enum vhost_software *software)
{
	char path[4096];
	const char *base;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%d/exe", proc, pid);
	n = readlink(path, exe, size - 1);
	if (n <= 0)
		return false;
	exe[n] = '\0';
	if (n > 10 && strcmp(exe + n - 10, " (deleted)") == 0)
		exe[n - 10] = '\0';
	base = strrchr(exe, '/');
	base = base ? base + 1 : exe;
	for (size_t i = 0; i < array_size(programs); i++) {
		if (strcmp(base, programs[i].name) == 0) {
			*software = programs[i].software;
			return true;
		}
	}
	return false;
}

/* The n-th of numbers that blanks part, from 1. */
static int nth_number(const char *p, unsigned n, uint64_t *out)
{
	char *end = NULL;
	uint64_t value = 0;

	while (n--) {
		p += strspn(p, " \t");
		value = strtoull(p, &end, 10);
		if (end == p)
			return -EINVAL;
		p = end;
	}
	*out = value;
	return 0;
}

/* "pid (comm) state ppid ... starttime": the name may hold anything, so it is read from the last
 * ")". */
static int read_stat(const char *proc, pid_t pid, pid_t *parent, uint64_t *started)
{
	_free_ char *text = NULL;
	uint64_t ppid, start;
	const char *p;
	size_t len;
	int err = read_proc(proc, pid, "stat", &text, &len);

	if (err)
		return err;
	p = strrchr(text, ')');
	if (!p || strlen(p) < 4 || nth_number(p + 3, 1, &ppid) || nth_number(p + 3, 19, &start))
		return -EINVAL;
	*parent = (pid_t)ppid;
	*started = start;
	return 0;
}

/* Real and effective uid 0. */
static bool runs_as_root(const char *proc, pid_t pid)
{
	_free_ char *text = NULL;
	uint64_t real, effective;
	const char *p;
	size_t len;

	if (read_proc(proc, pid, "status", &text, &len))
		return false;
	p = strstr(text, "\nUid:");
	return p && nth_number(p + 5, 1, &real) == 0 && nth_number(p + 5, 2, &effective) == 0 &&
	       real == 0 && effective == 0;
}

/* A worker's parent is of the same software. */
static bool is_master(const struct candidate *c, size_t count, size_t i)
{
	for (size_t k = 0; k < count; k++)
		if (c[k].m.pid == c[i].parent && c[k].m.software == c[i].m.software)
			return false;
	return true;
}

static int by_pid(const void *x, const void *y)
{
	const struct master *a = x, *b = y;

	return (a->pid > b->pid) - (a->pid < b->pid);
}

static int find_candidates(const char *proc, struct candidate **out, size_t *count)
{
	_closedir_ DIR *dir = opendir(proc);
	_free_ struct candidate *c = NULL;
	struct dirent *e;
	size_t n = 0;

	if (!dir)
		return -errno;
	while ((e = readdir(dir)) && n < MAX_CANDIDATES) {
		struct candidate one = {.m.pid = (pid_t)strtol(e->d_name, NULL, 10)};
		char exe[4096];

		if (!isdigit((unsigned char)e->d_name[0]) ||
		    !program_of(proc, one.m.pid, exe, sizeof(exe), &one.m.software) ||
		    read_stat(proc, one.m.pid, &one.parent, &one.m.started))
			continue;
		if (!(n & (n - 1))) {
			struct candidate *more = reallocarray(c, n ? n * 2 : 1, sizeof(*c));

			if (!more)
				return -ENOMEM;
			c = more;
		}
		c[n++] = one;
	}
	*count = n;
	*out = take_ptr(c);
	return 0;
}

int masters_find(const char *proc, struct master *out, size_t max)
{
	_free_ struct candidate *c = NULL;
	size_t count = 0, n = 0;
	int err = find_candidates(proc, &c, &count);

	if (err)
		return err;
	for (size_t i = 0; i < count && n < max; i++)
		if (is_master(c, count, i) && runs_as_root(proc, c[i].m.pid))
			out[n++] = c[i].m;
	if (n)
		qsort(out, n, sizeof(*out), by_pid);
	return (int)n;
}

bool master_alive(const char *proc, const struct master *m)
{
	uint64_t started;
	pid_t parent;

	return read_stat(proc, m->pid, &parent, &started) == 0 && started == m->started;
}

static void map_image(const char *proc, pid_t pid, struct image *im)
{
	char path[4096];
	struct stat st;
	int fd _close_ = -1;
	void *map;

	snprintf(path, sizeof(path), "%s/%d/exe", proc, pid);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size == 0 ||
	    st.st_size > MAX_IMAGE)
		return;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map != MAP_FAILED)
		*im = (struct image){map, (size_t)st.st_size};
}

/* The text between `key` and `stop` in the image. */
static bool image_text(const struct image *im, const char *key, const char *stop, char *out,
		       size_t size)
{
	const char *p = im->map ? memmem(im->map, im->len, key, strlen(key)) : NULL;
	const char *end = (const char *)im->map + im->len;
	size_t n = 0;

	if (!p)
		return false;
	for (p += strlen(key); p < end && *p && !strchr(stop, *p); p++) {
		if (n + 1 >= size)
			return false;
		out[n++] = *p;
	}
	out[n] = '\0';
	return n > 0;
}

/* A static module's name is that of its source file, a string of its own (STANDARD20_MODULE_STUFF).
 */
static bool image_has_module(void *arg, const char *source)
{
	const struct image *im = arg;
	char key[256];
	int n = snprintf(key + 1, sizeof(key) - 1, "%s", source);

	key[0] = '\0';
	if (!im->map || n <= 0 || (size_t)n + 2 > sizeof(key))
		return true;
	return memmem(im->map, im->len, key, (size_t)n + 2) != NULL;
}

/* -f, -d, -D, -C, -c of httpd, with the value attached or not (server/main.c: AP_SERVER_BASEARGS).
 */
static int apache_options(struct startup *s, size_t len)
{
	const char *p = s->cmdline, *end = s->cmdline + len;
	int err = 0;

	for (p += strlen(p) + 1; !err && p < end; p += strlen(p) + 1) {
		const char *value = p + 2;
		char option = p[0] == '-' ? p[1] : '\0';

		if (!option || !strchr("fdDCcke", option))
			continue;
		if (!*value) {
			p += strlen(p) + 1;
			if (p >= end)
				break;
			value = p;
		}
		if (option == 'f')
			snprintf(s->config, sizeof(s->config), "%s", value);
		else if (option == 'd')
			snprintf(s->server_root, sizeof(s->server_root), "%s", value);
		else if (option == 'D')
			err = strlist_add(&s->apache.defines, value, strlen(value));
		else if (option == 'C')
			err = strlist_add(&s->apache.before, value, strlen(value));
		else if (option == 'c')
			err = strlist_add(&s->apache.after, value, strlen(value));
	}
	return err;
}

/* "export NAME=value" of Debian's envvars, for a server whose environment cannot be read. $SUFFIX
 * is empty there. */
static int read_envvars(struct startup *s, struct rootfs *fs)
{
	_free_ char *text = NULL;
	char path[4200], *line, *rest, *at;
	size_t len;

	snprintf(path, sizeof(path), "%s/envvars", s->server_root);
	if (!rootfs_exists(fs, path) || rootfs_read(fs, path, &text, &len))
		return 0;
	s->env = malloc(len + 2);
	if (!s->env)
		return -ENOMEM;
	at = s->env;
	for (rest = text; (line = strsep(&rest, "\n"));) {
		char *suffix;

		line += strspn(line, " \t");
		if (strncmp(line, "export ", 7) != 0 || !strchr(line, '='))
			continue;
		line += 7;
		suffix = strstr(line, "$SUFFIX");
		if (suffix)
			memmove(suffix, suffix + 7, strlen(suffix + 7) + 1);
		at = stpcpy(at, line) + 1;
	}
	s->env_len = (size_t)(at - s->env);
	return 0;
}

static void apache_place(struct startup *s, struct rootfs *fs)
{
	char path[4096];

	for (size_t i = 0; i < array_size(apache_places); i++) {
		if (apache_path(path, sizeof(path), apache_places[i].root,
				apache_places[i].config) ||
		    !rootfs_exists(fs, path))
			continue;
		if (!s->server_root[0])
			snprintf(s->server_root, sizeof(s->server_root), "%s",
				 apache_places[i].root);
		snprintf(s->config, sizeof(s->config), "%s", apache_places[i].config);
		return;
	}
}

static int apache_startup(struct startup *s, struct rootfs *fs, size_t cmdline_len)
{
	char root[4096] = "";
	int err = apache_options(s, cmdline_len);

	if (err)
		return err;
	image_text(&s->image, " -D HTTPD_ROOT=\"", "\"", root, sizeof(root));
	if (root[0] == '/')
		snprintf(s->docroot, sizeof(s->docroot), "%.4000s/htdocs", root);
	if (!s->server_root[0])
		snprintf(s->server_root, sizeof(s->server_root), "%s", root);
	if (!s->config[0])
		image_text(&s->image, " -D SERVER_CONFIG_FILE=\"", "\"", s->config,
			   sizeof(s->config));
	if (!s->config[0] || !s->server_root[0])
		apache_place(s, fs);
	if (!s->config[0])
		return -ENOENT;
	if (!s->server_root[0])
		snprintf(s->server_root, sizeof(s->server_root), "/");
	if (s->env_len == 0) {
		free(take_ptr(s->env));
		err = read_envvars(s, fs);
	}
	s->apache.server_root = s->server_root;
	s->apache.config = s->config;
	s->apache.docroot = s->docroot[0] ? s->docroot : NULL;
	s->apache.env = s->env;
	s->apache.env_len = s->env_len;
	s->apache.has_module = s->image.map ? image_has_module : NULL;
	s->apache.has_module_arg = &s->image;
	return err;
}

/*
 * nginx's master shows "nginx: master process /usr/sbin/nginx -c /x -g ..." in place of its
 * arguments: they are parted by blanks then, and one with a blank inside is cut.
 */
static void nginx_options(struct startup *s, size_t len)
{
	static const char title[] = "nginx: master process ";
	char *rest = s->cmdline, *word, option = '\0';

	if (strncmp(s->cmdline, title, sizeof(title) - 1) == 0)
		rest = s->cmdline + sizeof(title) - 1;
	else
		for (size_t i = 0; i + 1 < len; i++)
			s->cmdline[i] = s->cmdline[i] ? s->cmdline[i] : ' ';
	for (strsep(&rest, " "); (word = strsep(&rest, " "));) {
		if (!*word)
			continue;
		if (!option && word[0] == '-' && word[1] && strchr("cpge", word[1])) {
			option = word[1];
			word += 2;
			if (!*word)
				continue;
		}
		if (option == 'c')
			snprintf(s->config, sizeof(s->config), "%s", word);
		else if (option == 'p')
			snprintf(s->server_root, sizeof(s->server_root), "%s", word);
		option = '\0';
	}
}

static int nginx_startup(struct startup *s, struct rootfs *fs, size_t cmdline_len)
{
	nginx_options(s, cmdline_len);
	if (!s->server_root[0])
		image_text(&s->image, " --prefix=", " '", s->server_root, sizeof(s->server_root));
	if (!s->config[0])
		image_text(&s->image, " --conf-path=", " '", s->config, sizeof(s->config));
	for (size_t i = 0; i < array_size(nginx_places) && !s->config[0]; i++) {
		if (!rootfs_exists(fs, nginx_places[i].config))
			continue;
		snprintf(s->config, sizeof(s->config), "%s", nginx_places[i].config);
		if (!s->server_root[0])
			snprintf(s->server_root, sizeof(s->server_root), "%s",
				 nginx_places[i].prefix);
	}
	if (!s->config[0])
		return -ENOENT;
	if (!s->server_root[0])
		snprintf(s->server_root, sizeof(s->server_root), "/usr/share/nginx");
	s->nginx = (struct nginx_start){s->server_root, s->config};
	return 0;
}

int startup_read(const char *proc, const struct master *m, struct rootfs *fs, struct startup *out)
{
	enum vhost_software software;
	size_t len = 0;
	int err;

	*out = (struct startup){0};
	if (!program_of(proc, m->pid, out->exe, sizeof(out->exe), &software) ||
	    software != m->software)
		return -ESRCH;
	err = read_proc(proc, m->pid, "cmdline", &out->cmdline, &len);
	if (!err && len == 0)
		err = -ESRCH;
	if (!err) {
		if (read_proc(proc, m->pid, "environ", &out->env, &out->env_len))
			out->env_len = 0;
		map_image(proc, m->pid, &out->image);
		err = software == VHOST_APACHE ? apache_startup(out, fs, len)
					       : nginx_startup(out, fs, len);
	}
	if (err)
		startup_clear(out);
	return err;
}

void startup_clear(struct startup *s)
{
	if (s->image.map)
		munmap(s->image.map, s->image.len);
	strlist_clear(&s->apache.defines);
	strlist_clear(&s->apache.before);
	strlist_clear(&s->apache.after);
	free(s->env);
	free(s->cmdline);
	s->env = s->cmdline = NULL;
	s->image = (struct image){0};
}
