/* init.c: from clone3 to execve.  Runs in init, the process that becomes the container
 * (or, for exec, one more process in it). */
#define _GNU_SOURCE
#include "core.h"
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int (*step_function)(struct init *, const struct step *);

static const step_function functions[] = {
	[OP_SETNS] = step_setns,
	[OP_UNSHARE] = step_unshare,
	[OP_PROPAGATION] = step_propagation,
	[OP_OVERLAY] = step_overlay,
	[OP_BINDROOT] = step_bindroot,
	[OP_MOUNT] = step_mount,
	[OP_BIND] = step_bind,
	[OP_MKDIR] = step_mkdir,
	[OP_SYMLINK] = step_symlink,
	[OP_MASK] = step_mask,
	[OP_READONLY] = step_readonly,
	[OP_TERMINAL] = step_terminal,
	[OP_PIVOT] = step_pivot,
	[OP_ROOTFLAGS] = step_rootflags,
	[OP_LOOPBACK] = step_loopback,
	[OP_HOSTNAME] = step_hostname,
	[OP_DOMAINNAME] = step_domainname,
	[OP_SYSCTL] = step_sysctl,
	[OP_RLIMIT] = step_rlimit,
	[OP_OOMSCORE] = step_oomscore,
	[OP_KEYRING] = step_keyring,
	[OP_CHDIR] = step_chdir,
	[OP_UMASK] = step_umask,
	[OP_USER] = step_user,
	[OP_BOUNDING] = step_bounding,
	[OP_CAPS] = step_caps,
	[OP_NONEWPRIVS] = step_nonewprivs,
	[OP_SECCOMP] = step_seccomp,
	[OP_ENV] = step_env,
	[OP_EXEC] = step_exec,
	[OP_ENTERROOT] = step_enterroot,
	[OP_INIT] = step_init,
	[OP_GATE] = step_gate,
	[OP_ATTACH] = step_attach,
	[OP_KEEP] = step_keep,
	[OP_DEVICE] = step_device,
	[OP_CLEAR] = step_clear,
	[OP_ENTERPID] = step_enterpid,
	[OP_CONFINE] = step_confine,
	[OP_PAUSE] = step_pause,
	[OP_PERSONALITY] = step_personality,
	[OP_IOPRIO] = step_ioprio,
	[OP_SCHEDULER] = step_scheduler,
	[OP_PERMITTED] = step_permitted,
	[OP_LABEL] = step_label,
	[OP_AFFINITY] = step_affinity,
	[OP_STAY] = step_stay,
};

void init_report(const struct init *init, int what, int index, int error, int fd)
{
	struct report report = { .what = what, .index = index, .error = error };
	memcpy(report.about, init->about, sizeof(report.about));
	/* nobody to tell when the monitor is gone: PR_SET_PDEATHSIG then ends us */
	(void)send_with_fd(init->report, &report, sizeof(report), fd);
}

bool init_told(const struct init *init)
{
	char go;
	return recv(init->report, &go, 1, 0) == 1;
}

void die(int status)
{
	(void)syscall(SYS_exit_group, status);
	__builtin_trap();
}

void init_main(struct init *init)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(init->noted[1]);
	if (init->result >= 0)
		close(init->result); /* or who waits there for the monitor's end would wait for ours */
	default_signals();
	for (int fd = 0; fd < 3; fd++)
		if (init->stdio[fd] >= 0 && dup2(init->stdio[fd], fd) < 0)
			_exit(1);
	if (setsid() < 0)
		_exit(1);
	umask(0);
	for (uint32_t i = 0; i < init->plan->n; i++) {
		const struct step *step = &init->plan->steps[i];
		size_t op = (size_t)step->op;
		if (op >= sizeof(functions) / sizeof(*functions) || !functions[op])
			continue; /* the monitor's */
		int error = functions[op](init, step);
		if (error < 0) {
			init_report(init, REPORT_FAILED, (int)i, -error, -1);
			die(1);
		}
	}
	die(1); /* a plan without OP_EXEC or OP_STAY */
}
