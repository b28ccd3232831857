/* relay.h: what the monitor and the relay say to each other. */
#ifndef CRUNPY_RELAY_H
#define CRUNPY_RELAY_H

#include "core.h"

enum { RELAY_MONITOR = 3, RELAY_NAMESPACE = 4 }; /* the relay's descriptors; the second may be closed */
enum { RELAY_INSIDE = '@' }; /* a target that begins so is reached from within the container */

/* With a descriptor: listen there; without: no more, which is answered by a byte.  id: by which the monitor knows it. */
struct relay_order {
	uint32_t id;
	char target[HELD_TARGET]; /* "ADDRESS PORT" */
};

#endif
