// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/php_image.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "kernel/elf_file.h"

/*
 * Of one file. Debian's engines take 0.6 MB, most of it .rodata; symbols for a debugger add some
 * MB, and a build with ICU in it has 30 MB more of .rodata. Debug information is not read.
 */
#define BUDGET_MB 64u
#define MAX_NOTES (64u << 10)

/* SAPI_PHP_VERSION_HEADER, main/SAPI.h: in every engine, behind it PHP_VERSION. */
static const char version_mark[] = "X-Powered-By: PHP/";

struct symbol {
	const char *name;
	uint64_t value, size;
	bool found;
};

enum {
	EXECUTOR_GLOBALS,
	SAPI_GLOBALS,
	SAPI_MODULE,
	EXECUTOR_OFFSET,
	LS_CACHE,
	EXECUTE_SCRIPT,
	REQUEST_SHUTDOWN,
	SYMBOLS
};

struct reading {
	struct elf_file elf;
	const Elf64_Shdr *rodata; /* NULL: none */
	struct symbol symbol[SYMBOLS];
};

static void note_symbol(const char *name, const Elf64_Sym *sym, void *arg)
{
	struct reading *r = arg;

	for (size_t i = 0; i < SYMBOLS; i++) {
		struct symbol *s = &r->symbol[i];

		if (s->found || strcmp(name, s->name) != 0)
			continue;
		s->value = sym->st_value;
		s->size = sym->st_size;
		s->found = true;
		return;
	}
}

/* "8.2.36-1" behind the mark: 80236. False when it is no version. */
static bool parse_version(const char *s, struct php_image *out)
{
	unsigned long part[3];
	const char *p = s;
	size_t len = 0;

	for (int i = 0; i < 3; i++) {
		char *end;

		if (!isdigit((unsigned char)*p))
			return false;
		part[i] = strtoul(p, &end, 10);
		if (part[i] > 99 || (i < 2 && *end != '.'))
			return false;
		p = end + 1;
	}
	while (s[len] && len + 1 < sizeof(out->version) &&
	       (isalnum((unsigned char)s[len]) || strchr(".-+~", s[len])))
		len++;
	memcpy(out->version, s, len);
	out->version[len] = '\0';
	out->st.version = (uint32_t)(part[0] * 10000 + part[1] * 100 + part[2]);
	return true;
}

/*
 * Searches one section in pieces, so that a large one costs no memory. Pieces overlap: what stands
 * too near the end of one to be read whole stands in the next. 0, also when there is no version, or
 * an error of elf_file_read().
 */
static int find_version(struct reading *r, struct php_image *out)
{
	enum {
		MARK = sizeof(version_mark) - 1,
		TAIL = MARK + sizeof(out->version),
		PIECE = 64 * 1024
	};
	const Elf64_Shdr *sh = r->rodata;
	_free_ char *piece = malloc(PIECE + 1);
	uint64_t at = 0;
	bool last = !sh || sh->sh_offset > r->elf.size;

	if (!piece)
		return -ENOMEM;
	while (!last) {
		size_t n = sh->sh_size - at < PIECE ? (size_t)(sh->sh_size - at) : PIECE;
		int err = elf_file_read(&r->elf, sh->sh_offset + at, piece, n);
		const char *p = piece;

		if (err)
			return err == -ENOEXEC ? 0 : err;
		last = n <= TAIL || at + n >= sh->sh_size;
		piece[n] = '\0';
		while ((p = memmem(p, (size_t)(piece + n - p), version_mark, MARK)) &&
		       (last || piece + n - p >= TAIL)) {
			p += MARK;
			if (parse_version(p, out))
				return 0;
		}
		at += (uint64_t)(n - TAIL + 1);
	}
	return 0;
}

static void take_build_id(const char *notes, size_t size, const Elf64_Shdr *sh,
			  struct php_image *out)
{
	Elf64_Nhdr note; /* the same in both classes */

	for (size_t at = 0; at < size && size - at >= sizeof(note);) {
		size_t name = at + sizeof(note), desc;

		memcpy(&note, notes + at, sizeof(note));
		if (note.n_namesz > size || note.n_descsz > size)
			return;
		desc = name + ((note.n_namesz + 3u) & ~3u);
		at = desc + ((note.n_descsz + 3u) & ~3u);
		if (desc + note.n_descsz > size)
			return;
		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || note.n_descsz > 20 ||
		    memcmp(notes + name, "GNU", 4) != 0)
			continue;
		for (size_t i = 0; i < note.n_descsz; i++)
			snprintf(out->build_id + 2 * i, 3, "%02x", (unsigned char)notes[desc + i]);
		if (note.n_descsz >= sizeof(out->st.build_id) && (sh->sh_flags & SHF_ALLOC)) {
			memcpy(&out->st.build_id, notes + desc, sizeof(out->st.build_id));
			out->st.build_id_at = sh->sh_addr + desc;
		}
		return;
	}
}

