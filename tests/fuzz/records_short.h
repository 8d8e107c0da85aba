/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of a few bytes each, from tables of what hosts have: names of queue files, programs,
 * scripts. So a change of one byte is another story, not another string.
 */
#ifndef ST_FUZZ_RECORDS_SHORT_H
#define ST_FUZZ_RECORDS_SHORT_H

#include "records_world.h"

/* One record, its strings behind its struct. */
struct short_record {
	_Alignas(8) uint8_t bytes[sizeof(struct st_origin) + 1024];
	size_t fixed, len;
};

/* Of every MTA, each with its next step and with another message's; the queues that one belongs to
 * take the others' for strangers. */
static const char *const queue_names[] = {
	"mess/1/55",
	"todo/55",
	"intd/55",
	"mess/1/56",
	"todo/56",
	"intd/56",
	"maildrop/6F3D2A0C1",
	"maildrop/1234.202",
	"incoming/7A1B22C0D3",
	"incoming/99.400",
	"active/7A1B22C0D3",
	"deferred/7/7A1B22C0D3",
	"maildrop/701C41B9E2",
	"incoming/7092A1B9E2",
	"active/7092A1B9E2",
	"1rAbCd-00003G-00-H",
	"hdr.1rAbCd-00003G-00",
	"1rAbCd-00003H-00-H",
	"hdr.1rAbCd-00003H-00",
	"../msglog/1rAbCd-00003G-00",
	"qf6ALIxnvF028821",
	"tf6ALIxnvF028821",
	"Qf6ALIxnvF028821",
	"hf6ALIxnvF028821",
	"qf6ALIxnvF028822",
	"df6ALIxnvF028822",
	"queue/1795287642.29413",
	"tmp/29413",
	"failed/1795287642.29413",
	"queue/1795287643.29414",
	"/q/todo/55",
	"/q1//incoming/./7A1B22C0D3",
};

static const char *const message_ids[] = {"",
					  "55",
					  "6F3D2A0C1",
					  "7A1B22C0D3",
					  "7092A1B9E2",
					  "1rAbCd-00003G-00",
					  "6ALIxnvF028821",
					  "6ALIxnvF028822"};

#define CHOOSE(table, n) ((table)[(n) % (sizeof(table) / sizeof((table)[0]))])

/* One of a few processes; a pid may be used again. */
static struct st_task short_task(uint8_t b)
{
	uint32_t tgid = 201 + (b & 3);

	return (struct st_task){.tgid = tgid, .start = 1000u * (1 + (b >> 2 & 1)) + tgid};
}

static void *short_begin(struct short_record *r, const struct world *w, enum st_type type,
			 size_t fixed, struct st_task task)
{
	struct st_header *h = (struct st_header *)r->bytes;

	memset(r->bytes, 0, fixed);
	*h = (struct st_header){.type = (uint16_t)type,
				.abi = ST_ABI,
				.size = (uint32_t)fixed,
				.time = w->now,
				.task = task};
	r->fixed = r->len = fixed;
	return h;
}

static struct st_str short_bytes(struct short_record *r, const void *bytes, size_t len)
{
	struct st_str s = {.off = (uint16_t)(r->len - r->fixed), .len = len & 0x7fff};

	must(r->len + len <= sizeof(r->bytes));
	memcpy(r->bytes + r->len, bytes, len);
	r->len += len;
	((struct st_header *)r->bytes)->size = (uint32_t)r->len;
	return s;
}

static struct st_str short_text(struct short_record *r, const char *s)
{
	return s ? short_bytes(r, s, strlen(s)) : (struct st_str){0};
}

