"""What differs between two stacks of layers, as docker lists changes."""

from __future__ import annotations

import os
import stat

from crun_py.overlay.changes import ADDED, CHANGED, DELETED
from crun_py.overlay.view import LayeredView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def compare(before: list[str], after: list[str]) -> list[tuple[str, str]]:
    """(kind, absolute path) of each change from the trees `before` to `after`, topmost first.

    Files are taken for equal when they are one file, or have the same owner, mode, size and
    time of change of their content.
    """
    found = _directory(LayeredView(before), LayeredView(after), [])
    return [(kind, "/" + "/".join(parts)) for kind, parts in found]


def _directory(
    before: LayeredView, after: LayeredView, parts: list[str]
) -> Iterator[tuple[str, list[str]]]:
    names = {*before.names(parts), *after.names(parts)}
    for name in sorted(names, key=os.fsencode):
        path = [*parts, name]
        old, new = before.at(path), after.at(path)
        if new is None:
            yield DELETED, path
            continue
        below: list[tuple[str, list[str]]] = []
        if stat.S_ISDIR(new.st_mode):
            below = list(_directory(before, after, path))
        if old is None:
            yield ADDED, path
        elif below or _differ(old, new):
            yield CHANGED, path
        yield from below


def _differ(old: os.stat_result, new: os.stat_result) -> bool:
    if (old.st_dev, old.st_ino) == (new.st_dev, new.st_ino):
        return False
    about = ("st_mode", "st_uid", "st_gid", "st_rdev", "st_mtime_ns")
    if any(getattr(old, name) != getattr(new, name) for name in about):
        return True
    return not stat.S_ISDIR(new.st_mode) and old.st_size != new.st_size
