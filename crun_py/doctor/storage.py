"""Where images and containers lie: overlay, the file system, and room on it."""

from __future__ import annotations

from crun_py.doctor.host import module
from crun_py.errors import CrunpyError
from crun_py.paths import is_new_volume

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.doctor.host import Host
    from crun_py.model.system import Finding

_LITTLE_BYTES, _TOO_LITTLE_BYTES = 2 << 30, 100 << 20
_LITTLE_INODES = 20_000
_UNFIT = ("overlay", "nfs", "nfs4", "cifs", "9p", "fuse", "fuseblk", "vfat", "exfat", "ntfs3")
"""File systems that cannot hold the writable layer of an overlay, as a rule."""


def overlay(host: Host, filesystem: str, mount: Callable[[], object]) -> Iterator[Finding]:
    """Whether the layers of images can be mounted over each other where the store is.

    filesystem: the type of the store's.  mount: tries it there, and raises CrunpyError.
    """
    name = "overlay"
    try:
        mount()
    except CrunpyError as e:
        if "overlay" not in host.text("/proc/filesystems").split():
            what = "the kernel has no overlay file system"
            yield host.error(name, what, module("overlay"), machine=True)
            return
        what = f"it cannot be mounted at {host.store}, which is on {filesystem}: {e.message}"
        yield host.error(name, what, _elsewhere() if filesystem in _UNFIT else "")
        return
    yield host.ok(name, f"the kernel's is used, on {filesystem}; fuse-overlayfs is not needed")


def copies(host: Host, filesystem: str) -> Finding:
    """Of a store where the kernel mounts no overlay, and none is tried (overlay/copied.py)."""
    what = f"none on {filesystem}, where {host.store} is: each container copies its image's files"
    if host.outer:
        return host.warning("overlay", what, host.outside(f"-v VOLUME:{host.store}"), machine=True)
    return host.warning("overlay", what, _elsewhere())


def unusable(host: Host, name: str, path: str, variable: str, error: CrunpyError) -> Finding:
    """Of a directory, which `variable` names, that is not ours or cannot be made."""
    fix = f"chown {host.uid} {path}" if is_new_volume(path) else _elsewhere(variable)
    return host.error(name, error.line(), fix)


def _elsewhere(variable: str = "CRUNPY_ROOT") -> str:
    return f"export {variable}=/DIRECTORY/ON/A/LOCAL/DISK  # ext4, xfs, btrfs or tmpfs"


def room(host: Host, filesystem: str, free_bytes: int, free_inodes: int) -> Iterator[Finding]:
    """Whether the store's file system has room.  free_inodes: -1 where there is no limit."""
    name, fix = "store", "crunpy system prune"
    gib = f"{host.store} on {filesystem}, {free_bytes / (1 << 30):.1f} GiB free"
    if free_bytes < _TOO_LITTLE_BYTES:
        yield host.error(name, gib, fix)
    elif 0 <= free_inodes < _LITTLE_INODES:
        yield host.warning(name, f"{gib}, but room for {free_inodes} files only", fix)
    elif free_bytes < _LITTLE_BYTES:
        yield host.warning(name, gib, fix)
    else:
        yield host.ok(name, gib)
