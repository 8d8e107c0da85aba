// SPDX-License-Identifier: GPL-2.0-only
#include "mail/logins.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "mail/authlog.h"
#include "mail/logfiles.h"

/* A session logs in shortly before its mail comes; older ones are forgotten. */
#define LOGINS_MAX 1024
/* How much of a log is read at once; of a burst that is longer the older part is skipped. */
#define READ_MAX (1 << 20)
/* How often the log is looked for again. */
#define LOOK_NS 1000000000ULL

struct login {
	uint32_t pid;
	char id[32], user[256];
	uint64_t seen; /* boot ns */
};

struct logins {
	char *root;
	int fd;
	dev_t dev;
	ino_t ino;
	off_t off;
	uint64_t looked;
	bool begun; /* a log that appears later is new from its start */
	struct login login[LOGINS_MAX];
	size_t next;
	struct auth_clock clock;
};

static int open_log(const struct logins *l, struct stat *st)
{
	char **files = NULL;
	size_t n = 0, skipped = 0;
	int fd = -ENOENT;

	if (logfiles_find(l->root, false, &files, &n, &skipped))
		return -ENOMEM;
	/* the syslog file comes first; Exim's own says nothing that its queue files do not */
	if (n) {
		fd = open(files[0], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 && (fstat(fd, st) || !S_ISREG(st->st_mode))) {
			close(fd);
			fd = -EINVAL;
		}
	}
	logfiles_free(files, n);
	return fd < 0 ? -ENOENT : fd;
}

/* Finds the log, or the one that has taken its place. */
static void look(struct logins *l)
{
	uint64_t now = clock_boot_ns();
	struct stat st;
	int fd;

	if (l->begun && now - l->looked < LOOK_NS)
		return;
	l->looked = now;
	fd = open_log(l, &st);
	if (fd >= 0 && l->fd >= 0 && st.st_dev == l->dev && st.st_ino == l->ino) {
		close(fd);
		return;
	}
	if (fd < 0)
		return;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = fd;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	l->off = l->begun ? 0 : st.st_size;
}

static void take(struct logins *l, const char *line, size_t len)
{
	struct auth_event e;
	struct login *to;

	authlog_parse(line, len, &l->clock, &e);
	if (!e.user[0] || (e.kind != AUTH_LOGIN && e.kind != AUTH_MESSAGE) || (!e.pid && !e.id[0]))
		return;
	to = &l->login[l->next++ % LOGINS_MAX];
	to->pid = e.kind == AUTH_LOGIN ? e.pid : 0;
	to->seen = clock_boot_ns();
	text_copy(to->id, sizeof(to->id), e.id);
	text_copy(to->user, sizeof(to->user), e.user);
}

void logins_read(struct logins *l)
{
	char buf[65536];
	struct stat st;
	ssize_t n;

	look(l);
	if (l->fd < 0 || fstat(l->fd, &st))
		return;
	if (st.st_size < l->off)
		l->off = 0; /* truncated in place */
	if (st.st_size - l->off > READ_MAX)
		l->off = st.st_size - READ_MAX;
	while ((n = pread(l->fd, buf, sizeof(buf), l->off)) > 0) {
		const char *p = buf, *end = buf + n, *nl;

		while ((nl = memchr(p, '\n', (size_t)(end - p)))) {
			take(l, p, (size_t)(nl - p));
			p = nl + 1;
		}
		if (p == buf && n < (ssize_t)sizeof(buf))
			return; /* the rest of the line is still to come */
		l->off += p == buf ? n : p - buf;
	}
}

int logins_open(const char *root, struct logins **out)
{
	struct logins *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->fd = -1;
	l->root = strdup(root);
	if (!l->root) {
		free(l);
		return -ENOMEM;
	}
	auth_clock_init(&l->clock, (int64_t)time(NULL));
	look(l);
	l->begun = true;
	*out = l;
	return 0;
}

void logins_free(struct logins *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	free(l->root);
	free(l);
}

/* Newest first: pids and ids are used again. */
static const char *find(struct logins *l, uint32_t pid, const char *id, uint64_t since)
{
	size_t have;

	logins_read(l);
	have = l->next < LOGINS_MAX ? l->next : LOGINS_MAX;
	for (size_t i = 1; i <= have; i++) {
		const struct login *at = &l->login[(l->next - i) % LOGINS_MAX];

		if (at->seen >= since && (pid ? at->pid == pid : id[0] && !strcmp(at->id, id)))
			return at->user;
	}
	return NULL;
}

const char *logins_by_pid(struct logins *l, uint32_t pid, uint64_t since)
{
	return pid ? find(l, pid, "", since) : NULL;
}

const char *logins_by_id(struct logins *l, const char *id, uint64_t since)
{
	return find(l, 0, id, since);
}
