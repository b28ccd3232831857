/* untar.c: reads the tar stream of a layer, pushed in pieces.  Runs in the CLI process.
 *
 * Understands ustar, GNU long names and base-256 numbers, and PAX (POSIX pax, tar(5)).
 * Everything is checked here, before untar_tree.c touches the file system. */
#define _GNU_SOURCE
#include "untar_inner.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int untar_fail(struct untar *u, int code, const char *format, ...)
{
	char why[256];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	if (u->entry.path[0])
		snprintf(u->error, sizeof u->error, "entry %s: %s", u->entry.path, why);
	else
		snprintf(u->error, sizeof u->error, "%s", why);
	return u->code = -code;
}

int untar_fail_os(struct untar *u, const char *doing)
{
	int code = errno;

	return untar_fail(u, code, "%s: %s", doing, strerror(code));
}

int untar_append(struct untar *u, struct buffer *b, const void *data, size_t n)
{
	if (b->used + n + 1 > b->size) {
		size_t size = (b->used + n + 1) * 2;
		char *grown = size > (size_t)2 * RECORDS_LIMIT ? NULL : realloc(b->data, size);

		if (!grown)
			return untar_fail(u, E2BIG, "too many names to remember");
		b->data = grown;
		b->size = size;
	}
	if (n)
		memcpy(b->data + b->used, data, n);
	b->used += n;
	b->data[b->used] = 0;
	return 0;
}

/* ---- names ---- */

/* Writes `from` to `result`, unless it fails, without leading "/", "." and empty components. */
static int normalise(struct untar *u, const char *from, size_t n, char *result)
{
	size_t used = 0, depth = 0;
	char to[PATH_LIMIT];

	to[0] = 0;
	if (memchr(from, 0, n))
		return untar_fail(u, EBADMSG, "name with a NUL byte");
	for (size_t i = 0; i < n;) {
		const char *slash = memchr(from + i, '/', n - i);
		size_t length = slash ? (size_t)(slash - from) - i : n - i;
		const char *part = from + i;

		i += length + 1;
		if (length == 0 || (length == 1 && part[0] == '.'))
			continue;
		if (length == 2 && part[0] == '.' && part[1] == '.') { /* by name, as podman takes it */
			if (!used)
				return untar_fail(u, EBADMSG, "name with a \"..\" that leads out");
			while (used && to[used - 1] != '/')
				used--;
			to[used -= used > 0] = 0;
			depth--;
			continue;
		}
		if (used + length + 2 > PATH_LIMIT || length > 255 || ++depth > DEPTH_LIMIT)
			return untar_fail(u, EBADMSG, "name too long or too deep");
		if (used)
			to[used++] = '/';
		memcpy(to + used, part, length);
		to[used += length] = 0;
	}
	memcpy(result, to, used + 1);
	return 0;
}

/* ---- numbers ---- */

/* A header field: octal text, or base 256 when the first bit is set (GNU). */
static int64_t number(struct untar *u, const char *field, size_t n)
{
	const unsigned char *p = (const unsigned char *)field;
	int64_t value = 0;
	size_t i = 0;

	if (p[0] & 0x80) {
		int negative = p[0] & 0x40;

		value = negative ? -1 : 0;
		for (i = 0; i < n; i++) {
			unsigned char byte = i ? p[i] : negative ? p[0] : (p[0] & 0x7f);

			if (value > (INT64_MAX >> 8) || value < (INT64_MIN >> 8)) {
				untar_fail(u, EBADMSG, "number out of range in the header");
				return 0;
			}
			value = (int64_t)((uint64_t)value << 8 | byte);
		}
		return value;
	}
	while (i < n && (p[i] == ' ' || p[i] == 0))
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
		value = value << 3 | (p[i] - '0');
	for (; i < n; i++)
		if (p[i] != ' ' && p[i] != 0) {
			untar_fail(u, EBADMSG, "malformed number in the header");
			return 0;
		}
	return value;
}

/* A PAX value: decimal digits only. */
static int decimal(struct untar *u, const char *text, size_t n, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9' || *value > (INT64_MAX - 9) / 10)
			return untar_fail(u, EBADMSG, "malformed number in a PAX header");
		*value = *value * 10 + (uint64_t)(text[i] - '0');
	}
	return n ? 0 : untar_fail(u, EBADMSG, "empty number in a PAX header");
}

