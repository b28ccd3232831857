"""A container's files as seen through its layers, without mounting anything.

Answers what must be known before the container exists: the users in its /etc/passwd, and
whether a path is there.  The container may run and change its writable layer meanwhile: every
name is opened below a layer's descriptor without following any link (openat2(2)), symlinks are
resolved here, in the merged tree, and a file that is read must be a regular one of limited size
(CVE-2024-9676: a FIFO or a huge file must not hang us).
"""

from __future__ import annotations

import errno
import os
import stat

from crun_py._native import check, lib
from crun_py.errors import ImageError
from crun_py.overlay.whiteout import is_whiteout
from crun_py.tree import DIRECTORY

_MAX_LINKS = 40
_MAX_BYTES = 1 << 20


class LayeredView:
    """The merged tree of `directories`, topmost first."""

    def __init__(self, directories: list[str]) -> None:
        self._directories = directories
        self._fds: dict[int, int] = {}

    def __del__(self) -> None:
        for fd in self._fds.values():
            os.close(fd)

    def _open(self, layer: int, parts: list[str], flags: int) -> int:
        """openat2(2) of an entry of one layer, through no link.  Raises OSError."""
        if layer not in self._fds:
            top = os.open(self._directories[layer], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self._fds[layer] = top
        path = os.fsencode("/".join(parts))
        return check(lib.crunpy_open_beneath(self._fds[layer], path, flags), "/".join(parts))

    def _lstat(self, layer: int, parts: list[str]) -> os.stat_result:
        fd = self._open(layer, parts, os.O_PATH | os.O_NOFOLLOW)
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def _find(self, parts: list[str]) -> tuple[int, os.stat_result] | None:
        """The layer that has the entry with these (link-free) parents, and what it is."""
        for layer in range(len(self._directories)):
            try:
                found = self._lstat(layer, parts)
            except FileNotFoundError:
                if self._hides(layer, parts):
                    return None
                continue
            except OSError as e:
                if e.errno in (errno.ENOTDIR, errno.ELOOP):
                    return None  # a file or a link in the place of a parent
                raise
            if is_whiteout(found):
                return None
            return layer, found
        return None

    def _hides(self, layer: int, parts: list[str]) -> bool:
        """Whether a parent in this layer is a whiteout, a file, or opaque."""
        for length in range(1, len(parts)):
            try:
                directory = self._open(layer, parts[:length], DIRECTORY)
            except FileNotFoundError:
                return False
            except OSError as e:
                if e.errno in (errno.ENOTDIR, errno.ELOOP):
                    return True
                raise
            try:
                if is_opaque(directory):
                    return True
            finally:
                os.close(directory)
        return False

    def _resolve(self, path: str) -> tuple[int, list[str], os.stat_result] | None:
        """Layer, parts and kind of what `path` leads to; None: absent."""
        todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        done: list[str] = []
        links = 0
        found = self._find([])
        while todo:
            part = todo.pop()
            if part == "..":
                done = done[:-1]
                continue
            found = self._find([*done, part])
            if found is None:
                return None
            if stat.S_ISLNK(found[1].st_mode):
                links += 1
                if links > _MAX_LINKS:
                    return None
                target = self._readlink(found[0], [*done, part])
                if target.startswith("/"):
                    done = []
                todo += [p for p in reversed(target.split("/")) if p not in ("", ".")]
                continue
            done.append(part)
        found = found if done else self._find([])
        return (found[0], done, found[1]) if found else None

    def resolve(self, path: str) -> list[str] | None:
        """The components of what `path` leads to, none of which is a link; None: absent."""
        found = self._resolve(path)
        return found[1] if found else None

    def at(self, parts: list[str]) -> os.stat_result | None:
        """lstat(2) of the entry with these components, whose parents are no links; None: absent."""
        found = self._find(parts)
        return found[1] if found else None

    def names(self, parts: list[str]) -> list[str]:
        """The names in a merged directory, in no order."""
        return [name for name in self._names(parts) if self._find([*parts, name])]

    def stat(self, path: str) -> os.stat_result | None:
        """What lstat(2) would say of `path` inside the container, links resolved; None: absent."""
        found = self._resolve(path)
        return found[2] if found else None

    def read(self, path: str) -> bytes | None:
        """The content of the regular file `path`, None when there is none.

        Raises ImageError when it is of another kind or larger than 1 MiB.
        """
        found = self._resolve(path)
        if found is None:
            return None
        try:
            fd = self._open(found[0], found[1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None  # removed just now
        except OSError as e:
            raise ImageError.from_os(f"reading {path} of the image", e) from e
        try:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode):
                raise ImageError(f"reading {path} of the image: not a regular file")
            if about.st_size > _MAX_BYTES:
                raise ImageError(f"reading {path} of the image: larger than 1 MiB")
            return os.read(fd, _MAX_BYTES)
        finally:
            os.close(fd)

    def _readlink(self, layer: int, parts: list[str]) -> str:
        fd = self._open(layer, parts, os.O_PATH | os.O_NOFOLLOW)
        try:
            return os.readlink("", dir_fd=fd)
        finally:
            os.close(fd)

    def _names(self, parts: list[str]) -> list[str]:
        """The names in a merged directory."""
        names: dict[str, None] = {}
        for layer in range(len(self._directories)):
            try:
                directory = self._open(layer, parts, DIRECTORY)
            except FileNotFoundError:
                if self._hides(layer, parts):
                    break
                continue
            except OSError as e:
                if e.errno in (errno.ENOTDIR, errno.ELOOP):
                    break
                raise
            try:
                names.update(dict.fromkeys(os.listdir(directory)))
                if is_opaque(directory):
                    break
            finally:
                os.close(directory)
            if self._hides(layer, parts):
                break
        return list(names)


def is_opaque(directory: int) -> bool:
    """Whether the directory, open, hides what lower layers have of that name."""
    for name in ("trusted.overlay.opaque", "user.overlay.opaque"):
        try:
            if os.getxattr(directory, name) == b"y":
                return True
        except OSError:
            continue  # no such attribute, or not ours to read
    return False
