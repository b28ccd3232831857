"""What `ps` shows: rows of text fields with Docker's names."""

from __future__ import annotations

import time

from crun_py import clock, quantity, state
from crun_py.container import health, restart
from crun_py.errors import InvalidArgument, printable
from crun_py.filters import label_matches
from crun_py.filters import parse as parse_filters
from crun_py.paths import Paths
from crun_py.tree import disk_usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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
    """How long ago an RFC 3339 time was, in Docker's words, without `ago`."""
    if not timestamp:
        return ""
    return clock.ago(max(0, time.time_ns() - clock.parse_rfc3339(timestamp)))


def status_text(status: Status, well: str = "") -> str:
    """Docker's STATUS column.  well: the health of a running container, "" without a check."""
    if status.state == "created":
        return "Created"
    if status.running:
        words = f" ({'health: ' if well == health.STARTING else ''}{well})" if well else ""
        paused = " (Paused)" if status.state == "paused" else ""
        return f"Up {since(status.started_at)}{paused or words}"
    ended = since(status.finished_at)
    word = status.state.capitalize()
    return f"{word} ({status.exit_code})" + (f" {ended} ago" if ended else "")


def ports_text(record: dict[str, Any], attached: list[dict[str, Any]] | None) -> str:
    """Docker's PORTS column: published ports while it runs, then those only exposed."""
    published = attached or []
    words = [
        f"{p['host_ip'] or '0.0.0.0'}:{p['host_port']}->{p['container_port']}/{p['protocol']}"
        for p in published
    ]
    known = {f"{p['container_port']}/{p['protocol']}" for p in published}
    words += [text for text in record["config"]["exposed"] if text not in known]
    return ", ".join(words)


def attached_ports(container: Container) -> list[dict[str, Any]]:
    """The published ports of a running container, with the host ports really used."""
    from crun_py import jsonfile
    from crun_py.errors import CorruptState

    try:
        found = jsonfile.read(container.run_directory + "/network.json")
        ports: list[dict[str, Any]] = found["attachment"].get("ports", [])
    except (FileNotFoundError, CorruptState, KeyError, AttributeError):
        return []
    return ports


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
) -> list[dict[str, Any]]:
    """One row per container, newest first, with Docker's field names for --format.

    sort: another order, see SORTS; "created" is podman's, the oldest first.
    namespaces: the numbers of their namespaces, too.
    last: only so many of the newest, whatever their state (0: no such limit).
    filters: KEY=VALUE; the same key twice means either, different keys mean both.
    """
    wanted = parse_filters(filters or [], FILTERS)
    for key, values in _KNOWN_VALUES.items():
        for value in wanted.get(key, []):
            if value not in values:
                raise InvalidArgument(f"filter {key}={value}: not one", hint=", ".join(values))
    for pattern in wanted.get("name", []):
        _name_matches("", pattern)
    broken: list[str] = []
    known: dict[str, int] = {}
    rows = []
    found = state.every(paths, broken)
    for container in found[:last] if last > 0 else found:
        status = container.status()
        show_all = everything or last or "status" in wanted or "exited" in wanted
        if not status.running and status.state != "restarting" and not show_all:
            continue
        if _matches(container, status, wanted, paths):
            row = _row(container, status, whole, sizes, known)
            rows.append(row | _namespaces(status.pid) if namespaces else row)
    if everything and not wanted:
        rows += [_broken_row(i, whole) for i in broken]
    if not sort:
        return rows
    if sort not in SORTS:
        raise InvalidArgument(f"sort {sort!r}: not known", hint=", ".join(SORTS))
    field = SORTS[sort]
    if field is None:
        return rows[::-1]
    return sorted(rows, key=lambda row: str(row[field]) if field != "SizeBytes" else row[field])


def _row(
    container: Container, status: Status, whole: bool, sizes: bool, known: dict[str, int]
) -> dict[str, Any]:
    record = container.record
    ports = attached_ports(container) if status.running else []
    well = _health(container, status)
    labels: dict[str, str] = record["config"]["labels"]
    row = {
        "ID": container.id if whole else container.id[:12],
        "Image": record["image"],
        "Command": quote(record["args"], whole),
        "CreatedAt": clock.local(record["created"]),
        "RunningFor": since(record["created"]) + " ago",
        "Status": status_text(status, well),
        "State": status.state,
        "Ports": ports_text(record, ports) if status.running else "",
        "Names": container.name,
        "Labels": Labels(labels),
        "Mounts": ",".join(m["name"] or m["source"] for m in record["mounts"]),
        "Networks": record["network"]["mode"],
        "LocalVolumes": str(sum(m["type"] == "volume" for m in record["mounts"])),
        "Size": "0B",
        "Platform": "",
        "Pid": status.pid,
        "ExitCode": status.exit_code,
        # podman's names
        "Id": container.id,
        "User": record["config"]["user"],
        "ImageID": record["image_id"] if whole else record["image_id"][:12],
        "Created": since(record["created"]) + " ago",
        "CreatedHuman": since(record["created"]) + " ago",
        "StartedAt": clock.local(status.started_at) if status.started_at else "",
        "ExitedAt": clock.local(status.finished_at) if status.finished_at else "",
        "Exited": status.state == "exited",
        "AutoRemove": record["auto_remove"],
        "Restarts": restart.count(container),
        "IsInfra": False,
        "Pod": "",
        "PodName": "",
    }
    if sizes:
        own = disk_usage(container.directory + "/upper")
        image = sum(
            layer_bytes(f"{container.paths.root}/{layer}", known) for layer in record["layers"]
        )
        row["Size"] = f"{human_size(own)} (virtual {human_size(own + image)})"
        row["SizeBytes"] = own
    return row


