// SPDX-License-Identifier: GPL-2.0-only
/* A recording, as the postmortem reads it. */
#include "fuzz.h"

#include "base/log.h"
#include "output/summary.h"
#include "commands/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct report_filter all;
	struct summary_event e;
	struct report *r = NULL;
	char path[128];

	fuzz_file("recording", (struct input){data, size});
	snprintf(path, sizeof(path), "%s/recording", fuzz_directory());
	if (report_read(path, &all, &r))
		return 0;
	report_summary(r, &e);
	for (int by = 0; by < BY_COUNT; by++)
		for (size_t i = 0; i < e.row_count[by]; i++)
			must(e.rows[by]);
	report_free(r);
	return 0;
}
