/* log_files.c: the files of a container's log.  Runs in the monitor; what is in them is written by the
 * streams (log.c). */
#define _GNU_SOURCE
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SUFFIX = 24 };

int log_file(const char *path)
{
	if (strlen(path) >= PATH_MAX - SUFFIX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

void log_rotate(const char *path, int64_t max_files)
{
	char from[PATH_MAX], to[PATH_MAX];
	/* first, so that no rename below replaces a file: ext4 writes a file out at once when it
	 * replaces another (auto_da_alloc), and a flood of output would wait for the disk */
	snprintf(to, sizeof(to), max_files > 1 ? "%s.%lld" : "%s", path, (long long)max_files - 1);
	(void)unlink(to);
	for (int64_t i = max_files - 1; i > 0; i--) {
		snprintf(to, sizeof(to), "%s.%lld", path, (long long)i);
		if (i > 1)
			snprintf(from, sizeof(from), "%s.%lld", path, (long long)i - 1);
		else
			snprintf(from, sizeof(from), "%s", path);
		(void)rename(from, to); /* a hole in the row is no error */
	}
}
