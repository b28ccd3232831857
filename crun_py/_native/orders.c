/* orders.c: what commands have the monitor do, over orders.sock in the run directory: keep descriptors,
 * answer for names.  Not over attach.sock, for its messages go through the hands of the streams.
 * Runs in the monitor. */
#define _GNU_SOURCE
#include "core.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ORDER_BYTES = 16 << 10 };

static int listener = -1;
static struct giver {
	int fd;
	int tcp; /* of the last t, -1: none */
} givers[MAX_ORDERS];
static int count;

void orders_begin(int fd)
{
	listener = fd;
}

static void drop(int i)
{
	close(givers[i].fd);
	if (givers[i].tcp >= 0)
		close(givers[i].tcp);
	givers[i] = givers[--count];
}

static int32_t hold(const char *data, size_t n, uint32_t key, int fd)
{
	char target[HELD_TARGET] = "";
	size_t more = n - 1 - sizeof(key);
	memcpy(target, data + 1 + sizeof(key), more < sizeof(target) ? more : sizeof(target) - 1);
	return held_add(fd, key, target);
}

/* What was handed over and is not ours then is closed. */
static int32_t carry_out(struct giver *giver, const char *data, size_t n, int fd)
{
	uint32_t key = 0;
	int32_t error = -EINVAL;
	if (n >= 1 + sizeof(key))
		memcpy(&key, data + 1, sizeof(key));
	if (data[0] == 'k' && fd >= 0 && key) {
		error = hold(data, n, key, fd);
	} else if (data[0] == 'u' && key && fd < 0) {
		held_drop(key);
		error = 0;
	} else if (data[0] == 'd' && fd >= 0) {
		error = dns_begin_late(data + 1, n - 1, fd, giver->tcp);
		if (!error)
			giver->tcp = -1;
	}
	if (error && fd >= 0)
		close(fd);
	return error;
}

/* One message; false when its giver is gone. */
static bool receive(struct giver *giver)
{
	static char data[ORDER_BYTES];
	int fd;
	ssize_t n = recv_with_fd(giver->fd, data, sizeof(data), &fd, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	if (data[0] == 't' && fd >= 0) {
		if (giver->tcp >= 0)
			close(giver->tcp);
		giver->tcp = fd;
		return true;
	}
	int32_t error = carry_out(giver, data, (size_t)n, fd);
	char answer[1 + sizeof(error)] = { 'k' };
	memcpy(answer + 1, &error, sizeof(error));
	return send(giver->fd, answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(answer);
}

int orders_poll(struct pollfd *fds)
{
	fds[0] = (struct pollfd){ .fd = count < MAX_ORDERS ? listener : -1, .events = POLLIN };
	for (int i = 0; i < count; i++)
		fds[1 + i] = (struct pollfd){ .fd = givers[i].fd, .events = POLLIN };
	return 1 + count;
}

void orders_act(const struct pollfd *fds, int n)
{
	for (int i = n - 2; i >= 0; i--) /* downwards: drop moves the last one here */
		if (fds[1 + i].revents && !receive(&givers[i]))
			drop(i);
	int fd = fds[0].revents & POLLIN ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
	if (fd >= 0)
		givers[count++] = (struct giver){ .fd = fd, .tcp = -1 };
}

void orders_end(void)
{
	while (count)
		drop(count - 1);
	if (listener >= 0)
		close(listener);
	listener = -1;
}
