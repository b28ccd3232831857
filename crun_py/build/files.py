"""The files that COPY and ADD name: of the build context, a stage, an image or a directory.

Everything is opened below one root, which no link leads out of (openat2(2), RESOLVE_IN_ROOT):
the context may change while we read, and a stage may hold links made to mislead.
"""

from __future__ import annotations

import errno
import os
import stat

from crun_py._native import check, lib
from crun_py.build.ignore import Ignore
from crun_py.build.patterns import Pattern, has_magic
from crun_py.errors import CrunpyError, NotFound
from crun_py.tree import DEPTH_LIMIT, DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Visit = Callable[[int, str, str, os.stat_result], bool]

NOTHING = Ignore()
_PATH = os.O_PATH | os.O_CLOEXEC


class Tree:
    """Files below the directory open as `root`.

    title: what errors call it, "the build context".  ignore: what is not seen of it.
    """

    def __init__(self, root: int, title: str, ignore: Ignore = NOTHING) -> None:
        self.root, self.title, self.ignore = root, title, ignore

    def open(self, path: str, flags: int = _PATH) -> int:
        """open(2) of `path` in it, links followed inside.  Raises OSError."""
        return check(lib.crunpy_open_in_root(self.root, os.fsencode(path or "."), flags), path)

    def hides(self, path: str, *, directory: bool) -> bool:
        """Whether `path` and, for a directory, all below it is ignored."""
        if not self.ignore or not path:
            return False
        if directory:
            return self.ignore.may_skip(path)
        return self.ignore.hides(path, False)

    def matching(self, pattern: str) -> list[str]:
        """The paths that a source of COPY means, sorted.

        Raises InvalidArgument, NotFound for one without wildcards that is not there.
        """
        path = inside(pattern)
        if not has_magic(path):
            self._need(path, ".." in pattern.split("/"))
            return [path]
        found = [""]
        for part in path.split("/"):
            found = [below for above in found for below in self._below(above, part)]
        return [p for p in found if not self._is_hidden(p)]

    def _below(self, above: str, part: str) -> list[str]:
        """What `part`, perhaps with wildcards, means in the directory `above`."""
        if part == "**":
            return [above, *self._all_below(above)]
        pattern = Pattern(part)
        lead = above + "/" if above else ""
        if pattern.literal:
            return [lead + pattern.prefix] if self._exists(lead + pattern.prefix) else []
        try:
            directory = self.open(above, DIRECTORY & ~os.O_NOFOLLOW)
        except OSError:
            return []
        try:
            names = sorted(os.listdir(directory))
        finally:
            os.close(directory)
        return [lead + name for name in names if pattern.matches(name)]

    def _all_below(self, above: str) -> list[str]:
        """All directories below `above`."""
        found: list[str] = []
        try:
            directory = self.open(above, DIRECTORY & ~os.O_NOFOLLOW)
        except OSError:
            return []

        def enter(_: int, name: str, path: str, about: os.stat_result) -> bool:
            found.append(f"{above}/{path}" if above else path)
            return True

        try:
            Walk(self).over(directory, above, enter, lambda *_: True, lambda: None)
        finally:
            os.close(directory)
        return found

    def _exists(self, path: str) -> bool:
        try:
            os.close(self.open(path, _PATH | os.O_NOFOLLOW))
        except OSError:
            return False
        return True

    def _is_hidden(self, path: str) -> bool:
        try:
            fd = self.open(path)
        except OSError:
            return True  # a link that leads nowhere
        try:
            return self.hides(path, directory=stat.S_ISDIR(os.fstat(fd).st_mode))
        finally:
            os.close(fd)

    def _need(self, path: str, led_out: bool) -> None:
        try:
            fd = self.open(path)
        except OSError as e:
            if e.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise CrunpyError.from_os(f"opening {path} of {self.title}", e) from e
            hint = "what lies above it cannot be copied" if led_out else self._nearest(path)
            raise NotFound(f"{path}: not in {self.title}", hint=hint) from None
        try:
            hidden = self.hides(path, directory=stat.S_ISDIR(os.fstat(fd).st_mode))
        finally:
            os.close(fd)
        if hidden:
            pattern = self.ignore.matched_by(path)
            raise NotFound(
                f"{path}: not in {self.title}",
                hint=f"it is there, and the ignore file hides it: {pattern}",
            )

    def _nearest(self, path: str) -> str:
        from crun_py.build.nearest import hint

        above, _, name = path.rpartition("/")
        try:
            directory = self.open(above, DIRECTORY & ~os.O_NOFOLLOW)
        except OSError:
            return ""
        try:
            names = sorted(os.listdir(directory))[:5000]
            if name in names:
                return "it is a link that leads to nothing in there"
            return hint(name, names)
        finally:
            os.close(directory)


def inside(path: str) -> str:
    """`path` of a COPY without leading slashes, `.` and `..`: nothing leads above the root."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


class Walk:
    """All that is below a directory of `tree`, names sorted, directories before their content.

    exclude: patterns of paths below the directory that are left out.
    """

    def __init__(self, tree: Tree, exclude: Ignore = NOTHING) -> None:
        self._tree, self._exclude = tree, exclude

    def over(
        self, directory: int, path: str, enter: Visit, file: Visit, leave: Callable[[], object]
    ) -> None:
        """Call `file` for each file, and `enter` and `leave` around each directory.

        Both are given the descriptor of the directory above, the name, the path below
        `directory`, and what lstat(2) says; `enter` may say False to stay out.
        """
        self._visits = enter, file, leave
        self._walk(directory, path, "", 0)

    def _walk(self, directory: int, path: str, below: str, depth: int) -> None:
        if depth > DEPTH_LIMIT:
            raise CrunpyError(f"reading {path[:80]}…: more than {DEPTH_LIMIT} directories deep")
        enter, file, leave = self._visits
        for name in sorted(os.listdir(directory)):
            whole = f"{path}/{name}" if path else name
            inner = f"{below}/{name}" if below else name
            try:
                found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed just now
            is_directory = stat.S_ISDIR(found.st_mode)
            if self._tree.hides(whole, directory=is_directory) or self._left_out(
                inner, is_directory
            ):
                continue
            if not is_directory:
                file(directory, name, inner, found)
                continue
            child = os.open(name, DIRECTORY, dir_fd=directory)
            try:
                if self._is_empty_view(child, whole, inner):
                    continue
                if enter(directory, name, inner, found):
                    self._walk(child, whole, inner, depth + 1)
                    leave()
            finally:
                os.close(child)

    def _left_out(self, inner: str, is_directory: bool) -> bool:
        if not self._exclude:
            return False
        return self._exclude.may_skip(inner) if is_directory else self._exclude.hides(inner, False)

    def _is_empty_view(self, directory: int, whole: str, inner: str) -> bool:
        """Whether a directory is hidden itself and so is all that is in it: then only an
        exception that matches nothing here kept us from passing over it."""
        ignored = self._tree.ignore and self._tree.ignore.hides(whole, True)
        excluded = self._exclude and self._exclude.hides(inner, True)
        if not ignored and not excluded:
            return False
        for name in os.listdir(directory):
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            path, deeper = f"{whole}/{name}", f"{inner}/{name}"
            is_directory = stat.S_ISDIR(found.st_mode)
            if self._tree.hides(path, directory=is_directory) or self._left_out(
                deeper, is_directory
            ):
                continue
            if not is_directory:
                return False
            child = os.open(name, DIRECTORY, dir_fd=directory)
            try:
                if not self._is_empty_view(child, path, deeper):
                    return False
            finally:
                os.close(child)
        return True
