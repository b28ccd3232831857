/* streams.c: the container's output goes to its log and clients, their input to the container.
 * Runs in the streams (streams.h). */
#define _GNU_SOURCE
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HUNG_UP_MS = 100 };

static struct streams *self; /* for the log, which asks for files */

/* ---- the monitor ---- */

static void say(const struct streams *s, int letter, int64_t value, int more)
{
	struct streams_word word = { .letter = letter, .more = more, .value = value };
	if (send(s->monitor, &word, sizeof(word), MSG_NOSIGNAL) != (ssize_t)sizeof(word))
		_exit(1);
}

static void tell_started(const struct result *result)
{
	struct {
		char letter;
		struct result result;
	} __attribute__((packed)) answer = { 's', *result };
	clients_tell(&answer, sizeof(answer));
	if (result->failed)
		_exit(1);
}

/* A size may have come before its terminal did. */
static void take_terminal(struct streams *s, int fd)
{
	s->out[0] = s->input.fd = fd;
	s->input.terminal = true;
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	if (s->input.window.ws_row || s->input.window.ws_col)
		(void)ioctl(fd, TIOCSWINSZ, &s->input.window);
}

static void take(struct streams *s, const struct streams_word *word, int fd)
{
	if (word->letter == STREAMS_TERMINAL && fd >= 0)
		take_terminal(s, fd);
	else if (fd >= 0)
		close(fd);
	if (word->letter == STREAMS_STARTED)
		tell_started(&word->result);
	if (word->letter == STREAMS_ENDED)
		s->ended = true;
}

static int hear(const struct streams *s, struct streams_word *word)
{
	int fd;
	ssize_t n;
	while ((n = recv_with_fd(s->monitor, word, sizeof(*word), &fd, 0)) < 0 && errno == EINTR)
		;
	if (n != (ssize_t)sizeof(*word))
		_exit(1); /* nobody would end us */
	return fd;
}

/* The answer with this letter, and its descriptor; whatever else is said meanwhile counts. */
static int await(struct streams *s, int letter, struct streams_word *word)
{
	for (;;) {
		int fd = hear(s, word);
		if (word->letter == letter)
			return fd;
		take(s, word, fd);
	}
}

static int next_file(bool rotate)
{
	struct streams_word word = { 0 };
	say(self, STREAMS_LOG, rotate, 0);
	return await(self, STREAMS_FILE, &word);
}

/* Lines of the log begin to be lost, or are kept again: that is told while the container runs. */
static void note_loss(struct streams *s)
{
	bool before = s->lost > 0;
	s->lost = log_lost(s->log);
	if (before != (s->lost > 0))
		say(s, STREAMS_LOST, s->lost, 0);
}

/* ---- the container ---- */

/* A flood of output gets a wide pipe, so that its writer and we seldom wait for each other.
 * Not 1 MB: a user's pipes together have at most 64 MB (pipe-user-pages-soft, pipe(7)). */
static void widen(const struct streams *s, int stream, bool whole)
{
	enum { WIDE = 512 << 10, FLOOD = 16 };
	static int reads[2];
	if (whole && !s->input.terminal && reads[stream] < FLOOD && ++reads[stream] == FLOOD)
		(void)fcntl(s->out[stream], F_SETPIPE_SZ, WIDE); /* over the limit: as it is */
}

/* Pass on what stream has, once; false when there is nothing now. */
static bool pump(struct streams *s, int stream)
{
	static char frame[1 + CHUNK];
	if (s->out[stream] < 0)
		return false;
	ssize_t n = read(s->out[stream], frame + 1, CHUNK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0 && errno == EIO && s->input.terminal && !s->ended) {
		/* its last slave closed: vhangup, or init goes on without; somebody may open it again */
		s->look_again = now_ms() + HUNG_UP_MS;
		return false;
	}
	if (n <= 0) { /* end; EIO from a terminal whose last slave closed */
		if (!s->input.terminal)
			close(s->out[stream]);
		s->out[stream] = -1;
		return false;
	}
	widen(s, stream, n == CHUNK);
	if (s->log) {
		log_write(s->log, stream, frame + 1, (size_t)n);
		note_loss(s);
	}
	clients_send(stream, frame, (size_t)n);
	return true;
}

