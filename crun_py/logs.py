"""Reading a container's log, json-file or k8s-file, rotated by the monitor to .1, .2, …

A reader follows the file by its inode: after a rotation it reads the old one to its end
and goes on with the new.  A torn last line (the monitor was killed) is passed over.
Where a full disk took no more, an entry without text says how many are missing, and of the last
ones status.json does: readers are told by a warning.
"""

from __future__ import annotations

import os
import time

from crun_py import clock, jsonfile, notices
from crun_py.clock import known_ns
from crun_py.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from crun_py.documents.log import LogLine
    from crun_py.state import Container

_CHUNK = 1 << 18
_POLL_S = 0.05
_TRIES = 20
_K8S_LOST = b"P:lost="


def _files(path: str) -> list[str]:
    """The log's files that exist, oldest first."""
    found = [path] if os.path.exists(path) else []
    number = 1
    while os.path.exists(f"{path}.{number}"):
        found.insert(0, f"{path}.{number}")
        number += 1
    return found


def _parse_k8s(line: bytes) -> LogLine | None:
    """`TIME STREAM F|P TEXT`: P marks a part of a line, P:lost=N that N entries are missing."""
    parts = line.split(b" ", 3)
    if len(parts) < 4 or parts[1] not in (b"stdout", b"stderr"):
        return None
    if parts[2].startswith(_K8S_LOST):
        number = parts[2].removeprefix(_K8S_LOST)
        return _loss(parts[0].decode("ascii", "replace"), int(number) if number.isdigit() else 1)
    text = parts[3].decode("utf-8", "replace") + ("\n" if parts[2] == b"F" else "")
    return {"log": text, "stream": parts[1].decode(), "time": parts[0].decode("ascii", "replace")}


def _parse_json(line: bytes) -> LogLine | None:
    try:
        entry: LogLine = jsonfile.loads(line)
    except ValueError:
        return None
    texts = ("log", "stream", "time")
    whole = isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in texts)
    return entry if whole and isinstance(entry.get("lost", 0), int) else None


def _loss(time: str, count: int) -> LogLine:
    return {"log": "", "stream": "stderr", "time": time, "lost": count}


