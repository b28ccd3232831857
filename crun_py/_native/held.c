/* held.c: descriptors that are kept for as long as the container lives: sockets that have its published
 * ports, and the network namespace that a plain user's networks are in.  Runs in the monitor. */
#define _GNU_SOURCE
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct held {
	int fd;
	uint32_t key;
	char target[HELD_TARGET];
};

static struct held *all;
static size_t count;

int held_add(int fd, uint32_t key, const char *target)
{
	if (strlen(target) >= HELD_TARGET)
		return -EINVAL;
	struct held *more = realloc(all, (count + 1) * sizeof(*all));
	if (!more)
		return -ENOMEM;
	all = more;
	all[count] = (struct held){ .fd = fd, .key = key };
	memcpy(all[count++].target, target, strlen(target));
	int error = *target ? relay_listen(fd, target) : 0;
	if (error)
		count--;
	return error;
}

const char *held_target(int fd)
{
	for (size_t i = 0; i < count; i++)
		if (all[i].fd == fd)
			return all[i].target;
	return NULL;
}

int held_hub(void)
{
	for (size_t i = 0; i < count; i++)
		if (!all[i].key)
			return all[i].fd;
	return -1;
}

bool held_relayed(bool (*call)(int fd, const char *target))
{
	for (size_t i = 0; i < count; i++)
		if (*all[i].target && !call(all[i].fd, all[i].target))
			return false;
	return true;
}

void held_drop(uint32_t key)
{
	for (size_t i = count; i-- > 0;)
		if (all[i].key == key) {
			relay_forget(all[i].fd);
			close(all[i].fd);
			all[i] = all[--count];
		}
}

int held_begin(const struct plan *plan)
{
	for (uint32_t i = 0; i < plan->n; i++) {
		const struct step *step = &plan->steps[i];
		if (step->op == SET_HOLD && held_add((int)step->a, (uint32_t)step->b, step_str(step, 0)))
			return -ENOMEM;
	}
	return 0;
}

int container_network(pid_t init)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)init);
	return open(path, O_RDONLY | O_CLOEXEC);
}

void held_end(void)
{
	while (count)
		close(all[--count].fd);
}
