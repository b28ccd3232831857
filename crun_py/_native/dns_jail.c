/* dns_jail.c: the responder reads packets of strangers, so it gives up all that it does not need.  Runs
 * in the responder. */
#define _GNU_SOURCE
#include "dns.h"
#include "jail.h"

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NOBODY = 65534, FIRST_MAPPED = 1, MAX_FDS = 512 };

/* By the system calls: there is one thread. */
static bool become(long id)
{
	return !syscall(SYS_setresgid, id, id, id) && !syscall(SYS_setresuid, id, id, id);
}

/* Nobody, or in a user namespace with few ids some other than root, or root, who is the caller. */
static void change_user(void)
{
	(void)syscall(SYS_setgroups, 0, NULL); /* may be denied: user_namespaces(7) */
	if (!become(NOBODY))
		(void)become(FIRST_MAPPED);
}

/* One that dies of a wrong call is replaced: dns_keeper.c. */
#define OTHERWISE SECCOMP_RET_KILL_PROCESS

static bool filter_calls(void)
{
	struct sock_filter program[] = {
		JAIL_BEGIN,
		/* clang-format off: most frequent first */
#ifdef SYS_poll
		JAIL_ALLOW(poll),
#endif
		JAIL_ALLOW(ppoll), JAIL_ALLOW(recvmmsg), JAIL_ALLOW(sendmmsg), JAIL_ALLOW(fstat),
		JAIL_ALLOW(recvfrom), JAIL_ALLOW(sendto), JAIL_ALLOW(recvmsg), JAIL_ALLOW(sendmsg),
		JAIL_ALLOW(connect), JAIL_ALLOW(close), JAIL_ALLOW(accept4), JAIL_ALLOW(pread64),
		JAIL_ALLOW(getrandom), JAIL_ALLOW(clock_gettime), JAIL_ALLOW(restart_syscall),
		JAIL_ALLOW(exit_group),
		JAIL_ALLOW_WITH(madvise, 2, MADV_DONTNEED, OTHERWISE),
		JAIL_ALLOW_WITH(ioctl, 1, SIOCGIFINDEX, OTHERWISE),
		JAIL_UNLESS(SYS_socket, 5), JAIL_LOW(0), JAIL_UNLESS(AF_INET, 1),
		JAIL_RETURN(SECCOMP_RET_ALLOW), JAIL_UNLESS(AF_INET6, 1), JAIL_RETURN(SECCOMP_RET_ALLOW),
		JAIL_RETURN(OTHERWISE),
	};
	return jail_filter(program, sizeof(program) / sizeof(*program));
}

bool dns_jail(void)
{
	jail_drop_bounding();
	bool empty = jail_empty_root();
	change_user();
	if (!jail_drop_capabilities() || !jail_no_new_privileges())
		return false;
	if (!jail_landlock(JAIL_BIND_TCP) && !empty)
		return false;
	/* again: it is reset where ids change.  A monitor that is gone already has closed its socket. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return false;
	return jail_limit(RLIMIT_NOFILE, MAX_FDS) && jail_limit(RLIMIT_CORE, 0) && jail_limit(RLIMIT_FSIZE, 0) &&
	       filter_calls();
}
