// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stream of ring records through decode, origins, correlation and attribution. Types, sizes and
 * identities are made plausible, so that stories come about: few tasks, few origins, few queue
 * names; everything else is as it comes.
 */
#include "fuzz.h"

#include <errno.h>

#include "kernel/decode.h"
#include "trace/attribute.h"
#include "trace/correlate.h"

static const size_t sizes[ST_TYPE_COUNT] = {
	[ST_ORIGIN] = sizeof(struct st_origin), [ST_FORK] = sizeof(struct st_fork),
	[ST_EXEC] = sizeof(struct st_exec),     [ST_EXIT] = sizeof(struct st_exit),
	[ST_QUEUE] = sizeof(struct st_queue),   [ST_CONNECT] = sizeof(struct st_connect),
	[ST_OPEN] = sizeof(struct st_open),     [ST_IMAGE] = sizeof(struct st_image),
};

struct world {
	struct correlate *c;
	struct attribute_ops attribute;
	uint8_t dice;
};

static const char *user(void *arg, uint32_t uid)
{
	(void)arg;
	return uid & 1 ? "site1" : NULL;
}

static const char *version(void *arg, uint32_t image)
{
	(void)arg;
	return image & 1 ? "8.2.36" : NULL;
}

static const char *program_at(void *arg, const struct st_inode *exe, uint32_t *role)
{
	(void)arg;
	*role = (uint32_t)exe->ino % (ST_ROLE_SCRIPT + 1);
	return exe->ino & 8 ? "/usr/sbin/program" : NULL;
}

static const char *program(void *arg, uint32_t id, const struct mta **mta)
{
	static const char *const paths[] = {"/usr/sbin/sendmail", "/usr/sbin/exim4",
					    "/var/qmail/bin/qmail-queue", "/usr/sbin/postdrop"};

	(void)arg;
	*mta = mta_all[id % 5];
	return id & 8 ? NULL : paths[id & 3];
}

static int vhost(void *arg, const struct vhost_query *q, struct vhost_answer *out)
{
	(void)arg;
	(void)q;
	(void)out;
	return -ENOENT;
}

static const struct origin *by_id(void *arg, uint64_t id)
{
	return correlate_origin(((struct world *)arg)->c, id);
}

static const char *container(void *arg, uint32_t mntns)
{
	(void)arg;
	return mntns & 1 ? "web" : NULL;
}

static void on_queued(void *arg, const struct queued *q)
{
	struct world *w = arg;
	struct attribution_room room;
	struct mail_event e;

	attribute_queued(&w->attribute, q, &room, &e);
	must(e.action == ACTION_MAIL_QUEUED);
}

static void on_attempted(void *arg, const struct injection *i, const char *why)
{
	struct world *w = arg;
	struct attribution_room room;
	struct mail_event e;

	attribute_attempt(&w->attribute, i, why, &room, &e);
}

static void on_removed(void *arg, const struct removed *r)
{
	struct mail_event e;

	(void)arg;
	attribute_removed(r, false, &e);
}

static void on_counted(void *arg, struct mta_queue *q, int change, bool in_flight)
{
	(void)arg;
	(void)in_flight;
	must(q && (change == 1 || change == -1));
}

static void on_orphaned(void *arg, struct mta_queue *q, int change)
{
	(void)arg;
	must(q && (change == 1 || change == -1));
}

static void on_connected(void *arg, const struct st_connect *k, const struct origin *o)
{
	struct world *w = arg;
	struct attribution_room room;
	struct mail_event e;

	attribute_connect(&w->attribute, k, o, &room, &e);
}

static int open_message(void *arg, struct mta_queue *q, const char *id)
{
	(void)q;
	must(strlen(id) < QUEUE_ID_MAX);
	return ((struct world *)arg)->dice & 1 ? -ENOENT : 7;
}

static int read_facts(void *arg, struct mta_queue *q, int fd, const char *id, uint32_t pid,
		      struct message_facts *out)
{
	static const int answers[] = {0, 0, -EAGAIN, -ESTALE, -EINVAL};

	(void)q;
	(void)id;
	(void)pid;
	must(fd == 7);
	message_facts_init(out);
	return answers[((struct world *)arg)->dice % 5];
}

static void close_message(void *arg, int fd)
{
	(void)arg;
	must(fd == 7);
}

static bool alive(void *arg, const struct st_task *task)
{
	(void)task;
	return ((struct world *)arg)->dice & 2;
}

static void environment(void *arg, struct origin *o)
{
	static const char text[] =
		"SCRIPT_FILENAME=/srv/a/x.php\0HTTP_HOST=a.test\0REMOTE_ADDR=192.0.2.1";
	char *block = malloc(sizeof(text));

	must(block);
	memcpy(block, text, sizeof(text));
	if (((struct world *)arg)->dice & 4)
		origin_take_environment(o, block, sizeof(text));
	else
		free(block);
}

