"""Who uses an image or a volume: containers, those in the making, and mounts.

Who removes something asks under `staging.unclaimed`; what is found is true as long as that is held.
"""

from __future__ import annotations

from crun_py import staging, state, volumes
from crun_py.errors import Conflict, CorruptState, NotFound
from crun_py.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from crun_py.state import Container


def images_of(container: Container) -> set[str]:
    """The ids of the images that a container is made of, or has mounted."""
    record = container.record
    mounted = {m["image_id"] for m in record["mounts"] if m["type"] == "image"}
    return (mounted | {record["image_id"]}) - {""}


def claim_of(container: Container) -> staging.Claim:
    """What a container will use whose record is made."""
    return staging.Claim(container.id, images_of(container), container.volumes)


def check_images(container: Container) -> None:
    """For one in the making whose claim is made.  Raises NotFound when an image that it will use
    was removed since it was looked up."""
    from crun_py.oci.store.images import ImageStore

    store = ImageStore(container.paths)
    for image_id in images_of(container):
        if not store.has(image_id):
            who = container.id[:12]
            raise NotFound(f"creating container {who}: image {image_id[:12]} was removed just now")


def give_back_volume(container: Container, name: str) -> None:
    """Remove a volume that was made for a container, unless another one has it by now."""
    try:
        volumes.remove(container.paths, name, VolumeUsers(container.paths, but=[container.id]))
    except (Conflict, NotFound):
        return


class ImageUsers:
    """Gives what uses an image id (hex digits), in words: `container ID`, or where it is
    mounted.  Looked up anew with each call; records of containers are read once, as what they
    use never changes.

    stopped: removes a container that does not run and is in the way, see `clear`; what is said
    of containers tells their state then.  gone: ids of containers that do not count.
    """

    def __init__(
        self,
        paths: Paths,
        stopped: Callable[[Container], None] | None = None,
        gone: Collection[str] = (),
    ) -> None:
        self._paths = paths
        self._stopped, self._gone = stopped, gone
        self._known: dict[str, tuple[Container, set[str]]] = {}

    def __call__(self, image_id: str) -> list[str]:
        making = [c.title for c in staging.claims(self._paths) if image_id in c.images]
        containers = self._containers(image_id)
        found = [f"container {c.id[:12]}" for c in containers]
        if self._stopped:
            states = [(c, c.status()) for c in containers]
            states.sort(key=lambda pair: not pair[1].alive)
            found = [f"{status.state} container {c.id[:12]}" for c, status in states]
        return [*found, *making, *self._mounts(image_id)]

    def clear(self, image_id: str) -> None:
        """Have the stopped containers of an image removed, unless something else uses it too.

        Not to be called under `staging.unclaimed`."""
        containers = self._containers(image_id)
        if self._stopped is None or self._mounts(image_id):
            return
        states = [container.status() for container in containers]
        if any(status.alive or status.state == "restarting" for status in states):
            return
        for container in containers:
            self._stopped(container)

    def _containers(self, image_id: str) -> list[Container]:
        """Newest first."""
        known: dict[str, tuple[Container, set[str]]] = {}
        for container_id in set(state.ids(self._paths)).difference(self._gone):
            entry = self._known.get(container_id)
            if entry is None:
                try:
                    container = state.load(self._paths, container_id)
                except (NotFound, CorruptState):
                    continue
                entry = container, images_of(container)
            known[container_id] = entry
        self._known = known
        mine = [container for container, images in known.values() if image_id in images]
        return sorted(mine, key=lambda c: str(c.record["created"]), reverse=True)

    def _mounts(self, image_id: str) -> list[str]:
        from crun_py.oci.store import shown

        mounted = shown.is_shown(self._paths, image_id)
        return [f"the mount on {shown.place(self._paths, image_id)}"] if mounted else []


class VolumeUsers:
    """Gives the names of the containers that have a volume; those in the making as titles.

    but: ids of containers that do not count.
    """

    def __init__(self, paths: Paths, but: Collection[str] = ()) -> None:
        self._paths, self._but = paths, but

    def __call__(self, name: str) -> list[str]:
        making = {c.container_id: c.title for c in staging.claims(self._paths) if name in c.volumes}
        found = {c.id: f"container {c.name}" for c in self.containers(name)}
        users = {**making, **found}
        return [title for container_id, title in users.items() if container_id not in self._but]

    def containers(self, name: str) -> list[Container]:
        """The containers that have a volume, newest first."""
        return [c for c in state.every(self._paths) if name in c.volumes]


def used_volumes(paths: Paths, but: Collection[str] = ()) -> dict[str, int]:
    """How many containers have each volume that one has; but: ids of those that do not count."""
    found: dict[str, int] = {}
    for container in state.every(paths):
        for name in container.volumes if container.id not in but else ():
            found[name] = found.get(name, 0) + 1
    return found
