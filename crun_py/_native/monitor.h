/* monitor.h: what starting.c and monitor.c share.  Both run in the monitor. */
#ifndef CRUNPY_MONITOR_H
#define CRUNPY_MONITOR_H

#include "core.h"
#include "streams.h"

struct monitor {
	const struct plan *plan;
	int result, pidfd;
	int gate; /* init waits behind OP_GATE at its end of this socket, -1: it does not */
	int64_t started, deadline; /* monotonic ms; deadline 0: none */
	bool timed_out, alone; /* alone: SET_ALONE, we leave when init is ready */
	struct status status;
	const char *about; /* what a failure to start is about, NULL for nothing */
	struct streams streams; /* until they have begun */
};

enum { STARTED = 0, FAILED_STEP = 1, FAILED_MONITOR = 2, PAUSED = 3 };

/* The first step of this kind, else one without strings whose a and b are -1. */
const struct step *find(const struct plan *plan, enum op op);

/* ---- starting.c ---- */

/* Whatever must be there before init.  0 or a negated errno. */
int prepare(struct monitor *m);
/* Init, and the streams; `report` is its socket.  0 or a negated errno. */
int spawn(struct monitor *m, int *report);
/* Listen to init until its execve closes the socket, a step fails, or it waits at the gate. */
struct result hear(struct monitor *m, int report);
struct result failed_monitor(const struct monitor *m, int error);
/* `error`, which is told as one of noting down that the container runs. */
int not_noted(struct monitor *m, int error);
/* Tell the one who asked for the start. */
void tell(int fd, struct result result);

/* ---- monitor.c ---- */

/* Tell the one who asked for the start that init waits at OP_PAUSE, number `index`; false when it is not
 * to go on. */
bool alone_pause(const struct monitor *m, int index, int fd);
void kill_init(const struct monitor *m);
/* Wait for init's end; returns its exit code. */
int reap(struct monitor *m);

#endif
