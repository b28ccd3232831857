/* steps.c: the steps about the process: namespaces, limits, ids, capabilities, exec.
 * Runs in init. */
#define _GNU_SOURCE
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEYCTL_JOIN = 1, LAST_CAP = 63 };

int step_setns(struct init *init, const struct step *s)
{
	(void)init;
	if (setns((int)s->a, (int)s->b))
		return -errno;
	/* what we make in another user namespace belongs to its root */
	if (s->b & CLONE_NEWUSER && (setresgid(0, 0, 0) || setresuid(0, 0, 0)))
		return -errno;
	return 0;
}

int step_unshare(struct init *init, const struct step *s)
{
	(void)init;
	return unshare((int)s->a) ? -errno : 0;
}

/* Seccomp filters of old answer clone3 with ENOSYS. */
static pid_t clone_sibling(void)
{
	struct clone_args args = { .flags = CLONE_PARENT };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	return pid < 0 ? (pid_t)syscall(SYS_clone, CLONE_PARENT, 0, 0, 0, 0) : pid;
}

/* Entered last, when nothing of the host is in reach and nothing is left of its capabilities: from
 * then on, who has CAP_SYS_PTRACE in there can look through our root, working directory, descriptors
 * and memory, and act with what we may do. */
int step_enterpid(struct init *init, const struct step *s)
{
	(void)s;
	int keep[5 + MAX_KEPT] = { 0, 1, 2, init->report, init->start };
	for (int i = 0; i < init->n_kept; i++)
		keep[5 + i] = init->kept[i];
	close_all_but(keep, 5 + (size_t)init->n_kept);
	init->root = -1;
	forget_environment();
	pid_t pid = clone_sibling();
	if (pid < 0)
		return -errno;
	if (pid > 0) {
		init_report(init, REPORT_PID, pid, 0, -1);
		_exit(0);
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setsid() < 0 || (init->terminal && ioctl(0, TIOCSCTTY, 0)))
		return -errno;
	return init_told(init) ? 0 : -ECANCELED;
}

int step_loopback(struct init *init, const struct step *s)
{
	(void)init;
	(void)s;
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	int error = ioctl(sock, SIOCSIFFLAGS, &request) ? -errno : 0;
	close(sock);
	return error;
}

int step_hostname(struct init *init, const struct step *s)
{
	(void)init;
	return sethostname(s->s[0].p, s->s[0].len) ? -errno : 0;
}

int step_domainname(struct init *init, const struct step *s)
{
	(void)init;
	return setdomainname(s->s[0].p, s->s[0].len) ? -errno : 0;
}

/* Write to a file of a real procfs: a sibling may have mounted something else there
 * (CVE-2025-52881). */
static int write_proc(const char *path, const char *value, size_t n)
{
	struct statfs fs;
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	int error = fstatfs(fd, &fs) ? -errno : fs.f_type != PROC_SUPER_MAGIC ? -ENOTSUP : 0;
	if (!error && write(fd, value, n) != (ssize_t)n)
		error = -errno;
	close(fd);
	return error;
}

int step_sysctl(struct init *init, const struct step *s)
{
	(void)init;
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "/proc/sys/%s", step_str(s, 0)) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	int error = write_proc(path, step_str(s, 1), s->n > 1 ? s->s[1].len : 0);
	return s->a ? 0 : error;
}

int step_oomscore(struct init *init, const struct step *s)
{
	(void)init;
	char value[24];
	int n = snprintf(value, sizeof(value), "%lld", (long long)s->a);
	return write_proc("/proc/self/oom_score_adj", value, (size_t)n);
}

int step_confine(struct init *init, const struct step *s)
{
	(void)init;
	int error = -ENOENT;
	for (uint32_t i = 1; i < s->n; i++) {
		if (access(s->s[i].p, F_OK) == 0)
			return write_proc(s->s[i].p, step_str(s, 0), s->s[0].len);
	}
	return error;
}

int step_label(struct init *init, const struct step *s)
{
	init->label = step_str(s, 0);
	return 0;
}

