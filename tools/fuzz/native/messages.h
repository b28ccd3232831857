/* messages.h: inputs that are conversations of two clients over SOCK_SEQPACKET.
 *
 * Message after message: u8 flags (1: a descriptor comes along, 16: two; 2: from the second client;
 * 4: the client hangs up), u16 size (little-endian), the message. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WITH_FD = 1, SECOND = 2, HANG_UP = 4, OUTPUT = 8, TWO = 16, MOST = 256 };

static void say(int client, void *data, size_t n, int fds, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct iovec part = { data, n };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	const int both[2] = { fd, fd };
	if (fds) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE((size_t)fds * sizeof(int));
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN((size_t)fds * sizeof(int));
		memcpy(CMSG_DATA(head), both, (size_t)fds * sizeof(int));
	}
	(void)sendmsg(client, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int open_descriptors(void)
{
	int n = 0;
	for (int fd = 0; fd < MOST; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}
