/* client.c: those who watch or feed the container, over the attach socket.  Runs in the streams; the
 * first one's hello is heard by the monitor, for it has the size of a terminal that is not yet there. */
#define _GNU_SOURCE
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
	int fd;
	unsigned hello;
	char *pending; /* a frame that the socket did not take */
	size_t n;
};

static struct client clients[MAX_CLIENTS];
static int count;

static void drop(int i, struct input *input)
{
	if (input && input->once && clients[i].hello & HELLO_STDIN)
		input->ending = true;
	close(clients[i].fd);
	free(clients[i].pending);
	clients[i] = clients[--count];
}

static void resize(struct input *input, const char *data)
{
	uint16_t size[2];
	memcpy(size, data, sizeof(size));
	input->window = (struct winsize){ .ws_row = size[0], .ws_col = size[1] };
	if (input->terminal)
		(void)ioctl(input->fd, TIOCSWINSZ, &input->window);
}

/* One message of client i, if there is one; false when the client is gone. */
static bool receive(int i, struct input *input)
{
	static char data[CHUNK + 1];
	int fd;
	ssize_t n = recv_with_fd(clients[i].fd, data, sizeof(data), &fd, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	if (fd >= 0)
		close(fd);
	if (data[0] == 'h' && n >= 2)
		clients[i].hello = (unsigned char)data[1];
	if (data[0] == 'h' && n >= 6)
		resize(input, data + 2);
	if (data[0] == 'w' && n >= 5)
		resize(input, data + 1);
	else if (data[0] == 'c' && n >= 2 && (data[1] & ~1) == 0)
		input->unread[(int)data[1]] = true;
	else if (data[0] == 's')
		input->start = true;
	else if (data[0] == 'e')
		input->ending = !input->terminal;
	else if (data[0] == 'i' && input->fd >= 0 && !input->held) {
		input->held = (size_t)n - 1;
		memcpy(input->data, data + 1, input->held);
	}
	return true;
}

size_t clients_descriptors(int *out)
{
	for (int i = 0; i < count; i++)
		out[i] = clients[i].fd;
	return (size_t)count;
}

void clients_forget(void)
{
	while (count)
		drop(count - 1, NULL);
}

void clients_add(int fd, struct input *input)
{
	if (count == MAX_CLIENTS) {
		close(fd);
		return;
	}
	clients[count++] = (struct client){ .fd = fd };
	/* what the first client said before we ran comes before any output: hello, window size */
	char kind;
	while (recv(fd, &kind, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && kind != 'i' && kind != 'e')
		if (!receive(count - 1, input))
			break;
}

int clients_poll(struct pollfd *fds, const struct input *input)
{
	for (int i = 0; i < count; i++)
		fds[i] = (struct pollfd){ .fd = clients[i].fd,
					  .events = (short)((input->held || input->ending ? 0 : POLLIN) |
							    (clients[i].n ? POLLOUT : 0)) };
	return count;
}

static bool push(struct client *client)
{
	while (client->n) {
		ssize_t n = send(client->fd, client->pending, client->n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		client->n = 0;
	}
	return true;
}

void clients_handle(const struct pollfd *fds, int n, struct input *input)
{
	for (int i = n - 1; i >= 0; i--) { /* downwards: drop moves the last one here */
		bool alive = true;
		if (fds[i].revents & POLLOUT)
			alive = push(&clients[i]);
		if (alive && fds[i].revents & POLLIN && !input->held)
			alive = receive(i, input);
		else if (alive && fds[i].revents & (POLLHUP | POLLERR))
			alive = false;
		if (!alive)
			drop(i, input);
	}
}

void clients_send(int stream, char *frame, size_t n)
{
	frame[0] = stream == STDERR_STREAM ? 'r' : 'o';
	for (int i = count - 1; i >= 0; i--) {
		if (!(clients[i].hello & (stream == STDERR_STREAM ? HELLO_STDERR : HELLO_STDOUT)))
			continue;
		if (clients[i].n) { /* a watcher that is behind: it must not stop the container */
			drop(i, NULL);
			continue;
		}
		ssize_t sent = send(clients[i].fd, frame, n + 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent >= 0)
			continue;
		char *pending = errno == EAGAIN ? realloc(clients[i].pending, n + 1) : NULL;
		if (!pending) { /* gone: poll will tell, and its input is then closed */
			clients[i].hello &= ~(unsigned)(HELLO_STDOUT | HELLO_STDERR);
			continue;
		}
		clients[i].pending = pending;
		memcpy(pending, frame, n + 1);
		clients[i].n = n + 1;
	}
}

void clients_tell(const void *message, size_t n)
{
	for (int i = 0; i < count; i++)
		(void)send(clients[i].fd, message, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool clients_behind(void)
{
	for (int i = 0; i < count; i++)
		if (clients[i].n && clients[i].hello & HELLO_LOSSLESS)
			return true;
	return false;
}

bool clients_finish(int exit_code, bool oom_killed)
{
	bool cleaner = false;
	char frame[6] = { 'x' };
	int32_t code = exit_code;
	memcpy(frame + 1, &code, sizeof(code));
	frame[5] = (char)oom_killed;
	while (count) {
		struct client *client = &clients[count - 1];
		/* its socket may be full of our output: give it the time to read */
		struct timeval patience = { .tv_sec = client->hello & HELLO_LOSSLESS ? 3600 : 1 };
		(void)setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		bool told = send(client->fd, frame, sizeof(frame), MSG_NOSIGNAL) == (ssize_t)sizeof(frame);
		if (told && client->hello & HELLO_CLEANER)
			cleaner = true;
		drop(count - 1, NULL);
	}
	return cleaner;
}

void input_flush(struct input *input)
{
	while (input->held && input->fd >= 0) {
		ssize_t n = write(input->fd, input->data, input->held);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) { /* the container closed it */
			input->ending = true;
			n = (ssize_t)input->held;
		}
		input->held -= (size_t)n;
		memmove(input->data, input->data + n, input->held);
	}
	input->held = 0;
	if (input->ending && !input->terminal && input->fd >= 0) {
		close(input->fd);
		input->fd = -1;
	}
	input->ending = false;
}
