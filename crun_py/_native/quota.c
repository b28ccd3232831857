/* quota.c: project quotas, by which a directory has a size. */
#include "shim.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_quotactl_fd /* musl 1.2.5 */
#define SYS_quotactl_fd 443
#endif

int crunpy_limit_tree(int fd, unsigned id, unsigned long long bytes)
{
	enum { PROJECT = 2, BLOCK = 1024 };
	struct fsxattr attributes;
	struct if_dqblk limits = { .dqb_bhardlimit = (bytes + BLOCK - 1) / BLOCK, .dqb_valid = QIF_BLIMITS };
	if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes))
		return -errno;
	attributes.fsx_projid = id;
	attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	/* the limit first: a file system without quotas is left as it was */
	if (syscall(SYS_quotactl_fd, fd, QCMD(Q_SETQUOTA, PROJECT), id, &limits))
		return -errno;
	return ioctl(fd, FS_IOC_FSSETXATTR, &attributes) ? -errno : 0;
}
