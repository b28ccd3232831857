"""Blobs of layers that a build made: they are written when something wants them.

A built layer is a tree in the store; its archive was only hashed, to know its digest.  The same
tree gives the same archive again, for nobody changes it.
"""

from __future__ import annotations

import os

from crun_py.archive.pack import Packer
from crun_py.errors import CorruptState, CrunpyError
from crun_py.ns import user
from crun_py.oci.chain import chain_ids, diff_path, is_unpacked
from crun_py.oci.manifest import compression
from crun_py.oci.store import blobs, gc, unsettled
from crun_py.shapes import IMAGE
from crun_py.tree import DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.documents.image import ImageDocument
    from crun_py.oci.manifest import Manifest
    from crun_py.paths import Paths


def packed(tree: str, write: Callable[[bytes], object]) -> Packer:
    """Write the archive of the layer in the directory `tree`; what wrote it knows its sizes."""
    packer = Packer(write, xattrs=True, whiteouts=True)
    top = os.open(tree, DIRECTORY)
    try:
        packer.children(top, "")
        packer.finish()
    finally:
        os.close(top)
    return packer


def complete(paths: Paths, manifest: Manifest) -> None:
    """Write the blobs that the image lacks because a build made its layers.

    Raises CrunpyError, CorruptState for a tree that was changed.
    """
    gc.drop_doubtful(paths)
    plain = {layer.digest for layer in manifest.layers if not compression(layer.media_type)}
    missing = {digest for digest in plain if not blobs.has(paths, digest)}
    if not missing:
        return
    config: ImageDocument = blobs.document(paths, manifest.config.digest, IMAGE)
    diff_ids = config["rootfs"]["diff_ids"]
    if user.needed():
        user.enter(
            paths.root
        )  # the files have owners that only root of our user namespace can read
    for diff_id, chain_id in zip(diff_ids, chain_ids(diff_ids), strict=True):
        if diff_id in missing and is_unpacked(paths, chain_id):
            missing.discard(diff_id)
            _write(paths, diff_id, diff_path(paths, chain_id))


def _write(paths: Paths, diff_id: str, tree: str) -> None:
    blobs.prepare(paths)
    target = blobs.blob_path(paths, diff_id)
    with blobs.lock(paths, diff_id):
        part = f"{paths.images}/.staging/{diff_id.rpartition(':')[2]}.part"
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            with open(fd, "wb") as file:
                found = _hashed(tree, file.write)
            if found != diff_id:
                raise CorruptState(
                    f"packing layer {diff_id[:19]}: its files are not what they were",
                    hint="build the image again with --no-cache",
                )
            unsettled.note(paths, "blob", diff_id)
            os.rename(part, target)
        except OSError as e:
            raise CrunpyError.from_os(f"packing layer {diff_id[:19]}", e) from e
        finally:
            if os.path.exists(part):
                os.unlink(part)


def _hashed(tree: str, write: Callable[[bytes], object]) -> str:
    import hashlib

    found = hashlib.sha256()

    def take(data: bytes) -> None:
        found.update(data)
        write(data)

    packed(tree, take)
    return "sha256:" + found.hexdigest()
