"""crunpy network reload."""

from __future__ import annotations

from crun_py import state
from crun_py.cli.each import each
from crun_py.cli.output import write
from crun_py.engine.context import Context
from crun_py.engine.selection import named
from crun_py.errors import Conflict
from crun_py.net import modes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-a --all", "flag", "All running containers", ""),
    ("-l --latest", "flag", "The one created last", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Publish the ports of running containers again; print each id."""

    def act(name: str) -> None:
        container = state.find(context.paths, name)
        if not container.status().running:
            raise Conflict(
                f"reloading the network of container {container.name}: it is not running",
                hint=f"crunpy start {container.name}",
            )
        modes.reload(container)
        write(container.id)

    states = {"running", "paused", "stopping"}
    return each(named(context, arguments, values["all"], states, latest=values["latest"]), act)
