/* main.c: crunpy-core PLAN-FD.  Started by runtime/launch.py from a sealed memfd; leaves its
 * caller and becomes the monitor, which starts the program again as the DNS responder. */
#define _GNU_SOURCE
#include "core.h"
#include "dns.h"
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static char *title; /* argv's words, one after the other, which ps shows */
static size_t title_size;

void set_title(const char *text)
{
	memset(title, 0, title_size);
	snprintf(title, title_size, "%s", text);
}

void rename_process(const char *name)
{
	(void)prctl(PR_SET_NAME, name);
	for (size_t i = 0; name[i] && title[i]; i++)
		title[i] = name[i];
}

void forget_environment(void)
{
	for (char **variable = environ; *variable; variable++)
		memset(*variable, 0, strlen(*variable));
}

void close_all_but(int *keep, size_t n)
{
	int next = 0;
	qsort(keep, n, sizeof(int), by_number);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] > next)
			(void)close_fds((unsigned)next, (unsigned)keep[i] - 1, false);
		if (keep[i] >= next)
			next = keep[i] + 1;
	}
	(void)close_fds((unsigned)next, ~0U, false);
}

static bool is_alone(const struct plan *plan)
{
	return find(plan, SET_ALONE)->op == SET_ALONE;
}

/* Close all descriptors but those that the plan names, and our stdio if that is the container's. */
static int close_unnamed(const struct plan *plan)
{
	enum { STREAMS = 3 };
	int *keep = calloc(plan->n * 2 + 1 + STREAMS, sizeof(int));
	size_t n = 0;
	if (!keep)
		return -ENOMEM;
	for (int fd = 0; fd < STREAMS && is_alone(plan); fd++)
		keep[n++] = fd;
	for (uint32_t i = 0; i < plan->n; i++) {
		const struct step *s = &plan->steps[i];
		if (s->op == OP_SETNS || s->op == SET_CGROUP || s->op == SET_CLIENT || s->op == SET_RESULT ||
		    s->op == SET_HOLD || s->op == SET_USERNS || s->op == SET_DNS || s->op == SET_NOTIFY ||
		    s->op == OP_ATTACH || s->op == OP_KEEP || s->op == SET_ALONE)
			keep[n++] = (int)s->a;
		if (s->op == SET_CLONE || s->op == SET_DNS || s->op == SET_ALONE)
			keep[n++] = (int)s->b;
		if (s->op == SET_CGROUP && s->c > 0)
			keep[n++] = (int)s->c;
	}
	close_all_but(keep, n);
	for (size_t i = 0; i < n; i++)
		if (keep[i] >= STREAMS)
			(void)fcntl(keep[i], F_SETFD, FD_CLOEXEC);
	free(keep);
	return 0;
}

/* The monitor's own stdio is /dev/null. */
static int null_stdio(void)
{
	int fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < 2)
		fd = dup(fd);
	return fd < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	struct plan plan = { 0 };
	/* what is in a container must not reach us through /proc (CVE-2016-9962) */
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (argc > 0 && !strcmp(argv[0], DNS_PROGRAM))
		return dns_main(argc, argv);
	if (argc > 0 && !strcmp(argv[0], RELAY_PROGRAM))
		return relay_main();
	if (argc < 2 || plan_read(atoi(argv[argc - 1]), &plan))
		return 2;
	title = argv[0];
	title_size = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) + 1 - argv[0]);
	/* a child of nobody's: the caller waits for the parent only, and reads an errno in its status */
	bool alone = is_alone(&plan);
	pid_t pid = alone ? 0 : fork();
	if (pid)
		return pid < 0 ? errno : 0;
	if (alone)
		return close_unnamed(&plan) ? 2 : alone_main(&plan);
	if (setsid() < 0 || chdir("/") || close_unnamed(&plan) || null_stdio())
		return 2;
	(void)prctl(PR_SET_NAME, "crunpy-monitor");
	(void)signal(SIGPIPE, SIG_IGN);
	umask(077);
	return monitor_main(&plan);
}
