"""The store and the host as a whole: what there is, what takes space, what happens."""

from __future__ import annotations

from crun_py import state
from crun_py.errors import Conflict
from crun_py.record import from_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crun_py.engine.context import Context
    from crun_py.model.event import Event
    from crun_py.model.system import DiskUsage, EngineInfo, EngineVersion, SystemPruned
    from crun_py.show.disk import Report

CALLS = ("about", "about_version", "disk_usage", "prune", "events", "reload_network")


def info(context: Context) -> dict[str, object]:
    """Facts about the host and the store, with Docker's names and podman's."""
    from crun_py.show import info as facts
    from crun_py.show import podman_info

    found = facts.gather(context.paths, context.cgroup_manager)
    return {**found, **podman_info.as_json(found)}


def version(context: Context) -> dict[str, object]:
    """The version of the engine and what it runs on, with Docker's names."""
    from crun_py.show import version as shown

    return {**shown.part()}


def about(context: Context) -> EngineInfo:
    """A store and its host, in short."""
    from crun_py.model.system import EngineInfo
    from crun_py.show import info as facts

    return from_json(EngineInfo, facts.brief(context.paths))


def about_version(context: Context) -> EngineVersion:
    """The version of the engine and what it runs on."""
    from crun_py.model.system import EngineVersion
    from crun_py.show import version as shown

    return from_json(EngineVersion, shown.brief())


def report(context: Context) -> Report:
    """Everything that takes space, looked at now, in rows for people; see `disk_usage`."""
    from crun_py.show.disk import Report

    context.enter()
    return Report(context.paths)


def disk_usage(context: Context) -> DiskUsage:
    """What the store takes."""
    from crun_py.model.system import DiskUsage, Space

    found = [
        Space(
            count=int(row["TotalCount"]),
            active=int(row["Active"]),
            size_bytes=row["RawSize"],
            reclaimable_bytes=row["RawReclaimable"],
        )
        for row in report(context).summary()
    ]
    images, containers, volumes, build_cache = found
    return DiskUsage(images=images, containers=containers, volumes=volumes, build_cache=build_cache)


def prune(
    context: Context,
    filters: Sequence[str] = (),
    *,
    everything: bool = False,
    volumes: bool = False,
    dry_run: bool = False,
) -> SystemPruned:
    """Remove the pods and containers that do not run, networks without one, then dangling images,
    or with `everything` all without a container, and what builds keep and no image has, or with
    `everything` all of that; volumes: anonymous ones without a container too.

    filters: until=, label=, label!=; labels are not known of what builds keep.  dry_run: nothing
    is removed, the answer is what would be.  Raises InvalidArgument.
    """
    from crun_py.build import keep
    from crun_py.engine import containers, image_removal, networks, pods
    from crun_py.engine import volumes as stored
    from crun_py.model.pruned import Pruned
    from crun_py.model.system import SystemPruned

    stored.check_filters(filters)
    gone_pods = pods.prune(context, filters, dry_run=dry_run)
    # what would be gone by then frees what comes after it
    gone = {c.id for c in state.every(context.paths) if c.record.get("pod") in gone_pods.names}
    gone_containers = containers.prune(context, filters, dry_run=dry_run, gone=gone)
    gone |= {*gone_containers.names}
    gone_networks = networks.prune(context, filters, dry_run=dry_run, gone=gone)
    gone_volumes = Pruned()
    if volumes:
        gone_volumes = stored.prune(context, filters, dry_run=dry_run, gone=gone)
    pretence = image_removal.Pretence(context, gone) if dry_run else None
    gone_images = image_removal.prune(context, filters, everything=everything, pretence=pretence)
    cache = Pruned()
    if not any(text.startswith("label") for text in filters):
        gone_steps, size = keep.prune(
            context.paths, older_s=_age_s(filters), idle=not everything,
            pretended=pretence.store if pretence else None,
        )  # fmt: skip
        cache = Pruned(names=tuple(one.name for one in gone_steps), freed_bytes=size)
    return SystemPruned(
        containers=gone_containers,
        networks=gone_networks,
        volumes=gone_volumes,
        images=gone_images,
        build_cache=cache,
        pods=gone_pods,
    )


def _age_s(filters: Sequence[str]) -> float:
    """How many seconds ago `until=` is; 0 without."""
    import time

    from crun_py.clock import parse_point

    texts = [text.partition("=")[2] for text in filters if text.startswith("until=")]
    return max((time.time() - parse_point(text) / 1e9 for text in texts), default=0)


def events(
    context: Context,
    *,
    since_ns: int | None = None,
    until_ns: int | None = None,
    follow: bool = True,
    filters: Sequence[str] = (),
) -> Iterator[Event]:
    """What happens, and with since_ns (nanoseconds since 1970) what has happened, oldest first.

    follow: wait for what comes, up to until_ns if it is given.  filters: KEY=VALUE; either
    value of one key, all keys.  Raises InvalidArgument.
    """
    from crun_py import events as journal

    wanted = journal.matcher([*filters])
    return journal.read(
        context.paths, since_ns=since_ns, until_ns=until_ns, follow=follow, wanted=wanted
    )


def reload_network(context: Context, name: str) -> str:
    """Publish the ports of a container that runs again; its id.  Raises NotFound, Conflict."""
    from crun_py.net import attached, reconnect

    container = state.find(context.paths, name)
    status = container.status()
    if not status.running:
        raise Conflict(
            f"reloading the network of container {container.name}: it is not running",
            hint=f"crunpy start {container.name}",
        )
    if any(a.hub for a in attached.of(container)):
        context.join(status)
    reconnect.reload(container)
    return container.id
