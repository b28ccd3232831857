/* untar.c: a harness for the layer reader (untar.c, untar_tree.c): an input is a tar stream and a byte of
 * choices (1: as in a user namespace; 2: a small limit; 4: twice, the second time in pieces).
 *
 * Files are really made, on a tmpfs of our own; everything else is read-only in our mount namespace, except for
 * the directory that we are called in.  Beside the tree that is unpacked lie files that must stay as they are. */
#define _GNU_SOURCE
#include "harness.h"
#include "untar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { USERNS = 1, TIGHT = 2, TWICE = 4 };
enum { BLOCK = 512, MOST_BYTES = 1 << 20, MOST_ENTRIES = 4096, FEW_BYTES = 700, FEW_ENTRIES = 3 };
#define PLACE "/mnt"
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* ---- the place ---- */

static struct stat canary[4];
static const char *const canaries[] = { PLACE, PLACE "/canary", PLACE "/canary/file", PLACE "/canary/directory" };

static void read_only(const char *path, unsigned flags, bool on)
{
	struct mount_attr change = { 0 };
	*(on ? &change.attr_set : &change.attr_clr) = MOUNT_ATTR_RDONLY;
	must(!syscall(SYS_mount_setattr, AT_FDCWD, path, flags, &change, sizeof(change)), "mount_setattr");
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char options[] = "mode=0755,size=64m,nr_inodes=20k";
	char *here = getcwd(NULL, 0);
	struct rlimit files = { 256, 256 };
	(void)argc, (void)argv;
	must(here && !unshare(CLONE_NEWNS) && !mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL), "be root");
	must(!mount(here, here, NULL, MS_BIND, NULL), "this directory");
	must(!mount("tmpfs", PLACE, "tmpfs", MS_NODEV | MS_NOSUID, options), "a tmpfs");
	must(!mkdir(PLACE "/canary", 0700) && !mkdir(PLACE "/canary/directory", 0700), "the canary");
	must(!close(open(PLACE "/canary/file", O_CREAT | O_WRONLY, 0600)), "its file");
	must(!mkdir(PLACE "/tree", 0755), "the tree");
	read_only("/", AT_RECURSIVE, true);
	must(!chdir(here), "back");
	read_only(here, 0, false);
	read_only(PLACE, 0, false);
	must(!setrlimit(RLIMIT_NOFILE, &files), "a limit");
	for (int i = 0; i < 4; i++)
		must(!lstat(canaries[i], &canary[i]), "the canary");
	umask(0);
	free(here);
	return 0;
}

static void check_canary(void)
{
	struct stat now;
	for (int i = 0; i < 4; i++) {
		must(!lstat(canaries[i], &now), "nothing outside is removed");
		must(now.st_ctim.tv_sec == canary[i].st_ctim.tv_sec &&
			     now.st_ctim.tv_nsec == canary[i].st_ctim.tv_nsec,
		     "nothing outside is changed");
	}
}

/* ---- what was unpacked ---- */

static uint64_t mix(uint64_t sum, const void *data, size_t n)
{
	const uint8_t *p = data;
	for (size_t i = 0; i < n; i++)
		sum = (sum ^ p[i]) * 1099511628211U;
	return sum;
}

