"""A tar archive, extracted below a directory that somebody else may change meanwhile.

Nothing is resolved by the host's rules: directories are entered one by one without following
a link, and a file that is in the way is removed, never written through.  Only below a
container's root a link to a directory is followed, inside that root (`bin` -> `usr/bin`).
"""

from __future__ import annotations

import errno
import os
import stat

from crun_py._native import check, lib
from crun_py.archive import header
from crun_py.errors import CrunpyError
from crun_py.outfile import special
from crun_py.tree import DEPTH_LIMIT, DIRECTORY, remove_tree_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.archive.header import Entry
    from crun_py.archive.read import Reader

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Owner = tuple[int, int] | None


class Rules:
    """How entries become files.

    owner:     uid and gid for an entry's, None: whoever we are.
    modes:     the mode bits that are kept.
    devices:   device nodes are made; else `passed_over` is told.
    overwrite: a directory may take the place of another file, and the other way round.
    """

    __slots__ = ("devices", "modes", "overwrite", "owner", "passed_over")

    def __init__(
        self,
        *,
        owner: Callable[[int, int], Owner],
        modes: int = 0o7777,
        devices: bool = False,
        overwrite: bool = False,
        passed_over: Callable[[str], object] = lambda path: None,
    ) -> None:
        self.owner, self.modes, self.devices = owner, modes, devices
        self.overwrite, self.passed_over = overwrite, passed_over