_NAMESPACES = {"CGROUPNS": "cgroup", "IPC": "ipc", "MNT": "mnt", "NET": "net", "PIDNS": "pid",
               "USERNS": "user", "UTS": "uts"}  # fmt: skip
"""The fields of `ps --ns`, podman's, and their names in /proc/PID/ns."""


def _namespaces(pid: int) -> dict[str, Any]:
    import os

    found: dict[str, Any] = {}
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


def _health(container: Container, status: Status) -> str:
    """The health of a running container, "" when it has no check."""
    found = health.current(container) if status.running else None
    return str(found["status"]) if found else ""


def _broken_row(container_id: str, whole: bool) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(
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


FILTERS = (
    "id name label label! status exited ancestor before since until volume network publish "
    "expose health restart-policy command is-task isolation"
).split()

SORTS = {"created": None, "command": "Command", "id": "ID", "image": "Image", "names": "Names",
         "runningfor": None, "size": "SizeBytes", "status": "Status"}  # fmt: skip
"""The keys of --sort and their fields; None: by age, the oldest first."""

_STATES = {"stopped": "exited", "configured": "created", "up": "running"}
_KNOWN_VALUES = {
    "status": ["created", "initialized", "running", "paused", "restarting", "stopping", "exited",
               "removing", "dead", *_STATES],
    "health": ["starting", "healthy", "unhealthy", "none"],
    "restart-policy": ["no", "on-failure", "always", "unless-stopped"],
}  # fmt: skip


def _matches(
    container: Container, status: Status, wanted: dict[str, list[str]], paths: Paths
) -> bool:
    record = container.record
    labels = record["config"]["labels"]
    for key, values in wanted.items():
        if key == "id":
            good = any(container.id.startswith(v) for v in values)
        elif key == "name":
            good = any(_name_matches(container.name, v) for v in values)
        elif key == "label":
            good = all(label_matches(labels, v) for v in values)
        elif key == "status":
            good = status.state in [_STATES.get(v, v) for v in values]
        elif key == "exited":
            good = status.state == "exited" and str(status.exit_code) in values
        elif key == "ancestor":
            good = any(_is_image(container, v) for v in values)
        elif key in ("before", "since"):
            other = [str(state.find(paths, v).record["created"]) for v in values]
            created = str(record["created"])
            good = any(created < o if key == "before" else created > o for o in other)
        elif key == "volume":
            good = any(
                v in (m["name"], m["source"], m["destination"])
                for m in record["mounts"]
                for v in values
            )
        elif key == "network":
            good = record["network"]["mode"] in values
        elif key == "publish":
            ports = attached_ports(container) or record["network"]["ports"]
            used = {(p[end], p["protocol"]) for p in ports for end in _ENDS}
            good = any(_port_in(used, v) for v in values)
        elif key == "expose":
            exposed = [e.partition("/") for e in record["config"]["exposed"]]
            good = any(_port_in({(int(n), proto) for n, _, proto in exposed}, v) for v in values)
        elif key == "until":
            created_ns = clock.parse_rfc3339(record["created"])
            good = all(created_ns <= clock.parse_point(v) for v in values)
        elif key == "label!":
            good = not any(label_matches(labels, v) for v in values)
        elif key == "restart-policy":
            good = (record.get("restart") or {"name": "no"})["name"] in values
        elif key == "command":
            good = any(v in " ".join(record["args"]) for v in values)
        elif key == "is-task":
            good = "false" in values  # there is no swarm
        elif key == "isolation":
            good = "default" in values  # others are for containers on Windows
        else:
            good = (_health(container, status) or "none") in values
        if not good:
            return False
    return True


_ENDS = ("host_port", "container_port")


def _port_in(ports: set[tuple[int, str]], text: str) -> bool:
    """Whether `ports` has one of PORT[-PORT][/PROTOCOL].  Raises InvalidArgument."""
    span, _, protocol = text.partition("/")
    first, _, last = span.partition("-")
    if not quantity.is_number(first) or not quantity.is_number(last or first):
        raise InvalidArgument(f"filter: {text!r} is no port", hint="80, 80/udp or 80-90")
    wanted = range(int(first), int(last or first) + 1)
    return any(n in wanted and proto == (protocol or "tcp") for n, proto in ports)


def _name_matches(name: str, pattern: str) -> bool:
    import re

    try:
        # docker's names begin with a slash
        return any(re.search(pattern, text) for text in (name, "/" + name))
    except re.error as e:
        raise InvalidArgument(f"filter name={pattern!r}: {e}") from None


def _is_image(container: Container, text: str) -> bool:
    """Whether the container was made from the image `text`, or one that was built on it."""
    from crun_py.oci.store.images import ImageStore

    record = container.record
    if record["image_id"].startswith(text.removeprefix("sha256:")):
        return True
    image = ImageStore(container.paths).lookup(text)
    if image is not None:
        prefix = container.paths.root + "/"
        layers = [layer.removeprefix(prefix) for layer in image.layers]
        return image.id == record["image_id"] or (
            bool(layers) and record["layers"][: len(layers)] == layers
        )
    return _is_named(str(record["image"]), text)


def _is_named(reference: str, text: str) -> bool:
    """Whether a container's image, which may be gone or have another name now, was `text`."""
    from crun_py.oci.reference import parse

    try:
        return str(parse(reference)) == str(parse(text))
    except InvalidArgument:
        return False


def human_size(size_bytes: int) -> str:
    """Bytes as Docker writes them: decimal units, four significant digits at most."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.4g}{unit}" if size >= 100 else f"{size:.3g}{unit}"
        size /= 1000
    return f"{size:.3g}TB"
