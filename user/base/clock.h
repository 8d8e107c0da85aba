/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel time (CLOCK_BOOTTIME, ns) to the wall clock, and the wall clock to RFC 3339. */
#ifndef ST_CLOCK_H
#define ST_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Now, in nanoseconds. */
uint64_t clock_boot_ns(void);
uint64_t clock_wall_ns(void);

/* Wall minus boot time, read together; a stepped wall clock changes it, so ask again each second.
 */
int64_t clock_offset_ns(void);

#define CLOCK_RFC3339_SIZE sizeof("2026-11-21T20:55:13.123456789Z")

/* Wall nanoseconds since 1970 to "2026-11-21T20:55:13.123456789Z" (UTC). */
void clock_rfc3339(char out[CLOCK_RFC3339_SIZE], uint64_t wall_ns);

#endif
