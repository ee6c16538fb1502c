// A disk that answers EIO to writes of castoff.db*, as long as the file named by $FAILING_WHILE exists.
//
// Loaded before the C library (LD_PRELOAD); everything else goes on as it is.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int file)
{
	const char *while_exists = getenv("FAILING_WHILE");
	char link[64], path[4096];

	if (!while_exists || access(while_exists, F_OK))
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
	ssize_t length = readlink(link, path, sizeof(path) - 1);

	if (length < 0)
		return 0;
	path[length] = 0;
	return strstr(path, "/castoff.db") != NULL;
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset)
{
	static ssize_t (*next)(int, const void *, size_t, off64_t);

	if (!next)
		next = dlsym(RTLD_NEXT, "pwrite64");
	if (fails(file)) {
		errno = EIO;
		return -1;
	}
	return next(file, data, size, offset);
}

int fdatasync(int file)
{
	static int (*next)(int);

	if (!next)
		next = dlsym(RTLD_NEXT, "fdatasync");
	if (fails(file)) {
		errno = EIO;
		return -1;
	}
	return next(file);
}
