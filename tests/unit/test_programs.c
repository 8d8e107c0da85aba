// SPDX-License-Identifier: GPL-2.0-only
/* Programs with a kernel side that has no room for all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "engine_file.h"
#include "kernel/php_find_internal.h"
#include "kernel/procfs.h"
#include "kernel/programs_internal.h"

static struct st_inode held[1024];
static uint32_t role[1024];
static size_t used, room;
static int fails; /* what the kernel answers, 0: it works */
static unsigned asked, told, images, bases_forgotten;
static struct st_base_key base_key[64];
static struct st_base base_value[64];
static size_t bases, base_room;

static size_t place(const struct st_inode *exe)
{
	size_t i = 0;

	while (i < used && memcmp(&held[i], exe, sizeof(*exe)) != 0)
		i++;
	return i;
}

int probe_set_program(struct probe *p, const struct st_inode *exe, const struct st_program *program)
{
	size_t i = place(exe);

	(void)p;
	asked++;
	if (fails || i == room)
		return fails ? fails : -E2BIG;
	if (i == used)
		held[used++] = *exe;
	role[i] = program->role;
	return 0;
}

int probe_unset_program(struct probe *p, const struct st_inode *exe)
{
	size_t i = place(exe);

	(void)p;
	if (i == used)
		return -ENOENT;
	used--;
	held[i] = held[used];
	role[i] = role[used];
	return 0;
}

size_t probe_forget_programs(struct probe *p)
{
	size_t before = used;

	for (size_t i = used; i-- > 0;)
		if (role[i] == ST_ROLE_NONE)
			probe_unset_program(p, &held[i]);
	return before - used;
}

bool probe_had_no_room(struct probe *p)
{
	(void)p;
	return false;
}

int probe_set_image(struct probe *p, uint32_t index, const struct st_php_image *image)
{
	(void)p;
	(void)image;
	if (index >= ST_MAX_IMAGES)
		return -E2BIG;
	images++;
	return 0;
}

static size_t base_place(const struct st_base_key *key)
{
	size_t i = 0;

	while (i < bases && memcmp(&base_key[i], key, sizeof(*key)) != 0)
		i++;
	return i;
}

int probe_set_base(struct probe *p, const struct st_base_key *key, const struct st_base *base)
{
	size_t i = base_place(key);

	(void)p;
	if (i >= base_room)
		return -E2BIG;
	bases += i == bases;
	base_key[i] = *key;
	base_value[i] = *base;
	return 0;
}

int probe_unset_base(struct probe *p, const struct st_base_key *key)
{
	size_t i = base_place(key);

	(void)p;
	if (i == bases)
		return -ENOENT;
	bases--;
	base_key[i] = base_key[bases];
	base_value[i] = base_value[bases];
	return 0;
}

void probe_forget_bases(struct probe *p)
{
	(void)p;
	bases_forgotten++;
	bases = 0;
}

int probe_attach_engine(struct probe *p, uint32_t index, const char *path, uint64_t execute_script,
			uint64_t request_shutdown)
{
	(void)p;
	(void)index;
	(void)path;
	(void)execute_script;
	(void)request_shutdown;
	return -ENOENT;
}

void probe_detach_engine(struct probe *p, uint32_t index)
{
	(void)p;
	(void)index;
}

static void count_told(void)
{
	told++;
}

static struct st_inode inode(uint64_t ino)
{
	struct st_inode i;

	memset(&i, 0, sizeof(i));
	i.ino = ino;
	return i;
}

static bool watched(uint64_t ino, uint32_t as)
{
	struct st_inode i = inode(ino);
	size_t at = place(&i);

	return at < used && role[at] == as;
}

static int add(struct programs *p, uint64_t ino, uint32_t as)
{
	struct file_id file = {.inode = inode(ino)};

	return programs_add(p, &file, "/opt/program", NULL, as, 0, 0);
}

/* Another file that has the same inode number. */
static int add_next(struct programs *p, uint64_t ino, const char *path, uint32_t as)
{
	struct file_id file = {.inode = inode(ino), .stamp = {.modified = 1}};

	return programs_add(p, &file, path, NULL, as, 0, 0);
}

static int setup(void **state)
{
	used = 0;
	room = 64;
	fails = 0;
	asked = told = images = bases_forgotten = 0;
	bases = 0;
	base_room = 64;
	log_before = count_told;
	if (programs_new(NULL, (struct programs **)state))
		return -1;
	/* nothing is told of where this host's files lie */
	(*(struct programs **)state)->shared = true;
	return 0;
}

