"""Reading a container's log, json-file or k8s-file, rotated by the monitor to .1, .2, …

A reader follows the file by its inode: after a rotation it reads the old one to its end
and goes on with the new.  A torn last line (the monitor was killed) is passed over.
"""

from __future__ import annotations

import os
import time

from crun_py import jsonfile
from crun_py.clock import parse_rfc3339
from crun_py.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from crun_py.state import Container

_CHUNK = 1 << 18
_POLL_S = 0.05


def _files(path: str) -> list[str]:
    """The log's files that exist, oldest first."""
    found = [path] if os.path.exists(path) else []
    number = 1
    while os.path.exists(f"{path}.{number}"):
        found.insert(0, f"{path}.{number}")
        number += 1
    return found


def _parse_k8s(line: bytes) -> dict[str, Any] | None:
    """`TIME STREAM F|P TEXT`: P marks a part of a line."""
    parts = line.split(b" ", 3)
    if len(parts) < 4 or parts[1] not in (b"stdout", b"stderr"):
        return None
    text = parts[3].decode("utf-8", "replace") + ("\n" if parts[2] == b"F" else "")
    return {"log": text, "stream": parts[1].decode(), "time": parts[0].decode("ascii", "replace")}


def _parse_json(line: bytes) -> dict[str, Any] | None:
    try:
        entry = jsonfile.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "log" in entry else None


def _tail(paths: list[str], lines: int) -> tuple[list[str], int]:
    """Where the last `lines` lines begin: the files from there on and the first one's offset."""
    left = lines
    for i in range(len(paths) - 1, -1, -1):
        with open(paths[i], "rb") as f:
            position = f.seek(0, os.SEEK_END)
            last = True
            while position > 0:
                size = min(_CHUNK, position)
                position -= size
                f.seek(position)
                data = f.read(size)
                end = len(data)
                if last and data.endswith(b"\n"):
                    end -= 1
                last = False
                while (at := data.rfind(b"\n", 0, end)) >= 0:
                    left -= 1
                    if left == 0:
                        return paths[i:], position + at + 1
                    end = at
            left -= 1  # the file's first line
            if left <= 0:
                return paths[i:], 0
    return paths, 0


def read(
    container: Container,
    *,
    follow: bool = False,
    tail: int | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    running: Callable[[], bool] | None = None,
) -> Iterator[dict[str, Any]]:
    """The entries {"log", "stream", "time"} of the log, oldest first.

    follow: wait for more until the container has ended.  tail: only the last so many lines.
    since_ns, until_ns: times in nanoseconds since 1970.  running: tells whether more may come.
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

    for line in lines(container.log_path, follow, tail, alive):
        entry = parse(line)
        if entry is None:
            continue
        if since_ns is not None or until_ns is not None:
            at = parse_rfc3339(entry["time"])
            if since_ns is not None and at < since_ns:
                continue
            if until_ns is not None and at > until_ns:
                return
        yield entry


def lines(path: str, follow: bool, tail: int | None, alive: Callable[[], bool]) -> Iterator[bytes]:
    """The lines of a log that may be rotated while it is read, without their newlines.

    follow: wait for more as long as `alive()`.  tail: only the last so many.
    """
    paths = _files(path)
    offset = 0
    if tail == 0:
        paths = paths[-1:]
        offset = os.stat(path).st_size if paths else 0
    elif tail is not None:
        paths, offset = _tail(paths, tail)
    opened = [open(name, "rb") for name in paths]  # noqa: SIM115  (before a rotation)
    if opened:
        opened[0].seek(offset)
    for f in opened[:-1]:
        with f:
            yield from (line.rstrip(b"\n") for line in f)
    current = opened[-1] if opened else None
    rest = b""
    while True:
        was_alive = alive() if follow else False
        if current is None and os.path.exists(path):
            current = open(path, "rb")  # noqa: SIM115  (closed when the log is rotated)
        while current is not None and (data := current.read(_CHUNK)):
            *whole, rest = (rest + data).split(b"\n")
            yield from whole
        if current is not None and _rotated(current.fileno(), path):
            current.close()
            current, rest = None, b""
            continue
        if not was_alive:
            break
        time.sleep(_POLL_S)
    if current is not None:
        current.close()


def _rotated(fd: int, path: str) -> bool:
    try:
        return os.fstat(fd).st_ino != os.stat(path).st_ino
    except FileNotFoundError:
        return False
