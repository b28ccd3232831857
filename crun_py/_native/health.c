/* health.c: when the container's health check is due.  What a check is, and what follows from
 * it, is decided by the command that is run for it.  Runs in the monitor. */
#define _GNU_SOURCE
#include "core.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct step *how; /* NULL: no health check */
static int64_t due, start_ends;
static pid_t checker;
static int checker_fd = -1;

/* The next one is due an interval after the last one ended, as Docker counts. */
static void plan_next(void)
{
	int64_t now = now_ms();
	due = now + (now < start_ends && how->b > 0 ? how->b : how->a);
}

void health_begin(const struct step *step)
{
	if (!step->n || step->a <= 0)
		return;
	how = step;
	start_ends = now_ms() + how->c;
	plan_next();
}

int health_fd(void)
{
	return checker_fd;
}

int64_t health_due(void)
{
	if (!how || checker_fd >= 0)
		return -1;
	int64_t left = due - now_ms();
	return left > 0 ? left : 0;
}

static void begin_check(void)
{
	char **argv = step_argv(how);
	if (!argv || !argv[0])
		return;
	checker = fork();
	if (checker == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	free(argv);
	if (checker > 0)
		checker_fd = (int)syscall(SYS_pidfd_open, checker, 0);
	if (checker_fd < 0)
		plan_next();
}

void health_act(bool ended)
{
	int status = 0;
	if (ended && checker_fd >= 0) {
		while (waitpid(checker, &status, 0) < 0 && errno == EINTR)
			;
		close(checker_fd);
		checker_fd = -1;
		if (status == 0)
			start_ends = 0;
		plan_next();
	}
	if (health_due() == 0)
		begin_check();
}
