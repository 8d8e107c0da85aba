// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/php_find.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "kernel/inode.h"
#include "kernel/php_walk.h"
#include "kernel/procfs.h"

/*
 * Where PHP stands: Debian, RHEL and its derivatives, SUSE, Plesk, cPanel, CloudLinux, DirectAdmin,
 * LiteSpeed, Remi's collections, and builds of one's own.
 */
static const char *const known_paths[] = {
	"/usr/sbin/php-fpm*",
	"/usr/bin/php*",
	"/usr/bin/lsphp*",
	"/usr/lib/cgi-bin/php*",
	"/usr/lib/apache2/modules/libphp*.so",
	"/usr/lib64/httpd/modules/libphp*.so",
	"/usr/lib64/apache2*/mod_php*.so",
	"/usr/local/bin/php*",
	"/usr/local/sbin/php-fpm*",
	"/usr/local/php*/bin/php*",
	"/usr/local/php*/bin/lsphp*",
	"/usr/local/php*/sbin/php-fpm*",
	"/usr/local/lsws/lsphp*/bin/lsphp*",
	"/usr/local/lsws/lsphp*/bin/php*",
	"/usr/local/apache2/modules/libphp*.so",
	"/opt/plesk/php/*/bin/php*",
	"/opt/plesk/php/*/sbin/php-fpm*",
	"/opt/cpanel/ea-php*/root/usr/bin/php*",
	"/opt/cpanel/ea-php*/root/usr/bin/lsphp*",
	"/opt/cpanel/ea-php*/root/usr/sbin/php-fpm*",
	"/opt/alt/php*/usr/bin/php*",
	"/opt/alt/php*/usr/bin/lsphp*",
	"/opt/alt/php*/usr/sbin/php-fpm*",
	"/opt/remi/php*/root/usr/bin/php*",
	"/opt/remi/php*/root/usr/sbin/php-fpm*",
};

/* File names of modules that hold an engine, as servers map them. */
static const char *const module_names[] = {"libphp*.so*", "mod_php*.so*"};

#define MAX_MAPS_LINES 65536

/* A program that was looked at: what runs there. One entry per exec, shared by its forked children.
 */
struct seen {
	struct st_base_key key;
	const struct php_engine *engine; /* NULL: none */
	uint64_t base;
};

struct php_finder {
	void (*found)(const struct php_engine *e, void *ctx);
	void *ctx;
	struct php_engine **engines;
	size_t engine_count;
	struct file_id *plain; /* files that hold no engine */
	size_t plain_count;
	struct seen *seen;
	size_t seen_count;
};

/* Both caches only save work: they are emptied when they are full. */
#define MAX_CACHED 4096

struct php_finder *php_finder_new(void (*found)(const struct php_engine *e, void *ctx), void *ctx)
{
	struct php_finder *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->plain = calloc(MAX_CACHED, sizeof(*f->plain));
	f->seen = calloc(MAX_CACHED, sizeof(*f->seen));
	if (!f->plain || !f->seen) {
		php_finder_free(f);
		return NULL;
	}
	f->found = found;
	f->ctx = ctx;
	return f;
}

void php_finder_free(struct php_finder *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->engine_count; i++) {
		free(f->engines[i]->path);
		free(f->engines[i]);
	}
	free(f->engines);
	free(f->plain);
	free(f->seen);
	free(f);
}

size_t php_finder_count(const struct php_finder *f)
{
	return f->engine_count;
}

const struct php_engine *php_finder_engine(const struct php_finder *f, size_t index)
{
	return index < f->engine_count ? f->engines[index] : NULL;
}

/* What runs in processes of a program, or where a module is in them, was known of another file. */
static void forget_processes(struct php_finder *f, const struct php_engine *e)
{
	for (size_t i = f->seen_count; i-- > 0;)
		if (f->seen[i].engine == e || inode_equal(&f->seen[i].key.exe, &e->inode))
			f->seen[i] = f->seen[--f->seen_count];
}

static void end_engine(struct php_finder *f, struct php_engine *e)
{
	if (e->gone)
		return;
	forget_processes(f, e);
	e->gone = true;
	e->revision++;
	e->image.st.usable = 0;
}

static struct php_engine *engine_of(struct php_finder *f, const struct st_inode *inode)
{
	for (size_t i = 0; i < f->engine_count; i++)
		if (inode_equal(&f->engines[i]->inode, inode))
			return f->engines[i];
	return NULL;
}

