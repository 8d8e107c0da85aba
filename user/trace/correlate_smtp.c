// SPDX-License-Identifier: GPL-2.0-only
/*
 * SMTP sessions that scripts open, and the messages that come over them. Every MTA but Sendmail
 * records the client's port with the message (Postfix: client_port in the queue file, Exim:
 * -host_address, qmail: TCPREMOTEPORT in qmail-queue's environment); of Sendmail the socket of the
 * committing process tells. The kernel says which socket had that port, and who opened it. No
 * packet is looked at, so TLS makes no difference.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "trace/correlate_internal.h"

enum {
	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT = 2,
	STATE_CLOSE = 7
}; /* enum tcp_state, include/net/tcp_states.h */

/* A message is committed before its session ends, but its record may be read a little later. */
#define KEEP_CLOSED_NS 30000000000ULL

/*
 * How long a connection that had to be forgotten while it was open is reckoned with. None of the
 * servers waits longer for a client's next word (Sendmail's Timeout.command: 1 h); one that brings
 * messages after that is as one that was opened before tracing.
 */
#define FORGOTTEN_NS (3600 * NS_PER_S)

/*
 * What fanotify tells has the time when it was read, which is that much after it happened, and so
 * perhaps after the session's end. The port is not another client's so soon: the kernel gives ports
 * out in turn (__inet_hash_connect(), net/ipv4/inet_hashtables.c).
 */
#define LATE_NS 250000000ULL

static void make_key(struct session_key *k, unsigned family, const uint8_t addr[16], uint16_t port,
		     uint32_t netns)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	memset(k, 0, sizeof(*k));
	k->port = port;
	if (family == 6 && !memcmp(addr, mapped, sizeof(mapped))) {
		k->family = 4;
		memcpy(k->addr, addr + 12, 4);
	} else {
		k->family = (uint16_t)family;
		memcpy(k->addr, addr, family == 4 ? 4 : 16);
	}
	if (is_loopback(k))
		k->netns = netns;
}

static void leave_open(struct correlate *c, struct smtp_session *s)
{
	HASH_DELETE(by_sock, c->by_sock, s);
	DL_DELETE(c->open, s);
	s->open = false;
}

static void session_drop(struct correlate *c, struct smtp_session *s)
{
	HASH_DEL(c->sessions, s);
	if (s->open) {
		leave_open(c, s);
	} else {
		DL_DELETE(c->closed, s);
		c->closed_count--;
	}
	origin_put(c, s->origin);
	injection_put(c, s->injection);
	free(s);
}

/* How much later than a session's end the commit of its last message may seem to be. */
static uint64_t lateness(const struct correlate *c)
{
	return c->late ? LATE_NS : 0;
}

static void session_close(struct correlate *c, struct smtp_session *s, uint64_t time)
{
	leave_open(c, s);
	s->closed = time;
	DL_APPEND(c->closed, s);
	c->closed_count++;
	/* Most had no message, or have given it its name. It is a loss when one asks for it. */
	while (c->closed_count > c->limits.closed) {
		forgotten_note(&c->forgotten, &c->closed->key, c->closed->closed + lateness(c));
		session_drop(c, c->closed);
	}
}

/* The open one of that socket. */
static struct smtp_session *by_sock(const struct correlate *c, uint64_t sock)
{
	struct smtp_session *s = NULL;

	HASH_FIND(by_sock, c->by_sock, &sock, sizeof(sock), s);
	return s;
}

/*
 * The number of a socket is one connection's at a time, and so is that of its port to one
 * destination: of what had them the end was lost, or it is over. But connections to two
 * destinations (127.0.0.1 and 127.0.0.2) can have the same port, and a message does not say to
 * which of them it came: then it may be of either. Returns whether that may be so.
 */
static bool end_those_before(struct correlate *c, const struct session_key *key, uint64_t sock,
			     uint64_t time)
{
	struct smtp_session *s = by_sock(c, sock);
	bool shared;

	if (s)
		session_close(c, s, time);
	HASH_FIND(hh, c->sessions, key, sizeof(*key), s);
	if (!s)
		return false;
	shared = s->shared || (s->open && !correlate_lost_beyond(c, s->lost_before));
	session_drop(c, s);
	return shared;
}

