/* relay.c: passes the connections to published ports on, where the kernel does not.  A program of its own,
 * nobody's, in the network namespace from which the targets are reached; it never looks at what it passes:
 * splice(2) moves it from socket to socket. */
#define _GNU_SOURCE
#include "relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 4096, DESCRIPTORS = 6, SPARE = 64, POOL = 32 };
enum { IDLE_MS = 3000, CONNECT_MS = 10000, LOOK_MS = 1000 };
enum { ROUNDS = 32, ACCEPTS = 64, EVENTS = 64, PIPE = 256 << 10 };

enum kind { SOURCE, CONNECTION, GONE };

struct watched { /* what an event may be of */
	enum kind kind;
	struct watched *grave; /* of those that are freed when no event can name them any more */
};

struct source { /* a socket that listens */
	struct watched watched;
	struct source *next;
	int fd;
	uint32_t id;
	char target[HELD_TARGET];
};

struct way { /* of bytes, in one direction */
	int pipe[2];
	size_t held;
	bool closed, said; /* nothing more comes; the other side was told */
};

struct connection {
	struct watched watched;
	struct connection *next, **link; /* of all */
	struct connection *soon;	 /* of those that have more to do */
	int fd[2];			 /* client, server */
	struct way way[2];		 /* from fd[i] */
	int64_t due;			 /* 0: connected */
	bool waiting;			 /* it is among those */
};

static struct source *sources;
static struct connection *all, *soon;
static struct watched *graves;
static int epoll, count, most;
static int64_t looked; /* when late ones were last looked for */
static int pool[POOL][2], pooled;

/* ---- connections ---- */