static int teardown(void **state)
{
	log_before = NULL;
	programs_free(*state);
	return 0;
}

static void test_refused_is_tried_again(void **state)
{
	struct programs *p = *state;
	struct st_inode i = inode(7);

	fails = -ENOMEM;
	assert_int_equal(add(p, 7, ST_ROLE_INJECTOR), -ENOMEM);
	assert_int_equal(told, 1);
	assert_non_null(programs_by_inode(p, &i));
	assert_int_equal(programs_retry(p), 0);
	assert_int_equal(programs_retry(p), 0);
	assert_int_equal(asked, 3);
	assert_int_equal(told, 1);
	fails = 0;
	assert_int_equal(programs_retry(p), 1);
	assert_true(watched(7, ST_ROLE_INJECTOR));
	asked = 0;
	assert_int_equal(programs_retry(p), 0);
	assert_int_equal(asked, 0);
	assert_int_equal(told, 1);
}

/* The look at the paths that comes every other second is what tries again. */
static void test_rescan_tries_again(void **state)
{
	struct programs *p = *state;

	fails = -ENOMEM;
	assert_int_equal(add(p, 7, ST_ROLE_PHP), -ENOMEM);
	fails = 0;
	assert_true(programs_rescan(p) >= 1);
	assert_true(watched(7, ST_ROLE_PHP));
}

/* It had been set, was forgotten, and could not be set again. */
static void test_forgotten(void **state)
{
	struct programs *p = *state;
	struct st_inode i = inode(7);

	assert_int_equal(add(p, 7, ST_ROLE_INJECTOR), 1);
	used = 0;
	fails = -ENOMEM;
	programs_seen(p, 0, &i, 0);
	assert_false(watched(7, ST_ROLE_INJECTOR));
	assert_int_equal(told, 1);
	fails = 0;
	assert_int_equal(programs_retry(p), 1);
	assert_true(watched(7, ST_ROLE_INJECTOR));
}

/* Programs without a role fill the kernel's table: whoever executes enough of them could. */
static void test_room_for_a_role(void **state)
{
	struct programs *p = *state;

	room = 3;
	assert_int_equal(add(p, 1, ST_ROLE_INJECTOR), 1);
	assert_int_equal(add(p, 2, ST_ROLE_NONE), 1);
	assert_int_equal(add(p, 3, ST_ROLE_NONE), 1);
	assert_int_equal(add(p, 4, ST_ROLE_INJECTOR), 1);
	assert_int_equal(add(p, 5, ST_ROLE_PHP), 1);
	assert_true(watched(1, ST_ROLE_INJECTOR));
	assert_true(watched(4, ST_ROLE_INJECTOR));
	assert_true(watched(5, ST_ROLE_PHP));
	assert_int_equal(told, 0);
	/* nothing is left that could go: nothing with a role is driven out */
	assert_int_equal(add(p, 6, ST_ROLE_INJECTOR), -E2BIG);
	assert_int_equal(add(p, 8, ST_ROLE_NONE), -E2BIG);
	assert_int_equal(used, room);
	assert_true(watched(1, ST_ROLE_INJECTOR));
}

/* The file system gives a number again when its file is gone. */
static void test_inode_of_another(void **state)
{
	static const uint32_t roles[] = {ST_ROLE_NONE, ST_ROLE_INJECTOR, ST_ROLE_PHP, ST_ROLE_HTTPD,
					 ST_ROLE_SCRIPT};
	struct programs *p = *state;
	uint64_t ino = 1;

	for (size_t was = 0; was < array_size(roles); was++)
		for (size_t is = 0; is < array_size(roles); is++, ino++) {
			struct st_inode i = inode(ino);
			const struct program *old, *now;
			uint32_t id;

			assert_int_equal(add(p, ino, roles[was]), 1);
			old = programs_by_inode(p, &i);
			id = old->id;
			add_next(p, ino, "/opt/other", roles[is]);
			now = programs_by_inode(p, &i);
			assert_true(watched(ino, roles[is]));
			assert_string_equal(now->path, "/opt/other");
			assert_int_equal(now->value.role, roles[is]);
			assert_int_equal(now->value.id, now->id);
			/* what the old one did may be told of later */
			if (roles[was] != ST_ROLE_NONE)
				assert_string_equal(programs_by_id(p, id)->path, "/opt/program");
		}
}

