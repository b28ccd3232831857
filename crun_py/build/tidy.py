"""The places that something was mounted on, taken out of the layer of a RUN."""

from __future__ import annotations

import os
import stat

from crun_py.overlay.view import LayeredView, is_opaque
from crun_py.tree import DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def tidy(upper: str, trees: list[str], places: Iterable[str]) -> None:
    """Remove from the layer `upper`, which lies on `trees` (base first), what was only made to
    mount something on: empty files and directories that the trees lack, and copies of
    directories in which nothing is left.  Raises OSError.
    """
    below = LayeredView(trees[::-1])
    merged = LayeredView([upper, *trees[::-1]])
    top = os.open(upper, DIRECTORY)
    try:
        for place in sorted(places, key=lambda p: -p.count("/")):
            parts = merged.resolve(place)
            for length in range(len(parts or []), 0, -1):
                if not _removed(top, below, (parts or [])[:length]):
                    break
    finally:
        os.close(top)


def _removed(top: int, below: LayeredView, parts: list[str]) -> bool:
    """Whether the entry is gone: removed now, or not of this layer at all."""
    directory = os.dup(top)
    try:
        for part in parts[:-1]:
            try:
                child = os.open(part, DIRECTORY, dir_fd=directory)
            except (FileNotFoundError, NotADirectoryError):
                return True
            os.close(directory)
            directory = child
        return _removed_from(directory, parts[-1], below.at(parts))
    finally:
        os.close(directory)


def _removed_from(directory: int, name: str, before: os.stat_result | None) -> bool:
    try:
        mine = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return True
    if stat.S_ISREG(mine.st_mode) and mine.st_size == 0 and before is None:
        os.unlink(name, dir_fd=directory)
        return True
    if not stat.S_ISDIR(mine.st_mode):
        return False
    if before is not None and _owned(before) != _owned(mine):
        return False
    if before is None and _owned(mine) != (0o40755, 0, 0):
        return False
    child = os.open(name, DIRECTORY, dir_fd=directory)
    try:
        if is_opaque(child) or os.listdir(child):
            return False
    finally:
        os.close(child)
    os.rmdir(name, dir_fd=directory)
    return True


def _owned(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_mode, found.st_uid, found.st_gid
