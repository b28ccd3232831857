"""crunpy kill."""

from __future__ import annotations

from crun_py import lifecycle, state
from crun_py.cli.context import Context, write
from crun_py.cli.each import each_apart
from crun_py.errors import Conflict
from crun_py.request import signal_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "CONTAINER..."
OPTIONS = (("-s --signal", "value", "The signal (KILL)", "SIGNAL"),)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Signal and print each name; SIGKILL has acted when we return."""
    number = signal_number(values["signal"] or "KILL")

    def act(name: str) -> None:
        container = state.find(context.paths, name)
        status = container.status()
        if status.running:
            context.join(status)
        if number == 9 and status.running:
            lifecycle.stop(container, kill=True)
        elif not status.running or not state.send_signal(status, number):
            raise Conflict(f"killing container {name}: it is not running")
        write(name)

    return each_apart(arguments, act)
