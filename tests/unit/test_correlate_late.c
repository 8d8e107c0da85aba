// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queue operations that come late and without a start time (fanotify), in every order that a reader
 *can meet them in. Processes are those of correlate_world.h; their lineage lies in a ring and their
 *queue operations in a pipe of their own until a line says that they are read:
 *
 *	ring	all of the ring		read	operations from the pipe
 *	foresee	removals in it		take	what was read		settle
 *	round	ring, read, ring, foresee, take, settle
 */
#include "correlate_world.h"

#include "trace/correlate_internal.h"

#define PIPE_MAX 20000

static struct pipe {
	struct rec *rec[PIPE_MAX];
	size_t count;
} ring, pipe_, taken;

static struct actor known; /* what ops.actor answers; comm "" for nothing */

static struct rec *copy_of(const struct rec *r)
{
	struct rec *copy = malloc(sizeof(*copy));

	assert_non_null(copy);
	memcpy(copy->bytes, r->bytes, r->len);
	copy->fixed = r->fixed;
	copy->len = r->len;
	return copy;
}

/* In place of the ring's delivery: a queue operation loses what fanotify does not tell. */
static void hold(void *arg, const struct rec *r)
{
	struct rec *copy = copy_of(r);
	struct st_queue *q = (struct st_queue *)copy->bytes;
	struct pipe *to = q->h.type == ST_QUEUE ? &pipe_ : &ring;

	(void)arg;
	if (q->h.type == ST_QUEUE) {
		q->h.task.start = 0;
		q->origin = q->injection = 0;
		q->uid = q->euid = q->nspid = q->netns = 0;
		memset(q->comm, 0, sizeof(q->comm));
	}
	assert_true(to->count < PIPE_MAX);
	to->rec[to->count++] = copy;
}

static void deliver(struct world *w, struct pipe *p)
{
	for (size_t i = 0; i < p->count; i++) {
		struct record record = rec_record(p->rec[i]);

		correlate_record(w->c, &record);
		free(p->rec[i]);
	}
	p->count = 0;
}

static void read_pipe(void)
{
	for (size_t i = 0; i < pipe_.count; i++)
		taken.rec[taken.count++] = pipe_.rec[i];
	pipe_.count = 0;
}

static void foresee(struct world *w)
{
	for (size_t i = 0; i < taken.count; i++) {
		struct record r = rec_record(taken.rec[i]);

		if (((const struct st_queue *)r.h)->op == ST_OP_UNLINK)
			assert_int_equal(correlate_foresee(w->c, &r), 0);
	}
}

static void round_of(struct world *w)
{
	deliver(w, &ring);
	read_pipe();
	deliver(w, &ring);
	foresee(w);
	deliver(w, &taken);
	correlate_settle(w->c);
}

static struct world *late_world(const struct mta *mta)
{
	struct world *w = world_new(mta);

	w->sim.send = hold;
	correlate_set_late(w->c);
	memset(&known, 0, sizeof(known));
	return w;
}

static void late_free(struct world *w)
{
	while (ring.count)
		free(ring.rec[--ring.count]);
	while (pipe_.count)
		free(pipe_.rec[--pipe_.count]);
	while (taken.count)
		free(taken.rec[--taken.count]);
	world_free(w);
}

static void tell_late(struct world *w, const char *story)
{
	_free_ char *copy = strdup(story);
	uint32_t queue = 0;
	char *save = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strcmp(line, "ring"))
			deliver(w, &ring);
		else if (!strcmp(line, "read"))
			read_pipe();
		else if (!strcmp(line, "foresee"))
			foresee(w);
		else if (!strcmp(line, "take"))
			deliver(w, &taken);
		else if (!strcmp(line, "settle"))
			correlate_settle(w->c);
		else if (!strcmp(line, "round"))
			round_of(w);
		else
			step(w, &queue, line);
	}
}

#define SENDMAIL(pid)   "exec " pid " sendmail -t -i\n"
#define QUEUE(pid)      "exec " pid " qmail-queue\n"
#define COMMIT(pid, id) "link " pid " mess/1/" id "\nlink " pid " todo/" id "\n"

