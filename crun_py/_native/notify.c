/* notify.c: what the container's command tells systemd (sd_notify(3)) is passed on in our name:
 * systemd believes the processes of a unit's own control group, and the container has another.
 * Runs in the monitor. */
#define _GNU_SOURCE
#include "core.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int inside = -1; /* the socket that the container has */
static struct sockaddr_un service;
static socklen_t service_size;

void notify_begin(const struct step *how)
{
	const char *path = step_str(how, 0);
	size_t n = strlen(path);
	inside = (int)how->a;
	service.sun_family = AF_UNIX;
	if (!n || n >= sizeof(service.sun_path))
		return;
	memcpy(service.sun_path, path, n);
	if (*path == '@')
		service.sun_path[0] = '\0'; /* an abstract name, unix(7) */
	service_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*path != '@'));
}

int notify_fd(void)
{
	return inside;
}

/* What a container may say of its service.  Not who its main process is, and no descriptors. */
static bool is_for_service(const char *line, size_t n)
{
	static const char *const known[] = { "READY=1",	    "RELOADING=1",   "STOPPING=1",   "STATUS=",
					     "ERRNO=",	    "BUSERROR=",     "WATCHDOG=",    "WATCHDOG_USEC=",
					     "EXIT_STATUS=", "EXTEND_TIMEOUT_USEC=", "MONOTONIC_USEC=" };
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		size_t length = strlen(known[i]);
		bool whole = known[i][length - 1] != '=';
		if (n >= length && !memcmp(line, known[i], length) && (!whole || n == length))
			return true;
	}
	return false;
}

void notify_act(void)
{
	char said[4096], passed[sizeof(said) + 1];
	size_t used = 0;
	ssize_t n = recv(inside, said, sizeof(said), MSG_DONTWAIT);
	for (ssize_t at = 0; at < n;) {
		const char *end = memchr(said + at, '\n', (size_t)(n - at));
		size_t length = end ? (size_t)(end - said - at) : (size_t)(n - at);
		if (is_for_service(said + at, length)) {
			memcpy(passed + used, said + at, length);
			used += length;
			passed[used++] = '\n';
		}
		at += (ssize_t)length + 1;
	}
	int sock = used && service_size ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
	if (sock < 0)
		return;
	/* a service manager that takes nothing now loses it: the container must not wait for it */
	(void)sendto(sock, passed, used, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&service, service_size);
	close(sock);
}
