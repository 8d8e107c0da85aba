// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "kernel/inode.h"

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

/* Of /proc/PID/stat: state and start time; *comm may be NULL. 0 or -ESRCH. */
static int read_stat(uint32_t tgid, char *state, unsigned long long *start, char comm[16])
{
	char path[64], stat[1024], *p, *name;

	snprintf(path, sizeof(path), "/proc/%u/stat", tgid);
	if (read_file(path, stat, sizeof(stat)) <= 0)
		return -ESRCH;
	name = strchr(stat, '(');
	p = strrchr(stat, ')'); /* the name may hold anything */
	if (!p || !name || name > p || p[1] != ' ')
		return -ESRCH;
	/* proc_pid_stat(5): starttime is field 22, the 20th after the name */
	if (sscanf(p + 2,
		   "%c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
		   "%llu",
		   state, start) != 2)
		return -ESRCH;
	*p = '\0';
	if (comm)
		snprintf(comm, 16, "%.15s", name + 1);
	return 0;
}

bool procfs_alive(const struct st_task *task)
{
	unsigned long long start = 0;
	static long ticks;
	char state;

	if (!ticks)
		ticks = sysconf(_SC_CLK_TCK);
	if (read_stat(task->tgid, &state, &start, NULL) || state == 'Z' || state == 'X')
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
		return text_copy(out, size, p + n + 1);
	}
	return -ENOENT;
}

/* What a link of /proc/PID leads to, if that is still this task. */
static int read_task_link(const struct st_task *task, const char *name, char *out, size_t size)
{
	char path[64], to[4096];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/%s", task->tgid, name);
	n = readlink(path, to, sizeof(to) - 1);
	if (n < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	if (!procfs_alive(task))
		return -ESRCH;
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	memcpy(out, to, (size_t)n);
	out[n] = '\0';
	return 0;
}

int procfs_jail(const struct st_task *task, char *out, size_t size)
{
	char root[4096];
	int err = read_task_link(task, "root", root, sizeof(root));

	if (err)
		return err;
	if (!strcmp(root, "/"))
		return -ENOENT;
	return text_copy(out, size, root);
}

int procfs_executable(const struct st_task *task, char *out, size_t size)
{
	return read_task_link(task, "exe", out, size);
}

uint32_t procfs_own_mntns(void)
{
	struct stat st;

	return stat("/proc/self/ns/mnt", &st) ? 0 : (uint32_t)st.st_ino;
}

uint32_t procfs_own_netns(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : (uint32_t)st.st_ino;
}

uint64_t procfs_start(uint32_t tgid)
{
	unsigned long long start = 0;
	char state;

	return read_stat(tgid, &state, &start, NULL) ? 0 : start + !start;
}

/* The last number of a line "NSpid:\t1234\t12". */
static uint32_t last_number(const char *line)
{
	uint32_t n = 0;
	char *end;

	for (;;) {
		unsigned long next = strtoul(line, &end, 10);

		if (end == line)
			return n;
		n = (uint32_t)next;
		line = end;
		if (*line == '\n')
			return n;
	}
}

int procfs_process(uint32_t tgid, struct procfs_process *out)
{
	char path[64], status[4096], state;
	struct procfs_process p = {0};
	unsigned long long start = 0;
	const char *line;
	struct stat st;

	if (read_stat(tgid, &state, &start, p.comm))
		return -ESRCH;
	p.start = start + !start;
	snprintf(path, sizeof(path), "/proc/%u/exe", tgid);
	inode_of_path(path, (pid_t)tgid, &p.exe);
	snprintf(path, sizeof(path), "/proc/%u/ns/net", tgid);
	p.netns = stat(path, &st) ? 0 : (uint32_t)st.st_ino;
	snprintf(path, sizeof(path), "/proc/%u/status", tgid);
	if (read_file(path, status, sizeof(status)) <= 0)
		return -ESRCH;
	line = strstr(status, "\nUid:");
	if (!line || sscanf(line + 5, "%u %u", &p.uid, &p.euid) != 2)
		return -ESRCH;
	line = strstr(status, "\nNSpid:");
	p.nspid = line ? last_number(line + 7) : tgid;
	if (procfs_start(tgid) != p.start)
		return -ESRCH; /* another one by now */
	*out = p;
	return 0;
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
	static const char *const engines[] = {"docker",   "containerd", "libpod",       "crio",
					      "kubepods", "lxc",        "machine.slice"};
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
			if (n >= 64)
				n = 12;
			if (!n || n >= size)
				return -ENOENT;
			memcpy(out, id, n);
			out[n] = '\0';
			return 0;
		}
	return -ENOENT;
}

/* The uid that a user namespace's root has in this one. 0 or -errno. */
static int mapped_root(uint32_t tgid, uid_t *out)
{
	char path[64], map[4096], *line = map, *next;

	snprintf(path, sizeof(path), "/proc/%u/uid_map", tgid);
	if (read_file(path, map, sizeof(map)) <= 0)
		return -ESRCH;
	while ((next = strsep(&line, "\n"))) {
		unsigned long inside, outside;

		if (sscanf(next, "%lu %lu", &inside, &outside) == 2 && !inside) {
			*out = (uid_t)outside;
			return 0;
		}
	}
	return -ENOENT;
}

bool procfs_is_root(uint32_t tgid, uid_t owner)
{
	_close_ int fd = -1;
	uid_t maker, root;
	char path[64];

	if (!owner)
		return true;
	snprintf(path, sizeof(path), "/proc/%u/ns/user", tgid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* the first namespace's maker is root, too, and so is its own root */
	return fd >= 0 && !ioctl(fd, NS_GET_OWNER_UID, &maker) && !maker &&
	       !mapped_root(tgid, &root) && owner == root;
}
