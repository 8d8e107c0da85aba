// SPDX-License-Identifier: GPL-2.0-only
/* Headers, RFC 2047, addresses, Received lines. */
#include "fuzz.h"

#include "base/text.h"
#include "mail/message.h"

static void received(void *arg, const char *value, size_t len)
{
	struct received r;

	(void)arg;
	if (message_received(value, len, &r) == 0)
		must(memchr(r.helo, 0, sizeof(r.helo)) &&
		     memchr(r.client_ip, 0, sizeof(r.client_ip)) &&
		     memchr(r.auth_user, 0, sizeof(r.auth_user)) &&
		     memchr(r.login, 0, sizeof(r.login)) && memchr(r.by, 0, sizeof(r.by)) &&
		     memchr(r.id, 0, sizeof(r.id)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1), out[300];
	struct message_facts facts;

	must(copy);
	memcpy(copy, data, size);
	message_facts_init(&facts);
	message_headers(copy, size, &facts);
	must(memchr(facts.subject, 0, sizeof(facts.subject)) &&
	     memchr(facts.from, 0, sizeof(facts.from)));
	message_each_received(copy, size, received, NULL);
	received(NULL, copy, size);
	for (size_t room = 1; room <= sizeof(out); room += 97) {
		must(message_decode_2047(out, room, copy, size) < room);
		message_address(out, room, copy, size);
		must(memchr(out, 0, room));
	}
	free(copy);
	return 0;
}