class Extractor:
    """Extracts below the directory open as `top`, which is at `where` of the container whose
    root is open as `root` (-1: on the host)."""

    def __init__(self, top: int, rules: Rules, *, root: int = -1, where: str = "") -> None:
        self._top, self._rules, self._root, self._where = top, rules, root, where
        self._parent: tuple[str, ...] | None = ()
        self._parent_fd = os.dup(top)
        self._directories: list[tuple[tuple[str, ...], Entry]] = []
        self._without_top = False
        self.size = 0

    def extract(self, reader: Reader, base: str = "", *, without_top: bool = False) -> None:
        """All entries that `reader` has.

        base: put in front of every name ("": names as they are); it may come from whoever sent the
        archive, and is refused where it leads elsewhere.  without_top: instead of the
        first part of each, which is that of one thing.  Raises CrunpyError.
        """
        if base and _parts(base, "") != (base,):
            raise CrunpyError(f"extracting {base}: not the name of a file")
        self._without_top = without_top
        try:
            while entry := reader.next():
                self._member(reader, entry, base)
                for _ in reader.content():
                    continue  # of what is passed over
                reader.skip_padding()
            self._finish()
        finally:
            os.close(self._parent_fd)

    def _member(self, reader: Reader, entry: Entry, base: str) -> None:
        parts = self._parts(entry.name, base)
        self.size += entry.size
        try:
            if not parts:
                return  # the directory that is there already keeps what it is
            self._make(reader, entry, parts, base)
        except OSError as e:
            raise CrunpyError.from_os(f"writing {'/'.join(parts)}", e) from e

    def _parts(self, name: bytes, base: str) -> tuple[str, ...]:
        text = os.fsdecode(name)
        if not self._without_top:
            return _parts(text, base)
        _, *parts = _parts(text, "") or ("",)
        return (base, *parts) if base else tuple(parts)

    def _make(self, reader: Reader, entry: Entry, parts: tuple[str, ...], base: str) -> None:
        directory, name = self._open_parent(parts[:-1]), parts[-1]
        if entry.kind == header.DIRECTORY or entry.name.endswith(b"/"):
            self._make_directory(directory, parts, entry)
            return
        if entry.kind in (header.CHARACTER, header.BLOCKDEV) and not self._rules.devices:
            self._rules.passed_over("/".join(parts))
            return
        if entry.kind == header.FILE:
            fd = self._create(directory, parts)
            try:
                self._fill(fd, reader)
                self._describe(fd, entry)
            finally:
                os.close(fd)
            return
        self._clear(directory, parts)
        if entry.kind == header.HARDLINK:
            source = self._parts(entry.link, base)
            if not source:
                raise CrunpyError(f"extracting {'/'.join(parts)}: hard link to the directory")
            held = os.dup(directory)  # opening the other parent closes ours
            try:
                other = self._open_parent(source[:-1])
                os.link(source[-1], name, src_dir_fd=other, dst_dir_fd=held, follow_symlinks=False)
            finally:
                os.close(held)
            return
        if entry.kind == header.SYMLINK:
            os.symlink(os.fsdecode(entry.link), name, dir_fd=directory)
        elif entry.kind == header.FIFO:
            os.mkfifo(name, 0o600, dir_fd=directory)
        else:
            kind = stat.S_IFCHR if entry.kind == header.CHARACTER else stat.S_IFBLK
            os.mknod(name, kind | 0o600, os.makedev(*entry.device), dir_fd=directory)
        self._describe_node(directory, name, entry)

    # ---- directories ----

    def _open_parent(self, parts: tuple[str, ...]) -> int:
        """The directory `parts`, made if missing; the descriptor is ours until the next call."""
        if self._parent != parts:
            fd = self._walk(parts)
            os.close(self._parent_fd)
            self._parent, self._parent_fd = parts, fd
        return self._parent_fd

    def _walk(self, parts: tuple[str, ...], *, make: bool = True) -> int:
        fd = os.dup(self._top)
        for number in range(len(parts)):
            try:
                child = self._enter(fd, parts[: number + 1], make=make)
            finally:
                os.close(fd)
            fd = child
        return fd

    def _enter(self, directory: int, parts: tuple[str, ...], *, make: bool) -> int:
        name = parts[-1]
        try:
            return os.open(name, DIRECTORY, dir_fd=directory)
        except FileNotFoundError:
            if not make:
                raise
            os.mkdir(name, 0o755, dir_fd=directory)
            fd = os.open(name, DIRECTORY, dir_fd=directory)
            owner = self._rules.owner(0, 0)
            if owner:
                os.fchown(fd, *owner)
            return fd
        except NotADirectoryError:
            if self._root < 0 or not _is_link(directory, name):
                raise
        path = "/".join([self._where, *parts])
        flags = os.O_RDONLY | os.O_DIRECTORY
        return check(lib.crunpy_open_in_root(self._root, os.fsencode(path), flags), path)

    def _make_directory(self, directory: int, parts: tuple[str, ...], member: Entry) -> None:
        name = parts[-1]
        try:
            os.mkdir(name, 0o700, dir_fd=directory)
        except FileExistsError:
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                if not self._rules.overwrite:
                    raise CrunpyError(
                        f"writing {'/'.join(parts)}: a directory would replace a file",
                        hint="--overwrite allows it",
                    ) from None
                self._check_special(parts, found.st_mode)
                os.unlink(name, dir_fd=directory)
                os.mkdir(name, 0o700, dir_fd=directory)
        self._directories.append((parts, member))

    def _finish(self) -> None:
        """Modes and times of directories, once nothing changes in them any more."""
        for parts, member in reversed(self._directories):
            try:
                fd = self._walk(parts, make=False)
            except OSError:
                continue  # replaced by a later entry, or by somebody else
            try:
                self._describe(fd, member)
            except OSError as e:
                raise CrunpyError.from_os(f"writing {'/'.join(parts)}", e) from e
            finally:
                os.close(fd)

    # ---- files ----

    def _create(self, directory: int, parts: tuple[str, ...]) -> int:
        name = parts[-1]
        try:
            return os.open(name, _NEW_FILE, 0o600, dir_fd=directory)
        except FileExistsError:
            pass
        try:
            self._clear(directory, parts)
        except OSError as e:
            if e.errno != errno.EBUSY:
                raise
            # something is mounted on it, /etc/hosts perhaps: written in place
            flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(name, flags, dir_fd=directory)
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                os.close(fd)
                raise
            os.ftruncate(fd, 0)
            return fd
        return os.open(name, _NEW_FILE, 0o600, dir_fd=directory)

    def _clear(self, directory: int, parts: tuple[str, ...]) -> None:
        """Make way for something else than a directory."""
        name = parts[-1]
        try:
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(found.st_mode):
            self._check_special(parts, found.st_mode)
            os.unlink(name, dir_fd=directory)
        elif self._rules.overwrite:
            remove_tree_at(directory, name)
        else:
            raise CrunpyError(
                f"writing {'/'.join(parts)}: a file would replace a directory",
                hint="--overwrite allows it",
            )

    def _check_special(self, parts: tuple[str, ...], mode: int) -> None:
        """A device, FIFO or socket of the host does not make way for anything."""
        if self._root < 0 and not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            raise CrunpyError(
                f"writing {'/'.join(parts)}: there is {special(mode)} of that name",
                hint="only files and links are replaced",
            )

    @staticmethod
    def _fill(fd: int, reader: Reader) -> None:
        for data in reader.content():
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]

    # ---- owner, mode, time ----

    def _describe(self, fd: int, member: Entry) -> None:
        owner = self._rules.owner(member.uid, member.gid)
        if owner:
            os.fchown(fd, *owner)  # first: it clears setuid
        os.fchmod(fd, member.mode & self._rules.modes)
        os.utime(fd, (member.mtime, member.mtime))

    def _describe_node(self, directory: int, name: str, member: Entry) -> None:
        owner = self._rules.owner(member.uid, member.gid)
        if owner:
            os.chown(name, *owner, dir_fd=directory, follow_symlinks=False)
        if member.kind != header.SYMLINK:
            fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                os.chmod(f"/proc/self/fd/{fd}", member.mode & self._rules.modes)
            finally:
                os.close(fd)
        times = (member.mtime, member.mtime)
        os.utime(name, times, dir_fd=directory, follow_symlinks=False)


def _parts(name: str, base: str) -> tuple[str, ...]:
    """The components of an entry's name.  Raises CrunpyError for those that lead elsewhere."""
    parts = tuple(p for p in name.split("/") if p not in ("", "."))
    if ".." in parts or "\0" in name:
        raise CrunpyError(f"extracting {name}: its name leads out of the directory")
    if len(parts) > DEPTH_LIMIT:
        raise CrunpyError(f"extracting {name[:80]}…: more than {DEPTH_LIMIT} directories deep")
    return (base, *parts) if base else parts


def _is_link(directory: int, name: str) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
