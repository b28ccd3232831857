"""A container in the making: `containers/.new-ID`, and a lock that tells whether its maker lives.

It becomes a container by one rename.  What a killed maker left is found by its lock, which
nobody holds any more.
"""

from __future__ import annotations

import fcntl
import os

from crun_py import jsonfile
from crun_py.errors import Conflict
from crun_py.paths import Paths, private_dir
from crun_py.tree import remove_tree

PREFIX, SUFFIX = ".new-", ".lock"


def _unless_gone(path: str) -> None:
    """Remove a file; two that sweep may meet."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


class Staging:
    """The staging directory of container `container_id`."""

    def __init__(self, paths: Paths, container_id: str) -> None:
        self._target = paths.container(container_id)
        self.directory = f"{paths.containers}/{PREFIX}{container_id}"
        self._lock_path = self.directory + SUFFIX
        self._beginning = paths.containers + "/.lock"
        self._lock = -1

    def open(self) -> None:
        """Make it, owned by this process."""
        private_dir(os.path.dirname(self.directory))
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with jsonfile.Lock(self._beginning, shared=True):
            self._lock = os.open(self._lock_path, flags, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX)
            except OSError:
                self._release()
                raise
        private_dir(self.directory)

    def commit(self, *, durable: bool) -> None:
        """Give it its final name; durable: also after a power cut."""
        os.rename(self.directory, self._target)
        if durable:
            jsonfile.sync_directory(os.path.dirname(self._target))
        self._release()

    def discard(self) -> None:
        """Remove all of it."""
        remove_tree(self.directory)
        self._release()

    def _release(self) -> None:
        _unless_gone(self._lock_path)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def committed(self) -> bool:
        return os.path.isdir(self._target)

    def abandoned(self) -> bool:
        """Whether its maker was killed."""
        try:
            # a lock file just created is not locked yet: no maker must be at that point
            with jsonfile.Lock(self._beginning, timeout_s=0):
                return self._owner_lives() is False
        except Conflict:
            return False

    def owned(self) -> bool:
        """Whether a living process is at work on it."""
        return self._owner_lives() is True

    def _owner_lives(self) -> bool | None:
        """None: there is no lock file, so it was never begun or is finished."""
        try:
            fd = os.open(self._lock_path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
