/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the tests of correlate: a host as far as correlate can tell. Processes come from the model in
 *trace_builders.h, queue files are a table of what facts() answers, and what correlate says is
 *written down as one line each:
 *
 *	queued ID [first ID] [session] SCRIPT|uid N|origin-lost|lost|unseen [nofacts[: unreadable]]
 *[forgotten] [ended] [(doubt)] attempted SCRIPT code N signal N [(why)] removed ID [aborted]
 *	connected SCRIPT|lost state N
 *
 * A story is told in lines: see step().
 */
#ifndef CORRELATE_WORLD_H
#define CORRELATE_WORLD_H

#include "trace_builders.h"

#include "trace/correlate.h"

#define FILES_MAX 8192

struct file {
	char id[QUEUE_ID_MAX];
	bool again, gone, denied, stale, local, network, bounce, authenticated;
	char mailbox[16];          /* that the log names */
	char daemon[16];           /* that the log names */
	char parent[QUEUE_ID_MAX]; /* that the file of a bounce names */
	char first[QUEUE_ID_MAX];  /* that it had in the submission queue */
	uint16_t port;             /* of an SMTP client, */
	char ip[48];               /* which is on this machine where this is "" */
	uint64_t time;             /* when it began; the wall's clock is the simulation's */
	int64_t uid;
	bool open;
};

struct world {
	struct sim sim;
	struct correlate *c;
	struct mta_queue queue[2];
	struct file file[FILES_MAX];
	size_t files;
	int open_files, still_running;
	unsigned opens; /* files that were looked for */
	size_t reads;   /* how often facts were asked for */
	unsigned asked; /* and the log for a message */
	uint64_t said;  /* by the log: lines */
	char log[1 << 20];
	size_t log_len;
	int64_t messages, in_flight, orphans;
	bool alive[SIM_PIDS];
	/* the property tests look at these instead of the log */
	void (*on_queued)(struct world *w, const struct queued *q);
	void (*on_attempted)(struct world *w, const struct injection *i);
	uint64_t records_lost;
	void *test;
};

static const struct {
	const char *path;
	enum st_role role;
	const struct mta *mta;
} world_programs[] = {
	{NULL, ST_ROLE_NONE, NULL},
	{"/var/qmail/bin/sendmail", ST_ROLE_INJECTOR, &mta_qmail},
	{"/var/qmail/bin/qmail-inject", ST_ROLE_INJECTOR, &mta_qmail},
	{"/var/qmail/bin/qmail-queue", ST_ROLE_INJECTOR, &mta_qmail},
	{"/var/qmail/bin/qmail-smtpd", ST_ROLE_SMTPD, &mta_qmail},
	{"/var/qmail/bin/qmail-send", ST_ROLE_MTA, &mta_qmail},
	{"/var/qmail/bin/qmail-local", ST_ROLE_MTA, &mta_qmail},
	{"/var/qmail/bin/qmail-qread", ST_ROLE_MTA, &mta_qmail},
	{"/var/qmail/bin/qmail-clean", ST_ROLE_MTA, &mta_qmail},
	{"/var/qmail/bin/qmail-remote", ST_ROLE_MTA, &mta_qmail},
	{"/usr/sbin/sendmail.postfix", ST_ROLE_INJECTOR, &mta_postfix},
	{"/usr/sbin/postdrop", ST_ROLE_INJECTOR, &mta_postfix},
	{"/usr/sbin/postqueue", ST_ROLE_MTA, &mta_postfix},
	{"/usr/lib/postfix/sbin/pickup", ST_ROLE_MTA, &mta_postfix},
	{"/usr/lib/postfix/sbin/cleanup", ST_ROLE_MTA, &mta_postfix},
	{"/usr/lib/postfix/sbin/bounce", ST_ROLE_MTA, &mta_postfix},
	{"/usr/lib/postfix/sbin/master", ST_ROLE_MTA, &mta_postfix},
	{"/usr/sbin/exim4", ST_ROLE_INJECTOR, &mta_exim},
	{"/usr/sbin/sendmail.sendmail", ST_ROLE_INJECTOR, &mta_sendmail},
};

static uint32_t world_program(const char *base)
{
	for (uint32_t i = 1; i < array_size(world_programs); i++)
		if (!strcmp(strrchr(world_programs[i].path, '/') + 1, base))
			return i;
	fail_msg("no program %s", base);
	return 0;
}

