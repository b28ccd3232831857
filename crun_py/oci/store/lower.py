"""What only the lower layers can tell about a layer.

A tar may lack the directories above its entries: they keep owner, mode, time and extended
attributes of the layers below.  A hard link may point to a file of a lower layer: it
becomes a copy, as overlay's copy-up would make it.  A marker (image-spec, layer.md,
"Whiteouts") hides what lower layers have and nothing else: where they have nothing, none is
made, for overlay would list such a name.  Every tree is walked by descriptors, without
following a link (a lower layer is as hostile as any).
"""

from __future__ import annotations

import errno
import os
import stat

from crun_py._native import check, lib
from crun_py.errors import ImageError
from crun_py.overlay.view import LayeredView
from crun_py.overlay.whiteout import holds_no_overlay, is_whiteout, make_whiteout
from crun_py.paths import in_user_namespace
from crun_py.tree import DIRECTORY, is_content

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def apply(fixups: bytes, root: int, lower: Sequence[str]) -> None:
    """Carry out `fixups` (untar.h, crunpy_untar_fixups) on the tree open as `root`.

    lower: trees of the layers below, base first.  Raises OSError or ImageError.
    """
    trees: list[int] = []
    try:
        for tree in reversed(lower):
            trees.append(os.open(tree, DIRECTORY))
        markers = Markers(root, lower, trees)
        for kind, path, target in _parse(fixups):
            if kind == b"D":
                _describe(root, path, trees)
            elif kind == b"L":
                _link(root, path, target, trees)
            else:
                markers.add(kind, path)
        markers.apply()
    finally:
        for fd in trees:
            os.close(fd)


