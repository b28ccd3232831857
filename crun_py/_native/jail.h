/* jail.h: what a process that reads strangers' bytes gives up (the DNS responder, the streams). */
#ifndef CRUNPY_JAIL_H
#define CRUNPY_JAIL_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define JAIL_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define JAIL_ARCH AUDIT_ARCH_AARCH64
#else
#error "the filters know x86-64 and aarch64"
#endif

/* ---- files ---- */

/* The root becomes a directory that was always empty; false when it cannot. */
bool jail_empty_root(void);
/* Landlock (landlock(7)), with all that the kernel's can forbid: files, abstract sockets and signals to
 * others, and of TCP what `net` says.  What is open stays.  False where the kernel has none.  Later
 * than jail_no_new_privileges. */
enum { JAIL_BIND_TCP = 1, JAIL_CONNECT_TCP = 2 };
bool jail_landlock(uint64_t net);

/* ---- privileges ---- */

void jail_drop_bounding(void);
bool jail_drop_capabilities(void);
bool jail_no_new_privileges(void);
/* At most `value`, both soft and hard. */
bool jail_limit(int resource, unsigned long value);

/* ---- system calls ---- */

#define JAIL_LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define JAIL_LOW(n) JAIL_LOAD(args[n]) /* little-endian */
#define JAIL_UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, skip)
#define JAIL_RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
/* of one kind of machine, for which the numbers are; x32's are above all of them */
#define JAIL_BEGIN                                                                  \
	JAIL_LOAD(arch), JAIL_UNLESS(JAIL_ARCH, 1), BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), \
		JAIL_RETURN(SECCOMP_RET_KILL_PROCESS), JAIL_LOAD(nr)
#define JAIL_ALLOW(number) JAIL_UNLESS(SYS_##number, 1), JAIL_RETURN(SECCOMP_RET_ALLOW)
/* the call with one of one value in its n-th argument; else */
#define JAIL_ALLOW_WITH(number, n, value, otherwise)                                              \
	JAIL_UNLESS(SYS_##number, 4), JAIL_LOW(n), JAIL_UNLESS(value, 1), JAIL_RETURN(SECCOMP_RET_ALLOW), \
		JAIL_RETURN(otherwise)
/* the call with none of some bits in its n-th argument; else */
#define JAIL_ALLOW_WITHOUT(number, n, bits, otherwise)                                            \
	JAIL_UNLESS(SYS_##number, 4), JAIL_LOW(n), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0), \
		JAIL_RETURN(SECCOMP_RET_ALLOW), JAIL_RETURN(otherwise)
/* n instructions */
bool jail_filter(struct sock_filter *program, size_t n);

#endif
