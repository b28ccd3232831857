"""Removing what is not used: containers that do not run, volumes without a container."""

from __future__ import annotations

from crun_py import clock, state, workspace
from crun_py import volumes as volume_store
from crun_py.container import ending, uses
from crun_py.errors import Conflict, InvalidArgument, NotFound
from crun_py.filters import label_matches
from crun_py.filters import parse as parse_filters
from crun_py.model.pruned import Pruned
from crun_py.tree import disk_usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from crun_py.paths import Paths


FILTERS = ["until", "label", "label!"]


def parse(filters: Sequence[str]) -> tuple[int, list[tuple[bool, str]]]:
    """--filter of the prune commands: the time in ns since 1970 before which a thing must have
    been made, and labels, each with whether it must be there.  Raises InvalidArgument."""
    wanted = parse_filters([*filters], FILTERS)
    before = min(map(clock.parse_point, wanted.get("until", ["0s"])))
    there = [(True, label) for label in wanted.get("label", [])]
    return before, there + [(False, label) for label in wanted.get("label!", [])]


def parse_of_volumes(filters: Sequence[str]) -> tuple[bool, tuple[int, list[tuple[bool, str]]]]:
    """As `parse`, and before it whether all=true is among them, as Docker has it: named volumes
    too.  Raises InvalidArgument."""
    wanted = parse_filters([*filters], [*FILTERS, "all"])
    for value in wanted.get("all", []):
        if value.lower() not in _BOOLEANS:
            raise InvalidArgument(f"filter all={value}: not true or false")
    everything = any(_BOOLEANS[value.lower()] for value in wanted.get("all", []))
    return everything, parse([text for text in filters if not text.startswith("all=")])


_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def fits(created: str, has: dict[str, str], wanted: tuple[int, list[tuple[bool, str]]]) -> bool:
    """Whether a thing made at `created` with the labels `has` passes the filters."""
    before, labels = wanted
    return clock.known_ns(created) < before and all(
        label_matches(has, label) == there for there, label in labels
    )


def containers(
    paths: Paths, filters: Sequence[str], *, dry_run: bool = False, gone: Collection[str] = ()
) -> Pruned:
    """Remove all containers that do not run; their ids and the bytes won.

    A container that another command removes or starts meanwhile is passed over.
    dry_run: nothing is removed, they are those that would be.  gone: ids of those that would be
    gone before.
    """
    wanted = parse(filters)
    passed = {*workspace.containers(paths), *gone}
    removed: list[str] = []
    size_bytes = 0
    for container in ending.in_order(state.every(paths)):
        status = container.status()
        if status.alive or status.state == "restarting" or container.id in passed:
            continue
        record = container.record
        if not fits(record["created"], record["config"]["labels"], wanted):
            continue
        bytes_used = disk_usage(container.directory + "/upper")
        try:
            if dry_run:
                ending.check_removable(container, gone={*removed, *gone})
            else:
                ending.remove(container)
        except Conflict:
            continue
        removed.append(container.id)
        size_bytes += bytes_used
    return Pruned(names=tuple(removed), freed_bytes=size_bytes)


def volumes(
    paths: Paths,
    filters: Sequence[str],
    *,
    everything: bool = False,
    dry_run: bool = False,
    gone: Collection[str] = (),
) -> Pruned:
    """Remove the anonymous volumes (everything: named ones too) that no container has; their
    names and the bytes won.

    dry_run: nothing is removed, they are those that would be.  gone: ids of containers that would
    be gone before.
    """
    asked, wanted = parse_of_volumes(filters)
    everything |= asked
    if not dry_run:
        volume_store.sweep(paths)
    users = uses.VolumeUsers(paths, but=gone)
    used = uses.used_volumes(paths, but=gone)
    removed, size_bytes = [], 0
    for name in volume_store.names(paths):
        about = volume_store.about(paths, name)
        if name in used or not (about["anonymous"] or everything):
            continue
        if not about["created"] or not fits(about["created"], about["labels"], wanted):
            continue
        bytes_used = disk_usage(volume_store.data_directory(paths, name))
        if dry_run and users(name):
            continue  # of a container in the making
        try:
            if not dry_run:
                volume_store.remove(paths, name, users)
        except (NotFound, Conflict):
            continue  # somebody else was faster, or has begun to use it
        removed.append(name)
        size_bytes += bytes_used
    return Pruned(names=tuple(removed), freed_bytes=size_bytes)