static void drain(struct streams *s)
{
	while (!clients_behind() && (pump(s, STDOUT_STREAM) || (!clients_behind() && pump(s, STDERR_STREAM))))
		;
}

/* ---- the loop ---- */

enum { MONITOR, LISTENER, OUT, ERR, IN, FIRST_CLIENT };

static int patience(const struct streams *s)
{
	int64_t left = s->look_again - now_ms();
	return !s->look_again ? -1 : left > 0 ? (int)left : 0;
}

static void serve_once(struct streams *s)
{
	struct pollfd fds[FIRST_CLIENT + MAX_CLIENTS];
	bool paused = clients_behind() || now_ms() < s->look_again;
	fds[MONITOR] = (struct pollfd){ .fd = s->monitor, .events = POLLIN };
	fds[LISTENER] = (struct pollfd){ .fd = s->listener, .events = POLLIN };
	fds[OUT] = (struct pollfd){ .fd = paused ? -1 : s->out[0], .events = POLLIN };
	fds[ERR] = (struct pollfd){ .fd = paused ? -1 : s->out[1], .events = POLLIN };
	fds[IN] = (struct pollfd){ .fd = s->input.held ? s->input.fd : -1, .events = POLLOUT };
	int n = clients_poll(fds + FIRST_CLIENT, &s->input);
	if (poll(fds, FIRST_CLIENT + (nfds_t)n, patience(s)) < 0)
		return; /* EINTR */
	if (!paused)
		s->look_again = 0;
	for (int stream = 0; stream < 2; stream++)
		if (fds[OUT + stream].revents && !clients_behind())
			pump(s, stream);
	clients_handle(fds + FIRST_CLIENT, n, &s->input);
	for (int stream = 0; stream < 2; stream++) {
		if (s->input.unread[stream] && s->out[stream] >= 0 && !s->input.terminal) {
			close(s->out[stream]); /* the container's next write gets EPIPE, as in any pipeline */
			s->out[stream] = -1;
		}
	}
	if (s->input.held || s->input.ending)
		input_flush(&s->input);
	if (fds[LISTENER].revents & POLLIN) {
		int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			clients_add(fd, &s->input);
	}
	if (fds[MONITOR].revents) {
		struct streams_word word = { 0 };
		int fd = hear(s, &word);
		take(s, &word, fd);
	}
	if (s->input.start && !s->asked) {
		s->asked = true;
		say(s, STREAMS_START, 0, 0);
	}
}

/* Everybody has all of the output before it is told that the container has ended. */
static void end(struct streams *s)
{
	struct streams_word word = { 0 };
	drain(s);
	if (clients_behind())
		say(s, STREAMS_DRAINED, s->lost, true);
	while (clients_behind()) {
		serve_once(s);
		drain(s);
	}
	say(s, STREAMS_DRAINED, s->log ? log_close(s->log) : 0, false);
	(void)await(s, STREAMS_CODE, &word);
	say(s, STREAMS_CLOSED, clients_finish((int)word.value, word.more), 0);
}

static void close_all_else(const struct streams *s)
{
	enum { OWN = 9 };
	int keep[OWN + MAX_CLIENTS] = { 0, 1, 2, s->monitor, s->listener, s->out[0], s->out[1], s->input.fd,
					s->log ? log_fd(s->log) : -1 };
	close_all_but(keep, OWN + clients_descriptors(keep + OWN));
}

void streams_main(struct streams *s, pid_t parent)
{
	char now[40];
	self = s;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	rename_process(STREAMS_PROGRAM);
	close_all_else(s);
	if (s->log)
		log_feed(s->log, next_file);
	now_rfc3339(now); /* glibc reads /etc/localtime the first time */
	bool jailed = streams_jail();
	say(s, STREAMS_READY, jailed ? 0 : -errno, 0);
	if (!jailed)
		_exit(1);
	while (!s->ended)
		serve_once(s);
	end(s);
	_exit(0);
}
