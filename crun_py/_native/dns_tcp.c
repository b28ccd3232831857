/* dns_tcp.c: clients over TCP (RFC 7766), each with one query at a time; what it sends meanwhile waits in
 * its socket.  Runs in the responder. */
#define _GNU_SOURCE
#include "dns.h"
#include "core.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IDLE_MS = 10000, PREFIX = 2, FDS_BEFORE = 3 };

struct connection {
	int fd; /* 0: unused; it is never one of ours, which has a null device there */
	bool ended;	 /* the client sends no more */
	bool forwarding; /* another server is asked */
	size_t got;	 /* bytes of `in` */
	size_t sent, size; /* of `out`; size 0: no answer */
	int64_t deadline;
};
static struct connection connections[MAX_CONNECTIONS];
static uint8_t in[MAX_CONNECTIONS][PREFIX + QUERY_BYTES], out[MAX_CONNECTIONS][PREFIX + ANSWER_BYTES];
static int owners[MAX_CONNECTIONS]; /* whose entry in the poll it is */

static void drop(int i)
{
	enum { WORTH_IT = 4096 };
	struct connection *c = &connections[i];
	if (c->forwarding)
		forward_drop(i);
	if (c->size > WORTH_IT)
		dns_forget(out[i], sizeof(out[i]));
	close(c->fd);
	*c = (struct connection){ 0 };
}

void tcp_accept(void)
{
	int fd = accept4(DNS_LISTENER, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), oldest = 0;
	if (fd < 0)
		return;
	for (int i = 0; i < MAX_CONNECTIONS; i++) {
		if (!connections[i].fd) {
			oldest = i;
			break;
		}
		if (connections[i].deadline < connections[oldest].deadline)
			oldest = i;
	}
	if (connections[oldest].fd)
		drop(oldest);
	connections[oldest] = (struct connection){ .fd = fd, .deadline = now_ms() + IDLE_MS };
}

/* Whether `in` holds a whole query. */
static bool is_whole(int i)
{
	return connections[i].got >= PREFIX && connections[i].got - PREFIX >= get16(in[i]);
}

static bool flush(int i)
{
	struct connection *c = &connections[i];
	while (c->sent < c->size) {
		ssize_t n = send(c->fd, out[i] + c->sent, c->size - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		c->sent += (size_t)n;
		c->deadline = now_ms() + IDLE_MS;
	}
	c->sent = c->size = 0;
	return true;
}

uint8_t *tcp_room(int i)
{
	return out[i] + PREFIX;
}

void tcp_answer(int i, size_t n)
{
	put16(out[i], (unsigned)n);
	connections[i].forwarding = false;
	connections[i].sent = 0;
	connections[i].size = PREFIX + n;
	connections[i].deadline = now_ms() + IDLE_MS;
}

/* Answer the query in `in`; false when the client deserves none. */
static bool answer(int i)
{
	struct connection *c = &connections[i];
	size_t n = get16(in[i]), size = 0;
	enum verdict verdict = dns_decide(dns_names(), in[i] + PREFIX, n, true, tcp_room(i), &size);
	if (verdict == DNS_SILENCE)
		return false;
	if (verdict == DNS_ANSWER) {
		tcp_answer(i, size);
	} else {
		c->forwarding = true;
		forward_begin(in[i] + PREFIX, n, NULL, i);
	}
	size_t took = PREFIX + n;
	memmove(in[i], in[i] + took, c->got - took);
	c->got -= took;
	return true;
}

/* Go on as far as it goes without waiting; false: the connection has come to its end. */
static bool proceed(int i)
{
	struct connection *c = &connections[i];
	for (;;) {
		if (c->size && !flush(i))
			return false;
		if (c->size || c->forwarding)
			return true;
		if (c->got >= PREFIX && get16(in[i]) > QUERY_BYTES)
			return false;
		if (!is_whole(i))
			return !c->ended;
		if (!answer(i))
			return false;
	}
}

static bool receive(int i)
{
	struct connection *c = &connections[i];
	ssize_t n = recv(c->fd, in[i] + c->got, sizeof(in[i]) - c->got, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->ended = n == 0;
	c->got += (size_t)n;
	if (n)
		c->deadline = now_ms() + IDLE_MS;
	return true;
}

int tcp_poll(struct pollfd *fds)
{
	int n = 0;
	for (int i = 0; i < MAX_CONNECTIONS; i++) {
		const struct connection *c = &connections[i];
		if (!c->fd)
			continue;
		owners[n] = i;
		fds[n++] = (struct pollfd){ .fd = c->fd,
					    .events = (short)(c->size ? POLLOUT : c->forwarding ? 0 : POLLIN) };
	}
	return n;
}

void tcp_handle(const struct pollfd *fds, int n)
{
	for (int k = 0; k < n; k++) {
		int i = owners[k];
		if (!fds[k].revents || connections[i].fd != fds[k].fd)
			continue;
		bool alive = true;
		if (fds[k].revents & POLLIN)
			alive = receive(i);
		else if (!(fds[k].revents & POLLOUT)) /* reset */
			alive = false;
		if (!alive || !proceed(i))
			drop(i);
	}
}

int tcp_due(int64_t now)
{
	int64_t wait = -1;
	for (int i = 0; i < MAX_CONNECTIONS; i++) {
		struct connection *c = &connections[i];
		if (!c->fd || c->forwarding) /* which has a deadline of its own */
			continue;
		if (now >= c->deadline)
			drop(i);
		else if (wait < 0 || c->deadline - now < wait)
			wait = c->deadline - now;
	}
	return (int)wait;
}
