"""What `ps` shows: rows of text fields with Docker's names."""

from __future__ import annotations

import time

from crun_py import clock, state
from crun_py.container import elsewhere, health, restart
from crun_py.errors import InvalidArgument, printable
from crun_py.paths import Paths
from crun_py.tree import disk_usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.documents.container import Port
    from crun_py.show.container_filters import Filters
    from crun_py.state import Container, Status

_COMMAND_WIDTH = 20


class Labels(str):
    """Labels as one text, KEY=VALUE,…, that `{{.Label "KEY"}}` can still take apart."""

    pairs: dict[str, str]

    def __new__(cls, pairs: dict[str, str]) -> Labels:
        self = super().__new__(
            cls, ",".join(f"{printable(k)}={printable(v)}" for k, v in sorted(pairs.items()))
        )
        self.pairs = pairs
        return self


def since(timestamp: str) -> str:
    """How long ago an RFC 3339 time was, in Docker's words, without `ago`; "" for none."""
    if not clock.valid(timestamp):
        return ""
    return clock.ago(max(0, time.time_ns() - clock.parse_rfc3339(timestamp)))


def status_text(status: Status, well: str = "") -> str:
    """Docker's STATUS column.  well: the health of a running container, "" without a check."""
    if status.state == "created":
        return "Created"
    if status.state == elsewhere.UNKNOWN:
        return "Running with another engine"
    if status.running:
        words = f" ({'health: ' if well == health.STARTING else ''}{well})" if well else ""
        paused = " (Paused)" if status.state == "paused" else ""
        return f"Up {since(status.started_at)}{paused or words}"
    ended = since(status.finished_at)
    word = status.state.capitalize()
    return f"{word} ({status.exit_code})" + (f" {ended} ago" if ended else "")


def ports_text(all_exposed: list[str], published: list[Port]) -> str:
    """Docker's PORTS column: published ports while it runs, then those only exposed (80/tcp)."""
    known = {f"{p['container_port']}/{p['protocol']}" for p in published}
    rows = [(p["protocol"], p["host_ip"] or "0.0.0.0", p["host_port"], p["container_port"])
            for p in published]  # fmt: skip
    exposed = [text for text in all_exposed if text not in known]
    plain = [text.partition("/")[::2] for text in exposed if text.partition("/")[0].isdecimal()]
    others = [text for text in exposed if not text.partition("/")[0].isdecimal()]
    # those that follow each other are one range
    runs: list[tuple[tuple[str, str, int, int], int]] = []
    for row in [*sorted(rows), *sorted((protocol, "", 0, int(n)) for n, protocol in plain)]:
        if runs:
            (protocol, address, host, first), more = runs[-1]
            step = more + 1
            if row == (protocol, address, host and host + step, first + step):
                runs[-1] = runs[-1][0], step
                continue
        runs.append((row, 0))
    return ", ".join([*(_port_range(*row, more) for row, more in runs), *others])


def _port_range(protocol: str, address: str, host: int, inside: int, more: int) -> str:
    where = ""
    if address:
        where = f"{bracketed(address)}:{_span(host, more)}->"
    return f"{where}{_span(inside, more)}/{protocol}"


def _span(first: int, more: int) -> str:
    return f"{first}-{first + more}" if more else str(first)


def bracketed(address: str) -> str:
    """An address before a colon and a port."""
    return f"[{address}]" if ":" in address else address


def quote(words: list[str], whole: bool) -> str:
    """A command as the COMMAND column has it: quoted, cut unless `whole`."""
    text = printable(" ".join(words))
    if not whole and len(text) > _COMMAND_WIDTH:
        text = text[: _COMMAND_WIDTH - 1] + "…"
    return f'"{text}"'


# ---- containers ----