/* A PAX time: [-]seconds[.fraction] */
static int pax_time(struct untar *u, const char *text, size_t n, struct timespec *time)
{
	int negative = n && text[0] == '-';
	const char *dot = memchr(text, '.', n);
	size_t whole = dot ? (size_t)(dot - text) : n;
	uint64_t seconds;
	long ns = 0, unit = 100000000;

	if (decimal(u, text + negative, whole - (size_t)negative, &seconds))
		return u->code;
	for (size_t i = whole + 1; i < n; i++, unit /= 10) {
		if (text[i] < '0' || text[i] > '9')
			return untar_fail(u, EBADMSG, "malformed time in a PAX header");
		ns += (text[i] - '0') * unit;
	}
	time->tv_sec = negative ? -(time_t)seconds : (time_t)seconds;
	time->tv_nsec = ns;
	if (negative && ns) {
		time->tv_sec--;
		time->tv_nsec = 1000000000 - ns;
	}
	return 0;
}

/* ---- PAX ---- */

static int set_text(struct untar *u, struct buffer *b, const char *text, size_t n)
{
	b->used = 0;
	return untar_append(u, b, text, n);
}

static int wanted_xattr(const char *name)
{
	if (!strcmp(name, "security.capability"))
		return 1;
	return !strncmp(name, "user.", 5) && strncmp(name, "user.overlay.", 13) != 0;
}

static int add_xattr(struct untar *u, const char *name, const char *value, size_t n)
{
	if (!wanted_xattr(name))
		return 0;
	return untar_append(u, &u->xattrs, name, strlen(name) + 1) ||
			       untar_append(u, &u->xattrs, &n, sizeof n) ||
			       untar_append(u, &u->xattrs, value, n)
		       ? u->code
		       : 0;
}

static int pax_keyword(struct untar *u, const char *key, const char *value, size_t n)
{
	if (!strncmp(key, "SCHILY.xattr.", 13))
		return add_xattr(u, key + 13, value, n);
	if (!strncmp(key, "GNU.sparse.", 11))
		return untar_fail(u, EBADMSG, "sparse files are not supported in layers");
	if (!strcmp(key, "path") || !strcmp(key, "linkpath")) {
		if (memchr(value, 0, n))
			return untar_fail(u, EBADMSG, "name with a NUL byte");
		return set_text(u, key[0] == 'p' ? &u->path : &u->link, value, n);
	}
	if (!strcmp(key, "size"))
		return u->has_size = 1, decimal(u, value, n, &u->size);
	if (!strcmp(key, "uid"))
		return u->has_uid = 1, decimal(u, value, n, &u->uid);
	if (!strcmp(key, "gid"))
		return u->has_gid = 1, decimal(u, value, n, &u->gid);
	if (!strcmp(key, "mtime"))
		return u->has_mtime = 1, pax_time(u, value, n, &u->mtime);
	return 0;
}

/* Records "LENGTH KEY=VALUE\n", LENGTH counting all of it. */
static int pax(struct untar *u)
{
	char *p = u->meta.data, *end = p + u->meta.used;

	while (p < end) {
		size_t length = 0;
		char *q = p, *equals;

		while (q < end && *q >= '0' && *q <= '9' && length <= META_LIMIT)
			length = length * 10 + (size_t)(*q++ - '0');
		if (q == p || q >= end || *q++ != ' ' || length > (size_t)(end - p) ||
		    p + length <= q || p[length - 1] != '\n')
			return untar_fail(u, EBADMSG, "malformed PAX header");
		equals = memchr(q, '=', (size_t)(p + length - 1 - q));
		if (!equals || equals == q || memchr(q, 0, (size_t)(equals - q)))
			return untar_fail(u, EBADMSG, "malformed PAX header");
		*equals++ = 0;
		if (pax_keyword(u, q, equals, (size_t)(p + length - 1 - equals)))
			return u->code;
		p += length;
	}
	return 0;
}

static int end_of_meta(struct untar *u)
{
	size_t n;

	switch (u->meta_type) {
	case 'x':
		return u->meta.used ? pax(u) : 0; /* nothing was ever allocated for an empty one */
	case 'L':
	case 'K':
		n = u->meta.used ? strnlen(u->meta.data, u->meta.used) : 0;
		return set_text(u, u->meta_type == 'L' ? &u->path : &u->link, u->meta.data, n);
	default: /* 'g': comments of git-archive and the like; docker ignores it as well */
		return 0;
	}
}

/* ---- headers ---- */

static int checksum_holds(const char *block)
{
	const unsigned char *p = (const unsigned char *)block;
	long with_sign = 0, without = 0, stated = 0;
	size_t i = 148;

	for (size_t k = 0; k < BLOCK; k++) {
		without += k >= 148 && k < 156 ? ' ' : p[k];
		with_sign += k >= 148 && k < 156 ? ' ' : (signed char)p[k];
	}
	while (i < 156 && p[i] == ' ')
		i++;
	for (; i < 156 && p[i] >= '0' && p[i] <= '7'; i++)
		stated = stated << 3 | (p[i] - '0');
	return stated == without || stated == with_sign;
}

