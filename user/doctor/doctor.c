// SPDX-License-Identifier: GPL-2.0-only
#include "doctor/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

/* Names shown in the text; JSON has them all. */
#define NAMES_SHOWN 5

const char *doctor_level_name(enum doctor_level level)
{
	static const char *const names[] = {
		[DOCTOR_OK] = "ok",
		[DOCTOR_WARNING] = "warning",
		[DOCTOR_BAD] = "bad",
		[DOCTOR_UNKNOWN] = "unknown",
	};

	return names[level];
}

void doctor_name(struct doctor_names *names, const char *name)
{
	char **v;

	names->all++;
	if (names->n >= DOCTOR_NAMES)
		return;
	v = reallocarray(names->v, names->n + 1, sizeof(*v));
	if (!v)
		return;
	names->v = v;
	v[names->n] = strndup(name, 512);
	if (v[names->n])
		names->n++;
}

void doctor_names_clear(struct doctor_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->v[i]);
	free(names->v);
	*names = (struct doctor_names){0};
}

/* "text: a, b, c and 34 more" */
static char *with_names(const char *text, const struct doctor_names *names)
{
	size_t size = 0;
	char *out = NULL;
	FILE *f = open_memstream(&out, &size);

	if (!f)
		return NULL;
	fputs(text, f);
	for (size_t i = 0; i < names->n && i < NAMES_SHOWN; i++)
		fprintf(f, "%s%s", i ? ", " : ": ", names->v[i]);
	if (names->all > NAMES_SHOWN)
		fprintf(f, " and %zu more", names->all - NAMES_SHOWN);
	if (fclose(f) != 0) {
		free(out);
		return NULL;
	}
	return out;
}

void doctor_say(struct doctor *d, enum doctor_level level, const char *area, const char *check,
		const char *advice, struct doctor_names *names, const char *fmt, ...)
{
	struct finding *grown = reallocarray(d->findings, d->n + 1, sizeof(*grown));
	_free_ char *text = NULL;
	va_list ap;

	if (grown)
		d->findings = grown;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (grown && text) {
		grown[d->n] = (struct finding){
			.level = level, .area = area, .check = check, .advice = advice};
		grown[d->n].text = names ? with_names(text, names) : take_ptr(text);
		if (names)
			grown[d->n].names = *names;
		if (names)
			*names = (struct doctor_names){0};
		if (grown[d->n].text) {
			d->n++;
			return;
		}
		doctor_names_clear(&grown[d->n].names);
	}
	d->no_memory = true;
}

void doctor_free(struct doctor *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->findings[i].text);
		doctor_names_clear(&d->findings[i].names);
	}
	free(d->findings);
	d->findings = NULL;
	d->n = 0;
}

bool doctor_path(const struct doctor *d, const char *path, char *out, size_t size)
{
	int n = snprintf(out, size, "%s%s", strcmp(d->root, "/") == 0 ? "" : d->root, path);

	return n >= 0 && (size_t)n < size;
}

bool doctor_exists(const struct doctor *d, const char *path)
{
	char full[PATH_MAX];

	return doctor_path(d, path, full, sizeof(full)) && access(full, F_OK) == 0;
}

int doctor_read(const struct doctor *d, const char *path, char **text, bool *cut)
{
	char full[PATH_MAX];
	_close_ int fd = -1;
	_free_ char *buf = NULL;
	struct stat st;
	size_t size, n = 0;
	ssize_t got = 1;

	if (!doctor_path(d, path, full, sizeof(full)))
		return -ENAMETOOLONG;
	/* O_NONBLOCK: some of these lie where customers can put a FIFO */
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	/* files of /proc and /sys say 0, or 4096 */
	size = st.st_size > 4096 ? (size_t)st.st_size + 1 : 65536;
	if (size > DOCTOR_FILE_MAX)
		size = DOCTOR_FILE_MAX;
	buf = malloc(size + 1);
	if (!buf)
		return -ENOMEM;
	while (n < size && (got = read(fd, buf + n, size - n)) > 0)
		n += (size_t)got;
	if (got < 0)
		return -errno;
	for (size_t i = 0; i < n; i++)
		if (!buf[i])
			buf[i] = ' ';
	buf[n] = '\0';
	if (cut)
		*cut = n == size && (size_t)st.st_size > n;
	*text = take_ptr(buf);
	return 0;
}

size_t doctor_glob(const struct doctor *d, const char *pattern, size_t max,
		   void (*fn)(void *arg, const char *path), void *arg)
{
	size_t skip = strcmp(d->root, "/") == 0 ? 0 : strlen(d->root), n;
	char full[PATH_MAX];
	glob_t g;

	if (!doctor_path(d, pattern, full, sizeof(full)) || glob(full, 0, NULL, &g) != 0)
		return 0;
	n = g.gl_pathc;
	for (size_t i = 0; i < n && i < max; i++)
		fn(arg, g.gl_pathv[i] + skip);
	globfree(&g);
	return n;
}

char *doctor_line(char **cursor)
{
	char *line = *cursor, *nl;

	if (!line || !*line)
		return NULL;
	nl = strchr(line, '\n');
	*cursor = nl ? nl + 1 : NULL;
	if (nl)
		*nl = '\0';
	if (nl && nl > line && nl[-1] == '\r')
		nl[-1] = '\0';
	return line;
}

char *doctor_trim(char *s)
{
	char *end;

	while (*s == ' ' || *s == '\t')
		s++;
	end = s + strlen(s);
	while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	return s;
}
