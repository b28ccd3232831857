/* later.c: the end of a netlink socket, which waits for others.  What nf_tables has removed it frees when
 * no processor looks at it any more (RCU), and close(2) of the socket waits for that, some 10 ms. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STACK = 4096 * 4, PATIENCE = 10000 };

struct task { /* at the lower end of the process's stack */
	unsigned fd;
	atomic_bool alone;    /* it has nothing else of ours */
	atomic_bool released; /* nor have we what it has: it is the last who closes it */
};

static void await(atomic_bool *told)
{
	for (int i = 0; i < PATIENCE && !atomic_load(told); i++)
		(void)syscall(SYS_sched_yield);
}

/* Shares our memory: system calls alone. */
static int close_and_end(void *argument)
{
	struct task *task = argument;
	if (task->fd)
		(void)syscall(SYS_close_range, 0U, task->fd - 1, 0U);
	(void)syscall(SYS_close_range, task->fd + 1, ~0U, 0U);
	atomic_store(&task->alone, true);
	await(&task->released);
	(void)syscall(SYS_close, task->fd);
	syscall(SYS_exit, 0);
	return 0;
}

int crunpy_close_later(int fd)
{
	sigset_t all, before;
	/* not freed: the process may be there longer than we; it is one page or two */
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	struct task *task = (struct task *)(void *)stack;
	bool begun = false;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler of ours runs there */
	if (stack != MAP_FAILED) {
		task->fd = (unsigned)fd;
		begun = clone(close_and_end, stack + STACK, CLONE_VM, task) >= 0;
		if (!begun)
			(void)munmap(stack, STACK);
		else
			await(&task->alone); /* a port that we give up next is free then */
	}
	int error = close(fd) ? -errno : 0;
	if (begun)
		atomic_store(&task->released, true);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}
