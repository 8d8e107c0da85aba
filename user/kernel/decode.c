// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/decode.h"

#include <errno.h>
#include <string.h>

static const size_t fixed_size[ST_TYPE_COUNT] = {
	[ST_ORIGIN] = sizeof(struct st_origin), [ST_FORK] = sizeof(struct st_fork),
	[ST_EXEC] = sizeof(struct st_exec),     [ST_EXIT] = sizeof(struct st_exit),
	[ST_QUEUE] = sizeof(struct st_queue),   [ST_CONNECT] = sizeof(struct st_connect),
	[ST_OPEN] = sizeof(struct st_open),     [ST_IMAGE] = sizeof(struct st_image),
	[ST_ENV] = sizeof(struct st_env),
};

int record_decode(const void *bytes, size_t len, struct record *out)
{
	const struct st_header *h = bytes;

	if (len < sizeof(*h))
		return -EMSGSIZE;
	if (h->abi != ST_ABI || h->type >= ST_TYPE_COUNT || !fixed_size[h->type])
		return -EPROTO;
	if (h->size > len || h->size < fixed_size[h->type])
		return -EMSGSIZE;
	*out = (struct record){
		.h = h,
		.data = (const char *)bytes + fixed_size[h->type],
		.data_len = h->size - fixed_size[h->type],
	};
	return 0;
}

struct text record_text(const struct record *r, struct st_str s)
{
	if (s.off > r->data_len || s.len > r->data_len - s.off)
		return (struct text){.s = "", .cut = true};
	return (struct text){.s = r->data + s.off, .len = s.len, .cut = s.cut};
}

int record_path(const struct record *r, struct st_str s, char *out, size_t size)
{
	struct text t = record_text(r, s);
	size_t at = 0, end = t.len;
	char path[4096];

	if (!t.len && t.cut)
		return -ENODATA;
	if (t.cut) {
		memcpy(path, "...", 3);
		at = 3;
	}
	while (end) {
		size_t start, n;

		if (!t.s[end - 1])
			end--;
		start = end;
		while (start && t.s[start - 1])
			start--;
		n = end - start;
		if (at + 1 + n >= sizeof(path))
			return -ENAMETOOLONG;
		path[at++] = '/';
		memcpy(path + at, t.s + start, n);
		at += n;
		end = start;
	}
	if (!at)
		path[at++] = '/';
	if (at + 1 > size)
		return -ENAMETOOLONG;
	memcpy(out, path, at);
	out[at] = '\0';
	return 0;
}

/* Appends one component; "." and nothing are left out. */
static int add_component(char *path, size_t *at, size_t size, const char *s, size_t n)
{
	if (!n || (n == 1 && s[0] == '.'))
		return 0;
	if (n == 2 && s[0] == '.' && s[1] == '.')
		return -EINVAL;
	if (*at + n + 2 > size)
		return -ENAMETOOLONG;
	if (*at)
		path[(*at)++] = '/';
	memcpy(path + *at, s, n);
	*at += n;
	return 0;
}

int record_queue_name(const struct record *r, struct st_str s, char *out, size_t size)
{
	struct text t = record_text(r, s);
	size_t at = 0, start = 0;
	char path[1024];

	if (t.len && t.cut)
		return -ENAMETOOLONG; /* the rest of a queue id would be another id */
	for (size_t i = 0; i <= t.len; i++) {
		if (i < t.len && t.s[i] && t.s[i] != '/')
			continue;
		int err = add_component(path, &at, sizeof(path), t.s + start, i - start);

		if (err)
			return err;
		start = i + 1;
	}
	if (!at)
		return -ENODATA;
	if (at + 1 > size)
		return -ENAMETOOLONG;
	memcpy(out, path, at);
	out[at] = '\0';
	return 0;
}
