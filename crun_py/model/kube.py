"""What a manifest of Kubernetes asks for, and what came of it."""

from __future__ import annotations

from crun_py.model.container import CreateRequest
from crun_py.model.pod import PodRequest
from crun_py.model.registry import PullRequest
from crun_py.record import record


@record
class KubeFile:
    """A file of a pod's ConfigMap or Secret.  volume: the pod's volume that it is in; path: below
    that; secret: it is of a Secret."""

    volume: str
    path: str
    data: bytes
    secret: bool = False


@record
class KubeContainer:
    """A container of a pod, and how its image is obtained.  where: its place in the manifest.
    non_root: it must not run as root."""

    request: CreateRequest
    pull: PullRequest
    where: str
    non_root: bool = False


@record
class KubeGroup:
    """A group that a pod's volumes belong to (fsGroup).

    on_mismatch: all that is in a volume is given to it only if the volume itself is not yet."""

    gid: int
    on_mismatch: bool


@record
class KubePod:
    """A pod of a manifest.

    begun: init containers, which run first, one after the other.  volumes: names of the pod's own,
    and files: what is in those of ConfigMaps and Secrets.  group: of these and of its claims.
    """

    pod: PodRequest
    begun: tuple[KubeContainer, ...]
    containers: tuple[KubeContainer, ...]
    volumes: tuple[str, ...]
    files: tuple[KubeFile, ...]
    group: KubeGroup | None = None


@record
class KubeClaim:
    """A volume that a PersistentVolumeClaim asks for."""

    name: str
    labels: dict[str, str]


@record
class KubeSecret:
    """A Secret: its name, and the manifest that it is kept as."""

    name: str
    data: bytes


@record
class KubePlan:
    """All that a manifest asks for.  notes: what in it has no effect, in words."""

    pods: tuple[KubePod, ...]
    claims: tuple[KubeClaim, ...]
    secrets: tuple[KubeSecret, ...]
    notes: tuple[str, ...]


@record
class PlayedPod:
    """A pod that was made of a manifest: its id, and its containers'."""

    id: str
    containers: tuple[str, ...]


@record
class Played:
    """What was made: pods, and names of volumes and secrets."""

    pods: tuple[PlayedPod, ...]
    volumes: tuple[str, ...]
    secrets: tuple[str, ...]


@record
class TakenDown:
    """What `kube down` did: ids of pods that were stopped and removed, names of volumes and
    secrets that were removed."""

    stopped: tuple[str, ...]
    removed: tuple[str, ...]
    volumes: tuple[str, ...]
    secrets: tuple[str, ...]
