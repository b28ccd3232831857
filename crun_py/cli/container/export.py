"""crunpy export: a container's files as a tar archive."""

from __future__ import annotations

import sys

from crun_py.cli.streams import refuse_terminal
from crun_py.engine import files
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "CONTAINER"
OPTIONS = (("-o --output", "value", "Write to a file instead of standard output", "FILE"),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Write the archive."""
    if not values.text("output"):
        refuse_terminal(1, "exporting", "-o")
    files.export(context, arguments[0], values.text("output") or sys.stdout.buffer)
    return 0
