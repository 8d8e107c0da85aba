// SPDX-License-Identifier: GPL-2.0-only
/* The PHP engines of this host: for which ones can script, line and vhost be read. */
#include "doctor/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/php_find.h"

#define AREA "php"

static int passed_over(const struct php_process *p, void *ctx)
{
	(void)p;
	(void)ctx;
	return 0;
}

static void judge(struct doctor *d, const struct php_engine *e)
{
	const struct php_image *i = &e->image;
	const char *version = i->version[0] ? i->version : "of an unknown version";

	if (i->st.usable && i->row && i->row->tested)
		doctor_say(d, DOCTOR_OK, AREA, "layout", NULL, NULL,
			   "PHP %s, %s: its layout is proved", version, e->path);
	else if (i->st.usable)
		doctor_say(d, DOCTOR_OK, AREA, "layout", NULL, NULL,
			   "PHP %s, %s: its layout fits the table", version, e->path);
	else
		doctor_say(d, DOCTOR_WARNING, AREA, "layout",
			   "its scripts are told from opened files: attributions are 'inferred'",
			   NULL, "PHP %s, %s: %s", version, e->path,
			   i->reason[0] ? i->reason : "its memory cannot be read");
}

void doctor_php(struct doctor *d)
{
	__attribute__((cleanup(php_finder_freep))) struct php_finder *f =
		php_finder_new(NULL, NULL);
	unsigned denied = 0;
	size_t n;

	if (!f) {
		d->no_memory = true;
		return;
	}
	php_finder_scan_paths(f);
	php_finder_scan_processes(f, passed_over, NULL, &denied);
	n = php_finder_count(f);
	for (size_t i = 0; i < n; i++)
		judge(d, php_finder_engine(f, i));
	if (!n)
		doctor_say(d, DOCTOR_OK, AREA, "engines", NULL, NULL, "no PHP engine found");
	if (denied)
		doctor_say(d, DOCTOR_UNKNOWN, AREA, "engines", geteuid() ? "run as root" : NULL,
			   NULL, "%u process%s could not be looked at", denied,
			   denied == 1 ? "" : "es");
}