static const struct {
	const char *name, *story, *expect;
} stories[] = {
	{"all in one round",
	 "php 100 202 /a.php\n" QUEUE("202") COMMIT("202", "55") "exit 202\nround\nround\nidle\n",
	 "queued 55 /a.php\n"},
	{"the exit is read before the commit",
	 "php 100 202 /a.php\n" QUEUE("202")
		 COMMIT("202", "55") "exit 202\nring\nring\nread\ntake\n"
				     "settle\nround\nidle\n",
	 "queued 55 /a.php\n"},
	{"the commit falls between the reads of a round, and so does the exit",
	 "php 100 202 /a.php\n" QUEUE("202") "ring\nread\n" COMMIT(
		 "202", "55") "exit 202\nring\ntake\nsettle\nround\nround\nidle\n",
	 "queued 55 /a.php\n"},
	{"the exec is read after the commit",
	 "ring\nphp 100 202 /a.php\n" QUEUE("202")
		 COMMIT("202", "55") "read\nring\ntake\nsettle\nexit 202\nround\nround\nidle\n",
	 "queued 55 /a.php\n"},
	{"started and killed: an attempt, once nothing can come any more",
	 "php 100 202 /a.php\n" QUEUE("202") "exit 202 0 9\nring\nread\nring\ntake\nsettle\n", ""},
	{"and then it is one",
	 "php 100 202 /a.php\n" QUEUE("202") "exit 202 0 9\nround\nround\nidle\n",
	 "attempted /a.php code 0 signal 9\n"},
	{"the pid of one who failed is used again",
	 "php 100 202 /a.php\n" QUEUE("202") "exit 202 1\nphp 101 202 /b.php\n" QUEUE("202")
		 COMMIT("202", "55") "round\nexit 202\nround\nround\nidle\n",
	 "queued 55 /b.php (its process id was used twice within a moment)\n"
	 "attempted /a.php code 1 signal 0\n"},
	{"and again by one whose server names the connection",
	 "connect 101 40000 2 /a.php\nconnect 101 40000 1\nfile 55 network\nphp 100 202 "
	 "/b.php\n" QUEUE("202") "exit 202 1\nenv TCPREMOTEPORT=40000\nexec 300 qmail-smtpd\nfork "
				 "300 202\n" QUEUE("202")
					 COMMIT("202", "55") "round\nexit 202\nround\nround\n",
	 "connected /a.php state 2\nconnected /a.php state 1\n"
	 "queued 55 session /a.php (its process id was used twice within a moment)\n"
	 "attempted /b.php code 1 signal 0\n"},
	{"the pid of one who was killed is used again: either may have committed",
	 "php 100 202 /a.php\n" QUEUE("202") "exit 202 0 9\nphp 101 202 /b.php\n" QUEUE("202")
		 COMMIT("202", "55") "round\nexit 202\nround\nround\nidle\n",
	 "queued 55 unseen (its process id was used twice within a moment)\n"
	 "attempted /a.php code 0 signal 9\nattempted /b.php code 0 signal 0\n"},
	{"the pid of one who has committed is used by a bystander, then by one who commits",
	 "php 100 202 /a.php\n" QUEUE("202") COMMIT(
		 "202",
		 "55") "round\nexit 202\nphp 101 202 "
		       "/c.php\nexit 202\nphp 102 202 /b.php\n" QUEUE("202") COMMIT(
			       "202",
			       "56") "exit 202\n"
				     "php 103 202 /d.php\nround\nexit 202\nround\nround\nidle\n",
	 "queued 55 /a.php\n"
	 "queued 56 /b.php (its process id was used twice within a moment)\n"},
	{"the pid of a delivery that ended is used by one who commits",
	 "fork 60 202\nexec 202 qmail-remote\nexit 202\nphp 101 202 /b.php\n" QUEUE("202")
		 COMMIT("202", "56") "round\nexit 202\nround\nround\nidle\n",
	 "queued 56 /b.php (its process id was used twice within a moment)\n"},
	{"and the pid of one who commits by a delivery",
	 "php 101 202 /b.php\n" QUEUE("202")
		 COMMIT("202", "56") "exit 202\nfork 60 202\nexec 202 qmail-remote\nround\nexit "
				     "202\nround\nround\nidle\n",
	 "queued 56 /b.php (its process id was used twice within a moment)\n"},
	{"used again by one who commits, after one who has",
	 "php 100 202 /a.php\n" QUEUE("202")
		 COMMIT("202", "55") "round\nexit 202\nphp 101 202 /b.php\n" QUEUE("202")
			 COMMIT("202", "56") "round\nexit 202\nround\nround\nidle\n",
	 "queued 55 /a.php\n"
	 "queued 56 /b.php (its process id was used twice within a moment)\n"},
	{"used again a round later: certain",
	 "php 100 202 /a.php\n" QUEUE("202")
		 COMMIT("202", "55") "exit 202\nround\nround\nphp 101 202 /b.php\n" QUEUE("202")
			 COMMIT("202", "56") "exit 202\nround\nround\nidle\n",
	 "queued 55 /a.php\nqueued 56 /b.php\n"},
	{"an exit that was lost, and its pid used again",
	 "php 100 202 /a.php\n" QUEUE("202") COMMIT(
		 "202",
		 "55") "round\n!exit 202\nround\nphp 101 202 /b.php\nround\nround\n" QUEUE("202")
		 COMMIT("202", "56") "exit 202\nround\nround\nidle\n",
	 "queued 55 /a.php\nqueued 56 /b.php\n"},
	{"a stranger has the pid of one whose exit was lost",
	 "tick 1\nphp 100 202 /a.php\n" QUEUE("202")
		 COMMIT("202", "55") "round\n!exit 202\ntick 1\n" COMMIT("202", "56") "round\n",
	 "queued 55 /a.php\n"
	 "queued 56 /a.php (records were lost, and its process id may have been used again)\n"},
	{"nobody is known", COMMIT("300", "57") "round\n", "queued 57 unseen\n"},
	{"a child without an exec of its own",
	 "php 100 202 /a.php\n" SENDMAIL("202") "fork 202 203\n" COMMIT(
		 "203", "55") "exit 203\nexit 202\nround\nround\nidle\n",
	 "queued 55 /a.php\n"},
	{"linked and taken back",
	 "php 100 202 /a.php\n" QUEUE(
		 "202") "link 202 mess/1/55\nunlink 202 mess/1/55\nexit 202 1\n"
			"round\nround\nidle\ncount\n",
	 "removed 55 aborted\nattempted /a.php code 1 signal 0\ncount 0 0\n"},
};

