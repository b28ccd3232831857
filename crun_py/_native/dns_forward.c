/* dns_forward.c: queries that other servers answer.  Runs in the responder.
 *
 * Against forged answers (RFC 5452) each has a random id and a socket of its own, which the kernel gives a
 * random port, and which is connected, so that the kernel passes over what others send. */
#define _GNU_SOURCE
#include "dns.h"
#include "core.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NEXT_MS = 2000, LAST_MS = 4000, PREFIX = 2, HEADS = 16 };

struct forward {
	int fd; /* 0: unused */
	int connection; /* of the client, -1: by UDP */
	int server;
	uint16_t id, n; /* id: the client's; n: bytes of the query, which has ours */
	uint32_t sent, got; /* over TCP */
	uint8_t prefix[PREFIX];
	int64_t begun, deadline;
	struct sockaddr_in client;
};
static struct forward forwards[MAX_FORWARDS];
static uint8_t queries[MAX_FORWARDS][PREFIX + QUERY_BYTES]; /* with the prefix that TCP has */
static int top; /* those from here on are unused */
static int owners[MAX_FORWARDS];

static uint8_t *query_of(const struct forward *f)
{
	return queries[f - forwards] + PREFIX;
}

static void forget(struct forward *f)
{
	if (f->fd > 0)
		close(f->fd);
	f->fd = 0;
	while (top && !forwards[top - 1].fd)
		top--;
}

/* The answer, of which all but the id is there. */
static void deliver(struct forward *f, uint8_t *answer, size_t n)
{
	int connection = f->connection;
	put16(answer, f->id);
	if (connection >= 0) {
		tcp_answer(connection, n);
	} else {
		uint8_t cut[UDP_BYTES];
		put16(query_of(f), f->id);
		if (n > dns_takes(query_of(f), f->n)) {
			n = dns_reply(query_of(f), f->n, answer[3] & 0xf, true, cut);
			answer = cut;
		}
		dns_send(&f->client, answer, n);
	}
	forget(f);
}

static void fail(struct forward *f)
{
	uint8_t answer[UDP_BYTES];
	uint8_t *to = f->connection >= 0 ? tcp_room(f->connection) : answer;
	deliver(f, to, dns_reply(query_of(f), f->n, RCODE_SERVFAIL, false, to));
}