static bool watch(int fd, uint32_t events, void *what)
{
	struct epoll_event event = { .events = events, .data.ptr = what };
	return !epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void listen_all(bool on)
{
	for (struct source *s = sources; s; s = s->next) {
		struct epoll_event event = { .events = on ? EPOLLIN : 0, .data.ptr = s };
		(void)epoll_ctl(epoll, EPOLL_CTL_MOD, s->fd, &event);
	}
}

static void bury(struct watched *watched)
{
	watched->kind = GONE;
	watched->grave = graves;
	graves = watched;
}

static void free_buried(void)
{
	while (graves) {
		struct watched *gone = graves;
		graves = gone->grave;
		free(gone);
	}
}

static void close_pipe(struct way *way)
{
	if (way->pipe[0] < 0)
		return;
	if (!way->held && pooled < POOL) {
		memcpy(pool[pooled++], way->pipe, sizeof(way->pipe));
		return;
	}
	close(way->pipe[0]);
	close(way->pipe[1]);
}

static bool open_pipe(struct way *way)
{
	if (pooled) {
		memcpy(way->pipe, pool[--pooled], sizeof(way->pipe));
		return true;
	}
	if (pipe2(way->pipe, O_CLOEXEC | O_NONBLOCK)) {
		way->pipe[0] = -1;
		return false;
	}
	(void)fcntl(way->pipe[0], F_SETPIPE_SZ, PIPE); /* a smaller one will do */
	return true;
}

static void end(struct connection *c, bool broken)
{
	struct linger now = { .l_onoff = 1 };
	for (struct connection **p = &soon; c->waiting && *p; p = &(*p)->soon)
		if (*p == c) {
			*p = c->soon;
			break;
		}
	for (int i = 0; i < 2; i++) {
		close_pipe(&c->way[i]);
		if (c->fd[i] < 0)
			continue;
		if (broken)
			(void)setsockopt(c->fd[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(c->fd[i]);
	}
	if (c->next)
		c->next->link = c->link;
	*c->link = c->next;
	bury(&c->watched);
	if (count-- == most)
		listen_all(true);
}

static bool again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* Pass on what can be passed on now: 1 when there may be more, 0 when not, -1 when it is broken. */
static int pass(struct way *way, int from, int to)
{
	const unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
	for (int round = 0; round < ROUNDS; round++) {
		bool moved = false;
		if (!way->closed && way->held < PIPE) {
			ssize_t n = splice(from, NULL, way->pipe[1], NULL, PIPE - way->held, flags);
			if (n < 0 && !again())
				return -1;
			way->closed = n == 0;
			way->held += n > 0 ? (size_t)n : 0;
			moved = n > 0;
		}
		if (way->held) {
			ssize_t n = splice(way->pipe[0], NULL, to, NULL, way->held, flags);
			if (n < 0 && !again())
				return -1;
			way->held -= n > 0 ? (size_t)n : 0;
			moved = moved || n > 0;
		}
		if (way->closed && !way->held && !way->said) {
			way->said = true;
			if (shutdown(to, SHUT_WR))
				return -1;
		}
		if (!moved)
			return 0;
	}
	return 1;
}

/* All that can be done for a connection now; it may be gone afterwards. */
static void serve(struct connection *c)
{
	if (c->due) {
		int error = 0;
		socklen_t size = sizeof(error);
		struct sockaddr_storage peer;
		socklen_t length = sizeof(peer);
		if (getsockopt(c->fd[1], SOL_SOCKET, SO_ERROR, &error, &size) || error) {
			end(c, true);
			return;
		}
		if (getpeername(c->fd[1], (struct sockaddr *)&peer, &length))
			return; /* not yet */
		c->due = 0;
	}
	int there = pass(&c->way[0], c->fd[0], c->fd[1]);
	int back = there < 0 ? -1 : pass(&c->way[1], c->fd[1], c->fd[0]);
	if (there < 0 || back < 0 || (c->way[0].said && c->way[1].said)) {
		end(c, there < 0 || back < 0);
	} else if ((there || back) && !c->waiting) {
		c->waiting = true;
		c->soon = soon;
		soon = c;
	}
}

static void serve_waiting(void)
{
	struct connection *now = soon;
	soon = NULL;
	while (now) {
		struct connection *c = now;
		now = c->soon;
		c->waiting = false;
		serve(c);
	}
}

/* ---- new ones ---- */

/* A socket that connects to "ADDRESS PORT", both as text; -1 for none. */
static int connecting(const char *target)
{
	char address[INET6_ADDRSTRLEN];
	struct sockaddr_in peer = { .sin_family = AF_INET };
	struct sockaddr_in6 peer6 = { .sin6_family = AF_INET6 };
	unsigned port = 0;
	if (sscanf(target, "%45s %u", address, &port) != 2)
		return -1;
	bool six = inet_pton(AF_INET6, address, &peer6.sin6_addr) == 1;
	if (!six && inet_pton(AF_INET, address, &peer.sin_addr) != 1)
		return -1;
	peer.sin_port = peer6.sin6_port = htons((uint16_t)port);
	const struct sockaddr *to = six ? (struct sockaddr *)&peer6 : (struct sockaddr *)&peer;
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, to, six ? sizeof(peer6) : sizeof(peer)) && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

static void begin(int client, const char *target)
{
	const uint32_t events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
	const int on = 1;
	struct connection *c = calloc(1, sizeof(*c));
	if (!c) {
		close(client);
		return;
	}
	c->watched.kind = CONNECTION;
	c->fd[0] = client;
	c->fd[1] = connecting(target);
	c->way[0].pipe[0] = c->way[1].pipe[0] = -1;
	c->due = now_ms() + CONNECT_MS;
	c->next = all;
	c->link = &all;
	if (all)
		all->link = &c->next;
	all = c;
	if (++count == most)
		listen_all(false);
	bool good = c->fd[1] >= 0 && open_pipe(&c->way[0]) && open_pipe(&c->way[1]);
	for (int i = 0; good && i < 2; i++) {
		(void)setsockopt(c->fd[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		good = watch(c->fd[i], events, c);
	}
	if (!good)
		end(c, true);
}

static void accept_some(const struct source *source)
{
	for (int i = 0; i < ACCEPTS && count < most; i++) {
		int client = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (client < 0)
			return;
		begin(client, source->target);
	}
}

static void give_up_late_ones(void)
{
	struct connection *next;
	int64_t now = now_ms();
	if (now - looked < LOOK_MS)
		return;
	looked = now;
	for (struct connection *c = all; c; c = next) {
		next = c->next;
		if (c->due && now >= c->due)
			end(c, true);
	}
}

/* ---- what the monitor says ---- */

static void forget(uint32_t id)
{
	for (struct source **p = &sources; *p; p = &(*p)->next)
		if ((*p)->id == id) {
			struct source *gone = *p;
			*p = gone->next;
			(void)epoll_ctl(epoll, EPOLL_CTL_DEL, gone->fd, NULL); /* others have it too */
			close(gone->fd);
			bury(&gone->watched);
			return;
		}
}

/* False when the monitor has ended. */
static bool hear(void)
{
	struct relay_order order = { 0 };
	int fd = -1;
	ssize_t n = recv_with_fd(RELAY_MONITOR, &order, sizeof(order), &fd, MSG_DONTWAIT);
	if (n < 0 && again())
		return true;
	if (n != (ssize_t)sizeof(order))
		return false;
	if (fd < 0) {
		forget(order.id);
		return send(RELAY_MONITOR, "f", 1, MSG_NOSIGNAL) == 1;
	}
	struct source *s = calloc(1, sizeof(*s));
	if (!s)
		return false;
	s->fd = fd;
	s->id = order.id;
	memcpy(s->target, order.target, sizeof(s->target) - 1);
	s->next = sources;
	sources = s;
	return watch(fd, count < most ? EPOLLIN : 0, s);
}

/* ---- the program ---- */

static void give_up_privileges(void)
{
	enum { NOBODY = 65534 };
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* what has nothing to give up, or no such id, has no more than its user */
	if (!geteuid() && !setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, NOBODY))
		(void)!setresuid(NOBODY, NOBODY, NOBODY);
	/* another user's now: the monitor's end is to be heard of still */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void allow_descriptors(void)
{
	struct rlimit limit;
	most = 16;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > MOST * DESCRIPTORS + SPARE)
		most = MOST;
	else if (limit.rlim_cur > 16 * DESCRIPTORS + SPARE)
		most = (int)((limit.rlim_cur - SPARE) / DESCRIPTORS);
}

static int run(void)
{
	struct epoll_event events[EVENTS];
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, soon ? 0 : count ? LOOK_MS : IDLE_MS);
		if (n < 0 && errno != EINTR)
			return 1;
		if (n == 0 && !count)
			return 0; /* the monitor starts another one when it is needed */
		give_up_late_ones();
		serve_waiting();
		for (int i = 0; i < n; i++) {
			struct watched *of = events[i].data.ptr;
			if (!of && !hear())
				return 0;
			if (of && of->kind == SOURCE)
				accept_some((struct source *)of);
			else if (of && of->kind == CONNECTION)
				serve((struct connection *)of);
		}
		free_buried();
	}
}

int relay_main(void)
{
	(void)prctl(PR_SET_NAME, RELAY_PROGRAM);
	(void)signal(SIGPIPE, SIG_IGN);
	if (fcntl(RELAY_NAMESPACE, F_GETFD) >= 0 && setns(RELAY_NAMESPACE, CLONE_NEWNET))
		return 1;
	close(RELAY_NAMESPACE);
	give_up_privileges();
	allow_descriptors();
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0 || !watch(RELAY_MONITOR, EPOLLIN, NULL))
		return 1;
	return run();
}
