// SPDX-License-Identifier: GPL-2.0-only
#include "trace/vhost_memo.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* All that an answer rests on. */
struct question {
	size_t len;
	char bytes[8192];
};

static bool put(struct question *k, const void *bytes, size_t len)
{
	if (len > sizeof(k->bytes) - k->len)
		return false;
	memcpy(k->bytes + k->len, bytes, len);
	k->len += len;
	return true;
}

/* false: it is too long to be remembered. */
static bool put_query(struct question *k, const struct vhost_query *q)
{
	const char *const texts[] = {q->docroot,     q->script, q->host_script,
				     q->host_header, q->chroot, q->server_name_from_memory,
				     q->culprit};

	k->len = 0;
	for (size_t i = 0; i < array_size(texts); i++) {
		const char *s = texts[i] ? texts[i] : "";

		/* none is another question than an empty one */
		if (!put(k, texts[i] ? "+" : "-", 1) || !put(k, s, strlen(s) + 1))
			return false;
	}
	return put(k, &q->port, sizeof(q->port)) && put(k, &q->mntns, sizeof(q->mntns)) &&
	       put(k, &q->uid, sizeof(q->uid));
}

static size_t slot_of(const struct question *k)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	for (size_t i = 0; i < k->len; i++)
		h = (h ^ (unsigned char)k->bytes[i]) * 16777619U;
	return (h ^ h >> 16) % VHOST_MEMOS;
}

int vhost_memo_resolve(struct vhost_memo *m, const struct vhost_table *t,
		       const struct vhost_query *q, struct vhost_answer *out)
{
	struct question k;
	size_t i;
	char *key;
	int err;

	if (!put_query(&k, q))
		return vhost_resolve(t, q, out);
	i = slot_of(&k);
	if (m->slot[i].key && m->slot[i].len == k.len && !memcmp(m->slot[i].key, k.bytes, k.len)) {
		if (!m->slot[i].err)
			*out = m->slot[i].answer;
		return m->slot[i].err;
	}
	err = vhost_resolve(t, q, out);
	key = err && err != -ENOENT ? NULL : realloc(m->slot[i].key, k.len);
	if (!key)
		return err;
	memcpy(key, k.bytes, k.len);
	m->slot[i].key = key;
	m->slot[i].len = k.len;
	m->slot[i].err = err;
	if (!err)
		m->slot[i].answer = *out;
	return err;
}

void vhost_memo_clear(struct vhost_memo *m)
{
	for (size_t i = 0; i < VHOST_MEMOS; i++) {
		free(m->slot[i].key);
		m->slot[i].key = NULL;
	}
}
