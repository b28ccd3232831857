/* plan.c: the plan's bytes become an array of steps.  Runs in the monitor.
 *
 * Layout, all little-endian: per step u32 op, u32 n, i64 a, i64 b, i64 c, then n strings,
 * each u32 length, bytes, NUL. */
#define _GNU_SOURCE
#include "core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HEADER = 32, MAX_PLAN = 64 << 20 };

int close_fds(unsigned first, unsigned last, bool on_exec)
{
	enum { ON_EXEC = 4 }; /* CLOSE_RANGE_CLOEXEC */
	return syscall(SYS_close_range, first, last, on_exec ? ON_EXEC : 0) ? -errno : 0;
}

const char *step_str(const struct step *step, uint32_t i)
{
	return i < step->n ? step->s[i].p : "";
}

char **step_argv(const struct step *step)
{
	char **argv = calloc(step->n + 1, sizeof(char *));
	for (uint32_t i = 0; argv && i < step->n; i++)
		argv[i] = (char *)(uintptr_t)step->s[i].p;
	return argv;
}

static char *read_all(int fd, size_t *size)
{
	struct stat st;
	if (fstat(fd, &st) || st.st_size > MAX_PLAN)
		return NULL;
	char *data = malloc((size_t)st.st_size + 1);
	size_t got = 0;
	while (data && got < (size_t)st.st_size) {
		ssize_t n = pread(fd, data + got, (size_t)st.st_size - got, (off_t)got);
		if (n <= 0) {
			free(data);
			return NULL;
		}
		got += (size_t)n;
	}
	*size = got;
	return data;
}

/* One step at `data`; returns the bytes it takes, 0 when malformed.  With out == NULL
 * only measures. */
static size_t parse_step(const char *data, size_t left, struct step *out, struct str *strings)
{
	uint32_t head[2];
	int64_t numbers[3];
	if (left < HEADER)
		return 0;
	memcpy(head, data, sizeof(head));
	memcpy(numbers, data + sizeof(head), sizeof(numbers));
	size_t at = HEADER;
	for (uint32_t i = 0; i < head[1]; i++) {
		uint32_t len;
		if (left - at < sizeof(len))
			return 0;
		memcpy(&len, data + at, sizeof(len));
		at += sizeof(len);
		if (left - at <= len || data[at + len] != '\0')
			return 0;
		if (out)
			strings[i] = (struct str){ data + at, len };
		at += (size_t)len + 1;
	}
	if (out)
		*out = (struct step){ (enum op)head[0], head[1], numbers[0], numbers[1], numbers[2], strings };
	return at;
}

int plan_read(int fd, struct plan *plan)
{
	size_t size = 0;
	char *data = read_all(fd, &size);
	if (!data)
		return -EIO;
	uint32_t n = 0, strings = 0;
	size_t at = 0;
	for (size_t took; (took = parse_step(data + at, size - at, NULL, NULL)); at += took, n++) {
		uint32_t count;
		memcpy(&count, data + at + 4, sizeof(count));
		strings += count;
	}
	plan->steps = calloc(n + 1, sizeof(*plan->steps));
	struct str *pool = calloc(strings + 1, sizeof(*pool));
	if (at != size || !plan->steps || !pool) {
		free(data);
		free(pool);
		free(plan->steps);
		return at != size ? -EBADMSG : -ENOMEM;
	}
	plan->data = data;
	plan->strings = pool;
	for (at = 0; plan->n < n; plan->n++) {
		at += parse_step(data + at, size - at, &plan->steps[plan->n], pool);
		pool += plan->steps[plan->n].n;
	}
	return 0;
}
