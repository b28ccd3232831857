/* mounts.c: the steps about the file system.  Runs in init.
 *
 * Until OP_PIVOT the host's tree is still /, and whatever the image or a sibling
 * container put into the new root must not lead there: every target is a descriptor from
 * resolve.c, and mounts are attached by descriptor (open_tree, move_mount). */
#define _GNU_SOURCE
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
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
#ifndef MOVE_MOUNT_T_EMPTY_PATH
#define MOVE_MOUNT_T_EMPTY_PATH 0x40
#endif

/* mount_setattr(2)'s argument under a name of our own: libc headers differ in having it */
struct attributes {
	uint64_t set, clear, propagation, userns_fd;
};

/* mount(2) on the directory open as `target`, which needs no /proc to be named. */
static int mount_on(int target, const char *source, const char *type, unsigned long flags, const char *data)
{
	if (fchdir(target))
		return -errno;
	int error = mount(source, ".", type, flags, data) ? -errno : 0;
	return chdir("/") && !error ? -errno : error;
}

static int clone_tree(int fd, bool recursive)
{
	int tree = (int)syscall(SYS_open_tree, fd, "",
				OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0));
	return tree < 0 ? -errno : tree;
}

int attach_tree(int tree, int target)
{
	return syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) ?
		       -errno :
		       0;
}

static int change_attributes(int fd, struct attributes attributes, bool recursive)
{
	return syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attributes,
		       sizeof(attributes)) ?
		       -errno :
		       0;
}

static int set_attributes(int fd, uint64_t set, uint64_t propagation, bool recursive)
{
	int error = 0;
	uint64_t every = set & ~RDONLY_TOP;
	if (every || propagation)
		error = change_attributes(fd, (struct attributes){ .set = every, .propagation = propagation },
					  recursive);
	if (!error && every != set)
		error = change_attributes(fd, (struct attributes){ .set = MS_RDONLY }, false);
	return error;
}

int bind_fd(int source, int target, uint64_t set, uint64_t propagation, bool recursive)
{
	int tree = clone_tree(source, recursive);
	if (tree < 0)
		return tree;
	int error = set || propagation ? set_attributes(tree, set, propagation, recursive) : 0;
	if (!error)
		error = attach_tree(tree, target);
	close(tree);
	return error;
}

int step_propagation(struct init *init, const struct step *s)
{
	(void)init;
	return mount(NULL, "/", NULL, (unsigned long)s->a, NULL) ? -errno : 0;
}

/* Layers are named by descriptor numbers relative to /proc/self/fd: mount(2) takes one page
 * of options, and 127 layers with their paths do not fit. */
