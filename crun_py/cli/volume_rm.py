"""crunpy volume rm."""

from __future__ import annotations

from crun_py import events, state, volumes
from crun_py.cli.each import each
from crun_py.cli.output import write
from crun_py.container import ending
from crun_py.engine.context import Context
from crun_py.errors import Conflict, InvalidArgument, NotFound
from crun_py.show import volume_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[VOLUME...]"
OPTIONS = (
    ("-f --force", "flag", "Remove the containers that have it; what is not there is no error", ""),
    ("-a --all", "flag", "All volumes", ""),
    ("-t --time", "value", "With -f: stop containers first, SIGKILL after so long", "SECONDS"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Remove and print each name; one that a container has is kept."""
    names = volume_list.names(context.paths) if values["all"] else arguments
    if not names and not values["all"]:
        raise InvalidArgument("no volume given", hint="names, or --all")
    context.enter()

    def act(text: str) -> None:
        try:
            name = volume_list.resolve(context.paths, text)
        except NotFound:
            if values["force"]:
                return
            raise
        for user in volume_list.users(context.paths).get(name, []):
            if not values["force"]:
                raise Conflict(
                    f"removing volume {name}: container {user} has it",
                    hint=f"crunpy rm {user}, or --force",
                )
            container = state.find(context.paths, user)
            if values["time"] is not None:
                ending.stop(container, int(values["time"]))
            ending.remove(container, force=True)
        volumes.remove(context.paths, name)
        events.emit(context.paths, "volume", "destroy", name, {"driver": "local"})
        write(text)

    return each(names, act, 1)
