// SPDX-License-Identifier: GPL-2.0-only
/*
 * burst [-w] PORT HOST PATH CONNECTIONS MILLISECONDS BURSTS CGROUP...
 *
 * A closed loop of HTTP requests on keep-alive connections, in short bursts. For each burst prints
 * requests, nanoseconds, and what the control groups used meanwhile: microseconds of CPU,
 * instructions (0 where the machine does not count them). On a machine that others use as
 * well, the best of many short bursts is what the servers cost; the mean is what the others cost.
 * Instructions do not depend on the others. With -w, for servers that go on when the client is
 * served, it then prints an empty line, waits for one on standard input, and prints such figures
 * of all that was since the first burst.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 64

struct connection {
	size_t used;
	char answer[16384];
};

static struct connection connections[MAX_CONNECTIONS];
static struct pollfd fds[MAX_CONNECTIONS];
static char request[1024];
static size_t request_len;
static struct sockaddr_in server = {.sin_family = AF_INET};

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long used_us(char *const *groups, int count)
{
	long long total = 0;

	for (int i = 0; i < count; i++) {
		char text[64] = "", path[512];
		int fd;

		snprintf(path, sizeof(path), "%s/cpu.stat", groups[i]);
		fd = open(path, O_RDONLY);
		if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
			err(1, "%s", path);
		close(fd);
		total += strtoll(text + strlen("usage_usec "), NULL, 10);
	}
	return total;
}

#define MAX_COUNTERS 512

struct counters {
	int fd[MAX_COUNTERS], count;
};

/* One event of the processor, for all tasks of the groups, on every CPU. */
static void count_event(struct counters *c, unsigned long long config, char *const *groups, int n)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE, .size = sizeof(attr), .config = config};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	for (int i = 0; i < n; i++) {
		int dir = open(groups[i], O_RDONLY | O_DIRECTORY);

		for (int cpu = 0; dir >= 0 && cpu < cpus && c->count < MAX_COUNTERS; cpu++) {
			int fd = (int)syscall(SYS_perf_event_open, &attr, dir, cpu, -1,
					      PERF_FLAG_PID_CGROUP);

			if (fd >= 0)
				c->fd[c->count++] = fd;
		}
		close(dir);
	}
}

static long long counted(const struct counters *c)
{
	long long total = 0, one;

	for (int i = 0; i < c->count; i++)
		if (read(c->fd[i], &one, sizeof(one)) == sizeof(one))
			total += one;
	return total;
}

static void dial(int i)
{
	int one = 1;

	if (fds[i].fd > 0)
		close(fds[i].fd);
	fds[i] = (struct pollfd){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
				 .events = POLLIN};
	setsockopt(fds[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fds[i].fd, (struct sockaddr *)&server, sizeof(server)))
		err(1, "connect");
}

static void ask(int i)
{
	connections[i].used = 0;
	if (write(fds[i].fd, request, request_len) != (ssize_t)request_len) {
		dial(i);
		if (write(fds[i].fd, request, request_len) != (ssize_t)request_len)
			err(1, "write");
	}
}

/* Is the answer whole? By its Content-Length, or its last chunk. */
static int whole(const struct connection *c)
{
	const char *end = strstr(c->answer, "\r\n\r\n"),
		   *length = strcasestr(c->answer, "\ncontent-length:");

	if (!end)
		return 0;
	if (strncmp(c->answer + strlen("HTTP/1.1"), " 200", 4))
		errx(1, "not what was asked for: %.200s", c->answer);
	if (length && length < end)
		return c->used >= (size_t)(end + 4 - c->answer) + strtoul(length + 16, NULL, 10);
	return c->used >= 5 && !memcmp(c->answer + c->used - 5, "0\r\n\r\n", 5);
}

/* Reads what is there; true when an answer is whole. */
static int hear(int i)
{
	struct connection *c = &connections[i];
	ssize_t n = read(fds[i].fd, c->answer + c->used, sizeof(c->answer) - 1 - c->used);

	if (n <= 0) { /* closed between two requests */
		dial(i);
		ask(i);
		return 0;
	}
	c->used += (size_t)n;
	c->answer[c->used] = '\0';
	if (!whole(c))
		return 0;
	if (strcasestr(c->answer, "\nconnection: close"))
		dial(i);
	return 1;
}

static long burst(int count, long long until)
{
	long done = 0;
	int busy = count;

	for (int i = 0; i < count; i++)
		ask(i);
	while (busy) {
		if (poll(fds, (nfds_t)count, 20000) <= 0)
			errx(1, "no answer within 20 s");
		for (int i = 0; i < count; i++) {
			if (!fds[i].revents || !hear(i))
				continue;
			done++;
			if (now() < until)
				ask(i);
			else
				busy--;
		}
	}
	return done;
}

/* What the groups have used so far. */
struct usage {
	long long ns, cpu, instructions;
};

static struct usage usage_now(const struct counters *c, char *const *groups, int n)
{
	return (struct usage){now(), used_us(groups, n), counted(c)};
}

static void print(long requests, const struct usage *from, const struct usage *to)
{
	printf("%ld %lld %lld %lld\n", requests, to->ns - from->ns, to->cpu - from->cpu,
	       to->instructions - from->instructions);
}

int main(int argc, char **argv)
{
	static struct counters instructions;
	struct usage first, before, after;
	bool wait = argc > 1 && !strcmp(argv[1], "-w");
	int count, bursts, groups;
	long total = 0, done;
	long long span;

	argc -= wait;
	argv += wait;
	if (argc < 7)
		errx(64,
		     "usage: burst [-w] PORT HOST PATH CONNECTIONS MILLISECONDS BURSTS CGROUP...");
	server.sin_port = htons((unsigned short)atoi(argv[1]));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	request_len = (size_t)snprintf(request, sizeof(request),
				       "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", argv[3], argv[2]);
	count = atoi(argv[4]);
	span = atoll(argv[5]) * 1000000;
	bursts = atoi(argv[6]);
	if (count < 1 || count > MAX_CONNECTIONS)
		errx(64, "1 to %d connections", MAX_CONNECTIONS);
	groups = argc - 7;
	count_event(&instructions, PERF_COUNT_HW_INSTRUCTIONS, argv + 7, groups);
	for (int i = 0; i < count; i++)
		dial(i);
	first = usage_now(&instructions, argv + 7, groups);
	while (bursts--) {
		before = usage_now(&instructions, argv + 7, groups);
		done = burst(count, before.ns + span);
		after = usage_now(&instructions, argv + 7, groups);
		print(done, &before, &after);
		total += done;
	}
	if (wait) {
		puts("");
		fflush(stdout);
		getchar();
		after = usage_now(&instructions, argv + 7, groups);
		print(total, &first, &after);
	}
	return 0;
}
