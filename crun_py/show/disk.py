"""What `system df` shows: rows of text fields with Docker's names."""

from __future__ import annotations

import os

from crun_py import state
from crun_py.container.uses import ImageUsers, used_volumes
from crun_py.oci.reference import parse
from crun_py.oci.store.images import ImageStore
from crun_py.oci.store.usage import Usage, bytes_on_disk
from crun_py.paths import Paths
from crun_py.show import listing
from crun_py.show.listing import human_size, since
from crun_py.tree import disk_usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.rows import DiskRow

    Rows = list[dict[str, object]]


class Report:
    """Everything that takes space, looked at once.  For a plain user: in the user namespace,
    or other ids' files are not counted."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._containers = state.every(paths)
        self._sizes = {c.id: disk_usage(c.directory + "/upper") for c in self._containers}
        self._usage = Usage(ImageStore(paths))
        self._in_use = ImageUsers(paths)
        self._volumes = _volumes(paths)
        self._linked = used_volumes(paths)

    def _build_cache(self) -> DiskRow:
        """What builds keep; bytes of layers that images have are counted there."""
        from crun_py.build import keep

        found = keep.things(self._paths)
        held = keep.used_by_images(ImageStore(self._paths))
        size = sum(one.size for one in found)
        idle = sum(one.size for one in found if one.text not in held)
        return row("Build Cache", len(found), sum(o.text in held for o in found), size, idle)

    def summary(self) -> list[DiskRow]:
        """A row for images, containers and volumes."""
        idle = [image for image in self._usage.images if not self._in_use(image.id)]
        running = [c for c in self._containers if c.status().running]
        stopped = sum(self._sizes[c.id] for c in self._containers if c not in running)
        linked = self._linked
        unused = sum(size for name, size in self._volumes.items() if not linked.get(name))
        images, size = self._usage.images, bytes_on_disk(self._paths)
        return [
            row("Images", len(images), len(images) - len(idle), size, self._usage.only_of(idle)),
            row(
                "Containers",
                len(self._containers),
                len(running),
                sum(self._sizes.values()),
                stopped,
            ),
            row(
                "Local Volumes",
                len(self._volumes),
                sum(bool(linked.get(name)) for name in self._volumes),
                sum(self._volumes.values()),
                unused,
            ),
            self._build_cache(),
        ]

    def images(self) -> Rows:
        """A row for each name of each image."""
        rows: Rows = []
        for image in self._usage.images:
            for name in image.names or [""]:
                reference = parse(name) if name else None
                rows.append(
                    {
                        "Repository": reference.familiar_name if reference else "<none>",
                        "Tag": (reference.tag if reference else "") or "<none>",
                        "ID": image.id[:12],
                        "CreatedSince": since(image.created) + " ago" if image.created else "N/A",
                        "Size": human_size(self._usage.shared(image) + self._usage.unique(image)),
                        "SharedSize": human_size(self._usage.shared(image)),
                        "UniqueSize": human_size(self._usage.unique(image)),
                        "Containers": str(len(self._in_use(image.id))),
                    }
                )
        return rows

    def containers(self) -> Rows:
        """A row for each container."""
        sizes = {container_id[:12]: size for container_id, size in self._sizes.items()}
        rows = listing.containers(self._paths, everything=True)
        for row in rows:
            row["Size"] = human_size(sizes.get(str(row["ID"]), 0))
        return rows

    def volumes(self) -> Rows:
        """A row for each volume."""
        linked = self._linked
        rows: Rows = []
        for name, size in self._volumes.items():
            links = str(linked.get(name, 0))
            rows.append({"Name": name, "Links": links, "Size": human_size(size)})
        return rows


def _volumes(paths: Paths) -> dict[str, int]:
    """Bytes by name of each volume."""
    try:
        names = sorted(os.listdir(paths.volumes))
    except FileNotFoundError:
        return {}
    return {
        name: disk_usage(f"{paths.volumes}/{name}/_data")
        for name in names
        if os.path.isdir(f"{paths.volumes}/{name}/_data")
    }


def row(kind: str, total: int, active: int, size: int, reclaimable: int) -> DiskRow:
    """What one kind of things takes, in bytes."""
    won = human_size(reclaimable)
    if size:
        won += f" ({100 * reclaimable // size}%)"
    return {
        "Type": kind,
        "TotalCount": str(total),
        "Total": str(total),
        "Active": str(active),
        "Size": human_size(size),
        "Reclaimable": won,
        # podman's
        "RawSize": size,
        "RawReclaimable": reclaimable,
    }
