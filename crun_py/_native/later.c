/* later.c: the end of a netlink socket, which waits for others.  What nf_tables has removed it frees when
 * no processor looks at it any more (RCU), and close(2) of the socket waits for that, some 10 ms. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STACK = 4096 * 4 };

/* Shares our memory: system calls alone. */
static int close_and_end(void *fd)
{
	unsigned keep = (unsigned)(unsigned long)fd;
	if (keep)
		(void)syscall(SYS_close_range, 0U, keep - 1, 0U);
	(void)syscall(SYS_close_range, keep + 1, ~0U, 0U);
	(void)syscall(SYS_close, keep);
	syscall(SYS_exit, 0);
	return 0;
}

int crunpy_close_later(int fd)
{
	sigset_t all, before;
	/* not freed: the process may be there longer than we; it is one page or two */
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler of ours runs there */
	if (stack != MAP_FAILED && clone(close_and_end, stack + STACK, CLONE_VM, (void *)(unsigned long)(unsigned)fd) < 0)
		(void)munmap(stack, STACK);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return close(fd) ? -errno : 0;
}
