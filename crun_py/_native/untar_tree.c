/* untar_tree.c: what each kind of entry does to the tree.  Runs in the CLI process.
 *
 * No name of the archive is ever resolved by the host's rules: parents are opened with
 * openat2(RESOLVE_IN_ROOT), the last component never follows a link, and metadata goes
 * through descriptors.  Nobody else writes to the tree, which is in a private directory. */
#define _GNU_SOURCE
#include "untar_inner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define WRITEBACK_BYTES (256 << 10)
#define IMPLIED_MODE (S_ISVTX | 0700) /* marks a directory that no entry described so far */

static int open_resolved(int root, const char *path, int flags, unsigned resolve)
{
	struct open_how how = { .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC), .resolve = resolve };
	long fd = -1;

	/* EAGAIN: a rename elsewhere on the host raced with a ".." of a link, openat2(2) */
	for (int tries = 0; tries < 100; tries++) {
		fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

int crunpy_open_in_root(int root, const char *path, int flags)
{
	return open_resolved(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int crunpy_open_beneath(int directory, const char *path, int flags)
{
	return open_resolved(directory, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

void crunpy_start_writeback(int fd, long long offset, long long n)
{
	sync_file_range(fd, offset, n, SYNC_FILE_RANGE_WRITE);
}

int crunpy_syncfs(int fd)
{
	return syncfs(fd) ? -errno : 0;
}

/* ---- the remembered parent ---- */

void untar_forget_parent(struct untar *u)
{
	if (u->parent >= 0 && u->parent != u->root)
		close(u->parent);
	u->parent = -1;
}

static void remember_parent(struct untar *u, int fd, const char *path, size_t length)
{
	untar_forget_parent(u);
	u->parent = fd;
	memmove(u->parent_path, path, length);
	u->parent_path[length] = 0;
}

/* ---- the tree ---- */

static int remove_tree(int parent, const char *name)
{
	int fd = openat(parent, name, DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;
	int failed = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while (!failed && (d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (unlinkat(fd, d->d_name, 0))
			failed = remove_tree(fd, d->d_name);
	}
	closedir(dir);
	return failed ? -1 : unlinkat(parent, name, AT_REMOVEDIR);
}

/* Makes way for an entry. */
static int make_way(struct untar *u, int parent, const char *name)
{
	struct stat st;
	int failed;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW))
		return untar_fail_os(u, "replacing");
	failed = S_ISDIR(st.st_mode) ? remove_tree(parent, name) : unlinkat(parent, name, 0);
	if (failed)
		return untar_fail_os(u, "replacing");
	/* the remembered parent may have been reached through what is gone */
	if (parent == u->parent)
		u->parent_path[0] = '/';
	else
		untar_forget_parent(u);
	return 0;
}

static int record(struct untar *u, const char *path, size_t length, const struct record *r)
{
	return untar_append(u, &u->records, r, sizeof *r) || untar_append(u, &u->records, path, length + 1)
		       ? u->code
		       : 0;
}

/* A directory below `at`, made if need be: the component that ends at path[length]. */
static int step_into(struct untar *u, int at, const char *path, size_t start, size_t length)
{
	struct record implied = {.mode = 0755, .implied = 1, .length = length};
	char upto[PATH_LIMIT];
	int fd;

	memcpy(upto, path, length);
	upto[length] = 0;
	fd = openat(at, upto + start, DIRECTORY);
	if (fd >= 0)
		return fd;
	if (errno == ELOOP || errno == ENOTDIR) {
		fd = crunpy_open_in_root(u->root, upto, O_RDONLY | O_DIRECTORY);
		if (fd >= 0)
			return fd;
		if (make_way(u, at, upto + start))
			return u->code;
	} else if (errno != ENOENT) {
		return untar_fail_os(u, "opening the directory above");
	}
	if (mkdirat(at, upto + start, IMPLIED_MODE))
		return untar_fail_os(u, "creating the directory above");
	fd = openat(at, upto + start, DIRECTORY);
	if (fd < 0)
		return untar_fail_os(u, "opening the directory above");
	if (record(u, upto, length, &implied)) {
		close(fd);
		return u->code;
	}
	return fd;
}

/* The directory of `path`, made if need be and `make`; *name is its last component.
 * The descriptor belongs to the cache.  -ENOENT without `make` sets no error. */
static int parent_of(struct untar *u, const char *path, const char **name, int make)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;
	char dir[PATH_LIMIT];
	int fd;

	*name = slash ? slash + 1 : path;
	if (!length) {
		remember_parent(u, u->root, "", 0);
		return u->root;
	}
	if (u->parent >= 0 && strlen(u->parent_path) == length &&
	    !memcmp(path, u->parent_path, length))
		return u->parent;
	memcpy(dir, path, length);
	dir[length] = 0;
	fd = crunpy_open_in_root(u->root, dir, O_RDONLY | O_DIRECTORY);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP) {
		if (!make)
			return -ENOENT;
		untar_forget_parent(u);
		fd = u->root;
		for (size_t start = 0, end; start < length; start = end + 1) {
			int next;

			end = start + strcspn(dir + start, "/");
			next = step_into(u, fd, dir, start, end);
			if (fd != u->root)
				close(fd);
			if (next < 0)
				return next;
			fd = next;
		}
	} else if (fd < 0) {
		errno = -fd;
		return untar_fail_os(u, "opening the directory above");
	}
	remember_parent(u, fd, dir, length);
	return fd;
}

/* ---- metadata ---- */

static int set_xattrs(struct untar *u, int fd)
{
	for (size_t at = 0; at < u->xattrs.used;) {
		const char *name = u->xattrs.data + at;
		size_t length;

		at += strlen(name) + 1;
		memcpy(&length, u->xattrs.data + at, sizeof length);
		at += sizeof length;
		/* ENOTSUP: a store without extended attributes, as podman and docker take it */
		if (fsetxattr(fd, name, u->xattrs.data + at, length, 0) && errno != ENOTSUP)
			return untar_fail_os(u, name);
		at += length;
	}
	return 0;
}

/* Owner and mode are looked at first: what the kernel made right costs no journal entry. */
static int set_owner(struct untar *u, int fd, const struct stat *st)
{
	const struct entry *e = &u->entry;

	if (st->st_uid == e->uid && st->st_gid == e->gid)
		return 0;
	if (!fchownat(fd, "", e->uid, e->gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return 0;
	if (errno == EINVAL)
		return untar_fail(u, EOVERFLOW, "owner %u:%u is not mapped", e->uid, e->gid);
	return untar_fail_os(u, "changing the owner");
}

static int set_times(struct untar *u, int fd, const struct timespec *mtime)
{
	struct timespec times[2] = {*mtime, *mtime};

	return futimens(fd, times) ? untar_fail_os(u, "setting the time") : 0;
}

int untar_close_file(struct untar *u)
{
	int fd = u->file;
	struct stat st;

	u->file = -1;
	if (fstat(fd, &st)) {
		untar_fail_os(u, "reading the owner");
	} else if (!set_owner(u, fd, &st) && !set_xattrs(u, fd)) {
		/* chown clears setuid bits and capabilities, so it came first */
		if ((st.st_mode & 07777) != u->entry.mode && fchmod(fd, u->entry.mode))
			untar_fail_os(u, "changing the mode");
		else
			set_times(u, fd, &u->entry.mtime);
	}
	if (u->entry.size >= WRITEBACK_BYTES)
		crunpy_start_writeback(fd, 0, 0);
	if (close(fd) && !u->code)
		untar_fail_os(u, "closing");
	return u->code;
}

/* Owner, mode and time of what cannot be opened: links, fifos and devices. */
static int describe_node(struct untar *u, int parent)
{
	const struct entry *e = &u->entry;
	struct timespec times[2] = {e->mtime, e->mtime};
	char path[64];
	struct stat st;
	int fd = openat(parent, e->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return untar_fail_os(u, "opening");
	if (fstat(fd, &st))
		untar_fail_os(u, "reading the owner");
	else
		set_owner(u, fd, &st);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (!u->code && e->type != '2' && chmod(path, e->mode))
		untar_fail_os(u, "changing the mode");
	close(fd);
	if (!u->code && utimensat(parent, e->name, times, AT_SYMLINK_NOFOLLOW))
		untar_fail_os(u, "setting the time");
	return u->code;
}

/* ---- one function per kind of entry ---- */

static int add_file(struct untar *u, int parent)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	const struct entry *e = &u->entry;
	/* mostly right at once; setuid waits for the owner */
	mode_t mode = e->mode & 0777;

	u->file = openat(parent, e->name, flags, mode);
	if (u->file < 0 && errno == EEXIST) {
		if (make_way(u, parent, e->name) < 0)
			return u->code;
		u->file = openat(parent, e->name, flags, mode);
	}
	if (u->file < 0)
		return untar_fail_os(u, "creating");
	return e->size ? 0 : untar_close_file(u);
}

static int describe_directory(struct untar *u, int fd)
{
	const struct entry *e = &u->entry;
	struct record r = {.mode = e->mode, .mtime = e->mtime, .length = strlen(e->path)};
	struct stat st;

	if (fstat(fd, &st))
		return untar_fail_os(u, "reading the owner");
	if (set_owner(u, fd, &st) || set_xattrs(u, fd))
		return u->code;
	if ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700))
		return untar_fail_os(u, "changing the mode");
	return record(u, e->path, r.length, &r);
}

static int add_directory(struct untar *u, int parent)
{
	const struct entry *e = &u->entry;
	struct stat st;
	int fd;

	if (mkdirat(parent, e->name, 0700)) {
		if (errno != EEXIST || fstatat(parent, e->name, &st, AT_SYMLINK_NOFOLLOW))
			return untar_fail_os(u, "creating");
		if (!S_ISDIR(st.st_mode)) {
			if (make_way(u, parent, e->name))
				return u->code;
			if (mkdirat(parent, e->name, 0700))
				return untar_fail_os(u, "creating");
		}
	}
	fd = openat(parent, e->name, DIRECTORY);
	if (fd < 0)
		return untar_fail_os(u, "opening");
	describe_directory(u, fd);
	/* its files come next */
	remember_parent(u, fd, e->path, strlen(e->path));
	return u->code;
}

static int add_node(struct untar *u, int parent)
{
	const struct entry *e = &u->entry;

	for (int again = 0;; again++) {
		int failed = e->type == '2'
				     ? symlinkat(u->link.data, parent, e->name)
				     : mknodat(parent, e->name,
					       (e->type == '3'	 ? S_IFCHR
						: e->type == '4' ? S_IFBLK
								 : S_IFIFO) | 0600,
					       e->device);
		if (!failed)
			return describe_node(u, parent);
		if (errno != EEXIST || again)
			return untar_fail_os(u, "creating");
		if (make_way(u, parent, e->name) < 0)
			return u->code;
	}
}

static int add_hard_link(struct untar *u)
{
	const struct entry *e = &u->entry;
	const char *to, *name;
	int parent, from;
	struct stat st, old;

	from = parent_of(u, e->link, &to, 0);
	if (from < 0 && from != -ENOENT)
		return from;
	if (from == -ENOENT || fstatat(from, to, &st, AT_SYMLINK_NOFOLLOW)) {
		/* the directory is made now, so that it is fixed up before the link */
		if (parent_of(u, e->path, &name, 1) < 0)
			return u->code;
		if (untar_append(u, &u->fixups, "L", 2) ||
		    untar_append(u, &u->fixups, e->path, strlen(e->path) + 1))
			return u->code;
		return untar_append(u, &u->fixups, e->link, strlen(e->link) + 1);
	}
	if (S_ISDIR(st.st_mode))
		return untar_fail(u, EBADMSG, "hard link to a directory, which is not a file");
	from = from == u->root ? u->root : fcntl(from, F_DUPFD_CLOEXEC, 0);
	if (from < 0)
		return untar_fail_os(u, "opening the link's target");
	parent = parent_of(u, e->path, &name, 1);
	if (parent >= 0 && linkat(from, to, parent, name, 0)) {
		bool failed = errno != EEXIST || fstatat(parent, name, &old, AT_SYMLINK_NOFOLLOW);
		if (!failed && (old.st_ino != st.st_ino || old.st_dev != st.st_dev))
			failed = make_way(u, parent, name) >= 0 && linkat(from, to, parent, name, 0);
		if (failed)
			untar_fail_os(u, "linking");
	}
	if (from != u->root)
		close(from);
	return u->code;
}

/* A marker makes nothing here: what it means depends on the layers below (oci/lower.py). */
static int mark(struct untar *u, const char *kind, const char *directory, size_t length, const char *name)
{
	const char *slash = length && *name ? "/" : "";

	return untar_append(u, &u->markers, kind, 2) || untar_append(u, &u->markers, directory, length) ||
			       untar_append(u, &u->markers, slash, strlen(slash)) ||
			       untar_append(u, &u->markers, name, strlen(name) + 1)
		       ? u->code
		       : 0;
}

/* image-spec, layer.md, "Whiteouts"; other ".wh..wh." names are aufs's own and mean nothing. */
static int add_marker(struct untar *u)
{
	const struct entry *e = &u->entry;
	const char *hidden = e->name + 4;
	size_t length = (size_t)(e->name - e->path);

	length -= length > 0; /* the slash */
	if (strstr(e->path, "/.wh..wh.") || !strncmp(e->path, ".wh..wh.", 8))
		return strcmp(e->name, ".wh..wh..opq") ? 0 : mark(u, "O", e->path, length, "");
	if (strncmp(e->name, ".wh.", 4) != 0)
		return untar_fail(u, EBADMSG, "entry below a whiteout");
	if (!*hidden || !strcmp(hidden, ".") || !strcmp(hidden, ".."))
		return untar_fail(u, EBADMSG, "whiteout of no valid name");
	return mark(u, "W", e->path, length, hidden);
}

int untar_add_entry(struct untar *u)
{
	struct entry *e = &u->entry;
	int parent;

	if (!e->path[0]) {
		if (e->type != '5')
			return untar_fail(u, EBADMSG, "the root entry is not a directory");
		return describe_directory(u, u->root);
	}
	if (!strncmp(e->path, ".wh.", 4) || strstr(e->path, "/.wh."))
		return add_marker(u);
	if (e->type == '1')
		return add_hard_link(u);
	if (e->type == '3' || e->type == '4') {
		if (e->type == '3' && e->device == makedev(0, 0))
			return mark(u, "W", e->path, strlen(e->path), ""); /* overlay's own whiteout */
		if (u->flags & UNTAR_USERNS) /* the kernel allows none there */
			return 0;
	}
	parent = parent_of(u, e->path, &e->name, 1);
	if (parent < 0)
		return parent;
	if (e->type == '5')
		return add_directory(u, parent);
	return e->type == '0' ? add_file(u, parent) : add_node(u, parent);
}

/* The root has no parent to be made in. */
int untar_mark_implied(struct untar *u, int fd)
{
	return fchmod(fd, IMPLIED_MODE) ? untar_fail_os(u, "changing the mode") : 0;
}

/* Modes and times of directories, once nothing changes in them any more.  A directory that
 * kept the mark had no entry: it is reported, so that the lower layers describe it. */
int untar_describe_directories(struct untar *u)
{
	for (int implied = 1; implied >= 0; implied--) {
		for (size_t at = 0; at < u->records.used;) {
			const char *path = u->records.data + at + sizeof(struct record);
			struct record r;
			struct stat st;
			int fd;

			memcpy(&r, u->records.data + at, sizeof r);
			at += sizeof r + r.length + 1;
			if (r.implied != implied)
				continue;
			fd = crunpy_open_in_root(u->root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
			if (fd < 0) /* a later entry replaced it */
				continue;
			if (fstat(fd, &st)) {
				untar_fail_os(u, "reading a directory");
			} else if (implied && (st.st_mode & 07777) == IMPLIED_MODE) {
				if (!untar_append(u, &u->implied, "D", 2))
					untar_append(u, &u->implied, path, r.length + 1);
				if (fchmod(fd, r.mode))
					untar_fail_os(u, "changing the mode of a directory");
			} else if (!implied) {
				if (fchmod(fd, r.mode))
					untar_fail_os(u, "changing the mode of a directory");
				else
					set_times(u, fd, &r.mtime);
			}
			close(fd);
			if (u->code)
				return u->code;
		}
	}
	/* links last: their directories are described by then */
	return untar_append(u, &u->implied, u->fixups.data, u->fixups.used) ||
			       untar_append(u, &u->implied, u->markers.data, u->markers.used)
		       ? u->code
		       : 0;
}
