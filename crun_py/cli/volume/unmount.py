"""crunpy volume unmount."""

from __future__ import annotations

from crun_py.cli.each import each
from crun_py.engine import volumes
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "VOLUME..."
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print each name; a volume's directory stays where it is."""
    return each(arguments, lambda name: volumes.unmount(context, name), 1)
