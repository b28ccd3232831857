"""crunpy volume import: put the files of a tar archive into a volume."""

from __future__ import annotations

import sys

from crun_py.cli.each import each
from crun_py.engine import volumes
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "VOLUME FILE"
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Extract; what the volume holds already stays."""
    name, path = arguments
    source = sys.stdin.buffer if path == "-" else path
    return each([name], lambda name: volumes.fill(context, name, source), 1)
