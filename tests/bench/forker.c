// SPDX-License-Identifier: GPL-2.0-only
/* A process that is not PHP and forks once for every byte it reads; answers when the child is gone.
 */
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	char c;

	while (read(0, &c, 1) == 1) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		if (child < 0 || waitpid(child, NULL, 0) != child || write(1, &c, 1) != 1)
			return 1;
	}
	return 0;
}