void php_finder_replaced(struct php_finder *f, const struct file_id *now)
{
	struct php_engine *e = engine_of(f, &now->inode);

	if (e && !file_stamp_equal(&e->stamp, &now->stamp))
		end_engine(f, e);
}

/* The engine that `e` was is nobody's: its number goes to the one that has its inode now. */
static int replace_engine(struct php_finder *f, struct php_engine *e, const char *path,
			  const struct php_image *image)
{
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	end_engine(f, e);
	free(e->path);
	e->path = copy;
	e->image = *image;
	e->gone = e->proved = false;
	return 0;
}

static int add_engine(struct php_finder *f, const char *path, const struct st_inode *inode,
		      const struct php_image *image, struct php_engine **out)
{
	struct php_engine **grown;
	_free_ struct php_engine *e = calloc(1, sizeof(*e));
	_free_ char *copy = strdup(path);

	if (!e || !copy)
		return -ENOMEM;
	grown = reallocarray(f->engines, f->engine_count + 1, sizeof(void *));
	if (!grown)
		return -ENOMEM;
	f->engines = grown;
	e->index = (unsigned)f->engine_count;
	e->inode = *inode;
	e->image = *image;
	e->path = take_ptr(copy);
	*out = f->engines[f->engine_count++] = take_ptr(e);
	return 0;
}

static bool is_plain(const struct php_finder *f, const struct file_id *id)
{
	for (size_t i = 0; i < f->plain_count; i++)
		if (inode_equal(&f->plain[i].inode, &id->inode))
			return file_stamp_equal(&f->plain[i].stamp, &id->stamp);
	return false;
}

static void note_plain(struct php_finder *f, const struct file_id *id)
{
	size_t i = 0;

	while (i < f->plain_count && !inode_equal(&f->plain[i].inode, &id->inode))
		i++;
	if (i == MAX_CACHED)
		f->plain_count = i = 0;
	if (i == f->plain_count)
		f->plain_count++;
	f->plain[i] = *id;
}

/* Everything by which its processes are read: the file has only another name, or other permissions.
 * The verdict is left out, which a self-test may have changed. */
static bool same_image(const struct php_image *a, const struct php_image *b)
{
	return a->row == b->row && a->module == b->module && a->zts == b->zts &&
	       a->owner == b->owner && a->map_vaddr == b->map_vaddr &&
	       a->execute_script == b->execute_script &&
	       a->request_shutdown == b->request_shutdown &&
	       a->st.executor_globals == b->st.executor_globals &&
	       a->st.sapi_globals == b->st.sapi_globals && a->st.sapi_module == b->st.sapi_module &&
	       a->st.text_vaddr == b->st.text_vaddr && !strcmp(a->version, b->version) &&
	       !strcmp(a->build_id, b->build_id);
}

/* What the file open at `fd`, which is no engine that is known, holds; `e`: what it held when it
 * was looked at last, or NULL. */
static int read_file(struct php_finder *f, int fd, const char *path, pid_t pid, bool named,
		     const struct file_id *id, struct php_engine *e, const struct php_engine **out)
{
	struct php_image image;
	int err = named ? php_image_open(fd, &image) : php_image_open_exporting(fd, &image);

	if (err) {
		if (e)
			end_engine(f, e);
		if (err != -ENOEXEC)
			return err;
		note_plain(f, id);
		return -ENOENT;
	}
	if (!procfs_is_root((uint32_t)pid, image.owner))
		php_image_distrust(&image);
	if (e && !e->gone && same_image(&e->image, &image))
		err = 0;
	else if (!(err = e ? replace_engine(f, e, path, &image)
			   : add_engine(f, path, &id->inode, &image, &e)) &&
		 f->found)
		f->found(e, f->ctx);
	if (err)
		return err;
	e->stamp = id->stamp;
	*out = e;
	return 0;
}

/*
 * Opens `open_path` (which may be a link of /proc, so that it is the very file that runs) and finds
 * or makes its engine. -ENOENT: none. `named`: its name says PHP, so it is one even if nothing is
 * exported.
 */
