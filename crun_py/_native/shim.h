/* shim.h: the system calls that Python lacks, as plain functions for cffi.
 * Every function returns a negated errno on failure. */
#ifndef CRUNPY_SHIM_H
#define CRUNPY_SHIM_H

/* unshare(2) */
int crunpy_unshare(int flags);
/* setns(2) */
int crunpy_setns(int fd, int nstype);
/* Descriptor of a new network namespace; the caller stays where it is. */
int crunpy_new_netns(void);
/* socketpair(2): AF_UNIX, SOCK_SEQPACKET, close-on-exec */
int crunpy_socketpair(int fds[2]);
/* A connection to the SOCK_SEQPACKET socket NAME in the directory open as dirfd. */
int crunpy_connect(int dirfd, const char *name);
/* pidfd_send_signal(2) */
int crunpy_pidfd_send_signal(int pidfd, int signal);
/* mount(2) */
int crunpy_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data);
/* The mount at `path` of a mount namespace (-1: ours), without or with what is mounted below
 * it, as a detached mount (open_tree(2)); the caller stays where it is. */
int crunpy_clone_tree(int namespace, const char *path, int recursive);
/* A detached mount shows its files with the ids of a user namespace (mount_setattr(2)). */
int crunpy_idmap(int tree, int userns, int below);
/* move_mount(2): attach a detached mount at `target`. */
int crunpy_attach(int tree, const char *target);
/* Whether what is open as fd is a procfs's root. */
int crunpy_is_procfs(int fd);
/* f_type of statfs(2) */
long crunpy_fs_type(const char *path);
/* umount2(2) */
int crunpy_umount(const char *target, int flags);
/* prctl(2) with one argument */
int crunpy_prctl(int option, unsigned long value);
/* Close the socket `fd` without waiting for what the kernel does then: a process of nobody's, which has
 * no other descriptor and no memory of its own, closes it last. */
int crunpy_close_later(int fd);
/* What lies in the directory open as `fd`, and comes there later, belongs to project `id` and may take
 * `bytes` in all: quotactl_fd(2), FS_IOC_FSSETXATTR. */
int crunpy_limit_tree(int fd, unsigned id, unsigned long long bytes);
/* The eBPF program of `instructions` (8 bytes each) says which devices the processes of the cgroup open
 * as `cgroup` may open and make: bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE. */
int crunpy_filter_devices(int cgroup, const char *program, unsigned instructions);
/* Execute `program` as nobody's child, in a session of its own, its standard streams /dev/null but
 * for the errors, which go to the socket `control` (also 3); 4 is the pidfd `caller`.  Returns a
 * pidfd.  (worker.c) */
int crunpy_spawn(const char *program, char **argv, char **envp, int control, int caller);

#endif