static int session_add(struct correlate *c, const struct st_connect *k, struct origin *o,
		       struct injection *i)
{
	struct session_key key;
	struct smtp_session *s;
	bool shared;

	make_key(&key, k->family, k->saddr, k->sport, k->netns);
	shared = end_those_before(c, &key, k->sock, k->h.time);
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->key = key;
	s->sock = k->sock;
	s->open = true;
	s->opened = k->h.time;
	s->lost_before = correlate_lost_before(c, s->opened);
	s->origin = origin_ref(o);
	s->origin_lost = k->origin && !o;
	s->shared = shared;
	s->injection = i;
	if (i)
		i->refs++;
	HASH_ADD(hh, c->sessions, key, sizeof(s->key), s);
	HASH_ADD(by_sock, c->by_sock, sock, sizeof(s->sock), s);
	DL_APPEND(c->open, s);
	if (HASH_CNT(by_sock, c->by_sock) > c->limits.open) {
		c->stats.sessions_forgotten++;
		forgotten_note(&c->forgotten, &c->open->key, k->h.time + FORGOTTEN_NS);
		session_drop(c, c->open);
	}
	return 0;
}

int correlate_connect(struct correlate *c, const struct record *r)
{
	const struct st_connect *k = (const struct st_connect *)r->h;
	/* held, because a session that is replaced may be the last that has them */
	struct origin *o = origin_get(c, k->origin);
	struct injection *i = injection_find(c, k->injection);
	struct smtp_session *s;
	int err = 0;

	if (i)
		i->refs++;
	if (k->state == STATE_ESTABLISHED)
		err = session_add(c, k, o, i);
	/* what an injector says to its own MTA is part of the injection */
	if (!k->injection)
		c->ops.connected(c->ops.arg, k, o);
	if (k->state == STATE_CLOSE) {
		s = by_sock(c, k->sock);
		if (s) {
			s->end_seen = true;
			session_close(c, s, k->h.time);
		}
	}
	/* its session holds the origin now, or it has none */
	if (o && !err && k->state != STATE_SYN_SENT)
		origin_connected(c, o);
	injection_put(c, i);
	origin_put(c, o);
	return err;
}

static bool client_of(const struct waiting *w, struct session_key *key)
{
	const char *address = w->q.facts.client_ip;
	uint16_t port = w->port ? w->port : w->q.facts.client_port;
	uint8_t addr[16] = {0};

	if (!port)
		return false;
	if (w->family) {
		make_key(key, w->family, w->addr, port, w->q.actor.netns);
		return true;
	}
	if (!*address) /* Sendmail takes what its own submission program says for local */
		address = "127.0.0.1";
	if (!strncasecmp(address, "IPv6:", 5))
		address += 5;
	if (inet_pton(AF_INET, address, addr) == 1)
		make_key(key, 4, addr, port, w->q.actor.netns);
	else if (inet_pton(AF_INET6, address, addr) == 1)
		make_key(key, 6, addr, port, w->q.actor.netns);
	else
		return false;
	return true;
}

/* A connection that outlives its request may carry another request's mail. */
static const char *doubt_persistent(struct correlate *c, const struct smtp_session *s)
{
	const char *opened =
		s->origin && s->origin->frame_count ? s->origin->frames[0].function : NULL;

	if (!opened)
		return NULL;
	/* the first message may be a later request's, too, and that may have closed it */
	if (!strcmp(opened, "pfsockopen") &&
	    (!s->open || s->messages > 1 || c->ops.still_running(c->ops.arg, s->origin) != 1))
		return "it came over a persistent connection, which a later request may have used";
	if (!s->open || s->messages < 2)
		return NULL;
	if (!strcmp(opened, "stream_socket_client") &&
	    c->ops.still_running(c->ops.arg, s->origin) == 0)
		return "its connection outlived the request that opened it";
	return NULL;
}

