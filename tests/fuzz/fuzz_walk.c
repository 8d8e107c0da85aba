// SPDX-License-Identifier: GPL-2.0-only
/*
 * A PHP worker whose memory the input is: what the engine's layout is followed through. Byte 0
 * chooses the layout, byte 1 the read before which the memory changes, byte 2 the one at which the
 * process is gone (bytes: in units of 4, 0 for never), byte 3 the number of changes (two bytes
 * where, eight what); the rest is the memory.
 */
#include "fuzz.h"

#include <errno.h>
#include <sys/uio.h>

#include "kernel/php_walk.h"

enum { EG = 0x100, SG = 0xa00, MODULE = 0xd00 };

/* A walk makes some thousands of reads when every chain is as long as it may be, each time. */
#define MAX_READS 32768

static struct {
	uint8_t memory[16384];
	size_t size;
	struct input changes;
	unsigned reads, changes_at, gone_at;
} process;

static void change(void)
{
	while (process.changes.left >= 10) {
		struct input c = take(&process.changes, 10);
		size_t at = (size_t)(c.at[0] | c.at[1] << 8) % process.size;

		for (size_t i = 0; i < 8 && at + i < process.size; i++)
			process.memory[at + i] = c.at[2 + i];
	}
}

ssize_t __wrap_process_vm_readv(pid_t pid, const struct iovec *local, unsigned long locals,
				const struct iovec *remote, unsigned long remotes,
				unsigned long flags);

/* An address below 2^56 is somewhere in the memory, so that pointers are easily found; others are
 * not mapped. As the kernel's it reads less where memory ends. */
ssize_t __wrap_process_vm_readv(pid_t pid, const struct iovec *local, unsigned long locals,
				const struct iovec *remote, unsigned long remotes,
				unsigned long flags)
{
	uint64_t address = (uint64_t)(uintptr_t)remote->iov_base;
	size_t at, n = local->iov_len;

	must(pid == 1 && locals == 1 && remotes == 1 && !flags && remote->iov_len == n);
	must(++process.reads < MAX_READS);
	if (process.reads == process.changes_at)
		change();
	if (process.gone_at && process.reads >= process.gone_at) {
		errno = ESRCH;
		return -1;
	}
	if (!process.size || address >> 56) {
		errno = EFAULT;
		return -1;
	}
	at = (size_t)(address % process.size);
	if (n > process.size - at)
		n = process.size - at;
	memcpy(local->iov_base, process.memory + at, n);
	return (ssize_t)n;
}

static void begin(struct input in)
{
	uint8_t changes;

	memset(&process, 0, sizeof(process));
	process.changes_at = take_byte(&in) * 4u;
	process.gone_at = take_byte(&in) * 4u;
	changes = take_byte(&in);
	process.changes = take(&in, changes % 16 * 10u);
	process.size = in.left < sizeof(process.memory) ? in.left : sizeof(process.memory);
	if (process.size)
		memcpy(process.memory, in.at, process.size);
}

#define ended(text) must(memchr((text), 0, sizeof(text)))

static void check(const struct php_walk *w)
{
	const struct php_walk_request *r = &w->request;

	ended(r->sapi_name);
	must(r->sapi_name[0]);
	ended(r->script);
	ended(r->included);
	ended(r->uri);
	ended(r->method);
	ended(r->host);
	ended(r->server_name);
	ended(r->docroot);
	ended(r->client);
	ended(r->filename);
	must(r->time >= 0 && r->time < 1e13);
	must(w->idle ? !w->frames : w->frames > 0 && w->frames <= ST_MAX_FRAMES);
	for (unsigned i = 0; i < w->frames; i++) {
		ended(w->frame[i].file);
		ended(w->frame[i].function);
		ended(w->frame[i].scope);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct php_image image = {.version = "8.2.36"};
	struct php_walk *w = malloc(sizeof(*w));
	char why[160] = "";
	size_t rows;
	const struct php_layout_row *row = php_layout_table(&rows);
	int err;

	must(w);
	row += take_byte(&in) % rows;
	image.row = row;
	image.st = (struct st_php_image){.usable = 1,
					 .version = row->version,
					 .layout = row->layout,
					 .executor_globals = EG,
					 .sapi_globals = SG,
					 .sapi_module = MODULE};
	begin(in);
	memset(w, 0xa5, sizeof(*w));
	err = php_walk(1, &image, 0, w);
	if (err == 0)
		check(w);
	else
		for (size_t i = 0; i < sizeof(*w); i++)
			must(((const uint8_t *)w)[i] == 0xa5);
	must(err == 0 || err == -ESRCH || err == -EAGAIN || err == -EFAULT);
	must(err != -ESRCH || process.gone_at);
	begin(in);
	err = php_walk_selftest(1, &image, 0, why, sizeof(why));
	ended(why);
	must((err == -EFAULT) == (why[0] != 0));
	free(w);
	return 0;
}
