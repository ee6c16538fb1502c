// The loops of bench/audit_cost.py, without an interpreter's weight.
//
//   audit_cost LOGINUID exec|syscalls COUNT
//
// Sets the login uid, then forks: whether a task has an audit context is decided at its fork. The child runs
// the loop and prints nanoseconds of CPU time an iteration, its children's included: on a busy machine the wall
// clock measures the others. exec: spawn /bin/true and wait. syscalls: getppid and a write
// of one byte to /dev/null.

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "usage.h"

extern char **environ;

static void set_login(const char *uid)
{
	int file = open("/proc/self/loginuid", O_WRONLY);

	if (file < 0 || write(file, uid, strlen(uid)) < 0)
		fail("/proc/self/loginuid");
	close(file);
}

static void spawn_loop(long count)
{
	char *const words[] = { "true", NULL };
	int status;
	pid_t child;

	for (long i = 0; i < count; i++)
		if (posix_spawn(&child, "/bin/true", NULL, NULL, words, environ) ||
		    waitpid(child, &status, 0) < 0)
			fail("/bin/true");
}

static void syscall_loop(long count)
{
	int sink = open("/dev/null", O_WRONLY);

	for (long i = 0; i < count; i++) {
		syscall(SYS_getppid);
		if (write(sink, "x", 1) != 1)
			fail("/dev/null");
	}
}

int main(int argc, char **argv)
{
	int status;

	if (argc != 4)
		return 2;
	set_login(argv[1]);
	long count = strtol(argv[3], NULL, 10);
	pid_t child = fork();
	if (child < 0)
		fail("fork");
	if (child > 0) {
		waitpid(child, &status, 0);
		return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	}
	double begin = cpu_time();
	if (strcmp(argv[2], "exec") == 0)
		spawn_loop(count);
	else
		syscall_loop(count);
	printf("%.1f\n", (cpu_time() - begin) / count);
	return 0;
}
