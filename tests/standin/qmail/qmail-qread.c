// SPDX-License-Identifier: GPL-2.0-only
/* qmail-qread and qmail-qstat stand-in, one program by its name; the formats are qmail's. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "qmail.h"

static void recipients(const char *channel, unsigned long id)
{
	struct buf list = {0};
	const char *p;
	int fd = open(queue_name(channel, id, true), O_RDONLY);

	if (fd < 0)
		return;
	read_all(fd, &list);
	close(fd);
	for (p = list.p; p < list.p + list.len; p += strlen(p) + 1)
		printf("%s\t%s\t%s\n", *p == 'D' ? "  done" : "", channel, p + 1);
	free(list.p);
}

static void message(unsigned long id)
{
	struct buf info = {0};
	struct stat st, mess;
	char when[64];
	struct tm tm;
	int fd = open(queue_name("info", id, true), O_RDONLY);

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && stat(queue_name("mess", id, true), &mess) == 0 &&
	    read_all(fd, &info) == 0 && info.len) {
		gmtime_r(&st.st_mtime, &tm);
		strftime(when, sizeof(when), "%d %b %Y %H:%M:%S GMT", &tm);
		printf("%s  #%lu  %lld  <%s> \n", when, id, (long long)mess.st_size, info.p + 1);
		recipients("local", id);
		recipients("remote", id);
	}
	close(fd);
	free(info.p);
}

static unsigned long each(const char *path, bool show)
{
	unsigned long n = 0;
	struct dirent *e;
	DIR *dir = opendir(path);

	if (!dir)
		fail(EXIT_SOFT, "fatal: unable to open %s: you must be root", path);
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		if (show)
			message(strtoul(e->d_name, NULL, 10));
	}
	closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	bool stat_only, show;
	unsigned long n = 0;
	char path[32];
	int i;

	name = name ? name + 1 : argv[0];
	version(argc, argv, name);
	stat_only = strcmp(name, "qmail-qstat") == 0;
	show = !stat_only;
	if (chdir(QMAIL_HOME) < 0 || chdir("queue") < 0)
		fail(EXIT_SOFT, "%s: fatal: unable to chdir to the queue", name);
	for (i = 0; i < QMAIL_SPLIT; i++) {
		snprintf(path, sizeof(path), "%s/%d", stat_only ? "mess" : "info", i);
		n += each(path, show);
	}
	if (stat_only)
		printf("messages in queue: %lu\nmessages in queue but not yet preprocessed: %lu\n",
		       n, each("todo", false));
	return 0;
}