/* Told of once, and only where more than a name comes of it. */
static void test_shared_numbers(void **state)
{
	struct programs *p = *state;
	struct file_id file = {.inode = inode(7), .shared = true};

	p->shared = false;
	assert_int_equal(programs_add(p, &file, "/home/x/a", NULL, ST_ROLE_NONE, 0, 0), 1);
	assert_null(programs_doubt(p));
	file.inode = inode(8);
	file.shared = false;
	assert_int_equal(programs_add(p, &file, "/usr/sbin/a", NULL, ST_ROLE_HTTPD, 0, 0), 1);
	assert_null(programs_doubt(p));
	assert_int_equal(told, 0);
	file.shared = true;
	for (uint64_t ino = 9; ino < 12; ino++) {
		file.inode = inode(ino);
		assert_int_equal(programs_add(p, &file, "/opt/a", NULL, ST_ROLE_INJECTOR, 0, 0), 1);
	}
	assert_non_null(programs_doubt(p));
	assert_int_equal(told, 1);
}

/* Other permissions, a link more: it is the same program, by the same number. */
static void test_same_program(void **state)
{
	struct programs *p = *state;
	struct st_inode i = inode(7);
	uint32_t id;

	assert_int_equal(add(p, 7, ST_ROLE_INJECTOR), 1);
	id = programs_by_inode(p, &i)->id;
	assert_int_equal(add_next(p, 7, "/opt/program", ST_ROLE_INJECTOR), 0);
	assert_int_equal(programs_by_inode(p, &i)->id, id);
	assert_int_equal(add_next(p, 7, "/opt/program", ST_ROLE_NONE), 0);
	assert_true(watched(7, ST_ROLE_INJECTOR));
}

/* The kernel side tells of an inode that was known, and another file has it. */
static void test_seen_another(void **state)
{
	struct programs *p = *state;
	struct file_id self;
	uint32_t id;

	assert_int_equal(file_id_of_path("/proc/self/exe", getpid(), &self), 0);
	self.stamp.modified--;
	assert_int_equal(programs_add(p, &self, "/opt/sendmail", NULL, ST_ROLE_INJECTOR, 0, 0), 1);
	id = programs_by_inode(p, &self.inode)->id;
	programs_seen(p, getpid(), &self.inode, 0);
	assert_int_not_equal(programs_by_inode(p, &self.inode)->id, id);
	assert_string_not_equal(programs_by_inode(p, &self.inode)->path, "/opt/sendmail");
	assert_int_equal(programs_by_inode(p, &self.inode)->value.role, ST_ROLE_NONE);
}

/* It lies where no path that is looked at leads to. */
static void test_found_another(void **state)
{
	struct programs *p = *state;
	char path[] = "/tmp/st-programs-XXXXXX";
	_close_ int fd = mkstemp(path);
	struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	struct file_id file;

	assert_true(fd >= 0);
	assert_int_equal(file_id_of_fd(fd, 0, &file), 0);
	assert_int_equal(programs_add(p, &file, path, NULL, ST_ROLE_INJECTOR, 0, 0), 1);
	programs_prove_some(p);
	assert_non_null(programs_by_inode(p, &file.inode));
	assert_int_equal(futimens(fd, times), 0);
	programs_prove_some(p);
	assert_null(programs_by_inode(p, &file.inode));
	assert_int_equal(used, 0);
	unlink(path);
}

static ino_t inode_open(int fd)
{
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) ? st.st_ino : 0;
}

/* Deleted, and run by nobody: its number is no other file's while it has a role. */
static void test_held(void **state)
{
	struct programs *p = *state;
	char path[] = "/tmp/st-programs-XXXXXX";
	int fd = mkstemp(path), hold;
	struct file_id file;

	assert_true(fd >= 0);
	assert_int_equal(file_id_of_fd(fd, 0, &file), 0);
	programs_hold(p, fd, &file.inode); /* it is not known */
	assert_int_equal(p->held, 0);
	assert_int_equal(programs_add(p, &file, path, NULL, ST_ROLE_NONE, 0, 0), 1);
	programs_hold(p, fd, &file.inode);
	assert_int_equal(p->held, 0);
	assert_int_equal(programs_add(p, &file, path, NULL, ST_ROLE_HTTPD, 0, 0), 1);
	programs_hold_at(p, "/proc/self/exe", 0, &file.inode); /* another file */
	assert_int_equal(p->held, 0);
	/* a service with mounts of its own runs it: by its path it is held all the same */
	p->by_id->elsewhere = true;
	programs_hold_at(p, path, 0, &file.inode);
	assert_int_equal(p->held, 0);
	programs_hold(p, fd, &file.inode);
	programs_hold_at(p, path, 0, &file.inode);
	assert_int_equal(p->held, 1);
	unlink(path);
	close(fd);
	hold = p->by_id->hold;
	assert_int_equal(inode_open(hold), file.inode.ino);
	file.stamp.modified--;
	assert_null(programs_prove(p, &file));
	assert_int_equal(p->held, 0);
	assert_int_equal(inode_open(hold), 0);
}

