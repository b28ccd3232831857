/* monitor.c: one process beside each running container: it starts init, then owns the
 * container's log, terminal, standard streams, watchers and end.  An exec session has one
 * too, without log and status.  Runs in the monitor. */
#define _GNU_SOURCE
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* How the start went, to the one who asked for it: runtime/launch.py reads it. */
struct result {
	int32_t failed, index, error, pid;
	char about[ABOUT];
};
enum { TIMED_OUT = 255 }; /* the exit status after SET_TIMEOUT, podman-run(1) --timeout */
enum { STARTED = 0, FAILED_STEP = 1, FAILED_MONITOR = 2 };

struct monitor {
	const struct plan *plan;
	int result, listener, pidfd;
	int gate; /* init waits behind OP_GATE at its end of this socket, -1: it does not */
	int out[2]; /* the container's output, -1 once it ended; [0] is the master of a terminal */
	int64_t started, deadline; /* monotonic ms; deadline 0: none */
	bool timed_out;
	int64_t look_again; /* monotonic ms: the terminal has no slave open now; 0: it has */
	struct log *log;
	struct status status;
	const char *about; /* what a failure to start is about, NULL for nothing */
	struct input input;
};

static const struct step *find(const struct plan *plan, enum op op)
{
	static const struct step none = { .a = -1, .b = -1 };
	for (uint32_t i = 0; i < plan->n; i++)
		if (plan->steps[i].op == op)
			return &plan->steps[i];
	return &none;
}

static int open_dir(const char *path)
{
	return *path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

/* attach.sock in the run directory, by descriptor: sun_path holds 108 bytes only. */
static int listen_in(int dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (dir < 0)
		return -1;
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/attach.sock", dir);
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)unlinkat(dir, "attach.sock", 0);
	if (sock < 0 || bind(sock, (struct sockaddr *)&address, sizeof(address)) || listen(sock, 16))
		return -errno;
	return sock;
}

/* ---- starting ---- */

struct pipes {
	int in[2], out[2], err[2];
};

