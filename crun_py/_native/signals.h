/* signals.h: signals as a new program expects them, whatever the process had before. */
#ifndef CRUNPY_SIGNALS_H
#define CRUNPY_SIGNALS_H

#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Every signal has its default action, and none is blocked.  By the system call: a libc keeps some
 * real-time signals for itself, and glibc's posix_spawn leaves those ignored. */
static inline void default_signals(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} by_default = { 0 };
	uint64_t none = 0;
	for (long number = 1; number <= 64; number++)
		(void)syscall(SYS_rt_sigaction, number, &by_default, NULL, sizeof(uint64_t));
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(uint64_t));
}

#endif
