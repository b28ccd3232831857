"""What takes space in a store, and what was won."""

from __future__ import annotations

from crun_py.model.image import PrunedImages
from crun_py.model.pruned import Pruned
from crun_py.record import record


@record
class Space:
    """What things of one kind take.  active: how many of them are in use; reclaimable_bytes: what
    the others take alone."""

    count: int
    active: int
    size_bytes: int
    reclaimable_bytes: int


@record
class DiskUsage:
    """What a store takes."""

    images: Space
    containers: Space
    volumes: Space
    build_cache: Space


@record
class SystemPruned:
    """What a prune of everything removed.  build_cache: ids of layers and names of mounts."""

    containers: Pruned
    networks: Pruned
    volumes: Pruned
    images: PrunedImages
    build_cache: Pruned

    @property
    def freed_bytes(self) -> int:
        """The bytes that all of it won."""
        parts = (self.containers, self.volumes, self.images, self.build_cache)
        return sum(part.freed_bytes for part in parts)
