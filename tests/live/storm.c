// SPDX-License-Identifier: GPL-2.0-only
/*
 * storm SECONDS EXECS [RATE]: forks and execs /bin/true on every CPU as fast as the machine can, or
 * so many times a second, until either is reached; prints how many and how long. storm idle COUNT:
 * COUNT processes that wait until standard input ends; prints a line when all are there.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int idle(int count)
{
	char c;

	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "process %d", i);
		if (pid)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	puts("ready");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	return 0;
}

static void one(void)
{
	static char *const argv[] = {"/bin/true", NULL}, *const envp[] = {NULL};
	int status;
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		execve(argv[0], argv, envp);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status))
		errx(1, "/bin/true failed");
}

/* Until it is time for the exec of that number. */
static void pace(double start, long number, double rate)
{
	double ahead = rate > 0 ? start + (double)number / rate - now() : 0;

	if (ahead > 0)
		usleep((useconds_t)(ahead * 1e6));
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), most;
	double start = now(), seconds, rate;
	long *done;

	if (argc != 3 && argc != 4)
		errx(64, "usage: storm SECONDS EXECS [RATE], storm idle COUNT");
	if (!strcmp(argv[1], "idle"))
		return idle(atoi(argv[2]));
	seconds = atof(argv[1]);
	most = atol(argv[2]);
	rate = argc == 4 ? atof(argv[3]) : 0;
	done = mmap(NULL, sizeof(*done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (done == MAP_FAILED)
		err(1, "mmap");
	for (long i = 0; i < cpus; i++)
		if (fork() == 0) {
			long number;

			while (now() - start < seconds &&
			       (number = __atomic_add_fetch(done, 1, __ATOMIC_RELAXED)) <= most) {
				pace(start, number, rate);
				one();
			}
			_exit(0);
		}
	for (long i = 0; i < cpus; i++) {
		int status;

		if (wait(&status) < 0 || status)
			errx(1, "a worker failed");
	}
	printf("%ld %.2f\n", *done < most ? *done : most, now() - start);
	return 0;
}