static void test_held_by_a_path(void **state)
{
	struct programs *p = *state;
	struct file_id self;

	assert_int_equal(file_id_of_path("/proc/self/exe", 0, &self), 0);
	assert_int_equal(programs_add(p, &self, "/opt/program", NULL, ST_ROLE_HTTPD, 0, 0), 1);
	programs_hold_at(p, "/proc/self/exe", 0, &self.inode);
	assert_int_equal(p->held, 1);
}

/* There is no room, and that is told once. */
static void test_not_held(void **state)
{
	struct programs *p = *state;
	struct file_id self;

	assert_int_equal(file_id_of_path("/proc/self/exe", 0, &self), 0);
	assert_int_equal(programs_add(p, &self, "/opt/program", NULL, ST_ROLE_HTTPD, 0, 0), 1);
	p->held = MAX_HELD;
	programs_hold_at(p, "/proc/self/exe", 0, &self.inode);
	programs_hold_at(p, "/proc/self/exe", 0, &self.inode);
	assert_int_equal(p->by_id->hold, -1);
	assert_int_equal(told, 1);
}

/* A mount that this process does not have can be taken down. */
static void test_held_only_here(void **state)
{
	struct programs *p = *state;
	_close_ int fd = memfd_create("program", MFD_CLOEXEC);
	struct file_id file;

	assert_int_equal(file_id_of_fd(fd, 0, &file), 0);
	assert_int_equal(programs_add(p, &file, "/opt/program", NULL, ST_ROLE_HTTPD, 0, 0), 1);
	programs_hold(p, fd, &file.inode);
	assert_int_equal(p->held, 0);
}

/* Nobody tells of a program that was known to have no role, when another file has its number. */
static void test_file_gone(void **state)
{
	struct programs *p = *state;

	assert_int_equal(add(p, 7, ST_ROLE_NONE), 1);
	assert_int_equal(add(p, 8, ST_ROLE_INJECTOR), 1);
	programs_prove_some(p);
	assert_false(watched(7, ST_ROLE_NONE));
	assert_true(watched(8, ST_ROLE_INJECTOR));
}

/* Whoever replaces a program again and again does not make the tracer grow. */
static void test_replaced_for_ever(void **state)
{
	struct programs *p = *state;
	struct st_inode i = inode(7);
	const struct node *next;
	uint32_t first;

	assert_int_equal(add(p, 1, ST_ROLE_HTTPD), 1);
	assert_int_equal(add(p, 7, ST_ROLE_HTTPD), 1);
	first = programs_by_inode(p, &i)->id;
	for (int n = 1; n < 2 * MAX_PROGRAMS; n++) {
		struct file_id file = {.inode = i, .stamp = {.modified = n}};

		assert_int_equal(programs_add(p, &file, "/opt/sendmail", NULL,
					      n & 1 ? ST_ROLE_INJECTOR : ST_ROLE_HTTPD, 0, 0),
				 1);
		programs_prove_some(p);
	}
	assert_int_equal(HASH_CNT(hh_id, p->by_id), MAX_PROGRAMS);
	assert_null(programs_by_id(p, first));
	i = inode(1);
	assert_non_null(programs_by_inode(p, &i));
	assert_string_equal(programs_by_id(p, p->last_id)->path, "/opt/sendmail");
	assert_string_equal(programs_by_id(p, p->last_id - 1000)->path, "/opt/sendmail");
	/* the one that goes next was to be looked at next */
	p->to_prove = p->by_id->hh_id.next;
	next = p->to_prove->hh_id.next;
	assert_int_equal(add(p, 8, ST_ROLE_HTTPD), 1);
	assert_ptr_equal(p->to_prove, next);
	assert_int_equal(told, 0);
}

