/* monitor.c: one process beside each running container: the parent of its init, which keeps its time and
 * notes what becomes of it.  What the container writes is read by the streams (streams.h).  An exec
 * session has both, too, without log and status.  Runs in the monitor. */
#define _GNU_SOURCE
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMED_OUT = 255 }; /* the exit status after SET_TIMEOUT, podman-run(1) --timeout */

void kill_init(const struct monitor *m)
{
	(void)syscall(SYS_pidfd_send_signal, m->pidfd, SIGKILL, NULL, 0);
}

int reap(struct monitor *m)
{
	siginfo_t info = { 0 };
	while (waitid(P_PID, (id_t)m->status.pid, &info, WEXITED) && errno == EINTR)
		;
	m->status.signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

/* ---- running ---- */

static bool init_alive(const struct monitor *m)
{
	struct pollfd fd = { .fd = m->pidfd, .events = POLLIN };
	return poll(&fd, 1, 0) == 0;
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
	enum { TELLING_MS = 1000 };
	struct streams_word word = { .letter = STREAMS_STARTED }, last = { 0 };
	int gate = m->gate;
	m->gate = -1;
	(void)send(gate, "s", 1, MSG_NOSIGNAL);
	word.result = hear(m, gate);
	if (word.result.failed) {
		(void)reap(m);
		streams_tell(&word, -1);
		while (streams_fd() >= 0)
			(void)streams_hear(&last, TELLING_MS); /* they end */
		_exit(1);
	}
	m->status.initialized = false;
	begin(m);
	(void)status_write(&m->status); /* else it goes on as initialized, and is found all the same */
	streams_tell(&word, -1);
}

static void note_loss(struct monitor *m, int64_t lost)
{
	m->status.log_lost = lost;
	(void)status_write(&m->status);
}

static void act_on(struct monitor *m, const struct streams_word *word)
{
	if (word->letter == STREAMS_START && m->gate >= 0)
		open_gate(m);
	else if (word->letter == STREAMS_LOST)
		note_loss(m, word->value);
}

enum { PIDFD, STREAMS, HEALTH, DNS, RELAY, RELAY_ENDED, GROUP, NOTIFY, ORDERS };

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

static void serve_once(struct monitor *m)
{
	struct pollfd fds[ORDERS + ORDERS_FDS];
	struct streams_word word = { 0 };
	fds[PIDFD] = (struct pollfd){ .fd = m->pidfd, .events = POLLIN };
	fds[STREAMS] = (struct pollfd){ .fd = streams_fd(), .events = POLLIN };
	fds[HEALTH] = (struct pollfd){ .fd = health_fd(), .events = POLLIN };
	fds[DNS] = (struct pollfd){ .fd = dns_fd(), .events = POLLIN };
	fds[RELAY] = (struct pollfd){ .fd = relay_fd(), .events = POLLIN };
	fds[RELAY_ENDED] = (struct pollfd){ .fd = relay_ended_fd(), .events = POLLIN };
	fds[GROUP] = (struct pollfd){ .fd = group_fd(), .events = POLLPRI };
	fds[NOTIFY] = (struct pollfd){ .fd = notify_fd(), .events = POLLIN };
	int n = orders_poll(fds + ORDERS);
	if (poll(fds, ORDERS + (nfds_t)n, patience(m)) < 0)
		return; /* EINTR */
	keep_time(m, fds[HEALTH].revents, fds[DNS].revents);
	relay_act(fds[RELAY].revents & POLLIN, fds[RELAY_ENDED].revents);
	if (fds[GROUP].revents)
		group_act();
	if (fds[NOTIFY].revents)
		notify_act();
	orders_act(fds + ORDERS, n);
	if (fds[STREAMS].revents && streams_hear(&word, 0))
		act_on(m, &word);
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

/* Wait until the streams have passed on all output; returns whether a client has promised to clean up. */
static bool finish_streams(struct monitor *m)
{
	enum { READING_MS = 30000 }; /* what is in a pipe is soon read; a disk may be slow */
	struct streams_word word = { 0 };
	const struct streams_word code = { .letter = STREAMS_CODE, .value = m->status.exit_code,
					   .more = m->status.oom_killed };
	bool noted = false, cleaner = false;
	while (streams_fd() >= 0) {
		if (!streams_hear(&word, noted ? -1 : READING_MS))
			continue;
		if (word.letter == STREAMS_CLOSED) {
			cleaner = word.value;
			break;
		}
		if (word.letter != STREAMS_DRAINED)
			continue;
		bool changed = m->status.log_lost != word.value;
		m->status.log_lost = word.value;
		if (!noted || changed)
			(void)status_write(&m->status);
		noted = true;
		if (word.more)
			continue;
		if (m->status.run_dir >= 0)
			(void)unlinkat(m->status.run_dir, "attach.sock", 0);
		/* the ports we hold must be free once the client returns */
		held_end();
		streams_tell(&code, -1);
	}
	streams_end();
	if (!noted)
		(void)status_write(&m->status);
	return cleaner;
}

static int end(struct monitor *m)
{
	const struct step *cgroup = find(m->plan, SET_CGROUP), *cleanup = find(m->plan, SET_CLEANUP);
	const struct streams_word ended = { .letter = STREAMS_ENDED };
	streams_tell(&ended, -1);
	dns_end();
	relay_end();
	orders_end();
	if (m->status.run_dir >= 0)
		(void)unlinkat(m->status.run_dir, "orders.sock", 0);
	m->status.exit_code = reap(m);
	held_drop(HELD_STORE);
	if (m->timed_out && m->status.exit_code == 128 + SIGKILL)
		m->status.exit_code = TIMED_OUT;
	m->status.exited = true;
	m->status.oom_killed = group_oom_killed();
	if (cgroup->b > 0)
		group_remove(step_str(cgroup, 0));
	m->status.restarting = restart_due(m);
	bool cleaner = finish_streams(m);
	held_end();
	if (m->status.restarting)
		wait_for_restart(m);
	if (cleanup->n && (m->status.restarting || !cleaner))
		become_cleanup(cleanup);
	return m->status.exit_code;
}

/* ---- all of it ---- */

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

/* Init is ready, and so is what reads its output; it is noted that it runs. */
static struct result settle(struct monitor *m, int report)
{
	struct result result = hear(m, report);
	m->status.starting = false;
	m->status.initialized = m->gate >= 0;
	if (!m->status.initialized)
		begin(m);
	int error = result.failed ? 0 : streams_ready();
	if (!result.failed && !error && (error = status_write(&m->status)))
		(void)not_noted(m, error);
	if (error) {
		kill_init(m);
		result = failed_monitor(m, error);
	}
	if (result.failed) {
		(void)reap(m);
		streams_end();
		if (find(m->plan, SET_CGROUP)->b > 0)
			group_remove(step_str(find(m->plan, SET_CGROUP), 0));
	}
	return result;
}

int monitor_main(const struct plan *plan)
{
	static struct monitor m; /* static: its buffers cost no memory before they are used */
	int report = -1;
	m.plan = plan;
	m.gate = m.pidfd = m.streams.out[0] = m.streams.out[1] = m.streams.input.fd = -1;
	m.result = (int)find(plan, SET_RESULT)->a;
	int error = prepare(&m);
	if (!error)
		error = spawn(&m, &report);
	if (error) {
		tell(m.result, failed_monitor(&m, error));
		return 1;
	}
	close_joined(plan);
	struct result result = settle(&m, report);
	if (!result.failed)
		status_pid_file(&m.status);
	tell(m.result, result);
	if (result.failed)
		return 1;
	relay_begin(m.status.pid);
	dns_begin(find(plan, SET_DNS), m.status.id, m.status.pid);
	while (init_alive(&m))
		serve_once(&m);
	return end(&m);
}
