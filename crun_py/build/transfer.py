"""COPY: files of a tree into a root file system (Dockerfile reference, "COPY").

The destination is resolved inside the root; directories that are missing are made.  A file that
is in the way is replaced, never written through; a directory is never replaced by a file.
"""

from __future__ import annotations

import errno
import os
import stat

from crun_py._native import check, lib
from crun_py.build.files import NOTHING, Tree, Walk
from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.overlay.copy import copy_content
from crun_py.tree import DIRECTORY, is_content

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.build.chmod import Mode
    from crun_py.build.ignore import Ignore

_MAX_LINKS = 40
_ANY_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Target:
    """Where files go: the root file system open as `root`.

    owner: uid and gid of what is made; None: those of the source.  mode: what --chmod makes of
    a mode.
    """

    def __init__(self, root: int, owner: tuple[int, int] | None, mode: Mode | None) -> None:
        self.root, self.owner, self.mode = root, owner, mode

    def directory(self, path: str) -> int:
        """The directory `path`, made with its parents where it is missing; a descriptor.

        Raises OSError, InvalidArgument where a file is in the way.
        """
        path = self.followed(path)
        fd = lib.crunpy_open_in_root(self.root, os.fsencode(path or "/"), _ANY_DIRECTORY)
        if fd == -errno.ENOTDIR:
            raise InvalidArgument(f"{path}: a file is there, and no directory")
        if fd != -errno.ENOENT:
            return check(fd, path)
        above, _, name = path.rstrip("/").rpartition("/")
        parent = self.directory(above)
        try:
            os.mkdir(name, 0o755, dir_fd=parent)
            fd = os.open(name, DIRECTORY, dir_fd=parent)
        finally:
            os.close(parent)
        os.fchmod(fd, 0o755)
        self._own(fd, (0, 0))
        return fd

    def followed(self, path: str) -> str:
        """`path`, or what a link there leads to, wherever that is inside the root."""
        for _ in range(_MAX_LINKS):
            fd = lib.crunpy_open_in_root(
                self.root, os.fsencode(path or "/"), os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
            )
            if fd < 0:
                return path
            try:
                if not stat.S_ISLNK(os.fstat(fd).st_mode):
                    return path
                link = os.readlink("", dir_fd=fd)
            finally:
                os.close(fd)
            path = os.path.normpath(os.path.join("/", os.path.dirname(path), link))
        raise InvalidArgument(f"{path}: too many links")

    def is_directory(self, path: str) -> bool:
        """Whether `path` is a directory in the root, or a link to one."""
        fd = lib.crunpy_open_in_root(self.root, os.fsencode(path), _ANY_DIRECTORY | os.O_PATH)
        if fd >= 0:
            os.close(fd)
        return bool(fd >= 0)

    def own(self, found: os.stat_result) -> tuple[int, int]:
        """The owner of the copy of a file."""
        return self.owner or (found.st_uid, found.st_gid)

    def _own(self, fd: int, default: tuple[int, int]) -> None:
        owner = self.owner or default
        if owner != (0, 0):
            os.fchown(fd, *owner)

    def permissions(self, found: os.stat_result) -> int:
        """The mode of the copy of a file."""
        mode = stat.S_IMODE(found.st_mode)
        if self.mode is None or stat.S_ISLNK(found.st_mode):
            return mode
        return self.mode.apply(mode, directory=stat.S_ISDIR(found.st_mode))