static void short_origin(struct short_record *r, const struct world *w, struct input *in)
{
	static const char *const scripts[] = {"/srv/a/x.php", "/srv/b/y.php", "x.php", NULL};
	static const char *const functions[] = {"mail", "pfsockopen", "stream_socket_client", NULL};
	uint8_t who = take_byte(in), ids = take_byte(in), what = take_byte(in);
	struct st_origin *o =
		short_begin(r, w, ST_ORIGIN, sizeof(struct st_origin), short_task(who & 7));

	o->id = 1 + (ids & 7);
	o->parent = ids >> 3 & 7;
	o->why = 1 + (ids >> 6);
	if (o->why == ST_BY_FORK)
		o->child = short_task(who >> 4);
	o->sapi = what & 7;
	o->uid = o->euid = 33;
	o->flags = what & 8 ? ST_O_REQUEST | ST_O_SCRIPT_SG : ST_O_REQUEST;
	o->script = short_text(r, CHOOSE(scripts, what >> 4));
	o->host = short_text(r, "a.test");
	o->frames = 1;
	o->frame[0] = (struct st_frame){.type = ST_FRAME_USER, .line = 7, .file = o->script};
	o->frame[0].function = short_text(r, CHOOSE(functions, what >> 6));
}

static void short_env(struct short_record *r, const struct world *w, struct input *in)
{
	static const char text[] = "GATEWAY_INTERFACE=CGI/1.1\0SCRIPT_FILENAME=/srv/a/x.cgi\0"
				   "REDIRECT_HANDLER=x\0PATH_TRANSLATED=/srv/a/x.y\0"
				   "HTTP_HOST=a.test\0REMOTE_ADDR=192.0.2.1";
	uint8_t ids = take_byte(in);
	struct st_env *e = short_begin(r, w, ST_ENV, sizeof(*e), short_task(ids >> 3 & 7));
	size_t half = sizeof(text) / 2;

	e->origin = 1 + (ids & 7);
	e->total = sizeof(text);
	if (ids & 0x40) {
		e->at = (uint32_t)half;
		e->env = short_bytes(r, text + half, sizeof(text) - half);
	} else {
		e->env = short_bytes(r, text, ids & 0x80 ? half : sizeof(text));
	}
}

static void short_fork(struct short_record *r, const struct world *w, struct input *in)
{
	uint8_t who = take_byte(in), ids = take_byte(in);
	struct st_fork *f = short_begin(r, w, ST_FORK, sizeof(*f), short_task(who & 7));

	f->child = short_task(who >> 4);
	f->origin = ids & 7;
	f->injection = ids >> 4 & 7;
}

static void short_exec(struct short_record *r, const struct world *w, struct input *in)
{
	uint8_t who = take_byte(in), ids = take_byte(in);
	uint8_t number = take_byte(in) % PROGRAMS;
	struct st_exec *e = short_begin(r, w, ST_EXEC, sizeof(struct st_exec), short_task(who & 7));

	e->origin = ids & 7;
	e->injection = ids >> 4 & 7; /* 0 is never sent */
	if (!e->injection)
		e->injection = 8;
	e->program = FIRST_PROGRAM + number;
	e->role = programs[number].role;
	e->uid = e->euid = 33;
	e->nspid = e->h.task.tgid;
	e->exe = (struct st_inode){.ino = 1u + number, .dev = 1};
	e->filename = short_text(r, programs[number].path);
	e->args = short_bytes(r, programs[number].args, programs[number].args_len);
	e->cwd = short_text(r, "srv");
	if (who & 8) {
		static const char env[] =
			"TCPREMOTEIP=127.0.0.1\0TCPREMOTEPORT=40000\0RELAYCLIENT=";

		e->env = short_bytes(r, env, sizeof(env));
	}
	if (who & 16)
		e->script = short_bytes(r, "perl\0/srv/a/x.pl", sizeof("perl\0/srv/a/x.pl"));
}

static void short_exit(struct short_record *r, const struct world *w, struct input *in)
{
	uint8_t who = take_byte(in);
	struct st_exit *e = short_begin(r, w, ST_EXIT, sizeof(*e), short_task(who & 7));

	e->code = (who & 8 ? 256u : 0) | (who & 16 ? 9u : 0);
}

