// SPDX-License-Identifier: GPL-2.0-only
/* Engines made to measure, and what hostile files do to their reader. */
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine_file.h"
#include "kernel/php_image.h"

static int open_recipe(const struct recipe *r, struct php_image *out)
{
	struct elf e;
	_close_ int fd = -1;

	make(&e, r);
	fd = file_of(e.bytes, e.size);
	return php_image_open(fd, out);
}

static void test_usable(void **state)
{
	struct recipe r = {.version = "8.2.36", .symbols = BASE_SYMBOLS, .interp = true};
	struct php_image image;

	(void)state;
	assert_int_equal(open_recipe(&r, &image), 0);
	assert_string_equal(image.reason, "");
	assert_int_equal(image.st.usable, 1);
	assert_int_equal(image.st.version, 80236);
	assert_string_equal(image.version, "8.2.36");
	assert_string_equal(image.build_id, "deadbeef");
	assert_false(image.module);
	assert_int_equal(image.st.executor_globals, 0x2000);
	assert_int_equal(image.st.sapi_globals, 0x3000);
	assert_int_equal(image.st.sapi_module, 0x4000);
	assert_int_equal(image.st.text_vaddr, 0x5000);
	assert_int_equal(image.map_vaddr, 0);
	assert_int_equal(image.st.layout.fn_filename, 152);
	assert_ptr_equal(image.row, php_layout_find(80200));
	r.interp = false;
	assert_int_equal(open_recipe(&r, &image), 0);
	assert_true(image.module);
}

