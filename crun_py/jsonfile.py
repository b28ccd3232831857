"""JSON files that are whole at any instant, and locks that die with their holder."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from types import TracebackType
from typing import Any

from crun_py.errors import Conflict, CorruptState, CrunpyError


def write(path: str, value: Any, *, durable: bool = True) -> None:
    """Replace `path` by the JSON of `value`, mode 0600, in one rename.

    durable: fsync the file before and its directory after the rename, so that a power cut
    leaves the old or the new text (rename(2)).  Raises CrunpyError naming the path.
    """
    write_bytes(path, json.dumps(value, separators=(",", ":")).encode(), durable=durable)


def write_bytes(path: str, data: bytes, *, durable: bool = True, mode: int = 0o600) -> None:
    """As `write`, for any content."""
    directory, name = os.path.split(path)
    staged = f"{directory}/.{name}.{os.getpid()}.tmp"
    try:
        fd = os.open(
            staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode
        )
        try:
            os.fchmod(fd, mode)
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(staged, path)
        if durable:
            sync_directory(directory)
    except OSError as e:
        try:
            os.unlink(staged)
        except FileNotFoundError:
            staged = ""
        raise CrunpyError.from_os(f"writing {path}", e) from e


def sync_directory(path: str) -> None:
    """fsync the directory `path`, so that the names in it survive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read(path: str) -> Any:
    """The value in the JSON file `path`.

    Raises FileNotFoundError when it is absent, CorruptState when it is not JSON.
    """
    with open(path, "rb") as f:
        data = f.read()
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as e:
        raise CorruptState(f"reading {path}: not valid JSON") from e


class Lock:
    """An exclusive (or shared) flock(2) on `path`, held inside a `with`.

    The kernel drops it when the holder dies, so a lock is never stale.  timeout_s: how
    long to wait before Conflict is raised; None waits for ever, 0 tries once.
    """

    def __init__(self, path: str, *, shared: bool = False, timeout_s: float | None = None) -> None:
        self.path = path
        self.fd = -1
        self._how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._timeout_s = timeout_s

    def __enter__(self) -> Lock:
        while True:
            self.fd = os.open(
                self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
            try:
                self._acquire()
                # whoever removed the object removed its lock file: what we hold is then nobody's
                if os.fstat(self.fd).st_ino == os.stat(self.path).st_ino:
                    return self
            except FileNotFoundError:
                if not os.path.isdir(os.path.dirname(self.path)):
                    self._release()
                    raise
            except BaseException:
                self._release()
                raise
            self._release()

    def _acquire(self) -> None:
        if self._timeout_s is None:
            fcntl.flock(self.fd, self._how)
            return
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                fcntl.flock(self.fd, self._how | fcntl.LOCK_NB)
                return
            except OSError as e:
                if e.errno not in (errno.EWOULDBLOCK, errno.EINTR):
                    raise
                if time.monotonic() >= deadline:
                    raise Conflict(f"locking {self.path}: another command holds it") from e
                time.sleep(0.01)

    def _release(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()