static int header_path(struct untar *u)
{
	const char *b = u->block;
	size_t name = strnlen(b, 100), prefix = 0;

	u->path.used = 0;
	if (!memcmp(b + 257, "ustar\0", 6)) /* GNU's "ustar  " keeps times there */
		prefix = strnlen(b + 345, 155);
	if (prefix && (untar_append(u, &u->path, b + 345, prefix) ||
		       untar_append(u, &u->path, "/", 1)))
		return u->code;
	return untar_append(u, &u->path, b, name);
}

static int read_ids(struct untar *u)
{
	int64_t uid = u->has_uid ? (int64_t)u->uid : number(u, u->block + 108, 8);
	int64_t gid = u->has_gid ? (int64_t)u->gid : number(u, u->block + 116, 8);

	/* (uid_t)-1 means "leave as it is" to chown(2) */
	if (!u->code && (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX))
		return untar_fail(u, EBADMSG, "owner out of range");
	unsigned one = u->flags & UNTAR_ONE_ID;
	u->entry.uid = one ? 0 : (uid_t)uid;
	u->entry.gid = one ? 0 : (gid_t)gid;
	return u->code;
}

static int read_names(struct untar *u)
{
	struct entry *e = &u->entry;
	const char *slash;

	if (!u->path.used && header_path(u))
		return u->code;
	if (!u->link.used && set_text(u, &u->link, u->block + 157, strnlen(u->block + 157, 100)))
		return u->code;
	if (!u->path.used)
		return untar_fail(u, EBADMSG, "entry without a name");
	/* said as it stands until it is known to be harmless */
	snprintf(e->path, sizeof e->path, "%s", u->path.data);
	if (e->type == '0' && u->path.data[u->path.used - 1] == '/')
		e->type = '5'; /* before POSIX, tar(5) */
	if (normalise(u, u->path.data, u->path.used, e->path))
		return u->code;
	slash = strrchr(e->path, '/');
	e->name = slash ? slash + 1 : e->path;
	if (e->type != '1')
		return 0;
	if (normalise(u, u->link.data, u->link.used, e->link))
		return u->code;
	return e->link[0] ? 0 : untar_fail(u, EBADMSG, "hard link to the root directory");
}

static int read_entry(struct untar *u, int64_t size)
{
	struct entry *e = &u->entry;
	unsigned major, minor;

	e->type = u->block[156] == 0 || u->block[156] == '7' ? '0' : u->block[156];
	if (read_names(u))
		return u->code;
	if (!strchr("0123456", e->type))
		return e->type == 'S'
			       ? untar_fail(u, EBADMSG, "sparse files are not supported in layers")
			       : untar_fail(u, EBADMSG, "unknown type of entry 0x%02x",
					    (unsigned char)e->type);
	e->mode = (mode_t)number(u, u->block + 100, 8) & 07777;
	e->mtime = u->mtime;
	if (!u->has_mtime)
		e->mtime = (struct timespec){.tv_sec = number(u, u->block + 136, 12)};
	major = minor = 0;
	if (e->type == '3' || e->type == '4') {
		major = (unsigned)number(u, u->block + 329, 8);
		minor = (unsigned)number(u, u->block + 337, 8);
	}
	e->device = makedev(major, minor);
	if (read_ids(u))
		return u->code;
	/* other kinds have no content, whatever the field says */
	e->size = e->type == '0' ? u->has_size ? u->size : (uint64_t)size : 0;
	if (e->size > (uint64_t)(u->max_bytes - u->bytes))
		return untar_fail(u, E2BIG, "the layer unpacks to more than %lld bytes", u->max_bytes);
	if (++u->entries > u->max_entries)
		return untar_fail(u, E2BIG, "the layer has more than %lld entries", u->max_entries);
	return 0;
}

static int start_meta(struct untar *u, int64_t size)
{
	u->meta_type = u->block[156];
	u->meta.used = 0;
	if (size > META_LIMIT)
		return untar_fail(u, E2BIG, "header of %lld bytes", (long long)size);
	if (u->meta_type == 'x' && (u->has_size || u->has_uid || u->has_mtime || u->xattrs.used))
		return untar_fail(u, EBADMSG, "two PAX headers for one entry");
	if (u->meta_type == 'L')
		u->path.used = 0;
	u->left = (uint64_t)size;
	u->padding = (size_t)(-size & (BLOCK - 1));
	u->state = META;
	return 0;
}

static void forget_overrides(struct untar *u)
{
	u->path.used = u->link.used = u->xattrs.used = 0;
	u->has_size = u->has_uid = u->has_gid = u->has_mtime = u->used_overrides = 0;
}

