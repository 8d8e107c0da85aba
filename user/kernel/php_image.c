// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/php_image.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

/* Bounds: the largest engines with debug information have some 150 MB and 60 sections. */
#define MAX_SECTIONS     4096
#define MAX_SEGMENTS     256
#define MAX_SYMBOL_BYTES (64u << 20)
#define MAX_STRING_BYTES (64u << 20)
#define MAX_RODATA_BYTES (256u << 20)

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
	SYMBOLS
};

struct reading {
	int fd;
	Elf *elf;
	uint64_t file_size;
	GElf_Shdr rodata;
	struct symbol symbol[SYMBOLS];
};

static void elf_endp(Elf **elf)
{
	if (*elf)
		elf_end(*elf);
}

static bool section_within(const GElf_Shdr *sh, uint64_t file_size, uint64_t max)
{
	return sh->sh_type != SHT_NOBITS && sh->sh_size <= max && sh->sh_offset <= file_size &&
	       sh->sh_size <= file_size - sh->sh_offset;
}

static void note_symbol(struct reading *r, const char *name, const GElf_Sym *sym)
{
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

static void read_symbols(struct reading *r, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Scn *strings = elf_getscn(r->elf, sh->sh_link);
	GElf_Shdr strings_sh;
	Elf_Data *data;
	size_t count;

	if (!strings || !gelf_getshdr(strings, &strings_sh) || strings_sh.sh_type != SHT_STRTAB ||
	    !section_within(&strings_sh, r->file_size, MAX_STRING_BYTES) ||
	    !section_within(sh, r->file_size, MAX_SYMBOL_BYTES))
		return;
	data = elf_getdata(scn, NULL);
	if (!data || !data->d_buf || data->d_type != ELF_T_SYM)
		return;
	count = data->d_size / sizeof(Elf64_Sym);
	for (size_t i = 1; i < count && i <= INT32_MAX; i++) {
		GElf_Sym sym;
		const char *name;

		if (!gelf_getsym(data, (int)i, &sym))
			return;
		if (sym.st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(r->elf, sh->sh_link, sym.st_name);
		if (name)
			note_symbol(r, name, &sym);
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
 * too near the end of one to be read whole stands in the next.
 */
static bool find_version(const struct reading *r, struct php_image *out)
{
	enum {
		MARK = sizeof(version_mark) - 1,
		TAIL = MARK + sizeof(out->version),
		PIECE = 64 * 1024
	};
	const GElf_Shdr *sh = &r->rodata;
	_free_ char *piece = malloc(PIECE + 1);
	uint64_t at = 0;
	bool last = false;

	if (!piece || !section_within(sh, r->file_size, MAX_RODATA_BYTES))
		return false;
	while (!last) {
		size_t want = sh->sh_size - at < PIECE ? (size_t)(sh->sh_size - at) : PIECE;
		ssize_t n = pread(r->fd, piece, want, (off_t)(sh->sh_offset + at));
		const char *p = piece;

		if (n <= TAIL)
			last = true;
		if (n <= 0)
			return false;
		last |= at + (uint64_t)n >= sh->sh_size;
		piece[n] = '\0';
		while ((p = memmem(p, (size_t)(piece + n - p), version_mark, MARK)) &&
		       (last || piece + n - p >= TAIL)) {
			p += MARK;
			if (parse_version(p, out))
				return true;
		}
		at += (uint64_t)(n - TAIL + 1);
	}
	return false;
}

static void find_build_id(const struct reading *r, Elf_Scn *scn, const GElf_Shdr *sh,
			  struct php_image *out)
{
	Elf_Data *data;
	GElf_Nhdr note;
	size_t name_at, desc_at, at = 0;

	if (!section_within(sh, r->file_size, 64 * 1024) || !(data = elf_getdata(scn, NULL)))
		return;
	while ((at = gelf_getnote(data, at, &note, &name_at, &desc_at)) > 0) {
		const unsigned char *desc = (const unsigned char *)data->d_buf + desc_at;

		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || note.n_descsz > 20 ||
		    memcmp((const char *)data->d_buf + name_at, "GNU", 4) != 0)
			continue;
		for (size_t i = 0; i < note.n_descsz; i++)
			snprintf(out->build_id + 2 * i, 3, "%02x", desc[i]);
		return;
	}
}

static void read_sections(struct reading *r, struct php_image *out)
{
	size_t count, names;

	if (elf_getshdrnum(r->elf, &count) || count > MAX_SECTIONS ||
	    elf_getshdrstrndx(r->elf, &names))
		return;
	for (size_t i = 1; i < count; i++) {
		Elf_Scn *scn = elf_getscn(r->elf, i);
		GElf_Shdr sh;
		const char *name;

		if (!scn || !gelf_getshdr(scn, &sh))
			return;
		name = elf_strptr(r->elf, names, sh.sh_name);
		if (sh.sh_type == SHT_DYNSYM || sh.sh_type == SHT_SYMTAB)
			read_symbols(r, scn, &sh);
		else if (sh.sh_type == SHT_NOTE && !out->build_id[0])
			find_build_id(r, scn, &sh, out);
		else if (sh.sh_type == SHT_PROGBITS && name && !r->rodata.sh_size &&
			 strcmp(name, ".rodata") == 0)
			r->rodata = sh;
	}
}

/* Where it is loaded, and whether it is a program. -ENOEXEC when nothing of it is executable. */
static int read_segments(const struct reading *r, const GElf_Ehdr *eh, struct php_image *out)
{
	bool load = false, text = false, interp = false;
	size_t count;

	if (elf_getphdrnum(r->elf, &count) || count > MAX_SEGMENTS)
		return -ENOEXEC;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(r->elf, (int)i, &ph))
			return -ENOEXEC;
		interp |= ph.p_type == PT_INTERP;
		if (ph.p_type != PT_LOAD)
			continue;
		if (!load)
			out->map_vaddr = ph.p_vaddr - ph.p_offset;
		load = true;
		/* mm->start_code is the lowest executable one: load_elf_binary(), fs/binfmt_elf.c
		 */
		if ((ph.p_flags & PF_X) && (!text || ph.p_vaddr < out->st.text_vaddr)) {
			out->st.text_vaddr = ph.p_vaddr;
			text = true;
		}
	}
	out->module = eh->e_type == ET_DYN && !interp;
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

static int open_image(int fd, bool suspected, struct php_image *out)
{
	struct php_image image = {0};
	__attribute__((cleanup(elf_endp))) Elf *elf = NULL;
	struct reading r = {
		.fd = fd,
		.symbol =
			{
				[EXECUTOR_GLOBALS] = {.name = "executor_globals"},
				[SAPI_GLOBALS] = {.name = "sapi_globals"},
				[SAPI_MODULE] = {.name = "sapi_module"},
				[EXECUTOR_OFFSET] = {.name = "executor_globals_offset"},
				[LS_CACHE] = {.name = "tsrm_get_ls_cache"},
				[EXECUTE_SCRIPT] = {.name = "php_execute_script"},
			},
	};
	GElf_Ehdr eh;
	struct stat st;
	bool exports;
	int err;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(Elf64_Ehdr))
		return -ENOEXEC;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -EIO;
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf)
		return -EIO;
	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &eh) ||
	    (eh.e_type != ET_EXEC && eh.e_type != ET_DYN))
		return -ENOEXEC;
	r.elf = elf;
	r.file_size = (uint64_t)st.st_size;
	image.owner = st.st_uid;
	if ((err = read_segments(&r, &eh, &image)))
		return err;
	read_sections(&r, &image);
	exports = r.symbol[SAPI_MODULE].found || r.symbol[EXECUTE_SCRIPT].found;
	if (exports || suspected)
		find_version(&r, &image);
	if (!image.st.version && !exports)
		return -ENOEXEC;
	if (eh.e_machine != EM_X86_64 || gelf_getclass(elf) != ELFCLASS64)
		refuse(&image, "built for another machine than x86-64");
	else
		judge(&r, &image);
	*out = image;
	return 0;
}

void php_image_distrust(struct php_image *image)
{
	image->st.usable = 0;
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
