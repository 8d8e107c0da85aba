// SPDX-License-Identifier: GPL-2.0-only
/* Which injection put which message into the queue: stories of every MTA, whole and with records
 * lost. */
#include "correlate_world.h"

struct story {
	const char *name;
	const char *story;
	const char *expect;
};

static void run_stories(const struct mta *mta, const struct story *s, size_t n)
{
	unsigned failed = 0;

	for (; n; n--, s++) {
		struct world *w = world_new(mta);

		tell(w, s->story);
		if (strcmp(w->log, s->expect)) {
			print_error("%s: expected\n%sgot\n%s\n", s->name, s->expect, w->log);
			failed++;
		}
		world_free(w);
	}
	assert_int_equal(failed, 0);
}

/* ---- qmail ---- */

/* sendmail that execs qmail-inject in place, which forks qmail-queue; 202 is sendmail, 203
 * qmail-queue */
#define QMAIL_SENDMAIL(pid) "exec " pid " sendmail -t -i\nexec " pid " qmail-inject -H --\n"
/* A script has a connection to the local server; then one serves it. */
#define QMAIL_SMTP      "connect 100 40000 2 /a.php\nconnect 100 40000 1\n"
#define QMAIL_CONNECTED "connected /a.php state 2\nconnected /a.php state 1\n"
#define QMAIL_SMTPD                                                                                \
	"env TCPREMOTEPORT=40000\nexec 300 qmail-smtpd\nfork 300 301\nexec 301 qmail-queue\n"

#define QMAIL_COMMIT(pid, id)                                                                      \
	"link " pid " mess/1/" id " pid/1.1\nlink " pid " todo/" id " intd/" id "\n"

