"""The client's side of a container's attach socket: terminal and streams of `run`, `attach`,
`exec` and `wait`.  The messages are listed in `_native/core.h`.
"""

from __future__ import annotations

import _signal as signal
import errno
import fcntl
import os
import select
import time
from _struct import unpack

from crun_py._native import check, ffi, lib
from crun_py.errors import InvalidArgument, NotATerminal, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

STDOUT, STDERR, STDIN, LOSSLESS, CLEANER = 1, 2, 4, 8, 16
"""What a client says in its hello: streams it wants, that it must lose nothing, that it
cleans up after the container."""

DETACHED = -1
"""Result of `Session.serve` when the user typed the detach keys."""
LOST = -2
"""Result when the monitor went away without telling an exit code."""

CHUNK = 64 << 10
_TIOCGWINSZ = 0x5413
_PROXIED = (1, 2, 3, 10, 12, 14, 15, 18)  # HUP INT QUIT USR1 USR2 ALRM TERM CONT
_SIGWINCH = 28


def parse_detach_keys(text: str) -> bytes:
    """`ctrl-p,ctrl-q` as the bytes a terminal sends.  Raises InvalidArgument."""
    keys = bytearray()
    for word in text.split(",") if text else []:
        control = word.removeprefix("ctrl-")
        if len(word) == 1 and word.isascii():
            keys += word.encode()
        elif word != control and len(control) == 1 and "@" <= control.upper() <= "_":
            keys.append(ord(control.upper()) & 0x1F)
        else:
            raise InvalidArgument(
                f"detach keys {text!r}: {word!r} is no key",
                hint="single characters or ctrl-X, separated by commas",
            )
    return bytes(keys)


def socketpair() -> tuple[int, int]:
    """Our end and the monitor's of a first client's socket."""
    fds = ffi.new("int[2]")
    check(lib.crunpy_socketpair(fds), "socketpair")
    return int(fds[0]), int(fds[1])


def check_input(fd: int, *, terminal: bool) -> None:
    """Raises NotATerminal, in Docker's words, where a container's terminal would be fed by `fd`,
    which is none (docker run(1), -t and -i)."""
    if terminal and not _is_terminal(fd):
        raise NotATerminal("the input device is not a TTY", hint="-i without -t takes any input")


def _is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False


def window_size(fd: int) -> bytes | None:
    """Rows and columns of the terminal `fd`, as the message has them; None: no terminal."""
    try:
        return fcntl.ioctl(fd, _TIOCGWINSZ, b"\0" * 8)[:4]
    except OSError:
        return None


def release(run_directory: str) -> bytes:
    """Let an initialized container start; what its monitor says, for launch.read_result.

    Raises NotFound when there is no monitor."""
    from crun_py import monitor

    sock = monitor.connect(run_directory)
    try:
        os.write(sock, b"h\0")
        os.write(sock, b"s")
        while message := os.read(sock, CHUNK + 1):
            if message[:1] == b"s":
                return message[1:]
    except (BrokenPipeError, ConnectionResetError):
        pass  # it has ended just now
    finally:
        os.close(sock)
    raise NotFound("starting the container: its monitor has ended")


class RawTerminal:
    """The terminal `fd` in raw mode inside a `with`; does nothing for other files."""

    def __init__(self, fd: int, enabled: bool) -> None:
        self._fd = fd
        self._saved: list[Any] | None = None
        self._enabled = enabled and os.isatty(fd)

    def __enter__(self) -> None:
        if not self._enabled:
            return
        while not self._make_raw():
            continue

    def _make_raw(self) -> bool:
        """False when we were stopped for it as a background job (SIGTTOU): what the terminal was
        like then is no longer true."""
        import termios as t

        self._saved = t.tcgetattr(self._fd)
        mode = t.tcgetattr(self._fd)
        mode[0] &= ~(
            t.IGNBRK | t.BRKINT | t.PARMRK | t.ISTRIP | t.INLCR | t.IGNCR | t.ICRNL | t.IXON
        )
        mode[1] &= ~t.OPOST
        mode[2] = mode[2] & ~(t.CSIZE | t.PARENB) | t.CS8
        mode[3] &= ~(t.ECHO | t.ECHONL | t.ICANON | t.ISIG | t.IEXTEN)
        mode[6][t.VMIN], mode[6][t.VTIME] = 1, 0
        return self._set(mode)

    def __exit__(self, *_: object) -> None:
        while self._saved is not None and not self._set(self._saved):
            continue

    def _set(self, mode: list[Any]) -> bool:
        """False when a signal came in between."""
        import termios

        try:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, mode)
            return True
        except termios.error as e:
            if e.args[0] == errno.EINTR:
                return False
            raise


