/* streams.h: the process that has the container's output, log and clients, and what it and the
 * monitor say to each other.
 *
 * What strangers write is read by the streams, and by them alone: the container's output, and what
 * clients say on attach.sock.  They are a child of the monitor, in a jail: no files, no capabilities, few
 * system calls (streams_jail).  The monitor reads nothing but words of a fixed size from them, and there
 * is nothing in these that it would open, execute or connect to.
 *
 *   streams.c         streams: the loop over output, input and clients
 *   streams_jail.c    streams: what they give up
 *   client.c          streams: the attach socket and the messages on it
 *   log.c             streams: docker's json-file format, the kubelet's
 *   streams_keeper.c  monitor: starts the streams, opens the log's files for them
 *   log_files.c       monitor: the files of the log, their rotation
 */
#ifndef CRUNPY_STREAMS_H
#define CRUNPY_STREAMS_H

#include "core.h"

#define STREAMS_PROGRAM "crunpy-streams"

struct streams {
	int monitor;	/* our end of the socket to it */
	int listener;	/* attach.sock, -1: none */
	int out[2];	/* the container's output, -1 once it ended; [0] is the master of a terminal */
	struct input input;
	struct log *log; /* NULL: none */
	int64_t lost;	/* what the monitor knows of log_lost() */
	int64_t look_again; /* monotonic ms: the terminal has no slave open now; 0: it has */
	bool ended, asked; /* the container has; to let it start */
};

enum streams_letter {
	/* to the monitor; first of all READY */
	STREAMS_READY = 'w',   /* value: 0, or a negated errno: it ends */
	STREAMS_START = 's',   /* a client wants an initialized container to start */
	STREAMS_LOST = 'l',    /* value: log_lost() has become 0, or is it no more */
	STREAMS_LOG = 'r',     /* the next file of the log, value 0: the same one; answered */
	STREAMS_DRAINED = 'd', /* all output was read, value: log_lost(), more: clients must have some
				* of it still, and another one follows; answered by STREAMS_CODE */
	STREAMS_CLOSED = 'c',  /* value: a client has promised to clean up; it ends */
	/* from the monitor */
	STREAMS_TERMINAL = 't', /* with its master */
	STREAMS_STARTED = 's',	/* result: how the start went; it ends if that failed */
	STREAMS_FILE = 'r',	/* with a descriptor, or without one: it cannot be opened */
	STREAMS_ENDED = 'e',	/* the container has */
	STREAMS_CODE = 'x',	/* value: exit code, more: the kernel killed something for its memory */
};
struct streams_word {
	int32_t letter, more;
	int64_t value;
	struct result result;
};

/* ---- streams.c ---- */

/* Runs in the streams; never returns.  parent: the monitor. */
void streams_main(struct streams *s, pid_t parent) __attribute__((noreturn));

/* ---- streams_jail.c ---- */

/* Files, capabilities and most system calls are given up; false when it cannot be done. */
bool streams_jail(void);

/* ---- streams_keeper.c ---- */

/* The streams begin, and have what is in *s; it is closed here.  log: SET_LOG.  0 or a negated errno. */
int streams_begin(struct streams *s, const struct step *log);
/* Wait until they are in their jail.  0 or a negated errno. */
int streams_ready(void);
/* To be polled for input while there are streams, else -1. */
int streams_fd(void);
/* What they say next, for which we wait `ms`, -1 for ever; false when it is nothing of the monitor's.  They
 * are gone, streams_fd() tells, when they are silent for longer. */
bool streams_hear(struct streams_word *word, int ms);
/* fd: -1 for none. */
void streams_tell(const struct streams_word *word, int fd);
/* They have said all; or are taken down. */
void streams_end(void);

#endif