static int find_build_id(struct reading *r, const Elf64_Shdr *sh, struct php_image *out)
{
	_free_ char *notes = NULL;
	int err;

	if (out->build_id[0] || sh->sh_size > MAX_NOTES)
		return 0;
	if ((err = elf_file_load(&r->elf, sh, &notes)))
		return err;
	take_build_id(notes, (size_t)sh->sh_size, sh, out);
	return 0;
}

/* A linker makes one table of each kind: others are not looked at. */
static int read_section(struct reading *r, const Elf64_Shdr *sh, bool *dynamic, bool *all,
			struct php_image *out)
{
	bool *had = sh->sh_type == SHT_DYNSYM ? dynamic : all;
	int err;

	switch (sh->sh_type) {
	case SHT_DYNSYM:
	case SHT_SYMTAB:
		if (*had)
			return 0;
		*had = true;
		return elf_file_symbols(&r->elf, sh, note_symbol, r);
	case SHT_NOTE:
		return find_build_id(r, sh, out);
	case SHT_PROGBITS:
		err = r->rodata ? 0 : elf_file_named(&r->elf, sh, ".rodata");
		if (err == 1)
			r->rodata = sh;
		return err < 0 ? err : 0;
	default:
		return 0;
	}
}

/* 0, or the error that ends it: a section that is not in the file is passed over. */
static int read_sections(struct reading *r, struct php_image *out)
{
	bool dynamic = false, all = false;
	int err = elf_file_sections(&r->elf);

	for (size_t i = 1; (!err || err == -ENOEXEC) && i < r->elf.section_count; i++)
		err = read_section(r, &r->elf.section[i], &dynamic, &all, out);
	return err == -ENOEXEC ? 0 : err;
}

/* Where it is loaded, and whether it is a program. -ENOEXEC when nothing of it is executable. */
static int read_segments(const struct reading *r, struct php_image *out)
{
	bool load = false, text = false, interp = false;

	for (size_t i = 0; i < r->elf.header.e_phnum; i++) {
		const Elf64_Phdr *ph = &r->elf.segment[i];

		interp |= ph->p_type == PT_INTERP;
		if (ph->p_type != PT_LOAD)
			continue;
		if (!load)
			out->map_vaddr = ph->p_vaddr - ph->p_offset;
		load = true;
		/* mm->start_code is the lowest executable one: load_elf_binary(), fs/binfmt_elf.c
		 */
		if ((ph->p_flags & PF_X) && (!text || ph->p_vaddr < out->st.text_vaddr)) {
			out->st.text_vaddr = ph->p_vaddr;
			text = true;
		}
	}
	out->module = r->elf.header.e_type == ET_DYN && !interp;
	return load && text ? 0 : -ENOEXEC;
}

__attribute__((format(printf, 2, 3))) static void refuse(struct php_image *out, const char *fmt,
							 ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out->reason, sizeof(out->reason), fmt, ap);
	va_end(ap);
}

/* A struct of another size than the table's is another struct: a patched or misread build. */
static bool sizes_fit(const struct reading *r, struct php_image *out)
{
	const struct symbol *eg = &r->symbol[EXECUTOR_GLOBALS], *sg = &r->symbol[SAPI_GLOBALS];

	if (out->row->eg_size && eg->size && eg->size != out->row->eg_size)
		refuse(out, "executor_globals has %llu bytes, PHP %u.%u has %u: a changed build",
		       (unsigned long long)eg->size, out->st.version / 10000,
		       out->st.version / 100 % 100, out->row->eg_size);
	else if (out->row->sg_size && sg->size && sg->size != out->row->sg_size)
		refuse(out, "sapi_globals has %llu bytes, PHP %u.%u has %u: a changed build",
		       (unsigned long long)sg->size, out->st.version / 10000,
		       out->st.version / 100 % 100, out->row->sg_size);
	return !out->reason[0];
}

