"""crunpy top."""

from __future__ import annotations

from crun_py import state
from crun_py.cli import table
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.show import processes, top

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER] [COLUMN...]"
MIXED = False
OPTIONS = (("-l --latest", "flag", "The container created last", ""),)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print the processes: columns of ps -ef, or those that the words after the name ask for."""
    if values["latest"]:
        container, words = state.latest(context.paths), arguments
    elif arguments:
        container, words = state.find(context.paths, arguments[0]), arguments[1:]
    else:
        raise InvalidArgument("top: no container given", hint="a name, or --latest")
    status = processes.running(container, "listing processes of")
    fields = top.descriptors(words) if words else None
    if fields:
        context.join(status)
        lines = top.table(container, status, fields)
    else:
        lines = top.by_ps(container, status, words or ["-ef"])
    table.lay_out(lines, least=20)
    return 0
