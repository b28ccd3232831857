/* starting.c: the monitor makes init, and the streams beside it, and hears how that goes.
 * Runs in the monitor, but for what says that it is in init. */
#define _GNU_SOURCE
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

const struct step *find(const struct plan *plan, enum op op)
{
	static const struct step none = { .a = -1, .b = -1 };
	for (uint32_t i = 0; i < plan->n; i++)
		if (plan->steps[i].op == op)
			return &plan->steps[i];
	return &none;
}

/* ---- before init ---- */

/* NO_DIR: the plan names none. */
enum { NO_DIR = -1 };

static int open_dir(const char *path, int *dir)
{
	*dir = *path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : NO_DIR;
	return *path && *dir < 0 ? -errno : 0;
}

/* A socket in the run directory, by descriptor: sun_path holds 108 bytes only.  -1 without a directory. */
static int listen_in(int dir, const char *name, int *sock)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	*sock = -1;
	if (dir == NO_DIR)
		return 0;
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir, name);
	(void)unlinkat(dir, name, 0);
	*sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*sock < 0 || bind(*sock, (struct sockaddr *)&address, sizeof(address)) || listen(*sock, 16))
		return -errno;
	return 0;
}

static int open_log(struct monitor *m)
{
	const struct step *log = find(m->plan, SET_LOG);
	if (!log->n)
		return 0;
	m->streams.log = log_open(log_file(step_str(log, 0)), log->a, (int)log->c);
	return m->streams.log ? 0 : -errno;
}

int prepare(struct monitor *m)
{
	const struct plan *plan = m->plan;
	const struct step *group = find(plan, SET_CGROUP), *client = find(plan, SET_CLIENT);
	m->status.id = step_str(find(plan, SET_ID), 0);
	int orders = -1;
	int error = open_dir(step_str(find(plan, SET_RUNDIR), 0), &m->status.run_dir);
	if (!error)
		error = open_dir(step_str(find(plan, SET_STATEDIR), 0), &m->status.state_dir);
	if (!error)
		error = open_log(m);
	if (!error && held_begin(plan))
		error = -ENOMEM;
	if (!error)
		error = listen_in(m->status.run_dir, "attach.sock", &m->streams.listener);
	if (!error)
		error = listen_in(m->status.run_dir, "orders.sock", &orders);
	if (error)
		return error;
	orders_begin(orders);
	if (group->b > 0)
		group_begin(step_str(group, 0), find(plan, SET_OOM));
	notify_begin(find(m->plan, SET_NOTIFY));
	if (client->a >= 0) /* what it has said already: the terminal's size */
		clients_add((int)client->a, &m->streams.input);
	return 0;
}

/* ---- init ---- */

struct pipes {
	int in[2], out[2], err[2];
};

/* A pipe with a SELinux label.  A policy lets a container write to pipes of its engine's own domain, but not
 * to those of whoever else starts it, an administrator's shell say, and pipe(2)'s can't be relabelled:
 * so it is a FIFO of the run directory, whose name is gone at once. */
static int labelled_pipe(const struct step *stdio, int ends[2])
{
	char name[PATH_MAX];
	const char *label = step_str(stdio, 0);
	snprintf(name, sizeof(name), "%s/pipe-%d", step_str(stdio, 1), (int)getpid());
	unlink(name); /* of one that was killed here and had this number */
	if (mkfifo(name, 0600))
		return -errno;
	int error = setxattr(name, "security.selinux", label, strlen(label), 0) ? -errno : 0;
	if (!error && (ends[0] = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC)) < 0)
		error = -errno;
	if (!error && (ends[1] = open(name, O_WRONLY | O_CLOEXEC)) < 0)
		error = -errno;
	if (unlink(name) && !error)
		error = -errno;
	if (!error && fcntl(ends[0], F_SETFL, 0))
		error = -errno;
	return error;
}

static int make_pipe(const struct step *stdio, int ends[2])
{
	if (*step_str(stdio, 0))
		return labelled_pipe(stdio, ends);
	return pipe2(ends, O_CLOEXEC) ? -errno : 0;
}

