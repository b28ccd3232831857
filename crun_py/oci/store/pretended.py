"""A store of images that does as if: for who wants to know what a removal would do."""

from __future__ import annotations

import os

from crun_py.oci.store import blobs, gc
from crun_py.oci.store.image import layer_size
from crun_py.oci.store.images import ImageStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.image import Descriptor
    from crun_py.oci.store.image import Image
    from crun_py.oci.store.listed import ManifestList
    from crun_py.paths import Paths


class Pretended(ImageStore):
    """What is removed from it is gone for its own answers, and stays where it is."""

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths)
        self._index: list[Descriptor] | None = None
        self._told: set[str] = set()
        self._blobs: set[str] = set()

    @property
    def freed_bytes(self) -> int:
        """What `usage.bytes_on_disk` would be less."""
        files = (blobs.blob_path(self.paths, f"sha256:{digits}") for digits in self._blobs)
        layers = sum(layer_size(self.paths, chain_id) for chain_id in self._told)
        return layers + sum(os.stat(path).st_size for path in files if os.path.exists(path))

    def _entries(self) -> list[Descriptor]:
        if self._index is None:
            self._index = super()._entries()
        return [*self._index]

    def _write(self, entries: list[Descriptor]) -> None:
        self._index = entries

    def _tell(self, action: str, image: Image | ManifestList, names: list[str]) -> None:
        """Nothing happens that others would want to know."""

    def _collect(self) -> list[str]:
        chains, digits = gc.unneeded(self.paths, self._entries())
        found = [c for c in chains if c not in self._told]
        self._told.update(found)
        self._blobs.update(digits)
        return found

    tidy = _collect
