/* untar_inner.h: what untar.c (the tar stream) and untar_tree.c (the tree) share. */
#ifndef CRUNPY_UNTAR_INNER_H
#define CRUNPY_UNTAR_INNER_H

#include "untar.h"

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define BLOCK 512
#define PATH_LIMIT 4096
#define DEPTH_LIMIT 256
#define META_LIMIT (1 << 20)    /* one PAX or GNU long name header */
#define RECORDS_LIMIT (32 << 20) /* names of directories kept until the end */

struct buffer {
	char *data;
	size_t used, size;
};

enum state { HEADER, META, DATA, SKIP, PADDING, END };

struct entry {
	char path[PATH_LIMIT], link[PATH_LIMIT]; /* normalised: no leading "/", "." or ".." */
	const char *name;			  /* last component of path */
	char type;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t size;
	struct timespec mtime;
	dev_t device;
};

struct record { /* of a directory, in front of its path */
	mode_t mode;
	int implied;
	struct timespec mtime;
	size_t length;
};

struct untar {
	int root, parent, file, code, zero_blocks;
	unsigned flags;
	long long bytes, max_bytes, entries, max_entries;
	enum state state;
	char block[BLOCK];
	size_t have, padding;
	uint64_t left;
	char meta_type;
	struct buffer meta, path, link, xattrs, records, fixups, markers, implied;
	int has_size, has_uid, has_gid, has_mtime; /* PAX overrides of the next entry */
	int used_overrides; /* forgotten at the next header: they belong to the last entry */
	uint64_t size, uid, gid;
	struct timespec mtime;
	char parent_path[PATH_LIMIT];
	struct entry entry;
	char error[PATH_LIMIT + 512];
};

/* untar.c: set the error and return it */
int untar_fail(struct untar *u, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int untar_fail_os(struct untar *u, const char *doing);
int untar_append(struct untar *u, struct buffer *b, const void *data, size_t n);

/* untar_tree.c: add u->entry to the tree; a file with content is left open in u->file */
int untar_add_entry(struct untar *u);
int untar_close_file(struct untar *u);
int untar_mark_implied(struct untar *u, int fd);
int untar_describe_directories(struct untar *u);
void untar_forget_parent(struct untar *u);

#endif
