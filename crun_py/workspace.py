"""The place of a build at work: `ROOT/build/work-ID`, and a lock that tells whether it lives.

    lock          held by the build
    container-ID  a container that runs for it
    …             whatever it needs meanwhile

What a killed build left is found by its lock, which nobody holds any more.
"""

from __future__ import annotations

import fcntl
import os

from crun_py import jsonfile
from crun_py._native import lib
from crun_py.errors import CrunpyError
from crun_py.paths import Paths, private_dir
from crun_py.tree import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PREFIX = "work-"
_BEGINNING = "/.lock"
_MNT_DETACH = 2
_CONTAINER = "container-"


class Workspace:
    """A new place; `close` removes it."""

    def __init__(self, paths: Paths) -> None:
        top = private_dir(paths.root + "/build")
        self.path = f"{top}/{_PREFIX}{os.urandom(6).hex()}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with jsonfile.Lock(top + _BEGINNING):
            os.mkdir(self.path, 0o700)
            self._lock = os.open(self.path + "/lock", flags, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._number = 0

    def directory(self, name: str = "d") -> str:
        """A new empty directory, with another name than in the build's other processes."""
        self._number += 1
        path = f"{self.path}/{name}{os.getpid()}-{self._number}"
        os.mkdir(path, 0o700)
        return path

    def write(self, path: str, data: bytes) -> None:
        """Put `data` into the file `path` of the store, whole or not at all.  Raises OSError."""
        self._number += 1
        part = f"{self.path}/part{os.getpid()}-{self._number}"
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(data)
        os.rename(part, path)

    def note(self, container_id: str) -> None:
        """A container is about to run for this build."""
        path = f"{self.path}/{_CONTAINER}{container_id}"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def forget(self, container_id: str) -> None:
        """It has ended and is removed."""
        os.unlink(f"{self.path}/{_CONTAINER}{container_id}")

    @property
    def containers(self) -> list[str]:
        """Ids of those that were not forgotten."""
        return _containers(self.path)

    def close(self) -> None:
        """Remove it, once nothing is mounted in it any more.  Raises CrunpyError."""
        _remove(self.path)
        os.close(self._lock)


def _containers(path: str) -> list[str]:
    found = [name.removeprefix(_CONTAINER) for name in os.listdir(path)]
    return [name for name in found if len(name) == 64]


def _remove(path: str) -> None:
    """Remove a place, its lock last.  What is mounted in it, the user's own files among it, is
    let go first; while something is, nothing is removed."""
    for where in reversed(_mounted(path)):
        lib.crunpy_umount(os.fsencode(where), _MNT_DETACH)
    if left := _mounted(path):
        raise CrunpyError(f"removing {path}: something is mounted on {left[0]}")
    try:
        for name in os.listdir(path):
            if os.path.isdir(f"{path}/{name}") and not os.path.islink(f"{path}/{name}"):
                remove_tree(f"{path}/{name}")
            elif name != "lock":
                os.unlink(f"{path}/{name}")
    except FileNotFoundError:  # another command that sweeps is at it
        remove_tree(path)
        return
    remove_tree(path)


def _mounted(path: str) -> list[str]:
    """Where below `path` something is mounted, as this process sees it (proc(5), mountinfo)."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        found = [line.split()[4].replace("\\040", " ") for line in f]
    return [where for where in found if where.startswith(path + "/")]


def containers(paths: Paths) -> set[str]:
    """Ids of the containers of all builds: of one that has just ended the build still wants the
    files."""
    found: set[str] = set()
    for path in _places(paths.root + "/build"):
        try:
            found.update(_containers(path))
        except FileNotFoundError:
            continue  # removed just now
    return found


def _places(top: str) -> list[str]:
    try:
        return [f"{top}/{name}" for name in os.listdir(top) if name.startswith(_PREFIX)]
    except FileNotFoundError:
        return []


def abandoned(paths: Paths) -> Iterator[tuple[list[str], Callable[[], None]]]:
    """Of each place whose build was killed: the ids of its containers, and what removes it."""
    top = paths.root + "/build"
    for path in _places(top):
        try:
            if _is_free(top, path):
                yield _containers(path), _deferred(path)
        except FileNotFoundError:
            continue  # removed just now


def _deferred(path: str) -> Callable[[], None]:
    return lambda: _remove(path)


def _is_free(top: str, path: str) -> bool:
    # a place just made has no lock yet: no build must be at that point
    with jsonfile.Lock(top + _BEGINNING):
        try:
            fd = os.open(path + "/lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return os.path.isdir(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
