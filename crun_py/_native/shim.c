/* shim.c: the system calls that Python lacks.  Runs in the CLI process. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x04
#endif

int crunpy_unshare(int flags)
{
	return unshare(flags) ? -errno : 0;
}

int crunpy_setns(int fd, int nstype)
{
	return setns(fd, nstype) ? -errno : 0;
}

/* In a thread: a namespace is joined by one thread only, and from inside a user namespace
 * there is no way back to the host's. */
static void *new_netns(void *unused)
{
	(void)unused;
	int fd = unshare(CLONE_NEWNET) ? -1 : open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	/* interfaces to come take no routes from whoever announces some (CVE-2020-13401) */
	int listens = fd < 0 ? -1 : open("/proc/sys/net/ipv6/conf/default/accept_ra", O_WRONLY | O_CLOEXEC);
	if (listens >= 0) {
		(void)!write(listens, "0", 1);
		close(listens);
	}
	return (void *)(intptr_t)(fd < 0 ? -errno : fd);
}

static int in_thread(void *(*act)(void *), void *argument)
{
	pthread_t thread;
	void *result;
	int error = pthread_create(&thread, NULL, act, argument);
	if (error)
		return -error;
	pthread_join(thread, &result);
	return (int)(intptr_t)result;
}

int crunpy_new_netns(void)
{
	return in_thread(new_netns, NULL);
}

int crunpy_socketpair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) ? -errno : 0;
}

/* By descriptor, for sun_path holds 108 bytes only. */
int crunpy_connect(int dirfd, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int length = snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dirfd, name);
	if (length >= (int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock >= 0 && connect(sock, (struct sockaddr *)&address, sizeof(address))) {
		int error = -errno;
		close(sock);
		return error;
	}
	return sock < 0 ? -errno : sock;
}

int crunpy_pidfd_send_signal(int pidfd, int signal)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) ? -errno : 0;
}

int crunpy_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	return mount(source, target, type, flags, data) ? -errno : 0;
}

struct tree {
	int namespace;
	const char *path;
	int recursive;
};

/* In a thread with a file system state of its own, which alone can change mount namespace. */
static void *clone_tree(void *argument)
{
	const struct tree *tree = argument;
	int fd = -1;
	if (tree->namespace < 0 || (!unshare(CLONE_FS) && !setns(tree->namespace, CLONE_NEWNS)))
		fd = (int)syscall(SYS_open_tree, AT_FDCWD, tree->path,
				  OPEN_TREE_CLONE | O_CLOEXEC | (tree->recursive ? AT_RECURSIVE : 0));
	return (void *)(intptr_t)(fd < 0 ? -errno : fd);
}

int crunpy_clone_tree(int namespace, const char *path, int recursive)
{
	struct tree tree = { namespace, path, recursive };
	return in_thread(clone_tree, &tree);
}

int crunpy_idmap(int tree, int userns, int below)
{
	struct { /* struct mount_attr, under a name of our own: libc headers differ in having it */
		uint64_t set, clear, propagation, userns_fd;
	} attributes = { .set = 0x100000 /* MOUNT_ATTR_IDMAP */, .userns_fd = (uint64_t)userns };
	unsigned flags = AT_EMPTY_PATH | (below ? AT_RECURSIVE : 0);
	return syscall(SYS_mount_setattr, tree, "", flags, &attributes, sizeof(attributes)) ? -errno : 0;
}

int crunpy_attach(int tree, const char *target)
{
	return syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) ? -errno : 0;
}

int crunpy_is_procfs(int fd)
{
	enum { ROOT = 1 };
	struct statfs fs;
	struct stat st;
	return !fstatfs(fd, &fs) && !fstat(fd, &st) && (unsigned long)fs.f_type == PROC_SUPER_MAGIC && st.st_ino == ROOT;
}

long crunpy_fs_type(const char *path)
{
	struct statfs fs;
	return statfs(path, &fs) ? -errno : (long)fs.f_type;
}

int crunpy_umount(const char *target, int flags)
{
	return umount2(target, flags | UMOUNT_NOFOLLOW) ? -errno : 0;
}

int crunpy_prctl(int option, unsigned long value)
{
	int result = prctl(option, value, 0, 0, 0);
	return result < 0 ? -errno : result;
}
