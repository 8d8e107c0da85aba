// SPDX-License-Identifier: GPL-2.0-only
/* The mail log as it grows, which any user of the host writes to: who logged in, and which of
 * Postfix's daemons made a message. The file itself is included, for its lines one by one. */
#include "fuzz.h"

#include "mail/logins.c"

static struct logins lines, grown;
static char nowhere[] = "/dev/null"; /* no other log is found */

static void begin(struct logins *l)
{
	auth_clock_init(&l->clock, 1795287642);
	l->next = 0;
}

static bool daemon_known(const char *daemon)
{
	static const char *const known[] = {"pickup", "smtpd", "bounce", "local"};

	for (size_t i = 0; i < array_size(known); i++)
		if (!strcmp(daemon, known[i]))
			return true;
	return false;
}

#define ended(text) must(memchr((text), 0, sizeof(text)))

/* What a line says is in it, and nothing else. */
static void check(const struct login *l, const char *line, size_t len)
{
	ended(l->id);
	ended(l->user);
	ended(l->parent);
	must(!l->id[0] || memmem(line, len, l->id, strlen(l->id)));
	if (!l->daemon) {
		must(l->user[0] && (l->id[0] || l->pid));
		return;
	}
	must(daemon_known(l->daemon) && memmem(line, len, l->daemon, strlen(l->daemon)));
	must(strlen(l->id) >= 6 && !l->user[0] && !l->pid);
	must((strcmp(l->daemon, "bounce") == 0) == (l->parent[0] != 0));
	must(memmem(line, len, l->parent, strlen(l->parent)));
}

static void one(const char *line, size_t len)
{
	size_t before = lines.next;
	/* exactly as long as it is, for the sanitizer */
	char *copy = malloc(len ? len : 1);

	must(copy);
	memcpy(copy, line, len);
	take_line(&lines, copy, len);
	for (size_t i = before; i < lines.next; i++)
		check(&lines.login[i % LOGINS_MAX], copy, len);
	free(copy);
	must(lines.next - before <= 2);
}

static void write_log(struct input part)
{
	must(write(grown.fd, part.at, part.left) == (ssize_t)part.left);
	logins_read(&grown);
}

/* A log that is read in two pieces says the same as its lines. */
static void compare(void)
{
	must(grown.next == lines.next);
	for (size_t i = 0; i < lines.next && i < LOGINS_MAX; i++) {
		struct login *a = &lines.login[i], *b = &grown.login[i];

		must(!strcmp(a->id, b->id) && !strcmp(a->user, b->user) && a->pid == b->pid &&
		     a->daemon == b->daemon && !strcmp(a->parent, b->parent));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	const char *p = (const char *)data, *end = p + size, *nl;

	begin(&lines);
	begin(&grown);
	while (p < end && (nl = memchr(p, '\n', (size_t)(end - p)))) {
		one(p, (size_t)(nl - p));
		p = nl + 1;
	}
	grown.fd = memory_file((struct input){data, 0});
	grown.off = 0;
	grown.within = false;
	grown.begun = true;
	grown.root = nowhere;
	write_log(take(&in, size ? data[size - 1] * size / 256 : 0));
	write_log(in);
	compare();
	close(grown.fd);
	return 0;
}
