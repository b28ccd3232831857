/* jail.c: giving up files, privileges and system calls, for good.  Runs in the DNS responder and in the
 * streams. */
#define _GNU_SOURCE
#include "jail.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- files ---- */

/* fsopen(2), fsconfig(2), fsmount(2), which musl and older glibc have no wrapper for */
enum { FS_CREATE = 6, FSOPEN_CLOSE = 1, FSMOUNT_CLOSE = 1 };
enum { ATTR_RDONLY = 1, ATTR_NOSUID = 2, ATTR_NODEV = 4, ATTR_NOEXEC = 8 };

/* Of a tmpfs that is mounted nowhere. */
bool jail_empty_root(void)
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

bool jail_landlock(uint64_t net)
{
	enum { CREATE_RULESET = 444, RESTRICT_SELF = 446, TELL_ABI = 1 };
	enum { ABSTRACT_SOCKETS = 1, SIGNALS = 2 };
	static const struct {
		int abi;
		uint64_t files;
	} since[] = { { 1, 0x1fff }, { 2, 1 << 13 /* refer */ }, { 3, 1 << 14 /* truncate */ }, { 5, 1 << 15 /* ioctl */ } };
	struct {
		uint64_t files, net, scoped;
	} handled = { 0 };
	int abi = (int)syscall(CREATE_RULESET, NULL, 0, TELL_ABI);
	for (size_t i = 0; i < sizeof(since) / sizeof(*since); i++)
		if (abi >= since[i].abi)
			handled.files |= since[i].files;
	if (abi >= 4)
		handled.net = net;
	if (abi >= 6)
		handled.scoped = ABSTRACT_SOCKETS | SIGNALS;
	/* what an older kernel does not know of the structure is zero, which it accepts */
	int rules = abi < 1 ? -1 : (int)syscall(CREATE_RULESET, &handled, sizeof(handled), 0);
	if (rules < 0)
		return false;
	bool done = !syscall(RESTRICT_SELF, rules, 0);
	close(rules);
	return done;
}

/* ---- privileges ---- */

void jail_drop_bounding(void)
{
	for (unsigned cap = 0; !prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); cap++)
		;
}

bool jail_drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { 0 };
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return !syscall(SYS_capset, &head, none);
}

/* Nor is the process to be looked into by others of its user. */
bool jail_no_new_privileges(void)
{
	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

bool jail_limit(int resource, unsigned long value)
{
	struct rlimit limit;
	if (getrlimit(resource, &limit))
		return false;
	if (limit.rlim_max > value) /* a lower one could not be raised, and does as well */
		limit.rlim_max = value;
	limit.rlim_cur = limit.rlim_max;
	return !setrlimit(resource, &limit);
}

/* ---- system calls ---- */

bool jail_filter(struct sock_filter *program, size_t n)
{
	const struct sock_fprog all = { (unsigned short)n, program };
	return !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all, 0, 0);
}
