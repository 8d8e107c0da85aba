// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay MESSAGES SCRIPTS [down]: the user side alone, fed with records as the kernel side makes
 * them: an origin, an exec, two queue operations, an exit and a removal for each message. What it
 * keeps of a million messages, and the CPU time of each, can be seen without sending them. With
 * "down" Postfix is stopped, so that all lie in its maildrop, and runs again in the end. JSON lines
 * go to /dev/null. Synthetic: no kernel, no queue files.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "output/sink.h"
#include "trace/attribute.h"
#include "trace/correlate.h"
#include "trace/tally.h"

static struct {
	struct tally *tally;
	struct sink *json;
	struct attribute_ops attribute;
	uint64_t sequence, exact;
	bool down;
} state;

/* ---- the record under construction ---- */

static _Alignas(8) unsigned char room[16384];
static size_t used;

static void *record(enum st_type type, size_t size, uint64_t time, uint32_t tgid)
{
	struct st_header *h = (struct st_header *)(void *)room;

	memset(room, 0, size);
	used = size;
	*h = (struct st_header){.type = (uint16_t)type,
				.abi = ST_ABI,
				.time = time,
				.task = {.start = time & ~0xffULL, .tgid = tgid}};
	return room;
}

static struct st_str text(size_t base, const char *s, size_t len)
{
	struct st_str out = {.off = (uint16_t)(used - base), .len = len & 0x7fff};

	memcpy(room + used, s, len);
	used += len + 1;
	room[used - 1] = '\0';
	return out;
}

static void send(struct correlate *c)
{
	struct st_header *h = (struct st_header *)(void *)room;
	struct record r;

	h->size = (uint32_t)used;
	if (record_decode(room, used, &r) || correlate_record(c, &r))
		errx(1, "a record was refused");
}

/* ---- what is asked for ---- */

static void on_queued(void *arg, const struct queued *q)
{
	struct attribution_room space;
	struct mail_event e;

	(void)arg;
	attribute_queued(&state.attribute, q, &space, &e);
	e.sequence = ++state.sequence;
	e.wall_ns = q->time;
	state.exact += e.attribution == ATTRIBUTION_EXACT;
	tally_add(state.tally, &e);
	state.json->mail(state.json, &e);
}

static void on_attempted(void *arg, const struct injection *i, const char *why)
{
	(void)arg;
	(void)i;
	errx(1, "an attempt: %s", why ? why : "no commit");
}

static void on_removed(void *arg, const struct removed *r)
{
	struct mail_event e;

	(void)arg;
	attribute_removed(r, true, &e);
	e.sequence = ++state.sequence;
	e.wall_ns = r->time;
	tally_add(state.tally, &e);
	state.json->mail(state.json, &e);
}

static void on_counted(void *arg, struct mta_queue *q, int change, bool in_flight)
{
	(void)arg, (void)q, (void)change, (void)in_flight;
}

static int open_message(void *arg, struct mta_queue *q, const char *id)
{
	(void)arg, (void)q, (void)id;
	return 0;
}

static int facts(void *arg, struct mta_queue *q, int fd, const char *id, uint32_t pid,
		 struct message_facts *out)
{
	(void)arg, (void)q, (void)fd, (void)id, (void)pid;
	message_facts_init(out);
	strcpy(out->sender, "info@blog.test");
	strcpy(out->subject, "Your parcel is waiting");
	out->has_sender = true;
	out->recipients = 1;
	out->bytes = 600;
	out->local = state.down;
	return 0;
}

static void close_message(void *arg, int fd)
{
	(void)arg, (void)fd;
}

static const char *program(void *arg, uint32_t id, const struct mta **mta)
{
	(void)arg, (void)id;
	*mta = state.down ? &mta_postfix : &mta_qmail;
	return state.down ? "/usr/sbin/postdrop" : "/var/qmail/bin/qmail-queue";
}

static bool alive(void *arg, const struct st_task *task)
{
	(void)arg, (void)task;
	return true;
}

static const char *user(void *arg, uint32_t uid)
{
	(void)arg, (void)uid;
	return "site1";
}

static const char *version(void *arg, uint32_t image)
{
	(void)arg, (void)image;
	return "8.2.29";
}

