/* What the streams' jail does to a process: `filter` prints its program, `calls` what each system call
 * comes to inside, `landlock` what files and sockets come to with Landlock alone. */
#define _GNU_SOURCE
#include "jail.h"
#include "streams.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#ifdef PRINT_FILTER
bool jail_filter(struct sock_filter *program, size_t n)
{
	return fwrite(program, sizeof(*program), n, stdout) == n;
}
bool jail_landlock(uint64_t net)
{
	return net;
}
void jail_drop_bounding(void)
{
}
bool jail_drop_capabilities(void)
{
	return true;
}
bool jail_no_new_privileges(void)
{
	return true;
}
bool jail_limit(int resource, unsigned long value)
{
	return resource >= 0 && value < 4096;
}

int main(void)
{
	return !streams_jail();
}
#else

#define CALL(name) { #name, SYS_##name }
static const struct {
	const char *name;
	long number;
} calls[] = {
	CALL(execve), CALL(execveat), CALL(openat), CALL(openat2), CALL(socket), CALL(connect), CALL(bind),
	CALL(listen), CALL(ptrace), CALL(process_vm_readv), CALL(process_vm_writev), CALL(mount),
	CALL(umount2), CALL(unshare), CALL(setns), CALL(clone), CALL(clone3), CALL(kill), CALL(tgkill),
	CALL(pidfd_open), CALL(pidfd_send_signal), CALL(pidfd_getfd), CALL(io_uring_setup), CALL(bpf),
	CALL(perf_event_open), CALL(keyctl), CALL(userfaultfd), CALL(memfd_create), CALL(unlinkat),
	CALL(renameat2), CALL(mkdirat), CALL(fchmodat), CALL(fchownat), CALL(chroot), CALL(pivot_root),
	CALL(setresuid), CALL(capset), CALL(prctl), CALL(seccomp), CALL(init_module), CALL(fsopen),
	CALL(open_tree), CALL(readlinkat), CALL(getdents64), CALL(dup), CALL(dup3), CALL(pipe2),
};

static void try_calls(void)
{
	errno = 0;
	/* before any other: the filter is on */
	if (syscall(SYS_getppid) != -1 || errno != EPERM)
		_exit(3);
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		char line[80];
		errno = 0;
		long got = syscall(calls[i].number, 0, 0, 0, 0, 0, 0);
		int n = snprintf(line, sizeof(line), "%s %ld %d\n", calls[i].name, got, errno);
		(void)!write(1, line, (size_t)n);
	}
}

static void try_landlock(const char *tcp_port)
{
	struct sockaddr_in tcp = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(tcp_port)) };
	struct sockaddr_in any = { .sin_family = AF_INET };
	inet_pton(AF_INET, "127.0.0.1", &tcp.sin_addr);
	int file = open("/etc/passwd", O_RDONLY), file_error = file < 0 ? errno : 0;
	int made = open("/tmp/made-by-a-stranger", O_WRONLY | O_CREAT, 0600), made_error = made < 0 ? errno : 0;
	int first = socket(AF_INET, SOCK_STREAM, 0), second = socket(AF_INET, SOCK_STREAM, 0);
	int connected = connect(first, (struct sockaddr *)&tcp, sizeof(tcp)) ? errno : 0;
	int bound = bind(second, (struct sockaddr *)&any, sizeof(any)) ? errno : 0;
	printf("%d %d %d %d\n", file_error, made_error, connected, bound);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "landlock")) {
		if (!jail_no_new_privileges() || !jail_landlock(JAIL_BIND_TCP | JAIL_CONNECT_TCP))
			return 2;
		try_landlock(argv[2]);
		return 0;
	}
	if (!streams_jail())
		return 1;
	try_calls();
	_exit(0);
}
#endif
