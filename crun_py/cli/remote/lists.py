"""What is told of containers elsewhere: ps, top, port, stats, diff, inspect."""

from __future__ import annotations

import sys
import time

from crun_py import clock
from crun_py.cli import as_podman, table
from crun_py.cli.container import diff as local_diff
from crun_py.cli.container import port as local_port
from crun_py.cli.container import ps as local_ps
from crun_py.cli.container import stats as local_stats
from crun_py.cli.each import each
from crun_py.errors import Conflict, InvalidArgument, NotFound, Unsupported
from crun_py.fields import Fields
from crun_py.model.files import FileChange
from crun_py.model.stats import Stats
from crun_py.remote import containers
from crun_py.remote.client import filters
from crun_py.remote.paths import path
from crun_py.show import listing, stats
from crun_py.show.struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.documents.container import Port
    from crun_py.remote.client import Remote
    from crun_py.values import Values

_LONGEST_S = 1e8
_INSPECTED = ("json", "ExitCode", "User", "Pid", "StartedAt", "ExitedAt", "AutoRemove", "Restarts")
"""Words of templates for which each container is asked about: its list does not tell."""


# ---- ps ----


def ps(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print the table, with --watch until interrupted."""
    if values.flag("ns"):
        raise Unsupported("--ns: the numbers of namespaces are told on the other machine alone")
    if values.text("format") == "json":
        last = 1 if values.flag("latest") else int(values.text("last") or 0)
        if wrote_as_podman(remote, "containers", {
            "all": values.flag("all"), "size": values.flag("size"), "limit": last or None,
            "filters": filters(values.texts("filter")),
        }):  # fmt: skip
            return 0
    if not values.text("watch"):
        local_ps.tabulate(values, _rows(values, remote))
        return 0
    pause_s = clock.parse_span_ms(values.text("watch"), "watch") / 1000
    while True:
        sys.stdout.write("\033[2J\033[H" if sys.stdout.isatty() else "")
        local_ps.tabulate(values, _rows(values, remote))
        sys.stdout.flush()
        time.sleep(min(pause_s, _LONGEST_S))


def wrote_as_podman(remote: Remote, kind: str, query: dict[str, object]) -> bool:
    """As cli.as_podman.wrote, of a list that podman's paths have."""
    return remote.is_podman and as_podman.wrote(
        lambda: remote.every(path("libpod", kind, "json"), query)
    )


def _rows(values: Values, remote: Remote) -> list[dict[str, object]]:
    last = int(values.text("last") or 0)
    sizes = values.flag("size") or values.text("sort") == "size"
    found = containers.listed(
        remote,
        everything=values.flag("all"),
        last=1 if values.flag("latest") else last,
        wanted=values.texts("filter"),
        sizes=sizes,
    )
    form, whole = values.text("format"), values.flag("no_trunc")
    asks = any(word in form for word in _INSPECTED)
    rows = []
    for one in found:
        row = row_of(one, whole=whole)
        if form:
            row |= _details(
                one, containers.inspect(remote, one.text("Id")) if asks else None, whole
            )
        if sizes:
            row |= listing.size(one.number("SizeRw"), one.number("SizeRootFs"))
        rows.append(row)
    return listing.ordered(rows, values.text("sort"))


def row_of(one: Fields, *, whole: bool) -> dict[str, object]:
    """A row of `ps` of an item of ContainerList."""
    ports = ""
    if one.text("State") in ("running", "paused", "restarting", "stopping"):
        ports = listing.ports_text(*_ports(one))
    names = [name.removeprefix("/") for name in one.texts("Names")]
    return listing.row(
        whole=whole, container_id=one.text("Id"), image=one.text("Image"),
        words=[one.text("Command")], created=_created(one), status=one.text("Status"),
        state=one.text("State"), ports=ports, names=",".join(n for n in names if "/" not in n),
        pid=0,
    )  # fmt: skip


def _created(one: Fields) -> str:
    return clock.rfc3339(one.number("Created") * 10**9)


def _ports(one: Fields) -> tuple[list[str], list[Port]]:
    """Exposed ports as 80/tcp, and published ones."""
    exposed: list[str] = []
    published: list[Port] = []
    for port in one.objects("Ports"):
        inside, protocol = port.number("PrivatePort"), port.text("Type")
        if port.number("PublicPort"):
            published.append({
                "container_port": inside, "protocol": protocol, "host_ip": port.text("IP"),
                "host_port": port.number("PublicPort"), "host_last": 0,
            })  # fmt: skip
        else:
            exposed.append(f"{inside}/{protocol}")
    return exposed, published


def _details(one: Fields, about: Fields | None, whole: bool) -> dict[str, object]:
    """The fields that only templates show.  about: what inspect says, if it was asked."""
    state = about.inner("State") if about else Fields({})
    networks = one.inner("NetworkSettings").keys("Networks")
    mounts = one.objects("Mounts")
    details = listing.details(
        whole=whole, container_id=one.text("Id"), created=_created(one), labels=one.pairs("Labels"),
        mounts=[(m.text("Type"), m.text("Name") or m.text("Source")) for m in mounts],
        networks=networks or [one.inner("HostConfig").text("NetworkMode")],
        image_id=one.text("ImageID").removeprefix("sha256:"), state=one.text("State"),
        user=about.inner("Config").text("User") if about else "",
        exit_code=state.number("ExitCode"), started=_when(state.text("StartedAt")),
        finished=_when(state.text("FinishedAt")),
        auto_remove=bool(about and about.inner("HostConfig").flag("AutoRemove")),
        restarts=about.number("RestartCount") if about else 0,
    )  # fmt: skip
    return {**details, "Pid": state.number("Pid")}


def _when(text: str) -> str:
    """An RFC 3339 time; "" for Go's zero time."""
    return "" if text.startswith("0001-") else text


# ---- top, port, diff ----


def top(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print the processes: columns of ps -ef, or those that the words after the name ask for."""
    if values.flag("latest"):
        arguments = [containers.newest(remote), *arguments]
    elif not arguments:
        raise InvalidArgument("top: no container given", hint="a name, or --latest")
    query = {"ps_args": " ".join(arguments[1:]) or None}
    found = remote.get(path("containers", arguments[0], "top"), query)
    rows = found.value("Processes")
    lines = [[str(cell) for cell in row] for row in rows] if isinstance(rows, list) else []
    table.lay_out([found.texts("Titles"), *lines], least=20)
    return 0


def port(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print where published ports are, or one port's address."""
    if len(arguments) > 2 and arguments[0] in ("add", "rm"):
        raise Unsupported(f"port {arguments[0]}: Docker's API cannot say it")
    if values.flag("all"):
        for one in containers.listed(remote, everything=True):
            local_port.tell_of(one.text("Id"), _published(remote, one.text("Id")))
        return 0
    if values.flag("latest"):
        arguments = [containers.newest(remote), *arguments]
    local_port.check(arguments)
    local_port.tell(arguments, _published(remote, arguments[0]))
    return 0


def _published(remote: Remote, name: str) -> list[tuple[str, str]]:
    """As cli.container.port.lines."""
    ports = containers.inspect(remote, name).inner("NetworkSettings").value("Ports")
    found = []
    for inside, bindings in ports.items() if isinstance(ports, dict) else ():
        for binding in map(Fields, bindings or ()):
            address = listing.bracketed(binding.text("HostIp"))
            found.append((str(inside), f"{address}:{binding.text('HostPort')}"))
    return found


_KINDS = "CAD"


def diff(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print a line for each change."""
    (name,) = containers.named(remote, arguments, latest=values.flag("latest"))
    found = remote.every(path("containers", name, "changes"))
    changes = [Fields(one, "a change") for one in found]
    shown = (FileChange(kind=_KINDS[c.number("Kind")], path=c.text("Path")) for c in changes)
    local_diff.show(tuple(shown), values.maybe("format"))
    return 0


# ---- stats ----


def stats_(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print a table each second, until interrupted."""
    interval_s = clock.parse_span_ms(values.text("interval") or "1s", "interval") / 1000
    if values.flag("latest"):
        arguments = [containers.newest(remote)]
    whole = values.flag("no_trunc")
    clear = not values.flag("no_reset") and not values.flag("no_stream") and sys.stdout.isatty()
    while True:
        rows = []
        for name in arguments or [c.text("Id") for c in _measured(values, remote)]:
            about = containers.inspect(remote, name)
            state, title = about.inner("State"), about.text("Name").removeprefix("/")
            if state.flag("Running"):
                used = _stats(remote.get(path("containers", name, "stats"), {"stream": False}))
                age_ns = stats.age_ns(state.text("StartedAt"))
                rows.append(stats.row(used, age_ns, whole=whole))
            elif not values.flag("all"):
                raise Conflict(f"measuring container {title}: it is not running")
            else:
                rows.append(stats.no_row(about.text("Id"), title, whole=whole))
        if clear:
            sys.stdout.write("\033[2J\033[H")
        table.show(rows, local_stats.COLUMNS, values.maybe("format"))
        sys.stdout.flush()
        if values.flag("no_stream"):
            return 0
        time.sleep(interval_s)


def _measured(values: Values, remote: Remote) -> list[Fields]:
    return containers.listed(remote, everything=values.flag("all"))


def _stats(one: Fields) -> Stats:
    """What ContainerStats tells, as docker's command line reckons it."""
    now, before, memory = (
        one.inner("cpu_stats"),
        one.inner("precpu_stats"),
        one.inner("memory_stats"),
    )
    cpu_ns = now.inner("cpu_usage").number("total_usage")
    spent = cpu_ns - before.inner("cpu_usage").number("total_usage")
    passed = now.number("system_cpu_usage") - before.number("system_cpu_usage")
    cpus = now.number("online_cpus") or 1
    droppable = memory.inner("stats").number("inactive_file")
    disk = one.inner("blkio_stats").objects("io_service_bytes_recursive")
    networks = [two for _, two in one.each("networks")]

    def moved(op: str) -> int:
        return sum(entry.number("value") for entry in disk if entry.text("op").lower() == op)

    return Stats(
        id=one.text("id"),
        name=one.text("name").removeprefix("/"),
        cpu_ns=cpu_ns,
        cpu_percent=100 * cpus * spent / passed if spent > 0 and passed > 0 else 0.0,
        memory_bytes=memory.number("usage") - droppable,
        memory_limit_bytes=memory.number("limit"),
        pids=one.inner("pids_stats").number("current"),
        received_bytes=sum(network.number("rx_bytes") for network in networks),
        sent_bytes=sum(network.number("tx_bytes") for network in networks),
        read_bytes=moved("read"),
        written_bytes=moved("write"),
        pressure=dict.fromkeys(stats.PRESSED, 0.0),
    )


# ---- inspect ----


def inspect(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print a JSON array, or the template for each."""
    kind = values.maybe("type")
    if kind is not None and kind not in _READERS:
        raise InvalidArgument(f"type {kind!r}: not container, image, volume or network")
    names = _named(remote, arguments, latest=values.flag("latest"))
    return _show(remote, names, kind, values.text("format"), size=values.flag("size"))


def container_inspect(values: Values, arguments: list[str], remote: Remote) -> int:
    """As `inspect`, of containers only."""
    names = _named(remote, arguments, latest=values.flag("latest"))
    return _show(remote, names, "container", values.text("format"), size=values.flag("size"))


def image_inspect(values: Values, arguments: list[str], remote: Remote) -> int:
    """As `inspect`, of images only."""
    return _show(remote, arguments, "image", values.text("format"))


def _named(remote: Remote, arguments: list[str], *, latest: bool) -> list[str]:
    if latest:
        return [containers.newest(remote)]
    if not arguments:
        raise InvalidArgument("inspect: missing argument 'NAME'", hint="crunpy inspect --help")
    return arguments


def _show(
    remote: Remote, names: list[str], kind: str | None, template: str, *, size: bool = False
) -> int:
    found: list[dict[str, object]] = []
    status = each(names, lambda name: found.append(_anything(remote, name, kind, size=size)))
    table.documents(found, template)
    return status


def _anything(remote: Remote, name: str, kind: str | None, *, size: bool) -> dict[str, object]:
    """What a name means; kind: None for any, in the order of `_READERS`."""
    if kind:
        return _READERS[kind](remote, name, size)
    for read in _READERS.values():
        try:
            return read(remote, name, size)
        except NotFound:
            continue
    raise NotFound(f"no such object: {name}", hint="crunpy ps -a and crunpy images list them")


def _container(remote: Remote, name: str, size: bool) -> dict[str, object]:
    found = remote.document(path("containers", name, "json"), {"size": size or None})
    config = found.get("Config")
    return {**found, "Config": Struct(config) if isinstance(config, dict) else config}


def _image(remote: Remote, name: str, size: bool) -> dict[str, object]:
    """docker's fields; of a service of ours podman's beside them, as here."""
    found = remote.document(path("images", name, "json"))
    if remote.server.startswith("crunpy/"):
        further = remote.document(path("libpod", "images", name, "json"))
        found = {**further, **found, "NamesHistory": found.get("RepoTags")}
    return found


def volume(remote: Remote, name: str, size: bool = False) -> dict[str, object]:
    """VolumeInspect."""
    return remote.document(path("volumes", name))


def network(remote: Remote, name: str, size: bool = False) -> dict[str, object]:
    """NetworkInspect."""
    return remote.document(path("networks", name))


_READERS: dict[str, Callable[[Remote, str, bool], dict[str, object]]] = {
    "container": _container, "image": _image, "volume": volume, "network": network,
}  # fmt: skip
