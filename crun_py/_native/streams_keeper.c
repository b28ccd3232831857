/* streams_keeper.c: the monitor's side of the streams: it starts them, hears them, and opens the files of
 * the log for them.  Runs in the monitor. */
#define _GNU_SOURCE
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct step *files; /* SET_LOG */
static int control = -1;	 /* our end of the socket pair; -1: there are none */
static pid_t streams;

static void take_down(void)
{
	if (control < 0)
		return;
	close(control);
	control = -1;
	(void)kill(streams, SIGKILL);
	while (waitpid(streams, NULL, 0) < 0 && errno == EINTR)
		;
}

/* What is theirs alone: where we had it too, nobody would see that they close it. */
static void let_go(struct streams *s)
{
	int theirs[] = { s->listener, s->out[0], s->out[1], s->input.fd, s->log ? log_fd(s->log) : -1 };
	for (size_t i = 0; i < sizeof(theirs) / sizeof(*theirs); i++)
		if (theirs[i] >= 0)
			close(theirs[i]);
	clients_forget();
}

int streams_begin(struct streams *s, const struct step *log)
{
	int pair[2];
	pid_t own = getpid();
	files = log;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK); /* who does not read, or say, does not stop us */
	s->monitor = pair[1];
	streams = fork();
	if (streams == 0)
		streams_main(s, own);
	int error = streams < 0 ? -errno : 0;
	close(pair[1]);
	let_go(s);
	if (error)
		close(pair[0]);
	else
		control = pair[0];
	return error;
}

int streams_fd(void)
{
	return control;
}

void streams_tell(const struct streams_word *word, int fd)
{
	if (control >= 0 && send_with_fd(control, word, sizeof(*word), fd) != (ssize_t)sizeof(*word))
		take_down();
}

static void open_log(bool rotate)
{
	const struct streams_word word = { .letter = STREAMS_FILE };
	const char *path = step_str(files, 0);
	if (rotate)
		log_rotate(path, files->b);
	int fd = files->n ? log_file(path) : -1;
	streams_tell(&word, fd);
	if (fd >= 0)
		close(fd);
}

bool streams_hear(struct streams_word *word, int ms)
{
	struct pollfd fd = { .fd = control, .events = POLLIN };
	int ready = control < 0 ? 0 : poll(&fd, 1, ms);
	if (ready < 0 && errno == EINTR)
		return false;
	/* a descriptor that came along would not be taken: there is no room for one */
	ssize_t n = ready > 0 ? recv(control, word, sizeof(*word), 0) : 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n != (ssize_t)sizeof(*word)) {
		take_down();
		return false;
	}
	if (word->letter != STREAMS_LOG)
		return true;
	open_log(word->value);
	return false;
}

int streams_ready(void)
{
	struct streams_word word = { 0 };
	while (streams_fd() >= 0)
		if (streams_hear(&word, -1) && word.letter == STREAMS_READY)
			return word.value > 0 || word.value < -4095 ? -EPROTO : (int)word.value;
	return -EPIPE;
}

void streams_end(void)
{
	take_down();
}