static const struct story qmail[] = {
	{"dash: sh forks sendmail",
	 "php 100 201 /a.php\nfork 201 202\n" QMAIL_SENDMAIL(
		 "202") "fork 202 203\nexec 203 qmail-queue\n" QMAIL_COMMIT("203",
									    "55") "exit 203\nexit "
										  "202\nexit "
										  "201\nidle\ncount"
										  "\n",
	 "queued 55 /a.php\ncount 1 0\n"},
	{"bash: sh becomes sendmail",
	 "php 100 202 /a.php\n" QMAIL_SENDMAIL(
		 "202") "fork 202 203\nexec 203 qmail-queue\n" QMAIL_COMMIT("203",
									    "55") "exit 203\nexit "
										  "202\nidle\n",
	 "queued 55 /a.php\n"},
	{"qmail-queue directly, under any arguments",
	 "php 100 202 /a.php\nexec 202 qmail-queue [kworker/0:1]\n" QMAIL_COMMIT(
		 "202", "55") "exit 202\nidle\n",
	 "queued 55 /a.php\n"},
	{"a plain user",
	 "uid 202 1000\n" QMAIL_SENDMAIL("202") "fork 202 203\nexec 203 qmail-queue\n" QMAIL_COMMIT(
		 "203", "55") "exit 203\nexit 202\nidle\n",
	 "queued 55 uid 1000\n"},
	{"in the background: worker and shell are gone first",
	 "php 100 201 /a.php\nfork 201 202\nexit 201\nexit 100\n" QMAIL_SENDMAIL(
		 "202") "fork 202 203\nexec 203 qmail-queue\nexit 202\n" QMAIL_COMMIT("203",
										      "55") "exit "
											    "203\ni"
											    "dle\n",
	 "queued 55 /a.php\n"},
	{"two workers in turn on the same pids",
	 "php 100 202 /a.php\n" QMAIL_SENDMAIL(
		 "202") "fork 202 203\nexec 203 "
			"qmail-queue\n" QMAIL_COMMIT(
				"203",
				"55") "exit 203\nexit 202\n"
				      "php 100 202 "
				      "/b.php\n" QMAIL_SENDMAIL(
					      "202") "fork 202 "
						     "203\nexec 203 "
						     "qmail-"
						     "queue"
						     "\n" QMAIL_COMMIT(
							     "203",
							     "55") "exit 203\nexit 202\nidle\n",
	 "queued 55 /a.php\nqueued 55 /b.php\n"},
	{"a pid is used again and the exit was lost",
	 "php 100 202 /a.php\n" QMAIL_SENDMAIL("202") QMAIL_COMMIT(
		 "202", "54") "!exit 202\n"
			      "php 100 202 /b.php\n" QMAIL_SENDMAIL("202")
				      QMAIL_COMMIT("202", "55") "exit 202\n"
								"tick 40\ntick 40\nidle\n",
	 "queued 54 /a.php\nqueued 55 /b.php\n"},
	{"exit twice", "php 100 202 /a.php\n" QMAIL_SENDMAIL("202") "exit 202\nexit 202\nidle\n",
	 "attempted /a.php code 0 signal 0\n"},
	{"refused: exit status",
	 "php 100 202 /a.php\n" QMAIL_SENDMAIL(
		 "202") "fork 202 203\nexec 203 qmail-queue\n"
			"link 203 mess/1/55 pid/1.1\nunlink 203 mess/1/55\nexit 203 31\nexit 202 "
			"100\nidle\ncount\n",
	 "removed 55 aborted\nattempted /a.php code 100 signal 0\ncount 0 0\n"},
	{"killed", "php 100 202 /a.php\n" QMAIL_SENDMAIL("202") "exit 202 0 9\nidle\n",
	 "attempted /a.php code 0 signal 9\n"},
	{"killed while it writes: the file stays in flight",
	 "php 100 202 /a.php\n" QMAIL_SENDMAIL(
		 "202") "fork 202 203\nexec 203 qmail-queue\nlink 203 mess/1/55 pid/1.1\nexit 203 "
			"0 9\nexit 202 111\ncount\n",
	 "attempted /a.php code 111 signal 0\ncount 0 1\n"},
	{"a submission that becomes a query in place",
	 "php 100 202 /a.php\nexec 202 qmail-inject\nexec 202 qmail-qread\nexit 202 111\nidle\n",
	 ""},
	{"-bp is no attempt",
	 "php 100 202 /a.php\nexec 202 sendmail -bp\nexec 202 qmail-qread\nexit 202 111\nidle\n",
	 ""},
	{"a query by its program alone", "exec 202 qmail-qread\nexit 202\nidle\n", ""},
	{"no program: a shell that only runs other things",
	 "php 100 201 /a.php\nfork 201 202\nexit 202\nexit 201\nidle\n", ""},
	{"SMTP: one qmail-smtpd, two messages",
	 "uid 300 1002\nexec 300 qmail-smtpd\nfork 300 301\nexec 301 qmail-queue\n" QMAIL_COMMIT(
		 "301",
		 "55") "exit 301\nfork 300 302\nexec 302 qmail-queue\n" QMAIL_COMMIT("302",
										     "56") "exit "
											   "302\nex"
											   "it "
											   "300\nid"
											   "le\n",
	 "queued 55 uid 1002\nqueued 56 uid 1002\n"},
	{"SMTP of a script: qmail-smtpd's environment names the connection",
	 QMAIL_SMTP "uid 300 1002\n" QMAIL_SMTPD "file 55 network\n" QMAIL_COMMIT("301", "55"),
	 QMAIL_CONNECTED "queued 55 session /a.php\n"},
	{"a user runs qmail-smtpd, with the port of another's connection",
	 QMAIL_SMTP "uid 300 1005\nlogin 1005\n" QMAIL_SMTPD
		    "file 55 local uid 1005\n" QMAIL_COMMIT("301", "55"),
	 QMAIL_CONNECTED "queued 55 uid 1005\n"},
	{"a script does",
	 QMAIL_SMTP "php 101 300 /b.php\n" QMAIL_SMTPD
		    "file 55 local uid 33\n" QMAIL_COMMIT("301", "55"),
	 QMAIL_CONNECTED "queued 55 /b.php\n"},
	{"somebody who never logged in does, or the server is vpopmail's",
	 QMAIL_SMTP "uid 300 89\n" QMAIL_SMTPD "file 55 local uid 89\n" QMAIL_COMMIT("301", "55"),
	 QMAIL_CONNECTED "queued 55 session /a.php (its SMTP server, which names the connection, "
			 "ran as a user of its own)\n"},
	{"bounce: qmail-send's child",
	 "uid 400 1007\nexec 400 qmail-send\nfork 400 401\nexec 401 qmail-queue\n" QMAIL_COMMIT(
		 "401", "57") "exit 401\n",
	 "queued 57 unseen\n"},
	{"bounce by a qmail-send that ran before tracing",
	 "uid 401 1007\nexec 401 qmail-queue\n" QMAIL_COMMIT("401", "57") "exit 401\nidle\n",
	 "queued 57 uid 1007\n"},
	{"a queue file linked by nobody known", "link 900 todo/55 intd/55\ncount\n",
	 "queued 55 unseen\ncount 1 0\n"},
	{"delivered, bounced, or removed by an administrator: one unlink each",
	 "php 100 202 /a.php\nexec 202 qmail-queue\n" QMAIL_COMMIT(
		 "202", "55") "exit 202\nunlink 500 mess/1/55\nunlink 600 mess/1/77\ncount\nidle\n",
	 "queued 55 /a.php\nremoved 55\nremoved 77\ncount -1 0\n"},
	{"names that are no message",
	 "link 202 todo/x intd/x\nlink 202 pid/1 pid/2\nunlink 202 lock/trigger\nlink 202 "
	 "mess/../todo/5 intd/5\ncount\n",
	 "count 0 0\n"},
	{"absolute names",
	 "exec 202 qmail-queue\nlink 202 /spool0/todo/55 /spool0/intd/55\nexit 202\n"
	 "link 202 /other/todo/56 /other/intd/56\ncount\n",
	 "queued 55 uid 33\ncount 1 0\n"},
	{"the queue file is gone, or another's",
	 "file 55 gone\nfile 56 stale\nphp 100 202 /a.php\nexec 202 qmail-queue\n" QMAIL_COMMIT(
		 "202", "55") QMAIL_COMMIT("202", "56") "exit 202\nidle\n",
	 "queued 55 /a.php nofacts\nqueued 56 /a.php nofacts\n"},
	{"a script that a script's mail starts: the inner one is named",
	 "php 100 202 /a.php\n" QMAIL_SENDMAIL(
		 "202") "fork 202 203\ncli 203 204 /inner.php\n"
			"exec 204 sendmail -t\n" QMAIL_COMMIT(
				"204", "55") "exit 204\nexit 203\nexit 202 1\nidle\n",
	 "queued 55 /inner.php\nattempted /a.php code 1 signal 0\n"},
	{"pcntl_exec: the snapshot at the exec counts, not what was inherited",
	 "cli 100 201 /outer.php\npcntl 201 /worker.php\nexec 201 sendmail -t\n" QMAIL_COMMIT(
		 "201", "55") "exit 201\nidle\n",
	 "queued 55 /worker.php\n"},
	{"an injector that turns into a PHP script in place and sends itself",
	 "php 100 201 /a.php\nexec 201 sendmail -t\npcntl 201 /b.php\nexec 201 "
	 "qmail-queue\n" QMAIL_COMMIT("201", "55") "exit 201\nidle\n",
	 "attempted /a.php code -1 signal -1\nqueued 55 /b.php\n"},
	{"nested injections: the first one is reported once",
	 "php 100 202 /a.php\nexec 202 sendmail -t\nfork 202 203\nexec 203 sendmail -t\nfork 203 "
	 "204\n"
	 "exec 204 qmail-queue\n" QMAIL_COMMIT("204", "55") "exit 204\nexit 203\nexit 202\nidle\n",
	 "queued 55 /a.php\n"},
	/* records that are lost */
	{"lost fork of qmail-queue",
	 "php 100 202 /a.php\n" QMAIL_SENDMAIL(
		 "202") "!fork 202 203\nexec 203 qmail-queue\n" QMAIL_COMMIT("203",
									     "55") "exit 203\nexit "
										   "202\nidle\n",
	 "queued 55 /a.php\n"},
	{"lost fork and exec of qmail-queue",
	 "php 100 202 /a.php\n" QMAIL_SENDMAIL(
		 "202") "!fork 202 203\n!exec 203 "
			"qmail-queue\n" QMAIL_COMMIT("203", "55") "exit 203\nexit 202\nidle\n",
	 "queued 55 /a.php\n"},
	{"lost exec of sendmail",
	 "php 100 202 /a.php\n!exec 202 sendmail -t\nexec 202 qmail-inject\nfork 202 203\n"
	 "exec 203 qmail-queue\n" QMAIL_COMMIT("203", "55") "exit 203\nexit 202\nidle\n",
	 "queued 55 /a.php\n"},
	{"lost execs of sendmail and qmail-inject: the task joins the injection",
	 "php 100 202 /a.php\n!exec 202 sendmail -t\nfork 202 203\nexec 203 qmail-queue\n"
	 "exec 202 qmail-inject\n" QMAIL_COMMIT("202", "55") "exit 203\nexit 202\nidle\n",
	 "queued 55 /a.php\n"},
	{"lost execs of all three",
	 "php 100 202 /a.php\n!exec 202 sendmail -t\nfork 202 203\n!exec 203 "
	 "qmail-queue\n" QMAIL_COMMIT("203", "55") "exit 203\nexit 202\nidle\n",
	 "queued 55 lost\n"},
	{"lost origin",
	 "!php 100 202 /a.php\n" QMAIL_SENDMAIL("202") QMAIL_COMMIT("202", "55") "exit 202\nidle\n",
	 "queued 55 origin-lost\n"},
	{"lost origin on a pid whose last life was known",
	 "php 100 202 /a.php\nexec 202 qmail-queue\n" QMAIL_COMMIT(
		 "202", "54") "!exit 202\n"
			      "!php 100 202 /b.php\nexec 202 qmail-queue\n" QMAIL_COMMIT(
				      "202", "55") "exit 202\n",
	 "queued 54 /a.php\nqueued 55 origin-lost\n"},
	{"lost origin of an exec in place: not the script before it",
	 "php 100 201 /a.php\nexec 201 sendmail -t\n!pcntl 201 /b.php\nexec 201 "
	 "qmail-queue\n" QMAIL_COMMIT("201", "55") "exit 201\nidle\n",
	 "attempted /a.php code -1 signal -1\nqueued 55 origin-lost\n"},
	{"lost commit",
	 "php 100 202 /a.php\nexec 202 qmail-queue\nlink 202 mess/1/55 pid/1\n!link 202 todo/55 "
	 "intd/55\n"
	 "exit 202\nidle\n",
	 "attempted /a.php code 0 signal 0\n"},
	{"lost exit: it is missed by and by",
	 "php 100 202 /a.php\nexec 202 qmail-queue\n!exit 202\ntick 31\ntick 31\nidle\n",
	 "attempted /a.php code -1 signal -1\n"},
	{"an exit that is still in the ring is waited for",
	 "php 100 202 /a.php\nexec 202 qmail-queue\ndie 202\ntick 31\n" QMAIL_COMMIT(
		 "202", "55") "exit 202\nidle\n",
	 "queued 55 /a.php\n"},
	{"a connection from a worker",
	 "connect 100 40000 2 /a.php\nconnect 100 40000 1\nconnect 100 40000 7\ntick 31\nidle\n",
	 "connected /a.php state 2\nconnected /a.php state 1\nconnected /a.php state 7\n"},
	{"a connection whose end is told twice",
	 "connect 100 40000 2 /a.php\nconnect 100 40000 1\nconnect 100 40000 7\n"
	 "connect 100 40000 7\ntick 31\nidle\n",
	 "connected /a.php state 2\nconnected /a.php state 1\nconnected /a.php state 7\n"
	 "connected /a.php state 7\n"},
	{"a session that alone has its script is replaced by one of the same script",
	 "connect 100 40000 2 /a.php\nconnect 100 40000 1\nconnect 100 40000 7\n"
	 "connect 100 40000 1\nconnect 100 40000 7\ntick 31\nidle\n",
	 "connected /a.php state 2\nconnected /a.php state 1\nconnected /a.php state 7\n"
	 "connected /a.php state 1\nconnected /a.php state 7\n"},
	{"a connection that is refused", "connect 100 40000 2 /a.php\nconnect 100 40000 7\nidle\n",
	 "connected /a.php state 2\nconnected /a.php state 7\n"},
	{"a connection whose end is lost",
	 "connect 100 40000 2 /a.php\n!connect 100 40000 7\ntick 1700\ntick 101\nidle\n",
	 "connected /a.php state 2\n"},
	{"a session whose connection was made long ago",
	 "connect 100 40000 2 /a.php\nconnect 100 40000 1\ntick 1801\nconnect 100 40000 7\n"
	 "tick 31\nidle\n",
	 "connected /a.php state 2\nconnected /a.php state 1\nconnected /a.php state 7\n"},
	{"a connection whose end comes first", "connect 100 40009 7\nidle\n",
	 "connected lost state 7\n"},
	{"flush says what is unfinished",
	 "php 100 202 /a.php\nfile 55 again\nexec 202 qmail-queue\n" QMAIL_COMMIT(
		 "202", "55") "exit 202\nflush\nidle\n",
	 "queued 55 /a.php nofacts\n"},
};