static const char *program_at(void *arg, const struct st_inode *exe, uint32_t *role)
{
	(void)arg, (void)exe;
	*role = ST_ROLE_PHP;
	return "/usr/sbin/php-fpm8.2";
}

static int vhost(void *arg, const struct vhost_query *q, struct vhost_answer *out)
{
	(void)arg, (void)q, (void)out;
	return -2;
}

static const struct origin *origin_by_id(void *arg, uint64_t id)
{
	return correlate_origin(*(struct correlate **)arg, id);
}

static const char *container(void *arg, uint32_t mntns)
{
	(void)arg, (void)mntns;
	return NULL;
}

/* ---- a message ---- */

static void operation(struct correlate *c, uint32_t op, const char *name, const char *old,
		      uint64_t time, uint32_t tgid, const char *comm, uint64_t origin,
		      uint64_t injection)
{
	struct st_queue *q = record(ST_QUEUE, sizeof(*q), time, tgid);

	q->origin = origin;
	q->injection = injection;
	q->op = op;
	q->uid = 10001;
	q->nspid = tgid;
	strcpy(q->comm, comm);
	q->name = text(sizeof(*q), name, strlen(name));
	if (old)
		q->old = text(sizeof(*q), old, strlen(old));
	send(c);
}

#define MESSAGE_NS 1000000 /* from one to the next */

static uint64_t time_of(unsigned long n)
{
	return 1000000000000ULL + n * MESSAGE_NS;
}

/* By qmail-queue, and delivered; or by postdrop, where it stays. */
static void queue_operations(struct correlate *c, unsigned long n, uint32_t child, uint64_t origin,
			     uint64_t injection)
{
	char mess[64], intd[64], todo[64];

	if (state.down) {
		snprintf(mess, sizeof(mess), "maildrop/A%07lX", n);
		operation(c, ST_OP_RENAME, mess, "maildrop/1.2", time_of(n), child, "postdrop",
			  origin, injection);
		return;
	}
	snprintf(mess, sizeof(mess), "mess/%lu/%lu", n % 23, 100000 + n);
	snprintf(intd, sizeof(intd), "intd/%lu", 100000 + n);
	snprintf(todo, sizeof(todo), "todo/%lu", 100000 + n);
	operation(c, ST_OP_LINK, mess, "pid/1.2.3", time_of(n), child, "qmail-queue", origin,
		  injection);
	operation(c, ST_OP_LINK, todo, intd, time_of(n), child, "qmail-queue", origin, injection);
}

static void removal(struct correlate *c, unsigned long n)
{
	char mess[64];

	snprintf(mess, sizeof(mess), "mess/%lu/%lu", n % 23, 100000 + n);
	operation(c, ST_OP_UNLINK, mess, NULL, time_of(n), 5, "qmail-clean", 0, 0);
}

/* Postfix runs again, and takes message n from its maildrop. */
static void taken(struct correlate *c, unsigned long n, uint64_t time)
{
	char name[64];

	snprintf(name, sizeof(name), "incoming/B%07lX", n);
	operation(c, ST_OP_RENAME, name, "incoming/1.6", time, 6, "cleanup", 0, 0);
	snprintf(name, sizeof(name), "maildrop/A%07lX", n);
	operation(c, ST_OP_UNLINK, name, NULL, time, 5, "pickup", 0, 0);
}

