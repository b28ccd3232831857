"""A tree as a tar archive.

The tree may be a container's, and change while we read: every name is opened below the
descriptor of its directory without following a link, and a file that shrinks is filled up
with zeros, so that the archive stays whole.
"""

from __future__ import annotations

import os
import stat

from crun_py.archive import header
from crun_py.archive.header import Entry
from crun_py.errors import CrunpyError
from crun_py.overlay.view import is_opaque
from crun_py.overlay.whiteout import is_whiteout
from crun_py.tree import DEPTH_LIMIT, DIRECTORY, is_content

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_PIECE_BYTES = 1 << 20


class Packer:
    """Writes entries of an archive, sorted by name, through `write`.

    xattrs:    security.capability and user.* attributes are archived too.
    whiteouts: the tree is an overlay's upper directory: what it hides is said as the
               image-spec does (layer.md, "Whiteouts").
    shut:      devices (st_dev) of mounts that are shown as empty directories.
    owner:     which uid and gid are archived for those of a file.
    wanted:    whether a path (without leading "/") is to be archived, with all below it.
    """

    def __init__(
        self,
        write: Callable[[bytes], object],
        *,
        xattrs: bool = False,
        whiteouts: bool = False,
        shut: frozenset[int] = frozenset(),
        owner: Callable[[int, int], tuple[int, int]] = lambda uid, gid: (uid, gid),
        wanted: Callable[[str], bool] = lambda path: True,
    ) -> None:
        self._write, self._xattrs, self._whiteouts = write, xattrs, whiteouts
        self._wanted, self._shut, self._owner = wanted, shut, owner
        self._seen: dict[tuple[int, int], bytes] = {}
        self.size = self.content = 0  # bytes of the archive, and of files in it

    def finish(self) -> None:
        """End the archive."""
        self._put(header.END)

    def add(self, directory: int, name: str, path: str) -> None:
        """The entry `name` of the directory open as `directory`, called `path` in the archive,
        with all that is below it.  Raises OSError, CrunpyError."""
        self._add(directory, name, path, 0)

    def add_open(self, fd: int, path: str) -> None:
        """As `add`, for what an O_PATH descriptor stands for."""
        found = os.fstat(fd)
        if stat.S_ISDIR(found.st_mode):
            directory = os.open(".", DIRECTORY, dir_fd=fd)
            try:
                self.describe(directory, path)
                self._children(directory, path, 0)
            finally:
                os.close(directory)
        elif stat.S_ISREG(found.st_mode):
            reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                self._open_file(reader, path)
            finally:
                os.close(reader)
        elif stat.S_ISLNK(found.st_mode):
            target = os.fsencode(os.readlink("", dir_fd=fd))
            self._entry(path, header.SYMLINK, found, link=target)
        elif not stat.S_ISSOCK(found.st_mode):
            self._entry(path, _KINDS[stat.S_IFMT(found.st_mode)], found)

    def children(self, directory: int, path: str) -> None:
        """Everything in the directory open as `directory`, but not that itself."""
        self._children(directory, path, 0)

    def describe(self, directory: int, path: str) -> None:
        """The directory open as `directory` itself, without what is in it."""
        self._entry(path + "/", header.DIRECTORY, os.fstat(directory), self._attributes(directory))
        if self._whiteouts and is_opaque(directory):
            self._put(header.encode(Entry(os.fsencode(f"{path}/.wh..wh..opq"), header.FILE)))

    def _put(self, data: bytes) -> None:
        self.size += len(data)
        self._write(data)

    def _children(self, directory: int, path: str, depth: int) -> None:
        if depth > DEPTH_LIMIT:
            raise CrunpyError(f"archiving {path[:80]}…: more than {DEPTH_LIMIT} directories deep")
        for name in sorted(os.listdir(directory), key=os.fsencode):
            below = f"{path}/{name}" if path else name
            if self._wanted(below):
                try:
                    self._add(directory, name, below, depth)
                except FileNotFoundError:
                    continue  # it has just been removed

    def _add(self, directory: int, name: str, path: str, depth: int) -> None:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        mode = found.st_mode
        if stat.S_ISDIR(mode):
            child = os.open(name, DIRECTORY, dir_fd=directory)
            try:
                self.describe(child, path)
                if found.st_dev not in self._shut:
                    self._children(child, path, depth + 1)
            finally:
                os.close(child)
            return
        if self._whiteouts and is_whiteout(found):
            parent, _, last = path.rpartition("/")
            hidden = f"{parent}/.wh.{last}" if parent else f".wh.{last}"
            self._put(header.encode(Entry(os.fsencode(hidden), header.FILE)))
            return
        first = self._seen.get((found.st_dev, found.st_ino))
        if first is not None:
            self._entry(path, header.HARDLINK, found, link=first)
        elif stat.S_ISREG(mode):
            self._file(directory, name, path)
        elif stat.S_ISLNK(mode):
            target = os.fsencode(os.readlink(name, dir_fd=directory))
            self._entry(path, header.SYMLINK, found, link=target)
        elif not stat.S_ISSOCK(mode):  # a socket without its listener means nothing
            self._entry(path, _KINDS[stat.S_IFMT(mode)], found)
        if found.st_nlink > 1 and first is None and not stat.S_ISSOCK(mode):
            self._seen[found.st_dev, found.st_ino] = os.fsencode(path)

    def _file(self, directory: int, name: str, path: str) -> None:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(name, flags, dir_fd=directory)
        try:
            self._open_file(fd, path)
        finally:
            os.close(fd)

    def _open_file(self, fd: int, path: str) -> None:
        """The regular file open as `fd`.  Raises CrunpyError when it is none."""
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise CrunpyError(f"archiving {path}: it was replaced while it was read")
        left = found.st_size
        self.content += left
        self._entry(path, header.FILE, found, self._attributes(fd))
        while left:
            data = os.read(fd, min(left, _PIECE_BYTES)) or bytes(min(left, _PIECE_BYTES))
            left -= len(data)
            self._put(data)
        self._put(header.padding(found.st_size))

    def _entry(
        self,
        path: str,
        kind: bytes,
        found: os.stat_result,
        xattrs: dict[str, bytes] | None = None,
        link: bytes = b"",
    ) -> None:
        uid, gid = self._owner(found.st_uid, found.st_gid)
        device = found.st_rdev if kind in (header.CHARACTER, header.BLOCKDEV) else 0
        entry = Entry(
            os.fsencode(path),
            kind,
            mode=stat.S_IMODE(found.st_mode),
            uid=uid,
            gid=gid,
            size=found.st_size if kind == header.FILE else 0,
            mtime=found.st_mtime_ns // 1_000_000_000,
            link=link,
            device=(os.major(device), os.minor(device)),
            xattrs=xattrs,
        )
        self._put(header.encode(entry))

    def _attributes(self, fd: int) -> dict[str, bytes]:
        if not self._xattrs:
            return {}
        try:
            names = os.listxattr(fd)
        except OSError:
            return {}  # a file system without them
        return {name: os.getxattr(fd, name) for name in sorted(names) if is_content(name)}


_KINDS = {
    stat.S_IFCHR: header.CHARACTER,
    stat.S_IFBLK: header.BLOCKDEV,
    stat.S_IFIFO: header.FIFO,
}
