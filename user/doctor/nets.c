// SPDX-License-Identifier: GPL-2.0-only
#include "doctor/nets.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* RFC 6890 and RFC 6598: what is not routed on the Internet */
static const struct {
	uint32_t net;
	unsigned prefix;
} private4[] = {
	{0x7f000000, 8},  {0x0a000000, 8},  {0xac100000, 12},
	{0xc0a80000, 16}, {0xa9fe0000, 16}, {0x64400000, 10},
};

static enum net_width width4(uint32_t address, unsigned prefix)
{
	for (size_t i = 0; i < sizeof(private4) / sizeof(*private4); i++)
		if (prefix >= private4[i].prefix &&
		    (address ^ private4[i].net) >> (32 - private4[i].prefix) == 0)
			return NET_PRIVATE;
	if (prefix >= 24)
		return NET_NARROW;
	return prefix >= 16 ? NET_WIDE : NET_HUGE;
}

static enum net_width width6(const uint8_t a[16], unsigned prefix)
{
	static const uint8_t loopback[16] = {[15] = 1};

	if (prefix == 128 && memcmp(a, loopback, 16) == 0)
		return NET_PRIVATE;
	if (prefix >= 7 && (a[0] & 0xfe) == 0xfc)
		return NET_PRIVATE;
	if (prefix >= 10 && a[0] == 0xfe && (a[1] & 0xc0) == 0x80)
		return NET_PRIVATE;
	if (prefix >= 96 && memcmp(a, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0)
		return width4((uint32_t)a[12] << 24 | (uint32_t)a[13] << 16 | (uint32_t)a[14] << 8 |
				      a[15],
			      prefix - 96);
	if (prefix >= 48)
		return NET_NARROW;
	return prefix >= 32 ? NET_WIDE : NET_HUGE;
}

enum net_width net_width(const char *text)
{
	char host[64], *slash, *end;
	unsigned long prefix = 0;
	uint8_t a6[16];
	struct in_addr a4;
	size_t n = 0;

	for (const char *p = text; *p; p++) {
		if (*p == '[' || *p == ']')
			continue;
		if (n + 1 >= sizeof(host))
			return NET_NONE;
		host[n++] = *p;
	}
	host[n] = '\0';
	slash = strchr(host, '/');
	if (slash) {
		*slash++ = '\0';
		if (*slash < '0' || *slash > '9')
			return NET_NONE;
		prefix = strtoul(slash, &end, 10);
		if (*end || prefix > 128)
			return NET_NONE;
	}
	if (inet_pton(AF_INET, host, &a4) == 1)
		return prefix > 32 ? NET_NONE
				   : width4(ntohl(a4.s_addr), slash ? (unsigned)prefix : 32);
	if (inet_pton(AF_INET6, host, a6) == 1)
		return width6(a6, slash ? (unsigned)prefix : 128);
	return NET_NONE;
}

enum net_width net_width_tcprules(const char *prefix)
{
	uint32_t address = 0;
	unsigned parts = 0;
	bool range = false;
	const char *p = prefix;

	if (!*p)
		return NET_HUGE;
	if (strchr(p, ':'))
		return net_width(p);
	while (*p && parts < 4 && !range) {
		unsigned long v;
		char *end;

		if (*p < '0' || *p > '9')
			return NET_NONE;
		v = strtoul(p, &end, 10);
		if (v > 255)
			return NET_NONE;
		/* a range is as wide as the part before it, at worst; 24-bit shorter by its size
		 * does not matter here */
		range = *end == '-';
		if (range)
			break;
		address |= (uint32_t)v << (24 - 8 * parts);
		parts++;
		if (*end && *end != '.' && *end != '/')
			return NET_NONE;
		if (*end == '/')
			return net_width(prefix);
		p = *end ? end + 1 : end;
	}
	if (parts == 4 && *p)
		return NET_NONE;
	/* "1.2.3.4-8": some hosts of a /24 */
	return width4(address, parts * 8);
}
