"""Namespaces, ids, capabilities and filters of system calls; and the kernel's numbers for them."""

from __future__ import annotations

# mount(2), mount_setattr(2): the first four attributes have the same values in both
RDONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8
RDONLY_TOP = 1 << 32
"""The core helper's own: RDONLY, but not for what is mounted below."""
MS_REC, MS_PRIVATE, MS_SLAVE, MS_SHARED = 0x4000, 1 << 18, 1 << 19, 1 << 20
MS_NOATIME, MS_NODIRATIME = 1 << 10, 1 << 11
MS_RELATIME, MS_STRICTATIME = 1 << 21, 1 << 24
MS_REMOUNT, MS_BIND = 1 << 5, 1 << 12
MS_SYNCHRONOUS, MS_MANDLOCK, MS_DIRSYNC, MS_NOSYMFOLLOW = 1 << 4, 1 << 6, 1 << 7, 1 << 8
MS_SILENT, MS_UNBINDABLE, MS_I_VERSION, MS_LAZYTIME = 1 << 15, 1 << 17, 1 << 23, 1 << 25

# clone(2), setns(2)
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
CLONE_NEWTIME = 0x80

TYPES = {
    "mount": CLONE_NEWNS,
    "cgroup": CLONE_NEWCGROUP,
    "uts": CLONE_NEWUTS,
    "ipc": CLONE_NEWIPC,
    "pid": CLONE_NEWPID,
    "network": CLONE_NEWNET,
    "user": CLONE_NEWUSER,
    "time": CLONE_NEWTIME,
}
"""The spec's namespace types as clone(2) flags."""

SELINUX_FS = "/sys/fs/selinux"
"""There, with a file `enforce`, where the kernel runs with SELinux (selinux.py).  It is here for
those who ask at each start, and need no more where it is not."""
