/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names replaced by keyed hashes: the same address gives the same hash within one recording,
 * another one in the next, and nobody can try out candidates, because the key is never written
 * down. HMAC-SHA-256 (RFC 2104) cut to 64 bits.
 *
 * An address becomes "local-hash@domain-hash", both lower-cased first, so that a report can still
 * group by domain.
 */
#ifndef ST_REDACT_H
#define ST_REDACT_H

#include <stddef.h>
#include <stdint.h>

#define REDACTED_SIZE sizeof("h-0123456789abcdef@h-0123456789abcdef")

struct redactor {
	uint8_t key[32];
};

/* A fresh key from getrandom(). */
int redactor_init(struct redactor *r);
void redactor_wipe(struct redactor *r);

/* "h-0123456789abcdef" of the bytes as they are. */
void redact_text(const struct redactor *r, char out[REDACTED_SIZE], const char *text, size_t len);

/* Local part and domain apart; text without "@" is one hash. */
void redact_address(const struct redactor *r, char out[REDACTED_SIZE], const char *address,
		    size_t len);

/*
 * One argument of an injector (never argv[0]): options stay, but for the value in -fADDRESS,
 * -rADDRESS, -FNAME and the like; everything else is a recipient, an address or a name and is
 * hashed.
 */
void redact_argument(const struct redactor *r, char *out, size_t size, const char *arg, size_t len);

#endif
