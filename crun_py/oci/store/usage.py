"""How many bytes the images take on the disk, together and each."""

from __future__ import annotations

import contextlib
import os

from crun_py import jsonfile
from crun_py.errors import CrunpyError
from crun_py.oci.store import blobs
from crun_py.oci.store.image import Image, layer_size
from crun_py.oci.store.images import ImageStore
from crun_py.paths import Paths

_DOCUMENT_LIMIT = 4 << 20


def bytes_on_disk(paths: Paths) -> int:
    """Bytes of all blobs and all unpacked layers."""
    total = 0
    with (
        contextlib.suppress(FileNotFoundError),
        os.scandir(paths.images + "/blobs/sha256") as entries,
    ):
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # another command removes images
                total += entry.stat(follow_symlinks=False).st_size
    return total + sum(layer_size(paths, chain_id) for chain_id in _layers(paths))


def _layers(paths: Paths) -> list[str]:
    """Chain ids of the unpacked layers."""
    try:
        names = os.listdir(paths.layers)
    except FileNotFoundError:
        return []
    return ["sha256:" + name for name in names if len(name) == 64]


class Usage:
    """What each image takes, and what of it other images take too."""

    def __init__(self, store: ImageStore) -> None:
        self.images = store.list()
        self._parts = {image.id: _parts(store.paths, image) for image in self.images}
        self._users: dict[str, int] = {}
        for parts in self._parts.values():
            for name in parts:
                self._users[name] = self._users.get(name, 0) + 1

    def shared(self, image: Image) -> int:
        """Bytes that other images have too."""
        return sum(n for name, n in self._parts[image.id].items() if self._users[name] > 1)

    def unique(self, image: Image) -> int:
        """Bytes that only this image has."""
        return sum(n for name, n in self._parts[image.id].items() if self._users[name] == 1)

    def only_of(self, images: list[Image]) -> int:
        """Bytes that would come free if exactly `images` were removed."""
        kept: set[str] = set()
        gone = {image.id for image in images}
        for image_id, parts in self._parts.items():
            if image_id not in gone:
                kept |= parts.keys()
        lost = {name: n for i in gone for name, n in self._parts[i].items() if name not in kept}
        return sum(lost.values())


def _parts(paths: Paths, image: Image) -> dict[str, int]:
    """The bytes of each layer's tree (by chain id) and each blob (by path) of an image."""
    parts = dict(zip(image.chain, image.layer_sizes, strict=True))
    try:
        value = jsonfile.loads(blobs.read(paths, image.digest, _DOCUMENT_LIMIT))
        parts_of = [blobs.descriptor(part) for part in [value["config"], *value["layers"]]]
        digests = [image.digest, *(part["digest"] for part in parts_of if part)]
    except (CrunpyError, ValueError, KeyError, TypeError):
        return parts  # a damaged image takes what its layers take
    for digest in digests:
        path = blobs.blob_path(paths, digest)
        with contextlib.suppress(FileNotFoundError):
            parts[path] = os.stat(path).st_size
    return parts
