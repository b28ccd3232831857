"""What containers are: their records and what is true of them now, typed."""

from __future__ import annotations

from crun_py import state
from crun_py.cgroup import group
from crun_py.container import elsewhere, failure, health, restart
from crun_py.model.network import Attachment, PortMapping
from crun_py.model.state import ContainerInfo, MountPoint
from crun_py.net import attached
from crun_py.record import from_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.container import MountEntry
    from crun_py.engine.context import Context
    from crun_py.state import Container

CALLS = ("container", "containers")


def container(context: Context, name: str) -> ContainerInfo:
    """The container of this name, id or prefix of an id.  Raises NotFound, CorruptState."""
    return info(state.find(context.paths, name))


def containers(
    context: Context, *, everything: bool = False, filters: tuple[str, ...] = ()
) -> tuple[ContainerInfo, ...]:
    """The containers that run, or `everything`, newest first; filters: KEY=VALUE as of `ps`.

    Raises InvalidArgument.
    """
    if filters:
        from crun_py.show import listing

        rows = listing.containers(
            context.paths, everything=everything, filters=[*filters], whole=True
        )
        wanted = {row["ID"] for row in rows}
        return tuple(info(c) for c in state.every(context.paths) if c.id in wanted)
    found = (info(c) for c in state.every(context.paths))
    return tuple(one for one in found if everything or one.running or one.state == "restarting")


def info(found: Container) -> ContainerInfo:
    """All that is known of a container."""
    record, status = found.record, elsewhere.seen(found, found.status())
    well = health.current(found) if status.running else None
    error, failed = failure.read(found) if not status.running else ("", 0)
    attachments = attached.of(found) if status.running else ()
    network = record["network"]
    outward = next((a for a in attachments if a.gateway or a.helper), None) or next(
        iter(attachments), Attachment(driver="", network="")
    )
    asked = (from_json(PortMapping, port) for port in network["ports"])
    real = (port for attachment in attachments for port in attachment.ports)
    return ContainerInfo(
        id=found.id,
        name=found.name,
        image=record["image"],
        image_id=record["image_id"],
        command=tuple(record["args"]),
        created_at=record["created"],
        state=status.state,
        pid=status.pid,
        exit_code=failed or status.exit_code,
        started_at=status.started_at,
        finished_at=status.finished_at,
        oom_killed=status.oom_killed or group.oom_killed(found.cgroup),
        error=error,
        health=well["status"] if well else "",
        restart_count=restart.count(found),
        ports=tuple(real if status.running else asked),
        ip_address=outward.ip or outward.ip6,
        gateway=outward.gateway or outward.gateway6,
        mac_address=outward.mac,
        networks=attachments,
        network_mode=network["mode"],
        labels=record["config"]["labels"],
        mounts=tuple(_mount_point(entry) for entry in record["mounts"]),
        tty=record["config"]["tty"],
        open_stdin=record["config"]["open_stdin"],
        stdin_once=record["config"]["stdin_once"],
        auto_remove=record["auto_remove"],
        pod=record.get("pod", ""),
        infra=record.get("infra", False),
    )


def _mount_point(entry: MountEntry) -> MountPoint:
    return MountPoint(
        type=entry["type"],
        name=entry["name"],
        source=entry["source"],
        target=entry["destination"],
        read_only=not entry["rw"],
    )
