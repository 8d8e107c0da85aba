// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stream of ring records through decode, origins, correlation, attribution and every output.
 * Records are whole, byte by byte, with types, sizes and identities made plausible, or short (see
 * records_short.h); between them time passes, rounds end, records are lost and memory runs out.
 */
#include "fuzz.h"

#include "records_references.h"
#include "records_short.h"

static const size_t sizes[ST_TYPE_COUNT] = {
	[ST_ORIGIN] = sizeof(struct st_origin), [ST_FORK] = sizeof(struct st_fork),
	[ST_EXEC] = sizeof(struct st_exec),     [ST_EXIT] = sizeof(struct st_exit),
	[ST_QUEUE] = sizeof(struct st_queue),   [ST_CONNECT] = sizeof(struct st_connect),
	[ST_OPEN] = sizeof(struct st_open),     [ST_IMAGE] = sizeof(struct st_image),
	[ST_ENV] = sizeof(struct st_env),
};

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
	} else if (type == ST_ENV) {
		((struct st_env *)bytes)->origin &= 7;
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

static void feed(struct world *w, const uint8_t *bytes, size_t len)
{
	/* exactly as long as it is, for the sanitizer */
	uint8_t *copy = malloc(len ? len : 1);
	struct record r;

	must(copy);
	memcpy(copy, bytes, len);
	if (record_decode(copy, len, &r) == 0) {
		read_all(&r);
		/* known beforehand, for its time or before others */
		if (w->late && r.h->type == ST_QUEUE && (w->dice & 4))
			correlate_foresee(w->c, &r);
		if (!w->late || (w->dice & 12) != 12)
			correlate_record(w->c, &r);
		w->begun = true;
	}
	free(copy);
}

static void whole_record(struct world *w, struct input *in, uint8_t type)
{
	static uint64_t room[8192 / 8];
	uint8_t how = take_byte(in), *bytes = (uint8_t *)room;
	size_t len = take_byte(in);
	struct input part;

	len |= (size_t)take_byte(in) << 8;
	type %= ST_TYPE_COUNT + 1;
	len = type < ST_TYPE_COUNT ? sizes[type] + (len & 1023) : len & 8191;
	part = take(in, len);
	if (part.left < len && !(how & 1))
		len = part.left; /* truncated */
	memset(bytes, 0, len);
	memcpy(bytes, part.at, part.left < len ? part.left : len);
	if (!(how & 2) && type && type < ST_TYPE_COUNT && len >= sizes[type])
		make_plausible(bytes, len, type);
	w->dice = how >> 2;
	feed(w, bytes, len);
	if (how & 0x80)
		correlate_tick(w->c, w->now += 700000000, correlate_losses(w->c));
}

static void short_record(struct world *w, struct input *in, uint8_t type)
{
	static struct short_record r;

	w->now += 1000;
	switch (type % 9) {
	case 0:
		short_origin(&r, w, in);
		break;
	case 1:
		short_env(&r, w, in);
		break;
	case 2:
		short_fork(&r, w, in);
		break;
	case 3:
		short_exec(&r, w, in);
		break;
	case 4:
		short_exit(&r, w, in);
		break;
	case 5:
	case 6:
		short_queue(&r, w, in);
		break;
	case 7:
		short_connect(&r, w, in);
		break;
	case 8: /* the same again */
		if (!r.len || !w->begun)
			return;
	}
	feed(w, r.bytes, r.len);
}

/* A count of a queue that agrees with the hooks, or does not. */
static void sample(struct world *w, uint8_t which)
{
	struct balance *b = &w->balances[which % QUEUES];
	const struct balance_totals before = b->totals;
	const struct queue_counts counts = {.messages = which >> 3,
					    .unprocessed = which >> 6,
					    .held = COUNT_UNKNOWN,
					    .partial = which & 0x80 ? COUNT_UNKNOWN : which >> 5};
	struct queue_event e;

	balance_blurred(b, &before, &counts);
	balance_sample(b, &before, which == 0xff ? NULL : &counts, which == 0xff ? "gone" : NULL,
		       w->now, &e);
	output_queue(&w->out, &e);
}

static void set_output(struct output *o, uint8_t how)
{
	static const unsigned columns[] = {120, 80, 20, 300};

	o->context = (struct json_context){
		.host = "host",
		.redactor = how & 1 ? &o->redactor : NULL,
		.unwritten = how & 2 ? how : 0,
	};
	if (!o->tally)
		o->options = (struct table_options){.terminal = how & 4,
						    .columns = columns[how >> 3 & 3],
						    .verbose = how & 32,
						    .by = (how >> 6) % BY_COUNT};
	else
		table_resized(o->table, columns[how >> 3 & 3]);
}

/* What happens between records. */
static void happen(struct world *w, uint8_t what, uint8_t how)
{
	static const char *const daemons[] = {NULL, "pickup", "smtpd", "bounce"};

	switch (what % 16) {
	case 0: /* only before the first record */
		if (!w->begun && !w->late)
			correlate_set_late(w->c);
		w->late |= !w->begun;
		break;
	case 1:
		if (w->late)
			correlate_settle(w->c);
		break;
	case 2:
		w->now += 1ULL << (how & 63);
		break;
	case 3:
		w->now -= 1ULL << (how & 63);
		break;
	case 4:
	case 5:
		correlate_tick(w->c, w->now += how * 100000000ULL, correlate_losses(w->c));
		break;
	case 6:
		correlate_tick(w->c, w->now - (1ULL << (how & 63)), correlate_losses(w->c));
		break;
	case 7:
		correlate_flush(w->c);
		break;
	case 8:
		w->lost += how;
		break;
	case 9:
		memory.after = how & 31;
		memory.refuse = 1 + (how >> 5);
		break;
	case 10:
		w->again = how;
		break;
	case 11:
		w->daemon = CHOOSE(daemons, how);
		w->mailbox = how & 4 ? "user@a.test" : NULL;
		break;
	case 12:
		w->dice = how;
		break;
	case 13:
		set_output(&w->out, how);
		break;
	case 14:
		sample(w, how);
		break;
	case 15:
		output_summary(&w->out, ACTION_TRACE_STARTED, w->balances, QUEUES, w->lost);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct input in = {data, size};

	memset(&memory, 0, sizeof(memory));
	json_set_alloc_funcs(memory_for_json, free);
	world_begin(&w);
	while (in.left > 1) {
		uint8_t type = take_byte(&in);

		if (type < 0x80)
			whole_record(&w, &in, type);
		else if (type < 0xc0)
			short_record(&w, &in, type & 0x3f);
		else if (type == 0xff)
			set_facts(&w.facts, &in);
		else
			happen(&w, type & 0x3f, take_byte(&in));
		check_references(w.c);
	}
	memory.refuse = 0;
	world_end(&w);
	return 0;
}
