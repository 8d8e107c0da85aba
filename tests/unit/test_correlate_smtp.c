// SPDX-License-Identifier: GPL-2.0-only
/* Connections that end before their message is there, or that share a port. Stories as in
 * correlate_world.h. */
#include "correlate_world.h"

struct story {
	const char *name, *story, *log;
};

static void run_stories(const struct mta *mta, const struct story *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct world *w = world_new(mta);

		tell(w, s[i].story);
		if (strcmp(w->log, s[i].log))
			fail_msg("%s:\n%s\ninstead of\n%s", s[i].name, w->log, s[i].log);
		world_free(w);
	}
}

/* The port that every story is about; the wait is the server's for its scanners. */
#define OPENED    "connect 100 40000 2 /a.php\nconnect 100 40000 1\n"
#define CLOSED    "connect 100 40000 7\n"
#define SCANNED   "wait 2000\n"
#define TOLD_OPEN "connected /a.php state 2\nconnected /a.php state 1\n"
#define TOLD      TOLD_OPEN "connected /a.php state 7\n"

/* ---- a client that does not wait for the answer ---- */

#define EXIM_ID "1rAbCd-0000CX-00"
#define EXIM_COMMIT                                                                                \
	"file " EXIM_ID " network port 40000\nrename 777 " EXIM_ID "-H hdr." EXIM_ID "\n"

static const struct story exim_stories[] = {
	{"its server began while there was the connection",
	 OPENED "born 777\n" CLOSED SCANNED EXIM_COMMIT "tick 31\nidle\n",
	 TOLD "queued " EXIM_ID " session /a.php\n"},
	{"its file is dated after the connection's end",
	 OPENED "born 777\n" CLOSED SCANNED "file " EXIM_ID " now\n" EXIM_COMMIT,
	 TOLD "queued " EXIM_ID " session /a.php\n"},
	{"its server began after that, and had the port from somebody else, or the backlog",
	 OPENED CLOSED "wait 1\nborn 777\n" SCANNED EXIM_COMMIT,
	 TOLD "queued " EXIM_ID " unseen ended\n"},
	{"its server began before that, for an earlier client with the port",
	 "wait 1\nborn 777\nwait 1\n" OPENED CLOSED SCANNED EXIM_COMMIT,
	 TOLD "queued " EXIM_ID " unseen ended\n"},
	{"when it ended was not seen", OPENED "born 777\n!" CLOSED "tick 1\n" SCANNED EXIM_COMMIT,
	 TOLD_OPEN "queued " EXIM_ID " session /a.php (records were lost, and its port may have "
		   "been used again)\n"},
	{"another port is nobody's",
	 OPENED "born 777\n" CLOSED SCANNED "file " EXIM_ID
		" network port 40001\nrename 777 " EXIM_ID "-H hdr." EXIM_ID "\n",
	 TOLD "queued " EXIM_ID " unseen\n"},
	{"long after that the port is somebody else's",
	 OPENED "born 777\n" CLOSED "wait 31000\n" EXIM_COMMIT,
	 TOLD "queued " EXIM_ID " unseen ended\n"},
};

static void exim_commits_after_the_end(void **state)
{
	(void)state;
	run_stories(&mta_exim, exim_stories, array_size(exim_stories));
}

/* Another connection has its socket's number, so it is over: since when is not known. */
static void the_end_was_lost(void **state)
{
	struct world *w = world_new(&mta_exim);

	(void)state;
	w->sim.sock = 0x5000;
	tell(w, OPENED "!" CLOSED "wait 1\nborn 777\n"
		       "connect 101 40001 2 /b.php\nconnect 101 40001 1\n" SCANNED EXIM_COMMIT);
	assert_string_equal(w->log, TOLD_OPEN "connected /b.php state 2\nconnected /b.php state "
					      "1\nqueued " EXIM_ID " unseen ended\n");
	world_free(w);
}

#define SMTPD  "env TCPREMOTEPORT=40000\nexec 300 qmail-smtpd\n"
#define QUEUER "fork 300 301\n"
#define QUEUES "exec 301 qmail-queue\nlink 301 mess/1/55 pid/1.1\nlink 301 todo/55 intd/55\n"

