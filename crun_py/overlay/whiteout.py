"""What stands in a layer's tree for a name that lower layers have and that is hidden.

A character device 0:0, as the kernel's overlay knows it (overlayfs.rst, "whiteouts and opaque
directories"), wherever that can be made.  A store that is on an overlay itself cannot have one:
there it is a socket with a mode that no other socket has, which only we understand (copied.py).
"""

from __future__ import annotations

import os
import stat

from crun_py._native import lib

OVERLAYFS, FUSE = 0x794C7630, 0x65735546
"""f_type of statfs(2)."""
_SOCKET = stat.S_IFSOCK | 0o7000


def holds_no_overlay(path: str) -> bool:
    """Whether the file system of `path` cannot hold the writable layer of an overlay: an overlay
    itself, as the root of a container is, or one of FUSE.  Raises FileNotFoundError."""
    if os.major(os.stat(path).st_dev):
        return False  # a disk
    return lib.crunpy_fs_type(os.fsencode(path)) in (OVERLAYFS, FUSE)


def is_whiteout(found: os.stat_result) -> bool:
    """Whether this entry of a layer stands for nothing."""
    if stat.S_ISCHR(found.st_mode):
        return found.st_rdev == 0
    return found.st_mode == _SOCKET


def make_whiteout(name: str, directory: int) -> None:
    """Make one in the directory open as `directory`.  Raises OSError."""
    try:
        os.mknod(name, stat.S_IFCHR, 0, dir_fd=directory)
    except PermissionError:
        if not holds_no_overlay(f"/proc/self/fd/{directory}"):
            raise
        os.mknod(name, _SOCKET, dir_fd=directory)
        os.chmod(name, stat.S_IMODE(_SOCKET), dir_fd=directory)  # mknod(2) heeds the umask
