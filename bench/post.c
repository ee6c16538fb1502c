// Ask a Docker engine to start containers, from wherever a static program runs: one request a name.
//
//   post SOCKET NAME...
//
// Sends POST /containers/NAME/start, prints the status line of each answer and ends with 0 when all were 204.

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int start(const char *path, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char text[1024];
	int length, connection = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(connection, (struct sockaddr *)&address, sizeof(address))) {
		perror(path);
		return -1;
	}
	length = snprintf(text, sizeof(text),
			  "POST /containers/%s/start HTTP/1.1\r\nHost: docker\r\n"
			  "Content-Length: 0\r\nConnection: close\r\n\r\n",
			  name);
	if (write(connection, text, length) != length)
		return -1;
	length = read(connection, text, sizeof(text) - 1);
	close(connection);
	if (length <= 0)
		return -1;
	text[length] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	puts(text);
	return strncmp(text, "HTTP/1.1 204", 12) ? -1 : 0;
}

int main(int argc, char **argv)
{
	int failed = argc < 3;

	for (int i = 2; i < argc; i++)
		failed |= start(argv[1], argv[i]) != 0;
	return failed;
}