static int look_at_file(struct php_finder *f, const char *open_path, const char *show_path,
			pid_t pid, bool named, const struct php_engine **out)
{
	_close_ int fd = open(open_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct php_engine *e;
	struct file_id id;
	struct stat st;
	int err;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return -ENOENT;
	/* before it is read: a file that is written meanwhile is read again */
	if ((err = file_id_of_fd(fd, pid, &id)))
		return err;
	e = engine_of(f, &id.inode);
	if (e && !e->gone && file_stamp_equal(&e->stamp, &id.stamp)) {
		*out = e;
		return 0;
	}
	if (is_plain(f, &id))
		return -ENOENT;
	return read_file(f, fd, show_path, pid, named, &id, e, out);
}

int php_finder_path(struct php_finder *f, const char *path, const struct php_engine **out)
{
	return look_at_file(f, path, path, 0, true, out);
}

int php_finder_fd(struct php_finder *f, int fd, const char *path, pid_t pid,
		  const struct php_engine **out)
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return look_at_file(f, link, path, pid, true, out);
}

const char *php_finder_short_lived(size_t number)
{
	for (size_t i = 0; i < array_size(known_paths); i++)
		if (strstr(known_paths[i], "bin/php*") && !number--)
			return known_paths[i];
	return NULL;
}

int php_finder_scan_paths(struct php_finder *f)
{
	for (size_t i = 0; i < array_size(known_paths); i++) {
		glob_t g;

		if (glob(known_paths[i], GLOB_NOSORT, NULL, &g))
			continue;
		for (size_t n = 0; n < g.gl_pathc; n++) {
			const struct php_engine *e;

			if (php_finder_path(f, g.gl_pathv[n], &e) == -ENOMEM) {
				globfree(&g);
				return -ENOMEM;
			}
		}
		globfree(&g);
	}
	return (int)f->engine_count;
}

/* Field 26 of /proc/PID/stat, mm->start_code; the name in field 2 may hold anything. */
static int read_start_code(pid_t pid, __u64 *out)
{
	char path[64], text[1024];
	_close_ int fd = -1;
	unsigned long long value;
	const char *p;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	p = strrchr(text, ')');
	for (int field = 2; p && field < 26; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -ESRCH;
	value = strtoull(p, NULL, 10);
	*out = value;
	return value > 1 ? 0 : -EACCES; /* 1 is what those see who may not trace it */
}

static bool names_module(const char *path)
{
	const char *base = strrchr(path, '/');

	for (size_t i = 0; base && i < array_size(module_names); i++)
		if (fnmatch(module_names[i], base + 1, 0) == 0)
			return true;
	return false;
}

/*
 * The first mapping of a module with an engine. /proc/PID/map_files leads to the very file, even if
 * it was replaced or is in another mount namespace; where the kernel refuses that, the path does.
 */
static int find_module(struct php_finder *f, pid_t pid, const struct php_engine **engine,
		       uint64_t *base)
{
	char path[64];
	_fclose_ FILE *maps = NULL;
	_free_ char *line = NULL;
	size_t size = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps)
		return errno == ENOENT ? -ESRCH : -errno;
	for (unsigned n = 0; n < MAX_MAPS_LINES && getline(&line, &size, maps) > 0; n++) {
		unsigned long long start, end, offset;
		char *name = strchr(line, '/'), open_path[4096 + 64], *p;
		int err;

		if (!name)
			continue;
		start = strtoull(line, &p, 16);
		end = strtoull(p + 1, &p, 16);
		if (strlen(p) < 6)
			continue;
		offset = strtoull(p + 6, NULL, 16); /* behind " r-xp " */
		name[strcspn(name, "\n")] = '\0';
		if (!names_module(name))
			continue;
		snprintf(open_path, sizeof(open_path), "/proc/%d/map_files/%llx-%llx", (int)pid,
			 start, end);
		err = look_at_file(f, open_path, name, pid, true, engine);
		if (err && err != -ENOENT && err != -ENOMEM) {
			snprintf(open_path, sizeof(open_path), "/proc/%d/root%s", (int)pid, name);
			err = look_at_file(f, open_path, name, pid, true, engine);
		}
		if (err == -ENOENT)
			continue;
		if (!err && *engine)
			*base = start - offset - (*engine)->image.map_vaddr;
		return err;
	}
	return -ENOENT;
}

static bool names_php(const char *path)
{
	const char *base = strrchr(path, '/');

	return strstr(base ? base : path, "php") != NULL;
}

