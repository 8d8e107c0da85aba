// SPDX-License-Identifier: GPL-2.0-only
/* What the stand-in's programs share. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "qmail.h"

void buf_add(struct buf *b, const void *p, size_t len)
{
	if (b->len + len + 1 > b->size) {
		b->size = (b->len + len + 1) * 2;
		b->p = realloc(b->p, b->size);
		if (!b->p)
			fail(51, "out of memory");
	}
	if (len)
		memcpy(b->p + b->len, p, len);
	b->len += len;
	b->p[b->len] = '\0';
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_fmt(struct buf *b, const char *fmt, ...)
{
	char line[2048];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0)
		buf_add(b, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

void version(int argc, char **argv, const char *name)
{
	if (argc != 2 || strcmp(argv[1], "--version") != 0)
		return;
	printf("%s: qmail STAND-IN of spamtrace's tests; this is not qmail\n", name);
	exit(0);
}

void fail(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(status);
}

int read_all(int fd, struct buf *out)
{
	char block[2048];
	ssize_t n;

	for (;;) {
		n = read(fd, block, sizeof(block));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		buf_add(out, block, (size_t)n);
	}
	buf_add(out, "", 0);
	return 0;
}

int write_all(int fd, const void *p, size_t len)
{
	const char *s = p;

	while (len) {
		ssize_t n = write(fd, s, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		s += n;
		len -= (size_t)n;
	}
	return 0;
}

const char *date822(void)
{
	static char date[64];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%d %b %Y %H:%M:%S -0000", &tm);
	return date;
}

const char *host_name(void)
{
	static char name[256];

	if (!name[0] && gethostname(name, sizeof(name) - 1) < 0)
		strcpy(name, "localhost");
	return name;
}

uid_t uid_of(const char *user)
{
	struct passwd *pw = getpwnam(user);

	if (!pw)
		fail(EXIT_SOFT, "no user %s: run qmail-start --install as root first", user);
	return pw->pw_uid;
}

gid_t gid_of(const char *group)
{
	struct group *gr = getgrnam(group);

	if (!gr)
		fail(EXIT_SOFT, "no group %s: run qmail-start --install as root first", group);
	return gr->gr_gid;
}

bool control_has(const char *file, const char *line, size_t len)
{
	char path[256], have[512];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), QMAIL_HOME "/control/%s", file);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(have, sizeof(have), f)) {
		have[strcspn(have, "\n")] = '\0';
		found = strlen(have) == len && strncasecmp(have, line, len) == 0;
	}
	fclose(f);
	return found;
}

int queue_message(const struct buf *message, const struct buf *envelope, pid_t *pid)
{
	const char *program = getenv("QMAILQUEUE");
	int mess[2], env[2], status = 0;

	if (!program)
		program = "bin/qmail-queue";
	if (pipe(mess) < 0 || pipe(env) < 0)
		return -1;
	*pid = fork();
	if (*pid < 0)
		return -1;
	if (*pid == 0) {
		close(mess[1]);
		close(env[1]);
		if (dup2(mess[0], 0) < 0 || dup2(env[0], 1) < 0)
			_exit(120);
		close(mess[0]);
		close(env[0]);
		if (chdir(QMAIL_HOME) < 0)
			_exit(61);
		execl(program, program, (char *)NULL);
		_exit(120);
	}
	close(mess[0]);
	close(env[0]);
	/* A qmail-queue that ended early must not end us: its status tells. */
	if (write_all(mess[1], message->p, message->len) == 0) {
		close(mess[1]);
		(void)!write_all(env[1], envelope->p, envelope->len);
	} else {
		close(mess[1]);
	}
	close(env[1]);
	if (waitpid(*pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

void mail_log(const char *tag, const char *fmt, ...)
{
	char when[32];
	struct buf line = {0};
	struct timeval tv;
	struct tm tm;
	va_list ap;
	char text[1024];
	int fd;

	gettimeofday(&tv, NULL);
	localtime_r(&tv.tv_sec, &tm);
	strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_fmt(&line, "%s %.*s %s: ", when, (int)strcspn(host_name(), "."), host_name(), tag);
	/* splogger copies the line with qmail's own time before it. */
	if (strcmp(tag, "qmail") == 0)
		buf_fmt(&line, "%lld.%06ld ", (long long)tv.tv_sec, (long)tv.tv_usec);
	buf_str(&line, text);
	buf_str(&line, "\n");
	fd = open(MAIL_LOG, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write_all(fd, line.p, line.len);
		close(fd);
	}
	free(line.p);
}

const char *queue_name(const char *dir, unsigned long id, bool split)
{
	static char names[4][64];
	static unsigned int turn;
	char *name = names[turn++ % 4];

	if (split)
		snprintf(name, sizeof(names[0]), "%s/%lu/%lu", dir, id % QMAIL_SPLIT, id);
	else
		snprintf(name, sizeof(names[0]), "%s/%lu", dir, id);
	return name;
}
