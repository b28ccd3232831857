"""A few words of D-Bus over a plain socket: calls of methods and the signals that tell their end.

What is here is what asking systemd for a scope needs: no introspection, no descriptors, no
properties.  A library would cost more than the whole start of a container: jeepney, which is
written in Python, takes 21 ms and 81 modules to import.

D-Bus Specification 0.41: "Authentication Protocol", "Message Format", "Type System".
"""

from __future__ import annotations

import _socket
from _struct import error as NotPacked  # type: ignore[attr-defined]  # typeshed lacks it
from _struct import pack, unpack_from

from crun_py.errors import CrunpyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_CALL, _RETURN, _ERROR, _SIGNAL = 1, 2, 3, 4
_NO_REPLY = 1
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY_SERIAL, _DESTINATION, _SIGNATURE = (
    1, 2, 3, 4, 5, 6, 8)  # fmt: skip
_FIXED = {"y": ("B", 1), "b": ("I", 4), "u": ("I", 4), "t": ("Q", 8)}
_STRINGS = "so"
_ALIGNED = {
    "a": 4,
    "s": 4,
    "o": 4,
    "v": 1,
    "g": 1,
    "(": 8,
    **{k: n for k, (_, n) in _FIXED.items()},
}
_MOST = 1 << 27  # bytes of a message
_HEAD = 16


class BusError(CrunpyError):
    """A method answered with an error.

    name: the error's, `org.freedesktop.systemd1.UnitExists`."""

    def __init__(self, doing: str, name: str, words: str) -> None:
        super().__init__(f"{doing}: {words[:1].lower()}{words[1:].rstrip('.') or name}")
        self.name = name


class Message:
    """What came: an answer to call number `answers`, or a signal (`member`).

    error: its name, "" for none.  body: its strings, paths and numbers up to the first value of
    another type.
    """

    __slots__ = ("answers", "body", "error", "member")

    def __init__(self, answers: int, member: str, error: str, body: list[object]) -> None:
        self.answers, self.member, self.error, self.body = answers, member, error, body


def _end_of(signature: str, at: int) -> int:
    """Where the complete type that begins at `at` ends."""
    if signature[at] == "a":
        return _end_of(signature, at + 1)
    if signature[at] != "(":
        return at + 1
    at += 1
    while signature[at] != ")":
        at = _end_of(signature, at)
    return at + 1


def _pad(out: bytearray, to: int) -> None:
    out += bytes(-len(out) % to)


def encode(signature: str, values: Sequence[object]) -> bytes:
    """`values` as the types of `signature`, which are y b u t s o g v a(…).

    An array of bytes is given as bytes, an array or structure as a sequence, a variant as
    (signature, value).
    """
    out = bytearray()
    _put_all(out, signature, values)
    return bytes(out)


def _put_all(out: bytearray, signature: str, values: Sequence[object]) -> None:
    at = 0
    for value in values:
        end = _end_of(signature, at)
        _put(out, signature[at:end], value)
        at = end


def _put(out: bytearray, kind: str, value: object) -> None:
    _pad(out, _ALIGNED[kind[0]])
    if kind in _FIXED:
        out += pack("<" + _FIXED[kind][0], value)
    elif kind in _STRINGS or kind == "g":
        assert isinstance(value, str)
        data = value.encode()
        out += pack("<B" if kind == "g" else "<I", len(data)) + data + b"\0"
    elif kind == "v":
        assert isinstance(value, tuple)
        inner, content = value
        _put(out, "g", inner)
        _put(out, inner, content)
    elif kind[0] == "(":
        assert isinstance(value, tuple | list)
        _put_all(out, kind[1:-1], value)
    else:
        assert isinstance(value, bytes | tuple | list)
        at = len(out)
        out += bytes(4)
        _pad(out, _ALIGNED[kind[1]])  # not counted, and there for an empty one too
        begin = len(out)
        for item in value:
            _put(out, kind[1:], item)
        out[at : at + 4] = pack("<I", len(out) - begin)


def _string(data: bytes, at: int) -> tuple[str, int]:
    length: int = unpack_from("<I", data, at)[0]
    if at + 4 + length > len(data):
        raise ValueError("a string beyond its message")
    return data[at + 4 : at + 4 + length].decode(), at + 4 + length + 1


