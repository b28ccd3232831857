"""An engine elsewhere as a whole: df, prune, info, version, events; its connection for others."""

from __future__ import annotations

import time

from crun_py import clock
from crun_py.cli import table
from crun_py.cli.ask import confirmed
from crun_py.cli.output import write
from crun_py.cli.remote.containers import pruned
from crun_py.cli.remote.images import pruned as pruned_images
from crun_py.cli.remote.lists import row_of
from crun_py.cli.system import compose as local_compose
from crun_py.cli.system import df as local_df
from crun_py.cli.system import events as local_events
from crun_py.cli.system import info as local_info
from crun_py.cli.system import prune as local_prune
from crun_py.cli.system import version as local_version
from crun_py.errors import InvalidArgument, Unsupported
from crun_py.fields import Fields
from crun_py.model.container import Client
from crun_py.model.event import Event
from crun_py.model.image import PrunedImages, RemovedPart
from crun_py.model.pruned import Pruned
from crun_py.model.system import SystemPruned
from crun_py.oci.reference import parse
from crun_py.quantity import size as size_of
from crun_py.remote.client import filters
from crun_py.remote.endpoint import variables_of
from crun_py.remote.streams import Attached
from crun_py.remote.transport import connect
from crun_py.show import disk, version
from crun_py.show.listing import human_size, since
from crun_py.show.struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.documents.rows import DiskRow
    from crun_py.remote.client import Remote
    from crun_py.values import Values

    Rows = list[dict[str, object]]


# ---- what takes space ----


class _Report:
    """What SystemDataUsage tells, as rows with Docker's names."""

    def __init__(self, found: Fields) -> None:
        self._found = found

    def summary(self) -> list[DiskRow]:
        """A row for each kind of things; sums as docker's command line makes them where the
        service makes none."""
        return [
            self._row("Images", "ImageUsage", self._of_images()),
            self._row("Containers", "ContainerUsage", self._of_containers()),
            self._row("Local Volumes", "VolumeUsage", self._of_volumes()),
            self._row("Build Cache", "BuildCacheUsage", self._of_cache()),
        ]

    def _row(self, title: str, field: str, reckoned: tuple[int, int, int, int]) -> DiskRow:
        if not self._found.has(field):
            return disk.row(title, *reckoned)
        told = self._found.inner(field)
        return disk.row(title, told.number("TotalCount"), told.number("ActiveCount"),
                        told.number("TotalSize"), told.number("Reclaimable"))  # fmt: skip

    def _of_images(self) -> tuple[int, int, int, int]:
        found = self._found.objects("Images")
        active = [one for one in found if one.number("Containers") > 0]
        size = self._found.number("LayersSize")
        used = sum(one.number("Size") - max(0, one.number("SharedSize")) for one in active)
        return len(found), len(active), size, max(0, size - used)

    def _of_containers(self) -> tuple[int, int, int, int]:
        found = self._found.objects("Containers")
        states = ("running", "paused", "restarting")
        active = [one for one in found if one.text("State") in states]
        size, used = (sum(one.number("SizeRw") for one in some) for some in (found, active))
        return len(found), len(active), size, size - used

    def _of_volumes(self) -> tuple[int, int, int, int]:
        found = [one.inner("UsageData") for one in self._found.objects("Volumes")]
        active = [one for one in found if one.number("RefCount") > 0]
        size, used = (sum(max(0, one.number("Size")) for one in some) for some in (found, active))
        return len(found), len(active), size, size - used

    def _of_cache(self) -> tuple[int, int, int, int]:
        found = self._found.objects("BuildCache")
        active = [one for one in found if one.flag("InUse")]
        size = sum(one.number("Size") for one in found if not one.flag("Shared"))
        used = sum(one.number("Size") for one in active if not one.flag("Shared"))
        return len(found), len(active), size, size - used

    def images(self) -> Rows:
        """A row for each name of each image."""
        rows: Rows = []
        for one in self._found.objects("Images"):
            created = clock.rfc3339(one.number("Created") * 10**9)
            shared, size, used = (one.number(k) for k in ("SharedSize", "Size", "Containers"))
            for name in one.texts("RepoTags") or [""]:
                reference = parse(name) if name and "<none>" not in name else None
                rows.append({
                    "Repository": reference.familiar_name if reference else "<none>",
                    "Tag": (reference.tag if reference else "") or "<none>",
                    "ID": one.text("Id").removeprefix("sha256:")[:12],
                    "CreatedSince": since(created) + " ago",
                    "Size": human_size(size),
                    "SharedSize": human_size(shared) if shared >= 0 else "N/A",
                    "UniqueSize": human_size(size - shared) if shared >= 0 else "N/A",
                    "Containers": str(used) if used >= 0 else "N/A",
                })  # fmt: skip
        return rows

    def containers(self) -> Rows:
        """A row for each container."""
        rows: Rows = []
        for one in self._found.objects("Containers"):
            volumes = sum(mount.text("Type") == "volume" for mount in one.objects("Mounts"))
            further = {"LocalVolumes": str(volumes), "Size": human_size(one.number("SizeRw"))}
            rows.append({**row_of(one, whole=False), **further})
        return rows

    def volumes(self) -> Rows:
        """A row for each volume."""
        rows: Rows = []
        for one in self._found.objects("Volumes"):
            used = one.inner("UsageData")
            size = human_size(max(0, used.number("Size")))
            links = str(max(0, used.number("RefCount")))
            rows.append({"Name": one.text("Name"), "Links": links, "Size": size})
        return sorted(rows, key=lambda row: str(row["Name"]))


