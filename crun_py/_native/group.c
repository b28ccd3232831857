/* group.c: the end of a container's control group.  Runs in the monitor. */
#define _GNU_SOURCE
#include "core.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool group_oom_killed(const char *cgroup)
{
	char path[4096], text[512];
	snprintf(path, sizeof(path), "%s/memory.events", cgroup);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false; /* no memory controller */
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *at = strstr(text, "oom_kill ");
	return at && atoi(at + strlen("oom_kill ")) > 0;
}

enum { NESTED_CGROUPS = 32 };

/* Remove the groups that the container made below `path`, as far as they are empty. */
static void remove_below(const char *path, int depth)
{
	DIR *dir = depth < NESTED_CGROUPS ? opendir(path) : NULL;
	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));) {
		char below[4096];
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >= (int)sizeof(below))
			continue;
		remove_below(below, depth + 1);
		(void)rmdir(below);
	}
	closedir(dir);
}

void group_remove(const char *path)
{
	char kill_file[4096];
	snprintf(kill_file, sizeof(kill_file), "%s/cgroup.kill", path);
	for (int tries = 0; rmdir(path) && errno == EBUSY && tries < 100; tries++) {
		int fd = open(kill_file, O_WRONLY | O_CLOEXEC);
		if (fd >= 0) {
			(void)!write(fd, "1", 1);
			close(fd);
		}
		remove_below(path, 0);
		usleep(2000);
	}
}
