/* untar.h: unpacks the tar stream of a layer below a directory, as overlay wants it.
 *
 * The stream is pushed in pieces of any size.  Functions that can fail return a negated
 * errno: EBADMSG (malformed or hostile), E2BIG (over a limit), EOVERFLOW (an owner that
 * the user namespace does not map), or what the kernel said.  Once failed, always failed. */
#ifndef CRUNPY_UNTAR_H
#define CRUNPY_UNTAR_H

#include <stddef.h>

enum {
	UNTAR_USERNS = 1, /* devices are left out */
	UNTAR_ONE_ID = 2, /* whatever the archive says, all files are root's */
};

struct untar;

/* dirfd stays the caller's and must outlive the unpacker.  NULL: out of memory. */
struct untar *crunpy_untar_new(int dirfd, unsigned flags, long long max_bytes,
			       long long max_entries);
int crunpy_untar_feed(struct untar *u, const char *data, size_t n);
/* The stream has ended: modes and times of directories are set now. */
int crunpy_untar_finish(struct untar *u);
/* "entry NAME: reason", "" while nothing failed. */
const char *crunpy_untar_error(const struct untar *u);
/* Bytes of file content written. */
long long crunpy_untar_bytes(const struct untar *u);
/* What only the lower layers can tell, after finish, as NUL-terminated strings:
 * "D", path: this directory had no entry, its metadata is that of the lower layers;
 * "L", path, target: this hard link's target is in a lower layer;
 * "W", path: what lower layers have there is hidden; "O", directory: all that they have in it. */
const char *crunpy_untar_fixups(const struct untar *u, size_t *n);
void crunpy_untar_free(struct untar *u);

/* openat2(2) where "/" and ".." of `path` and of every symbolic link stay below `root`. */
int crunpy_open_in_root(int root, const char *path, int flags);
/* openat2(2) of what lies below `directory`, through no symbolic link. */
int crunpy_open_beneath(int directory, const char *path, int flags);
/* Start writing `n` bytes from `offset` on to the disk, and do not wait: the syncfs at the
 * end then finds little left.  Durability is its matter, so failure is of no interest. */
void crunpy_start_writeback(int fd, long long offset, long long n);
/* syncfs(2) */
int crunpy_syncfs(int fd);

#endif
