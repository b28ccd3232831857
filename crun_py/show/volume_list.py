"""What `volume ls` and `volume inspect` show, and which volumes are in use."""

from __future__ import annotations

from crun_py import volumes
from crun_py.container.uses import VolumeUsers, used_volumes
from crun_py.filters import label_matches
from crun_py.filters import parse as parse_filters
from crun_py.paths import Paths
from crun_py.show.listing import Labels
from crun_py.tree import disk_usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.rows import VolumeShown

FILTERS = "name label label! dangling driver scope anonymous".split()


def document(paths: Paths, name: str) -> VolumeShown:
    """A volume as `docker volume inspect` shows it."""
    found = volumes.about(paths, name)
    return {
        "CreatedAt": found["created"],
        "Driver": "local",
        "Labels": found["labels"],
        "Mountpoint": volumes.data_directory(paths, name),
        "Name": name,
        "Options": found.get("options"),
        "Scope": "local",
        "ClusterVolume": None,
        "Status": None,
        "UsageData": None,
        # podman's
        "Anonymous": found["anonymous"],
        "UID": 0,
        "GID": 0,
        "MountCount": 0,
        "NeedsCopyUp": found.get("unused", False),
        "NeedsChown": False,
        "Timeout": 0,
        "StorageID": "",
    }


def inspected(paths: Paths, name: str, *, size: bool = False) -> VolumeShown:
    """The same, with the names of the containers that have it; size: what it holds is counted."""
    users = VolumeUsers(paths).containers(name)
    found = document(paths, name)
    found["UsedBy"] = sorted(container.name for container in users)
    found["MountCount"] = sum(container.status().alive for container in users)
    if size:
        used = disk_usage(volumes.data_directory(paths, name))
        found["UsageData"] = {"Size": used, "RefCount": len(users)}
    return found


def rows(paths: Paths, filters: list[str]) -> list[dict[str, object]]:
    """A row per volume with Docker's fields.  Raises InvalidArgument."""
    wanted = parse_filters(filters, FILTERS)
    used = used_volumes(paths) if "dangling" in wanted else {}
    found: list[dict[str, object]] = []
    for name in volumes.names(paths):
        value = document(paths, name)
        if all(_matches(value, key, values, used) for key, values in wanted.items()):
            found.append(row({**value}))
    return found


def row(shown: dict[str, object]) -> dict[str, object]:
    """A volume of which `document` says this, or another engine's VolumeInspect."""
    labels, options = shown.get("Labels"), shown.get("Options")
    pairs = options.items() if isinstance(options, dict) else ()
    return {
        **shown,
        "Labels": Labels({**labels} if isinstance(labels, dict) else {}),
        **dict.fromkeys(("Availability", "Group", "Links", "Size", "Status"), "N/A"),
        "Options": ",".join(f"{k}={v}" for k, v in pairs),
    }


def _matches(value: VolumeShown, key: str, values: list[str], used: dict[str, int]) -> bool:
    if key == "name":
        return any(v in value["Name"] for v in values)
    if key == "label":
        return all(label_matches(value["Labels"], v) for v in values)
    if key == "label!":
        return not any(label_matches(value["Labels"], v) for v in values)
    if key in ("dangling", "anonymous"):
        truth = value["Anonymous"] if key == "anonymous" else value["Name"] not in used
        return any(truth == (v.lower() in ("true", "1")) for v in values)
    return "local" in values
