"""crunpy restart."""

from __future__ import annotations

from crun_py.cli.container.stop import patience, signal
from crun_py.cli.each import CHOICE, chosen, each_apart
from crun_py.engine import containers
from crun_py.engine.context import Context
from crun_py.engine.selection import RUNNING

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
    everything = values["all"] or values["running"]
    states = RUNNING if values["running"] else None
    names = chosen(context, {**values, "all": everything}, arguments, states)

    def act(name: str) -> str:
        containers.restart(context, name, timeout_s=timeout_s, signal=number)
        return name

    return each_apart(names, act)
