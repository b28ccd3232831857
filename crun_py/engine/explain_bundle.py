"""What is explained as a bundle's config.json, for any OCI runtime (runtime-spec, bundle.md)."""

from __future__ import annotations

from crun_py import spec, state
from crun_py.errors import Conflict
from crun_py.oci_runtime.config import NAMES
from crun_py.runtime.portable import portable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.spec import LinuxIdMapping, Mount, Spec
    from crun_py.engine.explain import Explained
    from crun_py.paths import Paths

ROOTFS = "rootfs"
"""The root of a container of an image: whoever makes the bundle puts the image's files there."""


def config(found: Explained) -> Spec:
    """The document.  Files that the engine writes for its own containers (hosts, resolv.conf …)
    and secrets are not in it, volumes that are not there are each a tmpfs.

    root.path: ROOTFS, or the directory of --rootfs.  A plain user's has the user namespace that
    the engine would be in, with the same maps.  Raises Conflict when a container whose namespaces
    it shares does not run.
    """
    root, document = found.document["root"], found.decision.document
    path = root["layers"][0] if root["kind"] == "directory" else ROOTFS
    others = _others(found.paths, document)
    made = portable(document, path, others)
    kinds = {entry["destination"]: entry for entry in found.document["mounts"]}
    mounts: list[Mount] = []
    for entry in made["mounts"]:
        told = kinds.get(entry["destination"])
        if told is None or told["what"] == "file":
            continue
        if told["what"] == "volume" and told["new"]:
            entry = spec.mount("tmpfs", "tmpfs", entry["destination"], "nosuid", "nodev")
        elif entry.get("source", "").startswith("container:"):
            place = others["ipc"].removesuffix("/ns/ipc")
            entry = {**entry, "source": f"{place}/root{entry['destination']}"}
        mounts.append(entry)
    linux = made["linux"]
    uids, gids = (_maps(found, kind) for kind in ("uids", "gids"))
    if uids or gids:
        linux["uidMappings"], linux["gidMappings"] = uids, gids
        own = [n for n in linux["namespaces"] if n["type"] != "user"]
        linux["namespaces"] = [*own, {"type": "user"}]
    return {**made, "mounts": mounts, "linux": linux}


def _others(paths: Paths, document: Spec) -> dict[str, str]:
    """The paths of the namespaces that are others', by their types.  Raises Conflict."""
    found = {}
    for entry in document["linux"]["namespaces"]:
        kind, path = entry["type"], entry.get("path", "")
        if path.startswith("container:"):
            other = state.load(paths, path.partition(":")[2])
            status = other.status()
            if not status.running:
                raise Conflict(
                    f"telling where the {kind} namespace of container {other.name} is: "
                    "it is not running",
                    hint=f"crunpy start {other.name}",
                )
            path = f"/proc/{status.pid}/ns/{NAMES.get(kind, kind)}"
        if path:
            found[kind] = path
    return found


def _maps(found: Explained, kind: str) -> list[LinuxIdMapping]:
    """Ids inside and on the host: through the engine's namespace, if it is in one; [] when there
    is none at all."""
    ids = found.document["ids"]
    engine = ids["engine"][kind]
    if ids["own"] is None:
        rows = [] if engine == [[0, 0, (1 << 32) - 1]] else engine
    else:
        own = ids["own"]["uids"] if kind == "uids" else ids["own"]["gids"]
        rows = [row for mapped in own for row in _through(mapped, engine)]
    return [{"containerID": a, "hostID": b, "size": n} for a, b, n in rows]


def _through(mapped: list[int], engine: list[list[int]]) -> list[list[int]]:
    """A row of a map whose ids outside are those inside of another map, with that one's outside."""
    first, middle, count = mapped
    rows = []
    for inside, outside, n in engine:
        low, high = max(middle, inside), min(middle + count, inside + n)
        if low < high:
            rows.append([first + low - middle, outside + low - inside, high - low])
    return rows
