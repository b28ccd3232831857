/* shim.h: the system calls that Python lacks, as plain functions for cffi.
 * Every function returns a negated errno on failure. */
#ifndef CRUNPY_SHIM_H
#define CRUNPY_SHIM_H

/* unshare(2) */
int crunpy_unshare(int flags);
/* setns(2) */
int crunpy_setns(int fd, int nstype);

#endif