int step_overlay(struct init *init, const struct step *s)
{
	char options[4096];
	int used = snprintf(options, sizeof(options), "%s%slowerdir=", step_str(s, 1), s->s[1].len ? "," : "");
	int dirs[2] = { -1, -1 };
	for (uint32_t i = 4; i < s->n; i++) {
		int fd = open(s->s[i].p, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		used += snprintf(options + used, sizeof(options) - (size_t)used, i > 4 ? ":%d" : "%d", fd);
		if (used >= (int)sizeof(options) - 64)
			return -E2BIG;
	}
	for (int i = 0; i < 2 && s->s[2].len; i++) {
		dirs[i] = open(step_str(s, 2 + (uint32_t)i), O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dirs[i] < 0)
			return -errno;
	}
	if (dirs[0] >= 0)
		snprintf(options + used, sizeof(options) - (size_t)used, ",upperdir=%d,workdir=%d", dirs[0], dirs[1]);
	if (chdir("/proc/self/fd") || mount("overlay", s->s[0].p, "overlay", (unsigned long)s->a, options) || chdir("/"))
		return -errno;
	init->root = open(s->s[0].p, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return init->root < 0 ? -errno : 0;
}

int step_bindroot(struct init *init, const struct step *s)
{
	int directory = open(s->s[0].p, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return -errno;
	uint64_t propagation = s->c ? (uint64_t)s->c : MS_PRIVATE;
	int error = bind_fd(directory, directory, (uint64_t)s->a, propagation, true);
	close(directory);
	if (error)
		return error;
	init->root = open(s->s[0].p, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return init->root < 0 ? -errno : 0;
}

/* A mount that was prepared outside, where more is allowed: layers with mapped ids, the
 * /dev/shm of another container. */
int step_attach(struct init *init, const struct step *s)
{
	struct stat st;
	bool becomes_root = s->b & 1;
	if (fstat((int)s->a, &st))
		return -errno;
	int target = becomes_root ? open(step_str(s, 0), O_PATH | O_DIRECTORY | O_CLOEXEC) :
				    resolve_create(init->root, step_str(s, 0), !S_ISDIR(st.st_mode));
	if (target < 0)
		return becomes_root ? -errno : target;
	uint64_t set = (uint64_t)s->b >> 1;
	int error = set || s->c ? set_attributes((int)s->a, set, (uint64_t)s->c, true) : 0;
	if (!error)
		error = attach_tree((int)s->a, target);
	close(target);
	if (error || !becomes_root)
		return error;
	init->root = open(step_str(s, 0), O_PATH | O_DIRECTORY | O_CLOEXEC);
	return init->root < 0 ? -errno : 0;
}

/* The options of a tmpfs: it is like the directory that it covers, where the plan says no more. */
static int tmpfs_options(struct init *init, const struct step *s, char *out, size_t size)
{
	struct stat st;
	int used = snprintf(out, size, "%s", step_str(s, 3));
	int covered = resolve_open(init->root, step_str(s, 1), O_PATH | O_DIRECTORY);
	if (covered < 0 || fstat(covered, &st)) /* nothing: the kernel's, for everybody */
		st = (struct stat){ .st_mode = 01777 };
	if (covered >= 0)
		close(covered);
	const char *comma = used ? "," : "";
	if (s->c & 1)
		used += snprintf(out + used, size - (size_t)used, "%smode=%o", comma, st.st_mode & 07777);
	if (s->c & 2)
		used += snprintf(out + used, size - (size_t)used, ",uid=%u", st.st_uid);
	if (s->c & 4)
		used += snprintf(out + used, size - (size_t)used, ",gid=%u", st.st_gid);
	return used < (int)size - 64 ? 0 : -E2BIG;
}

/* The label of a file system that has no mount option for it. */
static int label_root(struct init *init, const char *name)
{
	int root = resolve_open(init->root, name, O_RDONLY | O_DIRECTORY);
	if (root < 0)
		return root;
	int error = fsetxattr(root, "security.selinux", init->label, strlen(init->label), 0) ? -errno : 0;
	close(root);
	return error;
}

/* Flags for a mount that is there, of a file perhaps; the file system is left as it is. */
static int change_mount(struct init *init, const struct step *s)
{
	int target = resolve_open(init->root, step_str(s, 1), O_PATH);
	if (target < 0)
		return target;
	int error = set_attributes(target, (uint64_t)s->a & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC), 0, false);
	close(target);
	return error;
}

int step_mount(struct init *init, const struct step *s)
{
	char options[4096];
	const char *data = s->n > 3 && s->s[3].len ? s->s[3].p : NULL;
	if (s->c) {
		if (s->s[3].len > sizeof(options) - 128 || tmpfs_options(init, s, options, sizeof(options)))
			return -E2BIG;
		data = options;
	}
	if (s->a & MS_REMOUNT && s->a & MS_BIND)
		return change_mount(init, s);
	int target = resolve_directory(init->root, step_str(s, 1));
	if (target < 0)
		return target;
	int error = mount_on(target, step_str(s, 0), step_str(s, 2), (unsigned long)s->a, data);
	close(target);
	if (!error && s->b & 2)
		return label_root(init, step_str(s, 1));
	/* an optional one: a kernel without it, or a sandbox that forbids it */
	return s->b & 1 && (error == -ENODEV || error == -EPERM || error == -EBUSY) ? 0 : error;
}

int step_bind(struct init *init, const struct step *s)
{
	struct stat st;
	int source = open(step_str(s, 0), O_PATH | O_CLOEXEC);
	if (source < 0)
		return -errno;
	int target = fstat(source, &st) ? -errno : resolve_create(init->root, step_str(s, 1), !S_ISDIR(st.st_mode));
	int error = target < 0 ? target : bind_fd(source, target, (uint64_t)s->a, (uint64_t)s->c, s->b);
	close(source);
	if (target >= 0)
		close(target);
	return error;
}

int step_mkdir(struct init *init, const struct step *s)
{
	int fd = resolve_create(init->root, step_str(s, 0), false);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int step_symlink(struct init *init, const struct step *s)
{
	const char *name;
	int parent = resolve_parent(init->root, step_str(s, 1), &name);
	if (parent < 0)
		return parent;
	int error = symlinkat(step_str(s, 0), parent, name) && errno != EEXIST ? -errno : 0;
	close(parent);
	return error;
}

/* One empty read-only tmpfs serves all masked directories: a copy of it is mounted. */
static int mask_directory(struct init *init, int target, const char *name)
{
	static int empty = -1;
	if (empty >= 0)
		return bind_fd(empty, target, 0, 0, false);
	char options[512] = "size=0,nr_inodes=2,mode=555";
	size_t used = strlen(options);
	if (init->label)
		snprintf(options + used, sizeof(options) - used, ",context=\"%s\"", init->label);
	int error = mount_on(target, "tmpfs", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, options);
	if (error)
		return error;
	empty = resolve_open(init->root, name, O_PATH | O_DIRECTORY);
	return empty < 0 ? empty : 0;
}

int step_mask(struct init *init, const struct step *s)
{
	struct stat st;
	int target = resolve_open(init->root, step_str(s, 0), O_PATH);
	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return target;
	int error = fstat(target, &st) ? -errno : 0;
	if (!error && S_ISDIR(st.st_mode)) {
		error = mask_directory(init, target, step_str(s, 0));
	} else if (!error) {
		error = bind_null(init, target);
	}
	close(target);
	return error;
}

int step_readonly(struct init *init, const struct step *s)
{
	int target = resolve_open(init->root, step_str(s, 0), O_PATH);
	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return target;
	int error = bind_fd(target, target, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, 0, true);
	close(target);
	return error;
}

/* A terminal of the container's own devpts; its slave becomes stdio and /dev/console, its
 * master goes to the monitor. */
int step_terminal(struct init *init, const struct step *s)
{
	struct statfs fs;
	int unlocked = 0, slave = -1, console = -1, error = 0;
	int master = resolve_open(init->root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
	if (master < 0)
		return master;
	if (fstatfs(master, &fs) || (unsigned long)fs.f_type != DEVPTS_SUPER_MAGIC)
		error = -ENODEV;
	if (!error && ioctl(master, TIOCSPTLCK, &unlocked))
		error = -errno;
	if (!error && (slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY)) < 0)
		error = -errno;
	if (!error && (init->window.ws_row || init->window.ws_col) && ioctl(master, TIOCSWINSZ, &init->window))
		error = -errno;
	if (!error && fchown(slave, (uid_t)s->a, (gid_t)-1))
		error = -errno;
	if (!error && s->b) { /* a container of its own, not exec */
		console = resolve_create(init->root, "/dev/console", true);
		error = console < 0 ? console : bind_fd(slave, console, 0, 0, false);
	}
	/* a process that is to enter a pid namespace has yet to get a session there */
	if (!error && !s->c && ioctl(slave, TIOCSCTTY, 0))
		error = -errno;
	init->terminal = true;
	for (int fd = 0; fd < 3 && !error; fd++)
		if (dup2(slave, fd) < 0)
			error = -errno;
	if (!error)
		init_report(init, REPORT_TTY, 0, 0, master);
	close(master);
	if (slave > 2)
		close(slave);
	if (console >= 0)
		close(console);
	return error;
}

int step_pivot(struct init *init, const struct step *s)
{
	(void)s;
	char byte;
	/* once our monitor's death no longer ends us, a command must be able to find us without it */
	if (read(init->noted[0], &byte, 1) != 1)
		return -ECANCELED;
	/* pivot_root(".", ".") stacks the old root on the new one, pivot_root(2) NOTES */
	if (fchdir(init->root) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
		return -errno;
	return step_enterroot(init, s);
}

int step_enterroot(struct init *init, const struct step *s)
{
	(void)s;
	if (init->root >= 0)
		close(init->root);
	init->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return init->root < 0 ? -errno : 0;
}

int step_rootflags(struct init *init, const struct step *s)
{
	return set_attributes(init->root, (uint64_t)s->a, 0, false);
}