static void qmail_stories(void **state)
{
	(void)state;
	run_stories(&mta_qmail, qmail, array_size(qmail));
}

/* ---- Postfix ---- */

/* 202 sendmail, 203 postdrop; 50 pickup, 51 cleanup */
#define PF_START                                                                                   \
	"comm 50 pickup\ncomm 51 cleanup\ncomm 52 qmgr\ncomm 53 cleanup\nuid 50 101\nuid 51 101\n"
#define PF_DROP(pid, child, x)                                                                     \
	"exec " pid " sendmail.postfix -t -i\nfork " pid " " child "\nexec " child                 \
	" postdrop -r\nrename " child " maildrop/" x " maildrop/1.2\n"
#define PF_END(pid, child) "exit " child "\nexit " pid "\n"
#define PF_CLEANUP(y)      "rename 51 incoming/" y " incoming/1.3\n"
#define PF_PICKED(x)       "unlink 50 maildrop/" x "\n"
#define X1                 "A1B2C3D4E5"
#define X2                 "B1B2C3D4E5"
#define Y1                 "C4054AA7EA"
#define Y2                 "D4054AA7EA"
#define S1                 "E4054AA7EA"

static const struct story postfix[] = {
	{"two ids",
	 PF_START "file " Y1 " again\nphp 100 201 /a.php\nfork 201 202\n" PF_DROP("202", "203", X1)
		 PF_END("202", "203") "exit 201\n" PF_CLEANUP(
			 Y1) "file " Y1
			     " ready local uid 33\n" PF_PICKED(
				     X1) "rename 52 active/" Y1 " incoming/" Y1
					 "\nunlink 52 active/" Y1 "\nidle\ncount\n",
	 "queued " Y1 " first " X1 " /a.php\nremoved " Y1 "\ncount 0 0\n"},
	{"qmgr moves it before pickup unlinks",
	 PF_START "file " Y1 " again\nphp 100 202 /a.php\n" PF_DROP("202", "203", X1)
		 PF_END("202", "203") PF_CLEANUP(Y1) "file " Y1 " ready local uid 33\n"
						     "rename 52 active/" Y1 " incoming/" Y1
						     "\n" PF_PICKED(X1) "idle\n",
	 "queued " Y1 " first " X1 " /a.php\n"},
	{"it is delivered before pickup unlinks",
	 PF_START "file " Y1 " again\nphp 100 202 /a.php\n" PF_DROP("202", "203", X1) PF_END(
		 "202", "203") PF_CLEANUP(Y1) "file " Y1 " ready local uid 33\n"
					      "rename 52 active/" Y1 " incoming/" Y1
					      "\nunlink 52 active/" Y1 "\n" PF_PICKED(X1) "idle\n",
	 "removed " Y1 "\nqueued " Y1 " first " X1 " /a.php\n"},
	{"its file was gone before it could be read: pickup still ties it",
	 PF_START "file " Y1 " gone\nphp 100 202 /a.php\n" PF_DROP("202", "203", X1)
		 PF_END("202", "203") PF_CLEANUP(Y1) PF_PICKED(X1) "idle\n",
	 "queued " Y1 " first " X1 " /a.php nofacts\n"},
	{"gone, and an SMTP message was gone at the same time: nobody's",
	 PF_START
	 "file " Y1 " gone\nfile " S1 " gone\nphp 100 202 /a.php\n" PF_DROP("202", "203", X1)
		 PF_END("202", "203") "rename 53 incoming/" S1 " incoming/1.4\n" PF_CLEANUP(Y1)
			 PF_PICKED(X1) "tick 6\nidle\n",
	 "queued " Y1 " unseen nofacts (several messages passed through maildrop at once)\n"
	 "queued " S1 " unseen nofacts (its passage through maildrop was not seen)\n"},
	{"SMTP mail in between, complete and not",
	 PF_START
	 "file " Y1 " again\nfile " S1 " network\nfile " Y2
	 " again network\nphp 100 202 /a.php\n" PF_DROP("202", "203", X1) PF_END("202", "203")
		 PF_CLEANUP(Y1) "rename 53 incoming/" S1 " incoming/1.4\nrename 53 incoming/" Y2
				" incoming/1.5\n"
				"file " Y1 " ready local uid 33\n" PF_PICKED(
					X1) "file " Y2 " ready\ntick 1\nidle\n",
	 "queued " S1 " unseen\nqueued " Y1 " first " X1 " /a.php\nqueued " Y2 " unseen\n"},
	{"two scripts, one after the other",
	 PF_START "php 100 202 /a.php\n" PF_DROP("202", "203", X1)
		 PF_END("202", "203") "php 101 204 /b.php\n" PF_DROP("204", "205", X2)
			 PF_END("204", "205") "file " Y1 " local uid 33\nfile " Y2
					      " local uid 33\n" PF_CLEANUP(Y1) PF_PICKED(X2)
						      PF_CLEANUP(Y2) PF_PICKED(X1) "idle\n",
	 "queued " Y1 " first " X2 " /b.php\nqueued " Y2 " first " X1 " /a.php\n"},
	{"postdrop gives up",
	 PF_START "php 100 202 /a.php\n" PF_DROP("202", "203",
						 X1) "unlink 203 maildrop/" X1
						     "\nexit 203 75\nexit 202 75\nidle\ncount\n",
	 "attempted /a.php code 75 signal 0\ncount 0 0\n"},
	{"cleanup gives up on SMTP mail",
	 PF_START "file " Y1 " again\n" PF_CLEANUP(Y1) "unlink 51 incoming/" Y1 "\nidle\ncount\n",
	 "removed " Y1 " aborted\ncount 0 0\n"},
	{"an administrator removes it from maildrop",
	 PF_START "php 100 202 /a.php\n" PF_DROP("202", "203", X1) PF_END(
		 "202", "203") "comm 900 postsuper\nunlink 900 maildrop/" X1 "\nidle\ncount\n",
	 "attempted /a.php code 0 signal 0 (it was removed from maildrop before it became a "
	 "message)\ncount 0 0\n"},
	{"an administrator removes one while pickup is at another",
	 PF_START "php 100 202 /a.php\n" PF_DROP("202", "203", X1)
		 PF_END("202", "203") "php 101 204 /b.php\n" PF_DROP("204", "205", X2)
			 PF_END("204", "205") "file " Y1 " local uid 33\n" PF_CLEANUP(
				 Y1) "comm 900 postsuper\nunlink 900 maildrop/" X2
				     "\n" PF_PICKED(X1) "idle\n",
	 "attempted /b.php code 0 signal 0 (it was removed from maildrop before it became a "
	 "message)\n"
	 "queued " Y1 " first " X1 " /a.php\n"},
	{"pickup throws a broken one away",
	 PF_START "php 100 202 /a.php\n" PF_DROP("202", "203", X1) PF_END("202", "203")
		 PF_PICKED(X1) "idle\ncount\n",
	 "attempted /a.php code 0 signal 0 (it reached maildrop, but no message came of it)\ncount "
	 "0 0\n"},
	{"Postfix is down: named under its first id, once",
	 PF_START "php 100 202 /a.php\n" PF_DROP("202", "203", X1)
		 PF_END("202", "203") "tick 11\ntick 20\nfile " Y1 " local uid 33\n" PF_CLEANUP(Y1)
			 PF_PICKED(X1) "idle\ncount\n",
	 "queued " X1 " first " X1 " /a.php nofacts\ncount 1 0\n"},
	{"Postfix is down, and postdrop gives up after that was told",
	 PF_START
	 "php 100 202 /a.php\n" PF_DROP("202", "203", X1) "tick 11\nunlink 203 maildrop/" X1
							  "\n" PF_END("202", "203") "idle\ncount\n",
	 "queued " X1 " first " X1
	 " /a.php nofacts\nattempted /a.php code 0 signal 0\ncount 0 0\n"},
	{"Postfix is down, and an administrator empties its maildrop",
	 PF_START "php 100 202 /a.php\n" PF_DROP("202", "203", X1)
		 PF_END("202", "203") "tick 11\ncomm 900 postsuper\nunlink 900 maildrop/" X1
				      "\nidle\ncount\n",
	 "queued " X1 " first " X1 " /a.php nofacts\ncount 0 0\n"},
	{"a maildrop file from before tracing: its message is nobody's, the next one is right",
	 PF_START "file " Y1 " local uid 33\nfile " Y2 " local uid 33\n"
		  "php 100 202 /a.php\n" PF_DROP("202", "203", X2) PF_END("202", "203") PF_CLEANUP(
			  Y1) PF_PICKED(X1) PF_CLEANUP(Y2) PF_PICKED(X2) "tick 6\nidle\n",
	 "queued " Y1 " unseen\nqueued " Y2 " first " X2 " /a.php\n"},
	{"the message that came of it was lost: that is no attempt",
	 PF_START "php 100 202 /a.php\n" PF_DROP("202", "203", X1)
		 PF_END("202", "203") "!" PF_CLEANUP(Y1) PF_PICKED(X1) "idle\n",
	 ""},
	{"a message that is older than the maildrop file is not its",
	 PF_START "file " Y1 " local uid 33\n" PF_CLEANUP(Y1) "php 100 202 /a.php\n" PF_DROP(
		 "202", "203", X1) PF_END("202", "203") PF_PICKED(X1) "tick 6\nidle\n",
	 "attempted /a.php code 0 signal 0 (it reached maildrop, but no message came of it)\n"
	 "queued " Y1 " unseen (its passage through maildrop was not seen)\n"},
	{"another uid's file is not this injection's",
	 PF_START "php 100 202 /a.php\n" PF_DROP("202", "203", X1)
		 PF_END("202", "203") "file " Y1 " local uid 44\n" PF_CLEANUP(Y1)
			 PF_PICKED(X1) "tick 6\nidle\n",
	 "attempted /a.php code 0 signal 0 (it reached maildrop, but no message came of it)\n"
	 "queued " Y1 " unseen (its passage through maildrop was not seen)\n"},
	{"-bp and mailq",
	 PF_START "php 100 202 /a.php\nexec 202 sendmail.postfix -bp\nexec 202 postqueue -p\nexit "
		  "202\nidle\n",
	 ""},
	{"deferred and retried: no new message",
	 PF_START "rename 52 deferred/A/" Y1 " active/" Y1 "\nrename 52 active/" Y1
		  " deferred/A/" Y1 "\ncount\n",
	 "count 0 0\n"},
	{"empty mail: sendmail's error",
	 PF_START "php 100 202 /a.php\nexec 202 sendmail.postfix -t\nexit 202 67\nidle\n",
	 "attempted /a.php code 67 signal 0\n"},
	{"flush: in maildrop and in between",
	 PF_START "php 100 202 /a.php\n" PF_DROP("202", "203", X1)
		 PF_END("202", "203") "file " Y1 " local uid 33\n" PF_CLEANUP(Y1) "flush\nidle\n",
	 "queued " Y1 " unseen (its passage through maildrop was not seen)\n"
	 "queued " X1 " first " X1 " /a.php nofacts\n"},
	/* SMTP from a script */
	{"over a connection of its own",
	 PF_START "connect 100 40000 2 /a.php\nconnect 100 40000 1\nfile " Y1
		  " network port 40000\n" PF_CLEANUP(Y1) "connect 100 40000 7\ntick 31\nidle\n",
	 "connected /a.php state 2\nconnected /a.php state 1\nqueued " Y1
	 " session /a.php\nconnected /a.php state 7\n"},
	{"complete only after the connection's end",
	 PF_START "connect 100 40000 2 /a.php\nconnect 100 40000 1\nfile " Y1
		  " again network port 40000\n" PF_CLEANUP(Y1) "connect 100 40000 7\nfile " Y1
							       " ready\ntick 1\ntick 40\nidle\n",
	 "connected /a.php state 2\nconnected /a.php state 1\nconnected /a.php state 7\nqueued " Y1
	 " session /a.php\n"},
	{"two scripts at once, each on its port",
	 PF_START "connect 100 40000 2 /a.php\nconnect 101 40001 2 /b.php\nconnect 101 40001 "
		  "1\nconnect 100 40000 1\n"
		  "file " Y1 " network port 40000\nfile " Y2 " network port 40001\n" PF_CLEANUP(Y2)
			  PF_CLEANUP(Y1),
	 "connected /a.php state 2\nconnected /b.php state 2\nconnected /b.php state 1\nconnected "
	 "/a.php state 1\n"
	 "queued " Y2 " session /b.php\nqueued " Y1 " session /a.php\n"},
	{"a port that is used again",
	 PF_START "connect 100 40000 2 /a.php\nconnect 100 40000 1\nconnect 100 40000 7\n"
		  "connect 101 40000 2 /b.php\nconnect 101 40000 1\nfile " Y1
		  " network port 40000\n" PF_CLEANUP(Y1) "connect 101 40000 7\ntick 31\nidle\n",
	 "connected /a.php state 2\nconnected /a.php state 1\nconnected /a.php state 7\nconnected "
	 "/b.php state 2\n"
	 "connected /b.php state 1\nqueued " Y1 " session /b.php\nconnected /b.php state 7\n"},
	{"a port that is used again before the message is complete",
	 PF_START "connect 100 40000 2 /a.php\nconnect 100 40000 1\nfile " Y1
		  " again network port 40000\n" PF_CLEANUP(
			  Y1) "connect 100 40000 7\n"
			      "connect 101 40000 2 /b.php\nconnect 101 40000 1\nfile " Y1
			      " ready\ntick 1\n",
	 "connected /a.php state 2\nconnected /a.php state 1\nconnected /a.php state 7\nconnected "
	 "/b.php state 2\nconnected /b.php state 1\nqueued " Y1 " unseen forgotten\n"},
	{"the end of a connection was lost: its port may be another's by now",
	 PF_START "connect 100 40000 2 /a.php\nconnect 100 40000 1\n!connect 100 40000 7\nfile " Y1
		  " network port 40000\n" PF_CLEANUP(Y1),
	 "connected /a.php state 2\nconnected /a.php state 1\nqueued " Y1
	 " session /a.php (records were lost, and its port may have been used again)\n"},
	{"something was lost, but not the end of the connection",
	 PF_START "connect 100 40000 2 /a.php\nconnect 100 40000 1\nfile " Y1
		  " again network port 40000\n" PF_CLEANUP(Y1) "!connect 100 39999 7\nconnect 100 "
							       "40000 7\nfile " Y1
							       " ready\ntick 1\n",
	 "connected /a.php state 2\nconnected /a.php state 1\nconnected /a.php state 7\nqueued " Y1
	 " session /a.php\n"},
	{"another port, an unknown one",
	 PF_START "connect 100 40000 2 /a.php\nconnect 100 40000 1\nfile " Y1
		  " network port 40005\nfile " Y2 " network\n" PF_CLEANUP(Y1) PF_CLEANUP(Y2),
	 "connected /a.php state 2\nconnected /a.php state 1\nqueued " Y1 " unseen\nqueued " Y2
	 " unseen\n"},
	{"a persistent connection: its second message may be another request's",
	 PF_START "function\nrunning 1\nconnect 100 40000 2 /a.php\nconnect 100 40000 1\nfile " Y1
		  " network port 40000\nfile " Y2 " network port 40000\n" PF_CLEANUP(Y1)
			  PF_CLEANUP(Y2),
	 "connected /a.php state 2\nconnected /a.php state 1\nqueued " Y1
	 " session /a.php\nqueued " Y2 " session /a.php (it came over a persistent connection, "
	 "which a later request may have used)\n"},
	{"a persistent connection whose first message came when its script had ended",
	 PF_START "function\nconnect 100 40000 2 /a.php\nconnect 100 40000 1\nfile " Y1
		  " network port 40000\n" PF_CLEANUP(Y1),
	 "connected /a.php state 2\nconnected /a.php state 1\nqueued " Y1
	 " session /a.php (it came over a persistent connection, which a later request may have "
	 "used)\n"},
	{"and when somebody had closed it before it was complete",
	 PF_START "function\nrunning 1\nconnect 100 40000 2 /a.php\nconnect 100 40000 1\nfile " Y1
		  " again network port 40000\n" PF_CLEANUP(Y1) "connect 100 40000 7\nfile " Y1
							       " ready\ntick 1\n",
	 "connected /a.php state 2\nconnected /a.php state 1\nconnected /a.php state 7\nqueued " Y1
	 " session /a.php (it came over a persistent connection, which a later request may have "
	 "used)\n"},
	{"the origin's record was lost: nobody's",
	 PF_START "!connect 100 40000 2 /a.php\nconnect 100 40000 1\nfile " Y1
		  " network port 40000\n" PF_CLEANUP(Y1) "connect 100 40000 7\ntick 31\nidle\n",
	 "connected lost state 2\nconnected lost state 1\nqueued " Y1
	 " lost\nconnected lost state 7\n"},
	/* records that are lost */
	{"lost unlink: the message before is not given to the next injection",
	 PF_START "tick 1\nphp 100 202 /a.php\n" PF_DROP("202", "203", X1)
		 PF_END("202", "203") "php 101 204 /b.php\n" PF_DROP("204", "205", X2)
			 PF_END("204", "205") "file " Y1 " local uid 33\nfile " Y2
					      " local uid 33\n" PF_CLEANUP(Y1) "!" PF_PICKED(X1)
						      PF_CLEANUP(Y2) PF_PICKED(X2) "tick 6\n",
	 "queued " Y2 " unseen (several messages passed through maildrop at once)\n"
	 "queued " Y1 " unseen (its passage through maildrop was not seen)\n"},
	{"lost unlink: a message is not told under its first id as well",
	 PF_START "tick 1\nphp 100 202 /a.php\n" PF_DROP("202", "203", X1)
		 PF_END("202", "203") "file " Y1 " local uid 33\n" PF_CLEANUP(Y1) "!" PF_PICKED(
			 X1) "file " X1 " gone\ntick 6\ntick 6\ncount\nidle\n",
	 "queued " Y1 " unseen (its passage through maildrop was not seen)\ncount 1 0\n"},
	{"lost unlink, and tracing ends",
	 PF_START "tick 1\nphp 100 202 /a.php\n" PF_DROP("202", "203", X1)
		 PF_END("202", "203") "file " Y1 " local uid 33\n" PF_CLEANUP(Y1) "!" PF_PICKED(
			 X1) "file " X1 " gone\nflush\nidle\n",
	 "queued " Y1 " unseen (its passage through maildrop was not seen)\n"},
	{"lost unlink and the next one's commit: the name would be another's",
	 PF_START "tick 1\nphp 100 202 /a.php\n" PF_DROP("202", "203", X1)
		 PF_END("202", "203") "php 101 204 /b.php\n" PF_DROP("204", "205", X2)
			 PF_END("204", "205") "file " Y1 " local uid 33\n" PF_CLEANUP(
				 Y1) "!" PF_PICKED(X1) "!" PF_CLEANUP(Y2) PF_PICKED(X2) "tick 6\n",
	 "queued " Y1
	 " unseen (records of the queue were lost while it passed through maildrop)\n"},
	{"lost pickup",
	 PF_START
	 "php 100 202 /a.php\nexec 202 sendmail.postfix -t\nfork 202 203\nexec 203 postdrop -r\n"
	 "!rename 203 maildrop/" X1 " maildrop/1.2\nfile " Y1 " local uid 33\n" PF_CLEANUP(Y1)
		 PF_PICKED(X1) "exit 203\nexit 202\nidle\n",
	 "queued " Y1 " unseen (records of the queue were lost while it passed through maildrop)\n"
	 "attempted /a.php code 0 signal 0\n"},
};

