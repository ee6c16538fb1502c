// A program that executes itself again and again under whatever name its file has been given.
//
//   FILE UID SECONDS WORD...        begin: become UID, log in as UID, go on for so many seconds
//
// Every execve keeps WORD... as the command line; the deadline and the count travel in the environment. Prints how
// often it was executed.

#define _GNU_SOURCE
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
	static char until[40], count[40], itself[4096];
	char *environment[] = { until, count, itself, NULL };
	const char *deadline = getenv("UNTIL");
	const char *program = getenv("ITSELF");
	long long number = 1;

	if (!deadline) {
		if (argc < 4)
			return 2;
		int login = open("/proc/self/loginuid", O_WRONLY);

		if (login < 0 || write(login, argv[1], strlen(argv[1])) < 0)
			perror("/proc/self/loginuid");
		close(login);
		// UID may not be allowed to come here from the root.
		program = basename(argv[0]);
		if (chdir(dirname(strdup(argv[0]))))
			perror(argv[0]);
		if (setgid(strtol(argv[1], NULL, 10)) || setuid(strtol(argv[1], NULL, 10)))
			perror("setuid");
		snprintf(until, sizeof(until), "UNTIL=%lld",
			 now() + strtol(argv[2], NULL, 10) * 1000000000ll);
		snprintf(itself, sizeof(itself), "ITSELF=%s", program);
		argv += 2;
		argv[0] = (char *)program;
	} else {
		number = atoll(getenv("COUNT")) + 1;
		if (now() > atoll(deadline)) {
			printf("%lld\n", number);
			return 0;
		}
		snprintf(until, sizeof(until), "UNTIL=%s", deadline);
		snprintf(itself, sizeof(itself), "ITSELF=%s", program);
	}
	snprintf(count, sizeof(count), "COUNT=%lld", number);
	execve(program, argv, environment);
	perror(program);
	return 1;
}
