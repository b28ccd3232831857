/* devices.c: device nodes.  Runs in init.
 *
 * A container gets nodes of its own, so that what it does to their modes and owners stays with it.
 * They are made in a tmpfs that nobody else sees and bound one by one from there: everything else
 * in a container is mounted nodev. */
#define _GNU_SOURCE
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* fsopen(2), fsconfig(2), fsmount(2), which musl and older glibc have no wrapper for */
enum { FS_STRING = 1, FS_CREATE = 6, FSOPEN_CLOSE = 1, FSMOUNT_CLOSE = 1 };
enum { ATTR_RDONLY = 1, ATTR_NOSUID = 2, ATTR_NOEXEC = 8 };

enum { NOT_YET = -1, NOT_ALLOWED = -2 };

/* The tmpfs is attached on top of the root that is being made, where only a descriptor leads: a
 * detached one cannot be cloned from before Linux 6.15. */
static int open_workshop(struct init *init)
{
	int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOSE);
	if (fs < 0)
		return -errno;
	int error = 0;
	if (init->label && syscall(SYS_fsconfig, fs, FS_STRING, "context", init->label, 0))
		error = -errno;
	if (!error && syscall(SYS_fsconfig, fs, FS_CREATE, NULL, NULL, 0))
		error = -errno;
	int tree = error ? error : (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOSE, ATTR_NOSUID | ATTR_NOEXEC);
	if (tree < 0 && !error)
		error = -errno;
	close(fs);
	if (!error)
		error = attach_tree(tree, init->root);
	if (error && tree >= 0)
		close(tree);
	if (!error)
		init->workshop = tree;
	return error;
}

static void leave_workshop(struct init *init)
{
	if (!fchdir(init->workshop))
		(void)umount2(".", MNT_DETACH);
	(void)!chdir("/");
	close(init->workshop);
	init->workshop = NOT_YET;
}

int step_clear(struct init *init, const struct step *s)
{
	(void)s;
	if (init->workshop >= 0)
		leave_workshop(init);
	return 0;
}

/* A new node, as a descriptor of it in the workshop; -EPERM where none can be made: in a user
 * namespace, without CAP_MKNOD. */
static int make_node(struct init *init, const struct stat *like)
{
	char name[16];
	if (init->workshop == NOT_ALLOWED)
		return -EPERM;
	int error = init->workshop == NOT_YET ? open_workshop(init) : 0;
	if (error)
		return error;
	snprintf(name, sizeof(name), "%d", init->n_nodes++);
	if (mknodat(init->workshop, name, like->st_mode, like->st_rdev)) {
		error = -errno;
		if (error == -EPERM) {
			leave_workshop(init);
			init->workshop = NOT_ALLOWED;
		}
		return error;
	}
	int fd = openat(init->workshop, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if ((like->st_uid || like->st_gid) && fchownat(fd, "", like->st_uid, like->st_gid, AT_EMPTY_PATH)) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

/* The host's node at `path`, which must be the device `rdev` unless that is 0. */
static int host_node(const char *path, mode_t type, dev_t rdev, struct stat *found)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	bool node = !fstat(fd, found) && (S_ISCHR(found->st_mode) || S_ISBLK(found->st_mode));
	if (node && (!rdev || ((found->st_mode & S_IFMT) == type && found->st_rdev == rdev)))
		return fd;
	close(fd);
	return -ENODEV;
}

int step_device(struct init *init, const struct step *s)
{
	struct stat like = { .st_mode = (mode_t)s->a, .st_rdev = (dev_t)s->b };
	like.st_uid = (uid_t)s->c;
	like.st_gid = (gid_t)((uint64_t)s->c >> 32);
	bool known = s->a != 0;
	uint64_t set = 0;
	int host = -1, node;
	if (!known && (host = host_node(step_str(s, 0), 0, 0, &like)) < 0)
		return host;
	node = make_node(init, &like);
	if (node == -EPERM) { /* the host's, which nothing can be changed of through a read-only mount */
		set = ATTR_RDONLY | ATTR_NOSUID | ATTR_NOEXEC;
		node = host >= 0 ? host : host_node(step_str(s, 0), like.st_mode & S_IFMT, like.st_rdev, &like);
		host = -1;
	}
	int target = node < 0 ? node : resolve_create(init->root, step_str(s, 1), true);
	int error = target < 0 ? target : bind_fd(node, target, set, MS_PRIVATE, false);
	if (host >= 0)
		close(host);
	if (node >= 0)
		close(node);
	if (target >= 0)
		close(target);
	return error;
}

int bind_null(struct init *init, int target)
{
	struct stat null = { .st_mode = S_IFCHR | 0666, .st_rdev = makedev(1, 3) };
	int node = make_node(init, &null);
	if (node == -EPERM) /* the host's must be the real one (CVE-2025-31133) */
		node = host_node("/dev/null", S_IFCHR, makedev(1, 3), &null);
	if (node < 0)
		return node;
	int error = bind_fd(node, target, ATTR_RDONLY | ATTR_NOSUID | ATTR_NOEXEC, MS_PRIVATE, false);
	close(node);
	return error;
}
