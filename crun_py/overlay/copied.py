"""Where the kernel makes no overlay a container's root is a copy of its image's files.

That is so in a container of another engine, when the store lies in its root file system.  Trees
of layers are as everywhere; what they show merged is a tree of hard links, made once for an image
(`whole`), which is bound instead of an overlay and copied for each container (`fill`).  What came
of a copy becomes a layer's tree again (`extract`), for who wants to know its changes.
"""

from __future__ import annotations

import errno
import os
import stat

from crun_py.errors import CrunpyError
from crun_py.overlay.copy import Copier, made_once, opened
from crun_py.overlay.view import is_opaque
from crun_py.overlay.whiteout import is_whiteout, make_whiteout
from crun_py.tree import DEPTH_LIMIT, DIRECTORY, remove_tree_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Owner = Callable[[int, int], tuple[int, int]]


def same(uid: int, gid: int) -> tuple[int, int]:
    """The owner of a copy, where ids mean the same."""
    return uid, gid


# ---- layers merged ----


def whole(layers: list[str]) -> str:
    """The tree that `layers` (base first) show merged, made if need be beside the topmost one.

    It shares its files with them: nobody may write to it.  Raises CrunpyError.
    """
    if len(layers) == 1:
        return layers[0]

    def fill(staged: str) -> None:
        for layer in layers:
            opened(None, None, layer, _lay, into=staged)

    try:
        return made_once(f"{os.path.dirname(layers[-1])}/whole", fill)
    except OSError as e:
        raise CrunpyError.from_os(f"merging the layers below {layers[-1]}", e) from e


def _lay(source: int, target: int, depth: int = 0) -> None:
    """Lay the directory of a layer over what lower layers have made of `target`."""
    if depth > DEPTH_LIMIT:
        raise CrunpyError(f"merging layers: more than {DEPTH_LIMIT} directories deep")
    if is_opaque(source):
        for name in os.listdir(target):
            _remove(target, name)
    for name in os.listdir(source):
        found = os.stat(name, dir_fd=source, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            _remove(target, name)
            if not is_whiteout(found):
                os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
            continue
        if not _is_directory(target, name):
            _remove(target, name)
            os.mkdir(name, 0o700, dir_fd=target)
        opened(source, target, name, lambda a, b: _lay(a, b, depth + 1))
    Copier(target).describe(source, target, os.fstat(source))


def _lstat(directory: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is_directory(directory: int, name: str) -> bool:
    found = _lstat(directory, name)
    return found is not None and stat.S_ISDIR(found.st_mode)


def _remove(directory: int, name: str) -> None:
    found = _lstat(directory, name)
    if found is None:
        return
    if stat.S_ISDIR(found.st_mode):
        remove_tree_at(directory, name)
    else:
        os.unlink(name, dir_fd=directory)


# ---- a container's root ----


def fill(layers: list[str], target: str, owner: Owner = same) -> None:
    """Copy what `layers` (base first) show into the empty directory `target`.

    owner: uid and gid of the copy for those of a file.  Raises CrunpyError.
    """
    try:
        opened(None, None, whole(layers), lambda a, b: Copier(b, owner).copy(a), into=target)
    except OSError as e:
        raise CrunpyError.from_os("copying the image's files", e) from e


def extract(layers: list[str], tree: str, into: str, owner: Owner = same) -> None:
    """Make the empty directory `into` the tree of a layer on top of `layers` (base first) that
    shows what `tree` has: hard links to what was added or changed, and whiteouts.

    A file is taken for unchanged that has the same type, owner, mode, size, and time of change of
    its content.  owner: uid and gid in `tree` for those of a file in `layers`.  Raises CrunpyError.
    """
    try:
        below = os.open(whole(layers), DIRECTORY)
        try:
            opened(None, None, tree, lambda a, b: _differing(a, below, b, owner), into=into)
        finally:
            os.close(below)
    except OSError as e:
        raise CrunpyError.from_os("reading what was changed", e) from e


def _differing(tree: int, below: int, into: int, owner: Owner, depth: int = 0) -> None:
    """What a directory has beyond the one open as `below`, -1: there was none."""
    if depth > DEPTH_LIMIT:
        raise CrunpyError(f"reading what was changed: more than {DEPTH_LIMIT} directories deep")
    names = os.listdir(tree)
    for name in {*os.listdir(below)} - {*names} if below >= 0 else ():
        make_whiteout(name, into)
    for name in names:
        found = _lstat(tree, name)
        before = _lstat(below, name) if below >= 0 else None
        if found is None:
            continue  # removed just now
        try:
            if stat.S_ISDIR(found.st_mode):
                _directory(tree, below, into, name, before, owner, depth + 1)
            elif before is None or not _alike(found, before, owner):
                os.link(name, name, src_dir_fd=tree, dst_dir_fd=into, follow_symlinks=False)
        except OSError as e:
            if e.errno not in _REPLACED:
                raise
    Copier(into).describe(tree, into, os.fstat(tree))


_REPLACED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What comes of an entry that a running container has removed or replaced just now: it is passed
over, and no link is followed that stands in its place."""


def _directory(
    tree: int,
    below: int,
    into: int,
    name: str,
    before: os.stat_result | None,
    owner: Owner,
    depth: int,
) -> None:
    """One directory; it is left out when it was there and nothing of it has changed."""
    was_there = before is not None and stat.S_ISDIR(before.st_mode)
    there = os.open(name, DIRECTORY, dir_fd=below) if was_there else -1
    os.mkdir(name, 0o700, dir_fd=into)
    try:
        opened(tree, into, name, lambda a, b: _differing(a, there, b, owner, depth))
    except OSError:
        remove_tree_at(into, name)
        raise
    finally:
        if there >= 0:
            os.close(there)
    made = os.stat(name, dir_fd=into, follow_symlinks=False)
    if before is not None and _alike(made, before, owner):
        try:
            os.rmdir(name, dir_fd=into)
        except OSError as e:
            if e.errno != errno.ENOTEMPTY:
                raise


def _alike(found: os.stat_result, before: os.stat_result, owner: Owner) -> bool:
    if owner(before.st_uid, before.st_gid) != (found.st_uid, found.st_gid):
        return False
    about = ("st_mode", "st_rdev", "st_mtime_ns")
    if any(getattr(found, name) != getattr(before, name) for name in about):
        return False
    return stat.S_ISDIR(found.st_mode) or found.st_size == before.st_size
