// SPDX-License-Identifier: GPL-2.0-only
/* Files: where PHP stands, and what an inode holds. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/php_find_internal.h"
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

struct php_finder *php_finder_new(void (*found)(const struct php_engine *e, void *ctx), void *ctx)
{
	struct php_finder *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->plain = calloc(MAX_CACHED, sizeof(*f->plain));
	f->seen = calloc(MAX_CACHED, sizeof(*f->seen));
	f->known = calloc(array_size(known_paths), sizeof(*f->known));
	if (!f->plain || !f->seen || !f->known) {
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
	for (size_t i = 0; f->known && i < array_size(known_paths); i++)
		dir_glob_free(&f->known[i]);
	free(f->engines);
	free(f->known);
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

/* Those whose file is not there any more count: their numbers are not given again. */
static bool is_room_for_untrusted(const struct php_finder *f)
{
	size_t count = 0;

	for (size_t i = 0; i < f->engine_count; i++)
		count += f->engines[i]->image.untrusted;
	return count < MAX_UNTRUSTED;
}

static void tell_no_room(struct php_finder *f)
{
	if (!f->told)
		log_warn("more than %d PHP programs that are not root's: those beyond are told as "
			 "other programs are",
			 MAX_UNTRUSTED);
	f->told = true;
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
	if (!e && image.untrusted && !is_room_for_untrusted(f)) {
		tell_no_room(f);
		note_plain(f, id);
		return -ENOENT;
	}
	if (e && !e->gone && same_image(&e->image, &image))
		err = 0;
	else if (!(err = e ? replace_engine(f, e, path, &image)
			   : add_engine(f, path, &id->inode, &image, &e)) &&
		 f->found)
		f->found(e, f->ctx);
	if (err)
		return err;
	e->stamp = id->stamp;
	e->shared = id->shared;
	*out = e;
	return 0;
}

int php_finder_file(struct php_finder *f, const char *open_path, const char *show_path, pid_t pid,
		    bool named, const struct php_engine **out)
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
	return php_finder_file(f, path, path, 0, true, out);
}

int php_finder_fd(struct php_finder *f, int fd, const char *path, pid_t pid,
		  const struct php_engine **out)
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return php_finder_file(f, link, path, pid, true, out);
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
		char *const *paths = NULL;
		int count = dir_glob(&f->known[i], known_paths[i], &paths);

		for (int n = 0; n < count; n++) {
			const struct php_engine *e;

			if (php_finder_path(f, paths[n], &e) == -ENOMEM)
				return -ENOMEM;
		}
		if (count < 0)
			return count;
	}
	return (int)f->engine_count;
}
