/* streams_jail.c: the streams read what a container writes, so they give up all that they do not need.
 * Runs in the streams.
 *
 * Their user stays: another one's processes could send them signals, and without files, capabilities
 * and the calls for more the user's name is worth nothing. */
#define _GNU_SOURCE
#include "jail.h"
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { MAX_FDS = 256 };

/* Not death, as the responder's: streams do not come back, and a call that a libc of tomorrow makes must
 * not cost a container its output.  What is refused is as far away. */
#define OTHERWISE (SECCOMP_RET_ERRNO | EPERM)

static bool filter_calls(void)
{
	struct sock_filter program[] = {
		JAIL_BEGIN,
		/* clang-format off: most frequent first */
#ifdef SYS_poll
		JAIL_ALLOW(poll),
#endif
		JAIL_ALLOW(ppoll), JAIL_ALLOW(read), JAIL_ALLOW(write), JAIL_ALLOW(sendto), JAIL_ALLOW(recvmsg),
		JAIL_ALLOW(clock_gettime), JAIL_ALLOW(sendmsg), JAIL_ALLOW(recvfrom), JAIL_ALLOW(accept4),
		JAIL_ALLOW(close), JAIL_ALLOW(restart_syscall), JAIL_ALLOW(exit_group),
		/* a log that a full disk cut in the middle of a line */
		JAIL_ALLOW(ftruncate), JAIL_ALLOW(lseek),
		/* memory, in which no code can be */
		JAIL_ALLOW(brk), JAIL_ALLOW(munmap), JAIL_ALLOW(mremap),
		JAIL_ALLOW_WITHOUT(mmap, 2, PROT_EXEC, OTHERWISE), JAIL_ALLOW_WITHOUT(mprotect, 2, PROT_EXEC, OTHERWISE),
		JAIL_ALLOW_WITH(madvise, 2, MADV_DONTNEED, OTHERWISE),
		JAIL_ALLOW_WITH(ioctl, 1, TIOCSWINSZ, OTHERWISE),
		JAIL_ALLOW_WITH(setsockopt, 2, SO_SNDTIMEO, OTHERWISE),
		JAIL_UNLESS(SYS_fcntl, 5), JAIL_LOW(1), JAIL_UNLESS(F_SETPIPE_SZ, 1),
		JAIL_RETURN(SECCOMP_RET_ALLOW), JAIL_UNLESS(F_SETFL, 1), JAIL_RETURN(SECCOMP_RET_ALLOW),
		JAIL_RETURN(OTHERWISE),
	};
	return jail_filter(program, sizeof(program) / sizeof(*program));
}

bool streams_jail(void)
{
	jail_drop_bounding();
	if (!jail_drop_capabilities() || !jail_no_new_privileges())
		return false;
	/* one more wall before files: nothing in the filter opens any */
	(void)jail_landlock(JAIL_BIND_TCP | JAIL_CONNECT_TCP);
	return jail_limit(RLIMIT_NOFILE, MAX_FDS) && jail_limit(RLIMIT_CORE, 0) && filter_calls();
}