static void qmail_stories(void **state)
{
	unsigned failed = 0;

	(void)state;
	for (size_t i = 0; i < array_size(stories); i++) {
		struct world *w = late_world(&mta_qmail);

		tell_late(w, stories[i].story);
		if (strcmp(w->log, stories[i].expect)) {
			print_error("%s: expected\n%sgot\n%s\n", stories[i].name, stories[i].expect,
				    w->log);
			failed++;
		}
		late_free(w);
	}
	assert_int_equal(failed, 0);
}

/* ---- any order: no message gets another one's name ---- */

#define SLOTS 12

struct script {
	uint32_t pid, step, id;
	char name[16];
};

static unsigned wrong, doubted, certain, unnamed;

static void judge(struct world *w, const struct queued *q)
{
	char want[24];

	(void)w;
	/* the id tells whose it is */
	snprintf(want, sizeof(want), "/%u.php", (unsigned)atoi(q->id) / 10);
	if (q->doubt && !q->injection) {
		unnamed++;
	} else if (q->injection && q->injection->origin &&
		   !strcmp(q->injection->origin->script, want)) {
		*(q->doubt ? &doubted : &certain) += 1;
	} else {
		print_error("%s: %s\n", q->id,
			    q->injection ? q->injection->origin->script : "nobody");
		wrong++;
	}
}

static void ignore_attempt(struct world *w, const struct injection *i)
{
	(void)w;
	(void)i;
}

