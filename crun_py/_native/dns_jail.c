/* dns_jail.c: the responder reads packets of strangers, so it gives up all that it does not need.  Runs
 * in the responder. */
#define _GNU_SOURCE
#include "dns.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "the responder's filter knows x86-64 and aarch64"
#endif

enum { NOBODY = 65534, FIRST_MAPPED = 1, MAX_FDS = 512 };

/* ---- no file system ---- */

/* fsopen(2), fsconfig(2), fsmount(2), which musl and older glibc have no wrapper for */
enum { FS_CREATE = 6, FSOPEN_CLOSE = 1, FSMOUNT_CLOSE = 1 };
enum { ATTR_RDONLY = 1, ATTR_NOSUID = 2, ATTR_NODEV = 4, ATTR_NOEXEC = 8 };

/* The root becomes a directory that was always empty: of a tmpfs that is mounted nowhere. */
static bool empty_root(void)
{
	int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOSE), tree = -1;
	if (fs < 0)
		return false;
	if (!syscall(SYS_fsconfig, fs, FS_CREATE, NULL, NULL, 0))
		tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOSE,
				    ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC);
	close(fs);
	bool done = tree >= 0 && !fchdir(tree) && !chroot(".");
	if (tree >= 0)
		close(tree);
	return done;
}

/* Landlock (landlock(7)): the root stays, nothing in it can be used. */
static bool locked_root(void)
{
	enum { CREATE_RULESET = 444, RESTRICT_SELF = 446, EVERY_ACCESS_OF_ABI_1 = 0x1fff };
	const uint64_t handled = EVERY_ACCESS_OF_ABI_1;
	int rules = (int)syscall(CREATE_RULESET, &handled, sizeof(handled), 0);
	if (rules < 0)
		return false;
	bool done = !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !syscall(RESTRICT_SELF, rules, 0);
	close(rules);
	return done;
}

/* ---- no privilege ---- */

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

static bool drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { 0 };
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return !syscall(SYS_capset, &head, none);
}

static void drop_bounding(void)
{
	for (unsigned cap = 0; !prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); cap++)
		;
}

static bool limit(int resource, rlim_t value)
{
	const struct rlimit both = { value, value };
	return !setrlimit(resource, &both);
}

/* ---- few system calls ---- */

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOW(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n])) /* little-endian */
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, skip)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
#define ALLOW(number) UNLESS(SYS_##number, 1), RETURN(SECCOMP_RET_ALLOW)
/* the call with one of one value in its n-th argument */
#define ALLOW_WITH(number, n, value)                                                              \
	UNLESS(SYS_##number, 4), LOW(n), UNLESS(value, 1), RETURN(SECCOMP_RET_ALLOW), \
		RETURN(SECCOMP_RET_KILL_PROCESS)

static bool filter_calls(void)
{
	struct sock_filter program[] = {
		LOAD(arch), UNLESS(ARCH, 1), BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		/* clang-format off: most frequent first */
#ifdef SYS_poll
		ALLOW(poll),
#endif
		ALLOW(ppoll), ALLOW(recvmmsg), ALLOW(sendmmsg), ALLOW(fstat), ALLOW(recvfrom), ALLOW(sendto),
		ALLOW(recvmsg), ALLOW(sendmsg), ALLOW(connect), ALLOW(close), ALLOW(accept4), ALLOW(pread64),
		ALLOW(getrandom), ALLOW(clock_gettime), ALLOW(restart_syscall), ALLOW(exit_group),
		ALLOW_WITH(madvise, 2, MADV_DONTNEED),
		ALLOW_WITH(ioctl, 1, SIOCGIFINDEX),
		UNLESS(SYS_socket, 5), LOW(0), UNLESS(AF_INET, 1), RETURN(SECCOMP_RET_ALLOW), UNLESS(AF_INET6, 1),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS),
	};
	const struct sock_fprog all = { sizeof(program) / sizeof(*program), program };
	return !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all, 0, 0);
}

bool dns_jail(void)
{
	drop_bounding();
	if (!empty_root() && !locked_root())
		return false;
	change_user();
	if (!drop_capabilities() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return false;
	/* again: it is reset where ids change.  A monitor that is gone already has closed its socket. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return false;
	return limit(RLIMIT_NOFILE, MAX_FDS) && limit(RLIMIT_CORE, 0) && limit(RLIMIT_FSIZE, 0) && filter_calls();
}