static struct file *world_file(struct world *w, const char *id)
{
	for (size_t i = 0; i < w->files; i++)
		if (!strcmp(w->file[i].id, id))
			return &w->file[i];
	assert_true(w->files < FILES_MAX);
	snprintf(w->file[w->files].id, QUEUE_ID_MAX, "%s", id);
	w->file[w->files].uid = COUNT_UNKNOWN;
	return &w->file[w->files++];
}

static void __attribute__((format(printf, 2, 3))) say(struct world *w, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(w->log + w->log_len, sizeof(w->log) - w->log_len, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && w->log_len + (size_t)n < sizeof(w->log));
	w->log_len += (size_t)n;
}

static void say_who(struct world *w, const struct injection *i, bool lost)
{
	if (!i)
		say(w, "%s", lost ? "lost" : "unseen");
	else if (i->origin)
		say(w, "%s", i->origin->script ? i->origin->script : "?");
	else if (i->origin_lost)
		say(w, "origin-lost");
	else
		say(w, "uid %u", i->uid);
}

static void world_queued(void *arg, const struct queued *q)
{
	struct world *w = arg;

	assert_true(!q->has_facts || !q->no_facts);
	if (w->on_queued) {
		w->on_queued(w, q);
		return;
	}
	say(w, "queued %s ", q->id);
	if (q->first_id[0])
		say(w, "first %s ", q->first_id);
	if (q->session)
		say(w, "session %s", q->session->script);
	else
		say_who(w, q->injection, q->origin_lost);
	if (q->no_facts)
		say(w,
		    strstr(q->no_facts, "could not be read") ? " nofacts: unreadable" : " nofacts");
	if (q->facts.parent_id[0])
		say(w, " bounces %s", q->facts.parent_id);
	if (q->actor.peer[0])
		say(w, " run %d", q->actor.run);
	if (q->facts.auth_user[0])
		say(w, " by %s%s", q->facts.auth_user, q->logged ? " (log)" : "");
	if (q->session_forgotten)
		say(w, " forgotten");
	if (q->session_ended)
		say(w, " ended");
	if (q->doubt)
		say(w, " (%s)", q->doubt);
	say(w, "\n");
}

static void world_attempted(void *arg, const struct injection *i, const char *why)
{
	struct world *w = arg;

	if (w->on_attempted) {
		w->on_attempted(w, i);
		return;
	}
	say(w, "attempted ");
	say_who(w, i, false);
	say(w, " code %d signal %d", i->exit_code, i->exit_signal);
	if (why)
		say(w, " (%s)", why);
	say(w, "\n");
}

static void world_removed(void *arg, const struct removed *r)
{
	struct world *w = arg;

	say(w, "removed %s%s%s%s\n", r->id, r->aborted ? " aborted" : "",
	    r->bounced ? " bounced" : "", r->by_tool ? " by tool" : "");
}

static void world_orphaned(void *arg, struct mta_queue *q, int change)
{
	struct world *w = arg;

	assert_non_null(q);
	w->orphans += change;
}

static void world_counted(void *arg, struct mta_queue *q, int change, bool in_flight)
{
	struct world *w = arg;

	assert_true(q == &w->queue[0] || q == &w->queue[1]);
	assert_true(change == 1 || change == -1 || (!change && !in_flight));
	*(in_flight ? &w->in_flight : &w->messages) += change;
}

static void world_connected(void *arg, const struct st_connect *c, const struct origin *o)
{
	say(arg, "connected %s state %u\n", o ? o->script : "lost", c->state);
}

static int world_open(void *arg, struct mta_queue *q, const char *id)
{
	struct world *w = arg;
	struct file *f = world_file(w, id);

	assert_non_null(q);
	w->opens++;
	if (f->gone || f->denied)
		return f->gone ? -ENOENT : -EMFILE;
	f->open = true;
	w->open_files++;
	return (int)(f - w->file) + 100;
}

static int world_facts(void *arg, struct mta_queue *q, int fd, const char *id, uint32_t pid,
		       struct message_facts *out)
{
	struct world *w = arg;
	struct file *f = &w->file[fd - 100];

	(void)q;
	(void)pid;
	w->reads++;
	assert_true(fd >= 100 && f->open);
	assert_string_equal(f->id, id);
	if (f->again)
		return -EAGAIN;
	if (f->stale)
		return -ESTALE;
	message_facts_init(out);
	out->local = f->local;
	out->from_network = f->network;
	out->bounce = f->bounce;
	out->authenticated = f->authenticated;
	strcpy(out->parent_id, f->parent);
	strcpy(out->first_id, f->first);
	out->uid = f->uid;
	out->client_port = f->port;
	out->time_ns = f->time;
	if (f->port)
		strcpy(out->client_ip, f->ip[0] ? f->ip : "127.0.0.1");
	return 0;
}

