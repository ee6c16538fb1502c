// A reader that knows when it read: standard input to standard output, each chunk with the time of its arrival.
//
//   stamp <pipe >pipe
//
// A chunk becomes 8 bytes of CLOCK_REALTIME in ns, 8 bytes of length (both of this machine's byte order) and the
// bytes. Asks for a real-time priority, so that what is measured is the writer's wait for a processor and not
// this reader's; says on standard error when it gets none.

#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)

static int put(const char *data, size_t length)
{
	while (length > 0) {
		ssize_t written = write(STDOUT_FILENO, data, length);

		if (written < 0)
			return -1;
		data += written;
		length -= written;
	}
	return 0;
}

int main(void)
{
	struct sched_param priority = { .sched_priority = 1 };
	static struct {
		uint64_t time;
		uint64_t length;
		char data[65536];
	} frame;
	struct timespec now;
	ssize_t got;

	fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
	if (sched_setscheduler(0, SCHED_FIFO, &priority))
		perror("stamp: sched_setscheduler");
	while ((got = read(STDIN_FILENO, frame.data, sizeof(frame.data))) > 0) {
		clock_gettime(CLOCK_REALTIME, &now);
		frame.time = now.tv_sec * 1000000000ull + now.tv_nsec;
		frame.length = got;
		if (put((char *)&frame, sizeof(frame) - sizeof(frame.data) + got))
			return 1;
	}
	return got < 0;
}
