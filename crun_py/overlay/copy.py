"""A tree copied into another directory, by descriptors: every name is opened in the
descriptor of its directory, without following a link.

Kept are types, modes, owners, times, hard links, extended attributes, device nodes, sockets and
the holes of sparse files.  That is how a new volume gets what the image has at its place
(`copy_up`), and how a plain user gets a layer with other owners (mapped.py).
"""

from __future__ import annotations

import errno
import os
import stat

from crun_py import jsonfile
from crun_py._native import check, lib
from crun_py.errors import CrunpyError
from crun_py.tree import DEPTH_LIMIT, DIRECTORY, is_content, remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


_SMALL_BYTES = 4096
"""No hole is smaller than a block."""


def copy_up(
    root: int, path: str, target: str, owner: Callable[[int, int], tuple[int, int]]
) -> None:
    """Copy the directory `path` of the container whose root is open as `root` into the empty
    directory `target`; nothing, when there is no such directory.  Raises OSError, CrunpyError."""
    source = lib.crunpy_open_in_root(root, os.fsencode(path), os.O_RDONLY | os.O_DIRECTORY)
    if source == -errno.ENOENT or source == -errno.ENOTDIR:
        return
    try:
        check(source, path)
        into = os.open(target, DIRECTORY)
        try:
            Copier(into, owner).copy(source)
        finally:
            os.close(into)
    finally:
        if source >= 0:
            os.close(source)


def opened(
    source: int | None,
    target: int | None,
    name: str,
    act: Callable[[int, int], None],
    *,
    into: str = "",
    read: int = DIRECTORY,
    write: int = DIRECTORY,
) -> None:
    """Call `act` with `name` of the directory open as `source`, and the same (or `into`) of
    `target`, opened with the flags `read` and `write` of open(2); None: names are paths.

    Raises OSError."""
    ours = os.open(name, read, dir_fd=source)
    try:
        theirs = os.open(into or name, write, 0o600, dir_fd=target)
        try:
            act(ours, theirs)
        finally:
            os.close(theirs)
    finally:
        os.close(ours)


def made_once(target: str, fill: Callable[[str], None]) -> str:
    """The directory `target`, which `fill` fills when it is not there: whoever comes at the same
    time waits, and what was killed is begun anew.  Raises OSError, CrunpyError."""
    if os.path.isdir(target):
        return target
    staged = target + ".part"
    with jsonfile.Lock(target + ".lock"):
        if not os.path.isdir(target):
            remove_tree(staged)
            os.mkdir(staged, 0o700)
            fill(staged)
            os.rename(staged, target)
    return target


class Copier:
    """Copies from one directory into another one, which nobody else writes to.

    owner:  uid and gid of the copy for those of a file.
    xattrs: which extended attributes are kept, by name.
    """

    def __init__(
        self,
        target: int,
        owner: Callable[[int, int], tuple[int, int]] = lambda uid, gid: (uid, gid),
        xattrs: Callable[[str], bool] = is_content,
    ) -> None:
        self._top, self._owner, self._xattrs = target, owner, xattrs
        self._seen: dict[tuple[int, int], str] = {}

    def copy(self, source: int) -> None:
        """Everything in the directory open as `source`, and what that itself is like.

        Raises OSError, CrunpyError for a tree that is too deep.
        """
        self._directory(source, self._top, "", 0)

    def _directory(self, source: int, target: int, path: str, depth: int) -> None:
        if depth > DEPTH_LIMIT:
            raise CrunpyError(f"copying {path[:80]}…: more than {DEPTH_LIMIT} directories deep")
        for name in os.listdir(source):
            self.entry(source, target, name, f"{path}/{name}" if path else name, depth)
        self.describe(source, target, os.fstat(source))

    def entry(self, source: int, target: int, name: str, path: str, depth: int = 0) -> None:
        """The entry `name` of the directory open as `source`, with all below it, into `target`,
        which is the parent of `path` in the directory that is copied to.  Raises as copy()."""
        found = os.stat(name, dir_fd=source, follow_symlinks=False)
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFDIR:
            os.mkdir(name, 0o700, dir_fd=target)
            opened(source, target, name, lambda a, b: self._directory(a, b, path, depth + 1))
            return
        if found.st_nlink > 1:
            first = self._seen.setdefault((found.st_dev, found.st_ino), path)
            if first != path:
                os.link(first, name, src_dir_fd=self._top, dst_dir_fd=target, follow_symlinks=False)
                return
        if kind == stat.S_IFREG:
            read = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            write = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            opened(source, target, name, self._file, read=read, write=write)
            return
        if kind == stat.S_IFLNK:
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        else:
            try:
                os.mknod(name, found.st_mode, found.st_rdev, dir_fd=target)
            except PermissionError:
                return  # a device node, as a plain user: there is no way to have one
        owner = self._owner(found.st_uid, found.st_gid)
        os.chown(name, *owner, dir_fd=target, follow_symlinks=False)
        if kind != stat.S_IFLNK:
            os.chmod(name, stat.S_IMODE(found.st_mode), dir_fd=target)
        times = (found.st_atime_ns, found.st_mtime_ns)
        os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)

    def _file(self, source: int, target: int) -> None:
        found = os.fstat(source)
        if not stat.S_ISREG(found.st_mode):
            raise CrunpyError("copying a file: it was replaced while it was read")
        copy_content(source, target, found.st_size)
        self.describe(source, target, found)

    def describe(self, source: int, target: int, found: os.stat_result) -> None:
        """Make `target` like `source`, of which fstat(2) says `found`.  Raises OSError."""
        os.fchown(target, *self._owner(found.st_uid, found.st_gid))
        os.fchmod(target, stat.S_IMODE(found.st_mode))  # after it: chown clears setuid
        for name in os.listxattr(source):
            if self._xattrs(name):
                os.setxattr(target, name, os.getxattr(source, name))
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def copy_content(source: int, target: int, size: int) -> None:
    """The `size` bytes of one regular file into another, empty one; holes stay holes.

    Raises OSError.
    """
    if size <= _SMALL_BYTES:
        os.write(target, os.read(source, size))
        return
    os.ftruncate(target, size)
    at = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
        except OSError as e:
            if e.errno != errno.ENXIO:
                raise
            break  # nothing but a hole is left
        end = os.lseek(source, at, os.SEEK_HOLE)
        while at < end:
            done = _copy_range(source, target, at, end - at)
            if not done:
                break  # it has shrunk
            at += done
        at = max(at, end)


def _copy_range(source: int, target: int, at: int, size: int) -> int:
    """At most `size` bytes, to the same place; returns how many."""
    try:
        return os.copy_file_range(source, target, size, at, at)
    except OSError as e:
        if e.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP):
            raise
    os.lseek(target, at, os.SEEK_SET)  # from another file system
    return os.sendfile(target, source, at, size)
