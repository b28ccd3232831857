/* status.c: status.json, which says what became of the container.  The monitor is its only
 * writer.  One copy lies in the run directory, one (for containers that outlive a reboot)
 * in the state directory, where the end is written through to the disk. */
#define _GNU_SOURCE
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void now_rfc3339(char *out)
{
	struct timespec now;
	struct tm parts;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	size_t n = strftime(out, 24, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(out + n, 40 - n, ".%09ldZ", now.tv_nsec);
}

int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The first line of a small file, without its newline. */
static void read_line(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

unsigned long long start_ticks(pid_t pid)
{
	char path[40], line[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	read_line(path, line, sizeof(line));
	/* the command's name may hold spaces and parentheses: count fields after the last ')' */
	char *at = strrchr(line, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

#define NEW ".status.json.tmp"
#define SPARE ".status.json.end"
enum { SPARE_BYTES = 1024 };

/* The end must be told on a disk that is full by then: its file has its bytes from the start on. */
static void keep_spare(int dir)
{
	static const char bytes[SPARE_BYTES];
	int fd = openat(dir, SPARE, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	(void)!write(fd, bytes, sizeof(bytes)); /* fewer: then the end needs new ones */
	close(fd);
}

/* last: the end, for which there is a spare file. */
static int write_to(int dir, const char *text, size_t n, bool last, bool durable)
{
	const char *name = SPARE;
	int fd = last ? openat(dir, SPARE, O_WRONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (fd < 0) {
		name = NEW;
		fd = openat(dir, NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	}
	if (fd < 0)
		return -errno; /* removed under us, or the disk is full: the other copy may still tell */
	errno = ENOSPC;
	bool whole = write(fd, text, n) == (ssize_t)n && !ftruncate(fd, (off_t)n) && (!durable || !fsync(fd));
	int error = errno;
	close(fd);
	if (whole && renameat(dir, name, dir, "status.json")) {
		error = errno;
		whole = false;
	}
	if (!whole) {
		(void)unlinkat(dir, name, 0);
		return -error;
	}
	if (durable)
		(void)fsync(dir);
	return 0;
}

static const char *state_of(const struct status *status)
{
	if (status->restarting)
		return "restarting";
	if (status->exited)
		return "exited";
	if (status->starting)
		return "starting";
	return status->initialized ? "initialized" : "running";
}

int status_write(struct status *status)
{
	int error = 0;
	char text[1024], boot_id[64];
	static char finished_at[40];
	static unsigned long long init_ticks;
	if (!status->exited)
		init_ticks = start_ticks(status->pid);
	read_line("/proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id));
	int n = snprintf(text, sizeof(text),
			 "{\"version\":1,\"id\":\"%s\",\"state\":\"%s\",\"pid\":%d,\"start_ticks\":%llu,"
			 "\"boot_id\":\"%s\",\"monitor_pid\":%d,\"monitor_start_ticks\":%llu,\"started_at\":\"%s\"",
			 status->id, state_of(status), (int)status->pid, init_ticks, boot_id,
			 (int)getpid(), start_ticks(getpid()), status->started_at);
	if (status->exited) {
		if (!*finished_at)
			now_rfc3339(finished_at);
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      ",\"exit_code\":%d,\"signal\":%d,\"oom_killed\":%s,\"finished_at\":\"%s\"",
			      status->exit_code, status->signal, status->oom_killed ? "true" : "false", finished_at);
	}
	if (status->log_lost)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ",\"log_lost\":%lld", (long long)status->log_lost);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "}\n");
	/* an end that the run directory tells lets others remove that: the other copy tells it by then */
	if (status->exited && status->state_dir >= 0)
		(void)write_to(status->state_dir, text, (size_t)n, true, true);
	if (status->run_dir >= 0) {
		error = write_to(status->run_dir, text, (size_t)n, status->exited, false);
		if (!status->starting && !status->exited)
			keep_spare(status->run_dir);
	}
	if (!status->exited && !status->starting && status->state_dir >= 0) {
		(void)write_to(status->state_dir, text, (size_t)n, false, false);
		keep_spare(status->state_dir);
	}
	return error;
}

void status_pid_file(const struct status *status)
{
	int fd = status->run_dir < 0
			 ? -1
			 : openat(status->run_dir, "monitor.pid", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	dprintf(fd, "%d\n", (int)getpid());
	close(fd);
}