/* What happens to a message in the end, and to files that never become one. */
static const struct story qmail_ends[] = {
	{"a bounce is told with the message that qmail-clean takes next",
	 "comm 60 qmail-clean\nfile 57 bounce\nuid 401 1007\nexec 401 qmail-queue\n" QMAIL_COMMIT(
		 "401", "57") "exit 401\nunlink 60 mess/1/55\nunlink 60 mess/1/56\nidle\n",
	 "queued 57 uid 1007 bounces 55\nremoved 55 bounced\nremoved 56\n"},
	{"a bounce whose message an administrator's rm overtakes",
	 "comm 60 qmail-clean\ncomm 61 rm\nfile 57 bounce\nuid 401 1007\nexec 401 "
	 "qmail-queue\n" QMAIL_COMMIT("401", "57") "unlink 61 mess/1/54\nunlink 60 mess/1/55\n",
	 "removed 54\nqueued 57 uid 1007 bounces 55\nremoved 55 bounced\n"},
	{"a bounce that is gone itself before its message",
	 "comm 60 qmail-clean\nfile 57 bounce\nuid 401 1007\nexec 401 qmail-queue\n" QMAIL_COMMIT(
		 "401", "57") "unlink 60 mess/1/57\n",
	 "queued 57 uid 1007\nremoved 57\n"},
	{"a bounce that nothing follows",
	 "file 57 bounce\nuid 401 1007\nexec 401 qmail-queue\n" QMAIL_COMMIT("401",
									     "57") "tick 3\n",
	 "queued 57 uid 1007\n"},
	{"an orphan, and its end",
	 "comm 60 qmail-clean\nexec 203 qmail-queue\nlink 203 mess/1/55 pid/1.1\ntick 1\norphans\n"
	 "exit 203 0 9\ntick 1\norphans\nunlink 60 mess/1/55\norphans\ncount\n",
	 "orphans 0\nattempted uid 33 code 0 signal 9\norphans 1\nremoved 55 aborted\norphans "
	 "0\ncount 0 0\n"},
};

