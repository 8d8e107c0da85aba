// SPDX-License-Identifier: GPL-2.0-only
#include "output/redact.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sha2.h>

#define BLOCK SHA256_BLOCK_LENGTH

int redactor_init(struct redactor *r)
{
	ssize_t n = getrandom(r->key, sizeof(r->key), 0);

	if (n != (ssize_t)sizeof(r->key))
		return n < 0 ? -errno : -EIO;
	return 0;
}

void redactor_wipe(struct redactor *r)
{
	explicit_bzero(r->key, sizeof(r->key));
}

static void begin(SHA2_CTX *sha, const struct redactor *r, uint8_t pad)
{
	uint8_t block[BLOCK];

	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < sizeof(r->key); i++)
		block[i] ^= r->key[i];
	SHA256Init(sha);
	SHA256Update(sha, block, sizeof(block));
	explicit_bzero(block, sizeof(block));
}

/* HMAC of the text, ASCII letters folded when `fold`; its first eight bytes as "h-" and hex (19
 * bytes with the NUL). */
static void hash(const struct redactor *r, char *out, const char *text, size_t len, int fold)
{
	const size_t size = sizeof("h-0123456789abcdef");
	uint8_t digest[SHA256_DIGEST_LENGTH];
	size_t used;
	SHA2_CTX sha;

	begin(&sha, r, 0x36);
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)text[i];

		if (fold && c >= 'A' && c <= 'Z')
			c = (uint8_t)(c + 'a' - 'A');
		SHA256Update(&sha, &c, 1);
	}
	SHA256Final(digest, &sha);
	begin(&sha, r, 0x5c);
	SHA256Update(&sha, digest, sizeof(digest));
	SHA256Final(digest, &sha);
	used = (size_t)snprintf(out, size, "h-");
	for (size_t i = 0; i < 8; i++)
		used += (size_t)snprintf(out + used, size - used, "%02x", digest[i]);
}

void redact_text(const struct redactor *r, char out[REDACTED_SIZE], const char *text, size_t len)
{
	hash(r, out, text, len, 0);
}

void redact_address(const struct redactor *r, char out[REDACTED_SIZE], const char *address,
		    size_t len)
{
	const char *at = memrchr(address, '@', len);
	size_t local = at ? (size_t)(at - address) : len;

	hash(r, out, address, local, 1);
	if (at) {
		size_t used = strlen(out);

		out[used++] = '@';
		hash(r, out + used, at + 1, len - local - 1, 1);
	}
}

void redact_argument(const struct redactor *r, char *out, size_t size, const char *arg, size_t len)
{
	size_t keep = 0;
	char hashed[REDACTED_SIZE];

	if (len && arg[0] == '-') {
		if (len > 2 && strchr("fFrR", arg[1]))
			keep = 2; /* -fADDRESS, -FNAME, -rADDRESS */
		else if (!memchr(arg, '@', len))
			keep = len;
	}
	if (keep == len) {
		snprintf(out, size, "%.*s", (int)len, arg);
		return;
	}
	redact_address(r, hashed, arg + keep, len - keep);
	snprintf(out, size, "%.*s%s", (int)keep, arg, hashed);
}