static void one_step(struct world *w, struct script *s, uint32_t *serial, uint32_t pids,
		     uint64_t *seed)
{
	char line[128];
	uint32_t queue = 0;

	switch (s->step++) {
	case 0:
		s->id = ++*serial;
		/* from so few that they are used again soon */
		do
			s->pid = 200 + rnd(seed) % pids;
		while (w->alive[s->pid]);
		w->alive[s->pid] = true;
		snprintf(line, sizeof(line), "php 100 %u /%u.php", s->pid, s->id);
		break;
	case 1:
		snprintf(line, sizeof(line), "exec %u qmail-queue", s->pid);
		break;
	case 2:
		snprintf(line, sizeof(line), "link %u mess/1/%u", s->pid, s->id * 10);
		break;
	case 3:
		snprintf(line, sizeof(line), "link %u todo/%u", s->pid, s->id * 10);
		break;
	default:
		snprintf(line, sizeof(line), "exit %u", s->pid);
		w->alive[s->pid] = false;
		s->step = 0;
	}
	step(w, &queue, line);
}

static void property(uint64_t seed, uint32_t pids)
{
	struct world *w = late_world(&mta_qmail);
	struct script s[SLOTS] = {0};
	uint32_t serial = 0, phase = 0;

	w->on_queued = judge;
	w->on_attempted = ignore_attempt;
	for (unsigned n = 0; n < 4000; n++) {
		one_step(w, &s[rnd(&seed) % SLOTS], &serial, pids, &seed);
		/* a step of the reader's round now and then, anywhere between those of the scripts
		 */
		if (rnd(&seed) % 4)
			continue;
		switch (phase++ % 5) {
		case 0:
		case 2:
			deliver(w, &ring);
			break;
		case 1:
			read_pipe();
			break;
		case 3:
			deliver(w, &taken);
			break;
		default:
			correlate_settle(w->c);
		}
	}
	for (; phase % 5; phase++)
		if (phase % 5 == 1)
			read_pipe();
		else if (phase % 5 == 3)
			deliver(w, &taken);
		else if (phase % 5 == 4)
			correlate_settle(w->c);
		else
			deliver(w, &ring);
	round_of(w);
	assert_int_equal(wrong, 0);
	late_free(w);
}

static void names_never_cross(void **state)
{
	(void)state;
	wrong = doubted = certain = unnamed = 0;
	for (uint64_t seed = 1; seed <= 40; seed++)
		property(seed, 3000);
	print_message("many pids: %u certain, %u doubted, %u without a name\n", certain, doubted,
		      unnamed);
	assert_true(certain > 20000 && doubted < certain / 20);
}

static void names_never_cross_when_pids_are_used_again(void **state)
{
	(void)state;
	wrong = doubted = certain = unnamed = 0;
	for (uint64_t seed = 1; seed <= 40; seed++)
		property(seed, SLOTS + 4);
	print_message("few pids: %u certain, %u doubted, %u without a name\n", certain, doubted,
		      unnamed);
	assert_true(certain > 1000 && doubted > 1000);
}

/* ---- Postfix: who removes is asked for ---- */

static void answer(void *arg, struct actor *out)
{
	(void)arg;
	memcpy(out->comm, known.comm, sizeof(out->comm));
}

#define POSTFIX_MAIL                                                                               \
	"php 100 202 /a.php\nexec 202 postdrop -r\nrename 202 maildrop/6F3D2A0C1 "                 \
	"maildrop/1234.202\nexit 202\nfile 7A1B22C0D3 local uid 33\nrename 400 "                   \
	"incoming/7A1B22C0D3 incoming/99.400\nunlink 300 maildrop/6F3D2A0C1\nround\nround\n"

/* As told by fanotify, with Postfix's queue; `comm` is what any process that is asked for is. */
static void expect_postfix(const char *comm, const char *story, const char *expect)
{
	struct world *w = late_world(&mta_postfix);

	w->c->ops.actor = answer;
	snprintf(known.comm, sizeof(known.comm), "%s", comm);
	tell_late(w, story);
	assert_string_equal(w->log, expect);
	late_free(w);
}