static void qmail_ends_of_messages(void **state)
{
	(void)state;
	run_stories(&mta_qmail, qmail_ends, array_size(qmail_ends));
}

static const struct story postfix_peers[] = {
	{"a file that was gone at once: from the network",
	 "comm 51 cleanup\npeer 0 smtpd\nfile " Y1 " gone\nrename 51 incoming/" Y1
	 " incoming/1.51\n",
	 "queued " Y1 " unseen nofacts run 3\n"},
	{"from local(8): a forward",
	 "comm 51 cleanup\npeer 0 local\nrename 51 incoming/" Y1 " incoming/1.51\n",
	 "queued " Y1 " unseen run 6\n"},
	{"a bounce, and what it bounces",
	 "comm 51 cleanup\ncomm 52 qmgr\npeer 0 bounce\nfile " Y1 " again bounce parent " Y2
	 "\nrename 51 incoming/" Y1 " incoming/1.51\nfile " Y1 " ready\nunlink 52 active/" Y2 "\n",
	 "queued " Y1 " unseen bounces " Y2 " run 5\nremoved " Y2 " bounced\n"},
	{"a warning of a delay: what is delivered later was not bounced",
	 "comm 51 cleanup\ncomm 52 qmgr\npeer 0 bounce\nfile " Y1 " bounce parent " Y2
	 "\nrename 51 incoming/" Y1 " incoming/1.51\ntick 60\nunlink 52 active/" Y2 "\n",
	 "queued " Y1 " unseen bounces " Y2 " run 5\nremoved " Y2 "\n"},
	{"the log tells a message of pickup's from one of smtpd's, whose files both were gone",
	 PF_START "php 100 202 /a.php\n" PF_DROP("202", "203", X1) PF_END(
		 "202", "203") "file " Y1 " gone daemon pickup\nfile " Y2 " gone daemon smtpd\n"
			       "rename 51 incoming/" Y1 " incoming/1.51\nrename 51 incoming/" Y2
			       " incoming/2.51\n" PF_PICKED(X1) "tick 1\nidle\n",
	 "queued " Y1 " first " X1 " /a.php nofacts\nqueued " Y2 " unseen nofacts run 3\n"},
	{"what only the log knows waits for its own removal",
	 "comm 51 cleanup\nfile " Y1 " gone daemon smtpd\nrename 51 incoming/" Y1
	 " incoming/1.51\nunlink 51 incoming/" Y1 "\ntick 1\nidle\n",
	 "removed " Y1 " aborted\n"},
	{"a client that gives up, even if the file was not seen",
	 "comm 51 cleanup\npeer 0 pickup\nfile " Y1 " gone\nrename 51 incoming/" Y1
	 " incoming/1.51\nunlink 51 incoming/" Y1 "\nidle\ncount\n",
	 "removed " Y1 " aborted\ncount 0 0\n"},
};

