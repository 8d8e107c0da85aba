/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of an ELF file that say what a program is, of a file that may be hostile: a customer's
 * program is looked at because he executes it. Libraries for ELF files allocate what such a file
 * asks for (a record for each of millions of sections, a table of names of any size), and read its
 * header again when it may have changed. Here everything is read once, with pread, and all of it
 * comes out of one budget.
 */
#ifndef ST_ELF_FILE_H
#define ST_ELF_FILE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file {
	int fd;        /* the caller's */
	uint64_t size; /* of the file */
	uint64_t left; /* bytes that may still be read */
	bool wide;     /* ELFCLASS64; headers of the other class are widened */
	Elf64_Ehdr header;
	Elf64_Phdr *segment; /* header.e_phnum of them */
	Elf64_Shdr *section; /* section_count of them: none before elf_file_sections() */
	size_t section_count;
};

/*
 * Reads the header and the segments of the file open at `fd`, which has `size` bytes; not more than
 * `budget` bytes of it will ever be read. *out is to be given to elf_file_release(). 0; -ENOEXEC:
 * no ELF file of this byte order, or one that the kernel would not run; -E2BIG: over the budget;
 * -EIO, -ENOMEM and others.
 */
int elf_file_open(int fd, uint64_t size, uint64_t budget, struct elf_file *out);
void elf_file_release(struct elf_file *f);

/* Reads the section headers. -E2BIG: more than any program has, or numbered in the extended way, or
 * over the budget. A file without any, or whose headers lie outside of it, has none: 0. */
int elf_file_sections(struct elf_file *f);

/* Exactly `size` bytes. -ENOEXEC: they lie outside of the file. -E2BIG, -EIO and others. */
int elf_file_read(struct elf_file *f, uint64_t offset, void *to, size_t size);

/* A whole section, with a NUL behind it, for the caller to free. Errors as elf_file_read();
 * -ENOMEM; -ENOEXEC also for one that has no bytes in the file. */
int elf_file_load(struct elf_file *f, const Elf64_Shdr *section, char **out);

/* Has the section this name? 1, 0, or an error. Reads as much of the name table as `name` has. */
int elf_file_named(struct elf_file *f, const Elf64_Shdr *section, const char *name);

/* Calls `each` for the symbols that a symbol table defines. 0, or an error as of elf_file_load().
 */
int elf_file_symbols(struct elf_file *f, const Elf64_Shdr *table,
		     void (*each)(const char *name, const Elf64_Sym *symbol, void *arg), void *arg);

#endif