static void test_full(void **state)
{
	struct programs *p = *state;
	struct file_id self;
	struct st_inode i;

	room = 0; /* of the kernel side, which is quicker here */
	assert_int_equal(file_id_of_path("/proc/self/exe", 0, &self), 0);
	assert_int_equal(programs_add(p, &self, "/proc/self/exe", NULL, ST_ROLE_INJECTOR, 0, 0),
			 -E2BIG);
	add(p, 1, ST_ROLE_HTTPD);
	add(p, 2, ST_ROLE_NONE);
	for (uint64_t n = 3; HASH_CNT(hh_id, p->by_id) < MAX_PROGRAMS; n++)
		add(p, n, ST_ROLE_INJECTOR);

	/* a name gives way to a role, and nothing else does yet; it is told once */
	i = inode(2);
	add(p, 100000, ST_ROLE_NONE);
	assert_non_null(programs_by_inode(p, &i));
	add(p, 100001, ST_ROLE_INJECTOR);
	assert_null(programs_by_inode(p, &i));
	assert_int_equal(add(p, 100002, ST_ROLE_INJECTOR), -E2BIG);
	assert_int_equal(add(p, 100003, ST_ROLE_INJECTOR), -E2BIG);
	assert_int_equal(told, 1);
	i = inode(100003);
	assert_null(programs_by_inode(p, &i));

	/* injectors whose files are gone do */
	programs_prove_some(p);
	room = 1;
	assert_int_equal(add(p, 100003, ST_ROLE_INJECTOR), 1);
	assert_true(watched(100003, ST_ROLE_INJECTOR));
	i = inode(3);
	assert_null(programs_by_inode(p, &i));
	i = inode(1);
	assert_non_null(programs_by_inode(p, &i));
	assert_non_null(programs_by_inode(p, &self.inode));
}

/* Numbers begin anew one day: those in use are left out. */
static void test_numbers_begin_anew(void **state)
{
	struct programs *p = *state;

	assert_int_equal(add(p, 1, ST_ROLE_INJECTOR), 1);
	assert_int_equal(p->last_id, 1);
	p->last_id = UINT32_MAX;
	assert_int_equal(add(p, 2, ST_ROLE_INJECTOR), 1);
	assert_int_equal(p->last_id, 2);
	assert_int_equal(programs_by_id(p, 1)->inode.ino, 1);
	assert_int_equal(programs_by_id(p, 2)->inode.ino, 2);
}

/* Engines of files that nobody reads here. */
static void know_engines(struct programs *p, unsigned count, bool module)
{
	struct php_finder *f = p->finder;

	f->engines = reallocarray(f->engines, f->engine_count + count, sizeof(void *));
	assert_non_null(f->engines);
	while (count--) {
		struct php_engine *e = calloc(1, sizeof(*e));

		assert_non_null(e);
		e->index = (unsigned)f->engine_count;
		e->inode = inode(1000 + e->index);
		e->image.st.usable = 1;
		e->image.module = module;
		e->path = strdup("/opt/php");
		f->engines[f->engine_count++] = e;
	}
}

/* More engines than there are numbers for: that is said once, and all have their role. */
static void test_many_engines(void **state)
{
	struct programs *p = *state;

	room = array_size(held);
	know_engines(p, ST_MAX_IMAGES, false);
	know_engines(p, 2, true);
	know_engines(p, 2, false);
	programs_rescan(p);
	programs_rescan(p);
	assert_int_equal(images, ST_MAX_IMAGES);
	assert_int_equal(told, 1);
	assert_true(watched(1000 + ST_MAX_IMAGES + 3, ST_ROLE_PHP));
	assert_false(watched(1000 + ST_MAX_IMAGES, ST_ROLE_PHP));
}

/* Of web servers that ended. */
static void fill_bases(void)
{
	struct st_base_key key;
	struct st_base base = {.base = 1};

	for (memset(&key, 0, sizeof(key)); bases < base_room; key.start_code++)
		assert_int_equal(probe_set_base(NULL, &key, &base), 0);
}

static char module_dir[32];
static struct elf module;
static char *module_at;

/* Makes this program a web server that has loaded PHP. */
static int setup_module(void **state)
{
	struct recipe r = {.version = "8.2.36", .symbols = BASE_SYMBOLS};
	char path[64];
	_close_ int fd = -1;

	make(&module, &r);
	strcpy(module_dir, "/tmp/st-programs-XXXXXX");
	if (!mkdtemp(module_dir))
		return -1;
	snprintf(path, sizeof(path), "%s/libphp.so", module_dir);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, module.bytes, module.size) != (ssize_t)module.size)
		return -1;
	module_at = mmap(NULL, module.size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (module_at == MAP_FAILED || setup(state))
		return -1;
	/* of other PHP that runs on this machine */
	memset(((struct programs *)*state)->told, true, sizeof(((struct programs *)*state)->told));
	return 0;
}