def _values(data: bytes, signature: str, at: int = 0) -> tuple[list[object], int]:
    """The values of the simple types that `signature` begins with, and where they end."""
    found: list[object] = []
    for kind in signature:
        if kind not in _FIXED and kind not in "sog":
            break
        at += -at % _ALIGNED[kind]
        if kind in _FIXED:
            letter, size = _FIXED[kind]
            found.append(unpack_from("<" + letter, data, at)[0])
            at += size
        elif kind == "g":
            length = data[at]
            found.append(data[at + 1 : at + 1 + length].decode())
            at += length + 2
        else:
            text, at = _string(data, at)
            found.append(text)
    return found, at


def _decode(kind: int, fields: bytes, body: bytes) -> Message:
    """fields: the array of the header, without its length; it begins at a multiple of eight."""
    known: dict[int, object] = {}
    at = 0
    while at < len(fields):
        at += -at % 8
        code, length = fields[at], fields[at + 1]
        signature = fields[at + 2 : at + 2 + length].decode()
        (value,), at = _values(fields, signature, at + length + 3)
        known[code] = value
    values = _values(body, str(known.get(_SIGNATURE, "")))[0]
    answers = known.get(_REPLY_SERIAL) if kind in (_RETURN, _ERROR) else 0
    return Message(
        answers if isinstance(answers, int) else 0,
        str(known.get(_MEMBER, "")) if kind == _SIGNAL else "",
        str(known.get(_ERROR_NAME, "")) if kind == _ERROR else "",
        values,
    )


class Bus:
    """A connection to a message bus.  Raises OSError when there is none, it does not let us in, or
    it hangs up.

    Calls are collected, and sent by `flush` or when the next message is waited for: greeting and
    calls are one packet, and the bus's word that we may come in is not waited for by itself.  It
    takes what follows BEGIN for messages.
    """

    def __init__(self, path: str, timeout_s: float) -> None:
        """path: of the bus's socket.  timeout_s: how long each answer may take."""
        self._serial, self._data, self._let_in = 0, b"", False
        # the uid is the kernel's word (SO_PEERCRED), ours may be that of a user namespace
        self._unsent = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            self._socket.settimeout(timeout_s)
            self._socket.connect(path)
            self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "Hello")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up; may be called again."""
        self._socket.close()

    def call(
        self, service: str, path: str, method: str, signature: str = "", *values: object,
        interface: str = "", answered: bool = True,
    ) -> int:  # fmt: skip
        """A call that is sent with the next ones; returns its number.  interface: as the service
        unless given.
        values: see `encode`."""
        self._serial += 1
        body = encode(signature, values)
        fields: list[tuple[int, tuple[str, str]]] = [
            (_PATH, ("o", path)), (_INTERFACE, ("s", interface or service)),
            (_MEMBER, ("s", method)), (_DESTINATION, ("s", service)),
        ]  # fmt: skip
        if signature:
            fields.append((_SIGNATURE, ("g", signature)))
        flags = 0 if answered else _NO_REPLY
        head = bytearray(pack("<cBBBII", b"l", _CALL, flags, 1, len(body), self._serial))
        _put(head, "a(yv)", fields)
        _pad(head, 8)
        self._unsent += bytes(head) + body
        return self._serial

    def flush(self) -> None:
        """Send what was called."""
        data, self._unsent = self._unsent, b""
        self._socket.sendall(data)

    def _enter(self) -> None:
        """The bus has answered the greeting, and we may come in."""
        while self._data.count(b"\r\n") < 2:
            self._receive()
        data, answer, self._data = self._data.split(b"\r\n", 2)
        if data != b"DATA" or not answer.startswith(b"OK "):
            raise ConnectionRefusedError(13, "the bus does not know us")
        self._let_in = True

    def next(self) -> Message:
        """The next message that came.  Raises ValueError for what is none."""
        if self._unsent:
            self.flush()
        if not self._let_in:
            self._enter()
        self._need(_HEAD)
        order, kind, body, fields = unpack_from("<cB2xI4xI", self._data)
        begin = _HEAD + fields + -fields % 8
        if order != b"l" or begin + body > _MOST:
            raise ValueError("not a message")
        self._need(begin + body)
        whole, self._data = self._data[: begin + body], self._data[begin + body :]
        try:
            return _decode(kind, whole[_HEAD : _HEAD + fields], whole[begin:])
        except (NotPacked, IndexError) as e:
            raise ValueError("not a message") from e

    def _need(self, count: int) -> None:
        while len(self._data) < count:
            self._receive()

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionResetError(104, "the bus hung up")
        self._data += data
