"""crunpy kill."""

from __future__ import annotations

from crun_py import signals
from crun_py.cli.each import chosen, each_apart
from crun_py.engine import containers
from crun_py.engine.context import Context
from crun_py.engine.selection import RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-s --signal", "value", "The signal (KILL)", "SIGNAL"),
    ("-a --all", "flag", "All running containers", ""),
    ("-l --latest", "flag", "The one created last", ""),
    ("--cidfile", "list", "Those whose ids are in these files", "FILE"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Signal and print each name; SIGKILL has acted when we return."""
    number = signals.number(values.text("signal") or "KILL")

    def act(name: str) -> str:
        containers.kill(context, name, number)
        return name

    return each_apart(chosen(context, values, arguments, RUNNING), act)