/* Sendmail's process holds the session; the file may be gone before it could be read. */
static const struct story sendmail_sessions[] = {
	{"a login that the log has named already",
	 "file 6AM0ag2p020488 authenticated mailbox joe\ncreate 51 qf6AM0ag2p020488\nidle\n",
	 "queued 6AM0ag2p020488 unseen by joe (log)\n"},
	{"a login that the log names a moment later",
	 "file 6AM0ag2p020488 authenticated\ncreate 51 qf6AM0ag2p020488\ntick 1\n"
	 "file 6AM0ag2p020488 mailbox joe\ntick 1\nidle\n",
	 "queued 6AM0ag2p020488 unseen by joe (log)\n"},
	{"delivered meanwhile",
	 "file 6AM0ag2p020488 authenticated\ncreate 51 qf6AM0ag2p020488\n"
	 "unlink 51 qf6AM0ag2p020488\nfile 6AM0ag2p020488 mailbox joe\ntick 1\nidle\n",
	 "removed 6AM0ag2p020488\nqueued 6AM0ag2p020488 unseen by joe (log)\n"},
	{"a login that the log never names",
	 "file 6AM0ag2p020488 authenticated\ncreate 51 qf6AM0ag2p020488\ntick 1\ntick 2\nidle\n",
	 "queued 6AM0ag2p020488 unseen\n"},
	{"the log is not asked about a file without a login",
	 "file 6AM0ag2p020488 network mailbox joe\ncreate 51 qf6AM0ag2p020488\nidle\n",
	 "queued 6AM0ag2p020488 unseen\n"},
	{"its file is gone", "file 6AM0ag2p020488 gone\ncreate 51 qf6AM0ag2p020488\nidle\n",
	 "queued 6AM0ag2p020488 unseen nofacts\n"},
	{"its file is there, and no descriptor is left",
	 "file 6AM0ag2p020488 denied\ncreate 51 qf6AM0ag2p020488\nidle\n",
	 "queued 6AM0ag2p020488 unseen nofacts: unreadable\n"},
	{"a script's session, and no file",
	 "connect 100 40000 2 /a.php\nconnect 100 40000 1\nsocket 40000\nfile 6AM0ag2p020488 "
	 "gone\ncreate 51 df6AM0ag2p020488\ncreate 51 qf6AM0ag2p020488\nsocket 0\n"
	 "connect 100 40000 7\ntick 31\nidle\n",
	 "connected /a.php state 2\nconnected /a.php state 1\nqueued 6AM0ag2p020488 session /a.php "
	 "nofacts\n"
	 "connected /a.php state 7\n"},
	{"another port's session, and no file",
	 "connect 100 40000 2 /a.php\nconnect 100 40000 1\nsocket 40001\nfile 6AM0ag2p020488 "
	 "gone\ncreate 51 qf6AM0ag2p020488\nsocket 0\nconnect 100 40000 7\ntick 31\nidle\n",
	 "connected /a.php state 2\nconnected /a.php state 1\nqueued 6AM0ag2p020488 unseen "
	 "nofacts\n"
	 "connected /a.php state 7\n"},
};

static void sendmail_holds_the_session(void **state)
{
	(void)state;
	run_stories(&mta_sendmail, sendmail_sessions, array_size(sendmail_sessions));
}

static void postfix_knows_the_peer(void **state)
{
	(void)state;
	run_stories(&mta_postfix, postfix_peers, array_size(postfix_peers));
}

static void postfix_stories(void **state)
{
	(void)state;
	run_stories(&mta_postfix, postfix, array_size(postfix));
}

/* ---- Exim: ids carry the pid that received them, so they are made here ---- */

