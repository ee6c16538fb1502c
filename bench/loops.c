// The loops of bench/loops.py, without an interpreter's weight.
//
//   loops exec|exec-static|syscalls|connect|unix-send|tcp-send COUNT CPU SOCKET
//
// Pins itself to one processor, asks for a real-time priority so that nobody cuts in, runs the loop and prints
// nanoseconds of CPU time and of wall time an iteration. The CPU time includes that of the children. exec: fork, execve of /bin/true, wait. exec-static: the same with this
// very program, which is linked statically and ends at once: the shortest process there is. syscalls: getppid
// and a write of one byte to /dev/null. connect: socket, connect to a unix socket of this process, accept, close.
// unix-send, tcp-send: 100 bytes into a connection of this process with itself, and out again.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "usage.h"

static double wall_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static void exec_loop(long count, const char *program)
{
	char *const words[] = { "true", NULL };
	char *const environment[] = { NULL };
	int status;

	for (long i = 0; i < count; i++) {
		pid_t child = fork();

		if (child < 0)
			fail("fork");
		if (child == 0) {
			execve(program, words, environment);
			_exit(127);
		}
		if (waitpid(child, &status, 0) < 0 || status != 0)
			fail(program);
	}
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

static void connect_loop(long count, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		fail(path);
	strcpy(address.sun_path, path);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 8))
		fail(path);
	for (long i = 0; i < count; i++) {
		int client = socket(AF_UNIX, SOCK_STREAM, 0);

		if (connect(client, (struct sockaddr *)&address, sizeof(address)))
			fail("connect");
		close(accept(listener, NULL, NULL));
		close(client);
	}
	unlink(path);
}

static void connect_tcp(int *pair)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		fail("listen");
	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(pair[0], (struct sockaddr *)&address, length))
		fail("connect");
	pair[1] = accept(listener, NULL, NULL);
	close(listener);
}

static void send_loop(long count, int *pair)
{
	char text[100] = "";

	for (long i = 0; i < count; i++)
		if (send(pair[0], text, sizeof(text), 0) != sizeof(text) ||
		    recv(pair[1], text, sizeof(text), MSG_WAITALL) != sizeof(text))
			fail("send");
}

int main(int argc, char **argv)
{
	int pair[2];
	struct sched_param priority = { .sched_priority = 1 };
	cpu_set_t set;

	if (argc == 1)
		return 0; // what exec-static executes
	if (argc != 5)
		return 2;
	long count = strtol(argv[2], NULL, 10);

	CPU_ZERO(&set);
	CPU_SET(strtol(argv[3], NULL, 10), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
	// Without the rights for it the numbers are noisier, not wrong.
	sched_setscheduler(0, SCHED_FIFO, &priority);
	double cpu = cpu_time(), wall = wall_time();

	if (strcmp(argv[1], "exec") == 0)
		exec_loop(count, "/bin/true");
	else if (strcmp(argv[1], "exec-static") == 0)
		exec_loop(count, "/proc/self/exe");
	else if (strcmp(argv[1], "syscalls") == 0)
		syscall_loop(count);
	else if (strcmp(argv[1], "connect") == 0)
		connect_loop(count, argv[4]);
	else if (strcmp(argv[1], "unix-send") == 0 && !socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		send_loop(count, pair);
	else if (strcmp(argv[1], "tcp-send") == 0) {
		connect_tcp(pair);
		send_loop(count, pair);
	} else
		return 2;
	printf("%.1f %.1f\n", (cpu_time() - cpu) / count, (wall_time() - wall) / count);
	return 0;
}
