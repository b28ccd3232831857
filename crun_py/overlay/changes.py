"""What a container changed: its writable layer beside the image's layers.

A directory that was only passed on the way to a change counts as changed, as docker lists
it.  What the engine itself made to mount something on is no change of the container's.
"""

from __future__ import annotations

import os
import stat

from crun_py.errors import CrunpyError
from crun_py.overlay.view import LayeredView, is_opaque
from crun_py.overlay.whiteout import is_whiteout
from crun_py.tree import DEPTH_LIMIT, DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ADDED, CHANGED, DELETED = "A", "C", "D"


class Changes:
    """The changes of the writable layer `upper` over `layers` (topmost first).

    made:  absolute paths on which the engine mounts something, and makes them for that.
    owner: which uid and gid of `upper` stand for those of `layers`.
    """

    def __init__(
        self,
        upper: str,
        layers: list[str],
        made: Iterable[str],
        owner: Callable[[int, int], tuple[int, int]] = lambda uid, gid: (uid, gid),
    ) -> None:
        self._owner = owner
        self.upper = upper
        self._below = LayeredView(layers)
        self._made = {path.strip("/") for path in made}
        self._ways = {p[:i] for p in self._made for i, c in enumerate(p) if c == "/"}

    def found(self) -> list[tuple[str, str]]:
        """(kind, absolute path) of each, parents before what is below them."""
        top = os.open(self.upper, DIRECTORY)
        try:
            return [(kind, "/" + "/".join(parts)) for kind, parts in self._directory(top, [])]
        finally:
            os.close(top)

    def own(self, path: str) -> bool:
        """Whether `path` (no leading "/") of the writable layer is the container's doing."""
        if path in self._made:
            return False
        if path not in self._ways:
            return True
        parts = path.split("/")
        top = os.open(self.upper, DIRECTORY)
        try:
            parent = self._open(top, parts[:-1])
            try:
                return any(self._entry(parent, parts))
            finally:
                os.close(parent)
        finally:
            os.close(top)

    def own_or_below(self, path: str) -> bool:
        """Whether `path` of the merged tree is the image's or the container's doing."""
        return self._below.at(path.split("/")) is not None or self.own(path)

    @staticmethod
    def _open(top: int, parts: list[str]) -> int:
        fd = os.dup(top)
        for part in parts:
            child = os.open(part, DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = child
        return fd

    def _directory(self, directory: int, parts: list[str]) -> Iterator[tuple[str, list[str]]]:
        """Changes below the directory `parts`, which is open in the writable layer.

        It is walked by descriptor: the container may be changing it right now.
        """
        if len(parts) > DEPTH_LIMIT:
            raise CrunpyError(
                f"reading the changes of {'/'.join(parts)[:80]}…: more than {DEPTH_LIMIT} "
                "directories deep"
            )
        names = set(os.listdir(directory))
        if is_opaque(directory):
            names |= set(self._below.names(parts))
        for name in sorted(names, key=os.fsencode):
            yield from self._entry(directory, [*parts, name])

    def _entry(self, directory: int, parts: list[str]) -> Iterator[tuple[str, list[str]]]:
        path = "/".join(parts)
        if path in self._made:
            return
        mine = _lstat(directory, parts[-1])
        before = self._below.at(parts)
        if mine is None:
            if before is not None:
                yield DELETED, parts
            return
        below = []
        if stat.S_ISDIR(mine.st_mode):
            below = list(self._in(directory, parts))
            if before is None and not below and path in self._ways:
                return
            if before is not None and not below and not self._differs(path, mine, before):
                return
        yield (CHANGED if before else ADDED), parts
        yield from below

    def _in(self, directory: int, parts: list[str]) -> Iterator[tuple[str, list[str]]]:
        try:
            child = os.open(parts[-1], DIRECTORY, dir_fd=directory)
        except (FileNotFoundError, NotADirectoryError):
            return  # replaced just now
        try:
            yield from self._directory(child, parts)
        finally:
            os.close(child)

    def _differs(self, path: str, mine: os.stat_result, before: os.stat_result) -> bool:
        owner = self._owner(before.st_uid, before.st_gid)
        if mine.st_mode != before.st_mode or (mine.st_uid, mine.st_gid) != owner:
            return True
        # making what we mount something on has changed the time of the directory above
        ours = path in self._ways
        return mine.st_mtime_ns != before.st_mtime_ns and not ours


def _lstat(directory: int, name: str) -> os.stat_result | None:
    """None when there is nothing, or a whiteout."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return None if is_whiteout(found) else found
