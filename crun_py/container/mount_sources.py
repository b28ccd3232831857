"""What the mounts of a new container need on the host is made: directories, volumes, owners."""

from __future__ import annotations

import os

from crun_py import volumes
from crun_py.apart import apart
from crun_py.container import mount_entries as entries
from crun_py.errors import InvalidArgument
from crun_py.paths import Paths, private_dir
from crun_py.tree import change_owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.container import MountEntry, Record
    from crun_py.model.container import CreateRequest, VolumeMount
    from crun_py.ns.idmap import Ids


def make(
    paths: Paths,
    directory: str,
    record: Record,
    request: CreateRequest,
    layers: list[str],
    made: list[str],
    owner: tuple[int, int],
    ids: Ids | None,
) -> None:
    """Create what the mounts of the record need on the host.

    directory: the container's, in the making; layers: the image's, base first; made: names of
    new volumes are added to it; owner: uid and gid on the host of the container's user, for
    the option U; ids: the container's, if it has a user namespace of its own.
    """
    asked = entries.wanted_volumes(request)
    for entry in record["mounts"]:
        for name in ("upper", "work") if "layer" in entry else ():
            os.makedirs(f"{directory}/{entry['layer']}/{name}", 0o755)
        if entry["type"] == "image":
            continue
        if entry["type"] == "bind":
            _make_source(entry)
        else:
            wanted = asked.get(entry["destination"])
            _make_volume(paths, record, entry, wanted, layers, made, ids)
        if entry.get("relabel") and record.get("selinux"):
            from crun_py.container import labelling

            labelling.relabel(None, entry, record, paths.root)
        if entry.get("chown"):
            try:
                change_owner(entry["source"], lambda uid, gid: owner)
            except OSError as e:
                raise InvalidArgument.from_os(
                    f"changing the owner of {entry['source']} (option U)", e
                ) from e


def _make_source(entry: MountEntry) -> None:
    try:
        # as Docker: a directory that is missing on the host is made
        if entry.get("create", True) and not os.path.lexists(entry["source"]):
            os.makedirs(entry["source"], 0o755)
    except OSError as e:
        raise InvalidArgument.from_os(f"creating {entry['source']} for a mount", e) from e


def _make_volume(
    paths: Paths,
    record: Record,
    entry: MountEntry,
    asked: VolumeMount | None,
    layers: list[str],
    made: list[str],
    ids: Ids | None,
) -> None:
    if entry.get("idmap") or "id_map" in entry:
        ids = None  # the mount gives owners their ids, on the disk they are the image's

    def fill(data: str) -> None:
        if ids:
            os.chown(data, *ids.outside(0, 0))
        if entry.get("copy", True):
            _copy_up(paths, record, entry["destination"], layers, data, ids)

    with volumes.Filling(paths, record["id"]) as stage:
        is_new = volumes.ensure(
            paths,
            entry["name"],
            stage,
            fill,
            anonymous=entry.get("anonymous", False),
            labels={**asked.labels} if asked else None,
            options={**asked.options} if asked else None,
        )
        if is_new:
            made.append(entry["name"])


def _copy_up(
    paths: Paths,
    record: Record,
    path: str,
    layers: list[str],
    data: str,
    ids: Ids | None,
) -> None:
    """What the image has at `path` goes into the new volume, as docker's."""
    from crun_py.overlay import copy, mount

    own_ids = record["userns"]
    owner = (
        ids.outside if ids and own_ids and own_ids["idmapped"] else (lambda uid, gid: (uid, gid))
    )

    def act() -> None:
        if directory := record.get("rootfs"):
            root = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        else:
            root = mount.root_of(layers[::-1], private_dir(paths.run + "/rootfs"))
        copy.copy_up(root, path, data, owner)

    apart(act)
