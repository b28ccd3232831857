"""Files of the host that a user named for a command to write.

A device or a FIFO of that name is written into, as by any program; a socket is refused.  None is
ever replaced by a file.
"""

from __future__ import annotations

import os
import stat

from crun_py.errors import CrunpyError, InvalidArgument

_SPECIAL = {
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a directory",
}


def special(mode: int) -> str:
    """What a file is called that is neither a regular file nor a link; "" for those."""
    return _SPECIAL.get(stat.S_IFMT(mode), "")


def create(path: str, mode: int = 0o666) -> int:
    """Open `path` to be written from its beginning; the descriptor is the caller's.

    Raises CrunpyError, InvalidArgument for a directory or a socket, and a FIFO nobody reads.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, mode)
    except OSError as e:
        raise InvalidArgument.from_os(f"writing {path}", e) from e
    try:
        found = os.fstat(fd)
        if stat.S_ISBLK(found.st_mode):
            raise InvalidArgument(f"writing {path}: it is a block device")
        if stat.S_ISREG(found.st_mode):
            os.ftruncate(fd, 0)
        os.set_blocking(fd, True)
        return fd
    except BaseException:
        os.close(fd)
        raise


def write(path: str, data: bytes, mode: int = 0o666) -> None:
    """Write `data` to `path`.  Raises CrunpyError, InvalidArgument."""
    fd = create(path, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
    except OSError as e:
        raise CrunpyError.from_os(f"writing {path}", e) from e
    finally:
        os.close(fd)


class Replaced:
    """A file of the user's that gets its new content at the end of a `with`, if all went well.

    The `with` gives a descriptor to write to.  A link stays one; a device or a FIFO is written
    into.  Raises CrunpyError.
    """

    def __init__(self, path: str, mode: int = 0o666) -> None:
        self._path, self._mode = path, mode
        self._target = os.path.realpath(path)
        self._staged = ""
        self._fd = -1

    def __enter__(self) -> int:
        try:
            found = os.stat(self._path)
        except OSError:
            found = None
        if found and special(found.st_mode):
            self._fd = create(self._path)
            return self._fd
        staged = f"{self._target}.{os.getpid()}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd = os.open(staged, flags, self._mode)
        except OSError as e:
            raise InvalidArgument.from_os(f"writing {self._path}", e) from e
        self._staged = staged
        return self._fd

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        os.close(self._fd)
        try:
            if self._staged and kind is None:
                os.rename(self._staged, self._target)
            elif self._staged:
                os.unlink(self._staged)
        except OSError as e:
            raise CrunpyError.from_os(f"writing {self._path}", e) from e
        if isinstance(error, OSError):
            raise CrunpyError.from_os(f"writing {self._path}", error) from error