/* What the log says of a message whose file is gone: "daemon" of the file. */
static const char *world_daemon(void *arg, const struct queued *q, struct message_facts *out)
{
	struct world *w = arg;
	struct file *f = world_file(w, q->id);

	(void)out;
	w->asked++;
	return f->daemon[0] ? f->daemon : NULL;
}

/* What the log says of who logged in: "mailbox" of the file. */
static const char *world_mailbox(void *arg, const struct queued *q)
{
	struct world *w = arg;
	struct file *f = world_file(w, q->id);

	w->asked++;
	return f->mailbox[0] ? f->mailbox : NULL;
}

static uint64_t world_log_said(void *arg)
{
	return ((struct world *)arg)->said;
}

static void world_close(void *arg, int fd)
{
	struct world *w = arg;

	assert_true(w->file[fd - 100].open);
	w->file[fd - 100].open = false;
	w->open_files--;
}

static const char *world_program_path(void *arg, uint32_t program, const struct mta **mta)
{
	(void)arg;
	*mta = NULL;
	if (program >= array_size(world_programs))
		return NULL;
	*mta = world_programs[program].mta;
	return world_programs[program].path;
}

static void world_environment(void *arg, struct origin *o)
{
	(void)arg;
	(void)o;
}

static int world_still_running(void *arg, const struct origin *o)
{
	struct world *w = arg;

	(void)o;
	return w->still_running;
}

static uint64_t world_wall(void *arg, uint64_t boot)
{
	(void)arg;
	return boot;
}

static bool world_alive(void *arg, const struct st_task *task)
{
	struct world *w = arg;
	struct st_task now = sim_key(&w->sim, task->tgid);

	return now.start == task->start && !w->sim.task[task->tgid].dead &&
	       !w->sim.task[task->tgid].dying;
}

static uint64_t world_lost(void *arg)
{
	return ((struct world *)arg)->sim.lost;
}

static void world_record(void *arg, const struct rec *r)
{
	struct world *w = arg;
	struct record record = rec_record(r);

	correlate_record(w->c, &record);
}

static struct world *world_new(const struct mta *mta)
{
	struct world *w = calloc(1, sizeof(*w));
	struct correlate_ops ops = {
		.queued = world_queued,
		.attempted = world_attempted,
		.removed = world_removed,
		.counted = world_counted,
		.orphaned = world_orphaned,
		.connected = world_connected,
		.open = world_open,
		.facts = world_facts,
		.close = world_close,
		.daemon = world_daemon,
		.mailbox = world_mailbox,
		.log_said = world_log_said,
		.program = world_program_path,
		.environment = world_environment,
		.still_running = world_still_running,
		.wall = world_wall,
		.alive = world_alive,
		.lost = world_lost,
	};

	assert_non_null(w);
	ops.arg = w;
	for (int i = 0; i < 2; i++) {
		w->queue[i].mta = i ? &mta_exim : mta;
		snprintf(w->queue[i].directory, sizeof(w->queue[i].directory), "/spool%d", i);
		snprintf(w->queue[i].inner, sizeof(w->queue[i].inner), "/spool%d", i);
		w->queue[i].fd = -1;
	}
	w->sim.send = world_record;
	w->sim.arg = w;
	for (uint32_t i = 0; i < SIM_PIDS; i++)
		w->sim.task[i].uid = 33;
	assert_int_equal(correlate_new(&ops, w->queue, 2, &w->c), 0);
	return w;
}

static void world_free(struct world *w)
{
	correlate_free(w->c);
	assert_int_equal(w->open_files, 0);
	free(w);
}

static void world_exec(struct world *w, uint32_t pid, const char *base, const char *args)
{
	uint32_t program = world_program(base);
	char words[512];

	snprintf(words, sizeof(words), "%s%s%s", base, *args ? " " : "", args);
	sim_exec(&w->sim, pid, program, world_programs[program].role, world_programs[program].path,
		 words);
}