def _parse(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    fields = iter(data.split(b"\0")[:-1])
    for kind in fields:
        path = next(fields)
        yield kind, path, next(fields) if kind == b"L" else b""


def _open(root: int, path: bytes) -> int:
    return check(lib.crunpy_open_in_root(root, path, DIRECTORY), os.fsdecode(path))


def _describe(root: int, path: bytes, trees: Sequence[int]) -> None:
    """The directory `path`, which had no entry, gets the metadata it has below."""
    found = _find(trees, path)
    if found < 0:
        return
    try:
        if stat.S_ISDIR(os.fstat(found).st_mode):
            mine = _open(root, path)
            try:
                _copy_metadata(found, mine)
            finally:
                os.close(mine)
    finally:
        os.close(found)


def _link(root: int, path: bytes, target: bytes, trees: Sequence[int]) -> None:
    parent, name = os.path.split(path)
    directory = _open(root, parent)
    # an earlier link of this layer may have been the first to bring the target up
    found = _find([root, *trees], target)
    try:
        before = os.fstat(directory)
        if _exists(name, directory):  # a later entry of the same name
            return
        if found < 0 or stat.S_ISDIR(os.fstat(found).st_mode):
            raise ImageError(
                f"unpacking a layer: entry {os.fsdecode(path)!r}: hard link to "
                f"{os.fsdecode(target)!r}, which is not a file of this or a lower layer"
            )
        _copy(found, directory, name)
        os.utime(directory, ns=(before.st_atime_ns, before.st_mtime_ns))
    finally:
        os.close(directory)
        if found >= 0:
            os.close(found)


class Markers:
    """The whiteouts and opaque markers of the layer open as `root`, above the trees `lower`."""

    def __init__(self, root: int, lower: Sequence[str], trees: Sequence[int]) -> None:
        self._root, self._trees = root, trees
        self._below = LayeredView(list(reversed(lower)))
        self._hidden: set[tuple[str, ...]] = set()
        self._opaque: set[tuple[str, ...]] = set()

    def add(self, kind: bytes, path: bytes) -> None:
        """`kind`: "W" for a whiteout of `path`, "O" when the directory `path` is opaque."""
        parts = tuple(os.fsdecode(path).split("/")) if path else ()
        (self._hidden if kind == b"W" else self._opaque).add(parts)

    def apply(self) -> None:
        """Make what overlay needs for them.  Raises OSError."""
        if () in self._opaque:
            # overlay does not look at the root's own attributes
            self._hidden |= {(name,) for name in self._below.names([])}
            self._opaque.discard(())
        # from the root down: what is hidden already needs no more
        for parts in sorted(self._hidden | self._opaque, key=len):
            below = self._below.at(list(parts))
            if below is None or not self._seen_through(parts[:-1]):
                continue
            mine = self._own(parts)
            if mine is None and parts in self._hidden:
                self._make(parts, make_whiteout)
            elif stat.S_ISDIR(below.st_mode) and (mine is None or stat.S_ISDIR(mine.st_mode)):
                if mine is None:
                    self._make_directory(parts)
                self._set_opaque(parts)

    def _own(self, parts: tuple[str, ...]) -> os.stat_result | None:
        """What this layer itself has there."""
        path = os.fsencode("/".join(parts))
        fd = lib.crunpy_open_beneath(self._root, path, os.O_PATH | os.O_NOFOLLOW)
        if fd in (-errno.ENOENT, -errno.ENOTDIR, -errno.ELOOP):
            return None
        check(fd, "/".join(parts))
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def _seen_through(self, parts: tuple[str, ...]) -> bool:
        """Whether what lower layers have in the directory `parts` is seen."""
        for length in range(1, len(parts) + 1):
            mine = self._own(parts[:length])
            if mine is None:
                return True  # nothing of this layer is in the way from here on
            if not stat.S_ISDIR(mine.st_mode):
                return False
            with self._opened(parts[:length]) as directory:
                if _is_opaque(directory):
                    return False
        return True

    def _make_directory(self, parts: tuple[str, ...]) -> None:
        """A directory as the lower layers have it, with those above it."""
        if parts and self._own(parts) is None:
            self._make(parts, lambda name, at: os.mkdir(name, 0o755, dir_fd=at))
            _describe(self._root, os.fsencode("/".join(parts)), self._trees)

    def _make(self, parts: tuple[str, ...], act: Callable[[str, int], None]) -> None:
        """Make a name; the directory keeps its time."""
        self._make_directory(parts[:-1])
        with self._opened(parts[:-1]) as directory:
            before = os.fstat(directory)
            act(parts[-1], directory)
            os.utime(directory, ns=(before.st_atime_ns, before.st_mtime_ns))

    def _set_opaque(self, parts: tuple[str, ...]) -> None:
        with self._opened(parts) as directory:
            # an overlay keeps those of its own kind for itself
            unfit = holds_no_overlay(f"/proc/self/fd/{directory}")
            name = "user" if unfit or in_user_namespace() else "trusted"
            os.setxattr(directory, name + ".overlay.opaque", b"y")

    def _opened(self, parts: tuple[str, ...]) -> _Opened:
        path = os.fsencode("/".join(parts))
        return _Opened(check(lib.crunpy_open_beneath(self._root, path, DIRECTORY), "/".join(parts)))


class _Opened:
    """A descriptor, closed at the end of its `with`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _find(trees: Sequence[int], path: bytes) -> int:
    """O_PATH descriptor of what overlay would show at `path` of `trees`, top first; or -1."""
    for tree in trees:
        at = os.dup(tree)
        opaque = False
        parts = path.split(b"/") if path else []
        for part in parts:
            opaque = opaque or _is_opaque(at)
            try:
                below = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            except FileNotFoundError:
                below = -1
            except NotADirectoryError:  # this layer hides the directory by something else
                os.close(at)
                return -1
            os.close(at)
            at = below
            if at < 0:
                break
        if at >= 0:
            if is_whiteout(os.fstat(at)):
                os.close(at)
                return -1
            return at
        if opaque:
            return -1
    return -1


def _is_opaque(fd: int) -> bool:
    # an O_PATH descriptor has no fgetxattr(2) of its own
    path = f"/proc/self/fd/{fd}"
    for name in ("trusted.overlay.opaque", "user.overlay.opaque"):
        try:
            if os.getxattr(path, name) == b"y":
                return True
        except OSError:
            continue
    return False


def _exists(name: bytes, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _copy_metadata(source: int, target: int) -> None:
    """Owner, mode, wanted extended attributes and time from O_PATH `source` to `target`."""
    found = os.fstat(source)
    os.fchown(target, found.st_uid, found.st_gid)
    os.fchmod(target, stat.S_IMODE(found.st_mode))
    path = f"/proc/self/fd/{source}"
    for name in os.listxattr(path):
        if is_content(name):
            os.setxattr(target, name, os.getxattr(path, name))
    os.utime(target, ns=(found.st_mtime_ns, found.st_mtime_ns))


def _copy(source: int, directory: int, name: bytes) -> None:
    """A file or symbolic link from O_PATH `source`, named `name` in `directory`."""
    found = os.fstat(source)
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(b"", dir_fd=source), name, dir_fd=directory)
        os.chown(name, found.st_uid, found.st_gid, dir_fd=directory, follow_symlinks=False)
        return
    if not stat.S_ISREG(found.st_mode):
        raise ImageError(
            f"unpacking a layer: entry {os.fsdecode(name)!r}: hard link to a special file "
            "of a lower layer"
        )
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    into = os.open(name, flags, 0o600, dir_fd=directory)
    try:
        reader = os.open(f"/proc/self/fd/{source}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            while os.copy_file_range(reader, into, 1 << 30):
                pass
        finally:
            os.close(reader)
        _copy_metadata(source, into)
    finally:
        os.close(into)