def containers(
    paths: Paths,
    *,
    everything: bool = False,
    last: int = 0,
    filters: list[str] | None = None,
    whole: bool = False,
    sizes: bool = False,
    sort: str = "",
    namespaces: bool = False,
    details: bool = True,
) -> list[dict[str, object]]:
    """One row per container, newest first, with Docker's field names for --format.

    sort: another order, see SORTS; "created" is podman's, the oldest first.
    namespaces: the numbers of their namespaces, too.
    last: only so many of the newest, whatever their state (0: no such limit).
    filters: KEY=VALUE; the same key twice means either, different keys mean both.
    details: also the fields that only a template asks for.
    """
    broken: list[str] = []
    known: dict[str, int] = {}
    pod_names: dict[str, str] = {}
    rows = []
    for container, status in selected(
        paths, everything=everything, last=last, filters=filters, broken=broken
    ):
        row = _row(container, status, whole)
        if details:
            row |= _details(container, status, whole)
        if sizes:
            row |= _sizes(container, known)
        if namespaces:
            row |= _namespaces(status.pid)
        if pod_id := container.record.get("pod"):
            if not pod_names:
                from crun_py import pods

                pod_names = pods.names(paths)
            row |= {"Pod": pod_id if whole else pod_id[:12], "PodName": pod_names.get(pod_id, ""),
                    "IsInfra": container.record.get("infra", False)}  # fmt: skip
        rows.append(row)
    if everything and not filters:
        rows += [_broken_row(i, whole) for i in broken]
    return ordered(rows, sort)


def ordered(rows: list[dict[str, object]], sort: str) -> list[dict[str, object]]:
    """Rows that are there the newest first as --sort wants them ("": as they are).  Raises
    InvalidArgument."""
    if not sort:
        return rows
    if sort not in SORTS:
        raise InvalidArgument(f"sort {sort!r}: not known", hint=", ".join(SORTS))
    field = SORTS[sort]
    if field is None:
        return rows[::-1]
    return sorted(rows, key=lambda row: _order(row[field]))


def selected(
    paths: Paths,
    *,
    everything: bool = False,
    last: int = 0,
    filters: list[str] | None = None,
    broken: list[str] | None = None,
) -> Iterator[tuple[Container, Status]]:
    """Those that a list shows, newest first; broken: gets the ids of those that cannot be read."""
    wanted: Filters | None = None
    if filters:
        from crun_py.show.container_filters import Filters

        wanted = Filters(paths, filters)
    show_all = everything or last > 0 or (wanted is not None and wanted.any_state)
    begun = state.begun(paths)
    found = state.every(paths, broken, None if show_all else begun)
    for container in found[:last] if last > 0 else found:
        status = state.status(paths, container.id, begun=container.id in begun)
        if container.id not in begun:
            status = elsewhere.seen(container, status)
        if not show_all and not status.running and status.state != "restarting":
            continue
        if wanted is None or wanted.match(container, status):
            yield container, status


def _order(value: object) -> tuple[int, str]:
    """Bytes by their number, all else by its text."""
    return (value, "") if isinstance(value, int) else (0, str(value))


def _row(container: Container, status: Status, whole: bool) -> dict[str, object]:
    """What the table shows, and what tells containers apart."""
    record = container.record
    ports = ""
    if status.running:
        from crun_py.show.published import attached_ports

        ports = ports_text(record["config"]["exposed"], attached_ports(container))
    return row(
        whole=whole, container_id=container.id, image=record["image"], words=record["args"],
        created=record["created"], status=status_text(status, health.of(container, status)),
        state=status.state, ports=ports, names=container.name, pid=status.pid,
    )  # fmt: skip


def row(
    *, whole: bool, container_id: str, image: str, words: list[str], created: str, status: str,
    state: str, ports: str, names: str, pid: int,
) -> dict[str, object]:  # fmt: skip
    """A container as `ps` has it.  words: of its command; created: RFC 3339; status, ports: as
    `status_text` and `ports_text` say them; whole: nothing is cut."""
    return {
        "ID": container_id if whole else container_id[:12],
        "Image": image,
        "Command": quote(words, whole),
        "RunningFor": since(created) + " ago",
        "Status": status,
        "State": state,
        "Ports": ports,
        "Names": names,
        "Size": "0B",
        "Pid": pid,
        "Pod": "",
        "PodName": "",
    }


def _details(container: Container, status: Status, whole: bool) -> dict[str, object]:
    """What only a template shows."""
    record = container.record
    return details(
        whole=whole, container_id=container.id, created=record["created"],
        labels=record["config"]["labels"],
        mounts=[(m["type"], m["name"] or m["source"]) for m in record["mounts"]],
        networks=container.networks or [record["network"]["mode"]], image_id=record["image_id"],
        user=record["config"]["user"], state=status.state, exit_code=status.exit_code,
        started=status.started_at, finished=status.finished_at,
        auto_remove=record["auto_remove"], restarts=restart.count(container),
    )  # fmt: skip


