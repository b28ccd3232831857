"""--squash: the layers of a build become one."""

from __future__ import annotations

import os
import stat

from crun_py.build.draft import Draft
from crun_py.build.layer import NewLayer, Times
from crun_py.overlay.copy import Copier
from crun_py.overlay.view import is_opaque
from crun_py.overlay.whiteout import is_whiteout, make_whiteout
from crun_py.tree import DIRECTORY, is_content, remove_tree_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.paths import Paths

_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")


def squashed(draft: Draft, paths: Paths, base: int) -> Draft:
    """`draft` with one layer in the place of all above its first `base`.  Raises CrunpyError."""
    if len(draft.chain) <= base + (0 if base else 1) or len(draft.chain) == base:
        return draft
    new = NewLayer(paths, draft.trees[:base], draft.chain[:base], "")
    try:
        top = os.open(new.tree, DIRECTORY)
        try:
            laid = _Laid(top, whole=base == 0)
            for tree in draft.trees[base:]:
                laid.over(tree)
        finally:
            os.close(top)
        layer = new.commit(Times())
    finally:
        new.discard()
    result = draft.copy()
    result.layers, result.diff_ids = draft.layers[:base], draft.diff_ids[:base]
    result.chain = draft.chain[:base]
    result.add_layer(layer)
    return result


class _Laid:
    """A layer laid over those that were put into the directory `top` before.

    whole: nothing lies below, so nothing needs to be hidden.
    """

    def __init__(self, top: int, *, whole: bool) -> None:
        self._top, self._whole = top, whole
        self._copier = Copier(top, xattrs=self._is_kept)

    def _is_kept(self, xattr: str) -> bool:
        return is_content(xattr) or (not self._whole and xattr in _OPAQUE)

    def over(self, tree: str) -> None:
        """Take in the layer `tree`."""
        source = os.open(tree, DIRECTORY)
        self._copier = Copier(self._top, xattrs=self._is_kept)  # inodes are another layer's
        try:
            self._directory(source, self._top, "")
        finally:
            os.close(source)

    def _directory(self, source: int, target: int, path: str) -> None:
        if is_opaque(source):
            for name in os.listdir(target):
                self._remove(target, name)
        for name in sorted(os.listdir(source)):
            found = os.stat(name, dir_fd=source, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode) and self._is_directory(target, name):
                self._into(source, target, name, path)
                continue
            self._remove(target, name)
            if is_whiteout(found):
                if not self._whole:
                    make_whiteout(name, target)
                continue
            self._copier.entry(source, target, name, f"{path}/{name}" if path else name)
        self._copier.describe(source, target, os.fstat(source))

    def _into(self, source: int, target: int, name: str, path: str) -> None:
        ours = os.open(name, DIRECTORY, dir_fd=source)
        theirs = os.open(name, DIRECTORY, dir_fd=target)
        try:
            self._directory(ours, theirs, f"{path}/{name}" if path else name)
        finally:
            os.close(ours)
            os.close(theirs)

    @staticmethod
    def _is_directory(target: int, name: str) -> bool:
        try:
            return stat.S_ISDIR(os.stat(name, dir_fd=target, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return False

    def _remove(self, target: int, name: str) -> None:
        if self._is_directory(target, name):
            remove_tree_at(target, name)
        elif os.path.lexists(f"/proc/self/fd/{target}/{name}"):
            os.unlink(name, dir_fd=target)
