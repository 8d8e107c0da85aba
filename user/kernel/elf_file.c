// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/elf_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The kernel runs no program with more than 64 KiB of segment headers; linkers make some 15
 * segments and 60 sections. */
#define MAX_SEGMENTS 256
#define MAX_SECTIONS 1024

/* Sizes of the records of both classes. */
#define SIZE(f, type) ((f)->wide ? sizeof(Elf64_##type) : sizeof(Elf32_##type))

int elf_file_read(struct elf_file *f, uint64_t offset, void *to, size_t size)
{
	size_t done = 0;

	if (offset > f->size || size > f->size - offset)
		return -ENOEXEC;
	if (size > f->left)
		return -E2BIG;
	f->left -= size;
	while (done < size) {
		ssize_t n = pread(f->fd, (char *)to + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO; /* it has become shorter */
		done += (size_t)n;
	}
	return 0;
}

int elf_file_load(struct elf_file *f, const Elf64_Shdr *section, char **out)
{
	_free_ char *bytes = NULL;
	int err;

	if (section->sh_type == SHT_NOBITS || section->sh_size > f->size)
		return -ENOEXEC;
	/* before memory is taken for it */
	if (section->sh_size > f->left)
		return -E2BIG;
	bytes = malloc(section->sh_size + 1);
	if (!bytes)
		return -ENOMEM;
	if ((err = elf_file_read(f, section->sh_offset, bytes, section->sh_size)))
		return err;
	bytes[section->sh_size] = '\0';
	*out = take_ptr(bytes);
	return 0;
}

int elf_file_named(struct elf_file *f, const Elf64_Shdr *section, const char *name)
{
	char found[32];
	const Elf64_Shdr *names;
	size_t size = strlen(name) + 1;
	int err;

	if (f->header.e_shstrndx >= f->section_count || size > sizeof(found))
		return 0;
	names = &f->section[f->header.e_shstrndx];
	if (names->sh_type != SHT_STRTAB || section->sh_name > names->sh_size ||
	    size > names->sh_size - section->sh_name || names->sh_offset > f->size)
		return 0;
	err = elf_file_read(f, names->sh_offset + section->sh_name, found, size);
	if (err)
		return err == -ENOEXEC ? 0 : err;
	return memcmp(found, name, size) == 0;
}

static Elf64_Sym symbol_at(const struct elf_file *f, const char *table, size_t i)
{
	Elf64_Sym wide;
	Elf32_Sym s;

	if (f->wide) {
		memcpy(&wide, table + i * sizeof(wide), sizeof(wide));
		return wide;
	}
	memcpy(&s, table + i * sizeof(s), sizeof(s));
	return (Elf64_Sym){.st_name = s.st_name,
			   .st_info = s.st_info,
			   .st_other = s.st_other,
			   .st_shndx = s.st_shndx,
			   .st_value = s.st_value,
			   .st_size = s.st_size};
}

int elf_file_symbols(struct elf_file *f, const Elf64_Shdr *table,
		     void (*each)(const char *name, const Elf64_Sym *symbol, void *arg), void *arg)
{
	_free_ char *symbols = NULL, *names = NULL;
	const Elf64_Shdr *strings;
	int err;

	if (table->sh_link >= f->section_count)
		return -ENOEXEC;
	strings = &f->section[table->sh_link];
	if (strings->sh_type != SHT_STRTAB)
		return -ENOEXEC;
	if ((err = elf_file_load(f, table, &symbols)) || (err = elf_file_load(f, strings, &names)))
		return err;
	for (size_t i = 1; i < table->sh_size / SIZE(f, Sym); i++) {
		Elf64_Sym s = symbol_at(f, symbols, i);

		if (s.st_shndx != SHN_UNDEF && s.st_name < strings->sh_size)
			each(names + s.st_name, &s, arg);
	}
	return 0;
}

static int read_header(struct elf_file *f)
{
	Elf64_Ehdr h;
	Elf32_Ehdr n;
	int err = elf_file_read(f, 0, &h, sizeof(h));

	if (err)
		return err;
	memcpy(&n, &h, sizeof(n));
	if (memcmp(n.e_ident, ELFMAG, SELFMAG) != 0 || n.e_ident[EI_DATA] != ELFDATA2LSB ||
	    (n.e_ident[EI_CLASS] != ELFCLASS64 && n.e_ident[EI_CLASS] != ELFCLASS32))
		return -ENOEXEC;
	f->wide = n.e_ident[EI_CLASS] == ELFCLASS64;
	if (f->wide) {
		f->header = h;
		return 0;
	}
	f->header = (Elf64_Ehdr){.e_type = n.e_type,
				 .e_machine = n.e_machine,
				 .e_phoff = n.e_phoff,
				 .e_phentsize = n.e_phentsize,
				 .e_phnum = n.e_phnum,
				 .e_shoff = n.e_shoff,
				 .e_shentsize = n.e_shentsize,
				 .e_shnum = n.e_shnum,
				 .e_shstrndx = n.e_shstrndx};
	return 0;
}

static int read_segments(struct elf_file *f)
{
	size_t count = f->header.e_phnum, size = SIZE(f, Phdr);
	_free_ char *raw = calloc(count + 1, size);
	int err;

	if (count > MAX_SEGMENTS || f->header.e_phentsize != size)
		return -ENOEXEC;
	f->segment = calloc(count + 1, sizeof(*f->segment));
	if (!raw || !f->segment)
		return -ENOMEM;
	if ((err = elf_file_read(f, f->header.e_phoff, raw, count * size)))
		return err;
	for (size_t i = 0; i < count; i++) {
		Elf32_Phdr p;

		if (f->wide) {
			memcpy(&f->segment[i], raw + i * size, size);
			continue;
		}
		memcpy(&p, raw + i * size, size);
		f->segment[i] = (Elf64_Phdr){.p_type = p.p_type,
					     .p_flags = p.p_flags,
					     .p_offset = p.p_offset,
					     .p_vaddr = p.p_vaddr,
					     .p_filesz = p.p_filesz};
	}
	return 0;
}

int elf_file_sections(struct elf_file *f)
{
	size_t count = f->header.e_shnum, size = SIZE(f, Shdr);
	_free_ char *raw = NULL;
	int err;

	if (!f->header.e_shoff || (count && f->header.e_shentsize != size))
		return 0;
	if (!count || count > MAX_SECTIONS || f->header.e_shstrndx == SHN_XINDEX)
		return -E2BIG;
	raw = calloc(count, size);
	free(f->section);
	f->section = calloc(count, sizeof(*f->section));
	if (!raw || !f->section)
		return -ENOMEM;
	if ((err = elf_file_read(f, f->header.e_shoff, raw, count * size)))
		return err == -ENOEXEC ? 0 : err;
	for (size_t i = 0; i < count; i++) {
		Elf32_Shdr s;

		if (f->wide) {
			memcpy(&f->section[i], raw + i * size, size);
			continue;
		}
		memcpy(&s, raw + i * size, size);
		f->section[i] = (Elf64_Shdr){.sh_name = s.sh_name,
					     .sh_type = s.sh_type,
					     .sh_offset = s.sh_offset,
					     .sh_size = s.sh_size,
					     .sh_link = s.sh_link};
	}
	f->section_count = count;
	return 0;
}

int elf_file_open(int fd, uint64_t size, uint64_t budget, struct elf_file *out)
{
	struct elf_file f = {.fd = fd, .size = size, .left = budget};
	int err;

	if ((err = read_header(&f)) || (err = read_segments(&f))) {
		elf_file_release(&f);
		return err;
	}
	*out = f;
	return 0;
}

void elf_file_release(struct elf_file *f)
{
	free(f->segment);
	free(f->section);
	f->segment = NULL;
	f->section = NULL;
	f->section_count = 0;
}
