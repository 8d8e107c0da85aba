// SPDX-License-Identifier: GPL-2.0-only
/*
 * What correlate holds when much waits for little: an MTA that is down, scripts that connect again
 * and again, files that killed processes leave. Counted, not timed.
 */
#include "correlate_world.h"

#include "trace/correlate_internal.h"

/* As correlate.c has them. */
#define FIRST_IDS_MAX 100000
#define UNTOLD_MAX    4096
#define TRIED_MAX     4096
#define OPEN_MAX      8192
#define CLOSED_MAX    4096
#define LEFT_MAX      32768

struct told {
	unsigned queued, named, attempted;
	char doubt[128];
};

static void count_queued(struct world *w, const struct queued *q)
{
	struct told *t = w->test;

	t->queued++;
	t->named += q->injection && q->injection->origin;
	snprintf(t->doubt, sizeof(t->doubt), "%s", q->doubt ? q->doubt : "");
}

static void count_attempted(struct world *w, const struct injection *i)
{
	struct told *t = w->test;

	(void)i;
	t->attempted++;
}

static struct world *counting_world(const struct mta *mta, struct told *t)
{
	struct world *w = world_new(mta);

	w->test = t;
	w->on_queued = count_queued;
	w->on_attempted = count_attempted;
	return w;
}

static struct correlate_stats stats(const struct world *w)
{
	struct correlate_stats s;

	correlate_stats(w->c, &s);
	return s;
}

