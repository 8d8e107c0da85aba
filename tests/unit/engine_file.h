/* SPDX-License-Identifier: GPL-2.0-only */
/* Small files that hold a PHP engine, made to measure. */
#ifndef ENGINE_FILE_H
#define ENGINE_FILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wunused-function"

#define BASE_SYMBOLS "executor_globals:0x2000:1800 sapi_globals:0x3000:552 sapi_module:0x4000:280 "

struct recipe {
	const char *version; /* behind the mark; NULL: no mark */
	const char *symbols; /* "name:value:size " */
	bool interp, no_text, undefined;
	uint16_t machine;
};

struct elf {
	unsigned char bytes[16384];
	size_t size;
};

static size_t append(struct elf *e, const void *data, size_t size)
{
	size_t at = (e->size + 7) & ~(size_t)7;

	assert_true(at + size <= sizeof(e->bytes));
	memcpy(e->bytes + at, data, size);
	e->size = at + size;
	return at;
}

static size_t parse_symbols(const struct recipe *r, Elf64_Sym *symbols, char *names,
			    size_t *names_size)
{
	size_t count = 1;
	char name[64];
	unsigned long value, size;
	int used;

	memset(&symbols[0], 0, sizeof(symbols[0]));
	names[0] = '\0';
	*names_size = 1;
	for (const char *p = r->symbols;
	     p && sscanf(p, "%63[^:]:%lx:%lu %n", name, &value, &size, &used) == 3; p += used) {
		symbols[count++] = (Elf64_Sym){.st_name = (uint32_t)*names_size,
					       .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
					       .st_shndx = r->undefined ? SHN_UNDEF : 4,
					       .st_value = value,
					       .st_size = size};
		strcpy(names + *names_size, name);
		*names_size += strlen(name) + 1;
	}
	return count;
}

static void make(struct elf *e, const struct recipe *r)
{
	static const char section_names[] = "\0.dynsym\0.dynstr\0.rodata\0.note\0.shstrtab";
	Elf64_Ehdr eh = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				     EV_CURRENT},
			 .e_type = ET_DYN,
			 .e_machine = r->machine ? r->machine : EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_ehsize = sizeof(Elf64_Ehdr),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_shentsize = sizeof(Elf64_Shdr),
			 .e_phoff = sizeof(Elf64_Ehdr),
			 .e_phnum = 3,
			 .e_shnum = 6,
			 .e_shstrndx = 5};
	Elf64_Phdr ph[3] = {
		{.p_type = PT_LOAD, .p_flags = PF_R, .p_offset = 0, .p_vaddr = 0},
		{.p_type = r->no_text ? PT_NULL : PT_LOAD,
		 .p_flags = PF_R | PF_X,
		 .p_offset = 0x1000,
		 .p_vaddr = 0x5000,
		 .p_filesz = 0x1000},
		{.p_type = r->interp ? PT_INTERP : PT_NULL},
	};
	static const struct {
		Elf64_Nhdr header;
		char name[4];
		unsigned char id[4];
	} note = {{4, 4, NT_GNU_BUILD_ID}, "GNU", {0xde, 0xad, 0xbe, 0xef}};
	Elf64_Shdr sh[6] = {{0}};
	Elf64_Sym symbols[16];
	char names[512], rodata[512] = "padding";
	size_t names_size, count = parse_symbols(r, symbols, names, &names_size);

	memset(e, 0, sizeof(*e));
	append(e, &eh, sizeof(eh));
	append(e, ph, sizeof(ph));
	if (r->version)
		snprintf(rodata + 100, sizeof(rodata) - 100, "X-Powered-By: PHP/%s", r->version);
	sh[1] = (Elf64_Shdr){.sh_name = 1,
			     .sh_type = SHT_DYNSYM,
			     .sh_link = 2,
			     .sh_entsize = sizeof(Elf64_Sym),
			     .sh_size = count * sizeof(Elf64_Sym),
			     .sh_offset = append(e, symbols, count * sizeof(Elf64_Sym))};
	sh[2] = (Elf64_Shdr){.sh_name = 9,
			     .sh_type = SHT_STRTAB,
			     .sh_size = names_size,
			     .sh_offset = append(e, names, names_size)};
	sh[3] = (Elf64_Shdr){.sh_name = 17,
			     .sh_type = SHT_PROGBITS,
			     .sh_size = sizeof(rodata),
			     .sh_offset = append(e, rodata, sizeof(rodata))};
	sh[4] = (Elf64_Shdr){.sh_name = 25,
			     .sh_type = SHT_NOTE,
			     .sh_size = sizeof(note),
			     .sh_addralign = 4,
			     .sh_offset = append(e, &note, sizeof(note))};
	sh[5] = (Elf64_Shdr){.sh_name = 31,
			     .sh_type = SHT_STRTAB,
			     .sh_size = sizeof(section_names),
			     .sh_offset = append(e, section_names, sizeof(section_names))};
	eh.e_shoff = append(e, sh, sizeof(sh));
	memcpy(e->bytes, &eh, sizeof(eh));
}

static int file_of(const void *data, size_t size)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	return fd;
}

#endif