/*
 * One line of a story. "!" in front: its record is lost.
 *
 *	uid PID N			comm PID NAME		(a daemon that ran before)
 *	born PID	(a process begins now, and whoever forks later does by the clock)
 *	php PID CHILD SCRIPT		(a worker forks)
 *	cli PID CHILD SCRIPT		pcntl PID SCRIPT	(the worker execs in place)
 *	fork PID CHILD			exec PID PROGRAM [ARGS]
 *	die PID	(gone, but its records are still to be read)
 *	exit PID [CODE [SIGNAL]]	link|rename|create PID NEW [OLD], unlink PID NAME
 *	queue N				(what follows happens in queue N)
 *	file ID [again] [ready] [gone] [denied] [stale] [local] [network] [bounce] [parent ID]
 *[daemon NAME] file ID [first ID] [authenticated] [mailbox NAME] [uid N] [port N] [ip ADDRESS]
 *	connect PID PORT STATE [SCRIPT]	tick SECONDS
 *	peer 0 NAME	(cleanup has the next messages from this daemon)
 *	socket PORT	(who commits next holds an SMTP session from this port of 127.0.0.1)
 *	number N	(of the socket of the connections that follow; 0: every port has its own)
 *	function	(workers are in pfsockopen())
 *	login UID	(loginuid of who execs next)
 *	env NAME=VALUE	(and of its environment)
 *	flush				count	(messages and files in flight so far)
 *	orphans
 *	idle				(nothing may be kept any more)
 */
static void step_file(struct world *w, char *words)
{
	char *word = strtok(words, " ");
	struct file *f = world_file(w, word);

	while ((word = strtok(NULL, " "))) {
		w->said += !strcmp(word, "daemon") || !strcmp(word, "mailbox");
		if (!strcmp(word, "again"))
			f->again = true;
		else if (!strcmp(word, "ready"))
			f->again = false;
		else if (!strcmp(word, "gone"))
			f->gone = true;
		else if (!strcmp(word, "denied"))
			f->denied = true;
		else if (!strcmp(word, "stale"))
			f->stale = true;
		else if (!strcmp(word, "local"))
			f->local = true;
		else if (!strcmp(word, "network"))
			f->network = true;
		else if (!strcmp(word, "bounce"))
			f->bounce = true;
		else if (!strcmp(word, "parent"))
			snprintf(f->parent, sizeof(f->parent), "%s", strtok(NULL, " "));
		else if (!strcmp(word, "first"))
			snprintf(f->first, sizeof(f->first), "%s", strtok(NULL, " "));
		else if (!strcmp(word, "daemon"))
			snprintf(f->daemon, sizeof(f->daemon), "%s", strtok(NULL, " "));
		else if (!strcmp(word, "authenticated"))
			f->network = f->authenticated = true;
		else if (!strcmp(word, "mailbox"))
			snprintf(f->mailbox, sizeof(f->mailbox), "%s", strtok(NULL, " "));
		else if (!strcmp(word, "uid"))
			f->uid = atoi(strtok(NULL, " "));
		else if (!strcmp(word, "now"))
			f->time = w->sim.now + 1;
		else if (!strcmp(word, "ip"))
			snprintf(f->ip, sizeof(f->ip), "%s", strtok(NULL, " "));
		else if (!strcmp(word, "port"))
			f->port = (uint16_t)atoi(strtok(NULL, " "));
		else
			fail_msg("file: %s", word);
	}
}

static void step_idle(struct world *w)
{
	struct correlate_stats s;

	correlate_stats(w->c, &s);
	if (s.tasks || s.origins || s.injections || s.waiting)
		say(w, "kept %zu tasks %zu origins %zu injections %zu waiting\n", s.tasks,
		    s.origins, s.injections, s.waiting);
}

/* "connect PID PORT STATE [SCRIPT]"; SYN_SENT takes the snapshot of a PHP worker, which may be the
 * record that is lost. */
static void step_connect(struct world *w, uint32_t pid, const char *port, const char *rest)
{
	static uint64_t origin[65536];
	char script[64] = "";
	unsigned state = 0;
	uint16_t p = (uint16_t)atoi(port);

	sscanf(rest, "%u %63s", &state, script);
	if (state == 2)
		origin[p] =
			*script ? sim_origin(&w->sim, pid, pid, script, ST_SAPI_FPM, ST_BY_CONNECT)
				: w->sim.task[pid].origin;
	sim_connect(&w->sim, pid, origin[p], (uint8_t)state, p);
}