static void __attribute__((format(printf, 2, 3))) tell_of(struct world *w, const char *fmt, ...)
{
	char story[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(story, sizeof(story), fmt, ap);
	va_end(ap);
	assert_in_range(n, 1, sizeof(story) - 1);
	tell(w, story);
}

static void forget_log(struct world *w)
{
	w->log_len = 0;
	w->log[0] = '\0';
}

/* ---- first ids ---- */

static void drop_into_maildrop(struct world *w, unsigned n)
{
	tell_of(w,
		"php 100 202 /a.php\nexec 202 postdrop -r\nrename 202 maildrop/A%07X "
		"maildrop/1.202\n"
		"exit 202\n",
		n);
}

static void take_from_maildrop(struct world *w, unsigned n)
{
	tell_of(w,
		"file B%07X local uid 33\nrename 400 incoming/B%07X incoming/1.400\n"
		"unlink 300 maildrop/A%07X\n",
		n, n, n);
}

static void the_mta_is_down_and_many_messages_come(void **state)
{
	enum { MANY = 3000 };
	struct told told = {0};
	struct world *w = counting_world(&mta_postfix, &told);

	(void)state;
	tell(w, "comm 300 pickup\ncomm 400 cleanup\n");
	for (unsigned i = 0; i < MANY; i++)
		drop_into_maildrop(w, i);
	assert_int_equal(stats(w).first_ids_untold, MANY);
	tell(w, "tick 11\n");
	assert_int_equal(told.named, MANY);
	/* nothing of them is looked at any more, nor kept but what they are known by */
	assert_int_equal(stats(w).first_ids_untold, 0);
	assert_int_equal(stats(w).injections, 0);
	assert_int_equal(stats(w).origins, 0);
	assert_int_equal(stats(w).waiting, MANY);
	/* it runs again: each message comes, and is told by now */
	for (unsigned i = 0; i < MANY; i++)
		take_from_maildrop(w, i);
	tell(w, "tick 11\n");
	assert_int_equal(told.queued, MANY);
	assert_int_equal(told.attempted, 0);
	assert_int_equal(stats(w).waiting, 0);
	assert_int_equal(stats(w).first_ids_forgotten, 0);
	world_free(w);
}

/* postdrop has made the file, and waits for its sender: there is no message yet. */
static void a_first_id_whose_file_is_not_complete(void **state)
{
	static const struct {
		const char *then, *log;
	} cases[] = {
		{"tick 600\nfile A0000000 ready\ntick 1200\n",
		 "queued A0000000 first A0000000 /a.php nofacts\n"},
		{"tick 600\nunlink 302 maildrop/A0000000\nexit 302 1\ntick 1200\n",
		 "attempted /a.php code 1 signal 0\n"},
		{"tick 1\nflush\n", "queued A0000000 first A0000000 /a.php nofacts\n"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct world *w = world_new(&mta_postfix);
		unsigned opens;

		tell(w, "tick 1\nphp 100 302 /a.php\nexec 302 postdrop -r\nfile A0000000 again\n"
			"rename 302 maildrop/A0000000 maildrop/1.302\n");
		tell(w, "tick 600\n");
		/* one that was complete behind it is told; and it is not looked at at every tick */
		drop_into_maildrop(w, 1);
		opens = w->opens;
		tell(w, "tick 5\ntick 1\ntick 5\n");
		assert_string_equal(w->log, "queued A0000001 first A0000001 /a.php nofacts\n");
		assert_int_equal(w->opens - opens, 2);
		forget_log(w);
		tell(w, cases[i].then);
		assert_string_equal(w->log, cases[i].log);
		world_free(w);
	}
}

static void more_come_than_can_wait_to_be_told(void **state)
{
	struct told told = {0};
	struct world *w = counting_world(&mta_postfix, &told);

	(void)state;
	for (unsigned i = 0; i < UNTOLD_MAX + 10; i++)
		drop_into_maildrop(w, i);
	assert_int_equal(told.named, 10);
	assert_int_equal(stats(w).first_ids_untold, UNTOLD_MAX);
	assert_int_equal(stats(w).origins, UNTOLD_MAX);
	world_free(w);
}

static void more_first_ids_lie_there_than_are_remembered(void **state)
{
	struct told told = {0};
	struct world *w = counting_world(&mta_postfix, &told);

	(void)state;
	tell(w, "comm 300 pickup\ncomm 400 cleanup\n");
	for (unsigned i = 0; i < FIRST_IDS_MAX + 2; i++) {
		char name[64];

		snprintf(name, sizeof(name), "maildrop/A%07X", i);
		sim_queue(&w->sim, 203, 0, ST_OP_RENAME, name, "maildrop/1.203");
	}
	tell(w, "tick 11\n");
	assert_int_equal(told.queued, FIRST_IDS_MAX + 2);
	assert_int_equal(stats(w).waiting, FIRST_IDS_MAX);
	assert_int_equal(stats(w).first_ids_forgotten, 2);
	take_from_maildrop(w, 5);
	assert_int_equal(told.queued, FIRST_IDS_MAX + 2);
	take_from_maildrop(w, 1);
	assert_int_equal(told.queued, FIRST_IDS_MAX + 3);
	assert_string_equal(told.doubt, "more waited in maildrop than are remembered: it may have "
					"been told already");
	world_free(w);
}

/* Sendmail's submission program brings it to the server itself, which takes its time. */
static void a_submission_that_was_told_is_told_once(void **state)
{
	struct world *w = world_new(&mta_sendmail);

	(void)state;
	w->queue[1].mta = &mta_sendmail;
	w->queue[1].first = true;
	tell(w, "php 100 202 /a.php\nexec 202 sendmail -t\nqueue 1\ncreate 202 qf6AM0ag2p020480\n"
		"connect 202 40000 1\ntick 11\nqueue 0\nfile 6AM0ag2p020488 network port 40000\n"
		"create 51 qf6AM0ag2p020488\nqueue 1\nunlink 202 qf6AM0ag2p020480\n"
		"connect 202 40000 7\nexit 202\ntick 31\nidle\n");
	assert_string_equal(w->log, "queued 6AM0ag2p020480 first 6AM0ag2p020480 /a.php nofacts\n");
	world_free(w);
}

/* The message is in another queue than the submission, and its file is complete just before that
 * goes: what the program brought counts before it is taken for one that took its own away. */
static void a_submission_that_is_brought_is_no_attempt(void **state)
{
	struct world *w = world_new(&mta_sendmail);

	(void)state;
	w->queue[1].mta = &mta_sendmail;
	w->queue[1].first = true;
	tell(w, "php 100 202 /a.php\nexec 202 sendmail -t\nqueue 1\ncreate 202 qf6AM0ag2p020480\n"
		"connect 202 40000 1\nqueue 0\nfile 6AM0ag2p020488 again network port 40000\n"
		"create 51 qf6AM0ag2p020488\nfile 6AM0ag2p020488 ready\n"
		"queue 1\nunlink 202 qf6AM0ag2p020480\nconnect 202 40000 7\nexit 202\ntick "
		"31\nidle\n");
	assert_string_equal(w->log, "queued 6AM0ag2p020488 first 6AM0ag2p020480 /a.php\n");
	world_free(w);
}

/* The server is down, and runs of the submission queue bring what lies there later. */
static void what_queue_runs_bring_is_told_once(void **state)
{
	enum { MANY = 500 };
	struct told told = {0};
	struct world *w = counting_world(&mta_sendmail, &told);

	(void)state;
	w->queue[1].mta = &mta_sendmail;
	w->queue[1].first = true;
	for (unsigned i = 0; i <= MANY; i++)
		tell_of(w,
			"php 100 202 /a.php\nexec 202 sendmail.sendmail -t\nqueue 1\n"
			"%screate 202 qf6AM0ag2p%06u\nexit 202\n",
			i == MANY ? "tick 11\n" : "", i);
	assert_int_equal(told.named, MANY);
	assert_int_equal(stats(w).waiting, MANY + 1);
	assert_int_equal(stats(w).injections, 1);
	tell(w, "exec 500 sendmail.sendmail -Ac -q\nconnect 500 40000 1\n");
	for (unsigned i = 0; i <= MANY; i++)
		tell_of(w,
			"queue 0\nfile 6AM1ag2p%06u network port 40000 first 6AM0ag2p%06u\n"
			"create 51 qf6AM1ag2p%06u\nqueue 1\nunlink 500 qf6AM0ag2p%06u\n",
			i, i, i, i);
	/* the last had not been told, and is told under its own id */
	assert_int_equal(told.named, MANY + 1);
	assert_int_equal(told.queued, MANY + 1);
	tell(w, "connect 500 40000 7\nexit 500\ntick 31\n");
	assert_int_equal(stats(w).waiting, 0);
	assert_int_equal(stats(w).injections, 0);
	assert_int_equal(told.attempted, 0);
	world_free(w);
}

/* ---- connections ---- */

static void connect_and_close(struct world *w, unsigned port)
{
	tell_of(w, "connect 100 %u 2 /b.php\nconnect 100 %u 1\nconnect 100 %u 7\n", port, port,
		port);
	forget_log(w);
}

static void many_connections_are_made_and_closed(void **state)
{
	struct world *w = world_new(&mta_postfix);

	(void)state;
	/* one whose message takes its time, and many without any */
	tell(w, "connect 100 10000 2 /a.php\nconnect 100 10000 1\nfile B0000000 again network "
		"port 10000\n"
		"rename 400 incoming/B0000000 incoming/1.400\nconnect 100 10000 7\n");
	for (unsigned i = 1; i <= CLOSED_MAX + 1000; i++)
		connect_and_close(w, 10000 + i);
	assert_int_equal(stats(w).sessions_closed, CLOSED_MAX);
	assert_int_equal(stats(w).sessions, CLOSED_MAX);
	assert_int_equal(stats(w).origins, CLOSED_MAX);
	assert_int_equal(stats(w).sessions_forgotten, 0); /* nobody has missed one */
	tell(w, "file B0000000 ready\ntick 1\n");
	assert_string_equal(w->log, "queued B0000000 unseen forgotten\n");
	assert_int_equal(stats(w).sessions_forgotten, 1);
	/* of whose message the connection cannot be among those forgotten */
	forget_log(w);
	tell(w, "file B0000001 network port 9999\nrename 400 incoming/B0000001 incoming/1.400\n");
	assert_string_equal(w->log, "queued B0000001 unseen\n");
	assert_int_equal(stats(w).sessions_forgotten, 1);
	tell(w, "tick 31\nidle\n");
	assert_string_equal(w->log, "queued B0000001 unseen\n");
	assert_int_equal(stats(w).sessions, 0);
	world_free(w);
}

static void a_connection_that_is_kept_names_its_message(void **state)
{
	struct world *w = world_new(&mta_postfix);

	(void)state;
	tell(w, "connect 100 10000 2 /a.php\nconnect 100 10000 1\nfile B0000000 again network "
		"port 10000\n"
		"rename 400 incoming/B0000000 incoming/1.400\nconnect 100 10000 7\n");
	for (unsigned i = 1; i < CLOSED_MAX; i++)
		connect_and_close(w, 10000 + i);
	tell(w, "file B0000000 ready\ntick 1\n");
	assert_string_equal(w->log, "queued B0000000 session /a.php\n");
	assert_int_equal(stats(w).sessions_forgotten, 0);
	world_free(w);
}

static void a_socket_is_used_again_and_the_end_was_lost(void **state)
{
	struct world *w = world_new(&mta_postfix);

	(void)state;
	w->sim.sock = 0x5000;
	tell(w, "connect 100 40000 2 /a.php\nconnect 100 40000 1\n!connect 100 40000 7\n"
		"connect 101 40001 2 /b.php\nconnect 101 40001 1\n");
	assert_int_equal(stats(w).sessions, 2);
	assert_int_equal(stats(w).sessions_closed, 1);
	tell(w, "connect 101 40001 7\n");
	assert_int_equal(stats(w).sessions_closed, 2);
	tell(w, "tick 31\n");
	assert_int_equal(stats(w).sessions, 0);
	world_free(w);
}

static void more_connections_are_open_than_are_kept(void **state)
{
	struct world *w = world_new(&mta_postfix);

	(void)state;
	for (unsigned i = 0; i < OPEN_MAX + 3; i++) {
		tell_of(w, "connect 100 %u 2 /a.php\nconnect 100 %u 1\n", 10000 + i, 10000 + i);
		forget_log(w);
	}
	assert_int_equal(stats(w).sessions, OPEN_MAX);
	assert_int_equal(stats(w).sessions_closed, 0);
	assert_int_equal(stats(w).sessions_forgotten, 3);
	tell(w, "file B0000000 network port 10001\nrename 400 incoming/B0000000 incoming/1.400\n"
		"file B0000001 network port 10003\nrename 400 incoming/B0000001 incoming/1.400\n");
	assert_string_equal(w->log,
			    "queued B0000000 unseen forgotten\nqueued B0000001 session /a.php\n");
	assert_int_equal(stats(w).sessions_forgotten, 4);
	/* nor is it one's of another address */
	forget_log(w);
	tell(w, "file B0000003 network port 10001 ip 192.0.2.7\n"
		"rename 400 incoming/B0000003 incoming/1.400\n"
		"file B0000004 network port 10001 ip 127.0.0.2\n"
		"rename 400 incoming/B0000004 incoming/1.400\n");
	assert_string_equal(w->log, "queued B0000003 unseen\nqueued B0000004 unseen\n");
	assert_int_equal(stats(w).sessions_forgotten, 4);
	/* not until the end of days: what has no connection is no script's again */
	forget_log(w);
	tell(w, "tick 3601\nfile B0000002 network port 9999\n"
		"rename 400 incoming/B0000002 incoming/1.400\n");
	assert_string_equal(w->log, "queued B0000002 unseen\n");
	assert_int_equal(stats(w).sessions_forgotten, 4);
	world_free(w);
}

/* The kernel's table is full, so that no end is told; or the other side does not answer. */
static void more_connections_are_tried_than_are_kept(void **state)
{
	struct world *w = world_new(&mta_postfix);

	(void)state;
	for (unsigned i = 0; i < TRIED_MAX + 10; i++) {
		tell_of(w, "connect 100 %u 2 /a.php\n", 10000 + i);
		forget_log(w);
	}
	assert_int_equal(stats(w).origins, TRIED_MAX);
	assert_int_equal(stats(w).sessions_forgotten, 10);
	tell(w, "connect 100 10009 1\nconnect 100 10010 1\n");
	forget_log(w);
	tell(w, "file B0000000 network port 10009\nrename 400 incoming/B0000000 incoming/1.400\n"
		"file B0000001 network port 10010\nrename 400 incoming/B0000001 incoming/1.400\n");
	assert_string_equal(w->log, "queued B0000000 lost\nqueued B0000001 session /a.php\n");
	/* one that is established is tried no more */
	tell(w, "connect 100 30000 2 /a.php\n");
	assert_int_equal(stats(w).sessions_forgotten, 10);
	tell(w, "connect 100 10009 7\nconnect 100 10010 7\ntick 1801\n");
	assert_int_equal(stats(w).origins, 0);
	world_free(w);
}

static struct session_key client(uint8_t net, uint8_t host, uint16_t port)
{
	return (struct session_key){.family = 4, .addr = {net, 0, 0, host}, .port = port};
}

static bool may_be_of(struct forgotten *f, uint8_t net, uint8_t host, uint64_t time)
{
	struct session_key key = client(net, host, 1025);

	return forgotten_may_be(f, &key, time);
}

/* Each address has its own time; of more than there is room for, those that are over first share
 * one, which is not that of other hosts. */
static void connections_of_many_addresses_are_forgotten(void **state)
{
	struct forgotten f = {0};

	(void)state;
	for (uint8_t i = 1; i <= 16; i++) {
		struct session_key key = client(127, i, i);

		forgotten_note(&f, &key, i * 100u);
	}
	assert_true(may_be_of(&f, 127, 3, 300));
	assert_false(may_be_of(&f, 127, 3, 301));
	assert_false(may_be_of(&f, 127, 17, 1));
	for (uint8_t i = 17; i <= 20; i++) {
		struct session_key key = client(127, i, i);

		forgotten_note(&f, &key, i * 100u);
	}
	assert_true(may_be_of(&f, 127, 20, 2000));
	assert_true(may_be_of(&f, 127, 1, 400));
	assert_true(may_be_of(&f, 127, 99, 400));
	assert_false(may_be_of(&f, 127, 99, 401));
	assert_false(may_be_of(&f, 192, 1, 1));
}

/* What was lost before a connection was opened is not its end, however long that is ago. */
static void a_connection_that_is_older_than_the_readings(void **state)
{
	struct world *w = world_new(&mta_postfix);

	(void)state;
	tell(w, "!connect 100 39999 7\ntick 1\nconnect 100 40000 2 /a.php\n"
		"connect 100 40000 1\n");
	for (unsigned i = 0; i < 70; i++)
		tell(w, "tick 1\n");
	forget_log(w);
	tell(w, "file B0000000 network port 40000\nrename 400 incoming/B0000000 incoming/1.400\n");
	assert_string_equal(w->log, "queued B0000000 session /a.php\n");
	forget_log(w);
	tell(w, "!connect 100 40000 7\nfile B0000001 network port 40000\n"
		"rename 400 incoming/B0000001 incoming/1.400\n");
	assert_string_equal(w->log, "queued B0000001 session /a.php (records were lost, and its "
				    "port may have been used again)\n");
	world_free(w);
}

/* A tick takes its time first, and then reads what has come: what is lost meanwhile was not lost
 * before a connection that is opened meanwhile. */
static void what_is_lost_during_a_tick(void **state)
{
	struct world *w = world_new(&mta_postfix);
	uint64_t lost = correlate_losses(w->c), now = w->sim.now;

	(void)state;
	tell(w, "!connect 100 40000 7\n");
	correlate_tick(w->c, now, lost);
	tell(w, "connect 100 40000 2 /a.php\nconnect 100 40000 1\n");
	forget_log(w);
	tell(w, "file B0000000 network port 40000\nrename 400 incoming/B0000000 incoming/1.400\n");
	assert_string_equal(w->log, "queued B0000000 session /a.php (records were lost, and its "
				    "port may have been used again)\n");
	world_free(w);
}

/* ---- messages ---- */

/* Clients that are slow to send theirs, while scripts put many into maildrop. */
static void what_is_picked_up_is_not_looked_for_among_all(void **state)
{
	enum { SLOW = 50, MANY = 50 };
	struct world *w = world_new(&mta_postfix);
	size_t reads;

	(void)state;
	tell(w, "comm 300 pickup\ncomm 400 cleanup\npeer 0 smtpd\n");
	for (unsigned i = 0; i < SLOW; i++)
		tell_of(w, "file C%07X again network\nrename 401 incoming/C%07X incoming/1.401\n",
			i, i);
	tell(w, "peer 0 pickup\n");
	reads = w->reads;
	for (unsigned i = 0; i < MANY; i++) {
		drop_into_maildrop(w, i);
		take_from_maildrop(w, i);
		forget_log(w);
	}
	assert_int_equal(w->reads - reads, MANY);
	world_free(w);
}

/* Each removal and each tick looks at all that waits; the log is asked when it has grown. */
static void the_log_is_asked_when_it_has_grown(void **state)
{
	struct world *w = world_new(&mta_postfix);

	(void)state;
	tell(w, "comm 400 cleanup\ncomm 300 qmgr\nfile B0000000 gone\nfile B0000001 gone\n"
		"rename 400 incoming/B0000000 incoming/1.400\n"
		"rename 400 incoming/B0000001 incoming/2.400\ntick 1\n");
	assert_int_equal(w->asked, 2);
	tell(w, "unlink 300 active/C0000000\nunlink 300 active/C0000001\ntick 1\n");
	assert_int_equal(w->asked, 2);
	tell(w, "file B0000001 daemon smtpd\nunlink 300 active/C0000002\n");
	assert_int_equal(w->asked, 4);
	tell(w, "tick 1\n");
	assert_int_equal(w->asked, 4);
	world_free(w);
}

/* ---- files in flight ---- */

static void leave_an_orphan(struct world *w, unsigned n)
{
	w->sim.task[203].life++; /* the one before is gone */
	tell_of(w, "link 203 mess/1/%u pid/1.1\n", 1000000 + n);
}

static void many_processes_are_killed_while_they_write(void **state)
{
	struct world *w = world_new(&mta_qmail);

	(void)state;
	tell(w, "link 300 mess/1/77 pid/1.1\n");
	for (unsigned i = 0; i < LEFT_MAX + 10; i++) {
		leave_an_orphan(w, i);
		if (i % 1000 == 0)
			tell(w, "tick 1\n");
	}
	w->sim.task[203].life++;
	tell(w, "tick 1\n");
	/* only the one that is being written is looked at */
	assert_int_equal(stats(w).in_flight_watched, 1);
	assert_int_equal(stats(w).in_flight, LEFT_MAX + 1);
	assert_int_equal(stats(w).orphans_forgotten, 10);
	assert_int_equal(w->orphans, LEFT_MAX + 10);
	assert_int_equal(w->in_flight, LEFT_MAX + 11);
	/* the oldest were forgotten; one that is known, and one that becomes a message */
	tell(w, "comm 60 qmail-clean\nunlink 60 mess/1/1000009\nunlink 60 mess/1/1000010\n"
		"link 300 todo/77 intd/77\n");
	assert_string_equal(w->log, "removed 1000009\nremoved 1000010 aborted\nqueued 77 unseen\n");
	assert_int_equal(w->orphans, LEFT_MAX + 9);
	assert_int_equal(stats(w).in_flight, LEFT_MAX - 1);
	assert_int_equal(stats(w).in_flight_watched, 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mta_is_down_and_many_messages_come),
		cmocka_unit_test(a_first_id_whose_file_is_not_complete),
		cmocka_unit_test(more_come_than_can_wait_to_be_told),
		cmocka_unit_test(more_first_ids_lie_there_than_are_remembered),
		cmocka_unit_test(a_submission_that_was_told_is_told_once),
		cmocka_unit_test(a_submission_that_is_brought_is_no_attempt),
		cmocka_unit_test(what_queue_runs_bring_is_told_once),
		cmocka_unit_test(many_connections_are_made_and_closed),
		cmocka_unit_test(a_connection_that_is_kept_names_its_message),
		cmocka_unit_test(a_socket_is_used_again_and_the_end_was_lost),
		cmocka_unit_test(more_connections_are_open_than_are_kept),
		cmocka_unit_test(more_connections_are_tried_than_are_kept),
		cmocka_unit_test(connections_of_many_addresses_are_forgotten),
		cmocka_unit_test(a_connection_that_is_older_than_the_readings),
		cmocka_unit_test(what_is_lost_during_a_tick),
		cmocka_unit_test(what_is_picked_up_is_not_looked_for_among_all),
		cmocka_unit_test(the_log_is_asked_when_it_has_grown),
		cmocka_unit_test(many_processes_are_killed_while_they_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