static int teardown_module(void **state)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/libphp.so", module_dir);
	return munmap(module_at, module.size) || unlink(path) || rmdir(module_dir) ||
	       teardown(state);
}

static struct st_base_key own_key(void)
{
	__attribute__((cleanup(php_finder_freep))) struct php_finder *f =
		php_finder_new(NULL, NULL);
	struct php_process self;

	assert_int_equal(php_finder_process(f, getpid(), true, &self), 0);
	return self.key;
}

/* This program's is there, and none of those that ended. */
static bool is_restored(const struct st_base_key *key)
{
	struct st_base_key dead;
	size_t i = base_place(key);

	memset(&dead, 0, sizeof(dead));
	return i < bases && base_value[i].base == (uintptr_t)module_at &&
	       base_place(&dead) == bases;
}

/* Web servers that ended give way to one that has started. */
static void test_bases_of_the_dead(void **state)
{
	struct programs *p = *state;
	struct st_base_key self = own_key();

	if (!programs_is_roots(getpid()))
		skip();
	fill_bases();
	programs_seen(p, getpid(), &self.exe, self.start_code);
	assert_int_equal(bases_forgotten, 1);
	assert_true(is_restored(&self));
	assert_int_equal(told, 0);
}

/* A process without PHP that is not young, and its program; 0: there is none. */
static pid_t old_process(struct php_finder *f, struct file_id *exe)
{
	_closedir_ DIR *proc = opendir("/proc");
	uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t young = (clock_boot_ns() / 1000000000ULL - 12) * ticks;
	const struct dirent *entry;
	struct php_process process;

	while (proc && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
		if (pid && pid != getpid() && procfs_start((uint32_t)pid) < young &&
		    !file_id_of_path(path, pid, exe) &&
		    php_finder_process(f, pid, true, &process) == -ENOENT)
			return pid;
	}
	return 0;
}

/* Those without PHP are not asked about for ever, and drive out none that runs. */
static void test_bases_of_the_living(void **state)
{
	struct programs *p = *state;
	struct st_base_key self = own_key(), other;
	struct file_id file;
	pid_t pid = old_process(p->finder, &file);

	if (!pid || !programs_is_roots(getpid()))
		skip();
	assert_int_equal(programs_add(p, &file, "/usr/sbin/httpd", NULL, ST_ROLE_HTTPD, 0, 0), 1);
	fill_bases();
	memset(&other, 0, sizeof(other));
	other.exe = file.inode;
	other.start_code = 5;
	programs_seen(p, pid, &other.exe, other.start_code);
	assert_int_equal(bases_forgotten, 1);
	assert_true(is_restored(&self));
	assert_true(base_place(&other) < bases);
	assert_int_equal(base_value[base_place(&other)].base, 0);
	assert_int_equal(p->httpd_count, 1);
	assert_true(p->httpds[0].none);
	assert_int_equal(told, 0);
}

/* More run than there is room for: said once, and the rest of the machine is looked at rarely. */
static void test_bases_full(void **state)
{
	struct programs *p = *state;
	struct st_base_key self = own_key();

	if (!programs_is_roots(getpid()))
		skip();
	base_room = 0;
	programs_seen(p, getpid(), &self.exe, self.start_code);
	programs_seen(p, getpid(), &self.exe, self.start_code);
	assert_int_equal(bases_forgotten, 1);
	assert_int_equal(told, 1);
	p->bases_forgotten = 1;
	base_room = 8;
	fill_bases();
	programs_seen(p, getpid(), &self.exe, self.start_code);
	assert_int_equal(bases_forgotten, 2);
	assert_true(is_restored(&self));
	assert_int_equal(told, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refused_is_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rescan_tries_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(test_room_for_a_role, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inode_of_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_program, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seen_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_found_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held_by_a_path, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held_only_here, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replaced_for_ever, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers_begin_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_engines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bases_of_the_dead, setup_module,
						teardown_module),
		cmocka_unit_test_setup_teardown(test_bases_of_the_living, setup_module,
						teardown_module),
		cmocka_unit_test_setup_teardown(test_bases_full, setup_module, teardown_module),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
