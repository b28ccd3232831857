"""Directory trees that somebody else has filled, and may change meanwhile: removing them and
giving them other owners or attributes.

One descriptor is held however deep a tree is, and no link is followed.
"""

from __future__ import annotations

import errno
import os
import stat

from crun_py.errors import CrunpyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags of open(2) for a directory that is read, and is no link to one."""
DEPTH_LIMIT = 256
"""Directories within directories: a deeper tree is not copied or archived, as the layer unpacker
refuses it."""


def is_content(xattr: str) -> bool:
    """Whether an extended attribute belongs to a file, and not to an overlay or to this host."""
    return xattr == "security.capability" or (
        xattr.startswith("user.") and not xattr.startswith("user.overlay.")
    )


def remove_tree(path: str) -> None:
    """Remove the directory `path` and all below it, never through a link.  Absent is fine.

    Raises CrunpyError naming the path.
    """
    try:
        top = os.open(path, DIRECTORY)
    except FileNotFoundError:
        return
    except OSError as e:
        raise CrunpyError.from_os(f"removing {path}", e) from e
    try:
        _empty(top)
        os.rmdir(path)
    except FileNotFoundError:
        return
    except OSError as e:
        raise CrunpyError.from_os(f"removing {path}", e) from e
    finally:
        os.close(top)


def remove_tree_at(directory: int, name: str) -> None:
    """As `remove_tree`, for `name` in the directory open as `directory`.  Raises OSError."""
    top = os.open(name, DIRECTORY, dir_fd=directory)
    try:
        _empty(top)
        os.rmdir(name, dir_fd=directory)
    finally:
        os.close(top)


def change_owner(path: str, owner: Callable[[int, int], tuple[int, int]]) -> None:
    """Give `path` and all below it, never through a link, the uid and gid that `owner` says
    for those they have.  Raises OSError."""
    found = os.lstat(path)
    os.chown(path, *owner(found.st_uid, found.st_gid), follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode):
        return
    top = os.open(path, DIRECTORY)
    try:
        _walk(top, lambda directory: _own_all(directory, owner))
    finally:
        os.close(top)


def share_with_group(path: str, gid: int, *, unless_shared: bool = False) -> None:
    """Let a group read and write `path`, a directory, and all below it, never through a link: it
    is their group, and that of what is made in the directories later (setgid, inode(7)).

    What is removed meanwhile is passed over.  `path` itself comes last; unless_shared: where it is
    so already, nothing is done.  Raises OSError."""

    def visit(directory: int) -> list[str]:
        found = []
        for name in os.listdir(directory):
            try:
                if _share_one(name, directory, gid):
                    found.append(name)
            except FileNotFoundError:
                continue
        return found

    top = os.open(path, DIRECTORY)
    try:
        had = os.fstat(top)
        if unless_shared and had.st_gid == gid and had.st_mode & _SHARED == _SHARED:
            return
        _walk(top, visit)
        _share_one(".", top, gid)
    finally:
        os.close(top)


_SHARED = stat.S_ISGID | stat.S_IRWXG


def _share_one(name: str, directory: int, gid: int) -> bool:
    """Whether it is a directory."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        about = os.fstat(fd)
        itself = f"/proc/self/fd/{fd}"  # a link too, whatever has its name by now
        os.chown(itself, -1, gid)
        is_directory = stat.S_ISDIR(about.st_mode)
        if is_directory or stat.S_ISREG(about.st_mode):
            more = _SHARED if is_directory else stat.S_IRGRP | stat.S_IWGRP
            # after chown, which takes setuid and setgid from files: they stay gone
            os.chmod(itself, stat.S_IMODE(os.fstat(fd).st_mode) | more)
        return is_directory
    finally:
        os.close(fd)


def set_attribute(path: str, name: str, value: bytes) -> None:
    """Give `path` and all below it, never through a link, an extended attribute.  What has it
    already is left as it is; what is removed meanwhile is passed over.  `path` itself comes last:
    if it has it, all below it was done.  Raises OSError."""
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        _set_unless_equal(path, name, value)
        return
    top = os.open(path, DIRECTORY)

    def visit(directory: int) -> list[str]:
        found = []
        with os.scandir(directory) as entries:
            for entry in entries:
                # the directory is the one that is open, whatever has its name by now
                try:
                    _set_unless_equal(f"/proc/self/fd/{directory}/{entry.name}", name, value)
                except FileNotFoundError:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    found.append(entry.name)
        return found

    try:
        _walk(top, visit)
        _set_unless_equal(f"/proc/self/fd/{top}/.", name, value)
    finally:
        os.close(top)


def _set_unless_equal(path: str, name: str, value: bytes) -> None:
    try:
        had = os.getxattr(path, name, follow_symlinks=False).rstrip(b"\0")
    except OSError as e:
        if e.errno != errno.ENODATA:
            raise
        had = b""
    if had != value:
        os.setxattr(path, name, value, follow_symlinks=False)


