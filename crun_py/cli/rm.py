"""crunpy rm."""

from __future__ import annotations

from crun_py import lifecycle, state
from crun_py.cli.context import Context, write
from crun_py.cli.each import each_apart
from crun_py.errors import CorruptState, InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-f --force", "flag", "Kill it first if it runs; what is not there is no error", ""),
    ("-v --volumes", "flag", "Remove its anonymous volumes too", ""),
    ("-a --all", "flag", "Remove all containers", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Remove and print each name."""
    names = arguments
    if values["all"]:
        names = state.ids(context.paths)
    elif not names:
        raise InvalidArgument("removing: no container given", hint="names, or --all")

    def act(name: str) -> None:
        try:
            container_id = state.resolve(context.paths, name)
        except NotFound:
            if values["force"]:
                return
            raise
        status = state.status(context.paths, container_id)
        context.join(status) if status.running else context.enter()
        try:
            container = state.load(context.paths, container_id)
        except CorruptState:
            if not values["force"]:
                raise
            lifecycle.remove_broken(context.paths, container_id)
        else:
            lifecycle.remove(container, force=values["force"], anonymous_volumes=values["volumes"])
        write(name)

    failed = each_apart(names, act)
    return each_apart([""], lambda _: sweep(context)) or failed


def sweep(context: Context) -> None:
    """Finish what killed commands left."""
    if lifecycle.needs_sweep(context.paths):
        context.enter()
        lifecycle.sweep(context.paths)
