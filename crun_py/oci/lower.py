"""What only the lower layers can tell about a layer.

A tar may lack the directories above its entries: they keep owner, mode, time and extended
attributes of the layers below.  A hard link may point to a file of a lower layer: it
becomes a copy, as overlay's copy-up would make it.  Every tree is walked by descriptors,
without following a link (a lower layer is as hostile as any).
"""

from __future__ import annotations

import os
import stat

from crun_py._native import check, lib
from crun_py.errors import ImageError
from crun_py.tree import DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def apply(fixups: bytes, root: int, lower: Sequence[str]) -> None:
    """Carry out `fixups` (untar.h, crunpy_untar_fixups) on the tree open as `root`.

    lower: trees of the layers below, base first.  Raises OSError or ImageError.
    """
    trees: list[int] = []
    try:
        for tree in reversed(lower):
            trees.append(os.open(tree, DIRECTORY))
        for kind, path, target in _parse(fixups):
            if kind == b"D":
                _describe(root, path, trees)
            else:
                _link(root, path, target, trees)
    finally:
        for fd in trees:
            os.close(fd)


def _parse(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    fields = iter(data.split(b"\0")[:-1])
    for kind in fields:
        path = next(fields)
        yield kind, path, next(fields) if kind == b"L" else b""


def _open(root: int, path: bytes) -> int:
    return check(lib.crunpy_open_in_root(root, path, DIRECTORY), os.fsdecode(path))


def _describe(root: int, path: bytes, trees: Sequence[int]) -> None:
    """The directory `path`, which had no entry, gets the metadata it has below."""
    found = _find(trees, path)
    if found < 0:
        return
    try:
        if stat.S_ISDIR(os.fstat(found).st_mode):
            mine = _open(root, path)
            try:
                _copy_metadata(found, mine)
            finally:
                os.close(mine)
    finally:
        os.close(found)


def _link(root: int, path: bytes, target: bytes, trees: Sequence[int]) -> None:
    parent, name = os.path.split(path)
    directory = _open(root, parent)
    # an earlier link of this layer may have been the first to bring the target up
    found = _find([root, *trees], target)
    try:
        before = os.fstat(directory)
        if _exists(name, directory):  # a later entry of the same name
            return
        if found < 0 or stat.S_ISDIR(os.fstat(found).st_mode):
            raise ImageError(
                f"unpacking a layer: entry {os.fsdecode(path)!r}: hard link to "
                f"{os.fsdecode(target)!r}, which is not a file of this or a lower layer"
            )
        _copy(found, directory, name)
        os.utime(directory, ns=(before.st_atime_ns, before.st_mtime_ns))
    finally:
        os.close(directory)
        if found >= 0:
            os.close(found)


def _find(trees: Sequence[int], path: bytes) -> int:
    """O_PATH descriptor of what overlay would show at `path` of `trees`, top first; or -1."""
    for tree in trees:
        at = os.dup(tree)
        opaque = False
        parts = path.split(b"/") if path else []
        for part in parts:
            opaque = opaque or _is_opaque(at)
            try:
                below = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            except FileNotFoundError:
                below = -1
            except NotADirectoryError:  # this layer hides the directory by something else
                os.close(at)
                return -1
            os.close(at)
            at = below
            if at < 0:
                break
        if at >= 0:
            if _is_whiteout(os.fstat(at)):
                os.close(at)
                return -1
            return at
        if opaque:
            return -1
    return -1


def _is_whiteout(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def _is_opaque(fd: int) -> bool:
    # an O_PATH descriptor has no fgetxattr(2) of its own
    path = f"/proc/self/fd/{fd}"
    for name in ("trusted.overlay.opaque", "user.overlay.opaque"):
        try:
            if os.getxattr(path, name) == b"y":
                return True
        except OSError:
            continue
    return False


def _exists(name: bytes, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _copy_metadata(source: int, target: int) -> None:
    """Owner, mode, wanted extended attributes and time from O_PATH `source` to `target`."""
    found = os.fstat(source)
    os.fchown(target, found.st_uid, found.st_gid)
    os.fchmod(target, stat.S_IMODE(found.st_mode))
    path = f"/proc/self/fd/{source}"
    for name in os.listxattr(path):
        if name == "security.capability" or (
            name.startswith("user.") and not name.startswith("user.overlay.")
        ):
            os.setxattr(target, name, os.getxattr(path, name))
    os.utime(target, ns=(found.st_mtime_ns, found.st_mtime_ns))


def _copy(source: int, directory: int, name: bytes) -> None:
    """A file or symbolic link from O_PATH `source`, named `name` in `directory`."""
    found = os.fstat(source)
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(b"", dir_fd=source), name, dir_fd=directory)
        os.chown(name, found.st_uid, found.st_gid, dir_fd=directory, follow_symlinks=False)
        return
    if not stat.S_ISREG(found.st_mode):
        raise ImageError(
            f"unpacking a layer: entry {os.fsdecode(name)!r}: hard link to a special file "
            "of a lower layer"
        )
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    into = os.open(name, flags, 0o600, dir_fd=directory)
    try:
        reader = os.open(f"/proc/self/fd/{source}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            while os.copy_file_range(reader, into, 1 << 30):
                pass
        finally:
            os.close(reader)
        _copy_metadata(source, into)
    finally:
        os.close(into)