static const struct story qmail_stories[] = {
	{"its qmail-smtpd began while there was the connection",
	 "file 55 network\n" OPENED "born 300\n" CLOSED SMTPD QUEUER SCANNED QUEUES,
	 TOLD "queued 55 session /a.php\n"},
	{"its qmail-queue did",
	 "file 55 network\nborn 300\n" OPENED SMTPD QUEUER CLOSED SCANNED QUEUES,
	 TOLD "queued 55 session /a.php\n"},
	{"neither did",
	 "file 55 network\nborn 300\n" OPENED CLOSED "wait 1\n" SMTPD QUEUER SCANNED QUEUES,
	 TOLD "queued 55 uid 33 ended\n"},
};

static void qmail_commits_after_the_end(void **state)
{
	(void)state;
	run_stories(&mta_qmail, qmail_stories, array_size(qmail_stories));
}

/* Of Postfix's processes the start says nothing: each serves many clients. */
static const struct story postfix_stories[] = {
	{"its cleanup began while there was the connection",
	 "comm 400 cleanup\n" OPENED "born 400\n" CLOSED SCANNED
	 "file 7092A1B9E2 network port 40000\nrename 400 incoming/7092A1B9E2 incoming/1.400\n",
	 TOLD "queued 7092A1B9E2 unseen ended\n"},
};

static void postfix_commits_after_the_end(void **state)
{
	(void)state;
	run_stories(&mta_postfix, postfix_stories, array_size(postfix_stories));
}

/* ---- two destinations, one port ---- */

#define ALSO      "number 20480\nconnect 101 40000 2 /b.php\nconnect 101 40000 1\n"
#define TOLD_ALSO "connected /b.php state 2\nconnected /b.php state 1\n"
#define SHARED    " (two connections had its port at the same time)"
#define MESSAGE                                                                                    \
	"file 7092A1B9E2 network port 40000\nrename 400 incoming/7092A1B9E2 incoming/1.400\n"
#define SECOND "file 7092A1B9E3 network port 40000\nrename 400 incoming/7092A1B9E3 incoming/1.400\n"

static const struct story shared_stories[] = {
	{"a message of either", OPENED ALSO MESSAGE "tick 60\n" SECOND,
	 TOLD_OPEN TOLD_ALSO "queued 7092A1B9E2 session /b.php" SHARED
			     "\nqueued 7092A1B9E3 session /b.php" SHARED "\n"},
	{"the first is over before", OPENED CLOSED ALSO MESSAGE,
	 TOLD TOLD_ALSO "queued 7092A1B9E2 session /b.php\n"},
	{"the socket of the first is used again: its end was not told, but it is over",
	 "number 20480\n" OPENED ALSO MESSAGE,
	 TOLD_OPEN TOLD_ALSO "queued 7092A1B9E2 session /b.php\n"},
	{"the end of the first was lost", OPENED "!" CLOSED "tick 1\n" ALSO MESSAGE,
	 TOLD_OPEN TOLD_ALSO "queued 7092A1B9E2 session /b.php\n"},
	{"a third one after the second, while the first may be there",
	 OPENED ALSO "connect 101 40000 7\nnumber 24576\nconnect 102 40000 2 /c.php\n"
		     "connect 102 40000 1\n" MESSAGE,
	 TOLD_OPEN TOLD_ALSO "connected /b.php state 7\nconnected /c.php state 2\n"
			     "connected /c.php state 1\n"
			     "queued 7092A1B9E2 session /c.php" SHARED "\n"},
	{"until the port is forgotten",
	 OPENED ALSO "connect 101 40000 7\ntick 31\nnumber 24576\nconnect 102 40000 2 /c.php\n"
		     "connect 102 40000 1\n" MESSAGE,
	 TOLD_OPEN TOLD_ALSO "connected /b.php state 7\nconnected /c.php state 2\n"
			     "connected /c.php state 1\nqueued 7092A1B9E2 session /c.php\n"},
};

static void two_connections_have_a_port(void **state)
{
	(void)state;
	run_stories(&mta_postfix, shared_stories, array_size(shared_stories));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exim_commits_after_the_end),
		cmocka_unit_test(the_end_was_lost),
		cmocka_unit_test(qmail_commits_after_the_end),
		cmocka_unit_test(two_connections_have_a_port),
		cmocka_unit_test(postfix_commits_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
