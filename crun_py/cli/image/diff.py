"""crunpy image diff: what an image changed since the one below it."""

from __future__ import annotations

from crun_py.cli.container.diff import show
from crun_py.engine import images
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "IMAGE [BASE]"
OPTIONS = (("--format", "value", "json", "FORMAT"),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print a line for each change since the other image, or without one in the top layer."""
    show(images.changes(context, *arguments), values.maybe("format"))
    return 0
