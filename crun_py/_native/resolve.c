/* resolve.c: paths inside the container's root, as descriptors.  Runs in init, before
 * pivot_root, while the image's symlinks could still name the host's files. */
#define _GNU_SOURCE
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int resolve_open(int root, const char *path, int flags)
{
	struct open_how how = { .flags = (unsigned)flags | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	for (int tries = 0; tries < 128; tries++) {
		int fd = (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
		if (fd >= 0)
			return fd;
		if (errno != EAGAIN) /* EAGAIN: a rename raced with the `..` check */
			return -errno;
	}
	return -EAGAIN;
}

enum { MOST_LINKS = 40 }; /* as path_resolution(7) has it */
static int followed;	  /* dangling links, for the path that is made now */
static int make(int root, const char *path, bool file);

/* As `make`, where `path` is a dangling link: what it leads to.  That is a path in `root`, whose other
 * components are looked up again.  A function of its own for its buffers: the way here is a recursion. */
static int make_behind_link(int root, const char *path, bool file)
{
	char link[PATH_MAX], target[PATH_MAX];
	const char *name;
	if (followed++ == MOST_LINKS)
		return -ELOOP;
	int parent = resolve_parent(root, path, &name);
	if (parent < 0)
		return parent;
	ssize_t n = readlinkat(parent, name, link, sizeof(link) - 1);
	int error = n < 0 ? -errno : 0;
	close(parent);
	if (error)
		return error == -EINVAL ? -EEXIST : error; /* it is no link */
	link[n] = '\0';
	size_t above = *link == '/' ? 0 : strlen(path);
	while (above && path[above - 1] == '/')
		above--;
	while (above && path[above - 1] != '/')
		above--;
	if (snprintf(target, sizeof(target), "%.*s%s", (int)above, path, link) >= (int)sizeof(target))
		return -ENAMETOOLONG;
	return make(root, target, file);
}

/* Open directory `path` as resolved in `root`, making what is missing of it. */
static int enter_directory(int root, const char *path)
{
	int fd = resolve_open(root, path, O_PATH | O_DIRECTORY);
	if (fd != -ENOENT)
		return fd;
	const char *name;
	int parent = resolve_parent(root, path, &name);
	if (parent < 0)
		return parent;
	int made = mkdirat(parent, name, 0755) ? -errno : 0;
	close(parent);
	if (made < 0 && made != -EEXIST)
		return made;
	fd = resolve_open(root, path, O_PATH | O_DIRECTORY);
	return fd == -ENOENT ? make_behind_link(root, path, false) : fd;
}

int resolve_parent(int root, const char *path, const char **name)
{
	char parent[PATH_MAX];
	size_t len = strlen(path);
	while (len && path[len - 1] == '/')
		len--;
	size_t at = len;
	while (at && path[at - 1] != '/')
		at--;
	static char last[NAME_MAX + 1];
	if (len == at || len - at > NAME_MAX || at >= sizeof(parent))
		return len == at ? -EINVAL : -ENAMETOOLONG;
	memcpy(parent, path, at);
	while (at && parent[at - 1] == '/')
		at--;
	parent[at] = '\0';
	int fd = at ? enter_directory(root, parent) : fcntl(root, F_DUPFD_CLOEXEC, 3);
	if (fd < 0 && !at)
		fd = -errno;
	/* after the recursion above, which uses the same buffer */
	size_t start = len;
	while (start && path[start - 1] != '/')
		start--;
	memcpy(last, path + start, len - start);
	last[len - start] = '\0';
	*name = last;
	return fd;
}

static int make(int root, const char *path, bool file)
{
	int fd = resolve_open(root, path, O_PATH);
	if (fd != -ENOENT)
		return fd;
	if (!file)
		return enter_directory(root, path);
	const char *name;
	int parent = resolve_parent(root, path, &name);
	if (parent < 0)
		return parent;
	int made = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
	int error = made < 0 ? -errno : 0;
	close(parent);
	if (made >= 0)
		close(made);
	if (error == -EEXIST) /* systemd-resolved's resolv.conf is one */
		return make_behind_link(root, path, file);
	return error ? error : resolve_open(root, path, O_PATH);
}

int resolve_create(int root, const char *path, bool file)
{
	followed = 0;
	return make(root, path, file);
}

int resolve_directory(int root, const char *path)
{
	struct stat st;
	const char *name;
	int target = resolve_create(root, path, false);
	if (target < 0)
		return target;
	int parent = resolve_parent(root, path, &name);
	int error = parent < 0 ? parent : fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
	if (!error && !S_ISDIR(st.st_mode))
		error = -ENOTDIR;
	if (parent >= 0)
		close(parent);
	if (error)
		close(target);
	return error ? error : target;
}
