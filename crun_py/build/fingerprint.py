"""What the files that a step copies are: one digest of their names, kinds, modes and content.

Times are no part of it, so a fresh checkout of the same files is the same.  Content that was
read before is known by the file's inode, size and times, as git's index has it.
"""

from __future__ import annotations

import os
import stat
import time
from _blake2 import blake2b

from crun_py import jsonfile
from crun_py.build.files import Tree, Walk
from crun_py.errors import CorruptState, CrunpyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.build.ignore import Ignore
    from crun_py.workspace import Workspace

_PIECE_BYTES = 1 << 20
_RACY_NS = 2_000_000_000
"""A file that was written so shortly before it was read may have changed after it, unseen."""
_MOST = 200_000
MUCH_BYTES = 1 << 30


class Known:
    """The digests of files that were read before, in the file `path`."""

    def __init__(self, path: str, workspace: Workspace) -> None:
        self._path, self._workspace = path, workspace
        self._old: dict[str, str] | None = None
        self._used: dict[str, str] = {}
        self._new = 0

    def content(self, directory: int, name: str, found: os.stat_result) -> str:
        """The digest of the regular file `name`.  Raises OSError, CrunpyError."""
        if self._old is None:
            self._old = self._read()
        key = (
            f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"
        )
        digest = self._old.get(key)
        if digest is None:
            digest = _content(directory, name)
            self._new += 1
            if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < _RACY_NS:
                return digest
        self._used[key] = digest
        return digest

    def _read(self) -> dict[str, str]:
        try:
            found: dict[str, str] = jsonfile.read(self._path, {str: str})
        except (FileNotFoundError, CorruptState):
            return {}
        return found

    def save(self) -> None:
        """Keep what was learnt."""
        if self._new and self._used:
            kept = {**(self._old or {}), **self._used} if len(self._used) < _MOST else self._used
            kept = kept if len(kept) <= _MOST else self._used
            self._workspace.write(self._path, jsonfile.dumps(kept).encode())
            self._new = 0


def _content(directory: int, name: str, link: int = os.O_NOFOLLOW) -> str:
    fd = os.open(name, os.O_RDONLY | link | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise CrunpyError(f"reading {name}: it was replaced while it was read")
        found = blake2b(digest_size=16)
        while data := os.read(fd, _PIECE_BYTES):
            found.update(data)
        return str(found.hexdigest())
    finally:
        os.close(fd)


class Fingerprint:
    """Gathers the digest of several sources.

    owners: owners are a part of it, as they are where files keep theirs.  much: is told, once,
    of the bytes so far by the first name of their path, before more than MUCH_BYTES are read.
    """

    def __init__(
        self,
        tree: Tree,
        known: Known,
        *,
        owners: bool,
        exclude: Ignore,
        much: Callable[[dict[str, int]], object] = lambda sizes: None,
    ) -> None:
        self._tree, self._known, self._owners = tree, known, owners
        self._walk = Walk(tree, exclude)
        self._digest = blake2b(digest_size=32)
        self._first: dict[tuple[int, int], str] = {}
        self._much = much
        self._sizes: dict[str, int] = {}  # by the first name of their path
        self._path, self._total = "", 0

    def add(self, path: str) -> None:
        """The file or directory `path` of the tree, a link at its end followed.

        Raises CrunpyError.
        """
        self._path = path
        try:
            fd = self._tree.open(path)
            try:
                found = os.fstat(fd)
                if stat.S_ISDIR(found.st_mode):
                    self._note(path + "/", found, "")
                    directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
                    try:
                        self._walk.over(directory, path, self._enter, self._file, lambda: None)
                    finally:
                        os.close(directory)
                else:
                    regular = stat.S_ISREG(found.st_mode)
                    self._count(path, found.st_size if regular else 0)
                    what = _content(fd, f"/proc/self/fd/{fd}", 0) if regular else ""
                    self._note(path, found, what)
            finally:
                os.close(fd)
        except OSError as e:
            name = e.filename if isinstance(e.filename, str) else path
            raise CrunpyError.from_os(f"reading {name} of {self._tree.title}", e) from e

    def _count(self, path: str, size: int) -> None:
        top = (self._path or path).partition("/")[0]
        self._sizes[top] = self._sizes.get(top, 0) + size
        self._total += size
        if self._total >= MUCH_BYTES and self._total - size < MUCH_BYTES:
            self._much(self._sizes)

    def hexdigest(self) -> str:
        return str(self._digest.hexdigest())

    def _enter(self, directory: int, name: str, path: str, found: os.stat_result) -> bool:
        self._note(path + "/", found, "")
        return True

    def _file(self, directory: int, name: str, path: str, found: os.stat_result) -> bool:
        what = ""
        if stat.S_ISREG(found.st_mode):
            self._count(path, found.st_size)
            first = path
            if found.st_nlink > 1:
                first = self._first.setdefault((found.st_dev, found.st_ino), path)
            what = first if first != path else self._known.content(directory, name, found)
        elif stat.S_ISLNK(found.st_mode):
            what = os.readlink(name, dir_fd=directory)
        self._note(path, found, what)
        return True

    def _note(self, path: str, found: os.stat_result, what: str) -> None:
        owner = f"{found.st_uid}:{found.st_gid}" if self._owners else ""
        device = found.st_rdev if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode) else 0
        row = f"{path}\0{found.st_mode:o}\0{owner}\0{device}\0{what}\0\n"
        self._digest.update(os.fsencode(row))