static int look_at_process(struct php_finder *f, pid_t pid, const struct st_base_key *key,
			   const char *link, struct seen *out)
{
	char exe[4096];
	const struct php_engine *engine = NULL;
	ssize_t n = readlink(link, exe, sizeof(exe) - 1);
	int err;

	if (n < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	exe[n] = '\0';
	*out = (struct seen){.key = *key};
	err = look_at_file(f, link, exe, pid, names_php(exe), &engine);
	if (!err && engine && !engine->image.module) {
		out->engine = engine;
		out->base = key->start_code - engine->image.st.text_vaddr;
		return 0;
	}
	if (err && err != -ENOENT)
		return err;
	err = find_module(f, pid, &engine, &out->base);
	if (!err)
		out->engine = engine;
	return err == -ENOENT ? 0 : err;
}

int php_finder_process(struct php_finder *f, pid_t pid, bool fresh, struct php_process *out)
{
	char link[64];
	_close_ int fd = -1;
	struct st_base_key key;
	struct seen seen = {0}, *cached = NULL;
	int err;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	fd = open(link, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : -errno; /* a kernel thread, or gone */
	memset(&key, 0, sizeof(key));
	if ((err = inode_of_fd(fd, pid, &key.exe)) || (err = read_start_code(pid, &key.start_code)))
		return err;
	for (size_t i = 0; i < f->seen_count && !cached; i++)
		if (inode_equal(&f->seen[i].key.exe, &key.exe) &&
		    f->seen[i].key.start_code == key.start_code)
			cached = &f->seen[i];
	/* Programs that are not position independent start at the same place in every exec. */
	if (cached && !fresh && key.start_code >> 32) {
		seen = *cached;
	} else {
		if ((err = look_at_process(f, pid, &key, link, &seen)))
			return err;
		if (!cached) {
			f->seen_count %= MAX_CACHED;
			cached = &f->seen[f->seen_count++];
		}
		*cached = seen;
	}
	if (!seen.engine)
		return -ENOENT;
	*out = (struct php_process){
		.pid = pid, .engine = seen.engine, .key = key, .base = seen.base};
	return 0;
}

int php_finder_scan_processes(struct php_finder *f,
			      int (*each)(const struct php_process *p, void *ctx), void *ctx,
			      unsigned *denied)
{
	_closedir_ DIR *proc = opendir("/proc");
	const struct dirent *entry;
	unsigned refused = 0;

	if (!proc)
		return -errno;
	while ((entry = readdir(proc))) {
		struct php_process p;
		int err;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		err = php_finder_process(f, (pid_t)strtol(entry->d_name, NULL, 10), false, &p);
		if (err == -ENOMEM)
			return err;
		/* init is no worker, and may be out of reach even for root */
		if ((err == -EACCES || err == -EPERM) && strcmp(entry->d_name, "1") != 0)
			refused++;
		else if (!err && each && (err = each(&p, ctx)))
			return err;
	}
	if (denied)
		*denied = refused;
	return 0;
}

struct proof {
	struct php_finder *f;
	char (*why)[160]; /* by engine: what the last misfit was, "" for none */
	size_t known;     /* engines that have a place in it */
};

static int try_process(const struct php_process *found, void *ctx)
{
	struct proof *proof = ctx;
	struct php_engine *e = proof->f->engines[found->engine->index];
	struct php_process p = *found;
	char why[160] = "";
	int err;

	if (e->index >= proof->known || !e->image.st.usable || e->proved)
		return 0;
	err = php_walk_selftest(p.pid, &e->image, p.base, why, sizeof(why));
	/* a server that reloaded its module has it elsewhere than when it was first seen */
	if (err == -EFAULT && e->image.module && !php_finder_process(proof->f, p.pid, true, &p) &&
	    p.engine == e)
		err = php_walk_selftest(p.pid, &e->image, p.base, why, sizeof(why));
	if (!err)
		e->proved = true;
	else if (err == -EFAULT)
		memcpy(proof->why[e->index], why, sizeof(why));
	return 0;
}

int php_finder_prove(struct php_finder *f)
{
	_free_ void *why = NULL;
	struct proof proof = {.f = f};
	int refused = 0, err;

	/* Finds all engines first: there is a place for each. */
	if ((err = php_finder_scan_processes(f, NULL, NULL, NULL)))
		return err;
	proof.why = why = calloc(f->engine_count + 1, sizeof(*proof.why));
	if (!why)
		return -ENOMEM;
	proof.known = f->engine_count;
	if ((err = php_finder_scan_processes(f, try_process, &proof, NULL)))
		return err;
	for (size_t i = 0; i < proof.known; i++) {
		struct php_engine *e = f->engines[i];

		if (e->proved || !proof.why[i][0])
			continue;
		e->image.st.usable = 0;
		snprintf(e->image.reason, sizeof(e->image.reason), "self-test failed: %.100s",
			 proof.why[i]);
		refused++;
	}
	return refused;
}
