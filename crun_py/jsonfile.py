"""JSON files that are whole at any instant, and locks that die with their holder.

The codec is the C half of the standard `json` package, used without its Python half:
importing `json` costs 10 ms (it compiles regular expressions), half of what a start of
crunpy may take.  `json` itself is the fallback where `_json` is absent or has changed,
and it words the errors.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from crun_py.errors import Conflict, CorruptState, CrunpyError
from crun_py.shapes import fits

_SMALL = 16 << 10

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _no_number(word: str) -> float:
    """For NaN and Infinity, which `json` would take: RFC 8259 has none, and what is not like itself
    can be compared with nothing."""
    raise ValueError(f"{word} is no number")


class _Decoding:
    """What `_json.make_scanner` asks of its decoder."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_no_number)
    memo: dict[str, str] = {}  # noqa: RUF012  (the scanner clears it after each call)


_scan: Any = None
_encode: Any = None
try:
    import _json as _c

    _codec: Any = _c
    _scan = _codec.make_scanner(_Decoding())
    _encode = _codec.make_encoder(
        None, None, _codec.encode_basestring_ascii, None, ":", ",", False, False, False
    )
    _encode({"probe": [1, None]}, 0)
except (ImportError, AttributeError, TypeError):
    _scan = _encode = None


def loads(data: bytes | str) -> Any:
    """The value of JSON text.  Raises ValueError, also for what is nested too deeply."""
    text = data.decode() if isinstance(data, bytes) else data
    if _scan is not None:
        text = text.strip(" \t\n\r")
        try:
            value, end = _scan(text, 0)
        except (StopIteration, SystemError):  # malformed: `json` finds the words for it
            end = -1
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if end == len(text):
            return value
    import json

    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def first(text: str) -> object:
    """The value that `text` begins with, whatever follows it.  Raises ValueError."""
    try:
        if _scan is not None:
            value, _ = _scan(text, 0)
        else:
            import json

            value, _ = json.JSONDecoder(parse_constant=_no_number).raw_decode(text)
    except (StopIteration, SystemError, RecursionError):
        raise ValueError("no JSON") from None
    found: object = value
    return found


def dumps(value: object, *, indent: int | None = None) -> str:
    """JSON text of `value`, on one line unless `indent` (spaces) is given.

    Raises ValueError for what JSON cannot say.
    """
    if indent is not None:
        return _pretty(value, " " * indent, "\n")
    if _encode is not None:
        return "".join(_encode(value, 0))
    import json

    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _pretty(value: object, step: str, newline: str) -> str:
    """`value` over several lines, as `json.dumps` with an indent lays it out."""
    deeper = newline + step
    if isinstance(value, dict) and value:
        rows = (f"{_readable(str(k))}: {_pretty(v, step, deeper)}" for k, v in value.items())
        return "{" + deeper + ("," + deeper).join(rows) + newline + "}"
    if isinstance(value, list | tuple) and value:
        rows = (_pretty(v, step, deeper) for v in value)
        return "[" + deeper + ("," + deeper).join(rows) + newline + "]"
    return _readable(value) if isinstance(value, str) else dumps(value)


def _readable(text: str) -> str:
    """A JSON string for people: printable characters stay as they are."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return dumps(text)


def write(path: str, value: object, *, durable: bool = True) -> None:
    """Replace `path` by the JSON of `value`, mode 0600, in one rename.

    durable: fsync the file before and its directory after the rename, so that a power cut
    leaves the old or the new text (rename(2)).  Raises CrunpyError naming the path.
    """
    write_bytes(path, dumps(value).encode(), durable=durable)


def write_bytes(path: str, data: bytes, *, durable: bool = True, mode: int = 0o600) -> None:
    """As `write`, for any content."""
    directory, name = os.path.split(path)
    staged = f"{directory}/.{name}.{os.getpid()}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(staged, flags, mode)
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
        if os.path.lexists(staged):
            os.unlink(staged)
        raise CrunpyError.from_os(f"writing {path}", e) from e


def sync_directory(path: str) -> None:
    """fsync the directory `path`, so that the names in it survive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_bytes(path: str) -> bytes:
    """The content of the file `path`.  Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(fd, _SMALL)  # room for 1 MiB costs more than reading most files
        if not data:
            return data
        parts = [data]
        while part := os.read(fd, 1 << 20 if len(data) == _SMALL else _SMALL):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(fd)


def read(path: str, shape: object = object) -> Any:
    """The value in the JSON file `path`.

    Raises FileNotFoundError when it is absent, CorruptState when it is not JSON, not of the
    `shape` (shapes.py), or no file that we may read.
    """
    try:
        value = loads(read_bytes(path))
    except (PermissionError, IsADirectoryError) as e:
        raise CorruptState.from_os(f"reading {path}", e) from e
    except ValueError as e:
        raise CorruptState(f"reading {path}: not valid JSON") from e
    if not fits(value, shape):
        raise CorruptState(f"reading {path}: it does not say what it should")
    return value


class Lock:
    """An exclusive (or shared) flock(2) on `path`, held inside a `with`.

    The kernel drops it when the holder dies, so a lock is never stale.  timeout_s: how
    long to wait before Conflict is raised; None waits for ever, 0 tries once.  gone: makes the
    error for a directory that is not there, FileNotFoundError if None.
    """

    def __init__(
        self,
        path: str,
        *,
        shared: bool = False,
        timeout_s: float | None = None,
        gone: Callable[[], Exception] | None = None,
    ) -> None:
        self.path = path
        self._gone = gone
        self.fd = -1
        self._how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._timeout_s = timeout_s

    def __enter__(self) -> Lock:
        while True:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            try:
                self.fd = os.open(self.path, flags, 0o600)
            except FileNotFoundError:
                if self._gone:
                    raise self._gone() from None
                raise
            try:
                self._acquire()
                # whoever removed the object removed its lock file: what we hold is nobody's
                if os.fstat(self.fd).st_ino == os.stat(self.path).st_ino:
                    return self
            except FileNotFoundError:
                if not os.path.isdir(os.path.dirname(self.path)):
                    self._release()
                    if self._gone:
                        raise self._gone() from None
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

    def __exit__(self, *_: object) -> None:
        self._release()