static int make_pipes(struct monitor *m, struct pipes *p, const struct step *stdio)
{
	*p = (struct pipes){ { -1, -1 }, { -1, -1 }, { -1, -1 } };
	bool terminal = stdio->a > 0;
	int error = 0;
	if (stdio->b > 0 && !terminal) {
		if ((error = make_pipe(stdio, p->in)))
			return error;
		if (fcntl(p->in[1], F_SETFL, O_NONBLOCK))
			return -errno;
	} else if ((p->in[0] = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0) {
		return -errno;
	}
	if (!terminal) {
		if ((error = make_pipe(stdio, p->out)) || (error = make_pipe(stdio, p->err)))
			return error;
		if (fcntl(p->out[0], F_SETFL, O_NONBLOCK) || fcntl(p->err[0], F_SETFL, O_NONBLOCK))
			return -errno;
	}
	m->streams.input.fd = p->in[1];
	m->streams.input.once = stdio->c > 0;
	m->streams.out[0] = p->out[0];
	m->streams.out[1] = p->err[0];
	return 0;
}

/* Runs in init when it is to enter a pid namespace at the end (OP_ENTERPID): all the other
 * namespaces, made or joined from outside of that one. */
static void init_outside(const struct monitor *m, const struct step *how, struct init *init)
{
	const struct step *user = find(m->plan, SET_USERNS);
	bool inside = !setns((int)how->b, CLONE_NEWPID) &&
		      (user->a < 0 ||
		       (!setns((int)user->a, CLONE_NEWUSER) && !setresgid(0, 0, 0) && !setresuid(0, 0, 0))) &&
		      (how->a <= 0 || !unshare((int)how->a));
	if (inside)
		init_main(init);
	init_report(init, REPORT_FAILED, (int)(how - m->plan->steps), errno, -1);
	_exit(1);
}

static pid_t clone_init(struct monitor *m, struct init *init)
{
	const struct step *how = find(m->plan, SET_CLONE), *cgroup = find(m->plan, SET_CGROUP);
	bool outside = how->b >= 0;
	struct clone_args args = { .flags = CLONE_PIDFD | (how->a > 0 && !outside ? (uint64_t)how->a : 0),
				   .pidfd = (uint64_t)(uintptr_t)&m->pidfd,
				   .exit_signal = SIGCHLD };
	if (cgroup->a >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup->a;
	}
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0 && outside)
		init_outside(m, how, init);
	if (pid == 0)
		init_main(init);
	return pid < 0 ? -errno : pid;
}

/* Runs in the process between monitor and init, which is root of the user namespace: the
 * other namespaces must be made from there to belong to it (user_namespaces(7)).  Init is
 * the monitor's child (CLONE_PARENT). */
static int32_t clone_inside(const struct monitor *m, struct init *init)
{
	const struct step *how = find(m->plan, SET_CLONE);
	struct clone_args args = { .flags = CLONE_PARENT | (how->a > 0 ? (uint64_t)how->a : 0) };
	if (setns((int)find(m->plan, SET_USERNS)->a, CLONE_NEWUSER) || setresgid(0, 0, 0) || setresuid(0, 0, 0))
		return -errno;
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		init_main(init);
	return pid < 0 ? -errno : pid;
}

static pid_t clone_in_userns(struct monitor *m, struct init *init)
{
	const struct step *cgroup = find(m->plan, SET_CGROUP);
	struct clone_args args = { .exit_signal = SIGCHLD };
	int told[2];
	int32_t pid = -EPIPE;
	if (pipe2(told, O_CLOEXEC))
		return -errno;
	if (cgroup->a >= 0) { /* now: init's own user may not */
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup->a;
	}
	pid_t between = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (between == 0) {
		pid = clone_inside(m, init);
		(void)!write(told[1], &pid, sizeof(pid));
		_exit(0);
	}
	close(told[1]);
	if (between < 0)
		pid = -errno;
	else
		while (read(told[0], &pid, sizeof(pid)) < 0 && errno == EINTR)
			;
	close(told[0]);
	if (between > 0)
		(void)waitpid(between, NULL, 0);
	if (pid > 0 && (m->pidfd = (int)syscall(SYS_pidfd_open, pid, 0)) < 0)
		return -errno;
	return pid;
}

int not_noted(struct monitor *m, int error)
{
	m->about = "status.json";
	return error;
}