static void test_refused(void **state)
{
	static const struct {
		struct recipe recipe;
		uint32_t version;
		const char *reason; /* part of it */
	} cases[] = {
		{{.version = "8.7.1", .symbols = BASE_SYMBOLS},
		 80701,
		 "no layout is known for PHP 8.7"},
		{{.version = "5.6.40-0+deb8u12", .symbols = BASE_SYMBOLS}, 50640, "PHP 5.6"},
		{{.version = "7.2.24-0ubuntu0.18.04.17", .symbols = BASE_SYMBOLS},
		 70224,
		 "executor_globals has 1800 bytes"},
		{{.version = NULL, .symbols = BASE_SYMBOLS}, 0, "version was not found"},
		{{.version = "latest", .symbols = BASE_SYMBOLS}, 0, "version was not found"},
		{{.version = "8.2.36", .symbols = ""}, 80236, "executor_globals is missing"},
		{{.version = "8.2.36", .symbols = BASE_SYMBOLS, .undefined = true},
		 80236,
		 "executor_globals is missing"},
		{{.version = "8.2.36",
		  .symbols = "executor_globals:0x2000:1800 sapi_module:0x4000:280 "},
		 80236,
		 "sapi_globals is missing"},
		{{.version = "8.2.36",
		  .symbols = "executor_globals:0x2000:1800 sapi_globals:0x3000:552 "},
		 80236,
		 "sapi_module is missing"},
		{{.version = "8.2.36",
		  .symbols = "executor_globals:0x2000:1816 sapi_globals:0x3000:552 "
			     "sapi_module:0x4000:280 "},
		 80236,
		 "has 1816 bytes"},
		{{.version = "8.2.36",
		  .symbols = "executor_globals:0x2000:1800 sapi_globals:0x3000:560 "
			     "sapi_module:0x4000:280 "},
		 80236,
		 "sapi_globals has 560 bytes"},
		{{.version = "8.2.36",
		  .symbols = "executor_globals_offset:0x2000:8 sapi_globals_offset:0x3000:8 "
			     "tsrm_get_ls_cache:0x1000:20 sapi_module:0x4000:280 "},
		 80236,
		 "ZTS"},
		{{.version = "8.2.36", .symbols = BASE_SYMBOLS, .machine = EM_AARCH64},
		 80236,
		 "another machine"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct php_image image;

		assert_int_equal(open_recipe(&cases[i].recipe, &image), 0);
		assert_int_equal(image.st.usable, 0);
		assert_int_equal(image.st.version, cases[i].version);
		if (!strstr(image.reason, cases[i].reason))
			fail_msg("case %zu: '%s' does not say '%s'", i, image.reason,
				 cases[i].reason);
	}
}

static void test_no_engine(void **state)
{
	struct recipe plain = {.version = NULL, .symbols = "main:0x10:4 "};
	struct recipe no_text = {.version = "8.2.36", .symbols = BASE_SYMBOLS, .no_text = true};
	struct php_image image = {.reason = "untouched"};
	_close_ int text = file_of("#!/bin/sh\nexit 0 # a script is no engine, however long it may "
				   "be, and so is no ELF\n",
				   80);
	_close_ int empty = file_of("", 0), null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(open_recipe(&plain, &image), -ENOEXEC);
	assert_int_equal(open_recipe(&no_text, &image), -ENOEXEC);
	assert_int_equal(php_image_open(text, &image), -ENOEXEC);
	assert_int_equal(php_image_open(empty, &image), -ENOEXEC);
	assert_int_equal(php_image_open(null, &image), -ENOEXEC);
	assert_string_equal(image.reason, "untouched");
}

/* A program that holds the version only as a string (a scanner, a proxy) is not taken for an
 * engine. */
static void test_exporting(void **state)
{
	struct recipe r = {.version = "8.2.36", .symbols = "main:0x10:4 "};
	struct php_image image;
	struct elf e;
	_close_ int fd = -1;

	(void)state;
	make(&e, &r);
	fd = file_of(e.bytes, e.size);
	assert_int_equal(php_image_open_exporting(fd, &image), -ENOEXEC);
	assert_int_equal(php_image_open(fd, &image), 0);
	assert_int_equal(image.st.usable, 0);
}

/* The mark at every offset around the pieces in which .rodata is read. */
static void test_version_across_pieces(void **state)
{
	enum { PIECE = 64 * 1024 };
	struct recipe r = {.version = NULL, .symbols = BASE_SYMBOLS};
	const char mark[] = "X-Powered-By: PHP/8.2.36";
	struct elf e;
	Elf64_Ehdr eh;
	Elf64_Shdr sh;

	(void)state;
	make(&e, &r);
	memcpy(&eh, e.bytes, sizeof(eh));
	for (size_t shift = PIECE - 60; shift < PIECE + 30; shift++) {
		struct php_image image;
		_close_ int fd = -1;

		memcpy(&sh, e.bytes + eh.e_shoff + 3 * sizeof(sh), sizeof(sh));
		sh.sh_offset = 1 << 20;
		sh.sh_size = 3 * PIECE;
		fd = file_of(e.bytes, e.size);
		assert_int_equal(pwrite(fd, &sh, sizeof(sh), (off_t)(eh.e_shoff + 3 * sizeof(sh))),
				 sizeof(sh));
		assert_int_equal(ftruncate(fd, (1 << 20) + 3 * PIECE), 0);
		assert_int_equal(pwrite(fd, mark, sizeof(mark), (off_t)((1 << 20) + shift)),
				 sizeof(mark));
		assert_int_equal(php_image_open(fd, &image), 0);
		assert_string_equal(image.version, "8.2.36");
		assert_int_equal(image.st.usable, 1);
	}
}

/* Where calls of an engine that cannot be read are watched: a place in its file that is code. */
static void test_calls(void **state)
{
	static const struct {
		const char *symbols;
		uint64_t executes, done;
	} cases[] = {
		{"php_execute_script:0x5010:9 php_request_shutdown:0x5fff:9 ", 0x1010, 0x1fff},
		{"php_execute_script:0x4fff:9 php_request_shutdown:0x6000:9 ", 0, 0},
		{"php_execute_script:0x5000:9 ", 0x1000, 0},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct recipe r = {.version = "5.6.40", .symbols = cases[i].symbols};
		struct php_image image;

		assert_int_equal(open_recipe(&r, &image), 0);
		assert_int_equal(image.st.usable, 0);
		assert_int_equal(image.execute_script, cases[i].executes);
		assert_int_equal(image.request_shutdown, cases[i].done);
	}
}

/* A customer's copy of php can hold what he likes, in the places where PHP has its own. */
static void test_not_roots(void **state)
{
	struct recipe r = {.version = "8.2.36", .symbols = BASE_SYMBOLS, .interp = true};
	struct php_image image;

	(void)state;
	assert_int_equal(open_recipe(&r, &image), 0);
	assert_int_equal(image.st.usable, 1);
	assert_string_equal(image.reason, "");
	php_image_distrust(&image);
	assert_int_equal(image.st.usable, 0);
	assert_non_null(strstr(image.reason, "not root's"));
}

/* Every truncation, and many damaged bytes: any answer is fine, a crash is not (run it under ASan
 * too). */
static void test_hostile(void **state)
{
	struct recipe r = {.version = "8.2.36", .symbols = BASE_SYMBOLS, .interp = true};
	struct elf good, bad;
	struct php_image image;
	uint64_t seed = 42;
	unsigned usable = 0;

	(void)state;
	make(&good, &r);
	for (size_t size = 0; size < good.size; size += 3) {
		_close_ int fd = file_of(good.bytes, size);

		if (!php_image_open(fd, &image))
			usable += image.st.usable;
	}
	assert_int_equal(usable, 0);
	for (unsigned round = 0; round < 4000; round++) {
		_close_ int fd = -1;

		bad = good;
		for (unsigned n = 0; n < 1 + round % 4; n++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			bad.bytes[(seed >> 20) % bad.size] = (unsigned char)(seed >> 50);
		}
		fd = file_of(bad.bytes, bad.size);
		php_image_open(fd, &image);
	}
}

static void test_huge_sizes(void **state)
{
	struct recipe r = {.version = "8.2.36", .symbols = BASE_SYMBOLS};
	struct php_image image;
	struct elf e;
	Elf64_Ehdr eh;

	(void)state;
	for (size_t section = 1; section < 6; section++) {
		for (int what = 0; what < 3; what++) {
			_close_ int fd = -1;
			Elf64_Shdr *sh;

			make(&e, &r);
			memcpy(&eh, e.bytes, sizeof(eh));
			sh = (Elf64_Shdr *)(void *)(e.bytes + eh.e_shoff + section * sizeof(*sh));
			if (what == 0)
				sh->sh_size = UINT64_MAX - 8;
			else if (what == 1)
				sh->sh_offset = UINT64_MAX - 8;
			else
				sh->sh_link = UINT32_MAX;
			fd = file_of(e.bytes, e.size);
			php_image_open(fd, &image);
		}
	}
}

/* What it took to look at a file, measured in a process of its own. */
struct cost {
	int err;
	struct php_image image;
	uint64_t kilobytes, read;
};

#define MEGABYTE ((uint64_t)1 << 20)

static uint64_t bytes_read(void)
{
	_fclose_ FILE *io = fopen("/proc/self/io", "re");
	unsigned long long n = 0;

	return io && fscanf(io, "rchar: %llu", &n) == 1 ? n : 0;
}

static uint64_t peak(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_maxrss;
}

static void look(int fd, int (*open_image)(int fd, struct php_image *out), struct cost *out)
{
	struct cost *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t child;

	assert_ptr_not_equal(shared, MAP_FAILED);
	assert_int_not_equal(bytes_read(), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		uint64_t had = peak(), before = bytes_read();

		shared->err = open_image(fd, &shared->image);
		shared->read = bytes_read() - before;
		shared->kilobytes = peak() - had;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	*out = *shared;
	munmap(shared, sizeof(*shared));
}

/* A good engine, whose section headers are the last of it: more can follow. */
static Elf64_Shdr *stretch(struct elf *e, Elf64_Ehdr **eh)
{
	struct recipe r = {.version = "8.2.36", .symbols = BASE_SYMBOLS, .interp = true};

	make(e, &r);
	*eh = (Elf64_Ehdr *)(void *)e->bytes;
	return (Elf64_Shdr *)(void *)(e->bytes + (*eh)->e_shoff);
}

static int sparse(const struct elf *e, uint64_t size)
{
	int fd = file_of(e->bytes, e->size);

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

/* Nobody needs the names of all sections. */
static void test_large_name_table(void **state)
{
	struct cost cost;
	struct elf e;
	Elf64_Ehdr *eh;
	Elf64_Shdr *sh = stretch(&e, &eh);
	_close_ int fd = -1;

	(void)state;
	sh[5].sh_size = 512 * MEGABYTE;
	fd = sparse(&e, 513 * MEGABYTE);
	look(fd, php_image_open_exporting, &cost);
	assert_int_equal(cost.err, 0);
	assert_int_equal(cost.image.st.usable, 1);
	assert_in_range(cost.kilobytes, 0, 16 << 10);
	assert_in_range(cost.read, 1, MEGABYTE);
}

/* Many tables over the same bytes: the first of a kind is looked at. */
static void test_many_symbol_tables(void **state)
{
	enum { TABLES = 100 };
	struct cost cost;
	struct elf e;
	Elf64_Ehdr *eh;
	Elf64_Shdr *sh = stretch(&e, &eh);
	_close_ int fd = -1;

	(void)state;
	for (size_t i = 6; i < 6 + TABLES; i++)
		sh[i] = (Elf64_Shdr){.sh_type = i % 2 ? SHT_DYNSYM : SHT_SYMTAB,
				     .sh_link = 2,
				     .sh_offset = 16384,
				     .sh_entsize = sizeof(Elf64_Sym),
				     .sh_size = 9 * MEGABYTE};
	eh->e_shnum = 6 + TABLES;
	e.size = sizeof(e.bytes);
	fd = sparse(&e, 10 * MEGABYTE);
	look(fd, php_image_open_exporting, &cost);
	assert_int_equal(cost.err, 0);
	assert_int_equal(cost.image.st.usable, 1);
	assert_in_range(cost.kilobytes, 0, 16 << 10);
	assert_in_range(cost.read, 9 * MEGABYTE, 10 * MEGABYTE);
}

/* What a file may cost in all, whatever it says. */
static void assert_too_large(int fd)
{
	struct cost cost;

	look(fd, php_image_open, &cost);
	assert_in_range(cost.kilobytes, 0, 72 << 10);
	assert_in_range(cost.read, 1, 65 * MEGABYTE);
	assert_int_equal(cost.err, 0);
	assert_int_equal(cost.image.st.usable, 0);
	assert_non_null(strstr(cost.image.reason, "larger than"));
}

/* More sections than the header has room for are counted in the first of them, of any number. */
static void test_extended_numbering(void **state)
{
	struct cost cost;
	struct elf e;
	Elf64_Ehdr *eh;
	Elf64_Shdr *sh = stretch(&e, &eh);
	_close_ int extended = -1, index = -1, many = -1;

	(void)state;
	eh->e_shnum = 0;
	sh[0].sh_size = 2 << 20;
	extended = sparse(&e, 200 * MEGABYTE);
	look(extended, php_image_open_exporting, &cost);
	assert_in_range(cost.kilobytes, 0, 16 << 10);
	assert_int_equal(cost.err, -ENOEXEC); /* nothing says that it is PHP */
	assert_too_large(extended);
	eh->e_shnum = 6;
	eh->e_shstrndx = SHN_XINDEX;
	index = sparse(&e, e.size);
	assert_too_large(index);
	eh->e_shnum = 20000;
	eh->e_shstrndx = 5;
	many = sparse(&e, 2 * MEGABYTE);
	assert_too_large(many);
}

static void test_over_budget(void **state)
{
	struct cost cost;
	struct elf e;
	Elf64_Ehdr *eh;
	Elf64_Shdr *sh = stretch(&e, &eh);
	_close_ int symbols = -1, text = -1;

	(void)state;
	sh[6] = (Elf64_Shdr){.sh_type = SHT_SYMTAB,
			     .sh_link = 7,
			     .sh_entsize = sizeof(Elf64_Sym),
			     .sh_size = 60 * MEGABYTE};
	sh[7] = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_size = 60 * MEGABYTE};
	eh->e_shnum = 8;
	e.size += 2 * sizeof(*sh);
	symbols = sparse(&e, 61 * MEGABYTE);
	assert_too_large(symbols);
	/* it exports PHP's names: it is one whatever it is called */
	look(symbols, php_image_open_exporting, &cost);
	assert_int_equal(cost.err, 0);
	assert_non_null(strstr(cost.image.reason, "larger than"));
	sh = stretch(&e, &eh);
	sh[3].sh_offset = 16384;
	sh[3].sh_size = 200 * MEGABYTE;
	text = sparse(&e, 201 * MEGABYTE);
	assert_too_large(text);
}

/* The same engine as a file of 32 bits, whose records are smaller: in their places. */
static void narrow(struct elf *e)
{
	Elf64_Ehdr w = *(const Elf64_Ehdr *)(const void *)e->bytes;
	Elf32_Ehdr n = {.e_type = w.e_type,
			.e_machine = EM_386,
			.e_version = EV_CURRENT,
			.e_ehsize = sizeof(Elf32_Ehdr),
			.e_phoff = (uint32_t)w.e_phoff,
			.e_phentsize = sizeof(Elf32_Phdr),
			.e_phnum = w.e_phnum,
			.e_shoff = (uint32_t)w.e_shoff,
			.e_shentsize = sizeof(Elf32_Shdr),
			.e_shnum = w.e_shnum,
			.e_shstrndx = w.e_shstrndx};
	const Elf64_Phdr *ph = (const void *)(e->bytes + w.e_phoff);
	const Elf64_Shdr *sh = (const void *)(e->bytes + w.e_shoff);

	for (unsigned i = 0; i < w.e_phnum; i++) {
		Elf32_Phdr p = {.p_type = ph[i].p_type,
				.p_flags = ph[i].p_flags,
				.p_offset = (uint32_t)ph[i].p_offset,
				.p_vaddr = (uint32_t)ph[i].p_vaddr};

		memcpy(e->bytes + w.e_phoff + i * sizeof(p), &p, sizeof(p));
	}
	for (unsigned i = 0; i < w.e_shnum; i++) {
		Elf64_Shdr from = sh[i];
		Elf32_Shdr s = {.sh_name = from.sh_name,
				.sh_type = from.sh_type,
				.sh_link = from.sh_link,
				.sh_addralign = (uint32_t)from.sh_addralign,
				.sh_offset = (uint32_t)from.sh_offset,
				.sh_size = (uint32_t)from.sh_size};
		Elf64_Sym *symbol = (void *)(e->bytes + from.sh_offset);

		if (from.sh_type == SHT_DYNSYM)
			s.sh_size = (uint32_t)(from.sh_size / sizeof(*symbol) * sizeof(Elf32_Sym));
		for (size_t k = 0; from.sh_type == SHT_DYNSYM && k < from.sh_size / sizeof(*symbol);
		     k++) {
			Elf32_Sym y = {.st_name = symbol[k].st_name,
				       .st_shndx = symbol[k].st_shndx,
				       .st_value = (uint32_t)symbol[k].st_value,
				       .st_size = (uint32_t)symbol[k].st_size};

			memcpy(e->bytes + from.sh_offset + k * sizeof(y), &y, sizeof(y));
		}
		memcpy(e->bytes + w.e_shoff + i * sizeof(s), &s, sizeof(s));
	}
	memcpy(n.e_ident, w.e_ident, EI_NIDENT);
	n.e_ident[EI_CLASS] = ELFCLASS32;
	memcpy(e->bytes, &n, sizeof(n));
}

static void test_narrow(void **state)
{
	struct recipe r = {.version = "8.2.36", .symbols = BASE_SYMBOLS, .interp = true};
	struct php_image image;
	struct elf e;
	_close_ int fd = -1;

	(void)state;
	make(&e, &r);
	narrow(&e);
	fd = file_of(e.bytes, e.size);
	assert_int_equal(php_image_open_exporting(fd, &image), 0);
	assert_int_equal(image.st.usable, 0);
	assert_int_equal(image.st.version, 80236);
	assert_int_equal(image.st.text_vaddr, 0x5000);
	assert_string_equal(image.build_id, "deadbeef");
	assert_false(image.module);
	assert_non_null(strstr(image.reason, "another machine"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usable),
		cmocka_unit_test(test_not_roots),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_engine),
		cmocka_unit_test(test_exporting),
		cmocka_unit_test(test_version_across_pieces),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_huge_sizes),
		cmocka_unit_test(test_large_name_table),
		cmocka_unit_test(test_many_symbol_tables),
		cmocka_unit_test(test_extended_numbering),
		cmocka_unit_test(test_over_budget),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
