/* SPDX-License-Identifier: GPL-2.0-only */
/* What the fuzz targets share: an input taken apart, and files made of it in memory. */
#ifndef ST_FUZZ_H
#define ST_FUZZ_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that has to hold whatever comes in. */
#define must(what)                                                                                 \
	((what) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what), abort()))

struct input {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t take_byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

static inline struct input take(struct input *in, size_t n)
{
	struct input part = {in->at, n < in->left ? n : in->left};

	in->at += part.left;
	in->left -= part.left;
	return part;
}

/* Up to a line "%%", which is taken away; all of it when there is none. */
static inline struct input take_section(struct input *in)
{
	const uint8_t *end = in->left ? memmem(in->at, in->left, "\n%%\n", 4) : NULL;
	struct input part = take(in, end ? (size_t)(end + 1 - in->at) : in->left);

	if (end)
		take(in, 3);
	return part;
}

static inline int memory_file(struct input part)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, part.at, part.left) == (ssize_t)part.left);
	/* some read from where it stands */
	must(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* The directory of this process's files, on a file system in memory; tests/fuzz/run names one and
 * removes it. */
static inline const char *fuzz_directory(void)
{
	static char path[64];
	const char *named = getenv("FUZZ_DIRECTORY");

	if (!path[0]) {
		snprintf(path, sizeof(path), "%s",
			 named ? named : "/dev/shm/spamtrace-fuzz-XXXXXX");
		must(named || mkdtemp(path));
	}
	return path;
}

/* Writes a file below fuzz_directory(), parents made. */
static inline void fuzz_file(const char *name, struct input part)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", fuzz_directory(), name);
	for (char *p = path + strlen(fuzz_directory()) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	must(fd >= 0 && write(fd, part.at, part.left) == (ssize_t)part.left);
	close(fd);
}

#endif
