/* relay.c: published ports at ::1, from where the kernel forwards nothing: each connection has a small
 * process that passes bytes on.  Above the line it runs in the monitor, below it is a program of its own. */
#define _GNU_SOURCE
#include "core.h"
#include "signals.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_RELAYS = 128 };

static struct {
	pid_t pid;
	int pidfd;
} relays[MOST_RELAYS];
static int count;
static int listeners = -1, ended = -1; /* epoll(7) of what we listen on, and of the relays' ends */

static bool watch(int *epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
	if (*epoll < 0)
		*epoll = epoll_create1(EPOLL_CLOEXEC);
	return *epoll >= 0 && !epoll_ctl(*epoll, EPOLL_CTL_ADD, fd, &event);
}

int relay_listen(int fd)
{
	return fcntl(fd, F_SETFL, O_NONBLOCK) || !watch(&listeners, fd) ? -errno : 0;
}

int relay_fd(void)
{
	return count < MOST_RELAYS ? listeners : -1; /* more wait their turn */
}

int relay_ended_fd(void)
{
	return ended;
}

static void reap_relays(bool all)
{
	for (int i = count; i-- > 0;) {
		siginfo_t info = { 0 };
		if (all)
			(void)syscall(SYS_pidfd_send_signal, relays[i].pidfd, SIGKILL, NULL, 0);
		while (waitid(P_PID, (id_t)relays[i].pid, &info, WEXITED | (all ? 0 : WNOHANG)) && errno == EINTR)
			;
		if (!all && !info.si_pid)
			continue;
		close(relays[i].pidfd);
		relays[i] = relays[--count];
	}
}

/* Runs in the relay: the same program again, which shares no memory with the monitor. */
static void become_relay(int client, const char *target)
{
	char *const nothing[] = { NULL };
	char *const argv[] = { (char *)(uintptr_t)RELAY_PROGRAM, (char *)(uintptr_t)target, NULL };
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	default_signals();
	if (client != 3 && dup2(client, 3) != 3)
		_exit(1);
	(void)fcntl(3, F_SETFD, 0);
	(void)close_fds(4, ~0U, true);
	execve("/proc/self/exe", argv, nothing);
	_exit(1);
}

static void begin_relay(int client, const char *target)
{
	pid_t pid = fork();
	if (pid == 0)
		become_relay(client, target);
	int pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
	if (pid > 0 && (pidfd < 0 || !watch(&ended, pidfd))) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		if (pidfd >= 0)
			close(pidfd);
	} else if (pid > 0) {
		relays[count].pid = pid;
		relays[count++].pidfd = pidfd;
	}
	close(client);
}

void relay_act(bool ready, bool done)
{
	struct epoll_event events[8];
	if (done)
		reap_relays(false);
	int n = ready ? epoll_wait(listeners, events, 8, 0) : 0;
	for (int i = 0; i < n && count < MOST_RELAYS; i++) {
		const char *target = held_target(events[i].data.fd);
		int client = accept4(events[i].data.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (client >= 0 && target)
			begin_relay(client, target);
		else if (client >= 0)
			close(client);
	}
}

void relay_end(void)
{
	reap_relays(true);
}

/* ---- the relay itself ---- */

enum { CLIENT = 3, CONNECT_MS = 10000, PIECE = 65536 };

struct way { /* of bytes, in one direction */
	int from, to;
	size_t at, end;
	bool closed; /* nothing more comes */
	char data[PIECE];
};

static int reset(int fd)
{
	struct linger now = { .l_onoff = 1 };
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	return 1;
}

/* "ADDRESS PORT", both as text. */
static int connected(const char *target)
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
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
	socklen_t size = sizeof(error);
	if (fd < 0 || (connect(fd, to, six ? sizeof(peer6) : sizeof(peer)) && errno != EINPROGRESS))
		return -1;
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	if (poll(&ready, 1, CONNECT_MS) != 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) || error)
		return -1;
	return fd;
}

static bool again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* Pass on what can be passed on now; false when the connection is broken. */
static bool pass(struct way *way)
{
	if (way->at == way->end && !way->closed) {
		ssize_t n = read(way->from, way->data, PIECE);
		if (n < 0)
			return again();
		way->at = 0;
		way->end = (size_t)n;
		way->closed = n == 0;
		if (way->closed && shutdown(way->to, SHUT_WR))
			return false;
	}
	while (way->at < way->end) {
		ssize_t n = send(way->to, way->data + way->at, way->end - way->at, MSG_NOSIGNAL);
		if (n < 0)
			return again();
		way->at += (size_t)n;
	}
	return true;
}

static void give_up_privileges(void)
{
	enum { NOBODY = 65534 };
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (geteuid())
		return;
	/* what has nothing to give up, or no such id, has no more than its user */
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
		return;
	/* another user's now: the monitor's end is to be heard of still */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

int relay_main(int argc, char **argv)
{
	static struct way ways[2];
	(void)prctl(PR_SET_NAME, RELAY_PROGRAM);
	give_up_privileges();
	int server = argc == 2 ? connected(argv[1]) : -1;
	if (server < 0)
		return reset(CLIENT);
	ways[0].from = ways[1].to = CLIENT;
	ways[0].to = ways[1].from = server;
	while (!ways[0].closed || !ways[1].closed) {
		struct pollfd fds[2] = { { .fd = CLIENT }, { .fd = server } };
		for (int i = 0; i < 2; i++) {
			bool waiting = ways[i].at < ways[i].end;
			fds[i].events = (short)(fds[i].events | (waiting || ways[i].closed ? 0 : POLLIN));
			fds[!i].events = (short)(fds[!i].events | (waiting ? POLLOUT : 0));
		}
		for (int i = 0; i < 2; i++)
			if (!fds[i].events) /* it may be hung up: that is no news */
				fds[i].fd = -1;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return reset(CLIENT);
		for (int i = 0; i < 2; i++)
			if (!pass(&ways[i]))
				return reset(CLIENT);
	}
	return 0;
}
