"""crunpy volume unmount."""

from __future__ import annotations

from crun_py.cli.each import each
from crun_py.cli.output import write
from crun_py.engine.context import Context
from crun_py.show import volume_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "VOLUME..."
OPTIONS = ()


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print each name; a volume's directory stays where it is."""
    return each(arguments, lambda text: write(volume_list.resolve(context.paths, text)), 1)