static int on_header(struct untar *u)
{
	static const char zeros[BLOCK];
	int64_t size;

	u->entry.path[0] = 0;
	if (u->used_overrides)
		forget_overrides(u);
	if (!memcmp(u->block, zeros, BLOCK)) {
		u->state = ++u->zero_blocks == 2 ? END : HEADER;
		return 0;
	}
	if (u->zero_blocks)
		return untar_fail(u, EBADMSG, "the archive goes on after an end mark");
	if (!checksum_holds(u->block))
		return untar_fail(u, EBADMSG, "not a tar header: wrong checksum");
	size = number(u, u->block + 124, 12);
	if (u->code)
		return u->code;
	if (size < 0)
		return untar_fail(u, EBADMSG, "negative size");
	if (u->block[156] && strchr("xgLK", u->block[156]))
		return start_meta(u, size);
	if (read_entry(u, size) || untar_add_entry(u))
		return u->code;
	u->used_overrides = 1;
	u->left = u->entry.size;
	u->padding = (size_t)(-u->left & (BLOCK - 1));
	u->state = !u->left ? HEADER : u->file >= 0 ? DATA : SKIP;
	return 0;
}

/* ---- the stream ---- */

static int write_content(struct untar *u, const char *data, size_t n)
{
	while (n) {
		ssize_t done = write(u->file, data, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return untar_fail_os(u, "writing");
		data += done;
		n -= (size_t)done;
		u->bytes += done;
	}
	return 0;
}

/* What the state does with the first n bytes of `data`, all of which it takes. */
static int take(struct untar *u, const char *data, size_t n)
{
	if (u->state == HEADER) {
		memcpy(u->block + u->have, data, n);
		u->have = (u->have + n) % BLOCK;
		return u->have ? 0 : on_header(u);
	}
	if (u->state == PADDING) {
		u->padding -= n;
		u->state = u->padding ? PADDING : HEADER;
		return 0;
	}
	if (u->state == META ? untar_append(u, &u->meta, data, n)
			     : u->state == DATA && write_content(u, data, n))
		return u->code;
	u->left -= n;
	if (u->left)
		return 0;
	if (u->state == META ? end_of_meta(u) : u->state == DATA && untar_close_file(u))
		return u->code;
	u->state = u->padding ? PADDING : HEADER;
	return 0;
}

int crunpy_untar_feed(struct untar *u, const char *data, size_t n)
{
	while (n && !u->code && u->state != END) {
		uint64_t most = u->state == HEADER    ? BLOCK - u->have
				: u->state == PADDING ? u->padding
						      : u->left;
		size_t step = most < n ? (size_t)most : n;

		if (!take(u, data, step)) {
			data += step;
			n -= step;
		}
		/* an empty header has nothing to take */
		if (!u->code && u->state == META && !u->left) {
			u->state = HEADER;
			end_of_meta(u);
		}
	}
	return u->code;
}

int crunpy_untar_finish(struct untar *u)
{
	if (u->code)
		return u->code;
	if (u->state != END && (u->state != HEADER || u->have))
		return untar_fail(u, EBADMSG, "the archive ends in the middle");
	u->entry.path[0] = 0;
	untar_forget_parent(u);
	return untar_describe_directories(u);
}

const char *crunpy_untar_error(const struct untar *u)
{
	return u->error;
}

long long crunpy_untar_bytes(const struct untar *u)
{
	return u->bytes;
}

const char *crunpy_untar_fixups(const struct untar *u, size_t *n)
{
	*n = u->implied.used;
	return u->implied.data;
}

struct untar *crunpy_untar_new(int dirfd, unsigned flags, long long max_bytes,
			       long long max_entries)
{
	struct record root = {.mode = 0755, .implied = 1};
	struct untar *u = calloc(1, sizeof *u);

	if (!u)
		return NULL;
	u->root = dirfd;
	u->flags = flags;
	u->parent = u->file = -1;
	u->max_bytes = max_bytes;
	u->max_entries = max_entries;
	/* the root is implied until an entry describes it */
	if (untar_append(u, &u->records, &root, sizeof root) ||
	    untar_append(u, &u->records, "", 1) || untar_mark_implied(u, dirfd)) {
		crunpy_untar_free(u);
		return NULL;
	}
	return u;
}

void crunpy_untar_free(struct untar *u)
{
	struct buffer *buffers[] = {&u->meta,	 &u->path,    &u->link,	   &u->xattrs,
				    &u->records, &u->fixups, &u->markers, &u->implied, NULL};

	untar_forget_parent(u);
	if (u->file >= 0)
		close(u->file);
	for (struct buffer **b = buffers; *b; b++)
		free((*b)->data);
	free(u);
}
