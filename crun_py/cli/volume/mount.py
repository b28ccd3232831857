"""crunpy volume mount."""

from __future__ import annotations

from crun_py.cli.each import each
from crun_py.engine import files, volumes
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "VOLUME..."
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the directory where each volume's files are: it is there all the time."""
    files.require_mounts("volume mount")
    return each(arguments, lambda name: volumes.mount(context, name), 1)
