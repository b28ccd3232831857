"""A layer that a step makes: a directory that becomes part of the store as it is.

Its archive is hashed, for the image's id is made of that, but not written: `oci/repack` writes
it when something is pushed or saved.
"""

from __future__ import annotations

import os

from crun_py.errors import CrunpyError
from crun_py.oci.chain import is_unpacked
from crun_py.oci.store.layers import Place
from crun_py.oci.transfer import repack
from crun_py.overlay import copied, mount, rootfs
from crun_py.overlay.whiteout import holds_no_overlay
from crun_py.record import record
from crun_py.tree import DIRECTORY, remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.paths import Paths


@record
class Layer:
    """diff_id: the digest of its archive, which is `size` bytes.  content: bytes of files."""

    chain_id: str
    diff_id: str
    size: int
    content: int


class NewLayer:
    """The layer on top of `trees` (base first), of which `chain` are the ids.

    where: an empty directory, on which it is mounted for `root`.
    """

    def __init__(self, paths: Paths, trees: list[str], chain: list[str], where: str) -> None:
        self._paths, self._trees, self._chain, self._where = paths, trees, chain, where
        self._place = Place(paths)
        self._mounted, self._copy = False, ""
        if trees:
            rootfs.like_below(self._place.tree, trees)

    @property
    def tree(self) -> str:
        """Its directory, an overlay's upper one."""
        return self._place.tree

    def mount(self) -> int:
        """Mount it over the layers below; an O_PATH descriptor of the root."""
        flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
        if not self._trees:
            return os.open(self._place.tree, flags)
        if holds_no_overlay(self._place.path):
            self._copy = self._place.path + "/copy"
            os.mkdir(self._copy, 0o700)
            copied.fill(self._trees, self._copy)
            return os.open(self._copy, flags)
        work = self._place.path + "/work"
        os.mkdir(work, 0o700)
        mount.overlay(rootfs.over(self._trees, self._place.tree, work, volatile=True), self._where)
        self._mounted = True
        return os.open(self._where, flags)

    def adopt(self, upper: str) -> None:
        """Take a container's directory `upper` for its own."""
        if holds_no_overlay(self._place.path):
            copied.extract(self._trees, upper, self._place.tree)
        else:
            os.rename(upper, self._place.tree)

    def commit(self, times: Times) -> Layer:
        """Hash it and give it its name in the store.  Raises CrunpyError."""
        if self._copy:
            copied.extract(self._trees, self._copy, self._place.tree)
        self._unmount()
        times.apply(self._place.tree)
        import hashlib

        found = hashlib.sha256()
        try:
            packer = repack.packed(self._place.tree, found.update)
        except OSError as e:
            raise CrunpyError.from_os("reading the new layer", e) from e
        diff_id = "sha256:" + found.hexdigest()
        chain_id = diff_id
        if self._chain:
            below = f"{self._chain[-1]} {diff_id}".encode()
            chain_id = "sha256:" + hashlib.sha256(below).hexdigest()
        layer = Layer(chain_id=chain_id, diff_id=diff_id, size=packer.size, content=packer.content)
        if is_unpacked(self._paths, chain_id):
            self._place.discard()
        else:
            self._place.commit(chain_id, diff_id, packer.content)
        return layer

    def _unmount(self) -> None:
        if self._mounted:
            self._mounted = False
            mount.unmount(self._where)
        for name in ("/work", "/copy"):
            remove_tree(self._place.path + name)

    def discard(self) -> None:
        """Drop it, unless it was committed."""
        self._unmount()
        self._place.discard()


@record
class Times:
    """What the times of files become (podman-build(1), --timestamp; SOURCE_DATE_EPOCH): set: of
    all; latest: of later ones.  Seconds since the epoch, -1: nothing."""

    set: int = -1
    latest: int = -1

    def apply(self, tree: str) -> None:
        """Change the times of everything in the layer `tree`."""
        if self.set < 0 and self.latest < 0:
            return
        top = os.open(tree, DIRECTORY)
        try:
            self._directory(top)
        finally:
            os.close(top)

    def _directory(self, directory: int) -> None:
        for name in os.listdir(directory):
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if found.st_mode & 0o170000 == 0o040000:
                child = os.open(name, DIRECTORY, dir_fd=directory)
                try:
                    self._directory(child)
                finally:
                    os.close(child)
            seconds = self.set if self.set >= 0 else min(self.latest, int(found.st_mtime))
            if seconds != found.st_mtime:
                times = (seconds * 1_000_000_000,) * 2
                os.utime(name, ns=times, dir_fd=directory, follow_symlinks=False)
