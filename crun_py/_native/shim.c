/* shim.c: the system calls that Python lacks.  Runs in the CLI process. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <sched.h>

int crunpy_unshare(int flags)
{
	return unshare(flags) ? -errno : 0;
}

int crunpy_setns(int fd, int nstype)
{
	return setns(fd, nstype) ? -errno : 0;
}
