/* SPDX-License-Identifier: GPL-2.0-only */
/* What the fake PHP engine is told: engine STATE CHILD PROGRAM; prints its symbols first. */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdint.h>

#define ENGINE_VERSION 80200

/* On its standard output: where its globals are, relative to the start of its text. */
struct engine_symbols {
	uint64_t executor_globals, sapi_globals, sapi_module;
};

/* Longer than anything that is read of it. */
#define ENGINE_HUGE 100000

#endif