def details(
    *, whole: bool, container_id: str, created: str, labels: dict[str, str],
    mounts: list[tuple[str, str]], networks: list[str], image_id: str, user: str, state: str,
    exit_code: int, started: str, finished: str, auto_remove: bool, restarts: int,
) -> dict[str, object]:  # fmt: skip
    """What only a template shows.  mounts: their types, and names or sources; created, started,
    finished: RFC 3339 or ""."""
    ago = since(created) + " ago"
    return {
        "CreatedAt": clock.local(created),
        "Labels": Labels(labels),
        "Mounts": ",".join(name for _, name in mounts),
        "Networks": ",".join(networks),
        "LocalVolumes": str(sum(kind == "volume" for kind, _ in mounts)),
        "Platform": "",
        "ExitCode": exit_code,
        # podman's names
        "Id": container_id,
        "User": user,
        "ImageID": image_id if whole else image_id[:12],
        "Created": ago,
        "CreatedHuman": ago,
        "StartedAt": clock.local(started) if started else "",
        "ExitedAt": clock.local(finished) if finished else "",
        "Exited": state == "exited",
        "AutoRemove": auto_remove,
        "Restarts": restarts,
        "IsInfra": False,
    }


def _sizes(container: Container, known: dict[str, int]) -> dict[str, object]:
    own = disk_usage(container.directory + "/upper")
    root = container.paths.root
    image = sum(layer_bytes(f"{root}/{layer}", known) for layer in container.record["layers"])
    return size(own, own + image)


def size(own: int, whole: int) -> dict[str, object]:
    """The fields of `ps -s`: bytes of the writable layer, and of all its files."""
    return {
        "Size": f"{human_size(own)} (virtual {human_size(whole)})",
        "SizeBytes": own,
    }


_NAMESPACES = {"CGROUPNS": "cgroup", "IPC": "ipc", "MNT": "mnt", "NET": "net", "PIDNS": "pid",
               "USERNS": "user", "UTS": "uts"}  # fmt: skip
"""The fields of `ps --ns`, podman's, and their names in /proc/PID/ns."""


def _namespaces(pid: int) -> dict[str, object]:
    import os

    found: dict[str, object] = {}
    for field, name in _NAMESPACES.items():
        try:
            # the link reads "net:[4026531840]"
            found[field] = os.readlink(f"/proc/{pid}/ns/{name}").partition("[")[2].rstrip("]")
        except OSError:
            found[field] = ""  # it does not run, or is another user's
    found["Cgroup"] = found["CGROUPNS"]
    names = ("MNT", "Cgroup", "IPC", "NET", "PIDNS", "UTS")
    found["Namespaces"] = {**{name: found[name] for name in names}, "User": found["USERNS"]}
    return found


def layer_bytes(path: str, known: dict[str, int]) -> int:
    """The size of an unpacked layer; looked up once each (`known`)."""
    if path not in known:
        known[path] = disk_usage(path)
    return known[path]


def _broken_row(container_id: str, whole: bool) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(
        "Image Command CreatedAt RunningFor Ports Labels Mounts Networks LocalVolumes Size ImageID "
        "Created CreatedHuman StartedAt ExitedAt Pod PodName Platform User Cgroup".split()
        + list(_NAMESPACES),
        "",
    )
    return row | {
        "ID": container_id if whole else container_id[:12],
        "Id": container_id,
        "Namespaces": {},
        "Status": "Damaged",
        "State": "damaged",
        "Names": "",
        "Pid": 0,
        "ExitCode": 0,
        "Exited": True,
        "AutoRemove": False,
        "Restarts": 0,
        "IsInfra": False,
    }


SORTS = {"created": None, "command": "Command", "id": "ID", "image": "Image", "names": "Names",
         "runningfor": None, "size": "SizeBytes", "status": "Status"}  # fmt: skip
"""The keys of --sort and their fields; None: by age, the oldest first."""


def human_size(size_bytes: int) -> str:
    """Bytes as Docker writes them: decimal units, four significant digits at most."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.4g}{unit}" if size >= 100 else f"{size:.3g}{unit}"
        size /= 1000
    return f"{size:.3g}TB"