static bool within(const struct smtp_session *s, uint64_t start)
{
	return start >= s->opened && start <= s->closed;
}

/*
 * A client need not wait for the answer to its message: by the time it is committed the connection
 * may have ended. But if a process that serves one client only began while there was the
 * connection, that is its client's.
 */
static bool served_it(const struct waiting *w, const struct smtp_session *s)
{
	const struct injection *i = w->q.injection;

	if (s->open || !s->end_seen || !w->q.queue->mta->one_client ||
	    w->q.time > s->closed + KEEP_CLOSED_NS)
		return false;
	return within(s, w->q.actor.task.start) ||
	       (i && i->run == RUN_SMTPD && within(s, i->task.start));
}

/* Of an operation that was told late: a local user can take the port at once, and names it himself.
 */
static bool began_later(struct correlate *c, const struct waiting *w, const struct smtp_session *s)
{
	if (served_it(w, s))
		return false;
	return !s->open && w->q.time > s->closed && w->q.facts.time_ns && c->ops.wall &&
	       w->q.facts.time_ns > c->ops.wall(c->ops.arg, s->closed);
}

/* It may be another connection's that had the port then: its end may be among what was lost, and
 * the port another's by the time of the message. */
static const char *doubt_port(const struct correlate *c, const struct smtp_session *s)
{
	if (!s->origin && !s->injection)
		return NULL;
	if (!s->end_seen && correlate_lost_beyond(c, s->lost_before))
		return "records were lost, and its port may have been used again";
	return s->shared ? "two connections had its port at the same time" : NULL;
}

/* The one that the message came over, which began before it and ended after it, or whose server's
 * process is known: else the port was somebody else's, whose record was lost or had to be
 * forgotten, or its own after its end. */
static struct smtp_session *session_of(struct correlate *c, struct waiting *w,
				       const struct session_key *key)
{
	struct smtp_session *s = NULL;

	HASH_FIND(hh, c->sessions, key, sizeof(*key), s);
	if (s && w->q.time >= s->opened &&
	    (s->open || w->q.time <= s->closed + lateness(c) || served_it(w, s)))
		return s;
	w->q.session_ended = s && w->q.time > s->opened;
	if (s ? w->q.time < s->opened : forgotten_may_be(&c->forgotten, key, w->q.time)) {
		w->q.session_forgotten = true;
		c->stats.sessions_forgotten++;
	}
	return NULL;
}

void correlate_join_session(struct correlate *c, struct waiting *w)
{
	struct smtp_session *s;
	struct session_key key;

	if (w->q.session || !client_of(w, &key))
		return;
	if (w->family && !is_loopback(&key))
		inet_ntop(key.family == 4 ? AF_INET : AF_INET6, key.addr, w->q.client_ip,
			  sizeof(w->q.client_ip));
	s = session_of(c, w, &key);
	if (!s)
		return;
	s->messages++;
	if (!w->q.doubt)
		w->q.doubt = doubt_port(c, s);
	if (s->origin_lost)
		w->q.origin_lost = true;
	if (s->injection && !w->q.injection && correlate_pickup_run(c, w, s->injection))
		return;
	if (s->injection && !w->q.injection) {
		w->q.injection = s->injection;
		s->injection->refs++;
		s->injection->commits++;
		correlate_pickup_joined(c, w);
		return;
	}
	w->q.session = origin_ref(s->origin);
	if (!w->q.doubt)
		w->q.doubt = began_later(c, w, s)
				     ? "its port was used again right after the connection"
				     : doubt_persistent(c, s);
	/* the port is what the server's environment said: of one that its own user did not start */
	if (!w->q.doubt && w->port && !w->family && w->q.facts.local)
		w->q.doubt =
			"its SMTP server, which names the connection, ran as a user of its own";
}

void correlate_forget_sessions(struct correlate *c, uint64_t now)
{
	while (c->closed && now > c->closed->closed + KEEP_CLOSED_NS)
		session_drop(c, c->closed);
}

void correlate_sessions_free(struct correlate *c)
{
	while (c->sessions)
		session_drop(c, c->sessions);
}
