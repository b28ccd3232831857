"""crunpy kill."""

from __future__ import annotations

from crun_py import signals, state
from crun_py.cli.each import each_apart, ids_in, named
from crun_py.cli.output import write
from crun_py.container import ending, restart
from crun_py.engine.context import Context
from crun_py.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-s --signal", "value", "The signal (KILL)", "SIGNAL"),
    ("-a --all", "flag", "All running containers", ""),
    ("-l --latest", "flag", "The one created last", ""),
    ("--cidfile", "list", "Those whose ids are in these files", "FILE"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Signal and print each name; SIGKILL has acted when we return."""
    number = signals.number(values["signal"] or "KILL")

    def act(name: str) -> None:
        container = state.find(context.paths, name)
        status = container.status()
        if status.alive:
            context.join(status)
        if number == 9 and status.alive:
            ending.stop(container, kill=True)
        elif not status.alive:
            raise Conflict(f"killing container {name}: it is not running")
        else:
            if number == container.record["config"]["stop_signal"]:
                restart.suspend(container)  # as Docker: the user wants it stopped
            ending.signal_it(container, status, number)
        write(name)

    wanted = arguments + ids_in(values["cidfile"])
    running = {"running", "paused", "stopping"}
    return each_apart(named(context, wanted, values["all"], running, latest=values["latest"]), act)
