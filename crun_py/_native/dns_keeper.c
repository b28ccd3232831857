/* dns_keeper.c: the monitor's side of the DNS responder: it starts one, another one when that dies, and
 * opens files for it.  Runs in the monitor. */
#define _GNU_SOURCE
#include "core.h"
#include "dns.h"
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_DELAY_MS = 100, LAST_DELAY_MS = 5000, LASTED_MS = 10000 };

static const struct step *how; /* NULL: no responder */
static const char *owner;
static pid_t init;
static int control = -1; /* our end of the socket pair; -1: none lives */
static pid_t responder;
static int64_t started, due; /* due: when the next one begins, while none lives */
static int64_t delay = FIRST_DELAY_MS;

static void come_back_later(void)
{
	if (now_ms() - started >= LASTED_MS)
		delay = FIRST_DELAY_MS;
	due = now_ms() + delay;
	delay = delay * 2 < LAST_DELAY_MS ? delay * 2 : LAST_DELAY_MS;
}

/* Runs in the responder: the same program again, which shares no memory with a monitor that knows the
 * container's environment. */
static void become_responder(int udp, int listener, int monitor)
{
	enum { ABOVE = 16 };
	char *const nothing[] = { NULL };
	char **argv = calloc(how->n + 3, sizeof(char *));
	int from[] = { udp, listener, monitor }, to[] = { DNS_UDP, DNS_LISTENER, DNS_MONITOR };
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	default_signals();
	if (how->n > 1 && *step_str(how, 1) == DNS_INSIDE && setns(container_network(init), CLONE_NEWNET))
		_exit(1);
	if (!argv)
		_exit(1);
	argv[0] = (char *)(uintptr_t)DNS_PROGRAM;
	argv[1] = (char *)(uintptr_t)owner;
	for (uint32_t i = 1; i < how->n; i++)
		argv[i + 1] = (char *)(uintptr_t)step_str(how, i);
	for (size_t i = 0; i < 3; i++) /* first out of the way of each other */
		from[i] = from[i] < 0 ? -1 : fcntl(from[i], F_DUPFD_CLOEXEC, ABOVE);
	for (size_t i = 0; i < 3; i++) {
		close(to[i]);
		if (from[i] >= 0 && dup2(from[i], to[i]) < 0)
			_exit(1);
	}
	(void)close_fds(DNS_MONITOR + 1, ~0U, true);
	execve("/proc/self/exe", argv, nothing);
	_exit(1);
}

static void start(void)
{
	int pair[2];
	started = now_ms();
	/* neither end waits: the monitor must not, for a responder that does not read */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) {
		come_back_later();
		return;
	}
	responder = fork();
	if (responder == 0)
		become_responder((int)how->a, (int)how->b, pair[1]);
	close(pair[1]);
	if (responder > 0) {
		control = pair[0];
		return;
	}
	close(pair[0]);
	come_back_later();
}

static void take_down(void)
{
	if (control < 0)
		return;
	close(control);
	control = -1;
	(void)kill(responder, SIGKILL);
	while (waitpid(responder, NULL, 0) < 0 && errno == EINTR)
		;
}

static int open_file(char letter)
{
	char path[4096];
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, fd = -1;
	struct stat st;
	if (letter == DNS_FILE_RESOLV)
		fd = open("/etc/resolv.conf", flags);
	else if (letter == DNS_FILE_RESOLVED)
		fd = open("/run/systemd/resolve/resolv.conf", flags);
	else if (snprintf(path, sizeof(path), "%s/names", step_str(how, 0)) < (int)sizeof(path))
		fd = open(path, flags | O_NOFOLLOW);
	else
		errno = ENAMETOOLONG;
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) { /* the responder gets no directory in its hands */
		close(fd);
		return -EINVAL;
	}
	return fd;
}

static void answer(char letter)
{
	int fd = open_file(letter);
	struct dns_file file;
	memset(&file, 0, sizeof(file));
	file.letter = letter;
	file.error = fd < 0 ? -fd : 0;
	(void)send_with_fd(control, &file, sizeof(file), fd < 0 ? -1 : fd);
	if (fd >= 0)
		close(fd);
}

void dns_begin(const struct step *step, const char *id, pid_t pid)
{
	owner = id;
	init = pid;
	if (!step->n || step->a < 0)
		return;
	how = step;
	start();
}

int dns_begin_late(const char *words, size_t n, int udp, int listener)
{
	static struct step late; /* for the rest of the container's life */
	if (how)
		return -EALREADY;
	if (!owner || !n || words[n - 1])
		return -EINVAL;
	char *text = malloc(n);
	uint32_t count = 0;
	for (size_t i = 0; i < n; i++)
		count += !words[i];
	struct str *strings = calloc(count, sizeof(*strings));
	if (!text || !strings) {
		free(text);
		free(strings);
		return -ENOMEM;
	}
	memcpy(text, words, n);
	const char *p = text;
	for (uint32_t i = 0; i < count; i++) {
		strings[i] = (struct str){ p, (uint32_t)strlen(p) };
		p += strings[i].len + 1;
	}
	late = (struct step){ .op = SET_DNS, .n = count, .a = udp, .b = listener, .s = strings };
	how = &late;
	start();
	return 0;
}

int dns_fd(void)
{
	return control;
}

int64_t dns_due(void)
{
	if (!how || control >= 0)
		return -1;
	int64_t left = due - now_ms();
	return left > 0 ? left : 0;
}

void dns_act(bool ready)
{
	char letter;
	if (ready && control >= 0) {
		ssize_t n = recv(control, &letter, 1, MSG_DONTWAIT);
		if (n == 1)
			answer(letter);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			take_down();
			come_back_later();
		}
	}
	if (dns_due() == 0)
		start();
}

void dns_end(void)
{
	take_down();
	if (how) { /* they keep the network namespace */
		close((int)how->a);
		if (how->b >= 0)
			close((int)how->b);
	}
	how = NULL;
}
