/* dns.c: the DNS responder's loop, its clients over UDP and what it has from the monitor.  Runs in the
 * responder, one for each container on a user network.  After its start it allocates nothing: buffers are
 * static, and cost memory only as far as they are used. */
#define _GNU_SOURCE
#include "dns.h"
#include "core.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BATCH = 8, RESOLV_BYTES = 16 << 10 };
enum { MONITOR_MS = 1000, ASK_AGAIN_MS = 5000, MISSING_MS = 1, RESOLV_MS = 1000 };

static const char *owner;

/* ---- files, which the monitor opens ---- */

struct file {
	char letter;
	int fd;		  /* -1: there is none */
	bool waiting;	  /* the monitor has been asked, and has not answered */
	int64_t asked;	  /* ms, 0: never */
	struct stat seen; /* as it was when it was read last; st_ino 0: never */
};
static struct file names_file = { .letter = DNS_FILE_NAMES, .fd = -1 };
static struct file resolv_file = { .letter = DNS_FILE_RESOLV, .fd = -1 };
static struct file resolved_file = { .letter = DNS_FILE_RESOLVED, .fd = -1 };

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* fstat(2) by its number: C libraries differ in which call they make of it, the filter knows this one. */
static bool look_at(int fd, struct stat *st)
{
	return fd >= 0 && !syscall(SYS_fstat, fd, st);
}

/* What the monitor says of a file; false when it has said nothing. */
static bool hear_monitor(void)
{
	struct file *const all[] = { &names_file, &resolv_file, &resolved_file, NULL };
	struct dns_file said = { 0 };
	int fd;
	ssize_t n = recv_with_fd(DNS_MONITOR, &said, sizeof(said), &fd, 0);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		_exit(0); /* it has gone */
	if (n != (ssize_t)sizeof(said))
		return false;
	for (size_t i = 0; all[i]; i++) {
		struct file *file = all[i];
		if (file->letter != said.letter)
			continue;
		file->waiting = false;
		if (said.error && said.error != ENOENT && said.error != ENOTDIR)
			return true; /* what there was must do */
		if (file->fd >= 0)
			close(file->fd);
		file->fd = fd;
		return true;
	}
	if (fd >= 0)
		close(fd);
	return true;
}

/* Have the monitor open the file, and wait for it; without an answer things stay as they are. */
static void ask_for(struct file *file, int64_t now)
{
	struct pollfd answer = { .fd = DNS_MONITOR, .events = POLLIN };
	if (file->waiting && now - file->asked < ASK_AGAIN_MS)
		return;
	file->asked = now;
	file->waiting = send(DNS_MONITOR, &file->letter, 1, MSG_NOSIGNAL) == 1;
	for (int64_t left = MONITOR_MS; file->waiting && left > 0; left = now + MONITOR_MS - now_ms())
		if (poll(&answer, 1, (int)left) > 0)
			(void)hear_monitor();
}