static void message(struct correlate *c, unsigned long n, unsigned long scripts)
{
	static const char args[] = "/var/qmail/bin/qmail-queue";
	uint32_t worker = 1000 + (uint32_t)(n % 8), child = 2000 + (uint32_t)(n % 20000);
	uint64_t time = time_of(n), origin = time << 8 | 1, injection = time << 8 | 2;
	char path[128];
	struct st_origin *o = record(ST_ORIGIN, sizeof(*o), time, worker);
	struct st_exec *e;
	struct st_exit *x;

	snprintf(path, sizeof(path), "/var/www/vhosts/site%lu.test/httpdocs/wp-content/send.php",
		 n % scripts);
	o->id = origin;
	o->child = (struct st_task){.start = time & ~0xffULL, .tgid = child};
	o->uid = o->euid = 10001;
	o->flags = ST_O_REQUEST | ST_O_SCRIPT_SG;
	o->why = ST_BY_FORK;
	o->sapi = ST_SAPI_FPM;
	o->script = text(sizeof(*o), path, strlen(path));
	o->uri = text(sizeof(*o), "/wp-content/send.php?x=1", 24);
	o->client = text(sizeof(*o), "203.0.113.66", 12);
	o->frames = 2;
	o->frame[0] = (struct st_frame){.type = ST_FRAME_INTERNAL,
					.function = text(sizeof(*o), "mail", 4)};
	o->frame[1] = (struct st_frame){.type = ST_FRAME_USER, .line = 7, .file = o->script};
	send(c);

	e = record(ST_EXEC, sizeof(*e), time, child);
	e->origin = origin;
	e->injection = injection;
	e->uid = e->euid = 10001;
	e->role = ST_ROLE_INJECTOR;
	e->program = 1;
	e->args = text(sizeof(*e), args, sizeof(args));
	send(c);

	queue_operations(c, n, child, origin, injection);

	x = record(ST_EXIT, sizeof(*x), time, child);
	x->origin = origin;
	x->injection = injection;
	send(c);
	if (!state.down)
		removal(c, n);
	if (n % 100 == 0)
		correlate_tick(c, time, correlate_losses(c));
}

/* MiB; getrusage() would count what the program was started from. */
static double peak_rss(void)
{
	_fclose_ FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmHWM:", 6))
			kib = strtol(line + 6, NULL, 10);
	return (double)kib / 1024;
}

static double cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	struct mta_queue queue = {.mta = &mta_qmail,
				  .directory = "/var/qmail/queue",
				  .inner = "/var/qmail/queue",
				  .fd = -1,
				  .split = 23};
	struct correlate *c = NULL;
	struct correlate_ops ops = {
		.queued = on_queued,
		.attempted = on_attempted,
		.removed = on_removed,
		.counted = on_counted,
		.program = program,
		.open = open_message,
		.facts = facts,
		.close = close_message,
		.alive = alive,
	};
	struct tally_totals totals;
	struct correlate_stats stats, held;
	unsigned long messages, scripts;
	double start, fifth = 0;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	state.down = argc == 4 && !strcmp(argv[3], "down");
	if (argc != 3 + state.down)
		errx(64, "usage: replay MESSAGES SCRIPTS [down]");
	if (state.down)
		queue = (struct mta_queue){.mta = &mta_postfix,
					   .directory = "/var/spool/postfix",
					   .inner = "/var/spool/postfix",
					   .fd = -1};
	messages = strtoul(argv[1], NULL, 10);
	scripts = strtoul(argv[2], NULL, 10);
	state.attribute = (struct attribute_ops){
		.user = user,
		.php_version = version,
		.program_at = program_at,
		.program = program,
		.vhost = vhost,
		.origin = origin_by_id,
		.container = container,
		.arg = &c,
	};
	state.tally = tally_new();
	if (!state.tally || !scripts || json_sink_new(null, "stage", &state.json) ||
	    correlate_new(&ops, &queue, 1, &c))
		errx(1, "no memory");
	start = cpu();
	for (unsigned long n = 0; n < messages; n++) {
		/* of this process: how much of the libraries is in memory differs from one to
		 * another */
		if (n == messages / 5)
			fifth = peak_rss();
		message(c, n, scripts);
	}
	correlate_stats(c, &held);
	for (unsigned long n = 0; state.down && n < messages; n++)
		taken(c, n, time_of(messages + n));
	start = cpu() - start;
	correlate_flush(c);
	tally_totals(state.tally, &totals);
	correlate_stats(c, &stats);
	printf("{\"messages\": %llu, \"scripts\": %lu, \"exact\": %llu, \"user_us\": %.2f, "
	       "\"rss\": %.1f, \"rss_fifth\": %.1f, \"bad\": %llu, \"tasks\": %zu, "
	       "\"origins\": %zu, \"waiting\": %zu, \"untold\": %zu, \"forgotten\": %llu}\n",
	       (unsigned long long)totals.messages, scripts, (unsigned long long)state.exact,
	       start / (double)messages * 1e6, peak_rss(), fifth, (unsigned long long)stats.bad,
	       stats.tasks, stats.origins, held.waiting, held.first_ids_untold,
	       (unsigned long long)stats.first_ids_forgotten);
	state.json->free(state.json);
	tally_free(state.tally);
	correlate_free(c);
	return 0;
}
