"""The place of a build at work: `ROOT/build/work-ID`, and a lock that tells whether it lives.

    lock          held by the build
    container-ID  a container that runs for it
    …             whatever it needs meanwhile

What a killed build left is found by its lock, which nobody holds any more.
"""

from __future__ import annotations

import fcntl
import os

from crun_py.paths import Paths, private_dir
from crun_py.tree import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PREFIX = "work-"
_CONTAINER = "container-"


class Workspace:
    """A new place; `close` removes it."""

    def __init__(self, paths: Paths) -> None:
        self.path = private_dir(f"{paths.root}/build/{_PREFIX}{os.urandom(6).hex()}")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._lock = os.open(self.path + "/lock", flags, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._number = 0

    def directory(self, name: str = "d") -> str:
        """A new empty directory, with another name than in the build's other processes."""
        self._number += 1
        path = f"{self.path}/{name}{os.getpid()}-{self._number}"
        os.mkdir(path, 0o700)
        return path

    def note(self, container_id: str) -> None:
        """A container is about to run for this build."""
        path = f"{self.path}/{_CONTAINER}{container_id}"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def forget(self, container_id: str) -> None:
        """It has ended and is removed."""
        os.unlink(f"{self.path}/{_CONTAINER}{container_id}")

    def close(self) -> None:
        """Remove it; nothing in it is mounted any more."""
        remove_tree(self.path)
        os.close(self._lock)


def abandoned(paths: Paths) -> Iterator[tuple[list[str], Callable[[], None]]]:
    """Of each place whose build was killed: the ids of its containers, and what removes it."""
    try:
        names = os.listdir(paths.root + "/build")
    except FileNotFoundError:
        return
    for name in names:
        path = f"{paths.root}/build/{name}"
        if name.startswith(_PREFIX) and _is_free(path + "/lock"):
            found = [n.removeprefix(_CONTAINER) for n in os.listdir(path)]
            yield [n for n in found if len(n) == 64], lambda path=path: remove_tree(path)  # type: ignore[misc]


def _is_free(lock: str) -> bool:
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False  # about to begin, or to end
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
