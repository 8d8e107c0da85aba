// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel side counted by itself, for the summary. */
#include <stdlib.h>

#include "commands/session.h"

struct list {
	struct uid_total *rows;
	size_t count, room;
	bool failed;
};

static void add(void *arg, uint32_t uid, const struct st_uid_total *t)
{
	struct list *l = arg;

	if (l->count == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		struct uid_total *rows = realloc(l->rows, room * sizeof(*rows));

		if (!rows) {
			l->failed = true;
			return;
		}
		l->rows = rows;
		l->room = room;
	}
	l->rows[l->count++] =
		(struct uid_total){.uid = uid, .injections = t->injections, .commits = t->commits};
}

static int busier(const void *va, const void *vb)
{
	const struct uid_total *a = va, *b = vb;

	if (a->injections != b->injections)
		return a->injections > b->injections ? -1 : 1;
	if (a->commits != b->commits)
		return a->commits > b->commits ? -1 : 1;
	return a->uid < b->uid ? -1 : 1;
}

void session_kernel_totals(const struct session *s, struct summary_event *e,
			   struct uid_total rows[MAX_UID_ROWS])
{
	struct list l = {0};

	if (!probe_uid_totals(s->probe, add, &l) && !l.failed) {
		if (l.count)
			qsort(l.rows, l.count, sizeof(*l.rows), busier);
		for (size_t i = 0; i < l.count; i++) {
			if (i < MAX_UID_ROWS)
				rows[i] = l.rows[i];
			e->kernel_injections += l.rows[i].injections;
			e->kernel_commits += l.rows[i].commits;
		}
		e->kernel_no_commits = s->late || s->commits_untold;
		e->kernel_uids = rows;
		e->kernel_uid_count = l.count < MAX_UID_ROWS ? l.count : MAX_UID_ROWS;
		e->kernel_uids_more = l.count - e->kernel_uid_count;
	}
	free(l.rows);
}