static uint64_t content(int directory, const char *name, const struct stat *st, uint64_t sum)
{
	char part[4096];
	ssize_t n;
	int fd;
	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(directory, name, part, sizeof(part));
		return mix(sum, part, n < 0 ? 0 : (size_t)n);
	}
	if (!S_ISREG(st->st_mode) || (fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return sum;
	while ((n = read(fd, part, sizeof(part))) > 0)
		sum = mix(sum, part, (size_t)n);
	close(fd);
	return sum;
}

/* A sum over all below the directory, which is emptied. */
static uint64_t take_down(int directory, uint64_t above)
{
	DIR *dir = fdopendir(directory);
	const struct dirent *d;
	uint64_t sum = 0;
	must(dir != NULL, "a directory to read");
	while ((d = readdir(dir))) {
		struct stat st;
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		must(strncmp(d->d_name, ".wh.", 4) != 0, "no whiteout is seen");
		must(!fstatat(directory, d->d_name, &st, AT_SYMLINK_NOFOLLOW), "a file");
		must(!S_ISCHR(st.st_mode) || st.st_rdev, "no whiteout of overlay's is made");
		uint64_t one = mix(above, d->d_name, strlen(d->d_name));
		const uint64_t facts[] = { st.st_mode, st.st_uid, st.st_gid, st.st_rdev,
					   S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_mtim.tv_sec };
		one = content(directory, d->d_name, &st, mix(one, facts, sizeof(facts)));
		sum += one;
		if (S_ISDIR(st.st_mode)) {
			int below = openat(directory, d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			sum += take_down(below, one);
			must(!unlinkat(directory, d->d_name, AT_REMOVEDIR), "an empty directory goes");
		} else {
			must(!unlinkat(directory, d->d_name, 0), "a file goes");
		}
	}
	closedir(dir);
	return sum;
}

static void check_path(const char *path, bool may_be_root)
{
	must(may_be_root || *path, "a path");
	must(path[0] != '/' && !strstr(path, "//"), "it is normalised");
	for (const char *part = path; *part;) {
		size_t n = strcspn(part, "/");
		must(n && !(n == 1 && part[0] == '.') && !(n == 2 && part[0] == '.' && part[1] == '.'),
		     "no part of it leads elsewhere");
		part += n + (part[n] == '/');
	}
}

static void check_fixups(const struct untar *u)
{
	size_t n;
	const char *p = crunpy_untar_fixups(u, &n), *end = p + n;
	must(!n || !p[n - 1], "they end");
	while (p < end) {
		char kind = *p;
		must(kind && strchr("DLWO", kind) && !p[1], "a kind that is known");
		for (int paths = kind == 'L' ? 2 : 1, i = 0; i < paths; i++) {
			p = i ? p + strlen(p) + 1 : p + 2;
			must(p < end, "a path follows");
			check_path(p, kind == 'D' || kind == 'O');
		}
		p += strlen(p) + 1;
	}
}

static int unpack(const uint8_t *data, size_t size, uint8_t choice, size_t piece, uint64_t *sum)
{
	int tree = open(PLACE "/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;
	long long bytes = choice & TIGHT ? FEW_BYTES : MOST_BYTES;
	long long entries = choice & TIGHT ? FEW_ENTRIES : MOST_ENTRIES;
	struct untar *u = crunpy_untar_new(tree, choice & USERNS ? UNTAR_USERNS : 0, bytes, entries);
	must(u != NULL, "an unpacker");
	for (size_t at = 0; at < size && !error; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		error = crunpy_untar_feed(u, (const char *)data + at, n);
	}
	if (!error)
		error = crunpy_untar_finish(u);
	must(error <= 0, "0 or a negated errno");
	must(!error == !crunpy_untar_error(u)[0], "an error has words");
	must(crunpy_untar_finish(u) <= 0, "again");
	must(crunpy_untar_bytes(u) <= bytes, "the limit of bytes");
	/* beyond what archives do, and of us: ENOSPC, EMFILE */
	must(error != -EROFS && error != -EXDEV && error != -EFAULT && error != -EBADF, crunpy_untar_error(u));
	if (!error)
		check_fixups(u);
	crunpy_untar_free(u);
	*sum = take_down(tree, 0);
	check_canary();
	return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t whole, parts;
	int before = dup(0);
	close(before);
	if (!size)
		return 0;
	uint8_t choice = data[--size];
	int error = unpack(data, size, choice, size ? size : 1, &whole);
	if (choice & TWICE) {
		int other = unpack(data, size, choice, 1 + 16 * (choice / 8), &parts);
		must(error == other, "pieces of any size come to the same");
		must(error || whole == parts, "pieces of any size make the same");
	}
	int after = dup(0);
	close(after);
	must(before == after, "every descriptor is closed");
	return 0;
}

/* ---- mutations that know where a header's fields are; checksums are made right ---- */

static const struct {
	uint16_t at, n;
} fields[] = { { 0, 100 }, { 100, 8 }, { 108, 8 }, { 116, 8 }, { 124, 12 }, { 136, 12 }, { 156, 1 },
	       { 157, 100 }, { 257, 8 }, { 329, 8 }, { 337, 8 }, { 345, 155 } };

static size_t octal(const uint8_t *field, size_t n)
{
	size_t value = 0;
	for (size_t i = 0; i < n && field[i] >= '0' && field[i] <= '7'; i++)
		value = value << 3 | (size_t)(field[i] - '0');
	return value;
}

/* The places of headers, as far as sizes are what they seem. */
static size_t headers(const uint8_t *data, size_t size, size_t *found, size_t most)
{
	size_t n = 0;
	for (size_t at = 0; n < most && size >= BLOCK && at <= size - BLOCK;) {
		size_t length = octal(data + at + 124, 12);
		found[n++] = at;
		if (length > size)
			break;
		at += BLOCK + (length + BLOCK - 1) / BLOCK * BLOCK;
	}
	return n;
}

static void sign(uint8_t *block)
{
	static const uint8_t zeros[BLOCK];
	unsigned sum = 8 * ' ';
	if (!memcmp(block, zeros, BLOCK))
		return;
	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= 148 && i < 156 ? 0 : block[i];
	(void)snprintf((char *)block + 148, 8, "%06o", sum);
	block[155] = ' ';
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	size_t places[64], n = headers(data, size, places, 64);
	unsigned how = seed % 16;
	if (n && how < 9) { /* one field */
		uint8_t *field = data + places[seed / 16 % n] + fields[seed / 1024 % 12].at;
		size_t room = fields[seed / 1024 % 12].n, used = strnlen((char *)field, room);
		used = LLVMFuzzerMutate(field, used ? used : 1, room);
		memset(field + used, 0, room - used);
	} else if (n && how < 11) { /* an entry like another one */
		size_t from = places[seed / 16 % n], to = places[seed / 1024 % n];
		memmove(data + to, data + from, BLOCK);
	} else if (n && how < 13 && size + BLOCK <= max) { /* one more */
		size_t from = places[seed / 16 % n], to = places[seed / 1024 % n];
		uint8_t block[BLOCK];
		memcpy(block, data + from, BLOCK);
		memmove(data + to + BLOCK, data + to, size - to);
		memcpy(data + to, block, BLOCK);
		size += BLOCK;
	} else if (n && how < 14) { /* one less */
		size_t at = places[seed / 16 % n];
		memmove(data + at, data + at + BLOCK, size - at - BLOCK);
		size -= BLOCK;
	} else {
		size = LLVMFuzzerMutate(data, size, max);
	}
	if (seed / 65536 % 32) {
		n = headers(data, size, places, 64);
		for (size_t i = 0; i < n; i++)
			sign(data + places[i]);
	}
	return size;
}
