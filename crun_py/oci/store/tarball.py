"""Tar archives of images, as files to look into and to write.

Nothing is ever extracted: a member is found by its name and read where it lies.  Names and
links are checked all the same, for an archive that has `../x` in it was made to harm
(docker and others did extract it).  Formats: ustar, pax (path, linkpath, size) and GNU.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from crun_py.archive.header import BLOCK, DIRECTORY, END, FILE, Entry, encode, padding
from crun_py.archive.read import Reader
from crun_py.errors import CrunpyError, ImageError

_PIECE_BYTES = 256 << 10
_ENTRY_LIMIT = 200_000
_LINK_DEPTH = 8


class Archive:
    """The members of the uncompressed tar that is open as `fd`, which can be sought."""

    def __init__(self, fd: int, label: str) -> None:
        """label: what errors call it.  Raises ImageError for what is no archive or hostile."""
        self._fd = fd
        self._label = label
        self._files: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        self._read_headers()

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def size(self, name: str) -> int:
        """Bytes of member `name`.  Raises ImageError when there is none."""
        return self._get(name)[1]

    def read(self, name: str, limit: int) -> bytes:
        """The content of a small member."""
        offset, size = self._get(name)
        if size > limit:
            raise ImageError(f"reading {self._label}: {name!r} is larger than {limit} bytes")
        return os.pread(self._fd, size, offset)

    def pieces(self, name: str) -> Iterator[bytes]:
        """The content of member `name`."""
        offset, size = self._get(name)
        end = offset + size
        while offset < end:
            data = os.pread(self._fd, min(_PIECE_BYTES, end - offset), offset)
            if not data:
                raise ImageError(f"reading {self._label}: it ends within {name!r}")
            offset += len(data)
            yield data

    def _get(self, name: str) -> tuple[int, int]:
        found = self._find(name)
        if found is None:
            raise ImageError(f"reading {self._label}: it has no {name!r}")
        return found

    def _find(self, name: str) -> tuple[int, int] | None:
        for _ in range(_LINK_DEPTH):
            if name in self._files:
                return self._files[name]
            if name not in self._links:
                return None
            name = self._links[name]
        return None

    def _error(self, why: str) -> ImageError:
        return ImageError(f"reading {self._label}: {why}")

    # ---- headers ----

    def _read_headers(self) -> None:
        offset = 0
        total = os.fstat(self._fd).st_size

        def read(size: int) -> bytes:
            nonlocal offset
            data = os.pread(self._fd, size, offset)
            offset += size
            if len(data) < size:
                raise self._error("it ends in the middle" if offset > size else "not a tar archive")
            return data

        reader = Reader(read, self._label)
        entries = 0
        while offset < total and (entry := reader.next()):
            entries += 1
            if entries > _ENTRY_LIMIT:
                raise self._error(f"more than {_ENTRY_LIMIT} entries")
            self._take(entry.kind, self._path(entry.name), entry.link, offset, entry.size)
            offset += entry.size + -entry.size % BLOCK
            if offset > total:
                raise self._error("it ends in the middle")
        if not entries:
            raise self._error("not a tar archive")

    def _take(self, kind: bytes, name: str, link: bytes, start: int, size: int) -> None:
        self._files.pop(name, None)
        self._links.pop(name, None)
        if kind == FILE:
            self._files[name] = (start, size)
        elif kind == b"1":
            self._links[name] = self._path(link)
        elif kind == b"2":
            target = os.path.normpath(os.path.join(os.path.dirname(name), _text(link)))
            self._links[name] = self._path(target.encode("utf-8", "surrogateescape"))
        elif kind != b"5":
            raise self._error(f"entry {name!r} is neither a file, a directory nor a link")

    def _path(self, raw: bytes) -> str:
        """A member's name without `./`.  Raises ImageError for one that leaves the archive."""
        name = _text(raw)
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts or "\0" in name:
            raise self._error(f"entry {name[:200]!r} leads out of it")
        return "/".join(parts)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


class TarOut:
    """A tar archive being written to `fd`, which may be a pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._directories: set[str] = set()

    def file(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        """Add a member of `size` bytes."""
        self._parents(name)
        self._write(_header(name, size))
        written = 0
        for data in pieces:
            self._write(data)
            written += len(data)
        self._pad(name, size, written)

    def copy(self, name: str, source: int, size: int) -> None:
        """Add a member whose content is the first `size` bytes of the file open as `source`."""
        self._parents(name)
        self._write(_header(name, size))
        done = 0
        while done < size:
            n = os.sendfile(self._fd, source, done, min(size - done, 64 << 20))
            if not n:
                break
            done += n
        self._pad(name, size, done)

    def end(self) -> None:
        """Two empty blocks (tar(5))."""
        self._write(END)

    def _parents(self, name: str) -> None:
        parts = name.split("/")[:-1]
        for n in range(1, len(parts) + 1):
            directory = "/".join(parts[:n]) + "/"
            if directory not in self._directories:
                self._directories.add(directory)
                self._write(encode(Entry(directory.encode(), DIRECTORY, mode=0o755)))

    def _pad(self, name: str, size: int, written: int) -> None:
        if written != size:
            raise CrunpyError(f"writing the archive: {name} has {written} bytes, not {size}")
        self._write(padding(size))

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]


def _header(name: str, size: int) -> bytes:
    """Of a file that is root's, from 1970: archives of equal images are equal."""
    return encode(Entry(name.encode(), FILE, size=size))
