// SPDX-License-Identifier: GPL-2.0-only
#include "base/clock.h"

#include <string.h>
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
	/* many times of a run are of the same second */
	static _Thread_local struct {
		time_t sec;
		char text[32];
	} last = {-1, ""};
	time_t sec = (time_t)(wall_ns / NS_PER_SEC);
	unsigned ns = (unsigned)(wall_ns % NS_PER_SEC);
	struct tm tm = {0};

	if (sec != last.sec) {
		gmtime_r(&sec, &tm);
		strftime(last.text, sizeof(last.text), "%Y-%m-%dT%H:%M:%S.", &tm);
		last.sec = sec;
	}
	memcpy(out, last.text, 20);
	for (int i = 28; i >= 20; i--, ns /= 10)
		out[i] = (char)('0' + ns % 10);
	memcpy(out + 29, "Z", 2);
}
