/* SPDX-License-Identifier: GPL-2.0-only */
/* Paths, host names and the patterns that servers make of them. Pure text; for vhost.c and its
 * layouts. */
#ifndef ST_TRACE_VHOST_MATCH_H
#define ST_TRACE_VHOST_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VHOST_PATH_SIZE 4096

/*
 * Copies an absolute path without "//", "/./" and trailing "/". ".." is undone as text, which a
 * symbolic link can make wrong: *dotdot says that it happened. 0, -EINVAL (not absolute),
 * -ENAMETOOLONG.
 */
int vhost_path_clean(char *out, size_t size, const char *in, bool *dotdot);

/* Is `path` the directory `dir` or inside it? By whole components; both clean. */
bool vhost_path_inside(const char *path, const char *dir);

/*
 * A Host header to the name that servers compare: lower case, no port, no final dot. -EINVAL for
 * what no server would take for a name (so that it never is printed as one): empty, too long, other
 * bytes than letters, digits, ".-_:[]".
 */
int vhost_host_clean(char *out, size_t size, const char *in);

/* How well a ServerName, ServerAlias or server_name fits a clean host. Higher wins in nginx's
 * order. */
enum vhost_fit { VHOST_FIT_NONE, VHOST_FIT_TAIL_WILD, VHOST_FIT_HEAD_WILD, VHOST_FIT_EXACT };
enum vhost_fit vhost_name_fits(const char *pattern, const char *host);

/*
 * mod_vhost_alias: fills `pattern` ("/srv/%-2.%-1/%0") from a clean host. 0, -EINVAL,
 * -ENAMETOOLONG. *whole says that the result proves the whole host name (%0 is in it).
 */
int vhost_interpolate(char *out, size_t size, const char *pattern, const char *host, uint16_t port,
		      bool *whole);

/*
 * Is `path` inside what `pattern` makes? In `pattern` each "*" takes one or more bytes but no
 * slash; the first one's text goes to `taken` (may be NULL). 0, -ENOENT, -ENAMETOOLONG.
 */
int vhost_pattern_inside(const char *path, const char *pattern, char *taken, size_t size);

/* Could this be a domain name that a panel made a directory for? Letters, two labels, a last label
 * of letters. */
bool vhost_is_domain(const char *s);

/*
 * The domain that a path shows under the layouts of the panels in the mask (1 << enum vhost_panel).
 * 0 or -ENOENT.
 */
int vhost_layout_domain(uint32_t panels, const char *path, char *out, size_t size);

#endif