static const char *exim_id(char out[24], const char *stamp, uint32_t pid)
{
	static const char digits[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	char base[7] = "000000";

	for (int i = 5; i >= 0 && pid; i--, pid /= 62)
		base[i] = digits[pid % 62];
	snprintf(out, 24, "%.6s-%s-00", stamp, base);
	return out;
}

static void exim_commit(struct world *w, uint32_t pid, const char *id)
{
	char from[64], to[64];

	snprintf(from, sizeof(from), "hdr.%s", id);
	snprintf(to, sizeof(to), "%s-H", id);
	sim_queue(&w->sim, pid, 0, ST_OP_RENAME, to, from);
}

static void expect_log(struct world *w, const char *fmt, ...)
{
	char want[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(want, sizeof(want), fmt, ap);
	va_end(ap);
	assert_string_equal(w->log, want);
}

static void exim_one_process_many_messages(void **state)
{
	struct world *w = world_new(&mta_exim);
	char a[24], b[24];

	(void)state;
	exim_id(a, "1rAbCd", 202);
	exim_id(b, "1rAbCe", 202);
	tell(w, "php 100 202 /a.php\nexec 202 exim4 -bs\n");
	exim_commit(w, 202, a);
	exim_commit(w, 202, b);
	tell(w, "exit 202\nidle\ncount\n");
	expect_log(w, "queued %s /a.php\nqueued %s /a.php\ncount 2 0\n", a, b);
	world_free(w);
}

/* Started while tracing, by the administrator: what network clients send it is not his. */
static void exim_daemon_injects_nothing(void **state)
{
	struct world *w = world_new(&mta_exim);
	char a[24];

	(void)state;
	exim_id(a, "1rAbCd", 203);
	tell(w, "uid 202 0\nexec 202 exim4 -bd\nfork 202 203\n");
	exim_commit(w, 203, a);
	tell(w, "exit 203\nexit 202\nidle\n");
	expect_log(w, "queued %s unseen\n", a);
	world_free(w);
}

/* Exim's one process: what its arguments seem to make of it decides. */
static void what_seems_a_daemon_by_cut_arguments(void **state)
{
	static const struct {
		bool cut;
		const char *expect;
	} cases[] = {{false, "unseen"}, {true, "/a.php"}};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct world *w = world_new(&mta_exim);
		char id[24];

		exim_id(id, "1rAbCd", 202);
		tell(w, "php 100 202 /a.php\n");
		w->sim.args_cut = cases[i].cut;
		tell(w, "exec 202 exim4 -bd -F x\n");
		exim_commit(w, 202, id);
		expect_log(w, "queued %s %s\n", id, cases[i].expect);
		world_free(w);
	}
}

static void exim_deferral_is_no_message(void **state)
{
	struct world *w = world_new(&mta_exim);
	char a[24], to[64];

	(void)state;
	exim_id(a, "1rAbCd", 202);
	tell(w, "php 100 202 /a.php\nexec 202 exim4 -t -i\n");
	exim_commit(w, 202, a);
	tell(w, "fork 202 203\nexit 202\nexec 203 exim4 -Mc id\n");
	exim_commit(w, 203, a); /* the header file is written anew */
	snprintf(to, sizeof(to), "%s-H", a);
	sim_queue(&w->sim, 203, 0, ST_OP_UNLINK, to, NULL);
	tell(w, "exit 203\nidle\ncount\n");
	expect_log(w, "queued %s /a.php\nremoved %s\ncount 0 0\n", a, a);
	world_free(w);
}

static void exim_names_what_it_bounces(void **state)
{
	struct world *w = world_new(&mta_exim);
	char a[24], b[24], story[256];

	(void)state;
	exim_id(a, "1rAbCd", 202);
	exim_id(b, "1rAbCe", 204);
	tell(w, "uid 204 100\n");
	snprintf(story, sizeof(story), "file %s bounce\nexec 204 exim4 -t -oem -oi -f <> -E%s\n", b,
		 a);
	tell(w, story);
	exim_commit(w, 204, b);
	snprintf(story, sizeof(story), "exit 204\nunlink 60 %s-H\nunlink 60 %s-H\n", a, b);
	tell(w, story);
	expect_log(w, "queued %s uid 100 bounces %s\nremoved %s bounced\nremoved %s\n", b, a, a, b);
	world_free(w);
}

static void exim_bounce_of_a_scripts_mail(void **state)
{
	struct world *w = world_new(&mta_exim);
	char a[24], b[24];

	(void)state;
	exim_id(a, "1rAbCd", 202);
	exim_id(b, "1rAbCe", 204);
	tell(w, "php 100 202 /a.php\nexec 202 exim4 -t -i\n");
	exim_commit(w, 202, a);
	tell(w, "fork 202 203\nexit 202\nexec 203 exim4 -Mc id\nfork 203 204\n"
		"exec 204 exim4 -t -oem -oi -f <> -E1rAbCd\n");
	exim_commit(w, 204, b);
	tell(w, "exit 204\nexit 203\nidle\ncount\n");
	/* attribute says "bounce" by the run; here it only has to be one message */
	expect_log(w, "queued %s /a.php\nqueued %s /a.php bounces 1rAbCd\ncount 2 0\n", a, b);
	world_free(w);
}

static void exim_smtp_by_the_daemon(void **state)
{
	struct world *w = world_new(&mta_exim);
	char a[24];

	(void)state;
	exim_id(a, "1rAbCd", 777);
	exim_commit(w, 777, a);
	tell(w, "idle\n");
	expect_log(w, "queued %s unseen\n", a);
	world_free(w);
}

static void two_queues_are_kept_apart(void **state)
{
	struct world *w = world_new(&mta_qmail);

	(void)state;
	tell(w, "php 100 202 /a.php\nexec 202 qmail-queue\nlink 202 mess/1/55 pid/1\n"
		"link 202 todo/55 intd/55\nqueue 1\nunlink 202 mess/1/55\ncount\nexit 202\n");
	assert_string_equal(w->log, "queued 55 /a.php\ncount 1 0\n");
	world_free(w);
}

/* ---- records that make no sense ---- */

static void nonsense_is_counted(void **state)
{
	struct world *w = world_new(&mta_qmail);
	struct correlate_stats s;

	(void)state;
	sim_queue(&w->sim, 1, 7, ST_OP_LINK, "todo/55", "intd/55"); /* no such queue */
	sim_queue(&w->sim, 1, 0, ST_OP_LINK, "todo/../55", NULL);
	sim_queue(&w->sim, 1, 0, ST_OP_LINK, "", NULL);
	sim_origin(&w->sim, 100, 200, "/a.php", ST_SAPI_FPM, ST_BY_FORK);
	world_record(w, &w->sim.rec); /* the same origin twice */
	correlate_stats(w->c, &s);
	assert_int_equal(s.bad, 4);
	assert_string_equal(w->log, "");
	world_free(w);
}

static void a_server_and_who_started_it(void **state)
{
	struct world *w = world_new(&mta_postfix);
	const struct origin *o;
	uint64_t script, server, lost;

	(void)state;
	script = sim_origin(&w->sim, 100, 200, "/a.php", ST_SAPI_FPM, ST_BY_FORK);
	server = sim_origin(&w->sim, 200, 200, "", ST_SAPI_NONE, ST_BY_SERVER);
	sim_exit(&w->sim, 100, 0);
	o = correlate_origin(w->c, server);
	assert_non_null(o); /* the server has it */
	assert_int_equal(o->parent, script);
	assert_false(o->parent_lost);
	assert_null(o->frames[0].file); /* of the script's it has nothing */
	sim_exit(&w->sim, 200, 0);
	assert_null(correlate_origin(w->c, server));
	assert_null(correlate_origin(w->c, script));
	w->sim.task[400].origin = 1000; /* whose record was lost */
	lost = sim_origin(&w->sim, 400, 300, "/b.php", ST_SAPI_FPM, ST_BY_FORK);
	o = correlate_origin(w->c, lost);
	assert_int_equal(o->parent, 0);
	assert_true(o->parent_lost);
	world_free(w);
}

static void many_waiting_messages_are_bounded(void **state)
{
	struct world *w = world_new(&mta_postfix);
	struct correlate_stats s;
	char line[128];

	(void)state;
	for (unsigned i = 0; i < FILES_MAX; i++) {
		snprintf(line, sizeof(line),
			 "file F%07X again\nrename 51 incoming/F%07X incoming/1.%u\n", i, i, i);
		tell(w, line);
	}
	correlate_stats(w->c, &s);
	assert_int_equal(s.waiting, FILES_MAX);
	tell(w, "tick 601\nidle\n");
	assert_int_equal(strncmp(w->log, "queued F", 8), 0);
	world_free(w);
}

/* ---- property: names never cross ---- */

#define INJECTIONS 40

/* One injection of the property test: its steps are done in order, those of others in between. */
struct actor_script {
	uint32_t worker, sh, sendmail, queue;
	char script[32];
	char id[32], first[32];
	unsigned step, steps;
};

struct property {
	struct actor_script a[INJECTIONS];
	uint64_t seed;
	unsigned drop; /* of 1000 records */
	unsigned named, unknown, attempts;
};

static bool dropped(struct property *p)
{
	return rnd(&p->seed) % 1000 < p->drop;
}

static void property_queued(struct world *w, const struct queued *q)
{
	struct property *p = w->test;

	for (unsigned i = 0; i < INJECTIONS; i++) {
		struct actor_script *a = &p->a[i];

		if (strcmp(q->id, a->id) && strcmp(q->id, a->first))
			continue;
		if (!q->injection || !q->injection->origin) {
			p->unknown++;
			if (!p->drop)
				fail_msg("message %s of %s has no name", q->id, a->script);
			return;
		}
		if (strcmp(q->injection->origin->script, a->script))
			fail_msg("message %s of %s was given to %s", q->id, a->script,
				 q->injection->origin->script);
		p->named++;
		return;
	}
	fail_msg("message %s is nobody's", q->id);
}

static void property_attempted(struct world *w, const struct injection *i)
{
	struct property *p = w->test;

	(void)i;
	p->attempts++;
	if (!p->drop)
		fail_msg("%s was said to have sent nothing", i->origin ? i->origin->script : "?");
}

/* Steps of a qmail injection: 0 .. 11. */
static void qmail_step(struct world *w, struct property *p, struct actor_script *a)
{
	struct sim *s = &w->sim;
	char name[64], old[64];

	s->lose = dropped(p);
	switch (a->step++) {
	case 0:
		sim_origin(s, a->worker, a->sh, a->script, ST_SAPI_FPM, ST_BY_FORK);
		break;
	case 1:
		sim_fork(s, a->sh, a->sendmail);
		break;
	case 2:
		world_exec(w, a->sendmail, "sendmail", "-t -i");
		break;
	case 3:
		world_exec(w, a->sendmail, "qmail-inject", "-H --");
		break;
	case 4:
		if (a->worker % 3 == 0) /* in the background: the shell is gone */
			sim_exit(s, a->sh, 0);
		break;
	case 5:
		sim_fork(s, a->sendmail, a->queue);
		break;
	case 6:
		world_exec(w, a->queue, "qmail-queue", "");
		break;
	case 7:
		snprintf(name, sizeof(name), "mess/1/%s", a->id);
		sim_queue(s, a->queue, 0, ST_OP_LINK, name, "pid/1.1");
		break;
	case 8:
		snprintf(name, sizeof(name), "todo/%s", a->id);
		snprintf(old, sizeof(old), "intd/%s", a->id);
		sim_queue(s, a->queue, 0, ST_OP_LINK, name, old);
		break;
	case 9:
		sim_exit(s, a->queue, 0);
		break;
	case 10:
		sim_exit(s, a->sendmail, 0);
		break;
	default:
		sim_exit(s, a->sh, 0);
	}
	s->lose = false;
}

static void property_start(struct property *p, unsigned steps, unsigned round, bool first_ids)
{
	for (unsigned i = 0; i < INJECTIONS; i++) {
		struct actor_script *a = &p->a[i];

		/* pids are used again and again, by other scripts */
		a->worker = 10 + i;
		a->sh = 100 + (i + round) % INJECTIONS;
		a->sendmail = 200 + (i * 7 + round) % INJECTIONS;
		a->queue = 300 + (i * 3 + round) % INJECTIONS;
		a->step = 0;
		a->steps = steps;
		snprintf(a->script, sizeof(a->script), "/s%u-%u.php", round, i);
		snprintf(a->id, sizeof(a->id), first_ids ? "%u0%05uAAAA" : "%u0%05u", round % 9 + 1,
			 i);
		snprintf(a->first, sizeof(a->first), first_ids ? "%u0%05uFFFF" : "-", round % 9 + 1,
			 i);
	}
}

static void qmail_property(uint64_t seed, unsigned drop, unsigned *unknown)
{
	struct property p = {.seed = seed, .drop = drop};
	struct world *w = world_new(&mta_qmail);

	w->test = &p;
	w->on_queued = property_queued;
	w->on_attempted = property_attempted;
	for (unsigned round = 0; round < 8; round++) {
		unsigned left = INJECTIONS * 12;

		property_start(&p, 12, round, false);
		while (left) {
			struct actor_script *a = &p.a[rnd(&p.seed) % INJECTIONS];

			if (a->step >= a->steps)
				continue;
			qmail_step(w, &p, a);
			left--;
			if (rnd(&p.seed) % 50 == 0)
				tell(w, "tick 1\n");
		}
	}
	if (!drop) {
		assert_int_equal(p.named, INJECTIONS * 8);
		tell(w, "idle\n");
		assert_string_equal(w->log, "");
	}
	*unknown += p.unknown;
	assert_true(p.named > INJECTIONS * 3);
	world_free(w);
}

static void qmail_names_never_cross(void **state)
{
	unsigned unknown = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++)
		qmail_property(seed, 0, &unknown);
	assert_int_equal(unknown, 0);
}

