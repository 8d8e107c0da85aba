/* SPDX-License-Identifier: GPL-2.0-only */
/* Where this host keeps its mail log. */
#ifndef ST_LOGFILES_H
#define ST_LOGFILES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The mail logs found below `root` ("/" or a test's tree), oldest first: the first syslog file of
 * the known ones that holds something, and the first of Exim's own, with `rotated` also their
 * rotated parts (.1, .2.gz, -20261121 ...). *ret is an array of n strings; free each one and the
 * array. Parts in a compression that zlib does not read are left out and counted in *skipped.
 * Returns 0, also when there are none, or -ENOMEM.
 */
int logfiles_find(const char *root, bool rotated, char ***ret, size_t *n, size_t *skipped);

/*
 * The first of the known ones that holds something, a syslog file before Exim's own, but none after
 * that of *rank (SIZE_MAX: any): *path, to be freed, and its *rank. 0, -ENOENT or -ENOMEM.
 */
int logfiles_find_first(const char *root, size_t *rank, char **path);

void logfiles_free(char **files, size_t n);

#endif
