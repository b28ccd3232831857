/* orders.c: a harness for the messages on the socket for orders (orders.c, held.c of the monitor).
 * An input is message after message (messages.h). */
#define _GNU_SOURCE
#include "core.h"
#include "harness.h"
#include "messages.h"

#include <poll.h>
#include <sys/un.h>

enum { LISTENED = 32 };
static int listened[LISTENED], listening;

/* ---- what the monitor has elsewhere ---- */

int relay_listen(int fd, const char *target)
{
	must(strlen(target) < HELD_TARGET, "a target that fits");
	must(fcntl(fd, F_GETFD) >= 0, "a descriptor that is open");
	if (listening == LISTENED)
		return -12;
	listened[listening++] = fd;
	return 0;
}

void relay_forget(int fd)
{
	must(fcntl(fd, F_GETFD) >= 0, "it is still open");
	for (int i = 0; i < listening; i++)
		if (listened[i] == fd)
			listened[i] = listened[--listening];
}

int dns_begin_late(const char *words, size_t n, int udp, int listener)
{
	must(fcntl(udp, F_GETFD) >= 0, "a socket that is open");
	must(listener < 0 || (listener != udp && fcntl(listener, F_GETFD) >= 0), "so is the other one");
	if (!n || words[n - 1])
		return -22;
	char *copy = malloc(n);
	memcpy(copy, words, n);
	free(copy);
	if (listener >= 0)
		close(listener);
	close(udp);
	return 0;
}

/* ---- the monitor's loop ---- */

static struct sockaddr_un address;
static socklen_t address_size;

static void turn(void)
{
	struct pollfd fds[ORDERS_FDS];
	int n = orders_poll(fds);
	must(n <= ORDERS_FDS, "there is room");
	if (poll(fds, (nfds_t)n, 0) > 0)
		orders_act(fds, n);
}

static void open_for_orders(void)
{
	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	address_size = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* with no name the kernel chooses one, unix(7): autobind */
	must(!bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) && !listen(fd, 4), "a socket that listens");
	must(!getsockname(fd, (struct sockaddr *)&address, &address_size), "its name");
	orders_begin(fd);
}

static int join(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	must(!connect(fd, (struct sockaddr *)&address, address_size), "a connection");
	turn();
	return fd;
}

static void listen_to(int client)
{
	char answer[8192];
	ssize_t n;
	while ((n = recv(client, answer, sizeof(answer), MSG_DONTWAIT)) > 0)
		must(answer[0] == 'k', "a message that commands know");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int usual = -1;
	int before = open("/dev/null", O_RDWR | O_CLOEXEC), client[2];
	open_for_orders();
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
	orders_end();
	held_end();
	listening = 0;
	close(before);
	usual = usual < 0 ? open_descriptors() : usual;
	must(open_descriptors() <= usual, "every descriptor is closed");
	return 0;
}
