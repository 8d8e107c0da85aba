/* SPDX-License-Identifier: GPL-2.0-only */
/* Mail headers: bounded, pure reading of hostile bytes. Knows RFC 5322 and 2047, and the Received
 * lines that MTAs write; opens nothing. */
#ifndef ST_MESSAGE_H
#define ST_MESSAGE_H

#include "mail/mta.h"

/* One header field's value is read up to here, unfolded. */
#define HEADER_VALUE_MAX 4096

/* Fills from, subject, message_id, php_script of `out` from a block that starts with the headers;
 * leaves the rest. Unfolds, stops at the empty line. */
void message_headers(const char *block, size_t len, struct message_facts *out);

/* RFC 2047 to UTF-8 (utf-8, us-ascii, iso-8859-1 and -15, windows-1252 by table; other charsets
 * stay as they are). NUL-terminates; returns bytes written. */
size_t message_decode_2047(char *out, size_t size, const char *in, size_t len);

/* The address of a From/Sender header: "a@b" out of `"Name" <a@b> (comment)`. */
void message_address(char *out, size_t size, const char *in, size_t len);

/* What one Received line says. */
struct received {
	enum {
		RECEIVED_OTHER,
		RECEIVED_LOCAL_UID,
		RECEIVED_NETWORK,
		RECEIVED_BOUNCE,
		RECEIVED_ALIAS,
		RECEIVED_SMTP,
		RECEIVED_AUTH
	} kind;
	int64_t uid, pid; /* COUNT_UNKNOWN */
	char client_ip[64], helo[256], auth_user[256], by[256], id[QUEUE_ID_MAX], login[64];
};

/* Reads one unfolded Received line's value: qmail, Postfix ("from userid 33"), Exim, Sendmail,
 * nullmailer, dma. 0 or -EINVAL. */
int message_received(const char *line, size_t len, struct received *out);

/* Calls fn with each Received value, unfolded, topmost first. */
void message_each_received(const char *block, size_t len,
			   void (*fn)(void *arg, const char *value, size_t value_len), void *arg);

#endif
