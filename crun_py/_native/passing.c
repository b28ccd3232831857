/* passing.c: descriptors over sockets (unix(7), SCM_RIGHTS).  Runs in every process of ours. */
#define _GNU_SOURCE
#include "core.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t send_with_fd(int sock, const void *data, size_t n, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { (void *)(uintptr_t)data, n };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &fd, sizeof(int));
	}
	return sendmsg(sock, &message, MSG_NOSIGNAL);
}

ssize_t recv_with_fd(int sock, void *data, size_t n, int *fd, int flags)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { data, n };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	ssize_t got = recvmsg(sock, &message, MSG_CMSG_CLOEXEC | flags);
	struct cmsghdr *head = got >= 0 ? CMSG_FIRSTHDR(&message) : NULL;
	*fd = -1;
	if (!head || head->cmsg_type != SCM_RIGHTS)
		return got;
	/* the room for one is aligned and may hold two; with nothing said none is ours */
	for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= head->cmsg_len; i++) {
		int one;
		memcpy(&one, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
		if (i || !got)
			close(one);
		else
			*fd = one;
	}
	return got;
}
