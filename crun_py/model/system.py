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


@record(kw_only=False)
class Fault:
    """Something wrong with a store.  kind: leftover, image, container, volume or network; name:
    which; what: in words; repaired: not any more."""

    kind: str
    name: str
    what: str
    repaired: bool = False


@record
class Finding:
    """What the doctor found out about one thing.

    name: of the thing.  status: ok, warning (something that not everybody needs does not work) or
    error.  message: what works, or does not.  fix: the command that mends it, "" for none.
    outside: this is a container, and the command is for the machine or the engine that it runs on.
    """

    name: str
    status: str
    message: str
    fix: str = ""
    outside: bool = False


@record
class EngineVersion:
    """The engine and what it runs on.  commit, built: "" where the build noted none (built: RFC
    3339); architecture: as images name it (amd64)."""

    version: str
    api_version: str
    commit: str
    built: str
    python: str
    kernel: str
    architecture: str


@record
class EngineInfo:
    """A store and its host.

    id: of the store, a UUID.  root, run_root: its directories; filesystem: of the first.
    containers and images: how many.  controllers: of cgroup v2 that limits can use, cgroup_version
    1 for a host without.  memory_bytes, cpus: of the host.  mirrors: of docker.io.  warnings: what
    the kernel does not offer.  labels: of the engine, KEY=VALUE.
    """

    id: str
    root: str
    run_root: str
    filesystem: str
    rootless: bool
    containers: int
    running: int
    paused: int
    stopped: int
    images: int
    version: str
    kernel: str
    operating_system: str
    architecture: str
    host: str
    cpus: int
    memory_bytes: int
    cgroup_version: int
    controllers: tuple[str, ...]
    mirrors: tuple[str, ...]
    labels: tuple[str, ...]
    warnings: tuple[str, ...]


@record
class SystemPruned:
    """What a prune of everything removed.  build_cache: ids of layers and names of mounts.  pods:
    their ids; their containers are not among the others."""

    containers: Pruned
    networks: Pruned
    volumes: Pruned
    images: PrunedImages
    build_cache: Pruned
    pods: Pruned = Pruned()

    @property
    def freed_bytes(self) -> int:
        """The bytes that all of it won."""
        parts = (self.containers, self.volumes, self.images, self.build_cache)
        return sum(part.freed_bytes for part in parts)
