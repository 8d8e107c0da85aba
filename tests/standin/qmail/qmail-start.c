// SPDX-License-Identifier: GPL-2.0-only
/*
 * qmail-start stand-in: wires qmail-send to qmail-lspawn, qmail-rspawn and qmail-clean, each as
 * its own user. `qmail-start --install DIR` makes users, queue and programs of DIR first (qmail's
 * `make setup check`).
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qmail.h"

static void append(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || write_all(fd, text, strlen(text)) < 0)
		fail(1, "qmail-start: cannot write %s: %s", path, strerror(errno));
	close(fd);
}

static void make_users(void)
{
	static const struct {
		const char *name;
		int uid, gid;
		const char *home;
	} users[] = {
		{"alias", UID_ALIAS, GID_NOFILES, "/var/qmail/alias"},
		{"qmaild", UID_QMAILD, GID_NOFILES, QMAIL_HOME},
		{"qmaill", UID_QMAILL, GID_NOFILES, QMAIL_HOME},
		{"qmailp", UID_QMAILP, GID_NOFILES, QMAIL_HOME},
		{"qmailq", UID_QMAILQ, GID_QMAIL, QMAIL_HOME},
		{"qmailr", UID_QMAILR, GID_QMAIL, QMAIL_HOME},
		{"qmails", UID_QMAILS, GID_QMAIL, QMAIL_HOME},
	};
	char line[256];
	size_t i;

	if (getpwnam("qmailq"))
		return;
	append("/etc/group", "nofiles:x:1001:\nqmail:x:1002:\n");
	for (i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		snprintf(line, sizeof(line), "%s:x:%d:%d:qmail stand-in:%s:/bin/true\n",
			 users[i].name, users[i].uid, users[i].gid, users[i].home);
		append("/etc/passwd", line);
	}
}

static void make_dir(const char *path, const char *user, const char *group, mode_t mode)
{
	if ((mkdir(path, mode) < 0 && errno != EEXIST) ||
	    chown(path, uid_of(user), gid_of(group)) < 0 || chmod(path, mode) < 0)
		fail(1, "qmail-start: cannot make %s: %s", path, strerror(errno));
}

static void make_queue(void)
{
	static const struct {
		const char *name, *user;
		mode_t mode;
		bool split;
	} dirs[] = {
		{"mess", "qmailq", 0750, true},   {"todo", "qmailq", 0750, false},
		{"intd", "qmailq", 0700, false},  {"pid", "qmailq", 0700, false},
		{"info", "qmails", 0700, true},   {"local", "qmails", 0700, true},
		{"remote", "qmails", 0700, true}, {"bounce", "qmails", 0700, false},
		{"lock", "qmailq", 0750, false},
	};
	const char *trigger = QMAIL_HOME "/queue/lock/trigger";
	char path[128];
	size_t i;
	int n;

	make_dir(QMAIL_HOME, "root", "qmail", 0755);
	make_dir(QMAIL_HOME "/bin", "root", "qmail", 0755);
	make_dir(QMAIL_HOME "/control", "root", "qmail", 0755);
	make_dir(QMAIL_HOME "/alias", "alias", "qmail", 02755);
	make_dir(QMAIL_HOME "/queue", "qmailq", "qmail", 0750);
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), QMAIL_HOME "/queue/%s", dirs[i].name);
		make_dir(path, dirs[i].user, "qmail", dirs[i].mode);
		for (n = 0; dirs[i].split && n < QMAIL_SPLIT; n++) {
			snprintf(path, sizeof(path), QMAIL_HOME "/queue/%s/%d", dirs[i].name, n);
			make_dir(path, dirs[i].user, "qmail", dirs[i].mode);
		}
	}
	if (mkfifo(trigger, 0622) < 0 && errno != EEXIST)
		fail(1, "qmail-start: cannot make %s", trigger);
	if (chown(trigger, uid_of("qmails"), gid_of("qmail")) < 0 || chmod(trigger, 0622) < 0)
		fail(1, "qmail-start: cannot make %s", trigger);
}

static void install(const char *from)
{
	static const char *const programs[] = {"qmail-queue",  "qmail-inject", "sendmail",
					       "qmail-send",   "qmail-clean",  "qmail-lspawn",
					       "qmail-rspawn", "qmail-local",  "qmail-remote",
					       "qmail-smtpd",  "tcpserver",    "smtp_auth",
					       "qmail-qstat",  "qmail-qread",  "qmail-start",
					       "true"};
	char src[512], dst[128];
	struct buf image = {0};
	size_t i;
	int in, out;

	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		snprintf(src, sizeof(src), "%s/%s", from, programs[i]);
		snprintf(dst, sizeof(dst), QMAIL_HOME "/bin/%s", programs[i]);
		image.len = 0;
		in = open(src, O_RDONLY | O_CLOEXEC);
		if (in < 0 || read_all(in, &image) < 0)
			fail(1, "qmail-start: cannot read %s: %s", src, strerror(errno));
		close(in);
		unlink(dst);
		out = open(dst, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
		if (out < 0 || write_all(out, image.p, image.len) < 0)
			fail(1, "qmail-start: cannot write %s: %s", dst, strerror(errno));
		close(out);
	}
	/* The one setuid program of qmail. */
	if (chown(QMAIL_HOME "/bin/qmail-queue", uid_of("qmailq"), gid_of("qmail")) < 0 ||
	    chmod(QMAIL_HOME "/bin/qmail-queue", 04711) < 0)
		fail(1, "qmail-start: cannot make qmail-queue setuid");
	for (i = 0; i < 3; i++) {
		static const char *const links[] = {"/usr/sbin/sendmail", "/usr/lib/sendmail",
						    "/usr/bin/mailq"};

		unlink(links[i]);
		if (symlink(QMAIL_HOME "/bin/sendmail", links[i]) < 0)
			fail(1, "qmail-start: cannot link %s: %s", links[i], strerror(errno));
	}
	append(MAIL_LOG, "");
	if (chmod(MAIL_LOG, 0662) < 0)
		fail(1, "qmail-start: cannot make %s", MAIL_LOG);
}