def note_loss(container: Container, count: int) -> None:
    """Before a start: write into the log how many entries of the last run it lacks, for the new
    run's status will not tell.  On a disk that is still full nothing is written."""
    entry = _loss(clock.now(), count)
    line = (
        f"{entry['time']} stderr {_K8S_LOST.decode()}{count} \n"
        if container.record["log"]["driver"] == "k8s-file"
        else jsonfile.dumps(entry) + "\n"
    ).encode()
    try:
        fd = os.open(container.log_path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:  # it was removed, with what could be said of it
        return
    try:
        size = os.fstat(fd).st_size
        try:
            whole = os.write(fd, line) == len(line)
        except OSError:
            whole = False
        if not whole:
            os.ftruncate(fd, size)
    finally:
        os.close(fd)


def _warn(container: Container, count: int, where: str) -> None:
    lines = "a line is" if count == 1 else f"{count} lines are"
    notices.warn(f"log of container {container.name}: {lines} missing {where}: the disk was full")


def _backwards(paths: list[str]) -> Iterator[tuple[int, int, bytes]]:
    """The whole lines of the files from the last on: (which file, offset in it, line)."""
    for i in range(len(paths) - 1, -1, -1):
        with open(paths[i], "rb") as f:
            position = f.seek(0, os.SEEK_END)
            held = b""
            while position > 0:
                size = min(_CHUNK, position)
                position -= size
                f.seek(position)
                held = f.read(size) + held
                first, *lines = held.split(b"\n")
                at = position + len(held)
                for line in reversed(lines):
                    at -= len(line)
                    if line:
                        yield i, at, line
                    at -= 1
                held = first + b"\n" if lines else first
            if held:
                yield i, 0, held.rstrip(b"\n")


def _tail(
    paths: list[str], lines: int, whole: Callable[[bytes], bool | None]
) -> tuple[list[str], int]:
    """Where the last `lines` lines begin: the files from there on and the first one's offset.

    whole: whether an entry is a line, or the last piece of one; None when it is no text at all.
    """
    begin = (0, 0)
    counted = 0
    for i, offset, entry in _backwards(paths):
        ends = whole(entry)
        if ends or (ends is False and not counted):
            counted += 1
            if counted > lines:
                break
        begin = i, offset
    return paths[begin[0] :], begin[1]


def read(
    container: Container,
    *,
    follow: bool = False,
    tail: int | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    running: Callable[[], bool] | None = None,
) -> Iterator[LogLine]:
    """The entries {"log", "stream", "time"} of the log, oldest first.

    follow: wait for more until the container has ended.  tail: only the last so many lines.
    since_ns, until_ns: times in nanoseconds since 1970.  running: tells whether more may come.
    Warns of entries that a full disk did not take.
    Raises Unsupported for a container whose log nobody can read.
    """
    driver = container.record["log"]["driver"]
    if driver == "none":
        raise Unsupported(
            f"reading the log of container {container.name}: its log driver is none",
            hint="create it with --log-driver json-file",
        )
    parse = _parse_k8s if driver == "k8s-file" else _parse_json
    go_on = running or (lambda: container.status().running)

    def alive() -> bool:
        return go_on() and (until_ns is None or time.time_ns() <= until_ns)

    def whole(line: bytes) -> bool | None:
        entry = parse(line)
        return None if entry is None or "lost" in entry else entry["log"].endswith("\n")

    for line in lines(container.log_path, follow, tail, alive, whole):
        entry = parse(line)
        if entry is None:
            continue
        if since_ns is not None or until_ns is not None:
            at = known_ns(entry["time"])
            if since_ns is not None and at < since_ns:
                continue
            if until_ns is not None and at > until_ns:
                return
        if "lost" in entry:
            _warn(container, entry["lost"], f"before {entry['time']}")
        else:
            yield entry
    lost = container.status().log_lost
    if lost:
        _warn(container, lost, "at its end")


def lines(
    path: str,
    follow: bool,
    tail: int | None,
    alive: Callable[[], bool],
    whole: Callable[[bytes], bool | None] = lambda line: True,
) -> Iterator[bytes]:
    """The entries of a log that may be rotated while it is read, without their newlines.

    follow: wait for more as long as `alive()`.  tail: only the last so many lines, of which
    an entry is the end when `whole` of it.
    """
    paths = _files(path)
    offset = 0
    if tail == 0:
        paths = paths[-1:]
        offset = os.stat(path).st_size if paths else 0
    elif tail is not None:
        paths, offset = _tail(paths, tail, whole)
    opened = [open(name, "rb") for name in paths]  # noqa: SIM115  (before a rotation)
    if opened:
        opened[0].seek(offset)
    for f in opened[:-1]:
        with f:
            yield from (line.rstrip(b"\n") for line in f)
    current: BinaryIO | None = opened[-1] if opened else None
    while True:
        was_alive = alive() if follow else False
        if current is None and os.path.exists(path):
            current = open(path, "rb")  # noqa: SIM115  (closed when the log is rotated)
        if current is not None:
            rotated = _rotated(current.fileno(), path)
            yield from _new_lines(current)
            if rotated:
                with current:
                    current = _next(current.fileno(), path)
                continue
        if not was_alive:
            break
        time.sleep(_POLL_S)
    if current is not None:
        current.close()


def _new_lines(f: BinaryIO) -> Iterator[bytes]:
    """The whole lines from where `f` is; it is left behind the last."""
    if os.fstat(f.fileno()).st_size < f.tell():
        f.seek(0)  # somebody truncated it
    rest = b""
    while data := f.read(_CHUNK):
        *found, rest = (rest + data).split(b"\n")
        yield from found
    f.seek(-len(rest), os.SEEK_CUR)


def _rotated(fd: int, path: str) -> bool:
    try:
        return os.fstat(fd).st_ino != os.stat(path).st_ino
    except FileNotFoundError:
        return False


def _next(fd: int, path: str) -> BinaryIO | None:
    """The log's file that was begun after the open one; the oldest where that is gone."""
    inode = os.fstat(fd).st_ino
    for _ in range(_TRIES):
        names = _files(path)
        before = _inodes(names)
        at = before.index(inode) + 1 if inode in before else 0
        if at >= len(names):
            return None
        try:
            found = open(names[at], "rb")  # noqa: SIM115  (the caller's)
        except FileNotFoundError:
            continue
        if os.fstat(found.fileno()).st_ino == before[at]:
            return found
        found.close()  # rotated just now
    return None


def _inodes(names: list[str]) -> list[int]:
    found = []
    for name in names:
        try:
            found.append(os.stat(name).st_ino)
        except FileNotFoundError:
            found.append(0)
    return found
