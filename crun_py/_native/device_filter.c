/* device_filter.c: which devices the processes of a cgroup may open and make, as an eBPF program. */
#include "shim.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int command, union bpf_attr *attributes)
{
	int result = (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));
	return result < 0 ? -errno : result;
}

int crunpy_filter_devices(int cgroup, const char *program, unsigned instructions)
{
	union bpf_attr load, attach;
	memset(&load, 0, sizeof(load));
	load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	load.insns = (uintptr_t)program;
	load.insn_cnt = instructions;
	load.license = (uintptr_t) "";
	int fd = bpf(BPF_PROG_LOAD, &load);
	if (fd < 0)
		return fd;
	memset(&attach, 0, sizeof(attach));
	attach.target_fd = (unsigned)cgroup;
	attach.attach_bpf_fd = (unsigned)fd;
	attach.attach_type = BPF_CGROUP_DEVICE;
	attach.attach_flags = BPF_F_ALLOW_MULTI; /* beside one of systemd's, and of a nested engine's */
	int result = bpf(BPF_PROG_ATTACH, &attach);
	close(fd); /* the cgroup has it now */
	return result < 0 ? result : 0;
}
