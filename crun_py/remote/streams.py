"""The streams of a container or command over a connection that a request has taken over.

Without a terminal output comes in frames: the stream's number, three zeros, the length in four
bytes, the bytes (Engine API, ContainerAttach).
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket

from crun_py.container.attach import (
    DETACHED,
    RawTerminal,
    match_keys,
    window_size,
    write_all,
)
from crun_py.errors import CrunpyError
from crun_py.model.container import Client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object] | int | None

_PIECE = 64 << 10
_HEAD = 8
_PROXIED = (1, 2, 3, 10, 12, 14, 15, 18)
"""Signals that are passed on: HUP INT QUIT USR1 USR2 ALRM TERM CONT."""


class Frames:
    """Takes apart what comes in frames, of which a long one is passed on as it comes."""

    def __init__(self) -> None:
        self._head = b""
        self._number, self._left = 1, 0

    def put(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(1 or 2, bytes) of what has come of frames."""
        at = 0
        while at < len(data):
            if self._left:
                part = data[at : at + self._left]
                at, self._left = at + len(part), self._left - len(part)
                yield self._number, part
                continue
            more = data[at : at + _HEAD - len(self._head)]
            self._head, at = self._head + more, at + len(more)
            if len(self._head) == _HEAD:
                self._number = 2 if self._head[0] == 2 else 1
                self._left = int.from_bytes(self._head[4:], "big")
                self._head = b""


class Signals:
    """Numbers of the signals that have come, to be looked at between two turns of a loop."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = numbers
        self._old: list[tuple[int, Handler]] = []
        self._come: list[int] = []

    def __enter__(self) -> Signals:
        self.fd, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in self._numbers:
            self._old.append((number, signal.signal(number, self._note)))
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old:
            signal.signal(number, handler)
        os.close(self.fd)
        os.close(self._write)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._come.append(number)
        with contextlib.suppress(BlockingIOError):
            os.write(self._write, b"\0")

    def take(self) -> list[int]:
        """Those that have come since."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.fd, _PIECE):
                continue
        come, self._come = self._come, []
        return come


class Attached:
    """Our streams and a container's, on a connection of which `first` has come already.

    reads: our standard input goes there, until it ends.  terminal: it has one: ours is made raw,
    and its size follows.  framed: outputs come in frames.  resize: given rows and columns of our
    terminal.  forward: given signals that we get; None: they are ours.
    """

    def __init__(
        self,
        sock: socket.socket,
        first: bytes,
        client: Client,
        *,
        reads: bool,
        terminal: bool,
        framed: bool,
        resize: Callable[[int, int], object] = lambda rows, columns: None,
        forward: Callable[[int], object] | None = None,
    ) -> None:
        self._socket, self._first, self._client = sock, first, client
        self._reading, self._terminal = reads, terminal
        self._frames = Frames() if framed else None
        self._resize, self._forward = resize, forward
        self._pending = b""
        self._line_open = False

    def serve(self, started: Callable[[], object] = lambda: None) -> bool:
        """Pass the streams on until the container's output ends; False when the user has left it
        by the detach keys.  started: is called when signals are caught."""
        numbers = [*_PROXIED] if self._forward else []
        numbers += [signal.SIGWINCH] if self._terminal else []
        raw = RawTerminal(self._client.stdin, self._terminal and self._reading)
        with Signals(numbers) as signals:
            started()
            with raw:
                self._send_size()
                self._socket.setblocking(False)
                return self._loop(signals)

    def _send_size(self) -> None:
        size = window_size(self._client.stdout) or window_size(self._client.stdin)
        if self._terminal and size and size != b"\0\0\0\0":
            rows, columns = int.from_bytes(size[:2], "little"), int.from_bytes(size[2:], "little")
            with contextlib.suppress(CrunpyError):  # it may have ended just now
                self._resize(rows, columns)

    def _loop(self, signals: Signals) -> bool:
        self._output(self._first)
        keys = self._client.detach_keys if self._terminal else b""
        matched = 0
        while True:
            wants = self._reading and not self._pending
            poll = select.poll()
            poll.register(signals.fd, select.POLLIN)
            poll.register(self._socket, select.POLLIN | select.POLLOUT * bool(self._pending))
            if wants:
                poll.register(self._client.stdin, select.POLLIN)
            for fd, event in poll.poll():
                if fd == signals.fd:
                    self._tell(signals.take())
                elif fd == self._socket.fileno():
                    if event & select.POLLOUT and self._pending:
                        self._push()
                    if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                        data = self._received()
                        if data == b"":
                            return True
                        self._output(data or b"")
                elif wants:
                    matched = self._typed(keys, matched)
                    if matched == DETACHED:
                        return False

    def _tell(self, numbers: list[int]) -> None:
        for number in numbers:
            if number == signal.SIGWINCH:
                self._send_size()
            elif self._forward:
                self._forward(number)

    def _received(self) -> bytes | None:
        """b"" at the end, None when nothing is there yet."""
        try:
            return self._socket.recv(_PIECE)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            return b""

    def _output(self, data: bytes) -> None:
        files = {1: self._client.stdout, 2: self._client.stderr}
        found = self._frames.put(data) if self._frames else ((1, data),)
        for number, part in found:
            write_all(files[number], memoryview(part))

    def _typed(self, keys: bytes, matched: int) -> int:
        try:
            data = os.read(self._client.stdin, _PIECE)
        except BlockingIOError:
            return matched
        except OSError as e:
            if e.errno != errno.EIO:  # the terminal is gone, or we are in the background
                raise
            data = b""
        if not data:
            self._reading = False
            if self._terminal:  # what a terminal takes for the end of its input (termios(3))
                self._pending = b"\x04\x04" if self._line_open else b"\x04"
                self._push()
            else:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_WR)
            return 0
        self._line_open = data[-1:] != b"\n"
        if keys:
            data, matched = match_keys(data, keys, matched)
        if data:
            self._pending += data
            self._push()
        return matched

    def _push(self) -> None:
        try:
            self._pending = self._pending[self._socket.send(self._pending) :]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self._reading, self._pending = False, b""