int step_rlimit(struct init *init, const struct step *s)
{
	(void)init;
	struct rlimit limit = { (rlim_t)s->b, (rlim_t)s->c };
	return setrlimit((unsigned)s->a, &limit) ? -errno : 0;
}

int step_keyring(struct init *init, const struct step *s)
{
	(void)init;
	(void)s;
	/* kernels without keyrings, and sandboxes that forbid them, have nothing to leak */
	long made = syscall(SYS_keyctl, KEYCTL_JOIN, NULL, 0, 0, 0);
	return made < 0 && errno != ENOSYS && errno != EPERM ? -errno : 0;
}

int step_chdir(struct init *init, const struct step *s)
{
	(void)init;
	char cwd[PATH_MAX];
	if (chdir(step_str(s, 0)))
		return -errno;
	/* a directory outside the root reads "(unreachable)…" (CVE-2024-21626) */
	if (syscall(SYS_getcwd, cwd, sizeof(cwd)) < 0)
		return -errno;
	return cwd[0] == '/' ? 0 : -EXDEV;
}

int step_umask(struct init *init, const struct step *s)
{
	(void)init;
	umask((mode_t)s->a);
	return 0;
}

int step_user(struct init *init, const struct step *s)
{
	(void)init;
	gid_t groups[NGROUPS_MAX];
	size_t n = s->n ? s->s[0].len / sizeof(gid_t) : 0;
	struct stat st;
	if (n > NGROUPS_MAX)
		return -E2BIG;
	if (n)
		memcpy(groups, s->s[0].p, n * sizeof(gid_t));
	if (!s->c && setgroups(n, groups))
		return -errno;
	/* the user may reopen its own stdio through /proc/self/fd */
	for (int fd = 0; fd < 3; fd++)
		if (!fstat(fd, &st) && S_ISFIFO(st.st_mode) && fchown(fd, (uid_t)s->a, (gid_t)-1) && errno != EPERM)
			return -errno;
	if (prctl(PR_SET_KEEPCAPS, 1) || setresgid((gid_t)s->b, (gid_t)s->b, (gid_t)s->b) ||
	    setresuid((uid_t)s->a, (uid_t)s->a, (uid_t)s->a) || prctl(PR_SET_KEEPCAPS, 0))
		return -errno;
	/* setresuid(2) clears the parent-death signal */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return 0;
}

int step_bounding(struct init *init, const struct step *s)
{
	(void)init;
	for (int cap = 0; cap <= LAST_CAP; cap++)
		if (!((uint64_t)s->a >> cap & 1) && prctl(PR_CAPBSET_DROP, cap))
			return errno == EINVAL ? 0 : -errno; /* EINVAL: past the kernel's last one */
	return 0;
}

int step_caps(struct init *init, const struct step *s)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)((uint64_t)s->a >> (32 * i));
		data[i].permitted = data[i].effective | (uint32_t)(init->permitted >> (32 * i));
		data[i].inheritable = (uint32_t)((uint64_t)s->b >> (32 * i));
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, data))
		return -errno;
	for (int cap = 0; cap <= LAST_CAP; cap++)
		if ((uint64_t)s->c >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0))
			return -errno;
	return 0;
}

int step_nonewprivs(struct init *init, const struct step *s)
{
	(void)init;
	(void)s;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

int step_seccomp(struct init *init, const struct step *s)
{
	/* the plan's strings are not aligned */
	struct sock_filter *filter = malloc(s->s[0].len);
	if (!filter)
		return -ENOMEM;
	memcpy(filter, s->s[0].p, s->s[0].len);
	struct sock_fprog program = { (unsigned short)(s->s[0].len / sizeof(*filter)), filter };
	int done = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned)s->a, &program);
	int error = done < 0 ? -errno : 0;
	free(filter);
	if (done > 0) {
		init_report(init, REPORT_LISTENER, (int)(s - init->plan->steps), 0, done);
		close(done);
	}
	return error;
}

int step_env(struct init *init, const struct step *s)
{
	init->env = step_argv(s);
	return init->env ? 0 : -ENOMEM;
}