static void judge(const struct reading *r, struct php_image *out)
{
	const struct symbol *s = r->symbol;

	out->zts = s[EXECUTOR_OFFSET].found || (s[LS_CACHE].found && !s[EXECUTOR_GLOBALS].found);
	out->st.executor_globals = s[EXECUTOR_GLOBALS].value;
	out->st.sapi_globals = s[SAPI_GLOBALS].value;
	out->st.sapi_module = s[SAPI_MODULE].value;
	out->row = php_layout_find(out->st.version);
	if (!out->st.version)
		refuse(out, "its PHP version was not found in it");
	else if (out->zts)
		refuse(out, "thread-safe (ZTS) build: its globals are per thread");
	else if (!s[EXECUTOR_GLOBALS].found || !s[SAPI_GLOBALS].found || !s[SAPI_MODULE].found)
		refuse(out, "the symbol %s is missing",
		       !s[EXECUTOR_GLOBALS].found ? "executor_globals"
		       : !s[SAPI_GLOBALS].found   ? "sapi_globals"
						  : "sapi_module");
	else if (!out->row)
		refuse(out, "no layout is known for PHP %u.%u", out->st.version / 10000,
		       out->st.version / 100 % 100);
	else if (sizes_fit(r, out)) {
		out->st.layout = out->row->layout;
		out->st.usable = 1;
	}
}

/* Where in the file a function is, or 0. */
static uint64_t code_at(const struct reading *r, const struct symbol *s)
{
	for (size_t i = 0; s->found && i < r->elf.header.e_phnum; i++) {
		const Elf64_Phdr *ph = &r->elf.segment[i];

		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) && s->value >= ph->p_vaddr &&
		    s->value - ph->p_vaddr < ph->p_filesz)
			return s->value - ph->p_vaddr + ph->p_offset;
	}
	return 0;
}

/* What is PHP in it. -ENOEXEC: nothing. */
static int read_image(struct reading *r, bool suspected, struct php_image *out)
{
	bool exports;
	int err;

	if ((r->elf.header.e_type != ET_EXEC && r->elf.header.e_type != ET_DYN) ||
	    read_segments(r, out))
		return -ENOEXEC;
	err = read_sections(r, out);
	exports = r->symbol[SAPI_MODULE].found || r->symbol[EXECUTE_SCRIPT].found;
	if (!err && (exports || suspected))
		err = find_version(r, out);
	if (err && err != -E2BIG)
		return err;
	if (!out->st.version && !exports && !(err && suspected))
		return -ENOEXEC;
	out->execute_script = code_at(r, &r->symbol[EXECUTE_SCRIPT]);
	out->request_shutdown = code_at(r, &r->symbol[REQUEST_SHUTDOWN]);
	if (err)
		refuse(out, "its tables are larger than those of any known build: read up to %u MB",
		       BUDGET_MB);
	else if (r->elf.header.e_machine != EM_X86_64 || !r->elf.wide)
		refuse(out, "built for another machine than x86-64");
	else
		judge(r, out);
	return 0;
}

static int open_image(int fd, bool suspected, struct php_image *out)
{
	struct php_image image = {0};
	struct reading r = {
		.symbol =
			{
				[EXECUTOR_GLOBALS] = {.name = "executor_globals"},
				[SAPI_GLOBALS] = {.name = "sapi_globals"},
				[SAPI_MODULE] = {.name = "sapi_module"},
				[EXECUTOR_OFFSET] = {.name = "executor_globals_offset"},
				[LS_CACHE] = {.name = "tsrm_get_ls_cache"},
				[EXECUTE_SCRIPT] = {.name = "php_execute_script"},
				[REQUEST_SHUTDOWN] = {.name = "php_request_shutdown"},
			},
	};
	struct stat st;
	int err;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	image.owner = st.st_uid;
	err = elf_file_open(fd, (uint64_t)st.st_size, (uint64_t)BUDGET_MB << 20, &r.elf);
	if (err)
		return err;
	err = read_image(&r, suspected, &image);
	elf_file_release(&r.elf);
	if (!err)
		*out = image;
	return err;
}

void php_image_distrust(struct php_image *image)
{
	image->st.usable = 0;
	image->untrusted = true;
	refuse(image, "its file is not root's and may show what its owner likes");
}

int php_image_open(int fd, struct php_image *out)
{
	return open_image(fd, true, out);
}

int php_image_open_exporting(int fd, struct php_image *out)
{
	return open_image(fd, false, out);
}
