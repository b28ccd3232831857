"""A container's files as seen through its layers, without mounting anything.

Answers what must be known before the container exists: the users in its /etc/passwd, and
whether a path is there.  Symlinks are resolved inside the layers only; every file is
opened without following the last link, and must be a regular file of limited size
(CVE-2024-9676: a FIFO or a huge file must not hang us).
"""

from __future__ import annotations

import os
import stat

from crun_py.errors import ImageError

_MAX_LINKS = 40
_MAX_BYTES = 1 << 20


class LayeredView:
    """The merged tree of `directories`, topmost first."""

    def __init__(self, directories: list[str]) -> None:
        self._directories = directories

    def _find(self, parts: list[str]) -> tuple[str, os.stat_result] | None:
        """Where the entry with these (link-free) parents is on the host."""
        name = "/".join(parts)
        for directory in self._directories:
            path = f"{directory}/{name}" if name else directory
            try:
                found = os.lstat(path)
            except FileNotFoundError:
                if self._hides(directory, parts):
                    return None
                continue
            except NotADirectoryError:
                return None
            if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
                return None  # a whiteout
            return path, found
        return None

    @staticmethod
    def _hides(directory: str, parts: list[str]) -> bool:
        """Whether a parent in this layer is a whiteout, a file, or opaque."""
        path = directory
        for part in parts[:-1]:
            path += "/" + part
            try:
                found = os.lstat(path)
            except FileNotFoundError:
                return False
            if not stat.S_ISDIR(found.st_mode):
                return True
            for name in ("user.overlay.opaque", "trusted.overlay.opaque"):
                try:
                    if os.getxattr(path, name, follow_symlinks=False) == b"y":
                        return True
                except OSError:
                    continue  # no such attribute, or not ours to read
        return False

    def _resolve(self, path: str) -> tuple[str, os.stat_result] | None:
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
                target = os.readlink(found[0])
                if target.startswith("/"):
                    done = []
                todo += [p for p in reversed(target.split("/")) if p not in ("", ".")]
                continue
            done.append(part)
        return found if done else self._find([])

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
        return found[1] if found else None

    def read(self, path: str) -> bytes | None:
        """The content of the regular file `path`, None when there is none.

        Raises ImageError when it is of another kind or larger than 1 MiB.
        """
        found = self._resolve(path)
        if found is None:
            return None
        fd = os.open(found[0], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode):
                raise ImageError(f"reading {path} of the image: not a regular file")
            if about.st_size > _MAX_BYTES:
                raise ImageError(f"reading {path} of the image: larger than 1 MiB")
            return os.read(fd, _MAX_BYTES)
        finally:
            os.close(fd)

    def copy_directory(self, path: str, target: str) -> None:
        """Copy the directory `path` of the merged tree into the empty directory `target`.

        Keeps types, modes, owners, times and links as links; device nodes are passed over.
        Nothing is copied when there is no such directory.  Owner and mode of `path` itself
        become those of `target`.
        """
        found = self._resolve(path)
        if found is None or not stat.S_ISDIR(found[1].st_mode):
            return
        parts = [
            p for p in os.path.relpath(found[0], self._layer_of(found[0])).split("/") if p != "."
        ]
        self._copy(parts, target, found)

    def _layer_of(self, host_path: str) -> str:
        return next(d for d in self._directories if (host_path + "/").startswith(d + "/"))

    def _names(self, parts: list[str]) -> list[str]:
        """The names in a merged directory."""
        names: dict[str, None] = {}
        for directory in self._directories:
            path = "/".join([directory, *parts])
            if not os.path.isdir(path) or os.path.islink(path):
                if os.path.lexists(path):
                    break
                if self._hides(directory, parts):
                    break
                continue
            names.update(dict.fromkeys(os.listdir(path)))
            if self._hides(directory, [*parts, ""]):
                break
        return list(names)

    def _copy(self, parts: list[str], target: str, found: tuple[str, os.stat_result]) -> None:
        source, about = found
        if stat.S_ISDIR(about.st_mode):
            if parts and not os.path.isdir(target):
                os.mkdir(target, 0o700)
            for name in self._names(parts):
                child = self._find([*parts, name])
                if child is not None:
                    self._copy([*parts, name], f"{target}/{name}", child)
        elif stat.S_ISREG(about.st_mode):
            copy_file(source, target)
        elif stat.S_ISLNK(about.st_mode):
            os.symlink(os.readlink(source), target)
        elif stat.S_ISFIFO(about.st_mode):
            os.mkfifo(target)
        else:
            return
        os.chown(target, about.st_uid, about.st_gid, follow_symlinks=False)
        if not stat.S_ISLNK(about.st_mode):
            os.chmod(target, stat.S_IMODE(about.st_mode))
        os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns), follow_symlinks=False)


def copy_file(source: str, target: str) -> None:
    """A new regular file `target` with the content of `source`, mode 0600."""
    read = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        write = os.open(target, flags, 0o600)
        try:
            while os.copy_file_range(read, write, 1 << 30):
                continue
        finally:
            os.close(write)
    finally:
        os.close(read)
