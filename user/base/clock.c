// SPDX-License-Identifier: GPL-2.0-only
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#define NS_PER_SEC 1000000000ULL

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts = {0};

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_boot_ns(void)
{
	return now_ns(CLOCK_BOOTTIME);
}

uint64_t clock_wall_ns(void)
{
	return now_ns(CLOCK_REALTIME);
}

int64_t clock_offset_ns(void)
{
	uint64_t before = clock_boot_ns();
	uint64_t wall = clock_wall_ns();
	uint64_t after = clock_boot_ns();

	return (int64_t)(wall - (before + (after - before) / 2));
}

void clock_rfc3339(char out[CLOCK_RFC3339_SIZE], uint64_t wall_ns)
{
	static _Thread_local char text[32]; /* of the second that was asked for last */
	static _Thread_local time_t known = -1;
	time_t sec = (time_t)(wall_ns / NS_PER_SEC);
	struct tm tm = {0};

	if (sec != known) {
		gmtime_r(&sec, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		known = sec;
	}
	snprintf(out, CLOCK_RFC3339_SIZE, "%.19s.%09uZ", text, (unsigned)(wall_ns % NS_PER_SEC));
}
