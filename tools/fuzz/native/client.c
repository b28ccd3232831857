/* client.c: a harness for the messages on the attach socket (client.c of the streams).
 *
 * An input is message after message (messages.h); 8: the container writes. */
#define _GNU_SOURCE
#include "core.h"
#include "harness.h"
#include "messages.h"

#include <poll.h>

/* ---- the loop of the streams ---- */

static struct input input;

static void turn(void)
{
	struct pollfd fds[MAX_CLIENTS];
	int n = clients_poll(fds, &input);
	if (poll(fds, (nfds_t)n, 0) > 0)
		clients_handle(fds, n, &input);
	must(input.held <= sizeof(input.data), "what is held has room");
	input_flush(&input);
}

static int join(void)
{
	int pair[2];
	must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), "a socket");
	clients_add(pair[0], &input);
	return pair[1];
}

static void listen_to(int client)
{
	char answer[8192];
	ssize_t n;
	while ((n = recv(client, answer, sizeof(answer), MSG_DONTWAIT)) > 0)
		must(strchr("orsx", answer[0]) != NULL, "a message that clients know");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int usual = -1;
	char frame[64] = { 0 };
	int before = open("/dev/null", O_RDWR | O_CLOEXEC), client[2];
	memset(&input, 0, sizeof(input));
	input.fd = before < 0 ? -1 : fcntl(before, F_DUPFD_CLOEXEC, 0);
	client[0] = join();
	client[1] = join();
	for (size_t at = 0; size - at >= 3;) {
		int flags = data[at], *from = &client[!!(flags & SECOND)];
		size_t n = (size_t)(data[at + 1] | data[at + 2] << 8);
		at += 3;
		if (n > size - at)
			n = size - at;
		uint8_t *exact = malloc(n + 1);
		memcpy(exact, data + at, n);
		say(*from, exact, n, flags & TWO ? 2 : flags & WITH_FD, before);
		free(exact);
		at += n;
		turn();
		if (flags & OUTPUT)
			clients_send(flags & SECOND, frame, sizeof(frame) - 1);
		listen_to(client[0]);
		listen_to(client[1]);
		if (flags & HANG_UP) {
			close(*from);
			turn();
			*from = join();
		}
	}
	close(client[0]);
	close(client[1]);
	turn();
	turn();
	(void)clients_finish(0, false);
	if (input.fd >= 0)
		close(input.fd);
	close(before);
	usual = usual < 0 ? open_descriptors() : usual;
	must(open_descriptors() <= usual, "every descriptor is closed");
	return 0;
}
