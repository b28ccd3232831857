"""crunpy restart."""

from __future__ import annotations

from crun_py import state
from crun_py.cli.each import CHOICE, chosen, each_apart
from crun_py.cli.output import write
from crun_py.cli.stop import patience, signal
from crun_py.container import control
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-t --time --timeout", "value", "Seconds until SIGKILL (-1: never)", "SECONDS"),
    ("-s --signal", "value", "Signal to send instead of the container's own", "SIGNAL"),
    ("-a --all", "flag", "All containers, whatever their state", ""),
    ("--running", "flag", "All running containers", ""),
    *CHOICE,
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Restart and print each name."""
    timeout_s, number = patience(values["time"]), signal(values["signal"])
    states = {"running", "paused", "stopping"} if values["running"] else None
    everything = values["all"] or values["running"]
    names = chosen(context, {**values, "all": everything}, arguments, states)

    def act(name: str) -> None:
        container = state.find(context.paths, name)
        if number:
            container.record["config"]["stop_signal"] = number
        status = container.status()
        context.join(status) if status.alive else context.enter(*container.modes)
        control.again(container, timeout_s, rootless=context.rootless)
        write(name)

    return each_apart(names, act)
