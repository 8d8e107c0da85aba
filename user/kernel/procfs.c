// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define ENVIRONMENT_MAX (1 << 18)

static ssize_t read_file(const char *path, char *buf, size_t size)
{
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t at = 0;

	if (fd < 0)
		return -errno;
	while (at < size - 1) {
		ssize_t n = read(fd, buf + at, size - 1 - at);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		at += (size_t)n;
	}
	buf[at] = '\0';
	return (ssize_t)at;
}

bool procfs_alive(const struct st_task *task)
{
	char path[64], stat[1024], *p;
	unsigned long long start = 0;
	static long ticks;

	if (!ticks)
		ticks = sysconf(_SC_CLK_TCK);
	snprintf(path, sizeof(path), "/proc/%u/stat", task->tgid);
	if (read_file(path, stat, sizeof(stat)) <= 0)
		return false;
	p = strrchr(stat, ')'); /* the name may hold anything */
	if (!p || p[1] != ' ' || p[2] == 'Z' || p[2] == 'X')
		return false;
	/* proc_pid_stat(5): starttime is field 22, the 20th after the name */
	if (sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &start) != 1)
		return false;
	return start == task->start / (1000000000ULL / (unsigned long long)ticks);
}

int procfs_environment(const struct st_task *task, const char *name, char *out, size_t size)
{
	_free_ char *env = malloc(ENVIRONMENT_MAX);
	size_t n = strlen(name);
	char path[64];
	ssize_t len;

	if (!env)
		return -ENOMEM;
	snprintf(path, sizeof(path), "/proc/%u/environ", task->tgid);
	len = read_file(path, env, ENVIRONMENT_MAX);
	if (len < 0)
		return len == -ENOENT ? -ESRCH : (int)len;
	if (!procfs_alive(task))
		return -ESRCH;
	for (char *p = env; p < env + len; p += strlen(p) + 1) {
		if (strncmp(p, name, n) || p[n] != '=')
			continue;
		if (strlen(p + n + 1) >= size)
			return -ENAMETOOLONG;
		strcpy(out, p + n + 1);
		return 0;
	}
	return -ENOENT;
}

#define MAX_SOCKETS 32

/* Inodes of the sockets that a process holds. */
static size_t sockets_of(uint32_t tgid, unsigned long out[MAX_SOCKETS])
{
	char path[64], link[64];
	_closedir_ DIR *d = NULL;
	const struct dirent *e;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%u/fd", tgid);
	d = opendir(path);
	while (d && n < MAX_SOCKETS && (e = readdir(d))) {
		ssize_t len = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);

		if (len <= 0)
			continue;
		link[len] = '\0';
		if (sscanf(link, "socket:[%lu]", &out[n]) == 1)
			n++;
	}
	return n;
}

int procfs_peer_port(const struct st_task *task, uint16_t *port)
{
	static const char *const tables[] = {"tcp", "tcp6"};
	unsigned long sockets[MAX_SOCKETS];
	size_t count = sockets_of(task->tgid, sockets);
	unsigned found = 0, remote = 0;
	char line[512];

	if (!count)
		return -ESRCH;
	for (size_t t = 0; t < array_size(tables); t++) {
		_fclose_ FILE *f = NULL;
		char path[64];

		snprintf(path, sizeof(path), "/proc/%u/net/%s", task->tgid, tables[t]);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f)) {
			unsigned state, to, last = 0;
			unsigned long inode;

			/* proc(5): sl local rem st tx:rx tr:tm retrnsmt uid timeout inode */
			if (sscanf(line, " %*d: %*[0-9A-F]:%*x %*[0-9A-F]:%x %x %*s %*s %*s %*u %*u %lu", &to,
				   &state, &inode) != 3 || state != 1)
				continue;
			for (size_t i = 0; i < count; i++)
				if (sockets[i] == inode && to != last) {
					remote = last = to;
					found++;
				}
		}
	}
	if (!found)
		return -ENOENT;
	if (found > 1)
		return -ENOTUNIQ;
	if (!procfs_alive(task))
		return -ESRCH;
	*port = (uint16_t)remote;
	return 0;
}

uint32_t procfs_own_mntns(void)
{
	struct stat st;

	return stat("/proc/self/ns/mnt", &st) ? 0 : (uint32_t)st.st_ino;
}

/* A run of at least 12 hex digits, as container engines name their cgroups. */
static const char *hex_run(const char *s, size_t *len)
{
	while (*s) {
		size_t n = strspn(s, "0123456789abcdef");

		if (n >= 12) {
			*len = n;
			return s;
		}
		s += n ? n : 1;
	}
	return NULL;
}

int procfs_container(uint32_t tgid, char *out, size_t size)
{
	static const char *const engines[] = {"docker", "containerd", "libpod", "crio", "kubepods", "lxc", "machine.slice"};
	char path[64], text[4096], *line, *save = NULL;

	snprintf(path, sizeof(path), "/proc/%u/cgroup", tgid);
	if (read_file(path, text, sizeof(text)) <= 0)
		return -ENOENT;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		for (size_t i = 0; i < array_size(engines); i++) {
			const char *at = strstr(line, engines[i]), *id;
			size_t n;

			if (!at)
				continue;
			id = hex_run(at + strlen(engines[i]), &n);
			if (!id) {
				id = strrchr(line, '/') + 1;
				n = strlen(id);
			}
			if (n > 12 && n >= 64)
				n = 12;
			if (!n || n >= size)
				return -ENOENT;
			memcpy(out, id, n);
			out[n] = '\0';
			return 0;
		}
	return -ENOENT;
}
