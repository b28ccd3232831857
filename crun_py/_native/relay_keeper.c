/* relay_keeper.c: the monitor's side of published ports that the kernel does not forward (from ::1; a plain
 * user's): it listens, and has a process pass connections on, which is there while there are any (relay.c).
 * Runs in the monitor. */
#define _GNU_SOURCE
#include "core.h"
#include "relay.h"
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LASTED_MS = 100 };

static int listeners = -1;	       /* epoll(7) of what we listen on */
static int control = -1, pidfd = -1; /* -1: none lives */
static pid_t relay, init;
static int64_t started;

void relay_begin(pid_t pid)
{
	init = pid;
}

static bool tell(int fd, const char *target)
{
	struct relay_order order = { .id = (uint32_t)fd };
	if (target)
		(void)snprintf(order.target, sizeof(order.target), "%s", target + (*target == RELAY_INSIDE));
	return send_with_fd(control, &order, sizeof(order), target ? fd : -1) == (ssize_t)sizeof(order);
}

static void take_down(void)
{
	if (pidfd < 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	while (waitpid(relay, NULL, 0) < 0 && errno == EINTR)
		;
	close(pidfd);
	close(control);
	pidfd = control = -1;
}

int relay_listen(int fd, const char *target)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
	if (listeners < 0)
		listeners = epoll_create1(EPOLL_CLOEXEC);
	if (listeners < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) || epoll_ctl(listeners, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	if (control >= 0 && !tell(fd, target))
		take_down();
	return 0;
}

void relay_forget(int fd)
{
	char gone;
	/* it does not leave by being closed: a relay has it too, and is to close it before we go on */
	if (listeners < 0 || epoll_ctl(listeners, EPOLL_CTL_DEL, fd, NULL) || control < 0)
		return;
	if (!tell(fd, NULL) || recv(control, &gone, 1, 0) != 1)
		take_down();
}

int relay_fd(void)
{
	return control < 0 ? listeners : -1;
}

int relay_ended_fd(void)
{
	return pidfd;
}

/* Runs in the relay: the same program again, which shares no memory with the monitor. */
static void become_relay(int monitor, int namespace)
{
	enum { ABOVE = 16 };
	char *const nothing[] = { NULL };
	char *const argv[] = { (char *)(uintptr_t)RELAY_PROGRAM, NULL };
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	default_signals();
	monitor = fcntl(monitor, F_DUPFD_CLOEXEC, ABOVE);
	namespace = namespace < 0 ? -1 : fcntl(namespace, F_DUPFD_CLOEXEC, ABOVE);
	close(RELAY_NAMESPACE);
	if (dup2(monitor, RELAY_MONITOR) < 0 || (namespace >= 0 && dup2(namespace, RELAY_NAMESPACE) < 0))
		_exit(1);
	(void)close_fds(RELAY_NAMESPACE + 1, ~0U, true);
	execve("/proc/self/exe", argv, nothing);
	_exit(1);
}

static bool start(const char *target)
{
	struct timeval patience = { .tv_sec = 1 };
	int pair[2], hub = held_hub(), inside = -1;
	started = now_ms();
	if (hub < 0 && *target == RELAY_INSIDE && (inside = container_network(init)) < 0)
		return false;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		if (inside >= 0)
			close(inside);
		return false;
	}
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	(void)setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	relay = fork();
	if (relay == 0)
		become_relay(pair[1], hub < 0 ? inside : hub);
	close(pair[1]);
	if (inside >= 0)
		close(inside);
	pidfd = relay < 0 ? -1 : (int)syscall(SYS_pidfd_open, relay, 0);
	if (pidfd < 0) {
		if (relay > 0) {
			(void)kill(relay, SIGKILL);
			(void)waitpid(relay, NULL, 0);
		}
		close(pair[0]);
		return false;
	}
	control = pair[0];
	if (!held_relayed(tell))
		take_down();
	return control >= 0;
}

void relay_act(bool ready, bool ended)
{
	struct epoll_event event;
	if (ended)
		take_down();
	if (!ready || control >= 0 || epoll_wait(listeners, &event, 1, 0) != 1)
		return;
	const char *target = held_target(event.data.fd);
	if (target && now_ms() - started >= LASTED_MS && start(target))
		return;
	/* none can be had, or it ends at once: whoever waits is told, and nobody spins */
	int client = accept4(event.data.fd, NULL, NULL, SOCK_CLOEXEC);
	if (client >= 0)
		close(client);
}

void relay_end(void)
{
	take_down();
}
