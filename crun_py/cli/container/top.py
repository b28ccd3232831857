"""crunpy top."""

from __future__ import annotations

from crun_py.cli import table
from crun_py.engine import inspection, selection
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER] [COLUMN...]"
MIXED = False
OPTIONS = (("-l --latest", "flag", "The container created last", ""),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the processes: columns of ps -ef, or those that the words after the name ask for."""
    if values.flag("latest"):
        arguments = [*selection.named(context, (), latest=True), *arguments]
    elif not arguments:
        raise InvalidArgument("top: no container given", hint="a name, or --latest")
    found = inspection.processes(context, arguments[0], arguments[1:])
    table.lay_out([[*found.titles], *([*row] for row in found.processes)], least=20)
    return 0
