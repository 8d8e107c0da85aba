// SPDX-License-Identifier: GPL-2.0-only
#include "base/hash.h"

#include <stdlib.h>

#include "base/log.h"

void *hash_memory(size_t size)
{
	void *p = malloc(size);

	if (!p) {
		log_warn("no memory for a table of %zu bytes: spamtrace ends here; what it has "
			 "written is whole; give it more memory (ulimit -v, cgroup) and start it "
			 "again",
			 size);
		exit(EXIT_FAILURE);
	}
	return p;
}