/* The daemons write the log by themselves (qmail has splogger at the end of a pipe). */
static void spawn(const char *user, const char *program, int in, int out)
{
	char path[128];

	if (fork() != 0)
		return;
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
		_exit(EXIT_SOFT);
	if (close_range(3, 100, 0) < 0)
		_exit(EXIT_SOFT);
	if (user) {
		gid_t gid = gid_of("qmail");

		if (setgroups(1, &gid) < 0 || setgid(gid) < 0 || setuid(uid_of(user)) < 0)
			_exit(EXIT_SOFT);
	}
	snprintf(path, sizeof(path), "bin/%s", program);
	execl(path, program, (char *)NULL);
	_exit(EXIT_SOFT);
}

int main(int argc, char **argv)
{
	static const char *const helpers[] = {"qmail-lspawn", "qmail-rspawn", "qmail-clean"};
	static const char *const users[] = {NULL, NULL, "qmailq"};
	int to[3][2], from[3][2], i;
	gid_t gid;

	version(argc, argv, "qmail-start");
	if (argc == 3 && strcmp(argv[1], "--install") == 0) {
		make_users();
		make_queue();
		install(argv[2]);
		return 0;
	}
	umask(077);
	if (chdir(QMAIL_HOME) < 0)
		fail(1, "qmail-start: no " QMAIL_HOME);
	gid = gid_of("qmail");
	for (i = 0; i < 3; i++) {
		if (pipe(to[i]) < 0 || pipe(from[i]) < 0)
			fail(1, "qmail-start: no pipes");
		/* Out of the way of 0 to 6, which qmail-send gets. */
		to[i][1] = fcntl(to[i][1], F_DUPFD, 20);
		from[i][0] = fcntl(from[i][0], F_DUPFD, 20);
		to[i][0] = fcntl(to[i][0], F_DUPFD, 40);
		from[i][1] = fcntl(from[i][1], F_DUPFD, 40);
		spawn(users[i], helpers[i], to[i][0], from[i][1]);
		close(to[i][0]);
		close(from[i][1]);
	}
	for (i = 0; i < 3; i++)
		if (dup2(to[i][1], 1 + 2 * i) < 0 || dup2(from[i][0], 2 + 2 * i) < 0)
			return 1;
	if (close_range(7, 100, 0) < 0 || setgroups(1, &gid) < 0 || setgid(gid) < 0 ||
	    setuid(uid_of("qmails")) < 0)
		return 1;
	execl("bin/qmail-send", "qmail-send", (char *)NULL);
	return 1;
}
