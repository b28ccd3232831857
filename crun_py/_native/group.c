/* group.c: the end of a container's control group.  Runs in the monitor. */
#define _GNU_SOURCE
#include "core.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Before the command runs: it may hand controllers on, which it could not while a process is in
 * the group itself (cgroups(7), "no internal processes rule").  A pidfd is ready when the process
 * has left its group. */
void group_release(int pidfd)
{
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };
	if (pidfd <= 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	while (poll(&fd, 1, -1) < 0 && errno == EINTR)
		;
	close(pidfd);
}

/* memory.events of the container's group, -1: it has none, or is gone.  It is read while the
 * container runs, because systemd removes a scope as soon as it is empty. */
static int events = -1;
static int oom_kills;
static const struct step *journal;

enum { JOURNAL_BYTES = 4 << 20 };

/* A line in the journal, as commands write them (events.py): a container that has its processes
 * killed without end does not fill the disk with them. */
static void tell_oom(void)
{
	struct timespec now;
	struct stat st;
	char head[64];
	if (!journal || !journal->n)
		return;
	int fd = open(step_str(journal, 0), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	int n = snprintf(head, sizeof(head), "{\"time\": %lld%09ld, ", (long long)now.tv_sec, now.tv_nsec);
	struct iovec line[] = { { head, (size_t)n }, { (void *)step_str(journal, 1), journal->s[1].len } };
	if (!fstat(fd, &st) && st.st_size < JOURNAL_BYTES)
		(void)!writev(fd, line, 2);
	close(fd);
}

void group_begin(const char *path, const struct step *oom)
{
	char file[4096];
	journal = oom;
	snprintf(file, sizeof(file), "%s/memory.events", path);
	events = open(file, O_RDONLY | O_CLOEXEC);
	group_act();
}

int group_fd(void)
{
	return events;
}

void group_act(void)
{
	char text[512];
	ssize_t n = events < 0 ? -1 : pread(events, text, sizeof(text) - 1, 0);
	if (n < 0) {
		if (events >= 0)
			close(events); /* ENODEV: it would be ready to be read for ever */
		events = -1;
		return;
	}
	text[n] = '\0';
	const char *at = strstr(text, "oom_kill ");
	int kills = at ? atoi(at + strlen("oom_kill ")) : 0;
	if (kills > oom_kills)
		tell_oom();
	oom_kills = kills;
}

bool group_oom_killed(void)
{
	group_act();
	return oom_kills > 0;
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

/* Whether nothing is left to do.  A scope is systemd's to remove: it would not notice that one is
 * empty which is gone when it looks, and keep the unit for ever. */
static bool removed(const char *path)
{
	char file[4096], text[256];
	const char *end = strrchr(path, '.');
	if (!end || strcmp(end, ".scope") != 0)
		return !rmdir(path) || errno != EBUSY;
	snprintf(file, sizeof(file), "%s/cgroup.events", path);
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return !strstr(text, "populated 1");
}

void group_remove(const char *path)
{
	char kill_file[4096];
	snprintf(kill_file, sizeof(kill_file), "%s/cgroup.kill", path);
	for (int tries = 0; !removed(path) && tries < 100; tries++) {
		int fd = open(kill_file, O_WRONLY | O_CLOEXEC);
		if (fd >= 0) {
			(void)!write(fd, "1", 1);
			close(fd);
		}
		remove_below(path, 0);
		usleep(2000);
	}
}
