// SPDX-License-Identifier: GPL-2.0-only
/* Processes: what they run, and where that is loaded. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/php_find_internal.h"
#include "kernel/php_walk.h"

/* File names of modules that hold an engine, as servers map them. */
static const char *const module_names[] = {"libphp*.so*", "mod_php*.so*"};

#define MAX_MAPS_LINES 65536
/* A server maps one such file, several times. Anybody's process can map as many as it likes, each
 * of which would be read. */
#define MAX_CANDIDATES 4

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

struct mapping {
	unsigned long long start, end, offset;
	struct st_inode file;
	const char *name;
};

/* "start-end r-xp offset major:minor inode   /name\n". False: no file is mapped there. */
static bool parse_mapping(char *line, struct mapping *out)
{
	char *name = strchr(line, '/'), *p;

	if (!name)
		return false;
	name[strcspn(name, "\n")] = '\0';
	*out = (struct mapping){.start = strtoull(line, &p, 16), .name = name};
	out->end = strtoull(p + 1, &p, 16);
	if (strlen(p) < 6)
		return false;
	out->offset = strtoull(p + 6, &p, 16);
	out->file.dev = (__u32)strtoul(p, &p, 16) << 20;
	if (*p == ':')
		out->file.dev |= (__u32)strtoul(p + 1, &p, 16);
	out->file.ino = strtoull(p, NULL, 10);
	return true;
}

/* /proc/PID/map_files leads to the very file, even if it was replaced or is in another mount
 * namespace; where the kernel refuses that, the path does. */
static int look_at_module(struct php_finder *f, pid_t pid, const struct mapping *m,
			  const struct php_engine **out)
{
	char path[4096 + 64];
	int err;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", (int)pid, m->start, m->end);
	err = php_finder_file(f, path, m->name, pid, true, out);
	if (!err || err == -ENOENT || err == -ENOMEM)
		return err;
	snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, m->name);
	return php_finder_file(f, path, m->name, pid, true, out);
}

static bool is_among(const struct st_inode *files, size_t count, const struct st_inode *file)
{
	for (size_t i = 0; i < count; i++)
		if (inode_equal(&files[i], file))
			return true;
	return false;
}

/* The first mapping of a module with an engine. */
static int find_module(struct php_finder *f, pid_t pid, const struct php_engine **engine,
		       uint64_t *base)
{
	struct st_inode seen[MAX_CANDIDATES];
	size_t seen_count = 0, size = 0;
	char path[64];
	_fclose_ FILE *maps = NULL;
	_free_ char *line = NULL;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps)
		return errno == ENOENT ? -ESRCH : -errno;
	for (unsigned n = 0; n < MAX_MAPS_LINES && getline(&line, &size, maps) > 0; n++) {
		struct mapping m;
		int err;

		/* a file has several mappings */
		if (!parse_mapping(line, &m) || !names_module(m.name) ||
		    is_among(seen, seen_count, &m.file))
			continue;
		if (seen_count == MAX_CANDIDATES)
			return -ENOENT;
		seen[seen_count++] = m.file;
		err = look_at_module(f, pid, &m, engine);
		if (!err)
			*base = m.start - m.offset - (*engine)->image.map_vaddr;
		if (err != -ENOENT)
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
	err = php_finder_file(f, link, exe, pid, names_php(exe), &engine);
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