static void step(struct world *w, uint32_t *queue, const char *line)
{
	char verb[16], a[256] = "", b[256] = "", rest[256] = "", words[512];
	uint32_t pid = 0, child = 0;
	int at = 0;

	w->sim.lose = line[0] == '!';
	line += w->sim.lose;
	assert_int_equal(sscanf(line, "%15s %n", verb, &at), 1);
	snprintf(words, sizeof(words), "%s", line + at);
	sscanf(words, "%u %255s %255[^\n]", &pid, a, rest);
	sscanf(rest, "%255s", b);
	child = (uint32_t)strtoul(a, NULL, 10);
	if (!strcmp(verb, "uid"))
		w->sim.task[pid].uid = child;
	else if (!strcmp(verb, "comm"))
		snprintf(w->sim.task[pid].comm, 16, "%.15s", a);
	else if (!strcmp(verb, "born")) {
		w->sim.task[pid].start = w->sim.now;
		w->sim.timed = true;
	} else if (!strcmp(verb, "php"))
		sim_origin(&w->sim, pid, child, b, ST_SAPI_FPM, ST_BY_FORK);
	else if (!strcmp(verb, "cli"))
		sim_origin(&w->sim, pid, child, b, ST_SAPI_CLI, ST_BY_FORK);
	else if (!strcmp(verb, "pcntl"))
		sim_origin(&w->sim, pid, pid, a, ST_SAPI_CLI, ST_BY_EXEC);
	else if (!strcmp(verb, "fork"))
		sim_fork(&w->sim, pid, child);
	else if (!strcmp(verb, "exec"))
		world_exec(w, pid, a, rest);
	else if (!strcmp(verb, "exit"))
		sim_exit(&w->sim, pid, child << 8 | (uint32_t)strtoul(b, NULL, 10));
	else if (!strcmp(verb, "die"))
		w->sim.task[pid].dying = true;
	else if (!strcmp(verb, "link"))
		sim_queue(&w->sim, pid, *queue, ST_OP_LINK, a, *b ? b : NULL);
	else if (!strcmp(verb, "rename"))
		sim_queue(&w->sim, pid, *queue, ST_OP_RENAME, a, *b ? b : NULL);
	else if (!strcmp(verb, "create"))
		sim_queue(&w->sim, pid, *queue, ST_OP_CREATE, a, NULL);
	else if (!strcmp(verb, "unlink"))
		sim_queue(&w->sim, pid, *queue, ST_OP_UNLINK, a, NULL);
	else if (!strcmp(verb, "queue"))
		*queue = pid;
	else if (!strcmp(verb, "file"))
		step_file(w, words);
	else if (!strcmp(verb, "connect"))
		step_connect(w, pid, a, rest);
	else if (!strcmp(verb, "socket"))
		w->sim.socket = (uint16_t)pid;
	else if (!strcmp(verb, "number"))
		w->sim.sock = pid;
	else if (!strcmp(verb, "login"))
		w->sim.loginuid = pid;
	else if (!strcmp(verb, "env"))
		snprintf(w->sim.env, sizeof(w->sim.env), "%.63s", words);
	else if (!strcmp(verb, "function"))
		w->sim.function = "pfsockopen";
	else if (!strcmp(verb, "running"))
		w->still_running = (int)pid;
	else if (!strcmp(verb, "tick")) {
		w->sim.now += pid * 1000000000ULL;
		correlate_tick(w->c, w->sim.now, correlate_losses(w->c));
	} else if (!strcmp(verb, "wait")) /* milliseconds */
		w->sim.now += pid * 1000000ULL;
	else if (!strcmp(verb, "flush"))
		correlate_flush(w->c);
	else if (!strcmp(verb, "peer"))
		snprintf(w->sim.peer, sizeof(w->sim.peer), "%.15s", a);
	else if (!strcmp(verb, "orphans"))
		say(w, "orphans %d\n", (int)w->orphans);
	else if (!strcmp(verb, "count"))
		say(w, "count %d %d\n", (int)w->messages, (int)w->in_flight);
	else if (!strcmp(verb, "idle"))
		step_idle(w);
	else
		fail_msg("no such step: %s", line);
	w->sim.lose = false;
}

static void tell(struct world *w, const char *story)
{
	uint32_t queue = 0;

	while (*story) {
		size_t n = strcspn(story, "\n");
		char line[512];

		assert_true(n < sizeof(line));
		memcpy(line, story, n);
		line[n] = '\0';
		if (n)
			step(w, &queue, line);
		story += n + (story[n] == '\n');
	}
}

#endif