static void short_queue(struct short_record *r, struct world *w, struct input *in)
{
	uint8_t who = take_byte(in), where = take_byte(in), what = take_byte(in);
	uint8_t old = take_byte(in), how = take_byte(in);
	struct st_queue *q =
		short_begin(r, w, ST_QUEUE, sizeof(struct st_queue), short_task(who & 7));
	static const char *const peers[] = {"", "pickup", "smtpd", "bounce"};
	static const char *const comms[] = {"sendmail", "pickup", "qmail-clean", ""};
	const char *name = CHOOSE(queue_names, what), *comm = CHOOSE(comms, how >> 2);

	q->op = 1u << (where & 3);
	q->queue = where >> 2 & 7;
	q->origin = who >> 3 & 7;
	q->injection = where >> 5;
	q->name = short_text(r, name);
	q->old = old & 0x80 ? (struct st_str){0} : short_text(r, CHOOSE(queue_names, old));
	q->flags = name[0] == '/' ? ST_Q_ABSOLUTE : old & 0x40 ? ST_Q_OLD_FOREIGN : 0;
	if (w->late && !(who & 0x40)) {
		q->h.task.start = 0;
		q->origin = q->injection = 0;
		memcpy(w->comm, comm, strlen(comm) + 1);
		w->nspid = who & 0x80 ? 202 : 0;
		if (how & 0x80)
			q->flags |= ST_Q_FOUND_NEW;
		return;
	}
	q->uid = q->euid = old & 0x20 ? 44 : 33;
	q->nspid = who & 0x80 ? 202 : 0; /* that of the first Exim id */
	memcpy(q->comm, comm, strlen(comm));
	memcpy(q->peer, CHOOSE(peers, how), strlen(CHOOSE(peers, how)));
	if (how & 0x10) {
		q->peer_family = 4;
		q->peer_port = (uint16_t)(40000 + (how >> 5 & 1));
		q->peer_addr[0] = how & 0x40 ? 192 : 127;
		q->peer_addr[3] = 1;
	}
}

static void short_connect(struct short_record *r, const struct world *w, struct input *in)
{
	static const uint8_t states[] = {2, 1, 7, 1};
	uint8_t who = take_byte(in), ids = take_byte(in);
	struct st_connect *k = short_begin(r, w, ST_CONNECT, sizeof(*k), short_task(who & 7));
	uint8_t which = who >> 5 & 1;

	k->state = CHOOSE(states, who >> 3);
	k->origin = ids & 7;
	k->injection = ids >> 4 & 7;
	k->sock = 0x1000u + (ids >> 3 & 1);
	k->family = who & 0x80 ? 6 : 4;
	k->saddr[0] = k->daddr[0] = who & 0x40 ? 192 : 127;
	k->saddr[3] = k->daddr[3] = 1;
	k->sport = (uint16_t)(40000 + which);
	k->dport = 25;
}

/* What every file says from now on. */
static void set_facts(struct message_facts *f, struct input *in)
{
	uint8_t what = take_byte(in), ids = take_byte(in), more = take_byte(in);
	struct input text = take(in, take_byte(in) & 63);

	message_facts_init(f);
	f->local = what & 1;
	f->from_network = what & 2;
	f->bounce = what & 4;
	f->authenticated = what & 8;
	f->forward = what & 16;
	f->has_sender = what & 32;
	if (what & 64) {
		f->client_port = (uint16_t)(40000 + (more & 1));
		strcpy(f->client_ip, more & 2 ? "IPv6:::1" : "127.0.0.1");
	}
	strcpy(f->parent_id, CHOOSE(message_ids, ids));
	strcpy(f->first_id, CHOOSE(message_ids, ids >> 4));
	f->uid = more & 4 ? 33 : COUNT_UNKNOWN;
	f->recipients = more & 8 ? more : COUNT_UNKNOWN;
	f->bytes = more & 16 ? INT64_MAX : COUNT_UNKNOWN;
	memcpy(f->sender, text.at, text.left);
	memcpy(f->subject, text.at, text.left);
	if (more & 32)
		memcpy(f->from, text.at, text.left);
	if (more & 64)
		memcpy(f->auth_user, text.at, text.left);
	if (more & 128)
		memcpy(f->php_script, "7:x.php", 8);
}

#endif
