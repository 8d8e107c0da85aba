// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "kernel/php_walk_internal.h"

#define PAGE            4096u
#define MAX_ZEND_STRING (1u << 20) /* of a name: longer is no name but garbage */

int php_peek(struct php_memory *m, uint64_t address, void *buffer, size_t size)
{
	struct iovec local = {.iov_base = buffer, .iov_len = size};
	struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
	ssize_t n = process_vm_readv(m->pid, &local, 1, &remote, 1, 0);

	if (n == (ssize_t)size)
		return 0;
	if (n < 0 && (errno == ESRCH || errno == EPERM) && !m->error)
		m->error = -errno;
	return -EFAULT;
}

uint64_t php_peek_pointer(struct php_memory *m, uint64_t address)
{
	uint64_t value;

	return address && !php_peek(m, address, &value, sizeof(value)) ? value : 0;
}

ssize_t php_peek_string(struct php_memory *m, uint64_t address, char *out, size_t size, bool *cut)
{
	size_t len = 0;

	while (address && len < size - 1) {
		size_t want = PAGE - (size_t)((address + len) % PAGE);
		const char *end;

		if (want > size - 1 - len)
			want = size - 1 - len;
		if (want > 256)
			want = 256;
		if (php_peek(m, address + len, out + len, want))
			break;
		end = memchr(out + len, '\0', want);
		if (end)
			return end - out;
		len += want;
	}
	if (len == size - 1) {
		out[len] = '\0';
		*cut = true;
		return (ssize_t)len;
	}
	out[0] = '\0';
	return -EFAULT;
}

ssize_t php_peek_name(struct php_memory *m, uint64_t address, char *out, size_t size, bool *cut)
{
	uint64_t len = 0;
	size_t want;

	out[0] = '\0';
	if (!address || php_peek(m, address + m->l->str_len, &len, sizeof(len)) ||
	    len > MAX_ZEND_STRING)
		return -EFAULT;
	want = len < size ? (size_t)len : size - 1;
	if (php_peek(m, address + m->l->str_val, out, want)) {
		out[0] = '\0';
		return -EFAULT;
	}
	out[want] = '\0';
	if (want < len)
		*cut = true;
	return (ssize_t)want;
}
