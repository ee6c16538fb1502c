// Many starts of containers, as a runtime makes them and as fast as this machine can.
//
//   FILE NAME COUNT PER_SECOND BUNDLE PREFIX WORD...   begin: COUNT times, PER_SECOND at most
//
// Executes itself under NAME as `NAME --root ROOT run --bundle BUNDLE ID`, which makes a pid namespace and a cgroup
// called ID below $CGROUPS and lets its first process execute WORD... in both: what a runtime does, less what takes
// its time (mounts, seccomp). ID is PREFIX with the number of the start after it, in eight hex digits.
// With $KEEP in its environment it does not wait for one to end before it starts the next.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AS_RUNTIME 6

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static int end_of(pid_t child)
{
	int status = 1;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int enter(const char *cgroup)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	int file = open(path, O_WRONLY);
	int failed = file < 0 || write(file, "0", 1) != 1;

	close(file);
	return failed;
}

static int as_runtime(const char *id, char **words)
{
	char cgroup[400];

	snprintf(cgroup, sizeof(cgroup), "%s/%s", getenv("CGROUPS"), id);
	if (mkdir(cgroup, 0755) || unshare(CLONE_NEWPID | CLONE_NEWNS))
		return 1;
	pid_t init = fork();

	if (!init) {
		if (enter(cgroup))
			_exit(126);
		execv(words[0], words);
		_exit(127);
	}
	int status = init < 0 ? 1 : end_of(init);

	/* The kernel needs a moment to notice that it is empty. */
	for (int tries = 0; rmdir(cgroup) && tries < 1000; tries++)
		usleep(1000);
	return status;
}

int main(int argc, char **argv)
{
	if (argc > AS_RUNTIME && !strcmp(argv[3], "run"))
		return as_runtime(argv[AS_RUNTIME], argv + AS_RUNTIME + 1);
	if (argc < 7)
		return 2;
	long count = strtol(argv[2], NULL, 10), per_second = strtol(argv[3], NULL, 10);
	long long began = now();
	int keep = getenv("KEEP") != NULL;

	for (long number = 0; number < count; number++) {
		char id[128];
		char *runtime[32] = { argv[1], "--root", "/run/runc", "run", "--bundle", argv[4], id };

		snprintf(id, sizeof(id), "%s%08lx", argv[5], number);
		for (int word = 6; word < argc && word < 30; word++)
			runtime[word + 1] = argv[word];
		while (now() - began < number * 1000000000ll / per_second)
			usleep(200);
		pid_t child = fork();

		if (!child) {
			execv(argv[1], runtime);
			_exit(127);
		}
		if (child < 0 || (!keep && end_of(child))) {
			fprintf(stderr, "start %ld failed\n", number);
			return 1;
		}
	}
	while (keep && wait(NULL) > 0)
		;
	return 0;
}