/* A socket that is connected to the server, or is on the way; the query is sent by UDP. */
static int ask(const struct forward *f, const struct server *server)
{
	bool tcp = f->connection >= 0;
	int type = (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int fd = socket(server->address.any.sa_family, type, 0);
	if (fd < 0)
		return -1;
	bool asked = !connect(fd, &server->address.any, server->size) || (tcp && errno == EINPROGRESS);
	if (asked && (tcp || send(fd, query_of(f), f->n, MSG_NOSIGNAL) == (ssize_t)f->n))
		return fd;
	close(fd);
	return -1;
}

/* Ask the next server that can be asked. */
static void ask_next(struct forward *f)
{
	const struct servers *servers = dns_servers();
	if (f->fd > 0)
		close(f->fd);
	f->fd = -1; /* in use, without a socket */
	f->sent = f->got = 0;
	while (f->server < servers->n) {
		uint16_t id;
		dns_random(&id, sizeof(id));
		put16(query_of(f), id);
		f->fd = ask(f, &servers->list[f->server++]);
		if (f->fd >= 0) {
			f->deadline = now_ms() + (f->server < servers->n ? NEXT_MS : LAST_MS);
			return;
		}
	}
	fail(f);
}

/* An unused one, if need be that which has waited longest. */
static struct forward *take(void)
{
	struct forward *oldest = &forwards[0];
	for (int i = 0; i < MAX_FORWARDS; i++) {
		if (!forwards[i].fd) {
			if (i >= top)
				top = i + 1;
			return &forwards[i];
		}
		if (forwards[i].begun < oldest->begun)
			oldest = &forwards[i];
	}
	if (oldest->connection >= 0) /* it would wait for ever */
		fail(oldest);
	else
		forget(oldest);
	top = MAX_FORWARDS;
	return oldest;
}

void forward_begin(const uint8_t *query, size_t n, const struct sockaddr_in *to, int connection)
{
	struct forward *f = take();
	*f = (struct forward){ .fd = -1, .connection = connection, .begun = now_ms() };
	if (to)
		f->client = *to;
	f->id = get16(query);
	f->n = (uint16_t)n;
	put16(queries[f - forwards], (unsigned)n);
	memcpy(query_of(f), query, n);
	ask_next(f);
}

void forward_drop(int connection)
{
	for (int i = 0; i < top; i++)
		if (forwards[i].fd && forwards[i].connection == connection)
			forget(&forwards[i]);
}

/* An answer has come: it is passed on, or another server asked when this one could not tell. */
static void take_answer(struct forward *f, uint8_t *answer, size_t n)
{
	enum rcode rcode = answer[3] & 0xf;
	bool headless = get16(answer + 4) == 0;
	if (rcode == RCODE_SERVFAIL || rcode == RCODE_REFUSED || headless)
		ask_next(f);
	else
		deliver(f, answer, n);
}

static void hear_udp(struct forward *f)
{
	enum { TRIES = 16 };
	static uint8_t answer[ANSWER_BYTES];
	for (int i = 0; i < TRIES; i++) {
		ssize_t n = recv(f->fd, answer, sizeof(answer), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) { /* ICMP */
			ask_next(f);
			return;
		}
		if (!dns_answers(query_of(f), f->n, answer, (size_t)n))
			continue; /* a forged one must not keep the true one off */
		take_answer(f, answer, (size_t)n);
		return;
	}
}

static void send_tcp(struct forward *f)
{
	const uint8_t *from = queries[f - forwards] + f->sent;
	ssize_t n = send(f->fd, from, PREFIX + f->n - f->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		f->sent += (uint32_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		ask_next(f);
}

static void hear_tcp(struct forward *f)
{
	uint8_t *answer = tcp_room(f->connection);
	bool head = f->got < PREFIX;
	size_t size = head ? 0 : get16(f->prefix);
	ssize_t n = head ? recv(f->fd, f->prefix + f->got, PREFIX - f->got, MSG_DONTWAIT) :
			   recv(f->fd, answer + f->got - PREFIX, size + PREFIX - f->got, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		ask_next(f);
		return;
	}
	f->got += (uint32_t)n;
	if (f->got < PREFIX || (head && get16(f->prefix)) || (!head && f->got < PREFIX + size))
		return;
	size = get16(f->prefix);
	if (dns_answers(query_of(f), f->n, answer, size))
		take_answer(f, answer, size);
	else
		ask_next(f);
}

int forward_poll(struct pollfd *fds)
{
	int n = 0;
	for (int i = 0; i < top; i++) {
		const struct forward *f = &forwards[i];
		bool sending = f->connection >= 0 && f->sent < (uint32_t)(PREFIX + f->n);
		if (!f->fd)
			continue;
		owners[n] = i;
		fds[n++] = (struct pollfd){ .fd = f->fd, .events = sending ? POLLOUT : POLLIN };
	}
	return n;
}

void forward_handle(const struct pollfd *fds, int n)
{
	for (int k = 0; k < n; k++) {
		struct forward *f = &forwards[owners[k]];
		if (!fds[k].revents || f->fd != fds[k].fd)
			continue;
		if (f->connection < 0)
			hear_udp(f);
		else if (fds[k].events == POLLOUT)
			send_tcp(f);
		else
			hear_tcp(f);
	}
}

int forward_due(int64_t now)
{
	int64_t wait = -1;
	for (int i = 0; i < top; i++) {
		struct forward *f = &forwards[i];
		if (f->fd && now >= f->deadline)
			ask_next(f); /* which may end it, and `top` come down */
		if (f->fd && (wait < 0 || f->deadline - now < wait))
			wait = f->deadline > now ? f->deadline - now : 0;
	}
	return (int)wait;
}
