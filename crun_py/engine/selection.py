"""Which containers a call for several of them is about."""

from __future__ import annotations

from crun_py import state
from crun_py.errors import CrunpyError, InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from crun_py.engine.context import Context

CALLS = ("named", "every", "with_dependents", "dependents_first")
_ID_FILE_BYTES = 4096
RUNNING = frozenset(("running", "paused", "stopping"))
"""The states of a container whose processes are there."""


def named(
    context: Context,
    names: Sequence[str],
    everything: bool = False,
    states: Collection[str] | None = None,
    *,
    latest: bool = False,
    filters: Sequence[str] = (),
) -> list[str]:
    """The containers that a call is about: those named, or with `everything` (or filters) the
    ids of all in one of `states` (None: any), or with `latest` that of the newest.

    filters: KEY=VALUE as `ps` takes them.  Raises InvalidArgument when none is named, NotFound
    when there is no newest.
    """
    if latest:
        return [state.latest(context.paths).id]
    if not everything and not filters:
        if not names:
            raise InvalidArgument("no container given", hint="names, or --all")
        return [*names]
    ids = every(context, states)
    if filters:
        from crun_py.show import listing

        rows = listing.containers(
            context.paths, everything=True, filters=[*filters], whole=True, details=False
        )
        shown = {row["ID"] for row in rows}
        ids = [container_id for container_id in ids if container_id in shown]
    return ids


def every(
    context: Context, states: Collection[str] | None = None, *, damaged: bool = False
) -> list[str]:
    """The ids of all containers, or of those in one of `states`, newest first.

    damaged: those too whose record cannot be read, then in no order.
    """
    if damaged:
        return state.ids(context.paths)
    found = state.every(context.paths)
    return [c.id for c in found if states is None or c.status().state in states]


def removable(context: Context) -> list[str]:
    """The ids of all containers, also of damaged ones, but those that go with their pods."""
    from crun_py import pods

    with_pods = {pod.record["infra"] for pod in pods.every(context.paths)}
    return [i for i in every(context, damaged=True) if i not in with_pods]


def ids_in(files: Sequence[str], what: str = "cidfile") -> list[str]:
    """The ids that `create` wrote to `files` (--cidfile).  Raises InvalidArgument."""
    found = []
    for path in files:
        try:
            with open(path, encoding="ascii") as f:
                found.append(f.read(_ID_FILE_BYTES).strip())
        except OSError as e:
            raise InvalidArgument.from_os(f"reading {what} {path}", e) from e
        except ValueError as e:
            raise InvalidArgument(f"reading {what} {path}: it is no such file") from e
    return found


def with_dependents(context: Context, names: Sequence[str]) -> list[str]:
    """The ids of the containers that share a namespace of those named, those that depend on
    these first, and then `names`."""
    return [c.id for name in names for c in _dependents(context, name)] + [*names]


def _dependents(context: Context, name: str) -> list[state.Container]:
    from crun_py.container import ending

    try:
        wanted = state.resolve(context.paths, name)
    except NotFound:
        return []
    found: list[state.Container] = []
    for container in state.every(context.paths):
        if wanted in ending.dependencies(container):
            found += [*_dependents(context, container.id), container]
    return found


def dependents_first(context: Context, names: Sequence[str]) -> list[str]:
    """`names`, those of containers that share a namespace of another one before that one's."""
    from crun_py.container import ending

    every = state.every(context.paths)
    if not any(ending.dependencies(c) for c in every):
        return [*names]
    places = {container.id: place for place, container in enumerate(ending.in_order(every))}

    def place_of(name: str) -> int:
        try:
            return places.get(state.resolve(context.paths, name), -1)
        except CrunpyError:
            return -1  # told when its turn comes

    return sorted(names, key=place_of)
