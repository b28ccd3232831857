"""Messages between processes: a header in JSON, blobs, descriptors; without any waiting.

A message on a stream socket:

    length of the header  4 bytes, little endian
    number of descriptors 4 bytes; they come with the first byte (SCM_RIGHTS, unix(7))
    mark                  8 bytes: the sender's pid and a count
    header                JSON: [kind, value, [lengths of the blobs]], see `values`
    blobs                 one after another
    mark                  the same again

Two processes write to a request's socket, a child and, if that is killed, the worker.  By the mark
at the end a message that was cut off is told from a whole one, whatever came behind it.

`send_some` and `receive_some` do one system call each: who calls them waits, or does not.
"""

from __future__ import annotations

import array
import collections
import contextlib
import fcntl
import io
import itertools
import json
import os
import socket
from struct import Struct

from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.model.descriptor import Descriptor
from crun_py.worker.values import Malformed, pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_PREFIX, _MARK = Struct("<IIQ"), Struct("<Q")
_MOST_HEADER_BYTES = 64 << 20
_MOST_BLOBS_BYTES = 4 << 30
_MOST_DESCRIPTORS = 250
"""The kernel passes up to 253 at once."""
_MOST_PIECES = 512
"""Of one system call; the kernel takes 1024."""
_SPACE = socket.CMSG_SPACE(253 * 4)
_STANDARD = 3
"""Numbers below belong to the streams of the process, open or not."""

_count = itertools.count()


class Message:
    """What one process told another: its kind and value."""

    __slots__ = ("kind", "value")

    def __init__(self, kind: str, value: object) -> None:
        self.kind, self.value = kind, value


def above_streams(fd: int) -> int:
    """`fd`, or what it becomes: a caller that closed its standard streams must not write into a
    socket of ours for one of them."""
    if fd >= _STANDARD:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _STANDARD)
    finally:
        os.close(fd)


def pair(kind: int) -> tuple[socket.socket, socket.socket]:
    """Two connected sockets of `kind`, close-on-exec, without a timeout.  Raises OSError."""
    made = []
    for end in socket.socketpair(socket.AF_UNIX, kind):
        lifted = socket.socket(fileno=above_streams(end.detach()))
        lifted.settimeout(None)  # not the caller's socket.setdefaulttimeout
        made.append(lifted)
    return made[0], made[1]


def pipe() -> tuple[int, int]:
    """A pipe, read end and write end, close-on-exec.  Raises OSError."""
    read, write = os.pipe2(os.O_CLOEXEC)
    return above_streams(read), above_streams(write)


def _lifted(descriptor: Descriptor) -> Descriptor:
    return Descriptor(above_streams(descriptor.detach()), owned=True)


CALL = "call"
"""The kind of a message that asks for something to be done."""
_NUL = "\\u0000"


def _check_texts(written: str) -> None:
    """Raises InvalidArgument for a NUL, and for half of a character (but for those that stand for
    bytes, PEP 383), in JSON that escapes no others."""
    if _NUL in written.replace("\\\\", ""):
        raise InvalidArgument("a text has a NUL")
    try:
        written.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as e:
        raise InvalidArgument(f"{e.object[e.start : e.end]!r}: not a whole character") from None


class Outgoing:
    """A message on its way out."""

    def __init__(self, kind: str, value: object) -> None:
        """Raises InvalidArgument for what cannot be sent; of a call also for texts that no system
        call takes."""
        blobs: list[bytes] = []
        self._fds: list[int] = []
        try:
            lengths: list[int] = []
            packed = [kind, pack(value, blobs, self._fds), lengths]
            lengths += map(len, blobs)
            header = json.dumps(packed, separators=(",", ":")).encode("ascii")
            if kind == CALL and b"\\u" in header:
                _check_texts(json.dumps(packed, ensure_ascii=False))
        except (RecursionError, ValueError) as e:
            raise CrunpyError(f"sending a message: {e}") from e
        for what, size, most in (
            ("a header of {} bytes", len(header), _MOST_HEADER_BYTES),
            ("{} bytes", sum(lengths), _MOST_BLOBS_BYTES),
            ("{} descriptors", len(self._fds), _MOST_DESCRIPTORS),
        ):
            if size > most:
                raise CrunpyError(f"sending a message: {what.format(size)}: at most {most}")
        mark = (os.getpid() << 32) | (next(_count) & 0xFFFFFFFF)
        head = _PREFIX.pack(len(header), len(self._fds), mark) + header
        parts = (head, *blobs, _MARK.pack(mark))
        self._left = collections.deque(memoryview(part) for part in parts if part)

    def send_some(self, sock: socket.socket) -> bool:
        """One system call; whether all is sent.  Raises OSError."""
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", self._fds))]
        sent = sock.sendmsg(
            itertools.islice(self._left, _MOST_PIECES),
            ancillary if self._fds else (),
            socket.MSG_NOSIGNAL,
        )
        self._fds = []
        while self._left and sent >= len(self._left[0]):
            sent -= len(self._left.popleft())
        if sent:
            self._left[0] = self._left[0][sent:]
        return not self._left


