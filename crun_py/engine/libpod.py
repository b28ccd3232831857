"""What podman's API (libpod) tells of things, as its JSON has it: the documents of docker's API
under podman's names."""

from __future__ import annotations

from crun_py import clock, pods, signals
from crun_py.engine import documents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from crun_py.engine.context import Context
    from crun_py.engine.documents import Selection
    from crun_py.state import Container, Status

    Document = dict[str, object]

CALLS = ("containers", "container", "images", "image", "networks", "network", "info")
_NEVER = -62135596800
"""Go's zero time, in seconds since 1970."""


def containers(context: Context, **asked: Unpack[Selection]) -> list[Document]:
    """ContainerListLibpod; as documents.containers."""
    sizes = asked.get("sizes", False)
    found = documents.selected(context, asked)
    names = pods.names(context.paths)
    return [_listed(one, status, names, sizes=sizes) for one, status in found]


def _listed(
    container: Container, status: Status, names: dict[str, str], *, sizes: bool
) -> Document:
    """names: of pods, by their ids."""
    from crun_py.container import restart
    from crun_py.show import inspect, listing

    record = container.record
    settings = inspect.network_settings(container, status)
    ports, networks = settings["Ports"], settings["Networks"]
    assert isinstance(ports, dict) and isinstance(networks, dict)
    size: Document | None = None
    if sizes:
        whole = inspect.container(container, size=True)
        size = {"rootFsSize": whole["SizeRootFs"], "rwSize": whole["SizeRw"]}
    return {
        "AutoRemove": record["auto_remove"],
        "Command": record["args"],
        "Created": record["created"],
        "CreatedAt": f"{listing.since(record['created'])} ago",
        "Exited": status.state == "exited",
        "ExitedAt": _seconds(status.finished_at),
        "ExitCode": status.exit_code,
        "Id": container.id,
        "Image": record["image"] or record.get("rootfs", ""),
        "ImageID": record["image_id"],
        "IsInfra": record.get("infra", False),
        "Labels": record["config"]["labels"],
        "Mounts": [one["destination"] for one in record["mounts"]],
        "Names": [container.name],
        "Namespaces": {},
        "Networks": [*networks],
        "Pid": status.pid if status.running else 0,
        "Pod": record.get("pod", ""),
        "PodName": names.get(record.get("pod", ""), ""),
        "Ports": _ports(ports),
        "Restarts": restart.count(container),
        "Size": size,
        "StartedAt": _seconds(status.started_at),
        "State": status.state,
        "Status": listing.status_text(status),
    }


def _seconds(timestamp: str) -> int:
    return clock.parse_rfc3339(timestamp) // 10**9 if clock.valid(timestamp) else _NEVER


def _ports(ports: dict[str, list[dict[str, str]] | None]) -> list[Document] | None:
    """Published ones."""
    found: list[Document] = []
    for key, bindings in ports.items():
        number, _, protocol = key.partition("/")
        for binding in bindings or ():
            address = "" if binding["HostIp"] == "0.0.0.0" else binding["HostIp"]
            found.append({
                "host_ip": address, "container_port": int(number), "range": 1,
                "host_port": int(binding["HostPort"] or 0), "protocol": protocol or "tcp",
            })  # fmt: skip
    return found or None


def container(
    context: Context, name: str, *, size: bool = False, before_5: bool = False
) -> Document:
    """ContainerInspectLibpod.  before_5: with the types that podman's versions before 5 had."""
    found = documents.anything(context, "container", name, size=size)
    config = found["Config"]
    assert isinstance(config, dict)
    entrypoint = config["Entrypoint"] or []
    found |= {
        "Name": str(found["Name"]).removeprefix("/"),
        "Image": str(found["Image"]).removeprefix("sha256:"),
        "ExecIDs": found["ExecIDs"] or [],
        "SizeRootFs": found["SizeRootFs"] or 0,
    }
    config |= {
        "Entrypoint": " ".join(entrypoint) if before_5 else entrypoint,
        "StopSignal": signals.number(config["StopSignal"]) if before_5 else config["StopSignal"],
        "OnBuild": None,
    }
    return found


def images(context: Context, *, filters: Sequence[str] = ()) -> list[Document]:
    """ImageListLibpod."""
    from crun_py.engine import images as found

    return [
        {
            "Id": one.id,
            "ParentId": "",
            "RepoTags": [_whole(name) for name in one.names],
            "RepoDigests": [_whole(name) for name in one.digests],
            "Size": one.size_bytes,
            "SharedSize": 0,
            "VirtualSize": one.size_bytes,
            "Labels": {**one.labels},
            "Containers": 0,
            "Names": [_whole(name) for name in one.names],
            "Digest": one.digest,
            "History": [_whole(name) for name in one.names],
            "Dangling": not one.names,
            "Created": documents._seconds(one.created_at),
            "CreatedAt": one.created_at,
        }
        for one in found.summaries(context, filters)
    ]


def _whole(name: str) -> str:
    """A name with its registry."""
    from crun_py.oci.reference import parse

    return str(parse(name))


def image(context: Context, name: str) -> Document:
    """ImageInspectLibpod."""
    from crun_py.show import inspect

    found = documents._plain(inspect.anything(context.paths, name, "image"))
    for key in ("RepoTags", "RepoDigests", "NamesHistory"):
        names = found.get(key)
        found[key] = [_whole(name) for name in names] if isinstance(names, list) else []
    found["Id"] = str(found["Id"]).removeprefix("sha256:")
    return found


def networks(context: Context, filters: Sequence[str] = ()) -> list[Document]:
    """NetworkListLibpod."""
    from crun_py.engine import networks as found
    from crun_py.show import network_list

    rows = network_list.rows(context.paths, found.infos(context, filters), [*filters], whole=True)
    return [network(context, str(row["Name"])) for row in rows
            if row["Driver"] not in ("host", "null", "none")]  # fmt: skip


def network(context: Context, name: str) -> Document:
    """NetworkInspectLibpod."""
    from crun_py.engine import networks as found

    one = found.inspect(context, name).network
    return {
        "name": one.name,
        "id": one.id,
        "driver": one.driver,
        "network_interface": one.interface,
        "created": one.created,
        "subnets": [{"subnet": s.subnet, "gateway": s.gateway} for s in one.subnets],
        "ipv6_enabled": any(":" in s.subnet for s in one.subnets),
        "internal": one.internal,
        "dns_enabled": one.dns,
        "network_dns_servers": [*one.dns_servers],
        "labels": {**one.labels},
        "options": {**one.options},
        "ipam_options": {"driver": "host-local"},
    }


def info(context: Context) -> Document:
    """SystemInfoLibpod: what podman's `info` has, in its names."""
    found = documents.info(context)
    return {key: found[key] for key in ("host", "store", "registries", "plugins", "version")}
