/* SPDX-License-Identifier: GPL-2.0-only */
/* How wide a network in a relay list is. Pure. */
#ifndef ST_NETS_H
#define ST_NETS_H

enum net_width {
	NET_NONE,    /* not an address or a network */
	NET_PRIVATE, /* loopback, link-local, or of the ranges that the Internet does not route */
	NET_NARROW,  /* public: IPv4 /24 and longer, IPv6 /48 and longer */
	NET_WIDE,    /* public, wider than that: more than one customer's network */
	NET_HUGE,    /* IPv4 /15, IPv6 /31 and wider: everybody, or whole providers */
};

/* "192.0.2.0/24", "192.0.2.1", "[2001:db8::]/32", "2001:db8::/32"; brackets and a missing prefix as
 * Postfix and Exim take them. */
enum net_width net_width(const char *text);

/* tcprules: "192.0.2." is all that starts with it; "" everybody; ranges ("10.0.0-15.") count as
 * their widest. */
enum net_width net_width_tcprules(const char *prefix);

#endif