class _Place:
    """A directory of a tree.  The way up is `..`, if that is still where we came from."""

    def __init__(self, top: int) -> None:
        self.fd = os.dup(top)
        self._above: list[tuple[int, int]] = []

    def enter(self, name: str) -> None:
        """Go into the directory `name`.  Raises OSError, FileNotFoundError when it has gone."""
        child = os.open(name, DIRECTORY, dir_fd=self.fd)
        self._above.append(self._identity(self.fd))
        os.close(self.fd)
        self.fd = child

    def leave(self) -> None:
        """Go up again.  Raises OSError when the directory was moved."""
        above = os.open("..", DIRECTORY, dir_fd=self.fd)
        os.close(self.fd)
        self.fd = above
        if self._identity(above) != self._above.pop():
            raise OSError(errno.ESTALE, "a directory was moved while it was worked on")

    def restart(self, top: int, names: list[str]) -> int:
        """Go to top/names[0]/names[1]/… as far as that is still there; how many of them that
        were."""
        os.close(self.fd)
        self.fd = os.dup(top)
        self._above.clear()
        for depth, name in enumerate(names):
            try:
                self.enter(name)
            except OSError:
                return depth
        return len(names)

    def close(self) -> None:
        os.close(self.fd)

    @staticmethod
    def _identity(fd: int) -> tuple[int, int]:
        found = os.fstat(fd)
        return found.st_dev, found.st_ino


def _empty(top: int) -> None:
    """Remove what is in the directory open as `top`; never what another file system has that is
    mounted in it (EBUSY)."""
    place = _Place(top)
    device = os.fstat(top).st_dev
    try:
        pending = [_unlink_files(place.fd)]
        while pending:
            if pending[-1]:
                try:
                    place.enter(pending[-1][-1])
                except FileNotFoundError:
                    pending[-1].pop()
                    continue
                # some file systems have several devices in one mount (btrfs)
                if os.fstat(place.fd).st_dev != device and _mount_id(place.fd) != _mount_id(top):
                    raise OSError(errno.EBUSY, f"something is mounted on {pending[-1][-1]}")
                pending.append(_unlink_files(place.fd))
                continue
            pending.pop()
            if pending:
                place.leave()
                _unless_gone(os.rmdir, pending[-1].pop(), place.fd)
    finally:
        place.close()


def _mount_id(fd: int) -> str:
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as about:
        return next(line for line in about if line.startswith("mnt_id:"))


def _unlink_files(directory: int) -> list[str]:
    """Remove the files in a directory; returns the names of the directories in it."""
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found.append(entry.name)
            else:
                _unless_gone(os.unlink, entry.name, directory)
    return found


def _unless_gone(remove: Callable[..., None], name: str, directory: int) -> None:
    """Two removals of one tree may meet."""
    try:
        remove(name, dir_fd=directory)
    except FileNotFoundError:
        return


def disk_usage(path: str) -> int:
    """Bytes of all files below the directory `path`, each hard link once; what is removed
    meanwhile or may not be read counts nothing."""
    seen: dict[tuple[int, int], int] = {}

    def visit(directory: int) -> list[str]:
        found = []
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    about = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISDIR(about.st_mode):
                    found.append(entry.name)
                else:
                    seen[about.st_dev, about.st_ino] = about.st_size
        return found

    try:
        top = os.open(path, DIRECTORY)
    except OSError:
        return 0
    try:
        _walk(top, visit, (FileNotFoundError, PermissionError, NotADirectoryError))
    finally:
        os.close(top)
    return sum(seen.values())


def _walk(
    top: int,
    visit: Callable[[int], list[str]],
    passed_over: tuple[type[OSError], ...] = (FileNotFoundError,),
) -> None:
    """Call `visit` with each directory from `top` on; it returns the names to go into.

    passed_over: errors of those that cannot be entered; others are raised.  From a directory
    that was removed or moved meanwhile the way back begins at the top.
    """
    place = _Place(top)
    try:
        pending, names = [visit(place.fd)], list[str]()
        while pending:
            if pending[-1]:
                name = pending[-1].pop()
                try:
                    place.enter(name)
                except passed_over:
                    continue
                names.append(name)
                pending.append(visit(place.fd))
                continue
            pending.pop()
            if not names:
                return
            names.pop()
            try:
                place.leave()
            except OSError as e:
                if e.errno not in (errno.ENOENT, errno.ESTALE):
                    raise
                depth = place.restart(top, names)
                del names[depth:], pending[depth + 1 :]
    finally:
        place.close()


def _own_all(directory: int, owner: Callable[[int, int], tuple[int, int]]) -> list[str]:
    """Change what is in a directory; returns the names of the directories in it."""
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            about = entry.stat(follow_symlinks=False)
            new = owner(about.st_uid, about.st_gid)
            os.chown(entry.name, *new, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISDIR(about.st_mode):
                found.append(entry.name)
    return found
