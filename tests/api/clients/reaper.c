/* What Testcontainers' Ryuk does, small: whoever connects to port 8080 says which containers are
 * its own (label=KEY=VALUE); when it has gone, they are removed through the socket of the engine. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char answer[1 << 16];

static char *ask(const char *method, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/var/run/docker.sock" };
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t n = 0;
	ssize_t got;
	if (connect(sock, (struct sockaddr *)&address, sizeof(address)))
		exit(2);
	dprintf(sock, "%s %s HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n", method, path);
	while ((got = read(sock, answer + n, sizeof(answer) - 1 - n)) > 0)
		n += (size_t)got;
	answer[n] = 0;
	close(sock);
	return answer;
}

static void reap(const char *label)
{
	char path[1024], *at;
	snprintf(path, sizeof(path), "/containers/json?all=1&filters={%%22label%%22:[%%22%s%%22]}", label);
	while ((at = strstr(ask("GET", path), "\"Id\":")) && (at = strchr(at + 5, '"'))) {
		snprintf(path, sizeof(path), "/containers/%.64s?force=1&v=1", at + 1);
		ask("DELETE", path);
		snprintf(path, sizeof(path), "/containers/json?all=1&filters={%%22label%%22:[%%22%s%%22]}", label);
	}
}

int main(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(8080) };
	int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	char line[512] = "", labels[16][256];
	int n = 0;
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) || listen(listener, 4))
		return 1;
	puts("reaper Started!");
	fflush(stdout);
	FILE *client = fdopen(accept(listener, NULL, NULL), "r+");
	while (client && fgets(line, sizeof(line), client)) {
		line[strcspn(line, "\r\n")] = 0;
		for (char *word = strtok(line, "&"); word; word = strtok(NULL, "&"))
			if (!strncmp(word, "label=", 6) && n < 16)
				snprintf(labels[n++], sizeof(labels[0]), "%s", word + 6);
		fprintf(client, "ACK\n");
		fflush(client);
	}
	if (n)
		reap(labels[n - 1]);
	return 0;
}
