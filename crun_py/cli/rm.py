"""crunpy rm."""

from __future__ import annotations

from crun_py import state
from crun_py.cli.each import chosen, each_apart
from crun_py.cli.output import write
from crun_py.cli.stop import patience
from crun_py.container import ending, lifecycle
from crun_py.engine.context import Context
from crun_py.errors import Conflict, CorruptState, CrunpyError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-f --force", "flag", "Kill it first if it runs; what is not there is no error", ""),
    ("-v --volumes", "flag", "Remove its anonymous volumes too", ""),
    ("-a --all", "flag", "Remove all containers", ""),
    ("-l --latest", "flag", "The one created last", ""),
    ("--link", "flag", "Remove a link (links have no life of their own here: an error)", ""),
    ("--depend", "flag", "Remove the containers that share its namespaces too", ""),
    ("-t --time", "value", "With -f: stop it first, SIGKILL after so long (-1: never)", "SECONDS"),
    ("-i --ignore", "flag", "A container that is not there is no error", ""),
    ("--filter", "list", "Those that `ps -a` would show with this filter", "KEY=VALUE"),
    ("--cidfile", "list", "Those whose ids are in these files", "FILE"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Remove and print each name."""
    if values["link"]:
        raise Conflict(
            "removing a link: links are part of their container here",
            hint="remove the container, or leave it",
        )
    timeout_s = patience(values["time"])
    names = (
        state.ids(context.paths)  # damaged ones too
        if values["all"]
        else chosen(context, values, arguments)
    )
    if values["depend"]:
        names = [d.id for name in names for d in dependents(context, name)] + names
    if len(names) > 1:
        names = ordered(context, names)

    def act(name: str) -> None:
        try:
            container_id = state.resolve(context.paths, name)
        except NotFound:
            if values["force"] or values["ignore"]:
                return
            raise
        status = state.status(context.paths, container_id)
        context.join(status) if status.alive else context.enter()
        try:
            container = state.load(context.paths, container_id)
        except CorruptState:
            if not values["force"]:
                raise
            ending.remove_broken(context.paths, container_id)
        else:
            if values["force"] and timeout_s is not None:
                ending.check_unshared(container)
                ending.stop(container, timeout_s)
            ending.remove(container, force=values["force"], anonymous_volumes=values["volumes"])
        write(name)

    failed = each_apart(names, act, 1)  # docker's and podman's exit status
    return each_apart([""], lambda _: sweep(context)) or failed


def dependents(context: Context, name: str) -> list[state.Container]:
    """The containers that share a namespace of the container `name`, those that depend on
    these first."""
    try:
        wanted = state.resolve(context.paths, name)
    except NotFound:
        return []
    found: list[state.Container] = []
    for container in state.every(context.paths):
        if wanted in ending.dependencies(container):
            found += [*dependents(context, container.id), container]
    return found


def ordered(context: Context, names: list[str]) -> list[str]:
    """`names`, those of containers that share a namespace of another one before that one's."""
    places = {}
    for place, container in enumerate(ending.in_order(state.every(context.paths))):
        places[container.id] = place

    def place_of(name: str) -> int:
        try:
            return places.get(state.resolve(context.paths, name), -1)
        except CrunpyError:
            return -1  # told when its turn comes

    shared = any(ending.dependencies(c) for c in state.every(context.paths))
    return sorted(names, key=place_of) if shared else names


def sweep(context: Context) -> None:
    """Finish what killed commands left."""
    if lifecycle.needs_sweep(context.paths):
        context.enter()
        lifecycle.sweep(context.paths, rootless=context.rootless)
