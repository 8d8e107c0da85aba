/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file that holds a PHP engine (php-fpm, php-cgi, php, lsphp, libphp.so): which version, where
 * its globals are, and whether its memory may be read with a layout of the table. Knows ELF files,
 * not processes.
 */
#ifndef ST_PHP_IMAGE_H
#define ST_PHP_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/php_layouts.h"
#include "spamtrace.h"

struct php_image {
	struct st_php_image st;           /* what the kernel side gets; st.usable is the verdict */
	const struct php_layout_row *row; /* NULL: no row for this version */
	bool module;    /* a shared library that a server loads (libphp), not a program */
	bool untrusted; /* its file is not root's: php_image_distrust() */
	bool zts;       /* thread safe build: its globals are per thread, nothing reads them yet */
	uint64_t map_vaddr; /* p_vaddr - p_offset of the first PT_LOAD: base = start - offset -
			       this, of any mapping in it */
	uint64_t execute_script, request_shutdown; /* where php_execute_script() and
			       php_request_shutdown() are in the file; 0: not known */
	uid_t owner;                               /* of the file */
	char version[24];  /* "8.2.36", as the engine says it; "" when not found */
	char build_id[41]; /* hex, "" when there is none */
	char reason[120];  /* why it is not usable, in words; "" when it is */
};

/*
 * Reads the ELF file open at `fd` (for reading; stays the caller's, its position moves). 0: *out
 * describes a PHP engine, which may be unusable. -ENOEXEC: not a PHP engine. -EIO and others: it
 * could not be read. The file may be hostile: it is read with pread, never mapped, and not more
 * than 64 MB of it, whatever it says; an engine that needs more is unusable.
 */
int php_image_open(int fd, struct php_image *out);

/*
 * The same for any program: one that exports no PHP symbols is -ENOEXEC without a search for PHP's
 * version in it, which is what makes a look at every program of a host cheap.
 */
int php_image_open_exporting(int fd, struct php_image *out);

/* To be called of one whose file is not root's: it is not usable, because its memory shows whatever
 * its owner likes. */
void php_image_distrust(struct php_image *image);

#endif
