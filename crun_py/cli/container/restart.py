"""crunpy restart."""

from __future__ import annotations

from crun_py.cli.container.stop import patience, signal
from crun_py.cli.each import CHOICE, chosen, each_apart
from crun_py.engine import containers
from crun_py.engine.context import Context
from crun_py.engine.selection import RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-t --time --timeout", "value", "Seconds until SIGKILL (-1: never)", "SECONDS"),
    ("-s --signal", "value", "Signal to send instead of the container's own", "SIGNAL"),
    ("-a --all", "flag", "All containers, whatever their state", ""),
    ("--running", "flag", "All running containers", ""),
    *CHOICE,
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Restart and print each name."""
    timeout_s, number = patience(values.maybe("time")), signal(values.maybe("signal"))
    running = values.flag("running")
    values = values.with_flag("all", values.flag("all") or running)
    names = chosen(context, values, arguments, RUNNING if running else None)

    def act(name: str) -> str:
        containers.restart(context, name, timeout_s=timeout_s, signal=number)
        return name

    return each_apart(names, act)