class Incoming:
    """Messages on their way in, one after another."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._fds: list[Descriptor] = []
        self._parser = self._parse()
        self._room = next(self._parser)
        self._whole = len(self._room)
        self._in_prefix = True

    def receive_some(self, sock: socket.socket) -> Message | None:
        """One system call; the message, once it is whole.

        Raises EOFError between messages, CrunpyError for what is no message or is cut off (the
        connection is of no use then), OSError.
        """
        try:
            return self._receive(sock)
        except CrunpyError:
            _close(self._fds)
            raise

    def _receive(self, sock: socket.socket) -> Message | None:
        if self._in_prefix:
            # elsewhere the kernel drops descriptors, as nobody asks for them
            count, ancillary, flags, _ = sock.recvmsg_into(
                [self._room], _SPACE, socket.MSG_CMSG_CLOEXEC
            )
            self._take(ancillary, flags)
        else:
            count = sock.recv_into(self._room)
        if not count and self._in_prefix and len(self._room) == self._whole:
            raise EOFError
        if not count:
            raise CrunpyError("reading a message: it was cut off")
        self._room = self._room[count:]
        try:
            return None if self._room else self._next()
        except (Malformed, RecursionError, ValueError, MemoryError) as e:
            raise CrunpyError(f"reading a message: malformed: {e}") from e

    def _take(self, ancillary: list[tuple[int, int, bytes]], flags: int) -> None:
        numbers = array.array("i")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
        taken = [Descriptor(fd, owned=True) for fd in numbers]
        self._fds += [d if d.fd >= _STANDARD else _lifted(d) for d in taken]
        if flags & socket.MSG_CTRUNC:
            hint = "raise the limit: ulimit -n"
            raise CrunpyError("receiving descriptors: too many open files", hint=hint)

    def _next(self) -> Message | None:
        """What follows what has come."""
        self._in_prefix = False
        try:
            self._room = next(self._parser)
        except StopIteration as e:
            message: Message = e.value
            self._begin()
            return message
        return None

    def _parse(self) -> Generator[memoryview, None, Message]:
        """Yields each piece of memory that is to be filled next."""
        prefix = bytearray(_PREFIX.size)
        yield memoryview(prefix)
        size, descriptors, mark = _PREFIX.unpack(prefix)
        if not 0 < size <= _MOST_HEADER_BYTES or descriptors > _MOST_DESCRIPTORS:
            raise Malformed("limits are exceeded")
        if descriptors != len(self._fds):
            raise Malformed(f"{len(self._fds)} of {descriptors} descriptors came")
        header = bytearray(size)
        yield memoryview(header)
        kind, said, lengths = _header(header)
        blobs = []
        for length in lengths:
            # so that nothing is copied: the bytes belong to nobody else yet
            blob = io.BytesIO(bytes(length))
            with blob.getbuffer() as room:
                if length:
                    yield room
            blobs.append(blob.getvalue())
        end = bytearray(_MARK.size)
        yield memoryview(end)
        if _MARK.unpack(end)[0] != mark:
            raise Malformed("it was cut off")
        left: list[Descriptor | None] = [*self._fds]
        message = Message(kind, unpack(said, blobs, left))
        _close(left)
        return message


def _close(descriptors: Sequence[Descriptor | None]) -> None:
    for descriptor in descriptors:
        if descriptor:
            descriptor.close()


def _header(data: bytearray) -> tuple[str, object, list[int]]:
    found: object = json.loads(data)
    if not isinstance(found, list) or len(found) != 3:
        raise Malformed("no header")
    kind, said, lengths = found
    if not isinstance(kind, str) or not isinstance(lengths, list):
        raise Malformed("no header")
    if any(type(n) is not int or n < 0 for n in lengths) or sum(lengths) > _MOST_BLOBS_BYTES:
        raise Malformed("limits are exceeded")
    return kind, said, lengths


def hang_up(sock: socket.socket, owner: int) -> None:
    """Close `sock`, and in the process `owner`, that made it, end the connection although a fork of
    that process may have a copy."""
    if os.getpid() == owner and sock.fileno() >= 0:
        with contextlib.suppress(OSError):  # the other side was quicker
            sock.shutdown(socket.SHUT_RDWR)
    sock.close()


def send(sock: socket.socket, kind: str, value: object) -> None:
    """Send a message, and wait until it is taken.  Raises InvalidArgument, CrunpyError, OSError."""
    outgoing = Outgoing(kind, value)
    while not outgoing.send_some(sock):
        pass


def receive(sock: socket.socket, incoming: Incoming) -> Message:
    """Wait for a message.  Raises as `receive_some` does."""
    while not (message := incoming.receive_some(sock)):
        pass
    return message