class Session:
    """One connection to a monitor, from hello to exit code.

    sock:     the connected socket; closed by `close`.
    streams:  STDOUT | STDERR | STDIN | LOSSLESS | CLEANER.
    terminal: the container has one: our own is made raw and its size follows.
    sink:     is given (1 or 2, bytes) instead of the files.
    files:    our descriptors for the container's standard input, output and error.
    sizes:    gives sizes of a terminal that is elsewhere, see Client; -1 for none.
    """

    def __init__(
        self,
        sock: int,
        streams: int,
        *,
        terminal: bool,
        sink: Callable[[int, memoryview], None] | None = None,
        files: tuple[int, int, int] = (0, 1, 2),
        sizes: int = -1,
    ) -> None:
        self._sock, self._sizes = sock, sizes
        self._stdin, self._stdout, _ = files
        self._sink = sink or (lambda stream, data: write_all(files[stream], data))
        self._streams = streams
        self._terminal = terminal
        self._pending: bytes = b""
        self._unread: set[int] = set()
        self._stdin_open = bool(streams & STDIN)
        self._line_open = False
        self.oom_killed = False
        os.write(sock, b"h" + bytes([streams]) + self._size())
        os.set_blocking(sock, False)

    def close(self) -> None:
        if self._sock >= 0:
            os.close(self._sock)
            self._sock = -1

    def _size(self) -> bytes:
        """Rows and columns of our terminal, b"" when there is none or it does not say."""
        size = window_size(self._stdout) or window_size(self._stdin) if self._terminal else None
        return size if size and size != b"\0\0\0\0" else b""

    def _send_size(self) -> None:
        size = self._size()
        if size:
            try:
                os.write(self._sock, b"w" + size)
            except OSError as e:
                if e.errno not in (errno.EAGAIN, errno.EPIPE):
                    raise

    def serve(
        self,
        forward: Callable[[int], None] | None = None,
        detach_keys: bytes = b"\x10\x11",
        timeout_s: float | None = None,
        deadline_s: float | None = None,
    ) -> int:
        """Pass the streams on until the container ends; its exit code, DETACHED or LOST.

        forward: is called with the number of each signal that we get (--sig-proxy).
        timeout_s: give up when nothing has come for so long, with LOST.
        deadline_s: give up after so long whatever comes, with LOST.
        """
        old = self._catch(forward)
        try:
            with RawTerminal(self._stdin, self._terminal and self._stdin_open):
                return self._loop(detach_keys if self._terminal else b"", timeout_s, deadline_s)
        finally:
            for number, handler in old:
                signal.signal(number, handler)

    def _catch(self, forward: Callable[[int], None] | None) -> list[tuple[int, Any]]:
        old = []
        if forward is not None:
            for number in _PROXIED:
                old.append((number, signal.signal(number, lambda n, _: forward(n))))
        if self._terminal:
            old.append((_SIGWINCH, signal.signal(_SIGWINCH, lambda *_: self._send_size())))
        return old

    def _loop(self, keys: bytes, timeout_s: float | None, deadline_s: float | None) -> int:
        end = None if deadline_s is None else time.monotonic() + deadline_s
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        if self._sizes >= 0:
            poll.register(self._sizes, select.POLLIN)
        stdin_polled = False
        matched = 0
        while True:
            want = self._stdin_open and not self._pending
            if want and not stdin_polled:
                poll.register(self._stdin, select.POLLIN)
            elif stdin_polled and not want:
                poll.unregister(self._stdin)
            stdin_polled = want
            poll.modify(self._sock, select.POLLIN | (select.POLLOUT if self._pending else 0))
            if end is not None:
                timeout_s = max(0.0, end - time.monotonic())
            events = poll.poll(None if timeout_s is None else timeout_s * 1000)
            if not events or (end is not None and time.monotonic() >= end):
                return LOST
            for fd, event in events:
                if fd == self._stdin and stdin_polled:
                    matched = self._read_stdin(keys, matched)
                    if matched == DETACHED:
                        return DETACHED
                elif fd == self._sizes:
                    if not self._resize():
                        poll.unregister(fd)
                elif event & select.POLLOUT and self._pending:
                    self._push()
                elif event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                    code = self._receive()
                    if code is not None:
                        return code

    def _resize(self) -> bool:
        """Pass a size on that came; False at the end."""
        size = os.read(self._sizes, 4)
        if len(size) == 4:
            os.write(self._sock, b"w" + size)
        return len(size) == 4

    def _receive(self) -> int | None:
        try:
            message = os.read(self._sock, CHUNK + 1)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            return None  # it ended before it read all of ours: said once, before what it had said
        if not message:
            return LOST
        kind = message[0]
        if kind == 0x6F:  # o
            self._output(1, message)
        elif kind == 0x72:  # r
            self._output(2, message)
        elif kind == 0x78:  # x
            code, oom = unpack("<iB", message[1:6])
            self.oom_killed = bool(oom)
            return int(code)
        return None

    def _output(self, fd: int, message: bytes) -> None:
        """Pass output on; when our reader is gone, so is the container's, as in a pipeline."""
        if fd in self._unread:
            return
        try:
            self._sink(fd, memoryview(message)[1:])
        except BrokenPipeError:
            self._unread.add(fd)
            if not self._pending:
                self._pending = b"c" + bytes([fd - 1])
                self._push()

    def _read_stdin(self, keys: bytes, matched: int) -> int:
        try:
            data = os.read(self._stdin, CHUNK)
        except BlockingIOError:
            return matched
        except OSError as e:
            if e.errno != errno.EIO:  # the terminal is gone, or we are in the background
                raise
            data = b""
        if not data:
            self._stdin_open = False
            self._pending = b"i" + self._end_of_typing() if self._terminal else b"e"
            self._push()
            return 0
        self._line_open = data[-1:] != b"\n"
        if keys:
            data, matched = match_keys(data, keys, matched)
        if data:
            self._pending = b"i" + data
            self._push()
        return matched

    def _end_of_typing(self) -> bytes:
        """What a terminal takes for the end of its input: VEOF (termios(3)), which in the middle
        of a line only passes the line on."""
        return b"\x04\x04" if self._line_open else b"\x04"

    def _push(self) -> None:
        try:
            os.write(self._sock, self._pending)
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self._stdin_open = False
        self._pending = b""


def match_keys(data: bytes, keys: bytes, matched: int) -> tuple[bytes, int]:
    """Look for `keys` in what was typed: what to send on, and how many keys have matched
    so far (DETACHED: all).  Keys that match are held back until the next one decides."""
    out = bytearray()
    for byte in data:
        if byte == keys[matched]:
            matched += 1
            if matched == len(keys):
                return bytes(out), DETACHED
            continue
        out += keys[:matched]
        matched = 1 if byte == keys[0] else 0
        if not matched:
            out.append(byte)
    return bytes(out), matched


def write_all(fd: int, data: memoryview) -> None:
    """Write all of `data`, waiting for a non-blocking file.

    A reader that is gone ends us as it ends any program in a pipe: BrokenPipeError.
    """
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            waiter = select.poll()
            waiter.register(fd, select.POLLOUT)
            waiter.poll()