class Transfer:
    """Copies sources of `tree` into `target`.

    exclude: of --exclude, patterns of paths below each source.
    """

    def __init__(self, tree: Tree, target: Target, exclude: Ignore = NOTHING) -> None:
        self._tree, self._target = tree, target
        self._walk = Walk(tree, exclude)
        self._first: dict[tuple[int, int], tuple[int, str]] = {}
        self._stack: list[tuple[int, os.stat_result | None]] = []
        self._held: list[int] = []

    def copy(self, path: str, destination: str, *, into: bool) -> None:
        """Copy the file or directory `path` of the tree, a link at its end followed.

        into: a file goes into the directory `destination` under its name.  Of a directory it
        is the content that goes there.  Raises CrunpyError.
        """
        try:
            source = self._tree.open(path)
            try:
                self._copy(source, path, destination, into=into)
            finally:
                os.close(source)
        except OSError as e:
            raise CrunpyError.from_os(f"copying {path} to {destination}", e) from e
        finally:
            for fd in self._held:
                os.close(fd)
            self._held, self._first = [], {}

    def _copy(self, source: int, path: str, destination: str, *, into: bool) -> None:
        found = os.fstat(source)
        if stat.S_ISDIR(found.st_mode):
            top = self._target.directory(destination)
            directory = os.open(".", _ANY_DIRECTORY, dir_fd=source)
            try:
                self._stack = [(top, None)]
                self._walk.over(directory, path, self._enter, self._file, self._leave)
            finally:
                os.close(directory)
                os.close(top)
            return
        if into or self._target.is_directory(destination):
            above, name = destination, path.rpartition("/")[2]
        else:
            above, _, name = self._target.followed(destination).rpartition("/")
        parent = self._target.directory(above)
        try:
            if not stat.S_ISREG(found.st_mode):
                raise InvalidArgument(f"copying {path}: neither a file nor a directory")
            reader = os.open(f"/proc/self/fd/{source}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._regular(reader, parent, name)
            finally:
                os.close(reader)
        finally:
            os.close(parent)

    # ---- what the walk comes by ----

    def _enter(self, directory: int, name: str, path: str, found: os.stat_result) -> bool:
        above = self._stack[-1][0]
        try:
            os.mkdir(name, 0o700, dir_fd=above)
            new: os.stat_result | None = found
        except FileExistsError:
            new = found
        try:
            fd = os.open(name, DIRECTORY, dir_fd=above)
        except NotADirectoryError:
            raise InvalidArgument(f"copying the directory {path}: a file is there") from None
        self._stack.append((fd, new))
        return True

    def _leave(self) -> None:
        fd, found = self._stack.pop()
        try:
            if found is not None:
                self._finish(fd, found)
        finally:
            os.close(fd)

    def _file(self, directory: int, name: str, path: str, found: os.stat_result) -> bool:
        above = self._stack[-1][0]
        key = (found.st_dev, found.st_ino)
        if found.st_nlink > 1 and key in self._first:
            where, first = self._first[key]
            self._clear(above, name, path)
            os.link(first, name, src_dir_fd=where, dst_dir_fd=above, follow_symlinks=False)
            return True
        if stat.S_ISREG(found.st_mode):
            reader = os.open(name, _READ, dir_fd=directory)
            try:
                self._regular(reader, above, name)
            finally:
                os.close(reader)
        elif stat.S_ISLNK(found.st_mode):
            self._clear(above, name, path)
            os.symlink(os.readlink(name, dir_fd=directory), name, dir_fd=above)
            self._describe_node(above, name, found)
        elif stat.S_ISSOCK(found.st_mode):
            return True  # it means nothing without who listens
        else:
            self._clear(above, name, path)
            os.mknod(name, found.st_mode, found.st_rdev, dir_fd=above)
            self._describe_node(above, name, found)
        if found.st_nlink > 1:
            self._held.append(os.dup(above))
            self._first[key] = self._held[-1], name
        return True

    # ---- one file ----

    def _regular(self, reader: int, parent: int, name: str) -> None:
        found = os.fstat(reader)
        if not stat.S_ISREG(found.st_mode):
            raise CrunpyError(f"copying {name}: it was replaced while it was read")
        try:
            writer = os.open(name, _NEW, 0o600, dir_fd=parent)
        except FileExistsError:
            self._clear(parent, name, name)
            writer = os.open(name, _NEW, 0o600, dir_fd=parent)
        try:
            copy_content(reader, writer, found.st_size)
            self._describe(reader, writer, found)
        finally:
            os.close(writer)

    def _clear(self, parent: int, name: str, path: str) -> None:
        """Remove the file in the way.  Raises InvalidArgument for a directory."""
        try:
            os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            raise InvalidArgument(f"copying the file {path}: a directory is there") from None

    def _describe(self, reader: int, writer: int, found: os.stat_result) -> None:
        for name in os.listxattr(reader):
            if is_content(name):
                os.setxattr(writer, name, os.getxattr(reader, name))
        self._finish(writer, found)

    def _finish(self, fd: int, found: os.stat_result) -> None:
        owner = self._target.own(found)
        if owner != (0, 0):
            os.fchown(fd, *owner)
        os.fchmod(fd, self._target.permissions(found))  # after it: chown clears setuid
        os.utime(fd, ns=(found.st_mtime_ns, found.st_mtime_ns))

    def _describe_node(self, parent: int, name: str, found: os.stat_result) -> None:
        owner = self._target.own(found)
        if owner != (0, 0):
            os.chown(name, *owner, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISLNK(found.st_mode):
            os.chmod(name, self._target.permissions(found), dir_fd=parent)
        times = (found.st_mtime_ns, found.st_mtime_ns)
        os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)
