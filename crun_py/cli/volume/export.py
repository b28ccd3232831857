"""crunpy volume export: what a volume holds, as a tar archive."""

from __future__ import annotations

import sys

from crun_py.cli.each import each
from crun_py.cli.streams import refuse_terminal
from crun_py.engine import volumes
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "VOLUME"
OPTIONS = (("-o --output", "value", "Write to a file instead of standard output", "FILE"),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Write the archive."""
    path = values.maybe("output")
    if not path:
        refuse_terminal(1, "exporting", "-o")
    return each(arguments, lambda name: volumes.export(context, name, path or sys.stdout.buffer), 1)
