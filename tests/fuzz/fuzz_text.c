// SPDX-License-Identifier: GPL-2.0-only
/* Hostile bytes made safe: whatever comes in, what comes out is valid UTF-8, within its room, and
 * harmless to a terminal. */
#include "fuzz.h"

#include "base/text.h"

/* Strict: no overlong forms, no surrogates. */
static int valid(const unsigned char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t more = s[i] < 0x80                   ? 0
			      : s[i] >= 0xc2 && s[i] < 0xe0 ? 1
			      : (s[i] & 0xf0) == 0xe0       ? 2
			      : s[i] >= 0xf0 && s[i] < 0xf5 ? 3
							    : 9;

		if (more == 9 || i + more >= n + (more == 0))
			return 0;
		for (size_t j = 1; j <= more; j++)
			if ((s[i + j] & 0xc0) != 0x80)
				return 0;
		if ((s[i] == 0xe0 && s[i + 1] < 0xa0) || (s[i] == 0xed && s[i + 1] > 0x9f) ||
		    (s[i] == 0xf0 && s[i + 1] < 0x90) || (s[i] == 0xf4 && s[i + 1] > 0x8f))
			return 0;
		i += more + 1;
	}
	return 1;
}

static int calm(const unsigned char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] < 0x20 || s[i] == 0x7f)
			return 0;
		if (i + 2 < n && s[i] == 0xe2 && s[i + 1] == 0x80 && s[i + 2] >= 0xaa &&
		    s[i + 2] <= 0xae)
			return 0; /* bidi embeddings and overrides */
		if (i + 1 < n && s[i] == 0xc2 && s[i + 1] < 0xa0)
			return 0; /* C1 */
	}
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room = size ? data[0] + 1u : 1, n, big = size * 3 + 1;
	char *copy = malloc(size + 1), *out = malloc(room), *full = malloc(big), fitted[512];

	must(copy && out && full);
	memcpy(copy, data, size);
	copy[size] = '\0';
	n = text_for_terminal(out, room, copy, size);
	must(n < room && out[n] == '\0' && valid((unsigned char *)out, n) &&
	     calm((unsigned char *)out, n));
	must(text_width(out) <= n);
	text_fit(fitted, sizeof(fitted), out, room % 40, room & 1, room & 2);
	must(valid((unsigned char *)fitted, strlen(fitted)));
	n = text_utf8(out, room, copy, size);
	must(n < room && valid((unsigned char *)out, n));
	n = text_utf8(full, big, copy, size);
	must(n < big && valid((unsigned char *)full, n));
	free(copy);
	free(out);
	free(full);
	return 0;
}
