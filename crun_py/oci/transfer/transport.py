"""Where an image is when it is not in a registry: `oci:`, `oci-archive:`, `docker-archive:`,
`dir:` (containers-transports(5)); and opening what is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from crun_py.errors import CrunpyError, ImageError, InvalidArgument, NotFound
from crun_py.oci.reference import has_transport, parse
from crun_py.oci.store import blobs
from crun_py.oci.store.inflate import inflate, kind_of
from crun_py.oci.store.layers import Limits
from crun_py.oci.store.tarball import Archive
from crun_py.oci.transfer.source import Dir, DirectoryFiles, Docker, Found, Layout, Source
from crun_py.paths import Paths
from crun_py.quantity import is_number

FILES = ("oci", "oci-archive", "docker-archive", "dir")
_PIECE_BYTES = 256 << 10


class Place:
    """A transport of FILES, the path of a file or directory, and the name or tag in it or ""."""

    __slots__ = ("name", "path", "transport")

    def __init__(self, transport: str, path: str, name: str = "") -> None:
        self.transport, self.path, self.name = transport, path, name

    def __str__(self) -> str:
        return f"{self.transport}:{self.path}" + (f":{self.name}" if self.name else "")


def split(text: str) -> Place | str:
    """A Place, or the reference that `text` is (`docker://` removed).

    Raises InvalidArgument for a transport that is not supported, or without a path.
    """
    if not has_transport(text):
        return text
    transport, _, rest = text.partition(":")
    if transport == "docker":
        return rest[2:]
    if transport not in FILES:
        raise InvalidArgument(
            f"reading reference {text!r}: transport {transport} is not supported",
            hint="docker://, oci:, oci-archive:, docker-archive:, dir:",
        )
    if transport == "dir":
        path, name = rest, ""
    else:
        path, _, name = rest.partition(":")
    if not path:
        raise InvalidArgument(f"reading reference {text!r}: no path after {transport}:")
    return Place(transport, path, name)


@contextmanager
def opened(paths: Paths, place: Place) -> Iterator[tuple[Source, list[Found]]]:
    """The source at `place`, and those of its images that are meant.

    Raises NotFound, ImageError.
    """
    if place.transport in ("oci", "dir"):
        if not os.path.isdir(place.path):
            raise NotFound(f"reading {place}: no such directory")
        kind = Layout if place.transport == "oci" else Dir
        source: Source = kind(DirectoryFiles(place.path), str(place))
        yield source, _chosen(source, place)
        return
    fd = _open(place.path)
    try:
        fd = _as_plain_tar(paths, fd, place.path)
        files = Archive(fd, place.path)
        kind_of_tar = Layout if place.transport == "oci-archive" else Docker
        source = kind_of_tar(files, str(place))
        yield source, _chosen(source, place)
    finally:
        os.close(fd)


@contextmanager
def any_archive(paths: Paths, where: str | int) -> Iterator[tuple[Source, list[Found]]]:
    """What `load` is given: a file or directory, an http(s) URL, or a descriptor, whichever of
    the forms it has."""
    path = where if isinstance(where, str) else ""
    label = path or "standard input"
    if path and os.path.isdir(path):
        files = DirectoryFiles(path)
        source: Source = (Layout if "index.json" in files else Dir)(files, label)
        yield source, source.images()
        return
    if path.startswith(("http://", "https://")):
        fd = _downloaded(paths, path)
    else:
        fd = os.dup(where) if isinstance(where, int) else _open(path)
    try:
        fd = _as_plain_tar(paths, fd, label)
        archive = Archive(fd, label)
        if "index.json" in archive and "oci-layout" in archive:
            source = Layout(archive, label)
        elif "manifest.json" in archive:
            source = Docker(archive, label)
        else:
            raise ImageError(
                f"reading {label}: not an archive of images",
                hint="a root file system is imported, not loaded",
            )
        yield source, source.images()
    finally:
        os.close(fd)


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as e:
        raise CrunpyError.from_os(f"reading {path}", e) from e


def _downloaded(paths: Paths, url: str) -> int:
    """A temporary file with what `url` names."""
    from crun_py.oci.registry.connect import download

    blobs.prepare(paths)
    with download(url, f"reading {url}") as read:
        return _spooled(paths, iter(lambda: read(_PIECE_BYTES), b""), url)


def _chosen(source: Source, place: Place) -> list[Found]:
    """The images that `place` names; without a name there may be but one."""
    found = source.images()
    wanted = place.name
    if wanted.startswith("@") and is_number(wanted[1:]):
        found = found[int(wanted[1:]) : int(wanted[1:]) + 1]
    elif wanted:
        found = [f for f in found if f.tag == wanted or _full(wanted) in f.names]
    if not found:
        raise NotFound(f"reading {place}: it has no such image")
    if len(found) > 1 and place.transport != "docker-archive":
        raise InvalidArgument(
            f"reading {place}: it has {len(found)} images", hint=f"{place}:NAME takes one of them"
        )
    return found


def _full(text: str) -> str:
    try:
        return str(parse(text))
    except InvalidArgument:  # any text can be the name in a layout
        return text


def _as_plain_tar(paths: Paths, fd: int, label: str) -> int:
    """`fd`, or when it is compressed or a pipe a temporary file with the plain archive."""
    start = b""
    seekable = True
    try:
        os.lseek(fd, 0, os.SEEK_CUR)
        start = os.pread(fd, 8, 0)
    except OSError:
        seekable = False
        while len(start) < 8 and (data := os.read(fd, 8 - len(start))):
            start += data
    if not start:
        raise ImageError(f"reading {label}: it is empty")
    kind = kind_of(start)
    if seekable and not kind:
        return fd
    blobs.prepare(paths)
    waiting = [] if seekable else [start]

    def get() -> bytes:
        return waiting.pop() if waiting else os.read(fd, _PIECE_BYTES)

    spool = _spooled(paths, inflate(kind, get, Limits()), label)
    os.close(fd)
    return spool


def _spooled(paths: Paths, pieces: Iterator[bytes], label: str) -> int:
    """A temporary file, at its start, with all `pieces`."""
    flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
    spool = os.open(paths.images + "/.staging", flags, 0o600)
    try:
        for data in pieces:
            view = memoryview(data)
            while view:
                view = view[os.write(spool, view) :]
    except OSError as e:
        os.close(spool)
        raise CrunpyError.from_os(f"reading {label} into {paths.images}", e) from e
    except BaseException:
        os.close(spool)
        raise
    os.lseek(spool, 0, os.SEEK_SET)
    return spool