static void pickup_is_asked_for(void **state)
{
	static const struct {
		const char *comm, *expect;
	} cases[] = {
		{"pickup", "queued 7A1B22C0D3 first 6F3D2A0C1 /a.php\n"},
		/* not known: the message has no name rather than a guessed one */
		{"",
		 "queued 7A1B22C0D3 unseen (who took it from maildrop was gone before it could be "
		 "asked)\n"},
		{"postsuper", "attempted /a.php code 0 signal 0 (it was removed from maildrop "
			      "before it became a "
			      "message)\n"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++)
		expect_postfix(cases[i].comm, POSTFIX_MAIL, cases[i].expect);
}

/* A server that ended leaves its process id to a postdrop; each writes its own directory only. */
static void servers_write_no_maildrop(void **state)
{
#define POSTDROP                                                                                   \
	"php 100 202 /a.php\nexec 202 postdrop -r\nrename 202 maildrop/6F3D2A0C1 "                 \
	"maildrop/1234.202\n"
#define CLEANUP                                                                                    \
	"file 7A1B22C0D3 network port 40000\nrename 202 incoming/7A1B22C0D3 incoming/99.202\n"
#define TAKEN "unlink 300 maildrop/6F3D2A0C1\nround\nround\nidle\n"
	static const struct {
		const char *story, *expect;
	} cases[] = {
		{"fork 60 202\nexec 202 bounce -z\nexit 202\n" POSTDROP "round\nexit 202\nround\n"
		 "rename 400 incoming/7A1B22C0D3 incoming/99.400\n"
		 "file 7A1B22C0D3 local uid 33\n" TAKEN,
		 "queued 7A1B22C0D3 first 6F3D2A0C1 /a.php (its process id was used twice within a "
		 "moment)\n"},
		/* cleanup's commit is not the postdrop's, whose own is still to come */
		{"fork 60 202\nexec 202 cleanup -z\n" CLEANUP "exit 202\nphp 100 202 /a.php\n"
		 "exec 202 postdrop -r\nround\nexit 202 1\nround\nround\nidle\n",
		 "queued 7A1B22C0D3 unseen (its process id was used twice within a moment)\n"
		 "attempted /a.php code 1 signal 0\n"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++)
		expect_postfix("pickup", cases[i].story, cases[i].expect);
}

/* Exim is one program: what a run is for tells who can have brought a message. */
static void say_run(struct world *w, const struct queued *q)
{
	say(w, "%s run %u%s\n", q->injection ? q->injection->origin->script : "unseen",
	    q->actor.run, q->doubt ? " in doubt" : "");
}

static void runs_of_one_program(void **state)
{
#define AFTER(args) "fork 60 202\nexec 202 exim4 " args "\nexit 202\n"
#define RENAME      "rename 202 1rAbCd-00003G-00-H hdr.1rAbCd-00003G-00\n"
#define TAKES       "php 100 202 /a.php\nexec 202 exim4 -t -i\n" RENAME "round\nexit 202\nround\nround\n"
	static const struct {
		const char *story, *script;
		enum run run;
	} cases[] = {
		{AFTER("-Mc 1rAbCd-000001-00") TAKES, "/a.php", RUN_SUBMIT},
		/* a server's child ends well after many messages, or none */
		{AFTER("-bd") TAKES, "unseen", RUN_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct world *w = late_world(&mta_exim);
		char expect[64];

		w->on_queued = say_run;
		snprintf(expect, sizeof(expect), "%s run %u in doubt\n", cases[i].script,
			 cases[i].run);
		tell_late(w, cases[i].story);
		assert_true(!strncmp(w->log, expect, strlen(expect)));
		late_free(w);
	}
}

/* The kernel side, which would tell whom cleanup had it from, is not asked here: only its file
 * tells that it is a bounce, and that file is whole by the time that what it bounces is removed. */
static void a_bounce_is_read_before_its_message_is_removed(void **state)
{
	struct world *w = late_world(&mta_postfix);

	(void)state;
	w->c->ops.actor = answer;
	snprintf(known.comm, sizeof(known.comm), "cleanup");
	tell_late(w, "file 7092A1B9E2 again bounce parent 701C41B9E2\nrename 51 "
		     "incoming/7092A1B9E2 incoming/1.51\nround\nfile 7092A1B9E2 ready\nunlink 52 "
		     "active/701C41B9E2\nround\n");
	assert_string_equal(w->log, "queued 7092A1B9E2 unseen bounces 701C41B9E2\n"
				    "removed 701C41B9E2 bounced\n");
	late_free(w);
}

/* fanotify gives the time of reading: a commit seems to come after the end of its own session. Much
 * later it is another's, whose record was lost. */
static void a_session_ends_before_its_commit_is_read(void **state)
{
#define SESSION "connect 100 40000 2 /a.php\nconnect 100 40000 1\nconnect 100 40000 7\n"
#define MESSAGE "rename 51 incoming/7092A1B9E2 incoming/1.51\nround\n"
#define FILE_OF "file 7092A1B9E2 network port 40000\n"
#define TALK    "connected /a.php state 2\nconnected /a.php state 1\nconnected /a.php state 7\n"
	static const struct {
		const char *story, *expect;
	} stories_[] = {
		{FILE_OF SESSION "round\n" MESSAGE, TALK "queued 7092A1B9E2 session /a.php\n"},
		{FILE_OF SESSION "round\ntick 1\n" MESSAGE,
		 TALK "queued 7092A1B9E2 unseen ended\n"},
		/* who took the port right then may be anybody */
		{SESSION "round\nfile 7092A1B9E2 network port 40000 now\n" MESSAGE,
		 TALK "queued 7092A1B9E2 session /a.php (its port was used again right after the "
		      "connection)\n"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(stories_); i++)
		expect_postfix("cleanup", stories_[i].story, stories_[i].expect);
}

/* A file that is known to be gone is in none of the places where it might be. */
static void what_is_gone_is_not_looked_for(void **state)
{
#define ID     "1rAbCd-00003G-00"
#define COMES  "rename 400 " ID "-H hdr." ID "\n"
#define GOES   "unlink 300 " ID "-H\n"
#define READ   "queued " ID " unseen\n"
#define UNREAD "queued " ID " unseen nofacts\n"
#define GONE   "removed " ID "\n"
	static const struct {
		const char *story, *expect;
		unsigned opens, commits, brief;
	} cases[] = {
		{COMES GOES "round\n", UNREAD GONE, 0, 1, 1},
		{COMES "round\n" GOES "round\n", READ GONE, 1, 1, 1},
		/* one id, two messages: the second is there */
		{COMES GOES COMES "round\n", UNREAD GONE READ, 1, 2, 1},
		{COMES GOES COMES GOES "round\n", UNREAD GONE UNREAD GONE, 0, 2, 2},
		/* of another queue, and of another of its files */
		{COMES "queue 1\n" GOES "round\n", READ GONE, 1, 1, 0},
		{COMES "unlink 300 " ID "-J\nround\n", READ, 1, 1, 0},
		/* it was not there for long, or it was */
		{COMES "round\nwait 59\n" GOES "round\n", READ GONE, 1, 1, 1},
		{COMES "round\nwait 61\n" GOES "round\n", READ GONE, 1, 1, 0},
		/* what was foreseen and does not come is not kept */
		{GOES "read\nforesee\nforesee\ntake\nsettle\n" COMES "round\n", GONE READ, 1, 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct world *w = late_world(&mta_exim);
		struct correlate_stats stats;

		tell_late(w, cases[i].story);
		assert_string_equal(w->log, cases[i].expect);
		assert_int_equal(w->opens, cases[i].opens);
		correlate_stats(w->c, &stats);
		assert_int_equal(stats.commits, cases[i].commits);
		assert_int_equal(stats.brief, cases[i].brief);
		late_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(qmail_stories),
		cmocka_unit_test(what_is_gone_is_not_looked_for),
		cmocka_unit_test(names_never_cross),
		cmocka_unit_test(names_never_cross_when_pids_are_used_again),
		cmocka_unit_test(pickup_is_asked_for),
		cmocka_unit_test(servers_write_no_maildrop),
		cmocka_unit_test(runs_of_one_program),
		cmocka_unit_test(a_bounce_is_read_before_its_message_is_removed),
		cmocka_unit_test(a_session_ends_before_its_commit_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
