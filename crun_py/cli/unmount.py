"""crunpy unmount: undo `crunpy mount`."""

from __future__ import annotations

from crun_py import state
from crun_py.cli.each import each
from crun_py.cli.output import write
from crun_py.container import inside, mounts
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.overlay.mount import is_mounted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-a --all", "flag", "Unmount all containers", ""),
    ("-f --force", "flag", "What is not mounted is no error", ""),
    ("-l --latest", "flag", "Unmount the container made last", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Unmount and print each name."""
    mounts.require_namespace("unmount")
    names = list(arguments)
    if values["latest"]:
        names += [container.id for container in state.every(context.paths)[:1]]
    if values["all"]:
        every = state.every(context.paths)
        names += [c.id for c in every if is_mounted(inside.merged(c))]
    elif not names:
        raise InvalidArgument("unmounting: no container given", hint="names, or --all")

    def act(name: str) -> None:
        container = state.find(context.paths, name)
        if not mounts.hide(container) and not values["force"]:
            raise InvalidArgument(f"unmounting container {container.name}: it is not mounted")
        write(name)

    return each(names, act)
