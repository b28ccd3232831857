"""crunpy pod top."""

from __future__ import annotations

from crun_py.cli import table
from crun_py.engine import pods
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[POD] [COLUMN...]"
MIXED = False
OPTIONS = (("-l --latest", "flag", "The one created last", ""),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the processes of a pod's containers: podman's columns, or those that are asked for."""
    if values.flag("latest"):
        arguments = [*pods.named(context, (), latest=True), *arguments]
    name = pods.named(context, arguments[:1])[0]
    found = pods.processes(context, name, arguments[1:])
    table.lay_out([[*found.titles], *([*row] for row in found.processes)], least=20)
    return 0