static void qmail_names_never_cross_when_records_are_lost(void **state)
{
	unsigned unknown = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++)
		qmail_property(seed * 977, seed % 4 == 0 ? 200 : 30, &unknown);
	assert_true(unknown > 0); /* the losses were felt */
}

/* Steps of a Postfix injection: 0 .. 7. pickup and cleanup are one serial actor, see
 * postfix_pickup(). */
static void postfix_step(struct world *w, struct property *p, struct actor_script *a,
			 uint32_t *drop)
{
	struct sim *s = &w->sim;
	char name[64];

	s->lose = dropped(p);
	switch (a->step++) {
	case 0:
		sim_origin(s, a->worker, a->sh, a->script, ST_SAPI_FPM, ST_BY_FORK);
		break;
	case 1:
		sim_fork(s, a->sh, a->sendmail);
		break;
	case 2:
		world_exec(w, a->sendmail, "sendmail.postfix", "-t -i");
		break;
	case 3:
		sim_fork(s, a->sendmail, a->queue);
		break;
	case 4:
		world_exec(w, a->queue, "postdrop", "-r");
		break;
	case 5:
		snprintf(name, sizeof(name), "maildrop/%s", a->first);
		sim_queue(s, a->queue, 0, ST_OP_RENAME, name, "maildrop/1.2");
		*drop |= 1;
		break;
	case 6:
		sim_exit(s, a->queue, 0);
		break;
	case 7:
		sim_exit(s, a->sendmail, 0);
		break;
	default:
		sim_exit(s, a->sh, 0);
	}
	s->lose = false;
}

/* One step of pickup: takes some maildrop file, has a message made of it, unlinks it. */
struct pickup_state {
	struct actor_script *ready[INJECTIONS * 2], *at;
	size_t n;
	unsigned step;
};

static bool pickup_step(struct world *w, struct property *p, struct pickup_state *k)
{
	struct file *f;
	char name[64];

	if (!k->at) {
		size_t i;

		if (!k->n)
			return false;
		i = rnd(&p->seed) % k->n; /* in no order */
		k->at = k->ready[i];
		k->ready[i] = k->ready[--k->n];
		k->step = 0;
	}
	w->sim.lose = dropped(p);
	f = world_file(w, k->at->id);
	switch (k->step++) {
	case 0:
		f->again = rnd(&p->seed) % 2;
		f->gone = rnd(&p->seed) % 20 == 0 && !f->again;
		f->local = true;
		f->uid = 33;
		snprintf(name, sizeof(name), "incoming/%s", k->at->id);
		sim_queue(&w->sim, 51, 0, ST_OP_RENAME, name, "incoming/1.3");
		break;
	case 1:
		f->again = false;
		break;
	case 2:
		if (rnd(&p->seed) % 2) {
			char old[64];

			snprintf(old, sizeof(old), "incoming/%s", k->at->id);
			snprintf(name, sizeof(name), "active/%s", k->at->id);
			sim_queue(&w->sim, 52, 0, ST_OP_RENAME, name, old);
		}
		break;
	default:
		snprintf(name, sizeof(name), "maildrop/%s", k->at->first);
		sim_queue(&w->sim, 50, 0, ST_OP_UNLINK, name, NULL);
		k->at = NULL;
	}
	w->sim.lose = false;
	return true;
}

static void postfix_property(uint64_t seed, unsigned drop, unsigned *unknown, unsigned *named)
{
	struct property p = {.seed = seed, .drop = drop};
	struct world *w = world_new(&mta_postfix);

	w->test = &p;
	w->on_queued = property_queued;
	w->on_attempted = property_attempted;
	tell(w, PF_START);
	for (unsigned round = 0; round < 6; round++) {
		struct pickup_state k = {.n = 0};
		unsigned left = INJECTIONS * 9;
		bool more = true;

		property_start(&p, 9, round, true);
		while (left || more) {
			struct actor_script *a = &p.a[rnd(&p.seed) % INJECTIONS];

			if (rnd(&p.seed) % 3 && a->step < a->steps) {
				uint32_t ready = 0;

				postfix_step(w, &p, a, &ready);
				left--;
				if (ready)
					k.ready[k.n++] = a;
			} else {
				more = pickup_step(w, &p, &k);
			}
			if (rnd(&p.seed) % 8 == 0)
				correlate_tick(w->c, w->sim.now, correlate_losses(w->c));
		}
	}
	if (!drop) {
		assert_int_equal(p.named, INJECTIONS * 6);
		tell(w, "idle\n");
		assert_string_equal(w->log, "");
	}
	*unknown += p.unknown;
	*named += p.named;
	world_free(w);
}

static void postfix_names_never_cross(void **state)
{
	unsigned unknown = 0, named = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++)
		postfix_property(seed, 0, &unknown, &named);
	assert_int_equal(unknown, 0);
}

static void postfix_names_never_cross_when_records_are_lost(void **state)
{
	unsigned unknown = 0, named = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++)
		postfix_property(seed * 977, seed % 4 == 0 ? 100 : 10, &unknown, &named);
	assert_true(unknown > 0);
	assert_true(named > 60 * INJECTIONS); /* and most were named all the same */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(qmail_stories),
		cmocka_unit_test(postfix_stories),
		cmocka_unit_test(qmail_ends_of_messages),
		cmocka_unit_test(postfix_knows_the_peer),
		cmocka_unit_test(sendmail_holds_the_session),
		cmocka_unit_test(exim_one_process_many_messages),
		cmocka_unit_test(exim_daemon_injects_nothing),
		cmocka_unit_test(what_seems_a_daemon_by_cut_arguments),
		cmocka_unit_test(exim_deferral_is_no_message),
		cmocka_unit_test(exim_names_what_it_bounces),
		cmocka_unit_test(exim_bounce_of_a_scripts_mail),
		cmocka_unit_test(exim_smtp_by_the_daemon),
		cmocka_unit_test(two_queues_are_kept_apart),
		cmocka_unit_test(nonsense_is_counted),
		cmocka_unit_test(a_server_and_who_started_it),
		cmocka_unit_test(many_waiting_messages_are_bounded),
		cmocka_unit_test(qmail_names_never_cross),
		cmocka_unit_test(qmail_names_never_cross_when_records_are_lost),
		cmocka_unit_test(postfix_names_never_cross),
		cmocka_unit_test(postfix_names_never_cross_when_records_are_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
