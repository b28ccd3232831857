"""Removing directory trees that somebody else has filled."""

from __future__ import annotations

import os
import stat

from crun_py.errors import CrunpyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_DEEP = 64


def remove_tree(path: str) -> None:
    """Remove the directory `path` and all below it, never through a link.  Absent is fine.

    Raises CrunpyError naming the path.
    """
    try:
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as e:
        raise CrunpyError.from_os(f"removing {path}", e) from e
    try:
        while _empty(top, top, 0):
            continue  # something deep was brought up: once more
        os.rmdir(path)
    except FileNotFoundError:
        return
    except OSError as e:
        raise CrunpyError.from_os(f"removing {path}", e) from e
    finally:
        os.close(top)


def remove_tree_at(directory: int, name: str) -> None:
    """As `remove_tree`, for `name` in the directory open as `directory`.  Raises OSError."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    top = os.open(name, flags, dir_fd=directory)
    try:
        while _empty(top, top, 0):
            continue
        os.rmdir(name, dir_fd=directory)
    finally:
        os.close(top)


def change_owner(path: str, owner: Callable[[int, int], tuple[int, int]]) -> None:
    """Give `path` and all below it, never through a link, the uid and gid that `owner` says
    for those they have.  Raises OSError."""
    found = os.lstat(path)
    os.chown(path, *owner(found.st_uid, found.st_gid), follow_symlinks=False)
    if stat.S_ISDIR(found.st_mode):
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _change_owner(top, owner)
        finally:
            os.close(top)


def _change_owner(directory: int, owner: Callable[[int, int], tuple[int, int]]) -> None:
    with os.scandir(directory) as entries:
        for entry in entries:
            found = entry.stat(follow_symlinks=False)
            new = owner(found.st_uid, found.st_gid)
            os.chown(entry.name, *new, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                child = os.open(entry.name, flags, dir_fd=directory)
                try:
                    _change_owner(child, owner)
                finally:
                    os.close(child)


def _empty(directory: int, top: int, depth: int) -> bool:
    """Empty `directory`; True when a tree too deep to descend into was moved to `top`."""
    moved = False
    with os.scandir(directory) as entries:
        for number, entry in enumerate(entries):
            if not entry.is_dir(follow_symlinks=False):
                _unless_gone(os.unlink, entry.name, directory)
                continue
            if depth == _DEEP:
                os.rename(entry.name, f".deep-{number}", src_dir_fd=directory, dst_dir_fd=top)
                moved = True
                continue
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                child = os.open(entry.name, flags, dir_fd=directory)
            except FileNotFoundError:
                continue
            try:
                moved = _empty(child, top, depth + 1) or moved
            finally:
                os.close(child)
            _unless_gone(os.rmdir, entry.name, directory)
    return moved


def _unless_gone(remove: Callable[..., None], name: str, directory: int) -> None:
    """Two removals of one tree may meet."""
    try:
        remove(name, dir_fd=directory)
    except FileNotFoundError:
        return
