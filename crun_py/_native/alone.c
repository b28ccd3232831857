/* alone.c: a container without a monitor, for the callers of an OCI runtime: init has their stdio, and
 * is left to them (a subreaper, prctl(2)) when everything is made.  Runs in the place of the monitor. */
#define _GNU_SOURCE
#include "monitor.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

bool alone_pause(const struct monitor *m, int index, int fd)
{
	const struct result paused = { .failed = PAUSED, .index = index, .pid = m->status.pid };
	char go;
	return m->result >= 0 && send_with_fd(m->result, &paused, sizeof(paused), fd) == (ssize_t)sizeof(paused) &&
	       recv(m->result, &go, 1, 0) == 1;
}

/* Let init go on without us: it hangs up when it does not end with us any more. */
static void leave(int report)
{
	char byte;
	if (send(report, "p", 1, MSG_NOSIGNAL) == 1)
		(void)!recv(report, &byte, 1, 0);
}

int alone_main(const struct plan *plan)
{
	static struct monitor m;
	int report = -1;
	m.plan = plan;
	m.alone = true;
	m.gate = m.pidfd = m.status.run_dir = m.status.state_dir = -1;
	m.status.id = "";
	m.result = (int)find(plan, SET_RESULT)->a;
	int error = spawn(&m, &report);
	if (error) {
		tell(m.result, failed_monitor(&m, error));
		return 1;
	}
	struct result result = hear(&m, report);
	/* nobody is there any more who could note that it runs */
	if (!result.failed && send(m.result, &result, sizeof(result), MSG_NOSIGNAL) != (ssize_t)sizeof(result))
		result = failed_monitor(&m, -errno);
	else if (result.failed)
		(void)send(m.result, &result, sizeof(result), MSG_NOSIGNAL);
	else
		leave(m.gate);
	if (result.failed) {
		kill_init(&m);
		(void)reap(&m);
	}
	return result.failed != STARTED;
}
