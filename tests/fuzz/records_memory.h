/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that runs out when an input says so. The target is linked with --wrap, so this is what the
 * code under test calls; malloc() is left to uthash, which has no answer to its failure.
 */
#ifndef ST_FUZZ_RECORDS_MEMORY_H
#define ST_FUZZ_RECORDS_MEMORY_H

#include "fuzz.h"

static struct {
	unsigned after, refuse; /* so many succeed, then so many do not */
	bool refused;           /* one was, in this input */
} memory;

void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);

static inline bool memory_is_out(void)
{
	if (!memory.refuse)
		return false;
	if (memory.after) {
		memory.after--;
		return false;
	}
	memory.refuse--;
	memory.refused = true;
	return true;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return memory_is_out() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return memory_is_out() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *s)
{
	return memory_is_out() ? NULL : __real_strdup(s);
}

/* For json_set_alloc_funcs(). */
static inline void *memory_for_json(size_t size)
{
	return memory_is_out() ? NULL : malloc(size);
}

#endif