int step_pause(struct init *init, const struct step *s)
{
	init_report(init, REPORT_PAUSE, (int)(s - init->plan->steps), 0, -1);
	return init_told(init) ? 0 : -ECANCELED;
}

int step_personality(struct init *init, const struct step *s)
{
	(void)init;
	return personality((unsigned long)s->a) < 0 ? -errno : 0;
}

int step_ioprio(struct init *init, const struct step *s)
{
	enum { IOPRIO_WHO_PROCESS = 1 };
	(void)init;
	return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, (int)s->a) ? -errno : 0;
}

int step_scheduler(struct init *init, const struct step *s)
{
	(void)init;
	return syscall(SYS_sched_setattr, 0, step_str(s, 0), 0) ? -errno : 0;
}

int step_affinity(struct init *init, const struct step *s)
{
	(void)init;
	return syscall(SYS_sched_setaffinity, 0, s->s[0].len, s->s[0].p) < 0 ? -errno : 0;
}

int step_permitted(struct init *init, const struct step *s)
{
	init->permitted = (uint64_t)s->a;
	return 0;
}

/* Without a monitor: whoever starts us says so on a FIFO, which needs no system call here that a filter
 * of the container's might deny, and nobody need live meanwhile. */
static int wait_for_start(struct init *init)
{
	char byte;
	ssize_t n;
	for (uint32_t i = 0; i < init->plan->n; i++) {
		if (init->plan->steps[i].op != OP_EXEC)
			continue;
		int error = exec_check(init, &init->plan->steps[i]);
		if (error) {
			init_report(init, REPORT_FAILED, (int)i, -error, -1);
			die(1);
		}
	}
	init_report(init, REPORT_GATE, 0, 0, -1);
	/* until our pid is known to who asked for us, we end with the one who made us */
	if (read(init->report, &byte, 1) != 1)
		die(1);
	(void)prctl(PR_SET_PDEATHSIG, 0);
	close(init->report);
	init->report = -1;
	while ((n = read(init->start, &byte, 1)) < 0 && errno == EINTR)
		;
	return n == 1 ? 0 : -ECANCELED;
}

int step_gate(struct init *init, const struct step *s)
{
	(void)s;
	if (init->start >= 0)
		return wait_for_start(init);
	init_report(init, REPORT_GATE, 0, 0, -1);
	return init_told(init) ? 0 : -ECANCELED;
}

/* ---- --init: a pid 1 that reaps and forwards signals; a pod's first process, which only stays ---- */

/* child: the command; 0 when there is none, and SIGTERM and SIGINT end us. */
static void reap_as_pid1(pid_t child)
{
	sigset_t all;
	siginfo_t info;
	sigfillset(&all);
	for (;;) {
		int number = sigwaitinfo(&all, &info);
		if (number == SIGCHLD) {
			int status;
			for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
				if (pid == child)
					die(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
		} else if (!child && (number == SIGTERM || number == SIGINT)) {
			die(0);
		} else if (child && number > 0 && number != SIGTTIN && number != SIGTTOU) {
			(void)kill(child, number);
		}
	}
}

/* With every signal blocked: what we hold of the engine's ends here, which tells the monitor that the
 * container has started. */
static void stay(pid_t child, const char *name)
{
	(void)prctl(PR_SET_PDEATHSIG, 0);
	(void)prctl(PR_SET_NAME, name);
	set_title(name);
	(void)close_fds(3, ~0U, false);
	reap_as_pid1(child);
}

int step_init(struct init *init, const struct step *s)
{
	(void)s;
	sigset_t all, none;
	sigfillset(&all);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	pid_t child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		(void)setpgid(0, 0);
		(void)tcsetpgrp(0, getpid()); /* fails, rightly, without a terminal */
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		return 0;
	}
	(void)init;
	stay(child, "init");
	return 0;
}

int step_stay(struct init *init, const struct step *s)
{
	(void)init;
	(void)s;
	sigset_t all;
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	stay(0, "infra");
	return 0;
}
