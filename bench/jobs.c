// What a node that builds does all day: commands that live a moment.
//
//   FILE PER_SECOND SECONDS PROGRAM WORD...    fork, execute PROGRAM, wait; so often a second, for so long
//
// Prints how many commands ran. Where the machine does not keep up it makes fewer, and says so by that number.

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	long per_second = strtol(argv[1], NULL, 10), ran = 0;
	long long began = now(), until = began + strtol(argv[2], NULL, 10) * 1000000000ll;

	while (now() < until) {
		if (now() - began < ran * 1000000000ll / per_second) {
			usleep(500);
			continue;
		}
		pid_t child = fork();

		if (!child) {
			execv(argv[3], argv + 3);
			_exit(127);
		}
		if (child < 0 || waitpid(child, NULL, 0) < 0)
			return 1;
		ran++;
	}
	printf("%ld\n", ran);
	return 0;
}