/* The first `size` bytes of the file; returns how many there are. */
static size_t read_file(const struct file *file, char *out, size_t size)
{
	size_t got = 0;
	while (got < size) {
		ssize_t n = pread(file->fd, out + got, size - got, (off_t)got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got;
}

void dns_forget(void *at, size_t n)
{
	enum { PAGE = 4096 }; /* larger ones refuse what is not theirs, and keep the memory */
	uintptr_t from = ((uintptr_t)at + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	uintptr_t to = ((uintptr_t)at + n) & ~(uintptr_t)(PAGE - 1);
	if (to > from)
		(void)madvise((void *)from, to - from, MADV_DONTNEED); /* NOLINT(performance-no-int-to-ptr) */
}

static unsigned interface_number(const char *name)
{
	struct ifreq request = { 0 };
	size_t len = strlen(name);
	if (len >= sizeof(request.ifr_name))
		return 0;
	memcpy(request.ifr_name, name, len);
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found = sock >= 0 && !ioctl(sock, SIOCGIFINDEX, &request);
	if (sock >= 0)
		close(sock);
	return found ? (unsigned)request.ifr_ifindex : 0;
}

static struct names names;

struct names *dns_names(void)
{
	struct file *file = &names_file;
	struct stat st;
	int64_t now = now_ms();
	bool there = look_at(file->fd, &st);
	/* a name less: it has been replaced.  Now and then all the same: it may lie on a file system that
	 * does not tell. */
	if (there ? st.st_nlink == 0 || now - file->asked >= ASK_AGAIN_MS : now - file->asked >= MISSING_MS) {
		ask_for(file, now);
		there = look_at(file->fd, &st);
	}
	if (!there && file->seen.st_ino) {
		file->seen = (struct stat){ 0 };
		names_load(&names, owner, 0, interface_number);
	} else if (there && !is_same(&st, &file->seen)) {
		size_t size = read_file(file, names.text, NAMES_BYTES);
		names_load(&names, owner, size, interface_number);
		dns_forget(names.text + names.kept, NAMES_BYTES - names.kept);
		file->seen = st;
	}
	return &names;
}

/* ---- the servers that are asked for other names ---- */

static struct servers given; /* by the plan */

/* The servers in the file, read again when it has changed; false when there is no such file. */
static bool servers_in(struct file *file, struct servers *servers, int64_t now)
{
	static char text[RESOLV_BYTES];
	struct stat st;
	if (now - file->asked >= RESOLV_MS || !file->asked)
		ask_for(file, now);
	if (!look_at(file->fd, &st)) {
		file->seen = (struct stat){ 0 };
		servers->n = 0;
		servers->stub = false;
		return false;
	}
	if (!is_same(&st, &file->seen)) {
		size_t n = read_file(file, text, sizeof(text));
		servers_parse(servers, text, n, interface_number);
		dns_forget(text, sizeof(text));
		file->seen = st;
	}
	return true;
}

const struct servers *dns_servers(void)
{
	static struct servers resolv, resolved;
	int64_t now = now_ms();
	if (given.n)
		return &given;
	if (dns_names()->servers.n)
		return &names.servers;
	(void)servers_in(&resolv_file, &resolv, now);
	if (resolv.stub && servers_in(&resolved_file, &resolved, now) && resolved.n)
		return &resolved;
	return &resolv;
}

void dns_random(void *out, size_t n)
{
	static uint8_t pool[256];
	static size_t left;
	if (left < n) {
		left = sizeof(pool);
		if (getrandom(pool, sizeof(pool), 0) != (ssize_t)sizeof(pool))
			_exit(1);
	}
	left -= n;
	memcpy(out, pool + left, n);
}

/* ---- clients over UDP ---- */

/* As the kernel has struct mmsghdr; musl's functions for it are loops. */
static struct mmsghdr received[BATCH], answered[BATCH];
static struct iovec query_at[BATCH], answer_at[BATCH];
static struct sockaddr_in clients[BATCH];
static uint8_t queries[BATCH][QUERY_BYTES], answers[BATCH][UDP_BYTES];

void dns_send(const struct sockaddr_in *to, const uint8_t *answer, size_t n)
{
	(void)sendto(DNS_UDP, answer, n, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)to, sizeof(*to));
}

static int receive(void)
{
	for (int i = 0; i < BATCH; i++) {
		query_at[i] = (struct iovec){ queries[i], QUERY_BYTES };
		memset(&received[i], 0, sizeof(received[i]));
		received[i].msg_hdr.msg_name = &clients[i];
		received[i].msg_hdr.msg_namelen = sizeof(clients[i]);
		received[i].msg_hdr.msg_iov = &query_at[i];
		received[i].msg_hdr.msg_iovlen = 1;
	}
	return (int)syscall(SYS_recvmmsg, DNS_UDP, received, BATCH, MSG_DONTWAIT, NULL);
}

static void send_answers(int count)
{
	for (int sent = 0; sent < count;) {
		int n = (int)syscall(SYS_sendmmsg, DNS_UDP, answered + sent, count - sent,
				     MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += n > 0 ? n : 1; /* what cannot be sent is lost, as datagrams are */
	}
}

/* What has come, a few times; then others get their turn. */
static void serve_udp(void)
{
	enum { ROUNDS = 8 };
	for (int round = 0; round < ROUNDS; round++) {
		int n = receive(), count = 0;
		if (n <= 0)
			return;
		struct names *names = dns_names();
		for (int i = 0; i < n; i++) {
			size_t size = 0, got = received[i].msg_len;
			/* one that was too long for us is cut, which makes it malformed */
			enum verdict verdict = dns_decide(names, queries[i], got, false, answers[count], &size);
			if (verdict == DNS_FORWARD)
				forward_begin(queries[i], got, &clients[i], -1);
			if (verdict != DNS_ANSWER)
				continue;
			memset(&answered[count], 0, sizeof(answered[count]));
			answer_at[count] = (struct iovec){ answers[count], size };
			answered[count].msg_hdr.msg_name = &clients[i];
			answered[count].msg_hdr.msg_namelen = sizeof(clients[i]);
			answered[count].msg_hdr.msg_iov = &answer_at[count];
			answered[count].msg_hdr.msg_iovlen = 1;
			count++;
		}
		send_answers(count);
		if (n < BATCH)
			return;
	}
}

/* ---- the loop ---- */

enum { MONITOR, UDP, LISTENER, FIRST };

static void serve_once(bool listens)
{
	static struct pollfd fds[FIRST + MAX_CONNECTIONS + MAX_FORWARDS];
	int64_t now = now_ms();
	int tcp = tcp_due(now), forward = forward_due(now);
	int patience = tcp < 0 || (forward >= 0 && forward < tcp) ? forward : tcp;
	fds[MONITOR] = (struct pollfd){ .fd = DNS_MONITOR, .events = POLLIN };
	fds[UDP] = (struct pollfd){ .fd = DNS_UDP, .events = POLLIN };
	fds[LISTENER] = (struct pollfd){ .fd = listens ? DNS_LISTENER : -1, .events = POLLIN };
	int connections = tcp_poll(fds + FIRST), forwards = forward_poll(fds + FIRST + connections);
	if (poll(fds, FIRST + (nfds_t)(connections + forwards), patience) <= 0)
		return;
	if (fds[MONITOR].revents)
		(void)hear_monitor();
	/* answers before new queries: what these begin may take the place of what was waited for */
	forward_handle(fds + FIRST + connections, forwards);
	tcp_handle(fds + FIRST, connections);
	if (fds[UDP].revents)
		serve_udp();
	if (fds[LISTENER].revents)
		tcp_accept();
}

int dns_main(int argc, char **argv)
{
	int listens = 0;
	socklen_t size = sizeof(listens);
	if (argc < 2 || strlen(argv[1]) != OWNER_BYTES)
		return 2;
	(void)prctl(PR_SET_NAME, DNS_PROGRAM);
	owner = argv[1];
	for (int i = 2; i < argc; i++) {
		const char *server = argv[i] + (*argv[i] == DNS_INSIDE);
		names.inside = names.inside || server != argv[i];
		servers_add(&given, server, strlen(server), interface_number);
	}
	if (getsockopt(DNS_LISTENER, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size))
		listens = 0;
	if (!dns_jail())
		return 1;
	for (;;)
		serve_once(listens != 0);
}