int spawn(struct monitor *m, int *report)
{
	struct pipes p = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	int pair[2];
	int error = m->alone ? 0 : make_pipes(m, &p, find(m->plan, SET_STDIO));
	if (error)
		return error;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	struct init init = { .plan = m->plan, .report = pair[1], .result = m->result, .root = -1, .workshop = -1, .window = m->streams.input.window,
			     .start = m->alone ? (int)find(m->plan, SET_ALONE)->a : -1 };
	if (m->alone) {
		int64_t size = find(m->plan, SET_ALONE)->c;
		init.window = (struct winsize){ .ws_row = (unsigned short)(size >> 16), .ws_col = (unsigned short)size };
	}
	if (pipe2(init.noted, O_CLOEXEC))
		return -errno;
	init.stdio[0] = p.in[0];
	init.stdio[1] = p.out[1] >= 0 ? p.out[1] : p.in[0];
	init.stdio[2] = p.err[1] >= 0 ? p.err[1] : p.in[0];
	bool between = find(m->plan, SET_USERNS)->a >= 0 && find(m->plan, SET_CLONE)->b < 0;
	pid_t pid = between ? clone_in_userns(m, &init) : clone_init(m, &init);
	if (pid < 0)
		return pid;
	m->status.pid = pid;
	m->status.starting = true;
	group_release((int)find(m->plan, SET_CGROUP)->c);
	error = status_write(&m->status);
	if (!error)
		(void)!write(init.noted[1], "n", 1); /* step_pivot waits for it */
	int done[] = { pair[1], p.in[0], p.out[1], p.err[1], init.noted[0], init.noted[1] };
	for (size_t i = 0; i < sizeof(done) / sizeof(*done); i++)
		if (done[i] >= 0)
			close(done[i]);
	*report = pair[0];
	if (error)
		(void)not_noted(m, error);
	else if (!m->alone) /* now, while init is at its steps */
		error = streams_begin(&m->streams, find(m->plan, SET_LOG));
	if (error) {
		kill_init(m);
		(void)reap(m);
	}
	return error;
}

/* Init has gone on as another child of ours, `pid`, which waits until that is written down. */
static int take_over(struct monitor *m, pid_t pid)
{
	siginfo_t info;
	/* a tracer in the container can put words in init's mouth: nobody else's pid is taken */
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT))
		return -errno;
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -errno;
	while (waitid(P_PID, (id_t)m->status.pid, &info, WEXITED) && errno == EINTR)
		;
	close(m->pidfd);
	m->pidfd = pidfd;
	m->status.pid = pid;
	int error = status_write(&m->status);
	if (error)
		kill_init(m);
	return error ? not_noted(m, error) : 0;
}

struct result failed_monitor(const struct monitor *m, int error)
{
	struct result result = { .failed = FAILED_MONITOR, .error = -error };
	snprintf(result.about, sizeof(result.about), "%s", m->about ? m->about : "");
	return result;
}

/* The master goes to whoever is to drive the terminal, with a name, as OCI runtimes do it. */
static int hand_over_terminal(const struct monitor *m, int master)
{
	static const char name[] = "/dev/ptmx";
	int sock = (int)find(m->plan, SET_ALONE)->b;
	ssize_t sent = sock < 0 ? 0 : send_with_fd(sock, name, sizeof(name) - 1, master);
	int error = sent < 0 ? errno : 0;
	close(master);
	return error;
}

static struct result give_up(struct monitor *m, int report, int error, const char *about)
{
	kill_init(m);
	close(report);
	m->about = about;
	return failed_monitor(m, -error);
}

struct result hear(struct monitor *m, int report)
{
	struct report said = { 0 };
	struct result result = { .failed = STARTED, .pid = m->status.pid };
	int fd;
	while (recv_with_fd(report, &said, sizeof(said), &fd, 0) == (ssize_t)sizeof(said)) {
		if (said.what == REPORT_TTY && m->alone) {
			int error = hand_over_terminal(m, fd);
			if (error)
				return give_up(m, report, error, "console socket");
		} else if (said.what == REPORT_TTY) {
			const struct streams_word word = { .letter = STREAMS_TERMINAL };
			streams_tell(&word, fd);
			close(fd);
		} else if (said.what == REPORT_PID) {
			int error = take_over(m, said.index);
			if (error)
				result = failed_monitor(m, error);
			else
				result.pid = said.index;
			(void)send(report, "p", 1, MSG_NOSIGNAL);
		} else if (said.what == REPORT_FAILED) {
			result = (struct result){ .failed = FAILED_STEP, .index = said.index, .error = said.error };
			memcpy(result.about, said.about, sizeof(result.about));
		} else if (said.what == REPORT_GATE) {
			m->gate = report;
			return result;
		} else if (said.what == REPORT_LISTENER) {
			bool taken = m->alone && alone_pause(m, said.index, fd);
			close(fd);
			if (!taken)
				return give_up(m, report, ECANCELED, "listener");
		} else if (said.what == REPORT_PAUSE && !alone_pause(m, said.index, -1)) {
			return give_up(m, report, ECANCELED, "hooks");
		} else if (said.what == REPORT_PAUSE) {
			(void)send(report, "p", 1, MSG_NOSIGNAL);
		}
	}
	close(report);
	return result;
}

void tell(int fd, struct result result)
{
	if (fd >= 0) {
		(void)!write(fd, &result, sizeof(result));
		close(fd);
	}
}
