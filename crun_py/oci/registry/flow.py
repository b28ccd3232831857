"""Bounded pipes between threads, and a way to stop all of them at the first error."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

_DEPTH = 8
_SETTLE_BYTES = 16 << 20


class Stopped(Exception):
    """Another thread of the same work has failed: give up quietly."""


class Work:
    """Threads that succeed or fail together.  The first error is the one that counts."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def start(self, name: str, function: Callable[[], None]) -> None:
        """Run `function` in a thread of its own."""
        thread = threading.Thread(target=self._run, args=(function,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self, error: BaseException) -> None:
        """Make every thread end; `error` is the reason unless there is one already."""
        with self.changed:
            self.error = self.error or error
            self.changed.notify_all()

    def join(self) -> None:
        """Wait for all threads, also those that they start."""
        while self._threads:
            self._threads.pop().join()

    def check(self) -> None:
        """Raise Stopped when the work has failed."""
        if self.error is not None:
            raise Stopped

    def _run(self, function: Callable[[], None]) -> None:
        try:
            function()
        except Stopped:
            return
        except BaseException as e:
            self.stop(e)


class Pipe:
    """Pieces of bytes from one thread to another, at most a few at a time."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._pieces: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._ended = False

    def put(self, data: bytes) -> None:
        """Hand over `data`, not empty; waits while the pipe is full.  Raises Stopped."""
        with self._changed:
            while len(self._pieces) >= _DEPTH:
                self._wait()
            self._pieces.append(data)
            self._changed.notify_all()

    def end(self) -> None:
        """There is no more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def get(self) -> bytes:
        """The next piece, b"" at the end.  Raises Stopped."""
        with self._changed:
            while not self._pieces:
                if self._ended:
                    return b""
                self._wait()
            data = self._pieces.popleft()
            self._changed.notify_all()
            return data

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.get, b"")

    def _wait(self) -> None:
        self._work.check()
        # the other end does not notify when it fails: it may hold other pipes
        self._changed.wait(0.05)


class Settler:
    """Writes out what has come so far, each time that some MiB more have, in a thread of its own:
    so the disk works while data still comes, and there is little to wait for at the end."""

    def __init__(self, work: Work, settle: Callable[[], None]) -> None:
        """settle: writes out; its error is that of `work`."""
        self._settle = settle
        self._fresh = 0
        self._ended = False
        self._changed = threading.Condition()
        work.start("settling", self._run)

    def fed(self, size: int) -> None:
        """So many bytes more have come."""
        with self._changed:
            self._fresh += size
            self._changed.notify()

    def end(self) -> None:
        """No more will come, or nobody wants it."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._fresh < _SETTLE_BYTES and not self._ended:
                    self._changed.wait()
                if self._ended:
                    return
                self._fresh = 0
            self._settle()
