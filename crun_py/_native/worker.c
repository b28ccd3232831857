/* worker.c: start a process that is nobody's child.  Runs in the library's caller, which may have
 * threads, handlers and children of its own, and must not notice.
 *
 * A child that executes a program gets SIGCHLD as its exit signal (execve resets it, fs/exec.c),
 * so it would be seen by the caller's handler and by its wait().  Hence two clones: the first child
 * executes nothing, is made without an exit signal and waited for with __WALL, so no handler and
 * no wait() of the caller's ever meets it; the second becomes the program, and belongs to init (or
 * to a subreaper, who asked for orphans) when the first has ended.  Both run in the caller's
 * memory while its thread is suspended (CLONE_VFORK, as posix_spawn does), so nothing is copied
 * and no lock of another thread can be met: after clone there are only system calls here. */
#define _GNU_SOURCE
#include "shim.h"
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK = 64 * 1024, STACKS = 2 * 64 * 1024, ERRORS = 2, CONTROL = 3, CALLER = 4, OURS = 5, ABOVE = 16 };

struct start {
	const char *program;
	char **argv, **envp;
	int control, caller;
	char *stack;
	int pidfd, error;
};

static void close_others(void)
{
	if (!syscall(SYS_close_range, OURS, ~0U, 0))
		return;
	struct rlimit limit; /* a seccomp filter that does not know close_range(2) */
	int most = getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > 1 << 20 ? 1 << 20 : (int)limit.rlim_cur;
	for (int fd = OURS; fd < most; fd++)
		close(fd);
}

/* Descriptors 0 to 4; the numbers that they had before may be among these. */
static int place(const struct start *start)
{
	int null = open("/dev/null", O_RDWR);
	int control = fcntl(start->control, F_DUPFD, ABOVE);
	int caller = fcntl(start->caller, F_DUPFD, ABOVE);
	if (null < 0 || control < 0 || caller < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
	    dup2(control, ERRORS) < 0 || dup2(control, CONTROL) < 0 || dup2(caller, CALLER) < 0)
		return -1;
	close_others();
	return 0;
}

/* Runs in the second child. */
static int become(void *argument)
{
	struct start *start = argument;
	setsid(); /* the keys of the caller's terminal are not for us */
	umask(022);
	if (!chdir("/") && !place(start)) {
		default_signals();
		execve(start->program, start->argv, start->envp);
	}
	start->error = errno;
	_exit(127);
}

/* Runs in the first child, which shares the caller's descriptors: the pidfd is made here, where
 * the pid cannot be another's yet. */
static int between(void *argument)
{
	struct start *start = argument;
	int pid = clone(become, start->stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, start);
	if (pid < 0) {
		start->error = errno;
	} else if (!start->error) {
		start->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (start->pidfd < 0) {
			start->error = errno;
			kill(pid, SIGKILL);
		}
	}
	if (start->error && pid > 0)
		waitpid(pid, NULL, __WALL); /* a subreaper would get it */
	_exit(0);
}

int crunpy_spawn(const char *program, char **argv, char **envp, int control, int caller)
{
	char *stacks = mmap(NULL, STACKS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stacks == MAP_FAILED)
		return -errno;
	struct start start = { program, argv, envp, control, caller, stacks, -1, 0 };
	sigset_t all, before;
	sigfillset(&all);
	/* no handler of the caller's may run in a child that shares its memory */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int pid = clone(between, stacks + STACKS, CLONE_VM | CLONE_VFORK | CLONE_FILES, &start);
	if (pid < 0)
		start.error = errno;
	else
		while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	munmap(stacks, STACKS);
	return start.error ? -start.error : start.pidfd;
}