def df(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print what takes space."""
    return local_df.show(values, _Report(remote.get("/system/df")))


def prune(values: Values, arguments: list[str], remote: Remote) -> int:
    """Ask, remove, and print docker's lists and the space won."""
    if not values.flag("force") and not confirmed(local_prune.warning(values)):
        return 0
    wanted, everything = values.texts("filter"), values.flag("all")
    if remote.is_podman:
        local_prune.tell(_pruned_by_podman(values, remote))
        return 0
    gone = pruned(remote, "/containers/prune", "ContainersDeleted", wanted)
    networks = pruned(remote, "/networks/prune", "NetworksDeleted", wanted)
    volumes = Pruned()
    if values.flag("volumes"):
        volumes = pruned(remote, "/volumes/prune", "VolumesDeleted", wanted)
    local_prune.tell(SystemPruned(
        containers=gone, networks=networks, volumes=volumes,
        images=pruned_images(remote, wanted, everything=everything),
        build_cache=_cache_pruned(remote, wanted, everything=everything, keep_bytes=0),
    ))  # fmt: skip
    return 0


def _pruned_by_podman(values: Values, remote: Remote) -> SystemPruned:
    found = Fields(remote.call("POST", "/libpod/system/prune", {
        "all": values.flag("all"), "volumes": values.flag("volumes"),
        "filters": filters(values.texts("filter")),
    }))  # fmt: skip

    def names(field: str, key: str = "Id") -> tuple[str, ...]:
        return tuple(one.text(key) for one in found.objects(field))

    images = tuple(RemovedPart(action="deleted", what=name) for name in names("ImagePruneReports"))
    return SystemPruned(
        containers=Pruned(names=names("ContainerPruneReports")),
        networks=Pruned(names=names("NetworkPruneReports", "Name")),
        volumes=Pruned(names=names("VolumePruneReports")),
        images=PrunedImages(parts=images, freed_bytes=found.number("ReclaimedSpace")),
        build_cache=Pruned(),
    )


def _cache_pruned(
    remote: Remote, wanted: list[str], *, everything: bool, keep_bytes: int
) -> Pruned:
    query = {
        "all": everything or None, "filters": filters(wanted), "keep-storage": keep_bytes or None,
        "reserved-space": keep_bytes or None,
    }  # fmt: skip
    found = Fields(remote.call("POST", "/build/prune", query) or {})
    return Pruned(
        names=tuple(found.texts("CachesDeleted")), freed_bytes=found.number("SpaceReclaimed")
    )


def builder_prune(values: Values, arguments: list[str], remote: Remote) -> int:
    """Prune and say what was won."""
    text = values.maybe("keep_storage")
    most = size_of(text, "keep storage") if text else 0
    if not values.flag("force") and not confirmed("WARNING! This will remove all build cache.\n"):
        return 0
    done = _cache_pruned(remote, values.texts("filter"), everything=values.flag("all"),
                         keep_bytes=most)  # fmt: skip
    for name in done.names:
        write(name)
    write(f"Total reclaimed space: {human_size(done.freed_bytes)}")
    return 0


_CACHE = (("ID", "ID"), ("TYPE", "Type"), ("SIZE", "Size"), ("LAST ACCESSED", "LastUsed"))


def buildx_du(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print a line for each, and the sum."""
    found = remote.get("/system/df", {"type": "build-cache"})
    rows = [
        {
            "ID": one.text("ID")[:25], "Type": one.text("Type"),
            "Size": human_size(one.number("Size")),
            "LastUsed": since(one.text("LastUsedAt")) + " ago",
        }
        for one in found.objects("BuildCache")
    ]  # fmt: skip
    table.show(rows, _CACHE)
    write(f"Total:\t{_Report(found).summary()[3]['Size']}")
    return 0


# ---- facts ----


def info(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print the facts; warnings last."""
    local_info.show(values, Struct(remote.document("/info")))
    return 0


def version_(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print the versions of both sides."""
    client = {**version.part(), "ApiVersion": remote.version, "APIVersion": remote.version,
              "Context": remote.endpoint.name or "default"}  # fmt: skip
    server = remote.document("/version")
    server.setdefault("OsArch", f"{server.get('Os', '')}/{server.get('Arch', '')}")
    if template := values.text("format"):
        both: dict[str, object] = {"Client": client, "Server": server}
        write(table.fill("{{json .}}" if template == "json" else template, both))
        return 0
    write("Client: crunpy")
    local_version.tell(client)
    platform = server.get("Platform")
    name = platform.get("Name") if isinstance(platform, dict) else ""
    write(f"\nServer: {name or remote.server or 'Docker'}")
    local_version.tell(server)
    return 0


def events(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print events as they come; those of the past with --since."""
    stream = (values.text("stream") or "true").lower() in ("true", "1", "t")
    since_ns = clock.parse_point(values.text("since")) if values.text("since") else None
    until_ns = clock.parse_point(values.text("until")) if values.text("until") else None
    if not stream:
        since_ns, until_ns = since_ns or 1, until_ns or time.time_ns()
    query = {
        "since": _seconds(since_ns), "until": _seconds(until_ns),
        "filters": filters(values.texts("filter")),
    }  # fmt: skip
    local_events.tell(values, _events(remote, query))
    return 0


def _seconds(point_ns: int | None) -> str | None:
    return None if point_ns is None else f"{point_ns // 10**9}.{point_ns % 10**9:09d}"


def _events(remote: Remote, query: dict[str, str | dict[str, list[str]] | None]) -> Iterator[Event]:
    for one in remote.lines("GET", "/events", query):
        actor = one.inner("Actor")
        yield Event(
            time_ns=one.number("timeNano"), type=one.text("Type"), action=one.text("Action"),
            id=actor.text("ID"), attributes=actor.pairs("Attributes"),
        )  # fmt: skip


# ---- for other programs ----


def dial_stdio(values: Values, arguments: list[str], remote: Remote) -> int:
    """Connect standard input and output with the service."""
    link = connect(remote.endpoint)
    Attached(link.socket, b"", Client(), reads=True, terminal=False, framed=False).serve()
    link.close()
    return 0


def compose(values: Values, arguments: list[str], remote: Remote) -> int:
    """Run docker-compose with the service; its exit status."""
    if remote.endpoint.identity:
        raise Unsupported("compose: docker-compose takes no --identity", hint="~/.ssh/config")
    if remote.endpoint.tls and not remote.endpoint.tls.ca:
        raise InvalidArgument("compose: docker-compose wants a directory with ca.pem",
                              hint="DOCKER_CERT_PATH")  # fmt: skip
    return local_compose.run_with(arguments, variables_of(remote.endpoint))
