// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a command, its output into a file: timed FILE COMMAND ARGUMENT... . Prints its wall time in
 * nanoseconds and its peak resident memory in KiB. A parent that is large, as Python is, would be
 * in that peak: memory before the exec counts, too.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec start, end;
	struct rusage usage;
	int out, status;
	pid_t pid;

	if (argc < 3)
		return 64;
	out = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0)
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &start);
	pid = fork();
	if (pid == 0) {
		dup2(out, STDOUT_FILENO);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%lld %ld\n",
	       (end.tv_sec - start.tv_sec) * 1000000000LL + end.tv_nsec - start.tv_nsec,
	       usage.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
