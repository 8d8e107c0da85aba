// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads and attaches every program on the running kernel, with fexit and without, and prints what
 * each costs:
 *   @program NAME INSTRUCTIONS VERIFIED
 *   @hooks fexit|syscalls NAME, NAME ...
 * VERIFIED: instructions that the verifier walked (0 before 5.16); the limit is a million.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "kernel/probe.h"

#define MAX_COSTS 64

static int try(bool no_fexit, bool print)
{
	static struct probe_cost costs[MAX_COSTS];
	struct probe_options o = {.opens = true, .creates = true, .no_fexit = no_fexit};
	struct probe *p = NULL;
	int status = 1;
	size_t n;

	if (probe_new(&o, &p, &status) || probe_attach(p, &status)) {
		probe_free(p);
		return status;
	}
	n = probe_costs(p, costs, MAX_COSTS);
	for (size_t i = 0; print && i < n; i++)
		printf("@program %s %u %u\n", costs[i].name, costs[i].insns, costs[i].verified);
	printf("@hooks %s ", no_fexit ? "syscalls" : "fexit");
	for (size_t i = 0, count; i < (probe_hooks(p, &count), count); i++)
		printf("%s%s", i ? ", " : "", probe_hooks(p, &count)[i]);
	printf("\n");
	for (size_t i = 0, count; i < (probe_notes(p, &count), count); i++)
		printf("@note %s\n", probe_notes(p, &count)[i]);
	probe_free(p);
	return 0;
}

int main(int argc, char **argv)
{
	int status;

	log_verbose = argc > 1 && !strcmp(argv[1], "-v");
	status = try(false, true);
	return status ? status : try(true, false);
}