static int still_running(void *arg, const struct origin *o)
{
	(void)o;
	return ((struct world *)arg)->dice % 3 - 1;
}

/* Few of each, so that records meet. */
static void tame(struct st_task *t)
{
	t->tgid &= 7;
	t->start = t->tgid;
	t->pad = 0;
}

static void make_plausible(uint8_t *bytes, size_t len, uint8_t type)
{
	struct st_header *h = (struct st_header *)bytes;

	h->type = type;
	h->abi = ST_ABI;
	h->size = (uint32_t)len;
	tame(&h->task);
	if (type == ST_ORIGIN) {
		((struct st_origin *)bytes)->id &= 7;
		((struct st_origin *)bytes)->parent &= 7;
		tame(&((struct st_origin *)bytes)->child);
	} else if (type == ST_FORK) {
		((struct st_fork *)bytes)->origin &= 7;
		((struct st_fork *)bytes)->injection &= 7;
		tame(&((struct st_fork *)bytes)->child);
	} else if (type == ST_EXEC) {
		((struct st_exec *)bytes)->origin &= 7;
		((struct st_exec *)bytes)->injection &= 7;
	} else if (type == ST_QUEUE) {
		((struct st_queue *)bytes)->queue &= 7;
		((struct st_queue *)bytes)->op = 1u << (((struct st_queue *)bytes)->op & 3);
		((struct st_queue *)bytes)->origin &= 7;
		((struct st_queue *)bytes)->injection &= 7;
	}
}

static void read_all(const struct record *r)
{
	struct st_str s = {.off = (uint16_t)r->h->time, .len = r->h->task.tgid & 0x7fff};
	struct text t = record_text(r, s);
	char out[256];

	must(t.s && (!t.len || (t.s >= r->data && t.s + t.len <= r->data + r->data_len)));
	if (record_path(r, s, out, sizeof(out)) == 0)
		must(memchr(out, 0, sizeof(out)));
	if (record_queue_name(r, s, out, sizeof(out)) == 0)
		must(!strstr(out, "/../") && memchr(out, 0, sizeof(out)));
	if (r->h->type == ST_ORIGIN) {
		struct origin *o = NULL;
		struct primary primary;

		if (origin_new(r, &o) == 0) {
			origin_primary(o, &primary);
			origin_free(o);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = {.attribute = {.user = user,
					.php_version = version,
					.program_at = program_at,
					.program = program,
					.vhost = vhost,
					.origin = by_id,
					.container = container,
					.arg = &w}};
	const struct correlate_ops ops = {.queued = on_queued,
					  .attempted = on_attempted,
					  .removed = on_removed,
					  .counted = on_counted,
					  .connected = on_connected,
					  .open = open_message,
					  .facts = read_facts,
					  .close = close_message,
					  .program = program,
					  .alive = alive,
					  .environment = environment,
					  .still_running = still_running,
					  .orphaned = on_orphaned,
					  .arg = &w};
	struct mta_queue queues[5] = {0};
	struct input in = {data, size};
	uint64_t now = 1000000000;

	for (size_t i = 0; i < 5; i++)
		queues[i] = (struct mta_queue){
			.mta = mta_all[i], .directory = "/q", .inner = "/q", .fd = -1, .split = 23};
	must(correlate_new(&ops, queues, 5, &w.c) == 0);
	while (in.left > 4) {
		uint8_t type = take_byte(&in), how = take_byte(&in);
		size_t len = take_byte(&in) | (size_t)take_byte(&in) << 8;
		static uint64_t room[8192 / 8];
		uint8_t *bytes = (uint8_t *)room;
		struct input part;
		struct record r;

		type %= ST_TYPE_COUNT + 1;
		len = type < ST_TYPE_COUNT ? sizes[type] + (len & 1023) : len & 8191;
		part = take(&in, len);
		if (part.left < len && !(how & 1))
			len = part.left; /* truncated */
		memset(bytes, 0, len);
		memcpy(bytes, part.at, part.left < len ? part.left : len);
		if (!(how & 2) && type && type < ST_TYPE_COUNT && len >= sizes[type])
			make_plausible(bytes, len, type);
		w.dice = how >> 2;
		/* exactly as long as it is, for the sanitizer */
		bytes = malloc(len ? len : 1);
		must(bytes);
		memcpy(bytes, room, len);
		if (record_decode(bytes, len, &r) == 0) {
			read_all(&r);
			correlate_record(w.c, &r);
		}
		free(bytes);
		if (how & 0x80)
			correlate_tick(w.c, now += 700000000);
	}
	correlate_flush(w.c);
	correlate_free(w.c);
	return 0;
}
