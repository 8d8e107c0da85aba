/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Findings about a host: can it be traced, and which doors stand open. Each area is one file with
 * one function that looks at the tree below a root directory and adds findings; nothing is executed
 * and nothing is changed.
 */
#ifndef ST_DOCTOR_H
#define ST_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

enum doctor_level { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_BAD, DOCTOR_UNKNOWN };

/* Names that a finding is about (domains, directories, networks), at most DOCTOR_NAMES of them. */
#define DOCTOR_NAMES 1000

struct doctor_names {
	char **v;
	size_t n, all; /* kept, seen */
};

struct finding {
	enum doctor_level level;
	const char *area;   /* "kernel", "php", "qmail", "postfix", "exim", "web" */
	const char *check;  /* a short stable name for JSON: "open-relay" */
	char *text;         /* what was found; may hold hostile bytes */
	const char *advice; /* what to do; NULL: nothing */
	struct doctor_names names;
};

struct doctor {
	const char *root; /* "/" or a test's tree */
	struct finding *findings;
	size_t n;
	bool no_memory; /* findings were lost */
};

/*
 * Adds a finding. `area`, `check` and `advice` must be static; `names` (may be NULL) is moved into
 * the finding and emptied, and its first names are appended to the text.
 */
void doctor_say(struct doctor *d, enum doctor_level level, const char *area, const char *check,
		const char *advice, struct doctor_names *names, const char *fmt, ...)
	__attribute__((format(printf, 7, 8)));

void doctor_name(struct doctor_names *names, const char *name);
void doctor_names_clear(struct doctor_names *names);
void doctor_free(struct doctor *d);

const char *doctor_level_name(enum doctor_level level);

/* A bound on any configuration file. */
#define DOCTOR_FILE_MAX (4u << 20)

/*
 * The file at `path` below the root, as text: NUL-terminated, NUL bytes replaced by spaces, owned
 * by the caller. Only regular files, at most DOCTOR_FILE_MAX bytes: a longer one is cut, and *cut
 * (may be NULL) says so. Returns 0 or -errno.
 */
int doctor_read(const struct doctor *d, const char *path, char **text, bool *cut);

/* Does the path exist below the root? */
bool doctor_exists(const struct doctor *d, const char *path);

/* Writes root + path into out; false when it does not fit. */
bool doctor_path(const struct doctor *d, const char *path, char *out, size_t size);

/* Calls fn for each name that a pattern (glob, below the root) matches, with the path below the
 * root; at most `max`. Returns how many matched. */
size_t doctor_glob(const struct doctor *d, const char *pattern, size_t max,
		   void (*fn)(void *arg, const char *path), void *arg);

/* The next line of a text, cut out in place and without its newline; NULL at the end. */
char *doctor_line(char **cursor);

/* Without the spaces and tabs around it, in place. */
char *doctor_trim(char *s);

/* The areas. */
void doctor_kernel(struct doctor *d); /* this kernel and this process: only when root is "/" */
void doctor_php(struct doctor *d);    /* the same */
void doctor_qmail(struct doctor *d);
void doctor_postfix(struct doctor *d);
void doctor_exim(struct doctor *d);
void doctor_servers(struct doctor *d); /* the web servers that run: the same */
void doctor_web(struct doctor *d);

#endif
