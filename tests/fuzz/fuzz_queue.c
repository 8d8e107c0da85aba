// SPDX-License-Identifier: GPL-2.0-only
/* Queue files of every MTA. The first byte says which; sections ("%%" between) are its files. */
#include "fuzz.h"

#include "mail/mta.h"

static const struct {
	const struct mta *mta;
	const char *directories[7];
	const char *id;
	const char *files[7]; /* in the order of the sections */
} kinds[] = {
	{&mta_qmail,
	 {"todo", "intd", "info/1", "mess/1", "local/1", "remote/1"},
	 "24",
	 {"mess/1/24", "todo/24", "info/1/24", "local/1/24", "remote/1/24", "intd/24"}},
	{&mta_postfix,
	 {"active", "maildrop", "incoming", "deferred", "hold"},
	 "30747A7E947",
	 {"active/30747A7E947"}},
	{&mta_postfix,
	 {"active", "maildrop", "incoming", "deferred", "hold"},
	 "30747A7E947",
	 {"maildrop/30747A7E947"}},
	{&mta_exim,
	 {"."},
	 "1xUqI7-0007Dc-0z",
	 {"1xUqI7-0007Dc-0z-H", "1xUqI7-0007Dc-0z-D", "1xUqI7-0007Dc-0z-J"}},
	{&mta_sendmail, {"."}, "6ALIxnvF028821", {"qf6ALIxnvF028821", "df6ALIxnvF028821"}},
	{&mta_nullmailer, {"queue", "tmp"}, "1795287642.29413", {"queue/1795287642.29413"}},
};

static int on_recipient(void *arg, const char *address)
{
	must(strlen(address) < 65536);
	return ++*(int *)arg > 100000;
}

static int on_entry(void *arg, const struct queue_entry *e)
{
	(void)arg;
	must(strlen(e->id) < QUEUE_ID_MAX && e->state);
	return 0;
}

/* Every string is ended within its room. */
static void check_facts(const struct message_facts *f)
{
	must(memchr(f->sender, 0, sizeof(f->sender)) && memchr(f->from, 0, sizeof(f->from)));
	must(memchr(f->subject, 0, sizeof(f->subject)) &&
	     memchr(f->message_id, 0, sizeof(f->message_id)));
	must(memchr(f->auth_user, 0, sizeof(f->auth_user)) &&
	     memchr(f->client_ip, 0, sizeof(f->client_ip)));
	must(memchr(f->helo, 0, sizeof(f->helo)) && memchr(f->login, 0, sizeof(f->login)));
	must(memchr(f->parent_id, 0, sizeof(f->parent_id)) &&
	     memchr(f->first_id, 0, sizeof(f->first_id)));
	must(memchr(f->php_script, 0, sizeof(f->php_script)));
	must(f->recipients >= COUNT_UNKNOWN && f->bytes >= COUNT_UNKNOWN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char headers[HEADERS_MAX];
	struct input in = {data, size};
	size_t kind = take_byte(&in) % (sizeof(kinds) / sizeof(kinds[0]));
	char root[128], name[256];
	struct message_facts facts;
	struct queue_counts counts;
	struct mta_queue q;
	int fd, n = 0;

	for (size_t i = 0; i < 6 && kinds[kind].directories[i]; i++) {
		snprintf(name, sizeof(name), "q%zu/%s/.keep", kind, kinds[kind].directories[i]);
		fuzz_file(name, (struct input){0});
	}
	for (size_t i = 0; i < 6 && kinds[kind].files[i]; i++) {
		snprintf(name, sizeof(name), "q%zu/%s", kind, kinds[kind].files[i]);
		fuzz_file(name, take_section(&in));
	}
	snprintf(root, sizeof(root), "%s/q%zu", fuzz_directory(), kind);
	if (kinds[kind].mta->discover(root, &q, 1) != 1) {
		q = (struct mta_queue){.mta = kinds[kind].mta, .split = 23};
		snprintf(q.directory, sizeof(q.directory), "%s", root);
		snprintf(q.inner, sizeof(q.inner), "%s", root);
		q.fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	must(q.fd >= 0);
	fd = q.mta->open(&q, kinds[kind].id);
	if (fd >= 0) {
		if (q.mta->facts(&q, fd, kinds[kind].id, 0, &facts) == 0)
			check_facts(&facts);
		if (q.mta->describe(&q, fd, kinds[kind].id, &facts, on_recipient, &n) == 0)
			check_facts(&facts);
		must(q.mta->headers(fd, headers) <= HEADERS_MAX);
		close(fd);
	}
	q.mta->list(&q, on_entry, NULL);
	q.mta->count(&q, &counts);
	close(q.fd);
	return 0;
}