static int make_pipes(struct monitor *m, struct pipes *p, const struct step *stdio)
{
	*p = (struct pipes){ { -1, -1 }, { -1, -1 }, { -1, -1 } };
	bool terminal = stdio->a > 0;
	if (stdio->b > 0 && !terminal) {
		if (pipe2(p->in, O_CLOEXEC) || fcntl(p->in[1], F_SETFL, O_NONBLOCK))
			return -errno;
	} else if ((p->in[0] = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0) {
		return -errno;
	}
	if (!terminal && (pipe2(p->out, O_CLOEXEC) || pipe2(p->err, O_CLOEXEC) ||
			  fcntl(p->out[0], F_SETFL, O_NONBLOCK) || fcntl(p->err[0], F_SETFL, O_NONBLOCK)))
		return -errno;
	m->input.fd = p->in[1];
	m->input.once = stdio->c > 0;
	m->out[0] = p->out[0];
	m->out[1] = p->err[0];
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

static int reap(struct monitor *m);

static void kill_init(const struct monitor *m)
{
	(void)syscall(SYS_pidfd_send_signal, m->pidfd, SIGKILL, NULL, 0);
}

/* `error`, which is told as one of noting down that the container runs. */
static int not_noted(struct monitor *m, int error)
{
	m->about = "status.json";
	return error;
}

static int spawn_init(struct monitor *m, int *report)
{
	struct pipes p;
	int pair[2];
	int error = make_pipes(m, &p, find(m->plan, SET_STDIO));
	if (error)
		return error;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	struct init init = { .plan = m->plan, .report = pair[1], .root = -1, .workshop = -1, .window = m->input.window };
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
	error = status_write(&m->status);
	if (!error)
		(void)!write(init.noted[1], "n", 1); /* step_pivot waits for it */
	int done[] = { pair[1], p.in[0], p.out[1], p.err[1], init.noted[0], init.noted[1] };
	for (size_t i = 0; i < sizeof(done) / sizeof(*done); i++)
		if (done[i] >= 0)
			close(done[i]);
	*report = pair[0];
	if (error) {
		kill_init(m);
		(void)reap(m);
		return not_noted(m, error);
	}
	return 0;
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

static struct result failed_monitor(const struct monitor *m, int error)
{
	struct result result = { .failed = FAILED_MONITOR, .error = -error };
	snprintf(result.about, sizeof(result.about), "%s", m->about ? m->about : "");
	return result;
}

/* Listen to init until its execve closes the socket or a step fails. */
static struct result hear(struct monitor *m, int report)
{
	struct report said = { 0 };
	struct result result = { .failed = STARTED, .pid = m->status.pid };
	int fd;
	while (recv_with_fd(report, &said, sizeof(said), &fd, 0) == (ssize_t)sizeof(said)) {
		if (said.what == REPORT_TTY) {
			m->out[0] = m->input.fd = fd;
			m->input.terminal = true;
			(void)fcntl(fd, F_SETFL, O_NONBLOCK);
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
		}
	}
	close(report);
	return result;
}

static int reap(struct monitor *m)
{
	siginfo_t info = { 0 };
	while (waitid(P_PID, (id_t)m->status.pid, &info, WEXITED) && errno == EINTR)
		;
	m->status.signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

/* ---- running ---- */

enum { HUNG_UP_MS = 100 };

static bool init_alive(const struct monitor *m)
{
	struct pollfd fd = { .fd = m->pidfd, .events = POLLIN };
	return poll(&fd, 1, 0) == 0;
}

/* Pass on what stream has, once; false when there is nothing now. */
static bool pump(struct monitor *m, int stream)
{
	static char frame[1 + CHUNK];
	if (m->out[stream] < 0)
		return false;
	ssize_t n = read(m->out[stream], frame + 1, CHUNK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0 && errno == EIO && m->input.terminal && init_alive(m)) {
		/* its last slave closed: vhangup, or init goes on without; somebody may open it again */
		m->look_again = now_ms() + HUNG_UP_MS;
		return false;
	}
	if (n <= 0) { /* end; EIO from a terminal whose last slave closed */
		if (!m->input.terminal)
			close(m->out[stream]);
		m->out[stream] = -1;
		return false;
	}
	if (m->log)
		log_write(m->log, stream, frame + 1, (size_t)n);
	clients_send(stream, frame, (size_t)n);
	return true;
}

enum { PIDFD, LISTENER, OUT, ERR, IN, HEALTH, DNS, RELAY, RELAY_ENDED, FIRST_CLIENT };

static int64_t until(int64_t when)
{
	int64_t left = when - now_ms();
	return left > 0 ? left : 0;
}

/* Of two waits, -1 is for ever. */
static int64_t sooner(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Milliseconds that poll may wait, -1 for ever. */
static int patience(const struct monitor *m)
{
	int64_t wait = sooner(health_due(), dns_due());
	if (m->look_again)
		wait = sooner(wait, until(m->look_again));
	if (m->deadline)
		wait = sooner(wait, until(m->deadline));
	return wait > INT32_MAX ? INT32_MAX : (int)wait;
}

/* What is due by the clock, or is said by those who are at it. */
static void keep_time(struct monitor *m, bool check_ended, bool dns_ready)
{
	health_act(check_ended);
	dns_act(dns_ready);
	if (m->deadline && now_ms() >= m->deadline) {
		kill_init(m);
		m->deadline = 0;
		m->timed_out = true;
	}
}

static void serve_once(struct monitor *m, bool alive)
{
	struct pollfd fds[FIRST_CLIENT + MAX_CLIENTS];
	bool paused = clients_behind() || now_ms() < m->look_again;
	fds[PIDFD] = (struct pollfd){ .fd = alive ? m->pidfd : -1, .events = POLLIN };
	fds[LISTENER] = (struct pollfd){ .fd = m->listener, .events = POLLIN };
	fds[OUT] = (struct pollfd){ .fd = paused ? -1 : m->out[0], .events = POLLIN };
	fds[ERR] = (struct pollfd){ .fd = paused ? -1 : m->out[1], .events = POLLIN };
	fds[IN] = (struct pollfd){ .fd = m->input.held ? m->input.fd : -1, .events = POLLOUT };
	fds[HEALTH] = (struct pollfd){ .fd = alive ? health_fd() : -1, .events = POLLIN };
	fds[DNS] = (struct pollfd){ .fd = alive ? dns_fd() : -1, .events = POLLIN };
	fds[RELAY] = (struct pollfd){ .fd = alive ? relay_fd() : -1, .events = POLLIN };
	fds[RELAY_ENDED] = (struct pollfd){ .fd = alive ? relay_ended_fd() : -1, .events = POLLIN };
	int n = clients_poll(fds + FIRST_CLIENT, &m->input);
	if (poll(fds, FIRST_CLIENT + (nfds_t)n, alive ? patience(m) : -1) < 0)
		return; /* EINTR */
	if (alive)
		keep_time(m, fds[HEALTH].revents, fds[DNS].revents);
	relay_act(fds[RELAY].revents & POLLIN, fds[RELAY_ENDED].revents);
	if (!paused)
		m->look_again = 0;
	for (int stream = 0; stream < 2; stream++)
		if (fds[OUT + stream].revents && !clients_behind())
			pump(m, stream);
	clients_handle(fds + FIRST_CLIENT, n, &m->input);
	for (int stream = 0; stream < 2; stream++) {
		if (m->input.unread[stream] && m->out[stream] >= 0 && !m->input.terminal) {
			close(m->out[stream]); /* the container's next write gets EPIPE, as in any pipeline */
			m->out[stream] = -1;
		}
	}
	if (m->input.held || m->input.ending)
		input_flush(&m->input);
	if (fds[LISTENER].revents & POLLIN) {
		int fd = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			clients_add(fd, &m->input);
	}
}

static void drain(struct monitor *m)
{
	while (!clients_behind() && (pump(m, STDOUT_STREAM) || (!clients_behind() && pump(m, STDERR_STREAM))))
		;
}

/* ---- ending ---- */

static void become_cleanup(const struct step *s)
{
	char **argv = step_argv(s);
	(void)close_fds(3, ~0U, false);
	if (argv && argv[0])
		execv(argv[0], argv); /* on failure the next command finds and does the work */
	free(argv);
}

static bool restart_due(const struct monitor *m)
{
	int64_t policy = find(m->plan, SET_RESTART)->a;
	bool wanted = policy == RESTART_ALWAYS || (policy == RESTART_ON_FAILURE && m->status.exit_code);
	return wanted && !faccessat(m->status.state_dir, RESTART_FILE, F_OK, 0);
}

/* The longer a container fails at once, the longer we wait; one that ran is restarted soon. */
static void wait_for_restart(const struct monitor *m)
{
	enum { SOON_MS = 100, RAN_MS = 10000 };
	int64_t delay = now_ms() - m->started >= RAN_MS ? SOON_MS : find(m->plan, SET_RESTART)->b;
	(void)poll(NULL, 0, (int)delay);
}

static int end(struct monitor *m)
{
	const struct step *cgroup = find(m->plan, SET_CGROUP), *cleanup = find(m->plan, SET_CLEANUP);
	bool ours = cgroup->b > 0;
	dns_end();
	relay_end();
	drain(m);
	m->status.exit_code = reap(m);
	if (m->timed_out && m->status.exit_code == 128 + SIGKILL)
		m->status.exit_code = TIMED_OUT;
	m->status.exited = true;
	m->status.oom_killed = ours && m->status.exit_code == 128 + SIGKILL && group_oom_killed(step_str(cgroup, 0));
	if (ours)
		group_remove(step_str(cgroup, 0));
	m->status.restarting = restart_due(m);
	if (!clients_behind() && m->log) {
		log_close(m->log);
		m->log = NULL;
	}
	(void)status_write(&m->status);
	while (clients_behind()) {
		serve_once(m, false);
		drain(m);
	}
	if (m->log)
		log_close(m->log);
	if (m->status.run_dir >= 0)
		(void)unlinkat(m->status.run_dir, "attach.sock", 0);
	/* the ports we hold must be free once the client returns */
	held_end();
	bool cleaner = clients_finish(m->status.exit_code, m->status.oom_killed);
	if (m->status.restarting)
		wait_for_restart(m);
	if (cleanup->n && (m->status.restarting || !cleaner))
		become_cleanup(cleanup);
	return m->status.exit_code;
}

static void tell(int fd, struct result result)
{
	if (fd >= 0) {
		(void)!write(fd, &result, sizeof(result));
		close(fd);
	}
}

/* Descriptors that only init needed. */
static void close_joined(const struct plan *plan)
{
	for (uint32_t i = 0; i < plan->n; i++)
		if (plan->steps[i].op == OP_SETNS || plan->steps[i].op == SET_USERNS ||
		    plan->steps[i].op == OP_ATTACH || plan->steps[i].op == OP_KEEP)
			close((int)plan->steps[i].a);
	if (find(plan, SET_CGROUP)->a >= 0)
		close((int)find(plan, SET_CGROUP)->a);
	if (find(plan, SET_CLONE)->b >= 0)
		close((int)find(plan, SET_CLONE)->b);
}

/* The command runs: from here on time counts. */
static void begin(struct monitor *m)
{
	now_rfc3339(m->status.started_at);
	m->started = now_ms();
	if (find(m->plan, SET_TIMEOUT)->a > 0)
		m->deadline = m->started + find(m->plan, SET_TIMEOUT)->a;
	health_begin(find(m->plan, SET_HEALTH));
}

/* A client wants an initialized container to start.  One that cannot is nobody's any more:
 * the client that asked takes it down. */
static void open_gate(struct monitor *m)
{
	struct {
		char letter;
		struct result result;
	} __attribute__((packed)) answer = { .letter = 's' };
	int gate = m->gate;
	m->gate = -1;
	(void)send(gate, "s", 1, MSG_NOSIGNAL);
	answer.result = hear(m, gate);
	if (answer.result.failed) {
		(void)reap(m);
		clients_tell(&answer, sizeof(answer));
		_exit(1);
	}
	m->status.initialized = false;
	begin(m);
	(void)status_write(&m->status); /* else it goes on as initialized, and is found all the same */
	clients_tell(&answer, sizeof(answer));
}

int monitor_main(const struct plan *plan)
{
	static struct monitor m; /* static: its buffers cost no memory before they are used */
	const struct step *log = find(plan, SET_LOG), *client = find(plan, SET_CLIENT);
	int report = -1, error = 0;
	m.plan = plan;
	m.gate = m.pidfd = m.out[0] = m.out[1] = m.input.fd = -1;
	m.result = (int)find(plan, SET_RESULT)->a;
	m.status.id = step_str(find(plan, SET_ID), 0);
	m.status.run_dir = open_dir(step_str(find(plan, SET_RUNDIR), 0));
	m.status.state_dir = open_dir(step_str(find(plan, SET_STATEDIR), 0));
	if (log->n && !(m.log = log_open(step_str(log, 0), log->a, log->b, (int)log->c)))
		error = -errno;
	if (held_begin(plan) && !error)
		error = -ENOMEM;
	m.listener = listen_in(m.status.run_dir);
	if (m.listener < -1 && !error)
		error = m.listener;
	if (client->a >= 0) /* what it has said already: the terminal's size */
		clients_add((int)client->a, &m.input);
	if (!error)
		error = spawn_init(&m, &report);
	if (error) {
		tell(m.result, failed_monitor(&m, error));
		return 1;
	}
	close_joined(plan);
	struct result result = hear(&m, report);
	m.status.starting = false;
	m.status.initialized = m.gate >= 0;
	if (!m.status.initialized)
		begin(&m);
	if (!result.failed && (error = status_write(&m.status))) {
		kill_init(&m);
		(void)not_noted(&m, error);
		result = failed_monitor(&m, error);
	}
	if (result.failed) {
		(void)reap(&m);
		if (find(plan, SET_CGROUP)->b > 0)
			group_remove(step_str(find(plan, SET_CGROUP), 0));
		tell(m.result, result);
		return 1;
	}
	status_pid_file(&m.status);
	tell(m.result, result);
	dns_begin(find(plan, SET_DNS), m.status.id);
	while (init_alive(&m)) {
		serve_once(&m, true);
		if (m.gate >= 0 && m.input.start)
			open_gate(&m);
	}
	return end(&m);
}
